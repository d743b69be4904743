// What is sent and what comes back: requests of any kind, redirects, proxies, times, and options that mean nothing.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { TwoFApi, TwoFApiClient, engineOf, memoryStore } from '@2fapi/client-sdk';

import { fails } from '../shared/assertions.js';
import { startServer } from '../shared/server.js';

let server;
let api;
let known;
before(async () => {
  server = await startServer();
  api = await startApi();
  const store = memoryStore();
  await new TwoFApiClient({ baseUrl: server.url, clientId: 'alice', store }).enroll({ token: await server.invite('alice') });
  known = { baseUrl: server.url, clientId: 'alice', store, tokenOrigins: [api.url] };
});
after(async () => {
  await api?.stop();
  await server?.stop();
});

/** Somebody's API: writes down what arrives, redirects where it is asked to, and answers as `api.answer` says. */
async function startApi() {
  const api = { seen: [], answer: undefined };
  const listener = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method, url, headers } = request;
    api.seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    if (api.answer) return api.answer(request, response);
    if (url.startsWith('/to?')) return response.writeHead(302, { location: decodeURIComponent(url.slice(4)) }).end();
    return response.end('here');
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  api.url = `http://127.0.0.1:${listener.address().port}`;
  api.stop = () => {
    listener.closeAllConnections();
    return new Promise((resolve) => listener.close(resolve));
  };
  return api;
}

const arrivals = () => api.seen.splice(0).map(({ method, url, headers, body }) => `${method} ${url} ${headers.authorization?.startsWith('Bearer ey') ? 'token' : 'no token'} ${body}`.trim());

test('a Request takes no token along a redirect unless the caller says so', async () => {
  const client = new TwoFApiClient(known);
  const redirecting = `${api.url}/to?${encodeURIComponent('/after')}`;
  for (const init of [undefined, {}, { redirect: undefined }]) {
    await fails(client.fetch(new Request(redirecting), init), 'network');
    await fails(client.fetch(redirecting, init), 'network');
  }
  assert.deepEqual([...new Set(arrivals())], [`GET /to?%2Fafter token`]);
  assert.equal((await client.fetch(new Request(redirecting, { redirect: 'manual' }))).status, 302);
  assert.equal((await client.fetch(new Request(redirecting), { redirect: 'follow' })).status, 200);
  assert.deepEqual(arrivals().at(-1), 'GET /after token');
});

test('a fetch of a library that keeps the token across origins is not told to follow', async () => {
  const follows = async (input, init) => {
    const request = new Request(input, init);
    const answer = await fetch(new Request(request, { redirect: 'manual' }));
    if (answer.status !== 302) return answer;
    if (request.redirect === 'error') throw new TypeError('a redirect');
    const authorization = request.headers.get('authorization');
    return fetch(answer.headers.get('location'), { headers: { authorization } });
  };
  const elsewhere = await startApi();
  try {
    const client = new TwoFApiClient({ ...known, fetch: follows });
    await fails(client.fetch(new Request(`${api.url}/to?${encodeURIComponent(elsewhere.url)}`)), 'network');
    assert.deepEqual(elsewhere.seen, []);
  } finally {
    await elsewhere.stop();
  }
});

/** As a library has it that brings a Request of its own. */
class OtherRequest {
  constructor(url, { method = 'GET', headers = {}, body = '', signal } = {}) {
    Object.assign(this, { url, method, headers: Object.entries(headers), redirect: 'follow', signal, content: body });
  }
  get [Symbol.toStringTag]() {
    return 'Request';
  }
  async arrayBuffer() {
    return new TextEncoder().encode(this.content).buffer;
  }
}

test('a Request of another library is sent as what it is', async () => {
  const client = new TwoFApiClient(known);
  arrivals();
  const headers = { 'content-type': 'text/plain', 'x-own': '1' };
  await client.fetch(new OtherRequest(`${api.url}/other`, { method: 'POST', headers, body: 'hi' }));
  assert.equal(api.seen[0].headers['x-own'], '1');
  assert.deepEqual(arrivals(), ['POST /other token hi']);
  await client.fetch(new OtherRequest(`${api.url}/plain`));
  await client.fetch({ href: `${api.url}/url` });
  assert.deepEqual(arrivals(), ['GET /plain token', 'GET /url token']);
  await fails(client.fetch(new OtherRequest(`${api.url}/to?${encodeURIComponent('/after')}`)), 'network');
  await fails(client.fetch(new OtherRequest('https://elsewhere.example/')), 'foreign_origin');
  await fails(client.fetch(new OtherRequest(`${api.url}/x`, { signal: AbortSignal.abort() })), 'aborted');
  assert.deepEqual(arrivals(), ['GET /to?%2Fafter token']);
});

test('a fetch that knows no Request of this realm is given the parts of one', async () => {
  const theirs = (input, init) => fetch(String(input), init);
  const client = new TwoFApiClient({ ...known, fetch: theirs });
  arrivals();
  await client.fetch(new Request(`${api.url}/parts`, { method: 'POST', body: 'hi', headers: { 'x-own': '1' } }));
  assert.equal(api.seen[0].headers['x-own'], '1');
  await client.fetch(`${api.url}/none`);
  await fails(client.fetch(`${api.url}/to?${encodeURIComponent('/after')}`), 'network');
  assert.deepEqual(arrivals(), ['POST /parts token hi', 'GET /none token', 'GET /to?%2Fafter token']);
  await fails(client.fetch(`${api.url}/x`, { signal: AbortSignal.abort() }), 'aborted');
});

test('what is no request is an argument that is wrong, and is not sent', async () => {
  const client = new TwoFApiClient(known);
  arrivals();
  const used = new Request(`${api.url}/used`, { method: 'POST', body: 'x' });
  await used.text();
  for (const [input, init] of [
    [undefined], [null], [5], [{}], [{ url: `${api.url}/e` }], [['/a']], ['http://[bad'], [{ href: 5 }],
    [`${api.url}/f`, { method: 'GET', body: 'x' }], [`${api.url}/f`, { method: 'a b' }], [`${api.url}/f`, { headers: { 'a b': 'c' } }],
    [api.url.replace('//', '//user:pw@')], [used], [`${api.url}/f`, { redirect: 'maybe' }],
  ]) {
    await fails(client.fetch(input, init), 'invalid_argument');
  }
  for (const elsewhere of [`blob:${api.url}/0b1d`, 'data:text/plain,x', 'file:///etc/hostname']) {
    await fails(client.fetch(elsewhere), 'foreign_origin');
  }
  assert.deepEqual(arrivals(), []);
});

test('times that no timer can be set to are refused, and others are not', async () => {
  for (const timeoutMs of [Infinity, 2 ** 31, NaN, 0, -1, '30000', null]) {
    assert.throws(() => new TwoFApiClient({ ...known, timeoutMs }), { code: 'invalid_argument' }, String(timeoutMs));
  }
  await new TwoFApiClient({ ...known, timeoutMs: 2 ** 31 - 1 }).login();
});

test('a fetch that does not listen to its signal does not keep anybody waiting', async () => {
  const never = () => new Promise(() => {});
  await fails(new TwoFApiClient({ ...known, timeoutMs: 50, fetch: never }).login(), 'timeout');
  const client = new TwoFApiClient({ ...known, fetch: never });
  await fails(client.rotate({ signal: AbortSignal.timeout(50) }), 'aborted');
  // What nobody waits for any more keeps no process from ending.
  assert.ok(!process.getActiveResourcesInfo().includes('Timeout'));
  const stalls = async (input, init) => new Response(new ReadableStream({ start() {} }), await fetch(input, init));
  await fails(new TwoFApiClient({ ...known, timeoutMs: 50, fetch: stalls }).login(), 'timeout');
});

test('options that mean nothing are refused when they are given', async () => {
  assert.throws(() => new TwoFApiClient(), { code: 'invalid_argument' });
  for (const wrong of [
    { tokenOrigins: 'https://a.example' }, { tokenOrigins: ['a.example'] }, { tokenOrigins: ['https://a.example/api'] }, { tokenOrigins: [5] },
    { engine: 'rust' }, { audience: 5 }, { audience: '' }, { fetch: 'fetch' }, { clientId: 5 }, { clientId: '' }, { baseUrl: 5 }, { baseUrl: undefined },
  ]) {
    assert.throws(() => new TwoFApiClient({ ...known, ...wrong }), { code: 'invalid_argument' }, JSON.stringify(wrong));
  }
  assert.throws(() => new TwoFApiClient({ ...known, tokenOrigins: ['http://a.example'] }), { code: 'insecure_transport' });
  const client = new TwoFApiClient(known);
  for (const signal of [{}, 5, 'soon']) await fails(client.login({ signal }), 'invalid_argument');
  for (const phrase of [undefined, null, 5, '']) await fails(client.recover({ clientId: 'bob', phrase }), 'invalid_phrase');
  await fails(engineOf('rust'), 'invalid_argument');
  TwoFApi.configure({ engine: 'rust' });
  await fails(TwoFApi.engineName(), 'invalid_argument');
  TwoFApi.configure({ engine: undefined });
});

test('an origin is the same with a slash behind it', async () => {
  const client = new TwoFApiClient({ ...known, tokenOrigins: [`${api.url.toUpperCase()}/`] });
  assert.equal(await (await client.fetch(`${api.url}/slash`)).text(), 'here');
});

const problem = (status, code, more = {}) => [status, JSON.stringify({ code, ...more }), {}];
for (const [what, [status, body, headers], code, after] of [
  ["a proxy's page for too many requests", [429, 'slow down', { 'retry-after': '7' }], 'throttled', 7],
  ["a proxy's page for too many requests without a time", [429, 'slow down', {}], 'throttled', undefined],
  ['a date to try again at', [429, '{"code":"throttled"}', { 'retry-after': new Date(Date.now() + 90_000).toUTCString() }], 'throttled', 90],
  ['a date that is past', [429, '{"code":"throttled"}', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }], 'throttled', 0],
  ['a time that is none', [429, '{"code":"throttled"}', { 'retry-after': '1e400' }], 'throttled', undefined],
  ['a broken gateway', [502, '<h1>Bad gateway</h1>', { 'retry-after': '3' }], 'unavailable', 3],
  ['a crash behind the proxy', [500, 'x', {}], 'unavailable', undefined],
  ['a status of a network in between', [522, '', {}], 'unavailable', undefined],
  ['a firewall', [403, 'Forbidden', {}], 'bad_answer', undefined],
  ['a firewall that says denied', problem(403, 'denied'), 'bad_answer', undefined],
  ['a denial that is none', problem(418, 'denied'), 'bad_answer', undefined],
  ['a login page', [401, '<html>', {}], 'bad_answer', undefined],
  ['a code of this package', problem(400, 'wrong_key'), 'bad_answer', undefined],
  ['a member of every object', problem(400, 'toString'), 'bad_answer', undefined],
  ['a page in the place of JSON', [200, '<html>', {}], 'bad_answer', undefined],
  ['nothing', [204, '', {}], 'bad_answer', undefined],
]) {
  test(`an answer of ${what} is ${code}`, async () => {
    api.answer = (_, response) => response.writeHead(status, headers).end(body);
    try {
      const failure = await new TwoFApiClient({ ...known, baseUrl: api.url, audience: server.url, tokenOrigins: [] }).login().catch((error) => error);
      assert.equal(failure.code, code, failure.message);
      // A second may pass between.
      const wait = failure.retryAfterSeconds;
      assert.ok(wait === after || Math.abs(wait - after) <= 5, String(wait));
    } finally {
      api.answer = undefined;
    }
  });
}

test("a server's words steer no terminal", async () => {
  api.answer = (_, response) => response.writeHead(401).end(JSON.stringify({ code: 'denied', detail: '\u001b[31mred\u0000\u202e' }));
  try {
    await fails(new TwoFApiClient({ ...known, baseUrl: api.url, audience: server.url, tokenOrigins: [] }).login(), 'denied', /^\ufffd\[31mred\ufffd\ufffd$/);
  } finally {
    api.answer = undefined;
  }
});

test('a fetch of another library may answer with streams of its own, and with nothing else', async () => {
  const passed = async (input, init) => {
    const { status, headers, body } = await fetch(input, init);
    async function* chunks() {
      for await (const chunk of body) yield Buffer.from(chunk);
    }
    return { status, headers, body: chunks() };
  };
  await new TwoFApiClient({ ...known, fetch: passed }).login();
  const withoutStream = async (input, init) => {
    const answer = await fetch(input, init);
    return { status: answer.status, headers: answer.headers, text: () => answer.text() };
  };
  await new TwoFApiClient({ ...known, fetch: withoutStream }).login();
  for (const answer of [undefined, null, 'ok', {}, { status: 200 }, { status: '200', headers: new Headers() }]) {
    await fails(new TwoFApiClient({ ...known, fetch: async () => answer }).login(), 'bad_answer');
  }
});

test('a token of a few seconds is used for more than one request', async () => {
  const brief = await startServer({ extra: ['--token-ttl', '5'] });
  try {
    const asked = [];
    const counting = (input, init) => {
      asked.push(String(input.url ?? input));
      return fetch(input, init);
    };
    const client = new TwoFApiClient({ baseUrl: brief.url, clientId: 'alice', store: memoryStore(), fetch: counting });
    await client.enroll({ token: await brief.invite('alice') });
    for (let i = 0; i < 3; i++) assert.equal((await client.fetch('/auth/zkp/whoami')).status, 200);
    assert.equal(asked.filter((url) => url.endsWith('/verify')).length, 1);
  } finally {
    await brief.stop();
  }
});

test('an IndexedDB that never answers is a store that is not there', async () => {
  const { indexedDbStore } = await import('@2fapi/client-sdk');
  globalThis.indexedDB = { open: () => ({}) };
  try {
    await fails(new TwoFApiClient({ baseUrl: server.url, clientId: 'alice' }).hasCredential(), 'store_unavailable');
    for (const timeoutMs of [0, Infinity, NaN]) assert.throws(() => indexedDbStore('x', { timeoutMs }), { code: 'invalid_argument' });
  } finally {
    delete globalThis.indexedDB;
  }
});
