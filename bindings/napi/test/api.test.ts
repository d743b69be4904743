// What the functions do for the programs that call them.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

import * as addon from '@2fapi/crypto-napi';

const clientId = 'alice';
const key = new Uint8Array(32).fill(7);
const challengeOf = (id = clientId) => addon.issueChallenge({ clientId: id, challengeKey: key });
const binding = addon.audienceBinding('https://api.example.com');

test('the whole ceremony: enrol, challenge, prove, verify', async () => {
  const credential = addon.generateCredential();
  const { commitment, proof } = addon.createEnrollment({ clientId, credential });
  assert.deepEqual(commitment, credential.commitment);
  assert.equal(addon.verifyEnrollment({ clientId, commitment, proof }), true);
  assert.equal(await addon.verifyEnrollmentAsync({ clientId, commitment, proof }), true);
  assert.equal(addon.verifyEnrollment({ clientId: 'bob', commitment, proof }), false);

  const another = await addon.createEnrollmentAsync({ clientId, credential });
  assert.deepEqual(another.commitment, commitment);
  assert.equal(addon.verifyEnrollment(another), true);

  const { challengeId, nonce, expiresAt, spentKey } = challengeOf();
  assert.deepEqual(addon.challengeNonce({ clientId, challengeId, challengeKey: key }), nonce);
  assert.deepEqual(addon.recomputeChallenge({ clientId, challengeId, challengeKey: key }).spentKey, spentKey);
  assert(Math.abs(expiresAt - Date.now() / 1000 - 120) < 5);

  const answer = addon.proveAuthentication({ clientId, credential, challenge: { nonce, channelBinding: binding } });
  const attempt = { clientId, commitment, nonce, channelBinding: binding, proof: answer };
  assert.equal(addon.verifyAuthentication(attempt), true);
  assert.equal(await addon.verifyAuthenticationAsync(attempt), true);
  assert.equal(addon.verifyAuthentication({ ...attempt, channelBinding: new Uint8Array(0) }), false);
  const other = await addon.proveAuthenticationAsync({ clientId, credential, challenge: { nonce } });
  const { channelBinding: _, ...withoutBinding } = attempt;
  assert.equal(addon.verifyAuthentication({ ...withoutBinding, proof: other }), true);
  assert.equal(await addon.denyUnknownClientAsync({ clientId, nonce, proof: answer }), false);
});

test('a rotation needs both proofs', async () => {
  const [old, next] = [addon.generateCredential(), addon.generateCredential()];
  const { nonce } = challengeOf();
  const challenge = { nonce, channelBinding: binding };
  const proofOld = addon.proveRotation({ clientId, credential: old, commitmentNew: next.commitment, challenge });
  const { proof: proofNew } = addon.createEnrollment({ clientId, credential: next });
  const rotation = {
    clientId,
    commitment: old.commitment,
    ...challenge,
    commitmentNew: next.commitment,
    proofOld,
    proofNew,
  };
  for (const verify of [addon.verifyRotation, addon.verifyRotationAsync]) {
    assert.equal(await verify(rotation), true);
    assert.equal(await verify({ ...rotation, proofOld: proofNew }), false);
    assert.equal(await verify({ ...rotation, proofNew: proofOld }), false);
  }
});

test('a batch answers for each of its proofs', async () => {
  const entries = Array.from({ length: 70 }, (_, n) => {
    const credential = addon.generateCredential();
    const { nonce } = challengeOf(`c${n}`);
    const proof = addon.proveAuthentication({ clientId: `c${n}`, credential, challenge: { nonce } });
    return { clientId: `c${n}`, commitment: credential.commitment, nonce, proof };
  });
  assert.deepEqual(addon.verifyBatch(entries), entries.map(() => true));
  const [first, second] = entries;
  assert(first && second);
  entries[33] = { ...second, proof: first.proof };
  const expected = entries.map((_, n) => n !== 33);
  assert.deepEqual(addon.verifyBatch(entries), expected);
  assert.deepEqual(await addon.verifyBatchAsync(entries), expected);
  assert.deepEqual(addon.verifyBatch([]), []);
  const malformed = [first, { ...second, proof: new Uint8Array(95) }];
  assert.throws(() => addon.verifyBatch(malformed), { code: 'invalid_length', message: /entry 1/ });
});

test('what is no array is no batch of which every proof is accepted', async () => {
  const credential = addon.generateCredential();
  const { nonce } = challengeOf();
  const entry = { clientId, commitment: credential.commitment, nonce, proof: new Uint8Array(96) };
  for (const wrong of [entry, {}, new Map(), new Set([entry]), new Uint8Array(0), 'text', { length: 0 }]) {
    const error = { name: 'TwoFApiError', code: 'invalid_encoding', message: /array/ };
    assert.throws(() => addon.verifyBatch(wrong as never), error);
    await assert.rejects(addon.verifyBatchAsync(wrong as never), error);
  }
});

test('a proof made from its parts is one that hosts accept', () => {
  const { secret, blinding, commitment } = addon.generateCredential();
  const { nonce } = challengeOf();
  const { proof, announcement, responseS, responseR } = addon.generateProof({
    secret,
    blinding,
    commitment,
    generatorG: addon.getGeneratorG(),
    generatorH: addon.getGeneratorH(),
    transcriptData: addon.buildTranscript({ clientId, nonce, channelBinding: binding }),
  });
  assert.deepEqual(Buffer.concat([announcement, responseS, responseR]), Buffer.from(proof));
  assert.equal(addon.verifyAuthentication({ clientId, commitment, nonce, channelBinding: binding, proof }), true);
});

test('a proof over generators of the caller is refused, and so is a commitment of something else', () => {
  const { secret, blinding, commitment } = addon.generateCredential();
  const good = {
    secret,
    blinding,
    commitment,
    generatorG: addon.getGeneratorG(),
    generatorH: addon.getGeneratorH(),
    transcriptData: addon.buildTranscript({ clientId, nonce: key, channelBinding: binding }),
  };
  assert.throws(() => addon.generateProof({ ...good, generatorH: addon.getGeneratorG() }), { code: 'invalid_encoding' });
  assert.throws(() => addon.generateProof({ ...good, commitment: addon.generateCredential().commitment }), {
    code: 'invalid_encoding',
  });
  assert.throws(() => addon.generateProof({ ...good, transcriptData: new Uint8Array(3) }), { code: 'invalid_encoding' });
});

test('points and scalars are judged', () => {
  const [point, zero] = [addon.getGeneratorG(), new Uint8Array(32)];
  assert.deepEqual([point, zero, new Uint8Array(31)].map(addon.isCanonicalPoint), [true, true, false]);
  assert.deepEqual([point, zero].map(addon.isIdentityPoint), [false, true]);
  assert.equal(addon.isIdentityPoint(new Uint8Array(31)), false);
  assert.deepEqual([zero, zero.map(() => 255), zero.slice(1)].map(addon.isCanonicalScalar), [true, false, false]);
  assert.equal(addon.constantTimeEq(point, addon.getGeneratorG()), true);
  assert.equal(addon.constantTimeEq(point, zero), false);
  assert.equal(addon.constantTimeEq(point, zero.slice(1)), false);
});

test('texts of bytes are exact', () => {
  const data = Uint8Array.of(0, 255, 16);
  assert.equal(addon.toHex(data), '00ff10');
  assert.deepEqual(addon.fromHex('00FF10'), data);
  assert.deepEqual(addon.fromBase64Url(addon.toBase64Url(data)), data);
  for (const bad of ['0', 'zz', '00 ', '00\n', '0x00']) assert.throws(() => addon.fromHex(bad), { code: 'invalid_encoding' });
  for (const bad of ['A', 'AA==', 'A+', 'AB', ' AA']) {
    assert.throws(() => addon.fromBase64Url(bad), { code: 'invalid_encoding' }, bad);
  }
});

test('a Buffer does as well as a Uint8Array, also one that is a window of another', () => {
  const credential = addon.generateCredential();
  const { commitment, proof } = addon.createEnrollment({ clientId, credential });
  const whole = Buffer.concat([Buffer.alloc(5), proof, Buffer.alloc(5)]);
  assert.equal(addon.verifyEnrollment({ clientId, commitment: Buffer.from(commitment), proof: whole.subarray(5, 101) }), true);
});

test('bytes of another realm do as well, as those are that Jest hands to its tests', async () => {
  const credential = addon.generateCredential();
  const { commitment, proof } = addon.createEnrollment({ clientId, credential });
  const foreign = (bytes: Uint8Array) => runInNewContext(`Uint8Array.of(${bytes.join()})`) as Uint8Array;
  assert.equal(foreign(proof) instanceof Uint8Array, false);
  const enrollment = { clientId, commitment: foreign(commitment), proof: foreign(proof) };
  assert.equal(addon.verifyEnrollment(enrollment), true);
  assert.equal(await addon.verifyEnrollmentAsync(enrollment), true);
});

test('wiping overwrites the secret parts', () => {
  const credential = addon.generateCredential();
  addon.wipe(credential);
  assert.deepEqual([...credential.secret, ...credential.blinding], Array(64).fill(0));
  // Both parts or neither: what is no credential is said before anything is overwritten.
  const half = { secret: new Uint8Array(32).fill(1), blinding: 'text' };
  for (const wrong of [null, undefined, {}, half]) {
    assert.throws(() => addon.wipe(wrong as never), { name: 'TwoFApiError', code: 'invalid_encoding' });
  }
  assert.equal(half.secret[0], 1);
});

test('errors have a code and say what would be right', () => {
  const { commitment } = addon.generateCredential();
  const wrong = () => addon.verifyEnrollment({ clientId, commitment, proof: new Uint8Array(95) });
  assert.throws(wrong, (error: unknown) => {
    assert(error instanceof addon.TwoFApiError);
    assert.deepEqual([error.name, error.code], ['TwoFApiError', 'invalid_length']);
    assert.match(error.message, /96/);
    return true;
  });
});

test('an error tells nothing of a secret', () => {
  const secret = new Uint8Array(32).fill(0xab);
  assert.throws(() => addon.commit(secret, secret), (error: unknown) => !/abab|171/.test(String(error)));
});

test('both kinds of module have the same names', async () => {
  const esm = (await import('@2fapi/crypto-napi')) as Record<string, unknown>;
  const cjs = createRequire(__filename)('@2fapi/crypto-napi') as Record<string, unknown>;
  const names = (module: Record<string, unknown>) =>
    Object.keys(module).filter((name) => !['default', 'module.exports', '__esModule'].includes(name)).sort();
  assert.deepEqual(names(esm), names(cjs));
});
