// What a store keeps of a client: the life of a record, its expiry, and which sessions and tokens it honours.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as addon from '@2fapi/crypto-napi';

const NOW = 1_795_000_000;
const { commitment } = addon.generateCredential();
const credentialId = addon.credentialIdOf(commitment);
const recordIn = (status: string, commitmentVersion = 1) => addon.recordOfRow({ commitment, commitmentVersion, status });
const fresh = recordIn('active');
const token = { credentialId, since: 1, generation: 0 };

const changed = (record: Uint8Array, change: addon.RecordChange): Uint8Array => addon.changeRecord(record, change) ?? record;

test('the life of a client goes as the protocol says', () => {
  const after = (status: string, change: addon.RecordChange) => addon.readRecord(changed(recordIn(status), change)).status;
  assert.equal(after('active', 'suspend'), 'suspended');
  assert.equal(after('suspended', 'resume'), 'active');
  for (const status of ['active', 'suspended', 'revoked']) assert.equal(after(status, 'revoke'), 'revoked');
  for (const change of ['suspend', 'resume', 'end_sessions'] as const) {
    assert.throws(() => after('revoked', change), { code: 'not_active' });
  }
  assert.throws(() => after('active', 'forget' as never), { code: 'invalid_encoding' });
  assert.equal(addon.changeRecord(fresh, 'resume'), undefined);
});

test('whatever ends sessions ends those of before for good', () => {
  assert.equal(addon.honours(fresh, token, NOW), true);
  const ended = changed(fresh, 'end_sessions');
  const resumed = changed(changed(fresh, 'suspend'), 'resume');
  for (const record of [ended, resumed, changed(fresh, 'suspend'), changed(fresh, 'revoke')]) {
    assert.equal(addon.honours(record, token, NOW), false);
  }
  for (const record of [ended, resumed]) assert.equal(addon.honours(record, { ...token, generation: 1 }, NOW), true);
});

test('a token of before means the first credential and generation 0, and one of nothing means nothing', () => {
  assert.equal(addon.honours(fresh, { since: 1, generation: 0 }, NOW), true);
  const others = ['0'.repeat(32), '', credentialId.toUpperCase(), `${credentialId}0`];
  for (const other of others) assert.equal(addon.honours(fresh, { ...token, credentialId: other }, NOW), false);
  for (const counter of [0, 2, -1, 1.5, 2 ** 32 + 1, Number.NaN]) {
    assert.equal(addon.honours(fresh, { ...token, since: counter }, NOW), false);
  }
  for (const counter of [1, -1, 0.5, 2 ** 32, Number.NaN]) {
    assert.equal(addon.honours(fresh, { ...token, generation: counter }, NOW), false);
  }
});

test('an expiry of client or credential ends what is open, to the second', () => {
  const ofCredential = addon.recordWithExpiry(fresh, credentialId, NOW);
  const ofClient = addon.recordWithAttributes(fresh, { expiresAt: NOW });
  for (const record of [ofCredential, ofClient]) {
    assert.equal(addon.readRecord(record).version, 2);
    assert.equal(addon.honours(record, token, NOW - 1), true);
    assert.equal(addon.honours(record, token, NOW), false);
  }
  const unlimited = addon.recordWithExpiry(ofCredential, credentialId, undefined);
  assert.equal(addon.honours(unlimited, token, NOW), true);
  assert.throws(() => addon.recordWithExpiry(fresh, '0'.repeat(32), NOW), { code: 'not_enrolled' });
});

test('what an operator says is kept as it was said, and checked', () => {
  const attributes = {
    expiresAt: NOW,
    scopes: ['read', 'write:all'],
    claims: { team: { name: 'blue' } },
    sources: ['192.0.2.0/24', '2001:db8::/32'],
    requestsPerMinute: 60,
    tenant: 'example',
  };
  assert.deepEqual(addon.readRecord(addon.recordWithAttributes(fresh, attributes)).attributes, attributes);
  const said = addon.recordWithAttributes(fresh, attributes);
  assert.deepEqual(addon.readRecord(addon.recordWithAttributes(said, {})).attributes, { scopes: [], claims: {}, sources: [] });
  for (const bad of [
    { scopes: ['a b'] },
    { scopes: ['a', 'a'] },
    { scopes: 'read' },
    { claims: { long: 'x'.repeat(2048) } },
    { claims: null },
    { sources: ['192.0.2.1/24'] },
    { requestsPerMinute: 0 },
    { tenant: 'a b' },
    { expiresAt: -1 },
  ]) {
    assert.throws(() => addon.recordWithAttributes(fresh, bad as never), /./, JSON.stringify(bad));
  }
});

test('columns that people have changed by hand count, and revocation is for ever', () => {
  const row = { commitment, commitmentVersion: 2, status: 'active', record: addon.recordWithAttributes(fresh, { tenant: 'example' }) };
  const read = (changes: Partial<addon.RecordRow>) => addon.readRecord(addon.recordOfRow({ ...row, ...changes }));
  assert.equal(read({}).attributes.tenant, 'example');
  assert.deepEqual([read({ status: 'suspended' }).status, read({ status: 'suspended' }).generation], ['suspended', 1]);
  const other = addon.generateCredential().commitment;
  for (const changes of [{ commitment: other }, { commitmentVersion: 3 }]) {
    const { attributes, credentials, version } = read(changes);
    assert.equal(attributes.tenant, undefined);
    assert.equal(credentials[0]?.since, version);
  }
  const revoked = changed(row.record, 'revoke');
  assert.equal(read({ record: revoked, status: 'active' }).status, 'revoked');
});

test('a record is made again from what it says, and from nothing that none can say', () => {
  const said = addon.recordWithAttributes(addon.recordWithExpiry(fresh, credentialId, NOW), { tenant: 'example', claims: { a: [1] } });
  const parts = addon.readRecord(said);
  assert.deepEqual(addon.recordOfParts(parts), said);
  const [one] = parts.credentials;
  assert(one);
  for (const bad of [
    { credentials: [] },
    { credentials: [one, one] },
    { credentials: [{ ...one, since: parts.version + 1 }] },
    { credentials: [{ ...one, name: ' x' }] },
    { credentials: [{ ...one, commitment: new Uint8Array(31) }] },
    { status: 'asleep' as never },
    { attributes: { scopes: ['a b'] } },
  ]) {
    assert.throws(() => addon.recordOfParts({ ...parts, ...bad }), { code: 'unavailable' }, JSON.stringify(bad));
  }
});

test('a record of before, of 37 bytes, is read', () => {
  const old = Buffer.concat([Buffer.from([0, 0, 0, 0, 5]), commitment]);
  const { version, generation, status, credentials } = addon.readRecord(old);
  assert.deepEqual({ version, generation, status }, { version: 5, generation: 0, status: 'active' });
  assert.deepEqual(credentials.map(({ since, name, created }) => ({ since, name, created })), [{ since: 5, name: 'first', created: 0 }]);
});
