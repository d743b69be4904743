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
  const record = { commitment: credential.commitment, commitmentVersion: 1, status: 'active' as const };
  const proven = (by = credential, id = clientId) => {
    const { challengeId, nonce } = terms.challenge(keys, now, id);
    const proof = addon.proveAuthentication({ clientId: id, credential: by, challenge: { nonce, channelBinding: binding } });
    return { clientId: id, challengeId, proof };
  };
  const settled = async (request = proven(), found: typeof record | null = record) =>
    (await terms.authenticate(keys, now, request).found(found ?? undefined).verify()).settle();
  return { credential, set, keys, now, record, proven, settled };
}

const spendOf = (commit: addon.Commit): addon.Spend => {
  assert(commit.step.spend);
  return commit.step.spend;
};

test('an enrolment that is permitted, and proven, asks for a record', async () => {
  const { credential } = scene();
  const enrollment = addon.createEnrollment({ clientId, credential });
  const commit = (await terms.enroll(enrollment).permitted().verify()).settle();
  const { expectedVersion, spend, record } = commit.step;
  assert.deepEqual({ expectedVersion, spend }, { expectedVersion: undefined, spend: undefined });
  assert.deepEqual(record, { commitment: new Uint8Array(credential.commitment), commitmentVersion: 1, status: 'active' });
  assert.deepEqual(commit.done('done'), { clientId, commitmentVersion: 1 });
  for (const [answer, code] of [['exists', 'already_enrolled'], ['not_invited', 'denied']] as const) {
    const again = (await terms.enroll(enrollment).permitted().verify()).settle();
    assert.throws(() => again.done(answer), { code });
  }
  const checked = await terms.enroll({ ...enrollment, clientId: 'bob' }).permitted().verify();
  assert.throws(() => checked.settle(), { code: 'denied' });
});

test('a challenge is accepted once, and nothing of it is spent before', async () => {
  const { set, now, proven, settled } = scene();
  const request = proven();
  const [first, second] = [await settled(request), await settled(request)];
  assert.equal(first.step.expectedVersion, 1);
  assert.equal(first.step.record, undefined);
  assert.deepEqual(first.done(set.accept(spendOf(first), now)), { clientId, commitmentVersion: 1 });
  assert.throws(() => second.done(set.accept(spendOf(second), now)), { code: 'denied' });
});

test('each object of an attempt is used once', async () => {
  const { keys, now, record, proven, settled, credential } = scene();
  const wanted = terms.authenticate(keys, now, proven());
  const check = wanted.found(record);
  const verifying = check.verify();
  const checked = await verifying;
  const commit = checked.settle();
  commit.done('done');
  const asked = terms.enroll(addon.createEnrollment({ clientId, credential }));
  asked.permitted();
  const used = { code: 'used' };
  for (const again of [() => wanted.found(record), () => checked.settle(), () => commit.done('done'), () => asked.permitted()]) {
    assert.throws(again, used);
  }
  await assert.rejects(check.verify(), used);
  // A refusal is a use as well: it cannot be tried for another answer.
  const refused = await settled();
  assert.throws(() => refused.done('changed'), { code: 'denied' });
  assert.throws(() => refused.done('done'), used);
  // Two at once are one and one error.
  const twice = terms.authenticate(keys, now, proven()).found(record);
  const both = await Promise.allSettled([twice.verify(), twice.verify()]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

test('no object of an attempt tells its verdict, or can be made up', async () => {
  const { keys, now, record, proven, credential } = scene();
  const wrong = proven(addon.generateCredential());
  const [good, bad] = await Promise.all(
    [proven(credential), wrong].map((request) => terms.authenticate(keys, now, request).found(record).verify()),
  );
  assert.deepEqual(Reflect.ownKeys(good as object), Reflect.ownKeys(bad as object));
  assert.deepEqual(JSON.stringify(good), JSON.stringify(bad));
  for (const name of ['Wanted', 'Check', 'Checked', 'Commit', 'Asked', 'Spend']) assert(!(name in addon), name);
  const { constructor } = bad as { constructor: unknown };
  const made = new (constructor as new (...words: unknown[]) => addon.Checked)({ settle: () => bad });
  assert.throws(() => made.settle());
});

test('unknown and inactive clients and wrong proofs are denied in one way', async () => {
  const { record, proven, settled, credential } = scene();
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
    await denied(() => settled(proven(), { ...record, status: 'suspended' as never })),
    await denied(() => settled(proven(), { ...record, status: 'revoked' as never })),
    await denied(() => settled(proven(addon.generateCredential()))),
    await denied(() => settled(proven(credential, 'bob'), { ...record, commitment: addon.getGeneratorG() })),
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
  const { keys, now, record, credential } = scene();
  const next = addon.generateCredential();
  const rotation = (by = credential, possession = next) => {
    const { challengeId, nonce } = terms.challenge(keys, now, clientId);
    const challenge = { nonce, channelBinding: binding };
    const proofOld = addon.proveRotation({ clientId, credential: by, commitmentNew: next.commitment, challenge });
    const { proof: proofNew } = addon.createEnrollment({ clientId, credential: possession });
    return terms.rotate(keys, now, { clientId, challengeId, proofOld, commitmentNew: next.commitment, proofNew });
  };
  const commit = (await rotation().found(record).verify()).settle();
  assert.equal(commit.step.expectedVersion, 1);
  const rotated = { commitment: new Uint8Array(next.commitment), commitmentVersion: 2, status: 'active' };
  assert.deepEqual(commit.step.record, rotated);
  assert.deepEqual(commit.done('done'), { clientId, commitmentVersion: 2 });
  for (const wrong of [rotation(next), rotation(credential, credential)]) {
    const checked = await wrong.found(record).verify();
    assert.throws(() => checked.settle(), { code: 'denied' });
  }
  const last = (await rotation().found({ ...record, commitmentVersion: 0xffff_ffff }).verify());
  assert.throws(() => last.settle(), { code: 'unavailable' });
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

test('damage in a store is not called the fault of who proves, and malformed input is', () => {
  const { keys, now, record, proven, credential } = scene();
  const wanted = () => terms.authenticate(keys, now, proven());
  for (const damage of [{ commitment: new Uint8Array(32).fill(255) }, { commitment: 'text' }, { commitmentVersion: -1 }, { status: 'x' }]) {
    assert.throws(() => wanted().found({ ...record, ...damage } as never), { code: 'unavailable' });
  }
  const enrollment = addon.createEnrollment({ clientId, credential });
  const request = proven();
  const authenticate = (changed: object) => () => terms.authenticate(keys, now, { ...request, ...changed });
  assert.throws(authenticate({ clientId: 'a b' }), { code: 'invalid_client_id' });
  assert.throws(authenticate({ proof: new Uint8Array(95) }), { code: 'invalid_length' });
  assert.throws(authenticate({ proof: new Uint8Array(96).fill(255) }), { code: 'invalid_encoding' });
  assert.throws(authenticate({ challengeId: 1 }), { code: 'invalid_encoding' });
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

test('the life of a client goes as the protocol says', () => {
  const record = { commitment: addon.getGeneratorG(), commitmentVersion: 1 };
  const after = (status: 'active' | 'suspended' | 'revoked', change: 'suspend' | 'resume' | 'revoke') =>
    addon.nextStatus({ ...record, status }, change);
  assert.equal(after('active', 'suspend'), 'suspended');
  assert.equal(after('suspended', 'resume'), 'active');
  for (const status of ['active', 'suspended', 'revoked'] as const) assert.equal(after(status, 'revoke'), 'revoked');
  for (const change of ['suspend', 'resume'] as const) assert.throws(() => after('revoked', change), { code: 'not_active' });
  assert.throws(() => after('active', 'forget' as never), { code: 'invalid_encoding' });
});

test('attempts that are dropped halfway leave nothing behind', async () => {
  const { set, now, settled, proven, keys, record } = scene(2);
  for (let n = 0; n < 500; n += 1) {
    const request = proven();
    const wanted = terms.authenticate(keys, now, request);
    if (n % 3 > 0) await wanted.found(record).verify();
    if (n % 3 > 1) await settled(request);
  }
  for (let n = 0; n < 2; n += 1) assert.equal(set.accept(spendOf(await settled()), now), 'done');
});
