// The ceremonies as a host in JavaScript drives them, which has no types to keep it from mistakes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as addon from '@2fapi/crypto-napi';

const NOW = 1_795_000_000;
const clientId = 'alice';
const binding = addon.audienceBinding('https://api.example.com');
const terms = new addon.Terms({ channelBinding: binding });

/** A host with one client, and what it takes to make attempts. */
function scene(capacity = 100) {
  const credential = addon.generateCredential();
  const set = new addon.SpentSet(capacity);
  const { epoch, now } = set.at(NOW);
  const keys = new addon.Keys({ root: new Uint8Array(32).fill(7), epoch });
  const row = { commitment: credential.commitment, commitmentVersion: 1, status: 'active' };
  const record = addon.recordOfRow(row);
  const proven = (by = credential, id = clientId) => {
    const { challengeId, nonce } = terms.challenge(keys, now, id);
    const proof = addon.proveAuthentication({ clientId: id, credential: by, challenge: { nonce, channelBinding: binding } });
    return { clientId: id, challengeId, proof };
  };
  const settled = async (request: addon.AuthenticationRequest = proven(), found: Uint8Array | null = record) =>
    terms.authenticate(keys, now, request).verify(found ?? undefined);
  const credentialId = addon.credentialIdOf(credential.commitment);
  const accepted = { clientId, status: 'active', version: 1, generation: 0, credentialId, since: 1 };
  return { credential, set, keys, now, row, record, proven, settled, accepted };
}

const spendOf = (commit: addon.Commit): addon.Spend => {
  assert(commit.step.spend);
  return commit.step.spend;
};

test('an enrolment that is permitted, and proven, asks for a record', async () => {
  const { credential, accepted } = scene();
  const enrollment = addon.createEnrollment({ clientId, credential });
  const commit = await terms.enroll(enrollment).permitted({ now: NOW, name: 'phone' });
  const { expects, version, spend, record } = commit.step;
  assert.deepEqual({ expects, version, spend }, { expects: 'absent', version: undefined, spend: undefined });
  assert(record);
  const { credentials, attributes, ...parts } = addon.readRecord(record);
  assert.deepEqual(parts, { version: 1, generation: 0, status: 'active' });
  assert.deepEqual(attributes, { scopes: [], claims: {}, sources: [] });
  const { commitment } = credential;
  const { credentialId } = accepted;
  assert.deepEqual(credentials, [{ credentialId, commitment: new Uint8Array(commitment), name: 'phone', created: NOW, since: 1 }]);
  assert.deepEqual(commit.done('done'), accepted);
  for (const [answer, code] of [['exists', 'already_enrolled'], ['not_invited', 'denied']] as const) {
    const again = await terms.enroll(enrollment).permitted();
    assert.throws(() => again.done(answer), { code });
  }
  await assert.rejects(terms.enroll({ ...enrollment, clientId: 'bob' }).permitted(), { code: 'denied' });
  for (const name of [' phone', 'a\u0000b', '<é>', 'x'.repeat(65)]) {
    await assert.rejects(terms.enroll(enrollment).permitted({ name }), /name of a credential/);
  }
});

test('a challenge is accepted once, and nothing of it is spent before', async () => {
  const { set, now, proven, settled, accepted } = scene();
  const request = proven();
  const [first, second] = [await settled(request), await settled(request)];
  const { expects, version, generation, credentialId, expiresAt, joined, record } = first.step;
  assert.deepEqual({ expects, version, generation }, { expects: 'unchanged', version: 1, generation: 0 });
  assert.equal(credentialId, accepted.credentialId);
  assert.deepEqual([expiresAt, joined, record], [undefined, undefined, undefined]);
  assert.deepEqual(first.done(set.accept(spendOf(first), now)), accepted);
  assert.throws(() => second.done(set.accept(spendOf(second), now)), { code: 'denied' });
});

test('each object of an attempt is used once', async () => {
  const { keys, now, record, proven, settled, credential } = scene();
  const wanted = terms.authenticate(keys, now, proven());
  const commit = await wanted.verify(record);
  commit.done('done');
  const asked = terms.enroll(addon.createEnrollment({ clientId, credential }));
  await asked.permitted();
  const used = { code: 'used' };
  assert.throws(() => commit.done('done'), used);
  await assert.rejects(wanted.verify(record), used);
  await assert.rejects(asked.permitted(), used);
  await assert.rejects(asked.permittedToReset(record), used);
  // A refusal is a use as well: it cannot be tried for another answer.
  const refused = await settled();
  assert.throws(() => refused.done('changed'), { code: 'denied' });
  assert.throws(() => refused.done('done'), used);
  // Two at once are one and one error.
  const twice = terms.authenticate(keys, now, proven());
  const both = await Promise.allSettled([twice.verify(record), twice.verify(record)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  // Nor is a damaged record a way to look twice.
  const damaged = terms.authenticate(keys, now, proven());
  await assert.rejects(damaged.verify(record.slice(1)), { code: 'unavailable' });
  await assert.rejects(damaged.verify(record), used);
});

test('an attempt whose proof is wrong is nothing but denied, and no object of one is exported', async () => {
  const { keys, now, record, proven } = scene();
  const wrong = terms.authenticate(keys, now, proven(addon.generateCredential()));
  await assert.rejects(wrong.verify(record), { code: 'denied' });
  for (const name of ['Wanted', 'Commit', 'Asked', 'Spend', 'Joiner', 'Join']) assert(!(name in addon), name);
});

test('unknown and inactive clients and wrong proofs are denied in one way', async () => {
  const { row, record, proven, settled, credential } = scene();
  const denied = async (attempt: () => Promise<unknown>): Promise<string> => {
    try {
      await attempt();
    } catch (error) {
      assert(error instanceof addon.TwoFApiError && error.code === 'denied');
      return error.message;
    }
    return assert.fail('it was accepted');
  };
  const messages = [
    await denied(() => settled(proven(), null)),
    await denied(() => settled(proven(), addon.recordOfRow({ ...row, status: 'suspended' }))),
    await denied(() => settled(proven(), addon.recordOfRow({ ...row, status: 'revoked' }))),
    await denied(() => settled(proven(addon.generateCredential()))),
    await denied(() => settled(proven(credential, 'bob'), addon.recordOfRow({ ...row, commitment: addon.getGeneratorG() }))),
    await denied(() => settled({ ...proven(), credentialId: '0'.repeat(32) })),
    await denied(() => settled(proven(), addon.recordWithAttributes(record, { expiresAt: NOW }))),
    await denied(() => settled({ ...proven(), challengeId: 'ch-0123' })),
    await denied(() => settled({ ...proven(), challengeId: 'ch-ffffffff0123456789abcdef' })),
  ];
  assert.equal(new Set(messages).size, 1, messages.join('; '));
});

test('of every answer of a store only `done` is an acceptance', async () => {
  const { settled } = scene();
  for (const answer of ['changed', 'spent', 'expired', 'stale_epoch'] as const) {
    const commit = await settled();
    assert.throws(() => commit.done(answer), { code: 'denied' }, answer);
  }
  const full = await settled();
  assert.throws(() => full.done({ retryAfterSeconds: 9 }), { code: 'throttled', retryAfterSeconds: 9 });
  for (const nonsense of ['', 'DONE', 'done ', null, undefined, true, 1, {}, { retryAfterSeconds: 'x' }, { retryAfterSeconds: -1 }, ['done', 1]]) {
    const commit = await settled();
    assert.throws(() => commit.done(nonsense as never), { code: 'unavailable' }, String(nonsense));
  }
});

test('a rotation asks for the new record, of the next version', async () => {
  const { keys, now, row, record, credential } = scene();
  const next = addon.generateCredential();
  const rotation = (by = credential, possession = next) => {
    const { challengeId, nonce } = terms.challenge(keys, now, clientId);
    const challenge = { nonce, channelBinding: binding };
    const proofOld = addon.proveRotation({ clientId, credential: by, commitmentNew: next.commitment, challenge });
    const { proof: proofNew } = addon.createEnrollment({ clientId, credential: possession });
    return terms.rotate(keys, now, { clientId, challengeId, proofOld, commitmentNew: next.commitment, proofNew });
  };
  const commit = await rotation().verify(record);
  assert.equal(commit.step.version, 1);
  assert(commit.step.record);
  const { version, credentials } = addon.readRecord(commit.step.record);
  assert.deepEqual([version, credentials[0]?.since], [2, 2]);
  assert.deepEqual(credentials[0]?.commitment, new Uint8Array(next.commitment));
  const credentialId = addon.credentialIdOf(next.commitment);
  assert.deepEqual(commit.done('done'), { clientId, status: 'active', version: 2, generation: 0, credentialId, since: 2 });
  for (const wrong of [rotation(next), rotation(credential, credential)]) {
    await assert.rejects(wrong.verify(record), { code: 'denied' });
  }
  const last = addon.recordOfRow({ ...row, commitmentVersion: 0xffff_ffff });
  await assert.rejects(rotation().verify(last), { code: 'unavailable' });
});

test('a set of another epoch, or of another time, accepts nothing', async () => {
  const { set, now, settled } = scene();
  const commit = await settled();
  const other = new addon.SpentSet(100);
  assert.equal(other.accept(spendOf(commit), now), 'stale_epoch');
  assert.equal(set.accept(spendOf(commit), spendOf(commit).expiresAt), 'expired');
  // The clock is set back by more than a minute: another epoch.
  const { epoch } = set.at(now);
  assert.notDeepEqual(set.at(now - 1000).epoch, epoch);
});

test('a full set, or a share that is used up, says when there is a place', async () => {
  const { set, now, settled } = scene(2);
  for (let n = 0; n < 2; n += 1) assert.equal(set.accept(spendOf(await settled()), now), 'done');
  assert.deepEqual(set.accept(spendOf(await settled()), now), { retryAfterSeconds: 120 });
});

test('damage in a store is not called the fault of who proves, and malformed input is', async () => {
  const { keys, now, row, record, proven, credential } = scene();
  const wanted = () => terms.authenticate(keys, now, proven());
  for (const damage of [new Uint8Array(0), record.slice(0, -1), Buffer.concat([record, record]), 'text' as never, new Uint8Array(37).fill(255)]) {
    await assert.rejects(wanted().verify(damage), { code: 'unavailable' });
  }
  await assert.rejects(wanted().verify(record, new Uint8Array(5)), { code: 'unavailable' });
  for (const damage of [{ commitment: new Uint8Array(32).fill(255) }, { commitment: 'text' }, { commitmentVersion: -1 }, { status: 'x' }]) {
    assert.throws(() => addon.recordOfRow({ ...row, ...damage } as never), { code: 'unavailable' });
  }
  const enrollment = addon.createEnrollment({ clientId, credential });
  const request = proven();
  const authenticate = (changed: object) => () => terms.authenticate(keys, now, { ...request, ...changed });
  assert.throws(authenticate({ clientId: 'a b' }), { code: 'invalid_client_id' });
  assert.throws(authenticate({ proof: new Uint8Array(95) }), { code: 'invalid_length' });
  assert.throws(authenticate({ proof: new Uint8Array(96).fill(255) }), { code: 'invalid_encoding' });
  assert.throws(authenticate({ challengeId: 1 }), { code: 'invalid_encoding' });
  assert.throws(authenticate({ credentialId: '0' }), { code: 'invalid_length' });
  assert.throws(authenticate({ credentialId: 'A'.repeat(32) }), { code: 'invalid_encoding' });
  assert.throws(() => terms.authenticate({} as never, now, request), { code: 'invalid_encoding' });
  assert.throws(() => terms.enroll({ ...enrollment, commitment: new Uint8Array(32) }), { code: 'invalid_encoding' });
  assert.throws(() => new addon.Keys({ root: new Uint8Array(31), epoch: new Uint8Array(16) }), { code: 'invalid_length' });
  assert.throws(() => new addon.Terms({ channelBinding: binding, ttlSeconds: 901 }), { code: 'invalid_encoding' });
  assert.throws(() => new addon.Terms({ channelBinding: binding, skewSeconds: 61 }), { code: 'invalid_encoding' });
  assert.throws(() => new addon.SpentSet(10).accept({ key: new Uint8Array(16) } as never, now), { code: 'invalid_encoding' });
});

test('a root is in no error, and in nothing that can be printed', async () => {
  const root = new Uint8Array(31).fill(0xab);
  const error = await Promise.reject(new Error()).catch(() => {
    try {
      return new addon.Keys({ root, epoch: new Uint8Array(16) });
    } catch (reason) {
      return reason;
    }
  });
  const { inspect } = await import('node:util');
  const keys = new addon.Keys({ root: new Uint8Array(32).fill(0xab), epoch: new Uint8Array(16) });
  for (const shown of [inspect(error), inspect(keys, { depth: 9, showHidden: true }), JSON.stringify(keys)]) {
    assert.doesNotMatch(shown, /abab|171/i);
  }
});

test('attempts that are dropped halfway leave nothing behind', async () => {
  const { set, now, settled, proven, keys, record } = scene(2);
  for (let n = 0; n < 500; n += 1) {
    const request = proven();
    const wanted = terms.authenticate(keys, now, request);
    if (n % 3 > 0) await wanted.verify(record);
    if (n % 3 > 1) await settled(request);
  }
  for (let n = 0; n < 2; n += 1) assert.equal(set.accept(spendOf(await settled()), now), 'done');
});
