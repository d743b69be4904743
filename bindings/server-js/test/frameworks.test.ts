// The resources and the protection of routes, in each framework, over HTTP.

import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import express from 'express';
import Fastify from 'fastify';

import * as forExpress from '../src/express.js';
import * as forFastify from '../src/fastify.js';
import { createTwoFApi, generateSigningKey, memoryStore, type TwoFApi } from '../src/index.js';
import { AUDIENCE, BINDING, TestClient, enrollBody } from './client.js';
import { FRAMEWORKS, at, type Service } from './services.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  describe(name, () => {
    let service: Service;
    let twoFApi: TwoFApi;
    const seen: unknown[] = [];
    before(async () => {
      twoFApi = await createTwoFApi({
        store: memoryStore(),
        audience: AUDIENCE,
        signingKey: await generateSigningKey(),
        mayEnroll: ({ token }) => token === 'invited',
        onError: (error) => seen.push(error),
      });
      service = await start(twoFApi);
    });
    after(() => service.close());

    const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(service.origin + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    const problem = async (response: Response, status: number, code: string): Promise<void> => {
      const body = (await response.json()) as Record<string, unknown>;
      assert.equal(response.status, status, JSON.stringify(body));
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
      assert.deepEqual([body['code'], body['status'], body['type']], [code, status, `urn:2fapi:error:${code}`]);
    };
    const enroll = async (client: TestClient): Promise<Response> => {
      const { commitment, proof } = client.enrollment();
      const body = { client_id: client.clientId, commitment: hex(commitment), proof: hex(proof) };
      return post('/auth/zkp/enroll', body, { Authorization: 'Bearer invited' });
    };
    const challenged = async (client: TestClient): Promise<Record<string, string>> => {
      const response = await post('/auth/zkp/challenge', { client_id: client.clientId });
      assert.equal(response.status, 200);
      return (await response.json()) as Record<string, string>;
    };
    const answer = async (client: TestClient, challenge: Record<string, string>): Promise<Response> => {
      assert.equal(challenge['channel_binding'], hex(BINDING));
      const nonce = Buffer.from(challenge['nonce'] ?? '', 'hex');
      const proof = client.proof({ challengeId: '', nonce, expiresAt: 0 });
      return post('/auth/zkp/verify', { challenge_id: challenge['challenge_id'], proof: hex(proof) });
    };
    const logIn = async (client: TestClient): Promise<string> => {
      const response = await answer(client, await challenged(client));
      assert.equal(response.status, 200);
      return ((await response.json()) as { access_token: string }).access_token;
    };
    const get = (path: string, token?: string): Promise<Response> =>
      fetch(service.origin + path, token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } });

    test('a client enrols, logs in and reads what is protected', async () => {
      const alice = new TestClient('alice');
      const enrolled = await enroll(alice);
      assert.equal(enrolled.status, 201);
      assert.equal(enrolled.headers.get('cache-control'), 'no-store');
      assert.deepEqual(await enrolled.json(), { client_id: 'alice', status: 'active', commitment_version: 1 });
      await problem(await enroll(new TestClient('alice')), 409, 'already_enrolled');
      const token = await logIn(alice);
      assert.deepEqual(await (await get('/reports', token)).json(), { for: 'alice' });
      const who = (await (await get('/auth/zkp/whoami', token)).json()) as Record<string, unknown>;
      assert.deepEqual([who['client_id'], who['commitment_version']], ['alice', 1]);
    });

    test('the token can be checked elsewhere with the published key', async () => {
      const carol = new TestClient('carol');
      await enroll(carol);
      const keys = createRemoteJWKSet(new URL(`${service.origin}/.well-known/jwks.json`));
      const { payload } = await jwtVerify(await logIn(carol), keys, { audience: AUDIENCE, issuer: AUDIENCE });
      assert.equal(payload.sub, 'carol');
      assert.deepEqual(payload['amr'], ['zkp']);
    });

    test('without a token, with a wrong one, and after suspension the route is shut', async () => {
      const dave = new TestClient('dave');
      await enroll(dave);
      const token = await logIn(dave);
      const without = await get('/reports');
      assert.equal(without.headers.get('www-authenticate'), `Bearer realm="${AUDIENCE}"`);
      await problem(without, 401, 'denied');
      const wrong = await get('/reports', `${token.slice(0, -4)}AAAA`);
      assert.match(wrong.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
      await problem(wrong, 401, 'denied');
      await twoFApi.store.change('dave', 'suspend');
      await problem(await get('/reports', token), 401, 'denied');
      await twoFApi.store.change('dave', 'resume');
      await problem(await get('/reports', token), 401, 'denied');
      const another = await logIn(dave);
      assert.equal((await get('/reports', another)).status, 200);
      await dave.rotate(twoFApi.store);
      await problem(await get('/reports', another), 401, 'denied');
    });

    test('a replayed proof is denied', async () => {
      const erin = new TestClient('erin');
      await enroll(erin);
      const challenge = await challenged(erin);
      assert.equal((await answer(erin, challenge)).status, 200);
      await problem(await answer(erin, challenge), 401, 'denied');
    });

    test('nobody enrols without being invited', async () => {
      const { commitment, proof } = new TestClient('frank').enrollment();
      const body = { client_id: 'frank', commitment: hex(commitment), proof: hex(proof) };
      await problem(await post('/auth/zkp/enroll', body), 401, 'denied');
      await problem(await post('/auth/zkp/enroll', body, { Authorization: 'Bearer guess' }), 401, 'denied');
      assert.equal(await twoFApi.store.find('frank'), undefined);
    });

    test('malformed requests are told what would be right', async () => {
      const path = '/auth/zkp/challenge';
      await problem(await post(path, { client_id: 'a b' }), 400, 'invalid_client_id');
      await problem(await post(path, { client_id: 7 }), 400, 'malformed_request');
      await problem(await post(path, { client_id: 'a', more: 'x' }), 400, 'malformed_request');
      await problem(await post(path, {}), 400, 'malformed_request');
      await problem(await post(path, []), 400, 'malformed_request');
      await problem(await post('/auth/zkp/verify', { challenge_id: 'ch-1.alice', proof: '00' }), 400, 'invalid_length');
      await problem(await post('/auth/zkp/verify', { challenge_id: 'ch-1.alice', proof: 'zz'.repeat(96) }), 400, 'invalid_encoding');
      await problem(await post('/auth/zkp/verify', { challenge_id: 'nothing', proof: '00'.repeat(96) }), 400, 'invalid_encoding');
      const { proof } = enrollBody(new TestClient('alice'));
      for (const challenge_id of ['nothing', 'ch-ffffffff0123456789abcdef', 'ch-ffffffff0123456789abcdef.a b']) {
        await problem(await post('/auth/zkp/verify', { challenge_id, proof }), 401, 'denied');
      }
      const enrolling = { ...enrollBody(new TestClient('alice')), commitment: '00'.repeat(32) };
      await problem(await post('/auth/zkp/enroll', enrolling), 400, 'invalid_encoding');
      const got = await get(path);
      assert.equal(got.headers.get('allow'), 'POST');
      await problem(got, 405, 'method_not_allowed');
      assert.deepEqual(seen, []);
    });

    test('what is not JSON, or too much, is refused', { skip: name.includes('express.json') }, async () => {
      const path = '/auth/zkp/challenge';
      await problem(await post(path, '{'), 400, 'malformed_request');
      await problem(await post(path, 'client_id=a', { 'Content-Type': 'text/plain' }), 415, 'unsupported_media_type');
      await problem(await post(path, { client_id: 'x'.repeat(20_000) }), 413, 'payload_too_large');
    });

    test('HEAD is answered as GET is, without a body', async () => {
      const [got, headed] = [await get('/.well-known/jwks.json'), await fetch(`${service.origin}/.well-known/jwks.json`, { method: 'HEAD' })];
      assert.equal(headed.status, 200);
      assert.equal(headed.headers.get('cache-control'), got.headers.get('cache-control'));
      assert.equal(await headed.text(), '');
      const refused = await fetch(`${service.origin}/auth/zkp/whoami`, { method: 'HEAD' });
      assert.equal(refused.status, 401);
      assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer /);
      const posted = await post('/.well-known/jwks.json', {});
      assert.equal(posted.headers.get('allow'), 'GET, HEAD');
      await problem(posted, 405, 'method_not_allowed');
    });

    test('of two Authorization headers none counts', async () => {
      const grace = new TestClient('grace');
      await enroll(grace);
      const token = await logIn(grace);
      const status = (path: string, ...tokens: string[]): Promise<number | undefined> =>
        new Promise((resolve, reject) => {
          const headers = { Authorization: tokens.map((it) => `Bearer ${it}`) };
          httpRequest(service.origin + path, { headers: headers as never }, (response) => {
            response.resume();
            resolve(response.statusCode);
          })
            .once('error', reject)
            .end();
        });
      for (const path of ['/reports', '/auth/zkp/whoami']) {
        assert.equal(await status(path, token), 200);
        assert.equal(await status(path, token, 'bad'), 401);
        assert.equal(await status(path, 'bad', token), 401);
      }
    });

    test('other routes are left alone', async () => {
      assert.equal((await get('/nothing-here')).status, 404);
      const echoed = await post('/echo', { a: 'x'.repeat(50_000) });
      assert.equal(((await echoed.json()) as { a: string }).a.length, 50_000);
    });

    test('a path or a method that nobody expects is no fault of the service', async () => {
      const status = (method: string, path: string): Promise<number> =>
        new Promise((resolve, reject) => {
          const sent = httpRequest(service.origin, { method, path }, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          });
          sent.once('error', reject);
          sent.end();
        });
      assert.equal(await status('GET', '//'), 404);
      for (const method of ['TRACE', 'PUT', 'OPTIONS', 'HEAD', 'PROPFIND']) {
        for (const path of ['/auth/zkp/verify', '/nothing-here']) {
          const answered = await status(method, path);
          assert([404, 405].includes(answered), `${method} ${path}: ${answered}`);
        }
      }
      assert.deepEqual(seen, []);
    });
  });
}

test("Fastify's own parsing of bodies stays as it was outside of the resources", async () => {
  const twoFApi = await createTwoFApi({
    store: memoryStore(),
    audience: AUDIENCE,
    signingKey: await generateSigningKey(),
    mayEnroll: false,
  });
  const app = Fastify();
  await app.register(forFastify.twoFApiPlugin(twoFApi));
  app.post('/parsed', async (request) => ({ a: (request.body as { a?: number }).a }));
  const answer = await app.inject({ method: 'POST', url: '/parsed', payload: { a: 1 } });
  assert.deepEqual(answer.json(), { a: 1 });
  const enrolled = await app.inject({ method: 'POST', url: '/auth/zkp/enroll', payload: {} });
  assert.equal(enrolled.statusCode, 404);
  await app.close();
});

test('Fastify serves the resources under a prefix, and over HTTP/2', async () => {
  const twoFApi = await createTwoFApi({
    store: memoryStore(),
    audience: AUDIENCE,
    signingKey: await generateSigningKey(),
    mayEnroll: ({ request }) => new URL(request.url).searchParams.get('invitation') === 'yes',
  });
  const app = Fastify({ http2: true });
  await app.register(forFastify.twoFApiPlugin(twoFApi), { prefix: '/api' });
  const session = connect(await app.listen({ port: 0, host: '127.0.0.1' }));
  try {
    const { commitment, proof } = new TestClient('alice').enrollment();
    const stream = session.request({
      ':method': 'POST',
      ':path': '/api/auth/zkp/enroll?invitation=yes',
      'content-type': 'application/json',
    });
    stream.end(JSON.stringify({ client_id: 'alice', commitment: hex(commitment), proof: hex(proof) }));
    const status = await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
    assert.equal(status, 201);
    assert.equal((await twoFApi.store.find('alice'))?.status, 'active');
  } finally {
    session.destroy();
    await app.close();
  }
});

test('Express serves the resources where its router is mounted', async () => {
  const twoFApi = await createTwoFApi({
    store: memoryStore(),
    audience: AUDIENCE,
    signingKey: await generateSigningKey(),
    mayEnroll: false,
  });
  const app = express();
  app.use('/api', forExpress.twoFApiRouter(twoFApi));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const asked = (path: string) => fetch(`${at(server.address())}${path}`);
    assert.equal((await asked('/api/.well-known/jwks.json')).status, 200);
    assert.equal((await asked('/.well-known/jwks.json')).status, 404);
  } finally {
    server.close();
  }
});
