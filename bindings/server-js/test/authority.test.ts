// What a client may do and from where: in tokens, at protected routes, and never more than its record says.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import express from 'express';
import { decodeJwt } from 'jose';

import { requireScope } from '../src/express.js';
import { createTwoFApi, generateSigningKey, memoryStore } from '../src/index.js';
import { AUDIENCE, Device } from './client.js';

async function scene() {
  const store = memoryStore();
  const twoFApi = await createTwoFApi({
    store,
    audience: AUDIENCE,
    signingKey: await generateSigningKey(),
    mayEnroll: ({ token }) => token === 'invited',
  });
  const at = { source: '127.0.0.1' as string | undefined };
  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const answer = await twoFApi.handle(new Request(AUDIENCE + path, init), { source: at.source });
    assert.ok(answer);
    return answer;
  };
  const bearer = (token?: string) => (token === undefined ? {} : { Authorization: `Bearer ${token}` });
  const post = (path: string, body: object, token?: string): Promise<Response> =>
    ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...bearer(token) }, body: JSON.stringify(body) });
  const whoami = (token: string): Promise<Response> => ask('/auth/zkp/whoami', { headers: bearer(token) });
  const alice = new Device(post, 'alice');
  assert.equal((await alice.enroll('invited')).status, 201);
  return { store, twoFApi, at, alice, whoami };
}

test('a token says what its client may do, and nothing that an operator says overrides what it says itself', async () => {
  const { store, alice, whoami, twoFApi } = await scene();
  await store.setAttributes('alice', { scopes: ['read', 'write'], tenant: 'acme', claims: { role: 'web_user' } });
  const token = await alice.token();
  const claims = decodeJwt(token);
  assert.deepEqual([claims['scope'], claims['tenant'], claims['role'], claims.sub], ['read write', 'acme', 'web_user', 'alice']);
  assert.deepEqual([claims['acr'], claims['auth_time']], ['urn:2fapi:acr:sigma', claims.iat]);
  const said = (await (await whoami(token)).json()) as Record<string, unknown>;
  assert.deepEqual([said['scope'], said['tenant']], ['read write', 'acme']);
  await assert.rejects(store.setAttributes('alice', { claims: { Sub: 'bob' } }), { code: 'invalid_encoding' });
  // What is taken away is taken from tokens at once; another tenant takes none along.
  await store.setAttributes('alice', { scopes: ['write', 'new'], tenant: 'other' });
  const identity = await twoFApi.authenticate(`Bearer ${token}`);
  assert.ok(!(identity instanceof Response));
  assert.deepEqual([identity.scopes, identity.tenant], [['write'], undefined]);
});

test('a route is for clients with its scope, and the others are told which one', async () => {
  const { store, twoFApi, alice } = await scene();
  const app = express();
  app.get('/reports', requireScope(twoFApi, 'reports:read'), (_request, response) => void response.json('reports'));
  const server = app.listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const get = (token: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/reports`, { headers: { Authorization: `Bearer ${token}` } });
    const refused = await get(await alice.token());
    assert.equal(refused.status, 403);
    assert.equal(
      refused.headers.get('www-authenticate'),
      `Bearer realm="${AUDIENCE}", error="insufficient_scope", scope="reports:read"`,
    );
    assert.equal(((await refused.json()) as { code: string }).code, 'insufficient_scope');
    assert.equal((await get('x')).status, 401);
    await store.setAttributes('alice', { scopes: ['reports:read'], sources: ['127.0.0.0/8'] });
    assert.equal((await get(await alice.token())).status, 200);
    await store.setAttributes('alice', { scopes: ['reports:read'], sources: ['192.0.2.0/24'] });
  } finally {
    server.close();
  }
});

test('a client with allowed sources is let in from there alone, and its tokens are', async () => {
  const { store, twoFApi, at, alice, whoami } = await scene();
  const token = await alice.token();
  await store.setAttributes('alice', { sources: ['192.0.2.0/24'] });
  for (const elsewhere of ['127.0.0.1', '::1', 'unknown', undefined]) {
    at.source = elsewhere;
    assert.equal((await alice.verify()).status, 401, elsewhere);
    assert.equal((await alice.rotate()).status, 401, elsewhere);
    assert.equal((await alice.link(alice.another())).status, 401, elsewhere);
    assert.equal((await whoami(token)).status, 401, elsewhere);
  }
  // An application that does not say where a request comes from lets nobody in.
  assert.ok((await twoFApi.authenticate(`Bearer ${token}`)) instanceof Response);
  for (const there of ['192.0.2.7', '::ffff:192.0.2.7']) {
    at.source = there;
    assert.equal((await alice.verify()).status, 200, there);
    assert.equal((await whoami(token)).status, 200, there);
  }
  const identity = await twoFApi.authenticate(`Bearer ${token}`, { source: '192.0.2.7' });
  assert.ok(!(identity instanceof Response));
});
