// What a body may be, through whichever framework and parser it comes.

import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';

import { serve } from '@hono/node-server';
import express5 from 'express';
import express4 from 'express4';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';

import * as forExpress from '../src/express.js';
import * as forFastify from '../src/fastify.js';
import * as forHono from '../src/hono.js';
import { createTwoFApi, generateSigningKey, memoryStore, type TwoFApi } from '../src/index.js';
import { AUDIENCE, TestClient, enrollBody, loggedIn } from './client.js';

const CHALLENGE = '/auth/zkp/challenge';

async function service(seen: unknown[] = []): Promise<TwoFApi> {
  return createTwoFApi({
    store: memoryStore(),
    audience: AUDIENCE,
    signingKey: await generateSigningKey(),
    mayEnroll: () => true,
    onError: (error) => seen.push(error),
  });
}

const asked = (body: BodyInit, headers: Record<string, string> = {}): Request =>
  new Request(`http://localhost${CHALLENGE}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });

const originOf = (server: { address(): AddressInfo | string | null }): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const listening = async (server: Server): Promise<Server> => {
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
};

/** Enrols a client and logs it in, below a prefix. */
async function works(origin: string, prefix = ''): Promise<void> {
  const alice = new TestClient('alice');
  const post = (path: string, body: object): Promise<Response> =>
    fetch(origin + prefix + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  const enrolled = await post('/auth/zkp/enroll', enrollBody(alice));
  assert.equal(enrolled.status, 201, await enrolled.text());
  assert.match(await loggedIn(alice, post), /^eyJ/);
}

test('a field that is there twice is refused, however it is spelled, and a field is never repeated', async () => {
  const twoFApi = await service();
  for (const body of [
    '{"client_id":"alice","client_id":"bob"}',
    '{"client_id":"alice","client\\u005fid":"bob"}',
    '{"client_id":{"client_id":"x"},"client_id":"bob"}',
    '{"client_id":7,"client_id":"bob"}',
    '{"client_id":"a\\"b\\\\","client_id":"bob"}',
    '{"client_id":"alice","user_id":"alice"}',
    '{"client_id":"alice","5ecre7":"x"}',
    '{"client_id":"alice","__proto__":"x"}',
    '{"__proto__":{"client_id":"alice"}}',
    '\ufeff{"client_id":"alice"}',
    '{"client_id":"alice"} {}',
    '"client_id"',
    '',
  ]) {
    const answer = await twoFApi.handle(asked(body));
    assert.equal(answer?.status, 400, body);
    const said = (await answer?.text()) ?? '';
    assert.equal((JSON.parse(said) as { code: string }).code, 'malformed_request', body);
    assert.doesNotMatch(said, /5ecre7|bob|alice|__proto__/, said);
  }
  assert.equal((await twoFApi.handle(asked('{"client_id":"a\\u006cice"}')))?.status, 200);
  assert.equal((await twoFApi.handle(asked('{"user_id":"alice"}')))?.status, 200);
});

test('a body in another charset is refused', async () => {
  const twoFApi = await service();
  const typed = (type: string) => twoFApi.handle(asked('{"client_id":"alice"}', { 'Content-Type': type }));
  assert.equal((await typed('application/json; charset=utf-16'))?.status, 415);
  assert.equal((await typed('application/json; Charset="UTF-8"'))?.status, 200);
  assert.equal((await typed('text/plain'))?.status, 415);
});

const PARSERS: Record<string, (express: typeof express5) => express5.RequestHandler[]> = {
  'json()': (express) => [express.json()],
  'urlencoded()': (express) => [express.urlencoded({ extended: true })],
  'text()': (express) => [express.text()],
  'text() of all types': (express) => [express.text({ type: '*/*' })],
  'raw()': (express) => [express.raw()],
  'raw() of all types': (express) => [express.raw({ type: '*/*' })],
  'json() and urlencoded()': (express) => [express.json(), express.urlencoded({ extended: false })],
  'a handler that waits': () => [(_request, _response, next) => void setTimeout(next, 20)],
  'a body of the application': () => [
    (request, _response, next) => {
      request.body = {};
      next();
    },
  ],
};

for (const [version, express] of [
  ['4', express4 as unknown as typeof express5],
  ['5', express5],
] as const) {
  describe(`Express ${version}`, () => {
    for (const [name, parsers] of Object.entries(PARSERS)) {
      test(`serves behind ${name}`, async () => {
        const app = express();
        parsers(express).forEach((parser) => app.use(parser));
        app.use(forExpress.twoFApiRouter(await service()));
        const server = await listening(app.listen(0, '127.0.0.1'));
        try {
          await works(originOf(server));
        } finally {
          server.close();
        }
      });
    }

    test('a body that somebody read and did not keep is told to the operator', async () => {
      const seen: unknown[] = [];
      const app = express();
      app.use((request, _response, next) => {
        request.on('end', next).resume();
      });
      app.use(forExpress.twoFApiRouter(await service(seen)));
      const server = await listening(app.listen(0, '127.0.0.1'));
      try {
        const answer = await fetch(originOf(server) + CHALLENGE, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: '{"client_id":"alice"}',
        });
        assert.equal(answer.status, 500);
        assert.match(String(seen[0]), /read before it came here/);
      } finally {
        server.close();
      }
    });
  });
}

const MOUNTS: Record<string, { prefix: string; mount: (app: Hono, twoFApi: TwoFApi) => void }> = {
  'at the root': { prefix: '', mount: (app, it) => app.use(forHono.twoFApiMiddleware(it)) },
  'on a path': { prefix: '/api', mount: (app, it) => app.use('/api/*', forHono.twoFApiMiddleware(it)) },
  'on a path with a parameter': {
    prefix: '/v1/tenant',
    mount: (app, it) => app.use('/v1/:tenant/*', forHono.twoFApiMiddleware(it)),
  },
  'on a base path': { prefix: '/api', mount: (app, it) => app.basePath('/api').use(forHono.twoFApiMiddleware(it)) },
  'in an application that is a route': {
    prefix: '/api/v1',
    mount: (app, it) => app.route('/api/v1', new Hono().use(forHono.twoFApiMiddleware(it))),
  },
  'as a handler that is mounted': {
    prefix: '/api',
    mount: (app, it) => app.mount('/api', async (request) => (await it.handle(request)) ?? new Response(null, { status: 404 })),
  },
  'behind something that reads JSON': {
    prefix: '',
    mount: (app, it) =>
      app.use(async (context, next) => void (await context.req.json(), await next())).use(forHono.twoFApiMiddleware(it)),
  },
  'on a path behind something that reads text': {
    prefix: '/api',
    mount: (app, it) =>
      app
        .use(async (context, next) => void (await context.req.text(), await next()))
        .use('/api/*', forHono.twoFApiMiddleware(it)),
  },
  'behind a limit of bodies': {
    prefix: '',
    mount: (app, it) => app.use(bodyLimit({ maxSize: 1 << 20 })).use(forHono.twoFApiMiddleware(it)),
  },
};

describe('Hono', () => {
  for (const [name, { prefix, mount }] of Object.entries(MOUNTS)) {
    test(`serves ${name}`, async () => {
      const app = new Hono();
      mount(app, await service());
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
      await listening(server);
      try {
        await works(originOf(server), prefix);
        // A path that only ends like one of ours is none of ours.
        const elsewhere = await fetch(`${originOf(server)}/else/where${CHALLENGE}`, { method: 'POST', body: '{}' });
        assert.equal(elsewhere.status, 404);
      } finally {
        server.close();
      }
    });
  }
});

const STARTS: Record<string, (twoFApi: TwoFApi) => Promise<{ port: number; close: () => unknown }>> = {
  'Express 4': async (twoFApi) => {
    const server = await listening(express4().use(forExpress.twoFApiRouter(twoFApi) as never).listen(0, '127.0.0.1'));
    return { port: (server.address() as AddressInfo).port, close: () => server.close() };
  },
  'Express 5': async (twoFApi) => {
    const server = await listening(express5().use(forExpress.twoFApiRouter(twoFApi)).listen(0, '127.0.0.1'));
    return { port: (server.address() as AddressInfo).port, close: () => server.close() };
  },
  Fastify: async (twoFApi) => {
    const app = Fastify();
    await app.register(forFastify.twoFApiPlugin(twoFApi));
    return { port: Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port), close: () => app.close() };
  },
  Hono: async (twoFApi) => {
    const app = new Hono().use(forHono.twoFApiMiddleware(twoFApi));
    const server = await listening(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
    return { port: (server.address() as AddressInfo).port, close: () => server.close() };
  },
};

for (const [name, start] of Object.entries(STARTS)) {
  test(`a client that goes away in the middle of its body is no fault of the store (${name})`, async () => {
    const seen: unknown[] = [];
    const { port, close } = await start(await service(seen));
    try {
      const socket = connect(port, '127.0.0.1');
      socket.write(
        `POST ${CHALLENGE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"cl`,
      );
      await sleep(150);
      socket.destroy();
      await sleep(150);
      assert.deepEqual(seen, []);
      // And the service goes on.
      const answer = await fetch(`http://127.0.0.1:${port}${CHALLENGE}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"client_id":"alice"}',
      });
      assert.equal(answer.status, 200);
    } finally {
      await close();
    }
  });
}

test('a body far too large for Fastify itself is a problem like any other', async () => {
  const app = Fastify();
  await app.register(forFastify.twoFApiPlugin(await service()));
  const answer = await app.inject({
    method: 'POST',
    url: CHALLENGE,
    headers: { 'content-type': 'application/json' },
    payload: ' '.repeat(2 << 20),
  });
  assert.equal(answer.statusCode, 413);
  assert.equal(answer.json<{ code: string }>().code, 'payload_too_large');
  await app.close();
});

test('a Fastify application that shares its scope with the plugin keeps its own parsers', async () => {
  const app = Fastify();
  const shared = forFastify.twoFApiPlugin(await service());
  // What fastify-plugin does.
  Object.assign(shared, { [Symbol.for('skip-override')]: true });
  await app.register(shared);
  app.post('/parsed', async (request) => ({ a: (request.body as { a?: number }).a }));
  assert.deepEqual((await app.inject({ method: 'POST', url: '/parsed', payload: { a: 1 } })).json(), { a: 1 });
  assert.equal((await app.inject({ method: 'POST', url: CHALLENGE, payload: { client_id: 'a' } })).statusCode, 200);
  await app.close();
});
