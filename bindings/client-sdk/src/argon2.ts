/** Argon2id: hash-wasm, which is several times faster, and @noble/hashes where WebAssembly is refused. */
import { argon2id as fast } from 'hash-wasm';

import { TwoFApiError } from './errors.js';

const LENGTH = 32;

export interface Argon2Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

export async function argon2id(
  password: Uint8Array,
  salt: Uint8Array,
  cost: Argon2Cost,
): Promise<Uint8Array> {
  if (password.length === 0) {
    throw new TwoFApiError('invalid_argument', 'the passphrase must not be empty');
  }
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
