// What happens to a client while its proof is looked at.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ClientRecord } from '@2fapi/protocol-spec';

import { storeOver, type Accepted, type Store, type Records } from '../src/index.js';
import { atOneVersion } from '../src/stores/version.js';
import { BINDING, TestClient } from './client.js';

/** A host of one client, whose record `meanwhile` changes when its proof was found good and nothing is done yet. */
function hostWhere(meanwhile: (record: ClientRecord) => ClientRecord, answer: Accepted = 'done'): Store {
  const [root, epoch] = [new Uint8Array(32).fill(5), new Uint8Array(16).fill(6)];
  let record: ClientRecord | undefined;
  const records: Records = {
    redeems: false,
    epoch: async () => ({ root, epoch, now: 1_795_000_000 }),
    find: async () => record,
    insert: async (_, enrolled) => {
      record = enrolled;
      return 'inserted';
    },
    replace: async (_, was, is) => {
      if (record !== was) return false;
      record = is;
      return true;
    },
    accept: async ({ was, record: is }) => {
      if (record !== undefined) record = meanwhile(record);
      if (record !== was) return 'changed';
      if (answer === 'done' && is !== undefined) record = is;
      return answer;
    },
  };
  return storeOver(records);
}

test('a client that nothing happens to is let in', async () => {
  const alice = new TestClient('alice');
  const host = hostWhere((record) => record);
  await alice.enroll(host);
  assert.equal((await alice.logIn(host)).outcome, 'accepted');
  assert.deepEqual(await alice.rotate(host), { outcome: 'accepted', commitmentVersion: 2 });
  assert.deepEqual(await alice.logIn(host), { outcome: 'accepted', commitmentVersion: 2 });
});

test('a client that is suspended, revoked or rotated between verification and step is kept out', async () => {
  for (const meanwhile of [
    (record: ClientRecord) => ({ ...record, status: 'suspended' as const }),
    (record: ClientRecord) => ({ ...record, status: 'revoked' as const }),
    (record: ClientRecord) => ({ ...record, commitmentVersion: record.commitmentVersion + 1 }),
  ]) {
    const alice = new TestClient('alice');
    const host = hostWhere(meanwhile);
    await alice.enroll(host);
    assert.equal((await alice.logIn(host)).outcome, 'denied');
  }
});

test('a client that is changed meanwhile is not rotated', async () => {
  const alice = new TestClient('alice');
  const host = hostWhere((record) => ({ ...record, status: 'suspended' }));
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
  for (const damage of [{ commitment: new Uint8Array(32).fill(255) }, { commitmentVersion: 0 }, { status: 'asleep' as never }]) {
    const damaged = storeOver({
      redeems: false,
      epoch: async () => ({ root: new Uint8Array(32).fill(5), epoch: new Uint8Array(16).fill(6), now: 1_795_000_000 }),
      find: async () => ({ commitment: alice.enrollment().commitment, commitmentVersion: 1, status: 'active', ...damage }),
      insert: async () => 'exists',
      replace: async () => false,
      accept: async () => 'done',
    });
    const challenge = await damaged.challenge('alice', BINDING);
    await assert.rejects(alice.answer(damaged, challenge), (error: { code?: string }) => !String(error.code).startsWith('invalid_'));
  }
});

test('a rotation between a proof that is accepted elsewhere and its token leaves no token', async () => {
  const accepted = async () => 'accepted' as const;
  const versions = (...known: number[]) => {
    const left = [...known];
    return async () => ({ status: 'active' as const, commitmentVersion: left.shift() ?? 0 });
  };
  assert.deepEqual(await atOneVersion(versions(1, 1), accepted), { outcome: 'accepted', commitmentVersion: 1 });
  assert.deepEqual(await atOneVersion(versions(1, 2), accepted), { outcome: 'denied' });
  const suspended = async () => ({ status: 'suspended' as const, commitmentVersion: 1 });
  assert.deepEqual(await atOneVersion(suspended, accepted), { outcome: 'denied' });
  assert.deepEqual(await atOneVersion(async () => undefined, accepted), { outcome: 'denied' });
  assert.deepEqual(await atOneVersion(versions(1, 1), async () => ({ outcome: 'denied' })), { outcome: 'denied' });
});
