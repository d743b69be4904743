// Who may enrol: by an invitation that is used up once, or as a user of the application.

import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';

import { serve } from '@hono/node-server';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';

import * as forExpress from '../src/express.js';
import * as forFastify from '../src/fastify.js';
import * as forHono from '../src/hono.js';
import {
  createTwoFApi,
  generateSigningKey,
  memoryStore,
  redisModuleStore,
  type EnrollmentRequest,
  type TwoFApi,
  type TwoFApiOptions,
} from '../src/index.js';
import { AUDIENCE, TestClient, enrollBody } from './client.js';

const service = async (options: Partial<TwoFApiOptions<undefined>>): Promise<TwoFApi> =>
  createTwoFApi({
    store: memoryStore(),
    audience: AUDIENCE,
    signingKey: await generateSigningKey(),
    mayEnroll: false,
    ...options,
  });

const enrolling = (body: object, token?: string): Request =>
  new Request('http://localhost/auth/zkp/enroll', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });

test('a wrong proof leaves an invitation good, and a good one uses it up', async () => {
  const invitations = new Map([['an-invitation', 'alice']]);
  const twoFApi = await service({
    mayEnroll: ({ clientId, token }) => invitations.get(token ?? '') === clientId,
    redeem: ({ token }) => invitations.delete(token ?? ''),
  });
  const alice = enrollBody(new TestClient('alice'));
  const wrong = { ...alice, proof: enrollBody(new TestClient('alice')).proof };
  const status = async (body: object): Promise<number | undefined> =>
    (await twoFApi.handle(enrolling(body, 'an-invitation')))?.status;
  assert.equal(await status(wrong), 401);
  assert.equal(await status({ ...alice, client_id: 'bob' }), 401);
  assert.equal(invitations.size, 1);
  assert.equal(await status(alice), 201);
  assert.equal(invitations.size, 0);
  assert.equal(await status(alice), 401);
});

test('a hook that answers anything but true lets nobody in', async () => {
  for (const said of [undefined, null, 1, 'yes', {}, Promise.resolve('yes')]) {
    const never = said as never;
    for (const options of [{ mayEnroll: () => never }, { mayEnroll: () => true, redeem: () => never }]) {
      const twoFApi = await service(options);
      const answer = await twoFApi.handle(enrolling(enrollBody(new TestClient('alice')), 'x'));
      assert.equal(answer?.status, 401, String(said));
      assert.equal(await twoFApi.store.find('alice'), undefined);
    }
  }
});

test('a store that has nothing else in its step is not given anything to redeem', async () => {
  const store = redisModuleStore({ sendCommand: async () => null }) as never;
  await assert.rejects(service({ store, mayEnroll: () => true, redeem: () => true }), /cannot redeem/);
  await service({ store, mayEnroll: () => true });
});

/** An application that knows its user by a header, as another would by a session. */
const APPLICATIONS: Record<string, (twoFApi: TwoFApi) => Promise<{ origin: string; close: () => unknown }>> = {
  Express: async (twoFApi) => {
    const app = express();
    app.use((request, _response, next) => {
      Object.assign(request, { user: request.get('x-user') });
      next();
    });
    app.use(forExpress.twoFApiRouter(twoFApi, { user: (request) => (request as unknown as { user?: string }).user }));
    return running(app.listen(0, '127.0.0.1'));
  },
  Fastify: async (twoFApi) => {
    const app = Fastify();
    app.decorateRequest('user', '');
    app.addHook('onRequest', async (request) => {
      Object.assign(request, { user: request.headers['x-user'] });
    });
    const user = (request: object): string | undefined => (request as { user?: string }).user;
    await app.register(forFastify.twoFApiPlugin(twoFApi, { user }));
    return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() };
  },
  Hono: async (twoFApi) => {
    const app = new Hono<{ Variables: { user: string | undefined } }>();
    app.use(async (context, next) => {
      context.set('user', context.req.header('x-user'));
      await next();
    });
    app.use(forHono.twoFApiMiddleware(twoFApi, { user: async (context) => context.get('user') as string | undefined }));
    return running(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
  },
};

async function running(server: Server): Promise<{ origin: string; close: () => unknown }> {
  await new Promise((resolve) => server.once('listening', resolve));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

for (const [name, start] of Object.entries(APPLICATIONS)) {
  describe(name, () => {
    test('a user who is logged in enrols without naming itself, and nobody else by it', async () => {
      const asked: Omit<EnrollmentRequest, 'request'>[] = [];
      const twoFApi = await service({
        mayEnroll: ({ clientId, token, user }) => {
          asked.push({ clientId, token, user });
          return clientId === user;
        },
      });
      const { origin, close } = await start(twoFApi);
      const enroll = (body: object, user?: string, headers: Record<string, string> = {}): Promise<Response> =>
        fetch(`${origin}/auth/zkp/enroll`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...(user === undefined ? {} : { 'X-User': user }), ...headers },
          body: JSON.stringify(body),
        });
      try {
        const { client_id, ...unnamed } = enrollBody(new TestClient('alice'));
        assert.equal((await enroll(unnamed)).status, 401);
        assert.equal((await enroll({ client_id, ...unnamed })).status, 401);
        assert.equal((await enroll({ client_id, ...unnamed }, 'bob')).status, 401);
        // The proof is for the name that it was made for.
        assert.equal((await enroll(unnamed, 'bob')).status, 401);
        const enrolled = await enroll(unnamed, 'alice');
        assert.equal(enrolled.status, 201);
        assert.equal(((await enrolled.json()) as { client_id: string }).client_id, 'alice');
        assert.deepEqual(asked.at(-1), { clientId: 'alice', token: undefined, user: 'alice' });
        // What a form of another site can send is no enrolment.
        const { client_id: _carol, ...carol } = enrollBody(new TestClient('carol'));
        assert.equal((await enroll(carol, 'carol', { 'Content-Type': 'text/plain' })).status, 415);
        assert.equal(await twoFApi.store.find('carol'), undefined);
        assert.equal((await enroll(carol, 'c a r o l')).status, 400);
      } finally {
        await close();
      }
    });
  });
}

test('where the application knows no users, a client id is missing', async () => {
  const twoFApi = await service({ mayEnroll: () => true });
  const { client_id: _, ...unnamed } = enrollBody(new TestClient('alice'));
  const answer = await twoFApi.handle(enrolling(unnamed));
  assert.equal(answer?.status, 400);
  assert.match((await answer?.text()) ?? '', /\\"client_id\\" is missing/);
});
