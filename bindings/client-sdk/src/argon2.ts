/** Argon2id: hash-wasm, which is several times faster, and @noble/hashes where WebAssembly is refused. */
import { argon2id as fast } from 'hash-wasm';

import { type Bytes, copyOf } from './bytes.js';
import { storeUnavailable } from './errors.js';

const LENGTH = 32;

export interface Argon2Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

export async function argon2id(
  password: Bytes,
  salt: Bytes,
  cost: Argon2Cost,
): Promise<Bytes> {
  const computed = await byEither(password, salt, cost);
  // What makes a key is believed by what it is: a library's answer comes from outside, too.
  const tag = copyOf(computed, LENGTH, LENGTH);
  computed.fill(0);
  if (!tag) throw storeUnavailable('Argon2id was not computed');
  return tag;
}

async function byEither(password: Bytes, salt: Bytes, cost: Argon2Cost): Promise<Uint8Array> {
  try {
    return await fast({
      password,
      salt,
      memorySize: cost.memoryKib,
      iterations: cost.passes,
      parallelism: cost.lanes,
      hashLength: LENGTH,
      outputType: 'binary',
    });
  } catch {
    const { argon2idAsync } = await import('@noble/hashes/argon2.js');
    return argon2idAsync(password, salt, {
      m: cost.memoryKib,
      t: cost.passes,
      p: cost.lanes,
      dkLen: LENGTH,
    });
  }
}
