// What happens to a client while its proof is looked at.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changeRecord, credentialIdOf, recordOfRow, recordWithAttributes } from '@2fapi/crypto-napi';

import { storeOver, type Accepted, type Kept, type Store, type Records } from '../src/index.js';
import { loggedInElsewhere } from '../src/stores/elsewhere.js';
import { BINDING, TestClient } from './client.js';

/** A host of one client, whose record `meanwhile` changes when its proof was found good and nothing is done yet. */
function hostWhere(meanwhile: (record: Uint8Array) => Uint8Array, answer: Accepted = 'done'): Store {
  const [root, epoch] = [new Uint8Array(32).fill(5), new Uint8Array(16).fill(6)];
  let kept: Kept | undefined;
  const records: Records = {
    redeems: false,
    epoch: async () => ({ root, epoch, now: 1_795_000_000 }),
    find: async () => kept,
    insert: async (_, record) => {
      kept = { record };
      return 'inserted';
    },
    replace: async (_, was, record) => {
      if (kept !== was) return 'changed';
      kept = { record };
      return 'replaced';
    },
    accept: async ({ was, record }) => {
      const changed = kept && meanwhile(kept.record);
      if (changed !== undefined && changed !== kept?.record) kept = { record: changed };
      if (kept !== was) return 'changed';
      if (answer === 'done' && record !== undefined) kept = { record };
      return answer;
    },
    pending: async () => undefined,
    offer: async () => {},
    join: async () => false,
  };
  return storeOver(records);
}

/** What the client may do of whom nobody has said anything. */
const may = { scopes: [], claims: {} };

const suspended = (record: Uint8Array): Uint8Array => changeRecord(record, 'suspend') ?? record;

test('a client that nothing happens to is let in', async () => {
  const alice = new TestClient('alice');
  const host = hostWhere((record) => record);
  await alice.enroll(host);
  assert.equal((await alice.logIn(host)).outcome, 'accepted');
  for (const verdict of [await alice.rotate(host), await alice.logIn(host)]) {
    const named = { credentialId: credentialIdOf(alice.enrollment().commitment), since: 2, generation: 0 };
    assert.deepEqual(verdict, { outcome: 'accepted', commitmentVersion: 2, named, may });
  }
});

test('a client that is suspended, revoked or rotated between verification and step is kept out', async () => {
  for (const meanwhile of [
    suspended,
    (record: Uint8Array) => changeRecord(record, 'revoke') ?? record,
    (record: Uint8Array) => recordWithAttributes(record, { tenant: 'another' }),
  ]) {
    const alice = new TestClient('alice');
    const host = hostWhere(meanwhile);
    await alice.enroll(host);
    assert.equal((await alice.logIn(host)).outcome, 'denied');
  }
});

test('a client that is changed meanwhile is not rotated', async () => {
  const alice = new TestClient('alice');
  const host = hostWhere(suspended);
  await alice.enroll(host);
  assert.equal((await alice.rotate(host)).outcome, 'denied');
  assert.equal((await host.find('alice'))?.status, 'suspended');
});

test('whatever a store says but that it is done, nobody is let in', async () => {
  for (const answer of ['changed', 'spent', 'expired', 'stale_epoch'] as const) {
    const alice = new TestClient('alice');
    const host = hostWhere((record) => record, answer);
    await alice.enroll(host);
    assert.deepEqual(await alice.logIn(host), { outcome: 'denied' }, answer);
  }
  for (const answer of ['yes', '', 'exists', 'full', true, {}, null]) {
    const alice = new TestClient('alice');
    const host = hostWhere((record) => record, answer as never);
    await alice.enroll(host);
    const outcome = await alice.logIn(host).catch(() => ({ outcome: 'an error' }));
    assert.notEqual(outcome.outcome, 'accepted', String(answer));
  }
});

test('only who has a good proof is told that there is no place', async () => {
  const [alice, mallory] = [new TestClient('alice'), new TestClient('alice')];
  const host = hostWhere((record) => record, { retryAfterSeconds: 7 });
  await alice.enroll(host);
  assert.deepEqual(await alice.logIn(host), { outcome: 'throttled', retryAfterSeconds: 7 });
  assert.deepEqual(await mallory.logIn(host), { outcome: 'denied' });
});

test('a damaged record is an error of the store, and not of who asks', async () => {
  const alice = new TestClient('alice');
  const host = hostWhere((record) => record);
  await alice.enroll(host);
  for (const record of [new Uint8Array(0), new Uint8Array(37).fill(255), new Uint8Array(90).fill(1)]) {
    const damaged = storeOver({
      redeems: false,
      epoch: async () => ({ root: new Uint8Array(32).fill(5), epoch: new Uint8Array(16).fill(6), now: 1_795_000_000 }),
      find: async () => ({ record }),
      insert: async () => 'exists',
      replace: async () => 'changed',
      accept: async () => 'done',
      pending: async () => undefined,
      offer: async () => {},
      join: async () => false,
    });
    const challenge = await damaged.challenge('alice', BINDING);
    await assert.rejects(alice.answer(damaged, challenge), (error: { code?: string }) => !String(error.code).startsWith('invalid_'));
  }
});

test('a change between a proof that is accepted elsewhere and its token leaves no token', async () => {
  const { commitment } = new TestClient('alice').enrollment();
  const first = recordOfRow({ commitment, commitmentVersion: 1, status: 'active' });
  const rotated = recordOfRow({ commitment: new TestClient('alice').enrollment().commitment, commitmentVersion: 2, status: 'active' });
  const verdict = (...known: (Uint8Array | undefined)[]) => {
    const left = [...known];
    return loggedInElsewhere(async () => left.shift(), undefined, async () => 'accepted');
  };
  const named = { credentialId: credentialIdOf(commitment), since: 1, generation: 0 };
  assert.deepEqual(await verdict(first, first), { outcome: 'accepted', commitmentVersion: 1, named, may });
  for (const [before, after] of [[first, rotated], [first, suspended(first)], [undefined, first], [first, undefined]]) {
    assert.deepEqual(await verdict(before, after), { outcome: 'denied' });
  }
  const ended = changeRecord(first, 'end_sessions');
  assert.deepEqual(await verdict(first, ended), { outcome: 'denied' });
  const refused = await loggedInElsewhere(async () => first, undefined, async () => ({ outcome: 'denied' }));
  assert.deepEqual(refused, { outcome: 'denied' });
  assert.deepEqual(await loggedInElsewhere(async () => first, '0'.repeat(32), async () => 'accepted'), { outcome: 'denied' });
});
