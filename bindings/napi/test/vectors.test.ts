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

import { ANSWERS, CHALLENGES, SIGMA, unhex, vectors, type Challenges, type ClientIds, type Proven, type Sigma } from './vectors.js';

const ROTATION = Buffer.from('rotation:');

/** The answer to a case: accepted, denied or the code of an error. The purpose is the host's. */
function answer(it: Proven): string {
  const [commitment, nonce, channelBinding, proof] = [it.commitment, it.nonce, it.channel_binding, it.proof].map(unhex);
  assert(commitment && nonce && channelBinding && proof);
  const clientId = it.client_id;
  const bound = Buffer.from(channelBinding);
  try {
    switch (it.purpose) {
      case 'enrolment':
        // The call for enrolments takes neither nonce nor binding, so that no other can be said.
        if (nonce.length !== 0) return 'invalid_length';
        if (bound.toString('latin1') !== 'enrollment') return 'invalid_encoding';
        return verifyEnrollment({ clientId, commitment, proof }) ? 'accepted' : 'denied';
      case 'authentication':
        return verifyAuthentication({ clientId, commitment, nonce, channelBinding, proof }) ? 'accepted' : 'denied';
      case 'rotation':
        // The call for rotations takes the new commitment by itself.
        if (nonce.length === 0) return 'invalid_length';
        if (!bound.subarray(0, 9).equals(ROTATION)) return 'invalid_encoding';
        return byItsParts(it) ? 'accepted' : 'denied';
      default:
        return assert.fail(`a purpose that there is not: ${JSON.stringify(it)}`);
    }
  } catch (error) {
    assert(error instanceof TwoFApiError, String(error));
    return error.code;
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
      assert.equal(answer(it), 'accepted', it.name);
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

  test(`${file}: what is rejected is rejected for the reason that the file gives`, () => {
    const { rejected } = vectors<Sigma>(file);
    assert(rejected.length > 50);
    for (const it of rejected) {
      const answers: readonly string[] = ANSWERS[it.reason];
      assert(answers.includes(answer(it)), `${it.name}: ${answer(it)} for ${it.reason}`);
    }
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
      assert.throws(() => challengeNonce(from), { code: 'denied' }, it.name);
    }
  });
}

test('client-id-v1.json: client ids are judged as the file says', () => {
  const { valid, invalid } = vectors<ClientIds>('client-id-v1.json');
  for (const id of valid) checkClientId(id);
  for (const id of invalid) assert.throws(() => checkClientId(id), { code: 'invalid_client_id' }, id.slice(0, 40));
});
