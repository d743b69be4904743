// Limits by source.

import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { serve } from '@hono/node-server';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';

import * as forExpress from '../src/express.js';
import * as forFastify from '../src/fastify.js';
import * as forHono from '../src/hono.js';
import { createTwoFApi, generateSigningKey, memoryStore, type Limits, type TwoFApi } from '../src/index.js';
import { limiterOf, networkOf } from '../src/limits.js';
import { AUDIENCE } from './client.js';

const service = async (limits?: Limits | false): Promise<TwoFApi> =>
  createTwoFApi({
    store: memoryStore(),
    audience: AUDIENCE,
    signingKey: await generateSigningKey(),
    mayEnroll: false,
    ...(limits === undefined ? {} : { limits }),
  });

test('a source may make its burst at once and its rate after that, and another source is not its affair', () => {
  let now = 1000;
  const limiter = limiterOf({ perSecond: 2, burst: 3 }, () => now);
  const admitted = (source: string): boolean => limiter.admit(source) === undefined;
  assert.deepEqual([1, 2, 3, 4, 5].map(() => admitted('192.0.2.1')), [true, true, true, false, false]);
  assert.equal(limiter.admit('192.0.2.1'), 0.5);
  assert.equal(admitted('192.0.2.2'), true);
  now += 0.5;
  assert.deepEqual([1, 2].map(() => admitted('192.0.2.1')), [true, false]);
  now += 3600;
  assert.deepEqual([1, 2, 3, 4].map(() => admitted('192.0.2.1')), [true, true, true, false]);
});

/** Without what is garbage already, however busy the machine is. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test('a million sources leave the memory of the limits bounded, and shut nobody out', () => {
  const now = 1000;
  const limiter = limiterOf({ perSecond: 1, burst: 1 }, () => now);
  const before = heapInUse();
  for (let n = 0; n < 1_000_000; n += 1) assert.equal(limiter.admit(`source-${n}`), undefined);
  const grown = (heapInUse() - before) / (1 << 20);
  assert(grown < 100, `${grown} MB`);
  assert.equal(limiter.admit('192.0.2.1'), undefined);
});

test('one IPv6 network of 64 bits is one source', () => {
  for (const [address, network] of [
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:0:0:ffff:ffff:ffff:ffff', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['192.0.2.7', '192.0.2.7'],
  ] as const) {
    assert.equal(networkOf(address), network, address);
  }
});

const FRAMEWORKS: Record<string, (twoFApi: TwoFApi) => Promise<{ origin: string; close: () => unknown }>> = {
  Express: async (twoFApi) => {
    const app = express();
    app.set('trust proxy', 1);
    app.use(forExpress.twoFApiRouter(twoFApi));
    return running(app.listen(0, '127.0.0.1'));
  },
  Fastify: async (twoFApi) => {
    const app = Fastify({ trustProxy: 1 });
    await app.register(forFastify.twoFApiPlugin(twoFApi));
    return { origin: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() };
  },
  Hono: async (twoFApi) => {
    const source = (context: { req: { header(name: string): string | undefined } }) =>
      context.req.header('x-forwarded-for');
    const app = new Hono().use(forHono.twoFApiMiddleware(twoFApi, { source }));
    return running(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
  },
  'Hono without a proxy': async (twoFApi) => {
    const app = new Hono().use(forHono.twoFApiMiddleware(twoFApi));
    return running(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server);
  },
};

async function running(server: Server): Promise<{ origin: string; close: () => unknown }> {
  await new Promise((resolve) => server.once('listening', resolve));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(`a source that asks for too much is told when to come back, and others are served (${name})`, async () => {
    const { origin, close } = await start(await service({ perSecond: 1, burst: 5 }));
    const ask = (source: string): Promise<Response> =>
      fetch(`${origin}/auth/zkp/challenge`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': source },
        body: '{"client_id":"alice"}',
      });
    try {
      const answers = [];
      for (let n = 0; n < 8; n += 1) answers.push(await ask('192.0.2.1'));
      const refused = answers.filter(({ status }) => status === 429);
      assert(refused.length >= 2, String(answers.map(({ status }) => status)));
      const [first] = refused;
      assert.equal(((await first?.json()) as { code: string }).code, 'throttled');
      assert.match(first?.headers.get('retry-after') ?? '', /^[12]$/);
      assert.equal((await ask('192.0.2.2')).status, name.includes('without') ? 429 : 200);
      assert.equal((await fetch(`${origin}/.well-known/jwks.json`)).status, 200);
    } finally {
      await close();
    }
  });
}

test('limits hold unless they are turned off, and cannot be nonsense', async () => {
  const asked = () =>
    new Request('http://localhost/auth/zkp/challenge', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"client_id":"alice"}',
    });
  const statuses = async (twoFApi: TwoFApi): Promise<Set<number | undefined>> => {
    const seen = new Set<number | undefined>();
    for (let n = 0; n < 400; n += 1) seen.add((await twoFApi.handle(asked(), { source: '192.0.2.1' }))?.status);
    return seen;
  };
  assert.deepEqual(await statuses(await service()), new Set([200, 429]));
  assert.deepEqual(await statuses(await service(false)), new Set([200]));
  for (const limits of [{ perSecond: 0 }, { perSecond: 1.5 }, { burst: 0 }, { burst: '5' }, { rate: 5 }, true, null, 'no']) {
    await assert.rejects(service(limits as never), TypeError, JSON.stringify(limits));
  }
});
