// Linking and unlinking as a host in JavaScript drives them, and what must not get through.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as addon from '@2fapi/crypto-napi';

const NOW = 1_795_000_000;
const clientId = 'alice';
const binding = addon.audienceBinding('https://api.example.com');
const terms = new addon.Terms({ channelBinding: binding });
const keys = new addon.Keys({ root: new Uint8Array(32).fill(7), epoch: new Uint8Array(16).fill(8) });
const denied = { code: 'denied' };

/** A client with one credential, and another that is to come. */
function scene() {
  const [first, second] = [addon.generateCredential(), addon.generateCredential()];
  const record = addon.recordOfRow({ commitment: first.commitment, commitmentVersion: 1, status: 'active' });
  const challenged = () => {
    const { challengeId, nonce } = terms.challenge(keys, NOW, clientId);
    return { challengeId, challenge: { nonce, channelBinding: binding } };
  };
  const linkOf = (changes: Partial<addon.LinkRequest> = {}, by = first, next = second): addon.LinkRequest => {
    const { challengeId, challenge } = challenged();
    const proof = addon.proveLinking({ clientId, credential: by, challenge, commitmentNew: next.commitment });
    const proofNew = addon.proveJoining({ clientId, credential: next, challenge });
    return { clientId, challengeId, proof, commitmentNew: next.commitment, proofNew, name: 'tablet', ...changes };
  };
  const linked = async (): Promise<Uint8Array> => {
    const { record: after } = (await terms.link(keys, NOW, linkOf()).verify(record)).step;
    assert(after);
    return after;
  };
  return { first, second, record, challenged, linkOf, linked };
}

const idOf = (credential: addon.NewCredential): string => addon.credentialIdOf(credential.commitment);

test('a credential at the same device is appended, and either of the two gets in', async () => {
  const { first, second, record, challenged, linkOf } = scene();
  const commit = await terms.link(keys, NOW, linkOf()).verify(record);
  assert(commit.step.record);
  const { version, credentials } = addon.readRecord(commit.step.record);
  assert.equal(version, 2);
  assert.deepEqual(
    credentials.map(({ credentialId, name, created, since }) => ({ credentialId, name, created, since })),
    [
      { credentialId: idOf(first), name: 'first', created: 0, since: 1 },
      { credentialId: idOf(second), name: 'tablet', created: NOW, since: 2 },
    ],
  );
  for (const credential of [first, second]) {
    const { challengeId, challenge } = challenged();
    const proof = addon.proveAuthentication({ clientId, credential, challenge });
    const request = { clientId, challengeId, credentialId: idOf(credential), proof };
    const accepted = (await terms.authenticate(keys, NOW, request).verify(commit.step.record)).done('done');
    assert.equal(accepted.credentialId, idOf(credential));
  }
});

test('no proof of another purpose links, and none for another commitment, client or host', async () => {
  const { first, second, record, challenged, linkOf } = scene();
  const { challengeId, challenge } = challenged();
  const commitmentNew = second.commitment;
  const about = { clientId, credential: first, challenge };
  const possession = addon.createEnrollment({ clientId, credential: first }).proof;
  const other = { nonce: challenge.nonce, channelBinding: addon.audienceBinding('https://evil.example') };
  for (const [what, proof] of Object.entries({
    rotation: addon.proveRotation({ ...about, commitmentNew }),
    authentication: addon.proveAuthentication(about),
    enrolment: possession,
    unlinking: addon.proveUnlinking({ ...about, commitmentOld: commitmentNew }),
    joining: addon.proveJoining(about),
    'another commitment': addon.proveLinking({ ...about, commitmentNew: addon.generateCredential().commitment }),
    'another client': addon.proveLinking({ ...about, clientId: 'bob', commitmentNew }),
    'another host': addon.proveLinking({ ...about, challenge: other, commitmentNew }),
    'the new one': addon.proveLinking({ ...about, credential: second, commitmentNew }),
  })) {
    const proofNew = addon.proveJoining({ clientId, credential: second, challenge });
    const request = linkOf({ challengeId, proof, proofNew });
    await assert.rejects(terms.link(keys, NOW, request).verify(record), denied, what);
  }
});

test('the new credential has to join, over this challenge: its enrolment proof is none', async () => {
  const { first, second, record, challenged, linkOf } = scene();
  const { challengeId, challenge } = challenged();
  const proof = addon.proveLinking({ clientId, credential: first, challenge, commitmentNew: second.commitment });
  for (const [what, proofNew] of Object.entries({
    enrolment: addon.createEnrollment({ clientId, credential: second }).proof,
    authentication: addon.proveAuthentication({ clientId, credential: second, challenge }),
    'another challenge': addon.proveJoining({ clientId, credential: second, challenge: challenged().challenge }),
    'another credential': addon.proveJoining({ clientId, credential: first, challenge }),
  })) {
    await assert.rejects(terms.link(keys, NOW, linkOf({ challengeId, proof, proofNew })).verify(record), denied, what);
  }
});

test('a name that smuggles is malformed, and half of a new credential is as well', () => {
  const { linkOf } = scene();
  for (const name of ['', ' x', 'x ', 'a\nb', 'a\u0000', 'é', '\u202e', 'x'.repeat(65)]) {
    assert.throws(() => terms.link(keys, NOW, linkOf({ name })), /name of a credential/, JSON.stringify(name));
  }
  assert.throws(() => terms.link(keys, NOW, linkOf({ name: undefined })), { code: 'invalid_encoding' });
  assert.throws(() => terms.link(keys, NOW, linkOf({ proofNew: undefined })), { code: 'invalid_encoding' });
  assert.throws(() => terms.link(keys, NOW, linkOf({ proofNew: new Uint8Array(0) })), { code: 'invalid_length' });
});

test('a commitment is linked once, and a 17th is not', async () => {
  const { first, second, record, linkOf } = scene();
  await assert.rejects(terms.link(keys, NOW, linkOf({}, first, first)).verify(record), denied);
  let full = record;
  for (let n = 1; n < 16; n += 1) {
    const { record: after } = (await terms.link(keys, NOW, linkOf({}, first, addon.generateCredential())).verify(full)).step;
    assert(after);
    full = after;
  }
  assert.equal(addon.readRecord(full).credentials.length, 16);
  await assert.rejects(terms.link(keys, NOW, linkOf({}, first, second)).verify(full), denied);
});

test('any credential is taken away by any, but not the last, and its tokens end while others stay', async () => {
  const { first, second, record, challenged, linked } = scene();
  const both = await linked();
  const unlinkOf = (old: addon.NewCredential, by = first, credentialId?: string): addon.UnlinkRequest => {
    const { challengeId, challenge } = challenged();
    const proof = addon.proveUnlinking({ clientId, credential: by, challenge, commitmentOld: old.commitment });
    return { clientId, challengeId, proof, commitmentOld: old.commitment, credentialId };
  };
  for (const [gone, by, left] of [[first, first, second], [first, second, second], [second, first, first]] as const) {
    const { record: after } = (await terms.unlink(keys, NOW, unlinkOf(gone, by, idOf(by))).verify(both)).step;
    assert(after);
    const token = (of: addon.NewCredential) => ({ credentialId: idOf(of), since: of === first ? 1 : 2, generation: 0 });
    assert.equal(addon.honours(both, token(gone), NOW), true);
    assert.equal(addon.honours(after, token(gone), NOW), false);
    assert.equal(addon.honours(after, token(left), NOW), true);
  }
  await assert.rejects(terms.unlink(keys, NOW, unlinkOf(first)).verify(record), denied);
  await assert.rejects(terms.unlink(keys, NOW, unlinkOf(addon.generateCredential())).verify(both), denied);
});

/** From the first device to the second: an offer, and who joins. */
function offered() {
  const { first, second, record, challenged, linkOf } = scene();
  const { challengeId, challenge } = challenged();
  const { pending, until } = terms.offer(keys, NOW, clientId, { clientId, challengeId });
  const joinOf = (credential = second, changes: Partial<addon.JoinRequest> = {}): addon.JoinRequest => {
    const proof = addon.proveJoining({ clientId, credential, challenge });
    return { clientId, challengeId, commitment: credential.commitment, proof, name: 'tablet', ...changes };
  };
  const joined = async (request = joinOf(), before = pending) => terms.join(keys, NOW, request).verify(before);
  return { first, second, record, challengeId, challenge, challenged, linkOf, pending, until, joinOf, joined };
}

test('a second device joins what is offered, and the first one links what has joined', async () => {
  const { first, second, record, challengeId, challenge, linkOf, pending, until, joined } = offered();
  assert.deepEqual(addon.readPendingLink(pending, NOW), { state: 'open', challengeId, expiresAt: until });
  assert.equal(addon.readPendingLink(pending, until), undefined);
  const join = await joined();
  assert.deepEqual(new Uint8Array(join.before), new Uint8Array(pending));
  join.done(true);
  const seen = addon.readPendingLink(join.after, NOW);
  assert(seen?.commitment && seen.proof);
  assert.deepEqual([seen.state, seen.name], ['joined', 'tablet']);
  const { nonce, channelBinding } = challenge;
  const shown = { clientId, commitment: seen.commitment, nonce, channelBinding, proof: seen.proof };
  assert.equal(addon.verifyJoining(shown), true);
  assert.equal(addon.verifyJoining({ ...shown, commitment: first.commitment }), false);
  assert.match(addon.linkNumber(challengeId, seen.commitment), /^[0-9]{6}$/);

  const request = linkOf({ proofNew: undefined, name: undefined });
  const wanted = terms.link(keys, NOW, request);
  assert.equal(wanted.wantsPendingLink, true);
  const { step } = await wanted.verify(record, join.after);
  assert.deepEqual(new Uint8Array(step.joined ?? []), new Uint8Array(join.after));
  assert(step.record);
  assert.deepEqual(addon.readRecord(step.record).credentials.map(({ name }) => name), ['first', 'tablet']);
  assert.equal(addon.readRecord(step.record).credentials[1]?.credentialId, idOf(second));
  // What nobody has joined, or joined for another commitment, is not linked.
  for (const kept of [undefined, pending]) {
    await assert.rejects(terms.link(keys, NOW, linkOf({ proofNew: undefined, name: undefined })).verify(record, kept), denied);
  }
  const another = linkOf({ proofNew: undefined, name: undefined }, first, addon.generateCredential());
  await assert.rejects(terms.link(keys, NOW, another).verify(record, join.after), denied);
});

test('two devices that join destroy the offer, and a device that asks again is told again', async () => {
  const { linkOf, record, joinOf, joined } = offered();
  const first = await joined();
  const again = await joined(joinOf(), first.after);
  again.done(true);
  const other = addon.generateCredential();
  const clash = await joined(joinOf(other), first.after);
  assert.equal(addon.readPendingLink(clash.after, NOW)?.state, 'clashed');
  assert.throws(() => clash.done(true), denied);
  await assert.rejects(terms.link(keys, NOW, linkOf({ proofNew: undefined, name: undefined })).verify(record, clash.after), denied);
});

test('nobody joins without an offer, by another proof, or when the store says no; each object is used once', async () => {
  const { second, challenge, pending, joinOf, joined } = offered();
  await assert.rejects(terms.join(keys, NOW, joinOf()).verify(undefined), denied);
  const possession = addon.createEnrollment({ clientId, credential: second }).proof;
  const authentication = addon.proveAuthentication({ clientId, credential: second, challenge });
  for (const proof of [possession, authentication]) await assert.rejects(joined(joinOf(second, { proof })), denied);
  const lost = await joined();
  assert.throws(() => lost.done(false), denied);
  assert.throws(() => lost.done(true), { code: 'used' });
  const joiner = terms.join(keys, NOW, joinOf());
  await joiner.verify(pending);
  await assert.rejects(joiner.verify(pending), { code: 'used' });
  const yes = await joined();
  assert.throws(() => yes.done('yes' as never), denied);
});

test("another client's challenge cannot be offered", () => {
  const { challengeId } = terms.challenge(keys, NOW, 'bob');
  assert.throws(() => terms.offer(keys, NOW, clientId, { clientId: 'bob', challengeId }), denied);
  assert.throws(() => terms.offer(keys, NOW, 'bob', { clientId, challengeId }), denied);
});

test('a reset replaces all credentials, keeps the status, and ends all that was open', async () => {
  const { first, record, linked } = scene();
  const next = addon.generateCredential();
  const enrollment = addon.createEnrollment({ clientId, credential: next });
  const reset = async (of: Uint8Array | undefined) => terms.enroll(enrollment).permittedToReset(of, { now: NOW });
  const suspended = addon.changeRecord(await linked(), 'suspend');
  const { step } = await reset(suspended);
  assert.equal(step.expects, 'unrevoked');
  assert(step.record);
  const { version, generation, status, credentials } = addon.readRecord(step.record);
  assert.deepEqual({ version, generation, status }, { version: 3, generation: 2, status: 'suspended' });
  assert.deepEqual(credentials.map(({ credentialId }) => credentialId), [idOf(next)]);
  assert.equal(addon.honours(step.record, { credentialId: idOf(first), since: 1, generation: 0 }, NOW), false);
  await assert.rejects(reset(undefined), denied);
  await assert.rejects(reset(addon.changeRecord(record, 'revoke')), denied);
});

test('a link proof shows that two credentials are of one owner, to who asked', async () => {
  const secret = addon.generateCredential();
  const shared = { secret: secret.secret, blinding: addon.generateCredential().blinding };
  const nonce = new Uint8Array(16).fill(9);
  const [here, there] = ['https://a.example', 'https://b.example'] as const;
  const first = { audience: here, clientId, credential: secret };
  const second = { audience: there, clientId: 'al', credential: shared };
  const proof = addon.createLinkProof({ first, second, nonce });
  const commitment = addon.commit(shared.secret, shared.blinding);
  const shown = {
    first: { audience: here, clientId, commitment: secret.commitment },
    second: { audience: there, clientId: 'al', commitment },
    nonce,
    proof,
  };
  assert.equal(await addon.verifyLinkProof(shown), true);
  for (const changes of [
    { nonce: new Uint8Array(16) },
    { second: { ...shown.second, clientId: 'bob' } },
    { second: { ...shown.second, audience: here } },
    { first: { ...shown.first, commitment } },
    { first: shown.second, second: shown.first },
  ]) {
    assert.equal(await addon.verifyLinkProof({ ...shown, ...changes }), false);
  }
  const stranger = { ...second, credential: addon.generateCredential() };
  assert.throws(() => addon.createLinkProof({ first, second: stranger, nonce }), { code: 'invalid_encoding' });
  await assert.rejects(addon.verifyLinkProof({ ...shown, proof: proof.slice(1) }), { code: 'invalid_length' });
});
