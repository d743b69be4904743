// What is refused before a service starts.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { createTwoFApi, generateSigningKey, memoryStore, postgresSchema, postgresStore, redisStore } from '../src/index.js';

const settings = async () => ({
  store: memoryStore(),
  audience: 'https://api.example.com',
  signingKey: await generateSigningKey(),
  mayEnroll: false as const,
});

test('an audience, a key and a lifetime that cannot be right are refused', async () => {
  const good = await settings();
  await createTwoFApi(good);
  for (const bad of [
    { audience: '' },
    { audience: undefined },
    { audience: 'a b' },
    { audience: `https://${'x'.repeat(513)}` },
    { audience: 'api.example.com' },
    { audience: 'https://api.example.com/' },
    { audience: 'https://api.example.com/v1' },
    { audience: 'https://api.example.com:443' },
    { audience: 'HTTPS://API.example.com' },
    { audience: 'ftp://api.example.com' },
    { audience: 'https://user@api.example.com' },
    { audience: new URL('https://api.example.com') },
    { audience: ['https://api.example.com'] },
    { accessTokenTtlSeconds: 0 },
    { accessTokenTtlSeconds: 1.5 },
    { accessTokenTtlSeconds: '900' },
    { accessTokenTtlSeconds: Infinity },
    { mayEnroll: undefined },
    { mayEnroll: true },
    { mayEnrol: () => false },
    { redeem: true },
    { onError: 'console' },
    { store: undefined },
    { store: {} },
    { signingKey: undefined },
    { signingKey: { kty: 'OKP', crv: 'Ed25519', x: good.signingKey.x } },
    { signingKey: { kty: 'EC', crv: 'P-256', d: 'x', x: 'y' } },
  ]) {
    await assert.rejects(createTwoFApi({ ...good, ...bad } as never), TypeError, JSON.stringify(bad));
  }
  for (const right of ['http://127.0.0.1:3000', 'http://[::1]:3000', 'https://xn--bcher-kva.example']) {
    await createTwoFApi({ ...good, audience: right });
  }
});

test('the error about an audience says what it would have to be', async () => {
  const good = await settings();
  await assert.rejects(createTwoFApi({ ...good, audience: 'https://API.example.com:443/' }), /"https:\/\/api\.example\.com"/);
});

test('settings of stores are looked at when they are given', () => {
  const redis = { sendCommand: async () => null };
  const pool = { query: async () => ({ rows: [], rowCount: 0 }) };
  for (const bad of [
    () => memoryStore({ spentCapacity: 0 }),
    () => memoryStore({ challengeTtl: 60 } as never),
    ...[0, 901, 1.5, '120', NaN].map((challengeTtlSeconds) => () => memoryStore({ challengeTtlSeconds } as never)),
    () => redisStore(redis, { challengeTtlSeconds: 3600 }),
    () => redisStore(redis, { prefx: 'a:' } as never),
    () => redisStore(redis, { prefix: 7 } as never),
    () => redisStore({} as never),
    () => postgresStore(pool, { table: 'x; DROP TABLE y' }),
    () => postgresStore(pool, { tabel: 'x' } as never),
    () => postgresStore(pool, { challengeTtlSeconds: -1 }),
  ]) {
    assert.throws(bad, String(bad));
  }
});

test('CommonJS programs can require the package and its adapters', () => {
  const required = createRequire(import.meta.url);
  for (const [name, has] of [
    ['@2fapi/server', 'createTwoFApi'],
    ['@2fapi/server/express', 'twoFApiRouter'],
    ['@2fapi/server/fastify', 'twoFApiPlugin'],
    ['@2fapi/server/hono', 'twoFApiMiddleware'],
  ] as const) {
    assert.equal(typeof (required(name) as Record<string, unknown>)[has], 'function', name);
  }
});

test('a table name cannot smuggle SQL', () => {
  assert.throws(() => postgresSchema('x; DROP TABLE y'), TypeError);
  assert.match(postgresSchema('auth.commitments'), /CREATE TABLE IF NOT EXISTS auth\.commitments \(/);
});

/** Whether memoryStore refuses in a process that is started like this. */
function refuses(env: Record<string, string>, options = '{}'): boolean {
  const program = `import('./src/index.ts').then(({ memoryStore }) => memoryStore(${options}))
    .then(() => process.exit(0), (error) => process.exit(/one of several/.test(error.message) ? 3 : 4));`;
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '-e', program], {
    env: { ...process.env, ...env },
  });
  assert(status === 0 || status === 3, String(stderr));
  return status === 3;
}

test('clients in memory are refused where this is one process of several, unless told', () => {
  assert.equal(refuses({}), false);
  for (const env of [{ NODE_APP_INSTANCE: '0' }, { pm_id: '1' }, { WEB_CONCURRENCY: '2' }, { NODE_UNIQUE_ID: '1' }]) {
    assert.equal(refuses(env), true, JSON.stringify(env));
    assert.equal(refuses(env, '{ allowManyProcesses: true }'), false);
  }
});

test('clients in memory are refused in a worker thread', async () => {
  const worker = new Worker(
    `require('tsx/cjs'); const { memoryStore } = require('./src/index.ts');
     try { memoryStore(); process.exit(0); } catch { process.exit(3); }`,
    { eval: true },
  );
  const code = await new Promise((resolve) => worker.once('exit', resolve));
  assert.equal(code, 3);
});
