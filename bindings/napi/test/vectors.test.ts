// Every vector, through the addon.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  TwoFApiError,
  buildTranscript,
  challengeNonce,
  checkClientId,
  commit,
  completeTranscript,
  getGeneratorG,
  getGeneratorH,
  hashTranscript,
  toHex,
  verifyAuthentication,
  verifyEnrollment,
  verifyProofEquation,
} from '@2fapi/crypto-napi';

import { CHALLENGES, SIGMA, unhex, vectors, type Challenges, type ClientIds, type Proven, type Sigma } from './vectors.js';

const ROTATION = Buffer.from('rotation:');

/** Whether the proof of a case is accepted; errors of the protocol count as no. */
function accepted(it: Proven): boolean {
  const [commitment, nonce, channelBinding, proof] = [it.commitment, it.nonce, it.channel_binding, it.proof].map(unhex);
  assert(commitment && nonce && channelBinding && proof);
  const clientId = it.client_id;
  try {
    if (nonce.length === 0 && Buffer.from(channelBinding).toString('latin1') === 'enrollment') {
      return verifyEnrollment({ clientId, commitment, proof });
    }
    if (Buffer.from(channelBinding.subarray(0, 9)).equals(ROTATION)) return byItsParts(it);
    return verifyAuthentication({ clientId, commitment, nonce, channelBinding, proof });
  } catch (error) {
    assert(error instanceof TwoFApiError, String(error));
    return false;
  }
}

/** One proof of a rotation, put together from the low-level calls. */
function byItsParts(it: Proven): boolean {
  const [commitment, proof] = [unhex(it.commitment), unhex(it.proof)];
  const transcriptData = buildTranscript({
    clientId: it.client_id,
    nonce: unhex(it.nonce),
    channelBinding: unhex(it.channel_binding),
  });
  const announcement = proof.slice(0, 32);
  return verifyProofEquation({
    generatorG: getGeneratorG(),
    generatorH: getGeneratorH(),
    commitment,
    announcement,
    challenge: hashTranscript(completeTranscript({ commitment, announcement, transcriptData })),
    responseS: proof.slice(32, 64),
    responseR: proof.slice(64),
  });
}

for (const file of SIGMA) {
  test(`${file}: what is accepted is accepted, and every value of it is computed again`, () => {
    const { accepted: cases, generators } = vectors<Sigma>(file);
    assert.equal(toHex(getGeneratorG()), generators.G);
    assert.equal(toHex(getGeneratorH()), generators.H);
    assert(cases.length > 10);
    for (const it of cases) {
      assert.equal(accepted(it), true, it.name);
      assert.equal(byItsParts(it), true, it.name);
      assert.equal(toHex(commit(unhex(it.secret), unhex(it.blinding))), it.commitment, it.name);
      const transcript = completeTranscript({
        commitment: unhex(it.commitment),
        announcement: unhex(it.proof).slice(0, 32),
        transcriptData: buildTranscript({
          clientId: it.client_id,
          nonce: unhex(it.nonce),
          channelBinding: unhex(it.channel_binding),
        }),
      });
      assert.equal(toHex(transcript), it.transcript, it.name);
      assert.equal(toHex(hashTranscript(transcript)), it.challenge, it.name);
    }
  });

  test(`${file}: what is rejected is rejected`, () => {
    const { rejected } = vectors<Sigma>(file);
    assert(rejected.length > 50);
    for (const it of rejected) assert.equal(accepted(it), false, `${it.name} (${it.reason})`);
  });
}

for (const file of CHALLENGES) {
  test(`${file}: challenges are computed again, and those that are not live are denied`, () => {
    const { ttl: ttlSeconds, live, refused } = vectors<Challenges>(file);
    for (const it of live) {
      const { client_id: clientId, challenge_id: challengeId, now } = it;
      const challengeKey = unhex(it.challenge_key);
      assert.equal(toHex(challengeNonce({ clientId, challengeId, challengeKey, ttlSeconds, now })), it.nonce, it.name);
    }
    for (const it of refused) {
      const { client_id: clientId, challenge_id: challengeId, now } = it;
      const from = { clientId, challengeId, challengeKey: unhex(it.challenge_key), ttlSeconds, now };
      // A time beyond what a number holds exactly is none at all.
      const code = Number.isSafeInteger(now) ? 'denied' : 'invalid_encoding';
      assert.throws(() => challengeNonce(from), { code }, it.name);
    }
  });
}

test('client-id-v1.json: client ids are judged as the file says', () => {
  const { valid, invalid } = vectors<ClientIds>('client-id-v1.json');
  for (const id of valid) checkClientId(id);
  for (const id of invalid) assert.throws(() => checkClientId(id), { code: 'invalid_client_id' }, id.slice(0, 40));
});
