// Answers that are lost, refusals in between, and many things asked at once: no credential in force is lost,
// and nobody is taken for another.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { TwoFApi, TwoFApiClient, generatePhrase, memoryStore } from '@2fapi/client-sdk';

import { fails } from '../shared/assertions.js';
import { startLiar } from '../shared/liar.js';
import { startServer } from '../shared/server.js';

let server;
let name = 0;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

function newClient(options = {}) {
  const store = memoryStore();
  const clientId = `outcome-${++name}`;
  return { store, clientId, client: new TwoFApiClient({ baseUrl: server.url, clientId, store, ...options }) };
}

const isEnroll = (input) => String(input).endsWith('/enroll');

/** A `fetch` that loses the answers to enrolments until it is told not to. */
function losing() {
  const line = { lost: true };
  line.fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!isEnroll(input) || !line.lost) return response;
    await response.text();
    throw new TypeError('the connection broke');
  };
  return line;
}

test('an enrolment whose answer is lost outlives a suspension', async () => {
  const line = losing();
  const { client, clientId } = newClient({ fetch: line.fetch });
  const token = await server.invite(clientId);
  await fails(client.enroll({ token }), 'network');
  line.lost = false;
  await server.operator('suspend', clientId);
  await assert.rejects(client.enroll({ token }), ({ code }) => ['denied', 'already_enrolled'].includes(code));
  await fails(client.login(), 'denied');
  await server.operator('resume', clientId);
  await client.login();
  assert.equal(await client.commitment(), (await server.client(clientId)).commitment);
});

test('an enrolment that is on its way outlives a mistyped token', async () => {
  let deliver;
  const line = (input, init) => {
    if (!isEnroll(input) || deliver) return fetch(input, init);
    deliver = () => fetch(input, { ...init, signal: undefined });
    return Promise.reject(new TypeError('the connection broke'));
  };
  const { client, clientId } = newClient({ fetch: line });
  const token = await server.invite(clientId);
  await fails(client.enroll({ token }), 'network');
  await fails(client.enroll({ token: 'mistyped' }), 'denied');
  await fails(client.enroll({ token: 'again', phrase: await generatePhrase() }), 'denied');
  assert.equal((await deliver()).status, 201);
  const { commitment } = await server.client(clientId);
  await client.login();
  assert.equal(await client.commitment(), commitment);
  assert.ok(await client.hasCredential());
});

test('a refused enrolment leaves its credential where it is, and the next attempt takes it up', async () => {
  const { client, clientId } = newClient();
  const token = await server.invite(clientId);
  await fails(client.enroll({ token: 'mistyped' }), 'denied');
  assert.equal(await client.hasCredential(), false);
  const kept = await client.commitment();
  assert.equal((await client.enroll({ token })).commitment, kept);
});

test('an enrolment with another phrase does not pass for the one that had arrived', async () => {
  const line = losing();
  const { client, clientId, store } = newClient({ fetch: line.fetch });
  const [first, second] = [await generatePhrase(), await generatePhrase()];
  const token = await server.invite(clientId);
  await fails(client.enroll({ token, phrase: first }), 'network');
  line.lost = false;
  await fails(client.enroll({ token, phrase: second }), 'credential_exists');
  await client.login();
  const other = new TwoFApiClient({ baseUrl: server.url, clientId, store: memoryStore() });
  await fails(other.recover({ phrase: second }), 'denied');
  await other.recover({ phrase: first });
  assert.equal((await store.get(`${server.url} ${clientId}`)).length, 66);
});

test('a phrase recovers where an enrolment is under way, and what is under way has a bound', async () => {
  const phrase = await generatePhrase();
  const { client: enrolled, clientId } = newClient();
  await enrolled.enroll({ token: await server.invite(clientId), phrase });
  const client = new TwoFApiClient({ baseUrl: server.url, clientId, store: memoryStore() });
  const phrases = await Promise.all(Array.from({ length: 7 }, generatePhrase));
  for (const other of phrases.slice(0, 6)) {
    await assert.rejects(client.enroll({ token: 'x', phrase: other }), ({ code }) => ['denied', 'already_enrolled'].includes(code));
  }
  await fails(client.enroll({ token: 'x', phrase: phrases[6] }), 'credential_exists', /forget/);
  await client.recover({ phrase });
  await client.login();
});

test('a rotation under the phrase in force makes the next credential of it', async () => {
  const phrase = await generatePhrase();
  const { client, clientId } = newClient();
  const { commitment } = await client.enroll({ token: await server.invite(clientId), phrase });
  const rotated = await client.rotate({ phrase });
  assert.equal(rotated.commitmentVersion, 2);
  assert.notEqual(rotated.commitment, commitment);
  const audience = server.url;
  assert.equal((await TwoFApi.generateCredential({ phrase, audience })).commitment, commitment);
  assert.equal((await TwoFApi.generateCredential({ phrase, audience, generation: 1 })).commitment, rotated.commitment);
});

test('a rotation that is refused or lost keeps both credentials through a suspension', async () => {
  const { client, clientId } = newClient();
  await client.enroll({ token: await server.invite(clientId) });
  await server.operator('suspend', clientId);
  await fails(client.rotate(), 'denied');
  await fails(client.rotate(), 'denied');
  await server.operator('resume', clientId);
  await client.login();
  assert.equal((await client.rotate()).commitmentVersion, 2);
  await client.login();
});

/** Two clients that are enrolled, in one store, and one object for both. */
async function two(options = {}) {
  const store = memoryStore();
  const [a, b] = [`outcome-${++name}`, `outcome-${++name}`];
  const phrases = {};
  for (const clientId of [a, b]) {
    phrases[clientId] = await generatePhrase();
    const client = new TwoFApiClient({ baseUrl: server.url, clientId, store });
    await client.enroll({ token: await server.invite(clientId), phrase: phrases[clientId] });
  }
  return { a, b, phrases, store, client: new TwoFApiClient({ baseUrl: server.url, store, ...options }) };
}

test('a recovery in flight and a login as another do not mix', async () => {
  const { a, b, phrases, client } = await two();
  await client.forget({ clientId: a });
  const [recovered, session] = await Promise.all([
    client.recover({ clientId: a, phrase: phrases[a] }),
    client.login({ clientId: b }),
  ]);
  assert.deepEqual([recovered.clientId, session.clientId, client.clientId, client.session.clientId], [a, b, b, b]);
  assert.equal((await (await client.fetch('/auth/zkp/whoami')).json()).client_id, b);
  assert.ok(await client.hasCredential({ clientId: a }));
  assert.equal(client.clientId, b);
});

test('whatever is asked of one object happens in the order in which it was asked', async () => {
  const { a, b, client, store } = await two();
  const sessions = await Promise.all([
    client.login({ clientId: a }),
    client.login(),
    client.login({ clientId: b }),
    client.login({ clientId: a }),
    client.login({ clientId: b }),
  ]);
  assert.deepEqual(sessions.map(({ clientId }) => clientId), [a, a, b, a, b]);
  assert.equal(sessions[0].accessToken, sessions[1].accessToken);
  const who = async (response) => (await (await response).json()).client_id;
  const [, first, rotated, second] = await Promise.all([
    client.login({ clientId: a }),
    who(client.fetch('/auth/zkp/whoami')),
    client.rotate(),
    who(client.login({ clientId: b }).then(() => client.fetch('/auth/zkp/whoami'))),
  ]);
  assert.deepEqual([first, rotated.clientId, rotated.commitmentVersion, second], [a, a, 2, b]);
  // What is asked about a client leaves the object who it is; a failure leaves the next one its turn.
  const outcomes = await Promise.allSettled([
    client.recover({ clientId: 'nobody', phrase: 'x' }),
    client.commitment({ clientId: a }),
    client.login({ clientId: b }),
    client.forget({ clientId: a }),
    client.hasCredential(),
    client.hasCredential({ clientId: a }),
  ]);
  assert.deepEqual(outcomes.map(({ status, value }) => (typeof value === 'boolean' ? value : status)), ['rejected', 'fulfilled', 'fulfilled', 'fulfilled', true, false]);
  assert.equal(client.session.clientId, b);
  assert.equal(await store.get(`${server.url} ${a}`), undefined);
});

test('a login that was begun before a logout brings no session back', async () => {
  const { a, client } = await two();
  const login = client.login({ clientId: a });
  client.logout();
  assert.equal((await login).clientId, a);
  assert.equal(client.session, undefined);
  const before = client.login();
  client.logout();
  const after = client.login();
  assert.notEqual((await before).accessToken, (await after).accessToken);
  assert.equal(client.session.accessToken, (await after).accessToken);
});

test('a request that was refused is not sent again as another client', async () => {
  const { a, b, store } = await two();
  const liar = await startLiar(server.url, ({ path, answer }) => (path === '/auth/zkp/whoami' ? { ...answer, status: 401 } : answer));
  try {
    const client = new TwoFApiClient({ baseUrl: liar.url, audience: server.url, store });
    await client.login({ clientId: a });
    const response = client.fetch('/auth/zkp/whoami');
    await new Promise((resolve) => setImmediate(resolve));
    await client.login({ clientId: b });
    assert.equal((await response).status, 401);
    assert.equal(client.clientId, b);
    assert.equal(liar.seen.filter(({ path }) => path === '/auth/zkp/whoami').length, 1);
  } finally {
    await liar.stop();
  }
});

/** Numbers that look random, the same for the same seed (mulberry32). */
function numbers(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A line that loses answers, loses requests, and delivers some of those when nobody waits for them any more. */
function badLine(random) {
  const late = [];
  const line = { late, isGood: false };
  line.fetch = async (input, init) => {
    const luck = line.isGood ? 9 : random(10);
    if (luck === 0) throw new TypeError('lost on the way');
    if (luck === 1) {
      late.push(() => fetch(input, { ...init, signal: undefined }));
      throw new TypeError('held on the way');
    }
    const response = await fetch(input, init);
    if (luck > 2) return response;
    await response.text();
    throw new TypeError('the answer is lost');
  };
  return line;
}

test('whatever is lost, late, refused or asked at once, the credential in force is in the store', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = numbers(seed);
  const phrases = await Promise.all(Array.from({ length: 3 }, generatePhrase));
  let enrolled = 0;
  for (let round = 0; round < 12; round++) {
    const line = badLine(random);
    const { client, clientId } = newClient({ fetch: line.fetch });
    const token = await server.invite(clientId);
    const phrase = () => phrases[random(8)];
    const done = [];
    let suspended = false;
    const steps = {
      enroll: () => client.enroll({ token, phrase: phrase() }),
      mistype: () => client.enroll({ token: 'mistyped', phrase: phrase() }),
      login: () => client.login(),
      rotate: () => client.rotate({ phrase: phrase() }),
      atOnce: () => Promise.allSettled([client.rotate(), client.login(), client.fetch('/auth/zkp/whoami'), client.enroll({ token })]),
      recover: () => client.recover({ clientId, phrase: phrases[random(3)] }),
      deliver: () => line.late.splice(random(line.late.length + 1), 1)[0]?.(),
      suspend: async () => {
        await server.operator(suspended ? 'resume' : 'suspend', clientId);
        suspended = !suspended;
      },
    };
    const names = Object.keys(steps);
    for (let step = 0; step < 14; step++) {
      const name = step === 0 ? 'enroll' : names[random(names.length)];
      done.push(name);
      await Promise.resolve(steps[name]()).catch(() => done.push('failed'));
    }
    const told = `seed ${seed}, round ${round}: ${done.join(' ')}`;
    for (const deliver of line.late) await deliver();
    line.isGood = true;
    const record = await server.client(clientId).catch(() => undefined);
    if (!record) continue;
    enrolled++;
    if (suspended) await server.operator('resume', clientId);
    await client.login().catch((error) => assert.fail(`${told}: ${error.code}`));
    assert.equal(await client.commitment(), (await server.client(clientId)).commitment, told);
    await client.rotate();
    await client.login();
  }
  assert.ok(enrolled > 6, `${enrolled} of 12 enrolled: seed ${seed}`);
});
