// Argon2id against RFC 9106, and both implementations against each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { argon2id as noble } from '@noble/hashes/argon2.js';
import { argon2id as hashWasm } from 'hash-wasm';

test('both implementations of Argon2id agree', async () => {
  const password = new TextEncoder().encode('correct horse');
  const salt = new Uint8Array(16).fill(7);
  for (const [m, t, p] of [[32, 3, 4], [64, 1, 1], [1024, 2, 4]]) {
    const fast = await hashWasm({ password, salt, memorySize: m, iterations: t, parallelism: p, hashLength: 32, outputType: 'binary' });
    assert.deepEqual(Buffer.from(noble(password, salt, { m, t, p, dkLen: 32 })), Buffer.from(fast));
  }
});

test('the example of RFC 9106, section 5.3', () => {
  const fill = (length, byte) => new Uint8Array(length).fill(byte);
  const tag = noble(fill(32, 1), fill(16, 2), { m: 32, t: 3, p: 4, dkLen: 32, key: fill(8, 3), personalization: fill(12, 4) });
  assert.equal(Buffer.from(tag).toString('hex'), '0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659');
});
