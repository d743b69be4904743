// What every store promises, on each of them, against the real server.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { Redis } from 'ioredis';
import { createClient } from 'redis';

import {
  memoryStore,
  pgExtensionStore,
  postgresSchema,
  postgresStore,
  redisModuleStore,
  redisStore,
  type Host,
} from '../src/index.js';
import { AUDIENCE, BINDING, TestClient } from './client.js';
import { poolOf, setting, startPostgres, startRedis, startRedisModule, type Running } from './servers.js';

/** A store, and another process's view of it where it can have one. */
interface Scene {
  readonly host: Host;
  readonly elsewhere?: Host;
  close(): Promise<void>;
}

async function onRedis(
  server: Running,
  storeOf: (client: never) => Host,
  library: 'redis' | 'ioredis',
): Promise<Scene> {
  if (library === 'ioredis') {
    const clients = [new Redis(server.port), new Redis(server.port)];
    const [host, elsewhere] = clients.map((client) => storeOf(client as never));
    return scene(host, elsewhere, async () => {
      clients.forEach((client) => client.disconnect());
      await server.stop();
    });
  }
  const url = `redis://127.0.0.1:${server.port}`;
  const clients = [createClient({ url }), createClient({ url })];
  for (const client of clients) await client.connect();
  const [host, elsewhere] = clients.map((client) => storeOf(client as never));
  return scene(host, elsewhere, async () => {
    clients.forEach((client) => client.destroy());
    await server.stop();
  });
}

function scene(host: Host | undefined, elsewhere: Host | undefined, close: () => Promise<void>): Scene {
  assert(host !== undefined && elsewhere !== undefined);
  return { host, elsewhere, close };
}

async function onPostgres(server: Running, setUp: string, storeOf: (pool: never) => Host): Promise<Scene> {
  const pools = [poolOf(server), poolOf(server)];
  await pools[0]?.query(setUp);
  const [host, elsewhere] = pools.map((pool) => storeOf(pool as never));
  return scene(host, elsewhere, async () => {
    for (const pool of pools) await pool.end();
    await server.stop();
  });
}

const audience = ['--2fapi.audience', AUDIENCE];

const SCENES: Record<string, () => Promise<Scene>> = {
  memoryStore: async () => ({ host: memoryStore(), close: async () => {} }),
  'redisStore over redis': async () => onRedis(await startRedis(), redisStore, 'redis'),
  'redisStore over ioredis': async () => onRedis(await startRedis(), redisStore, 'ioredis'),
  'redisModuleStore over redis': async () =>
    onRedis(await startRedisModule(...audience), redisModuleStore, 'redis'),
  'redisModuleStore over ioredis': async () =>
    onRedis(await startRedisModule(...audience), redisModuleStore, 'ioredis'),
  postgresStore: async () =>
    onPostgres(await startPostgres(setting('TWOFAPI_PG_BIN'), ''), postgresSchema(), postgresStore),
  pgExtensionStore: async () =>
    onPostgres(
      await startPostgres(
        setting('TWOFAPI_PG_EXTENSION_BIN'),
        `shared_preload_libraries = 'pg_2fapi'\ntwofapi.audience = '${AUDIENCE}'`,
      ),
      'CREATE EXTENSION pg_2fapi',
      pgExtensionStore,
    ),
};

for (const [name, open] of Object.entries(SCENES)) {
  describe(name, () => {
    let it: Scene;
    let host: Host;
    before(async () => {
      it = await open();
      host = it.host;
    });
    after(() => it.close());

    const enrolled = async (): Promise<TestClient> => {
      const client = new TestClient(randomUUID());
      assert.equal(await client.enroll(host), 'enrolled');
      return client;
    };

    test('an enrolled client logs in, as often as it likes', async () => {
      const alice = await enrolled();
      for (let times = 0; times < 3; times += 1) {
        assert.equal((await alice.logIn(host)).outcome, 'accepted');
      }
    });

    test('an id is enrolled once', async () => {
      const alice = await enrolled();
      assert.equal(await new TestClient(alice.clientId).enroll(host), 'already_enrolled');
      assert.equal((await alice.logIn(host)).outcome, 'accepted');
    });

    test('enrolment needs the proof of possession for this id', async () => {
      const alice = new TestClient(randomUUID());
      const { commitment } = alice.enrollment();
      const { proof } = new TestClient(alice.clientId).enrollment();
      assert.equal(await host.enroll(alice.clientId, commitment, proof), 'denied');
      const other = alice.enrollment();
      assert.equal(await host.enroll(randomUUID(), other.commitment, other.proof), 'denied');
      assert.equal(await host.find(alice.clientId), undefined);
    });

    test('a proof is good once', async () => {
      const alice = await enrolled();
      const challenge = await host.challenge(alice.clientId, BINDING);
      const proof = alice.proof(challenge);
      assert.equal((await alice.answer(host, challenge, proof)).outcome, 'accepted');
      assert.equal((await alice.answer(host, challenge, proof)).outcome, 'denied');
    });

    test('of many attempts at once with one proof, in two processes, one gets in', async () => {
      const alice = await enrolled();
      const challenge = await host.challenge(alice.clientId, BINDING);
      const proof = alice.proof(challenge);
      const hosts = [host, it.elsewhere ?? host];
      const verdicts = await Promise.all(
        Array.from({ length: 20 }, (_, n) => alice.answer(hosts[n % 2] ?? host, challenge, proof)),
      );
      assert.equal(verdicts.filter(({ outcome }) => outcome === 'accepted').length, 1);
    });

    test('a refused proof uses the challenge up', async () => {
      const alice = await enrolled();
      const challenge = await host.challenge(alice.clientId, BINDING);
      const wrong = new TestClient(alice.clientId).proof(challenge);
      assert.equal((await alice.answer(host, challenge, wrong)).outcome, 'denied');
      assert.equal((await alice.answer(host, challenge)).outcome, 'denied');
    });

    test('a proof for another audience, or for none, is denied', async () => {
      const alice = await enrolled();
      for (const other of [`aud:${AUDIENCE}.evil.example`, '']) {
        const challenge = await host.challenge(alice.clientId, BINDING);
        const proof = alice.proof(challenge, new Uint8Array(Buffer.from(other)));
        assert.equal((await alice.answer(host, challenge, proof)).outcome, 'denied');
      }
    });

    test("another client's challenge is denied, and is not used up by that", async () => {
      const [alice, bob] = [await enrolled(), await enrolled()];
      const challenge = await host.challenge(alice.clientId, BINDING);
      assert.equal((await bob.answer(host, challenge)).outcome, 'denied');
      assert.equal((await alice.answer(host, challenge)).outcome, 'accepted');
    });

    test('who is not enrolled gets a challenge like all others, and is denied', async () => {
      assert.equal((await new TestClient(randomUUID()).logIn(host)).outcome, 'denied');
    });

    test('a challenge that was never issued, or has no such form, is denied', async () => {
      const alice = await enrolled();
      const { nonce } = await host.challenge(alice.clientId, BINDING);
      for (const challengeId of ['ch-ffffffff0123456789abcdef', 'ch-000000000123456789abcdef', 'x', '']) {
        const verdict = await alice.answer(host, { challengeId, nonce, expiresAt: 0 });
        assert.equal(verdict.outcome, 'denied', challengeId);
      }
    });

    test('suspended clients are kept out until they are resumed, revoked ones for ever', async () => {
      const alice = await enrolled();
      await host.change(alice.clientId, 'suspend');
      assert.equal((await host.find(alice.clientId))?.status, 'suspended');
      assert.equal((await alice.logIn(host)).outcome, 'denied');
      assert.equal((await alice.rotate(host)).outcome, 'denied');
      assert.equal((await host.find(alice.clientId))?.status, 'suspended');
      await host.change(alice.clientId, 'resume');
      assert.equal((await alice.logIn(host)).outcome, 'accepted');
      await host.change(alice.clientId, 'revoke');
      assert.equal((await alice.logIn(host)).outcome, 'denied');
      await assert.rejects(host.change(alice.clientId, 'resume'), { code: 'not_active' });
      assert.equal(await new TestClient(alice.clientId).enroll(host), 'already_enrolled');
    });

    test('a client that was never enrolled cannot be changed', async () => {
      await assert.rejects(host.change(randomUUID(), 'suspend'), { code: 'not_enrolled' });
    });

    test('after a rotation only the new credential gets in', async () => {
      const alice = await enrolled();
      const old = new TestClient(alice.clientId);
      old.credential = alice.credential;
      assert.equal((await alice.rotate(host)).outcome, 'accepted');
      assert.equal((await old.logIn(host)).outcome, 'denied');
      assert.equal((await alice.logIn(host)).outcome, 'accepted');
      assert.equal((await old.rotate(host)).outcome, 'denied');
    });

    test('of two rotations at once one wins', async () => {
      const alice = await enrolled();
      const copies = Array.from({ length: 6 }, () => {
        const copy = new TestClient(alice.clientId);
        copy.credential = alice.credential;
        return copy;
      });
      const hosts = [host, it.elsewhere ?? host];
      const verdicts = await Promise.all(copies.map((copy, n) => copy.rotate(hosts[n % 2] ?? host)));
      assert.equal(verdicts.filter(({ outcome }) => outcome === 'accepted').length, 1);
      const winner = copies[verdicts.findIndex(({ outcome }) => outcome === 'accepted')];
      assert.equal((await winner?.logIn(host))?.outcome, 'accepted');
    });

    test('a malformed proof is an error, and uses nothing up', async () => {
      const alice = await enrolled();
      const challenge = await host.challenge(alice.clientId, BINDING);
      await assert.rejects(alice.answer(host, challenge, new Uint8Array(95)), { code: 'invalid_length' });
      await assert.rejects(alice.answer(host, challenge, new Uint8Array(96).fill(255)), { code: 'invalid_encoding' });
      assert.equal((await alice.answer(host, challenge)).outcome, 'accepted');
    });

    test('a malformed client id is an error', async () => {
      for (const clientId of ['', 'a b', 'x'.repeat(129), '2fapi-admin', "'; --"]) {
        await assert.rejects(host.challenge(clientId, BINDING), { code: 'invalid_client_id' }, clientId);
      }
    });
  });
}

test('a module with another audience is an error that says so', async () => {
  const server = await startRedisModule('--2fapi.audience', 'https://other.example');
  const client = new Redis(server.port);
  try {
    await assert.rejects(redisModuleStore(client).challenge('alice', BINDING), /2fapi\.audience/);
  } finally {
    client.disconnect();
    await server.stop();
  }
});
