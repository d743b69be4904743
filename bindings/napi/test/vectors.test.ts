// Every vector, through the addon.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  TwoFApiError,
  buildTranscript,
  challengeNonce,
  checkClientId,
  checkCommitment,
  checkCredentialId,
  checkCredentialName,
  commit,
  completeTranscript,
  createLinkProof,
  credentialIdOf,
  getGeneratorG,
  getGeneratorH,
  hashTranscript,
  linkNumber,
  toHex,
  verifyAuthentication,
  verifyEnrollment,
  verifyJoining,
  verifyLinkProof,
  verifyProofEquation,
} from '@2fapi/crypto-napi';

import { ANSWERS, CHALLENGES, SIGMA, unhex, vectors, type Challenges, type ClientIds, type Linking, type LinkProofs, type LinkProven, type Proven, type Sigma } from './vectors.js';

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
        // Otherwise the parts below are those of another purpose.
        if ((bound[9] ?? 0) % 2 === 1) checkCommitment(channelBinding.slice(9, 41));
        return byItsParts(it) ? 'accepted' : 'denied';
      case 'linking':
      case 'unlinking': {
        // So do the calls that prove these; to verify them is for the ceremonies.
        if (nonce.length === 0) return 'invalid_length';
        const byte = it.purpose === 'linking' ? 1 : 3;
        if (!bound.subarray(0, 9).equals(ROTATION) || bound[9] !== byte) return 'invalid_encoding';
        return byItsParts(it) ? 'accepted' : 'denied';
      }
      case 'joining': {
        if (nonce.length === 0) return 'invalid_length';
        if (!bound.subarray(0, 9).equals(ROTATION) || bound[9] !== 5) return 'invalid_encoding';
        const joining = { clientId, commitment, nonce, channelBinding: channelBinding.slice(10), proof };
        return verifyJoining(joining) ? 'accepted' : 'denied';
      }
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

test('linking-v1.json: proofs of each purpose, credential ids, numbers and names', () => {
  const file = vectors<Linking>('linking-v1.json');
  for (const it of file.accepted) {
    assert.equal(answer(it), 'accepted', it.name);
    assert.equal(byItsParts(it), true, it.name);
  }
  for (const it of file.rejected) {
    const answers: readonly string[] = ANSWERS[it.reason];
    assert(answers.includes(answer(it)), `${it.name}: ${answer(it)} for ${it.reason}`);
  }
  assert(file.accepted.length > 20 && file.rejected.length > 100);
  for (const it of file.credential_ids) assert.equal(credentialIdOf(unhex(it.commitment)), it.credential_id, it.name);
  for (const it of file.link_numbers) assert.equal(linkNumber(it.challenge_id, unhex(it.commitment)), it.number, it.name);
  for (const it of file.credential_ids) checkCredentialId(it.credential_id);
  for (const id of file.no_credential_ids) assert.throws(() => checkCredentialId(id), TwoFApiError, id);
  for (const name of file.credential_names) checkCredentialName(name);
  for (const name of file.no_credential_names) assert.throws(() => checkCredentialName(name), TwoFApiError, JSON.stringify(name));
});

test('link-proof-v1.json: link proofs are judged as the file says, and made', async () => {
  const { accepted, rejected } = vectors<LinkProofs>('link-proof-v1.json');
  const about = (it: LinkProven) => ({
    first: { audience: it.audience_1, clientId: it.client_id_1, commitment: unhex(it.commitment_1) },
    second: { audience: it.audience_2, clientId: it.client_id_2, commitment: unhex(it.commitment_2) },
    nonce: unhex(it.nonce),
  });
  for (const it of accepted) {
    const link = about(it);
    assert.equal(await verifyLinkProof({ ...link, proof: unhex(it.proof) }), true, it.name);
    const credentialOf = (blinding: string) => ({ secret: unhex(it.secret), blinding: unhex(blinding) });
    const proof = createLinkProof({
      first: { ...link.first, credential: credentialOf(it.blinding_1) },
      second: { ...link.second, credential: credentialOf(it.blinding_2) },
      nonce: link.nonce,
    });
    assert.equal(await verifyLinkProof({ ...link, proof }), true, it.name);
  }
  for (const it of rejected) {
    const found = await verifyLinkProof({ ...about(it), proof: unhex(it.proof) }).then(
      (holds) => (holds ? 'accepted' : 'denied'),
      (error: unknown) => (error instanceof TwoFApiError ? error.code : String(error)),
    );
    const answers: readonly string[] = ANSWERS[it.reason];
    assert(answers.includes(found), `${it.name}: ${found} for ${it.reason}`);
  }
  assert(accepted.length > 5 && rejected.length > 100);
});

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
