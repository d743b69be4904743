// What happens to a client while its proof is looked at.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ClientRecord } from '@2fapi/protocol-spec';

import { storeOver, type Store, type Records } from '../src/index.js';
import { atOneVersion } from '../src/stores/version.js';
import { TestClient } from './client.js';

/** A host of one client, whose record `meanwhile` changes when its challenge has just been used up. */
function hostWhere(meanwhile: (record: ClientRecord) => ClientRecord): Store {
  const challengeKey = new Uint8Array(32).fill(5);
  let record: ClientRecord | undefined;
  const records: Records = {
    redeems: false,
    challengeKey: async () => challengeKey,
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
    spend: async () => {
      if (record !== undefined) record = meanwhile(record);
      return 'fresh';
    },
  };
  return storeOver(records);
}

test('a client that nothing happens to is let in', async () => {
  const alice = new TestClient('alice');
  const host = hostWhere((record) => record);
  await alice.enroll(host);
  assert.equal((await alice.logIn(host)).outcome, 'accepted');
});

test('a client that is suspended, revoked or rotated meanwhile is kept out', async () => {
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
