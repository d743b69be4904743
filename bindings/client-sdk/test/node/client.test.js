// The client against a real server, in Node: the ceremony, what goes wrong, and servers that lie.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { TwoFApiClient, generatePhrase, memoryStore, passphraseStore } from '@2fapi/client-sdk';

import { fails } from '../shared/assertions.js';
import { startLiar, withMember } from '../shared/liar.js';
import { startServer } from '../shared/server.js';

let server;
let name = 0;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const hex = (text) => Buffer.from(text).toString('hex');
function newClient(options = {}) {
  const store = memoryStore();
  const clientId = `node-${++name}`;
  return { store, clientId, client: new TwoFApiClient({ baseUrl: server.url, clientId, store, ...options }) };
}

async function enrolled(options) {
  const made = newClient(options);
  await made.client.enroll({ token: await server.invite(made.clientId) });
  return made;
}

/** A client that talks to the liar and means the real server. */
const through = (liar, { store, clientId }, options = {}) =>
  new TwoFApiClient({ baseUrl: liar.url, audience: server.url, clientId, store, ...options });

for (const engine of ['wasm', 'noble']) {
  test(`enrol, log in, fetch, rotate, log in again, log out: on ${engine}`, async () => {
    const { client, clientId } = newClient({ engine });
    const { commitment, commitmentVersion } = await client.enroll({ token: await server.invite(clientId) });
    assert.equal(commitmentVersion, 1);
    assert.equal((await server.client(clientId)).commitment, commitment);
    assert.equal(await client.commitment(), commitment);
    const session = await client.login();
    assert.equal(session.clientId, clientId);
    const who = await (await client.fetch('/auth/zkp/whoami')).json();
    assert.equal(who.client_id, clientId);
    const rotated = await client.rotate();
    assert.equal(rotated.commitmentVersion, 2);
    assert.notEqual(rotated.commitment, commitment);
    assert.equal((await server.client(clientId)).commitment, rotated.commitment);
    assert.equal(client.session, undefined);
    const again = await (await client.fetch('/auth/zkp/whoami')).json();
    assert.equal(again.commitment_version, 2);
    client.logout();
    assert.equal(client.session, undefined);
  });
}

test('a phrase restores the credential on another device, and not after a rotation', async () => {
  const { client, clientId } = newClient();
  const phrase = await generatePhrase();
  await client.enroll({ token: await server.invite(clientId), phrase });
  const other = new TwoFApiClient({ baseUrl: server.url, clientId, store: memoryStore() });
  await fails(other.login(), 'no_credential');
  await fails(other.recover({ phrase: await generatePhrase() }), 'denied');
  assert.equal(await other.hasCredential(), false);
  assert.equal((await other.recover({ phrase })).clientId, clientId);
  await fails(other.recover({ phrase }), 'credential_exists');
  const next = await generatePhrase();
  await client.rotate({ phrase: next });
  await other.forget();
  await fails(other.recover({ phrase }), 'denied');
  await other.recover({ phrase: next });
  await other.login();
});

test('an expired or refused token is replaced without being asked for', async () => {
  const { client, clientId, store } = await enrolled();
  const { accessToken } = await client.login();
  // Another device rotates: the token ends.
  const other = new TwoFApiClient({ baseUrl: server.url, clientId, store });
  await other.rotate();
  const response = await client.fetch('/auth/zkp/whoami', { headers: { 'X-Own': '1' } });
  assert.equal(response.status, 200);
  assert.notEqual(client.session.accessToken, accessToken);
});

test('many calls at once log in once', async () => {
  const { clientId, store } = await enrolled();
  const liar = await startLiar(server.url);
  try {
    const client = through(liar, { clientId, store });
    await Promise.all(Array.from({ length: 8 }, () => client.fetch('/auth/zkp/whoami')));
    assert.equal(liar.seen.filter(({ path }) => path === '/auth/zkp/verify').length, 1);
    assert.equal(liar.seen.filter(({ path }) => path === '/auth/zkp/whoami').length, 8);
  } finally {
    await liar.stop();
  }
});

test('the token goes to its own origin only', async () => {
  const { client } = await enrolled();
  const heard = [];
  const other = createServer((request, response) => {
    heard.push(request.headers.authorization);
    response.end();
  });
  await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${other.address().port}/`;
  await fails(client.fetch(address), 'foreign_origin');
  assert.deepEqual(heard, []);
  other.closeAllConnections();
  await new Promise((resolve) => other.close(resolve));
});

test('the token does not follow a redirect unless the caller says so', async () => {
  const known = await enrolled();
  const location = '/auth/zkp/whoami?again';
  const liar = await startLiar(server.url, ({ path, answer }) =>
    path === '/auth/zkp/whoami' ? { ...answer, status: 307, headers: { location } } : answer,
  );
  try {
    const client = through(liar, known);
    await fails(client.fetch('/auth/zkp/whoami'), 'network');
    assert.ok(!liar.seen.some(({ path }) => path === location));
    assert.equal((await client.fetch('/auth/zkp/whoami', { redirect: 'follow' })).status, 200);
  } finally {
    await liar.stop();
  }
});

test('a suspended client and an unknown one are denied alike, and a wrong token does not enrol', async () => {
  const { client, clientId } = await enrolled();
  await server.operator('suspend', clientId);
  const suspended = await client.login().catch((error) => error);
  assert.equal(suspended.code, 'denied');
  assert.equal(suspended.status, 401);
  await server.operator('resume', clientId);
  await client.login();
  const { client: stranger } = newClient();
  await fails(stranger.enroll({ token: 'wrong' }), 'denied');
  assert.equal(await stranger.hasCredential(), false);
  await fails(client.enroll({ token: 'whatever' }), 'credential_exists');
});

test('an enrolment whose answer is lost is completed by doing it again', async () => {
  const { store, clientId } = newClient();
  let lose = true;
  const liar = await startLiar(server.url, ({ path, answer }) => {
    if (path !== '/auth/zkp/enroll' || !lose) return answer;
    lose = false;
    return undefined;
  });
  try {
    const client = through(liar, { store, clientId });
    const token = await server.invite(clientId);
    await fails(client.enroll({ token }), 'network');
    assert.equal(await client.hasCredential(), false);
    const { commitment } = await client.enroll({ token });
    assert.equal((await server.client(clientId)).commitment, commitment);
    await client.login();
  } finally {
    await liar.stop();
  }
});

for (const [what, again] of [['login', (client) => client.login()], ['rotate', (client) => client.rotate()]]) {
  test(`a rotation whose answer is lost is found out by ${what}`, async () => {
    const { store, clientId } = await enrolled();
    let lose = true;
    const liar = await startLiar(server.url, ({ path, answer }) => {
      if (path !== '/auth/zkp/rotate' || !lose) return answer;
      lose = false;
      return undefined;
    });
    try {
      const client = through(liar, { store, clientId });
      await fails(client.rotate(), 'network');
      await again(client);
      const { commitment, commitment_version: version } = await server.client(clientId);
      assert.equal(version, 2);
      assert.equal(await client.commitment(), commitment);
      await client.login();
    } finally {
      await liar.stop();
    }
  });
}

test('a rotation that never arrived is completed with the same credential', async () => {
  const { store, clientId } = await enrolled();
  const broken = new TwoFApiClient({
    baseUrl: server.url,
    clientId,
    store,
    fetch: (input, init) => (String(input).endsWith('/rotate') ? Promise.reject(new TypeError('down')) : fetch(input, init)),
  });
  await fails(broken.rotate(), 'network');
  const client = new TwoFApiClient({ baseUrl: server.url, clientId, store });
  await client.login();
  assert.equal((await client.rotate()).commitmentVersion, 2);
  await client.login();
});

const LIES = [
  ['a nonce of 15 bytes', 'bad_answer', (answer) => withMember(answer, 'nonce', (nonce) => nonce.slice(2))],
  ['a nonce of 65 bytes', 'bad_answer', (answer) => withMember(answer, 'nonce', (nonce) => nonce.padEnd(130, '0'))],
  ['half a byte more', 'bad_answer', (answer) => withMember(answer, 'nonce', (nonce) => `${nonce}0`)],
  ['a nonce that is not hex', 'bad_answer', (answer) => withMember(answer, 'nonce', 'z'.repeat(32))],
  ['the audience of another server', 'wrong_audience', (answer) => withMember(answer, 'channel_binding', hex('aud:https://bank.example'))],
  ['no audience', 'wrong_audience', (answer) => withMember(answer, 'channel_binding', '')],
  ['the enrolment binding', 'wrong_audience', (answer) => withMember(answer, 'channel_binding', hex('enrollment'))],
  ["somebody else's challenge", 'bad_answer', (answer) => withMember(answer, 'challenge_id', (id) => `${id.slice(0, 28)}victim`)],
  ['a challenge id of another form', 'bad_answer', (answer) => withMember(answer, 'challenge_id', 'ch-1')],
  ['an expiry that is no number', 'bad_answer', (answer) => withMember(answer, 'expires_at', 'soon')],
  ['no JSON', 'bad_answer', (answer) => ({ ...answer, body: '<html>' })],
  ['an array', 'bad_answer', (answer) => ({ ...answer, body: '[]' })],
  ['an answer that is far too long', 'bad_answer', (answer) => ({ ...answer, body: answer.body + ' '.repeat(100_000) })],
  ['a redirect', 'network', (answer) => ({ ...answer, status: 307, headers: { location: '/auth/zkp/challenge?again' } })],
  ['an error of another kind', 'bad_answer', (answer) => ({ ...answer, status: 418, body: '{"code":"teapot"}' })],
  ["a proxy's error page", 'unavailable', (answer) => ({ ...answer, status: 503, body: 'sorry' })],
];

for (const [what, code, lie] of LIES) {
  test(`a server that answers a challenge with ${what} gets no proof`, async () => {
    const known = await enrolled();
    const liar = await startLiar(server.url, ({ path, answer }) =>
      path === '/auth/zkp/challenge' ? lie(answer) : answer,
    );
    try {
      await fails(through(liar, known).login(), code);
      assert.ok(!liar.seen.some(({ path }) => path !== '/auth/zkp/challenge'));
    } finally {
      await liar.stop();
    }
  });
}

test('a nonce of up to 64 bytes is answered, whatever this server issues', async () => {
  const known = await enrolled();
  const liar = await startLiar(server.url, ({ path, answer }) =>
    path === '/auth/zkp/challenge' ? withMember(answer, 'nonce', (nonce) => nonce.padEnd(128, '0')) : answer,
  );
  try {
    // The proof is over another nonce than the server's, which denies it.
    await fails(through(liar, known).login(), 'denied');
    assert.ok(liar.seen.some(({ path }) => path === '/auth/zkp/verify'));
  } finally {
    await liar.stop();
  }
});

test('a rogue server that passes on the challenge of another gets no proof', async () => {
  const known = await enrolled();
  const liar = await startLiar(server.url);
  try {
    // The client means the liar; what the liar passes on names the real server.
    const store = memoryStore();
    const key = `${liar.url} ${known.clientId}`;
    await store.put(key, await known.store.get(`${server.url} ${known.clientId}`));
    const client = new TwoFApiClient({ baseUrl: liar.url, clientId: known.clientId, store });
    await fails(client.login(), 'wrong_audience');
    // And if the liar names itself, what it gets is of no use at the real server.
    const second = await startLiar(server.url, ({ path, answer }) =>
      path === '/auth/zkp/challenge' ? withMember(answer, 'channel_binding', hex(`aud:${second.url}`)) : answer,
    );
    await store.put(`${second.url} ${known.clientId}`, await store.get(key));
    const fooled = new TwoFApiClient({ baseUrl: second.url, clientId: known.clientId, store });
    await fails(fooled.login(), 'denied');
    await second.stop();
  } finally {
    await liar.stop();
  }
});

for (const [what, lie] of [
  ['is for another client', (answer) => withMember(answer, 'client_id', 'mallory')],
  ['is of another type', (answer) => withMember(answer, 'token_type', 'MAC')],
  ['has a line end in it', (answer) => withMember(answer, 'access_token', 'a\r\nX: y')],
  ['never ends', (answer) => withMember(answer, 'expires_in', 'never')],
  ['lives for ever', (answer) => ({ ...answer, body: answer.body.replace(/"expires_in":\s*\d+/, '"expires_in":1e999') })],
]) {
  test(`a token that ${what} is not kept`, async () => {
    const known = await enrolled();
    const liar = await startLiar(server.url, ({ path, answer }) => (path === '/auth/zkp/verify' ? lie(answer) : answer));
    try {
      const client = through(liar, known);
      await fails(client.login(), 'bad_answer');
      assert.equal(client.session, undefined);
    } finally {
      await liar.stop();
    }
  });
}

test('signals end the waiting, and a server that says nothing is a timeout', async () => {
  const known = await enrolled();
  const silent = createServer(() => {});
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${silent.address().port}`;
  const options = { baseUrl, audience: server.url, clientId: known.clientId, store: known.store };
  const client = new TwoFApiClient({ ...options, timeoutMs: 1500 });
  const reason = new Error('enough');
  const aborted = await client.login({ signal: AbortSignal.abort(reason) }).catch((error) => error);
  assert.equal(aborted.code, 'aborted');
  assert.equal(aborted.cause, reason);
  await fails(client.login({ signal: AbortSignal.timeout(50) }), 'aborted');
  await fails(client.rotate({ signal: AbortSignal.timeout(50) }), 'aborted');
  await fails(new TwoFApiClient({ ...options, timeoutMs: 100 }).login(), 'timeout');
  silent.closeAllConnections();
  await new Promise((resolve) => silent.close(resolve));
  await fails(new TwoFApiClient(options).login(), 'network');
});

test('addresses that would betray tokens or mean nothing are refused', () => {
  for (const [baseUrl, code] of [
    ['http://api.example.com', 'insecure_transport'],
    ['http://127.0.0.1.example.com', 'insecure_transport'],
    ['ftp://api.example.com', 'invalid_argument'],
    ['https://user:pw@api.example.com', 'invalid_argument'],
    ['https://api.example.com/?a=b', 'invalid_argument'],
    ['api.example.com', 'invalid_argument'],
  ]) {
    assert.throws(() => new TwoFApiClient({ baseUrl }), { code }, baseUrl);
  }
  assert.equal(new TwoFApiClient({ baseUrl: 'HTTPS://API.Example.COM:443/x' }).audience, 'https://api.example.com');
  assert.equal(new TwoFApiClient({ baseUrl: 'http://x.example', allowInsecureHttp: true }).audience, 'http://x.example');
});

test('without a store nothing is begun, and client ids are checked first', async () => {
  const client = new TwoFApiClient({ baseUrl: server.url, clientId: 'alice' });
  await fails(client.enroll({ token: 'x' }), 'store_unavailable');
  const { client: other } = newClient({ clientId: 'a:b' });
  await fails(other.enroll({ token: 'x' }), 'invalid_client_id');
  await fails(new TwoFApiClient({ baseUrl: server.url, store: memoryStore() }).login(), 'invalid_argument');
});

test('a store under a passphrase needs it, notices changes, and cannot be asked for unbounded work', async () => {
  const inner = memoryStore();
  let passphrase = 'Zo\u00eb and the horse';
  const cost = { memoryKib: 64, passes: 1, lanes: 2 };
  const store = passphraseStore(inner, () => passphrase, cost);
  const { client, clientId } = await enrolled({ store });
  passphrase = 'Zoe\u0308 and the horse';
  await client.login();
  client.logout();
  passphrase = 'another';
  await fails(client.login(), 'wrong_key');
  passphrase = '';
  await fails(client.login(), 'invalid_argument');
  passphrase = 'Zo\u00eb and the horse';
  const key = `${server.url} ${clientId}`;
  const sealed = await inner.get(key);
  for (const at of [1, 5, 9, 12, 30, sealed.length - 1]) {
    const changed = sealed.slice();
    changed[at] ^= 0xff;
    await inner.put(key, changed);
    const began = Date.now();
    await assert.rejects(client.login(), (error) => ['wrong_key', 'invalid_argument'].includes(error.code));
    assert.ok(Date.now() - began < 20_000);
  }
  // A record of another client is no record of this one.
  await inner.put(`${server.url} other`, sealed);
  await fails(client.login({ clientId: 'other' }), 'wrong_key');
});
