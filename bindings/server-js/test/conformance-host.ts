// A service for the conformance battery, which runs it as a process of its own:
//
//   node --import tsx test/conformance-host.ts <framework> <store> <audience>
//
// Prints `listening on <origin>` when it does. What its operator does comes as lines of JSON on stdin, and
// each is answered by a line on stdout; when stdin ends, so do the service and the server that it has started.

import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';

import { createClient } from 'redis';

import {
  createTwoFApi,
  generateSigningKey,
  memoryStore,
  pgExtensionStore,
  postgresSchema,
  postgresStore,
  redisModuleStore,
  redisStore,
  type LifecycleChange,
  type RedisClient,
  type Store,
} from '../src/index.js';
import { codeOf } from '../src/crypto.js';
import { poolOf, setting, startPostgres, startRedis, startRedisModule, type Running } from './servers.js';
import { FRAMEWORKS } from './services.js';

/** A store, and how to be rid of what is behind it. */
interface Opened {
  readonly store: Store;
  close(): Promise<void>;
}

async function onRedis(server: Running, storeOf: (client: RedisClient) => Store): Promise<Opened> {
  const client = createClient({ url: `redis://127.0.0.1:${server.port}` });
  await client.connect();
  const close = async (): Promise<void> => {
    client.destroy();
    await server.stop();
  };
  return { store: storeOf(client), close };
}

async function onPostgres(server: Running, setUp: string, storeOf: (pool: ReturnType<typeof poolOf>) => Store): Promise<Opened> {
  const pool = poolOf(server);
  await pool.query(setUp);
  const close = async (): Promise<void> => {
    await pool.end();
    await server.stop();
  };
  return { store: storeOf(pool), close };
}

const STORES: Record<string, (audience: string) => Promise<Opened>> = {
  memoryStore: async () => ({ store: memoryStore(), close: async () => {} }),
  redisStore: async () => onRedis(await startRedis(), redisStore),
  redisModuleStore: async (audience) =>
    onRedis(await startRedisModule('--2fapi.audience', audience), redisModuleStore),
  postgresStore: async () =>
    onPostgres(await startPostgres(setting('TWOFAPI_PG_BIN'), ''), postgresSchema(), postgresStore),
  pgExtensionStore: async (audience) =>
    onPostgres(
      await startPostgres(
        setting('TWOFAPI_PG_EXTENSION_BIN'),
        `shared_preload_libraries = 'pg_2fapi'\ntwofapi.audience = '${audience}'`,
      ),
      'CREATE EXTENSION pg_2fapi',
      pgExtensionStore,
    ),
};

const [framework = '', named = '', audience = ''] = process.argv.slice(2);
const [start, open] = [FRAMEWORKS[framework], STORES[named]];
if (start === undefined || open === undefined) {
  throw new Error(`frameworks: ${Object.keys(FRAMEWORKS).join(', ')}; stores: ${Object.keys(STORES).join(', ')}`);
}

const { store, close } = await open(audience);
const invitations = new Map<string, string>();

/** What the operator asks for, and what it is told. */
async function operate({ act, client_id }: { act: string; client_id: string }): Promise<object> {
  switch (act) {
    case 'invite': {
      const token = randomUUID();
      invitations.set(token, client_id);
      return { token };
    }
    case 'version':
      return { version: (await store.find(client_id))?.commitmentVersion ?? null };
    case 'suspend':
    case 'resume':
    case 'revoke':
      await store.change(client_id, act satisfies LifecycleChange);
      return {};
    default:
      throw new Error(`there is no act "${act}"`);
  }
}

try {
  const twoFApi = await createTwoFApi({
    store,
    audience,
    signingKey: await generateSigningKey(),
    mayEnroll: ({ clientId, token }) => token !== undefined && invitations.get(token) === clientId,
    limits: false,
  });
  const service = await start(twoFApi);
  console.log(`listening on ${service.origin}`);
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await operate(JSON.parse(line) as { act: string; client_id: string }).catch((error: unknown) => ({
      code: codeOf(error) ?? String(error),
    }));
    console.log(JSON.stringify(answer));
  }
  await service.close();
} finally {
  await close();
}
