// The contract of spec/vectors and the worked example, on both engines in Node.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TwoFApi, engineOf, entropyOf, readLinkCode } from '@2fapi/client-sdk';

import { vectorFiles, workedExample } from '../shared/files.js';
import { run, workedProof } from '../shared/vectors.js';

for (const name of ['wasm', 'noble']) {
  test(`every vector file agrees on ${name}`, async () => {
    const engine = await engineOf(name);
    assert.equal(engine.name, name);
    const suites = new Set();
    for (const [file, contents] of vectorFiles()) {
      const { cases, disagreements } = await run({ engine, entropyOf, readLinkCode, TwoFApi }, contents);
      assert.deepEqual(disagreements, [], file);
      assert.ok(cases > 10, file);
      suites.add(contents.suite);
    }
    assert.equal(suites.size, 6);
  });

  test(`a vector file with a wrong case disagrees on ${name}`, async () => {
    const engine = await engineOf(name);
    const [, file] = vectorFiles().find(([file]) => file === 'sigma-v2.json');
    const disagreeing = async (changed) =>
      (await run({ engine, entropyOf, readLinkCode, TwoFApi }, { ...file, accepted: [], rejected: [], ...changed })).disagreements.length;
    const [good] = file.accepted;
    const bad = file.rejected.find(({ reason }) => reason === 'equation');
    assert.equal(await disagreeing({ accepted: [good], rejected: [bad] }), 0);
    assert.equal(await disagreeing({ accepted: [bad], rejected: [good] }), 2);
    assert.equal(await disagreeing({ rejected: [{ ...bad, reason: 'length' }] }), 1);
    assert.equal(await disagreeing({ accepted: [{ ...good, purpose: 'rotation' }] }), 1);
  });

  test(`the worked example's randomness gives its proof on ${name}`, async () => {
    const example = workedExample();
    assert.equal(workedProof(await engineOf(name), example), example.proof);
  });

  test(`errors of ${name} have codes and quote no secret`, async () => {
    const engine = await engineOf(name);
    const credential = engine.generate();
    const other = engine.generate();
    const nonce = new Uint8Array(16);
    const none = new Uint8Array(0);
    const zero = new Uint8Array(64);
    for (const [work, code, says] of [
      [() => engine.commitment(credential.slice(1)), 'invalid_length', /credential must be 64 bytes/],
      [() => engine.commitment(zero), 'invalid_encoding', /secret must be/],
      [() => engine.recover(nonce), 'invalid_length', /32 bytes/],
      [() => engine.proveEnrollment(credential, 'a:b'), 'invalid_client_id', /client id must be/],
      [() => engine.proveAuthentication(credential, 'a', none, none), 'invalid_length', /nonce must be 16 to 64 bytes/],
      [() => engine.proveAuthentication(credential, 'a', nonce, new TextEncoder().encode('rotation:x')), 'invalid_encoding', /channel binding/],
      [() => engine.proveAuthentication(credential, 'a', nonce, new Uint8Array(1025)), 'invalid_length', /at most 1024 bytes/],
      [() => engine.proveRotation(credential, 'a', nonce, nonce, none), 'invalid_length', /commitment must be 32 bytes/],
      [() => engine.proveRotation(credential, 'a', nonce, engine.commitment(other), new Uint8Array(984)), 'invalid_length', /at most 1024 bytes/],
      [() => engine.verifyEnrollment(engine.commitment(credential), 'a', nonce), 'invalid_length', /proof must be 96 bytes/],
    ]) {
      assert.throws(work, (error) => {
        assert.equal(error.code, code, String(error));
        assert.match(error.message, says);
        assert.ok(!error.message.includes(Buffer.from(credential).toString('hex').slice(0, 16)));
        return true;
      });
    }
  });
}

test('what one engine proves the other accepts, for every purpose', async () => {
  const engines = [await engineOf('wasm'), await engineOf('noble')];
  for (const [prover, verifier] of [engines, engines.toReversed?.() ?? [engines[1], engines[0]]]) {
    const credential = prover.generate();
    const next = prover.commitment(prover.generate());
    const C = prover.commitment(credential);
    const nonce = crypto.getRandomValues(new Uint8Array(16));
    const binding = new TextEncoder().encode('aud:https://api.example.com');
    assert.deepEqual(verifier.commitment(credential), C);
    assert.ok(verifier.verifyEnrollment(C, 'alice', prover.proveEnrollment(credential, 'alice')));
    const proof = prover.proveAuthentication(credential, 'alice', nonce, binding);
    assert.ok(verifier.verifyAuthentication(C, 'alice', nonce, binding, proof));
    assert.ok(!verifier.verifyAuthentication(C, 'bob', nonce, binding, proof));
    const rotation = prover.proveRotation(credential, 'alice', nonce, next, binding);
    assert.ok(verifier.verifyRotation(C, 'alice', nonce, next, binding, rotation));
    assert.ok(!verifier.verifyRotation(C, 'alice', nonce, C, binding, rotation));
    const linking = prover.proveLinking(credential, 'alice', nonce, next, binding);
    assert.ok(verifier.verifyLinking(C, 'alice', nonce, next, binding, linking));
    assert.ok(!verifier.verifyUnlinking(C, 'alice', nonce, next, binding, linking));
    assert.ok(!verifier.verifyRotation(C, 'alice', nonce, next, binding, linking));
    const unlinking = prover.proveUnlinking(credential, 'alice', nonce, C, binding);
    assert.ok(verifier.verifyUnlinking(C, 'alice', nonce, C, binding, unlinking));
    const joining = prover.proveJoining(credential, 'alice', nonce, binding);
    assert.ok(verifier.verifyJoining(C, 'alice', nonce, binding, joining));
    assert.ok(!verifier.verifyAuthentication(C, 'alice', nonce, binding, joining));
    assert.deepEqual(verifier.credentialId(C), prover.credentialId(C));
  }
});
