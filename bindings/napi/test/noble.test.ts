// The addon and an independent implementation of the group agree, in both directions.

import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'node:test';

import {
  createEnrollment,
  generateCredential,
  proveAuthentication,
  verifyAuthentication,
  verifyEnrollment,
} from '@2fapi/crypto-napi';

import * as noble from './noble.js';

const CASES = 1000;

const random = (): noble.About => ({
  clientId: `c${randomBytes(randomInt(0, 60)).toString('hex')}`,
  nonce: new Uint8Array(randomBytes(randomInt(16, 65))),
  channelBinding: new Uint8Array(Buffer.concat([Buffer.from('aud:'), randomBytes(randomInt(0, 200))])),
});

/** The same bytes with one bit changed. */
function changed(proof: Uint8Array): Uint8Array {
  const other = Uint8Array.from(proof);
  const place = randomInt(0, 96 * 8);
  other[place >> 3] = (other[place >> 3] ?? 0) ^ (1 << (place & 7));
  return other;
}

/** Malformed counts as refused. */
function native(commitment: Uint8Array, about: noble.About, proof: Uint8Array): boolean {
  try {
    return verifyAuthentication({ ...about, commitment, proof });
  } catch {
    return false;
  }
}

test('what the addon proves the other verifies, and the other way round', () => {
  for (let n = 0; n < CASES; n += 1) {
    const about = random();
    if (n % 2 === 0) {
      const credential = generateCredential();
      const { clientId, nonce, channelBinding } = about;
      const proof = proveAuthentication({ clientId, credential, challenge: { nonce, channelBinding } });
      assert.equal(noble.verify(credential.commitment, about, proof), true);
      const wrong = changed(proof);
      assert.equal(native(credential.commitment, about, wrong), noble.verify(credential.commitment, about, wrong));
    } else {
      const drawn = noble.draw();
      const proof = noble.prove(drawn, about);
      assert.equal(native(drawn.commitment, about, proof), true);
      const wrong = changed(proof);
      assert.equal(native(drawn.commitment, about, wrong), noble.verify(drawn.commitment, about, wrong));
    }
  }
});

test('enrolments agree as well', () => {
  for (let n = 0; n < 20; n += 1) {
    const { clientId } = random();
    const about = { clientId, nonce: new Uint8Array(0), channelBinding: new TextEncoder().encode('enrollment') };
    const { commitment, proof } = createEnrollment({ clientId, credential: generateCredential() });
    assert.equal(noble.verify(commitment, about, proof), true);
    const drawn = noble.draw();
    assert.equal(verifyEnrollment({ clientId, commitment: drawn.commitment, proof: noble.prove(drawn, about) }), true);
  }
});

