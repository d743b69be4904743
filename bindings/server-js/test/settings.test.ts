// What is refused before a service starts.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import { createTwoFApi, generateSigningKey, memoryStore, postgresSchema } from '../src/index.js';

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
    { audience: 'a b' },
    { audience: 'x'.repeat(513) },
    { accessTokenTtlSeconds: 0 },
    { accessTokenTtlSeconds: 1.5 },
    { signingKey: { kty: 'EC', crv: 'P-256', d: 'x', x: 'y' } },
  ]) {
    await assert.rejects(createTwoFApi({ ...good, ...bad }), TypeError, JSON.stringify(bad));
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
  assert.match(postgresSchema('auth.commitments'), /CREATE TABLE auth\.commitments \(/);
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
