// What every store promises, on each of them, against the real server.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Redis } from 'ioredis';
import type { Pool } from 'pg';
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
  type PgStep,
  type Redeem,
  type RedisStep,
  type Store,
  type Verdict,
} from '../src/index.js';
import { AUDIENCE, BINDING, TestClient } from './client.js';
import { poolOf, setting, startPostgres, startRedis, startRedisModule, type Running } from './servers.js';

/** A store, and another process's view of it where it can have one. */
interface Scene {
  readonly host: Store;
  readonly elsewhere?: Store;
  /** A client id that may be enrolled. */
  newId?(): Promise<string>;
  /** Invitations, where the store can use one up in the step that enrols. */
  readonly invitations?: Invitations;
  /** The accepted challenges are lost, as in a crash or a failover, or by a slip of the operator's. */
  readonly losses?: Record<string, () => Promise<unknown>>;
  /** A store of the same clients in which something happens between a proof that is good and the step. */
  before?(step: () => Promise<unknown>): Store;
  /** An operator deletes a client behind the store's back. */
  forget?(clientId: string): Promise<unknown>;
  close(): Promise<void>;
}

/** The version that an accepted attempt tells. */
const versionOf = (verdict: Verdict): number | string =>
  verdict.outcome === 'accepted' ? verdict.commitmentVersion : verdict.outcome;

interface Invitations {
  give(token: string): Promise<unknown>;
  isLeft(token: string): Promise<boolean>;
  redeem(token: string): Redeem<never>;
}

async function onRedis(
  server: Running,
  storeOf: (client: never) => Store,
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
  const clients = [createClient({ url }), createClient({ url })] as const;
  for (const client of clients) await client.connect();
  const [host, elsewhere] = clients.map((client) => storeOf(client as never));
  const [client] = clients;
  const plain = {
    invitations: {
      give: (token: string) => client.set(`invitation:${token}`, 'here'),
      isLeft: async (token: string) => (await client.exists(`invitation:${token}`)) === 1,
      redeem: (token: string) => (step: RedisStep) => step.take(`invitation:${token}`),
    },
    losses: {
      'DEL of all but clients': async () => {
        const names = (await client.keys('zk:*')).filter((name) => !name.startsWith('zk:client:'));
        assert(names.some((name) => name.startsWith('zk:spent:')), 'nothing was spent');
        await client.del(names);
      },
      'FLUSHALL, and the clients are put back': async () => {
        const names = await client.keys('zk:client:*');
        const records = await Promise.all(names.map(async (name) => [name, (await client.get(name)) ?? ''] as const));
        await client.flushAll();
        for (const [name, record] of records) await client.set(name, record);
      },
      'a promotion': async () => {
        await client.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
        await assert.rejects(elsewhere?.challenge(randomUUID(), BINDING) ?? Promise.reject(new Error()));
        await client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
      },
      'a clock that was ahead': async () => {
        for (const name of await client.keys('zk:spent:*')) {
          const [mark = ''] = (await client.zRange(name, '-', '+', { BY: 'LEX' })).filter((it) => it.startsWith('mark '));
          await client.zRem(name, mark);
          await client.sendCommand(['ZADD', name, '+inf', `mark ${Math.floor(Date.now() / 1000) + 3600}`]);
        }
      },
    },
    forget: (clientId: string) => client.del(`zk:client:{${clientId}}`),
    before: (step: () => Promise<unknown>) =>
      storeOf({
        sendCommand: async (words: string[]) => {
          if (words[1]?.includes('stale_epoch') === true) await step();
          return client.sendCommand(words);
        },
      } as never),
  };
  const made = scene(host, elsewhere, async () => {
    clients.forEach((it) => it.destroy());
    await server.stop();
  });
  return host?.redeems === true ? { ...made, ...plain } : made;
}

function scene(host: Store | undefined, elsewhere: Store | undefined, close: () => Promise<void>): Scene {
  assert(host !== undefined && elsewhere !== undefined);
  return { host, elsewhere, close };
}

async function onPostgres(server: Running, setUp: string, storeOf: (pool: Pool) => Store, users = false): Promise<Scene> {
  const pools = [poolOf(server), poolOf(server)] as const;
  const [pool] = pools;
  await pool.query(`${setUp}; CREATE TABLE invitations (token text PRIMARY KEY)`);
  const [host, elsewhere] = pools.map((it) => storeOf(it));
  const made = scene(host, elsewhere, async () => {
    for (const it of pools) await it.end();
    await server.stop();
  });
  const newId = async (): Promise<string> => {
    const id = randomUUID();
    if (users) await pool.query('INSERT INTO users (id, email) VALUES ($1, $2)', [id, `${id}@example.com`]);
    return id;
  };
  const invitations = {
    give: (token: string) => pool.query('INSERT INTO invitations VALUES ($1)', [token]),
    isLeft: async (token: string) => (await pool.query('SELECT FROM invitations WHERE token = $1', [token])).rowCount === 1,
    redeem: (token: string) => async (step: PgStep) =>
      (await step.query('DELETE FROM invitations WHERE token = $1', [token])).rowCount === 1,
  };
  if (storeOf === pgExtensionStore) return { ...made, newId, invitations };
  const losses = {
    TRUNCATE: () => pool.query('TRUNCATE zk_commitments_challenges'),
    DELETE: () => pool.query('DELETE FROM zk_commitments_challenges'),
    'a table from elsewhere': async () => {
      await pool.query("DELETE FROM zk_commitments_challenges WHERE id <> ''");
      await pool.query("UPDATE zk_commitments_challenges SET incarnation = '1 base/1/1'");
    },
    'a clock that was ahead': async () => {
      await pool.query("DELETE FROM zk_commitments_challenges WHERE id <> ''");
      await pool.query("UPDATE zk_commitments_challenges SET mark = mark + 3600 WHERE id = ''");
    },
  };
  const before = (step: () => Promise<unknown>): Store =>
    storeOf({
      query: async (text: string, values: unknown[]) => {
        if (text.includes('RETURNING expires_at')) await step();
        return pool.query(text, values);
      },
    } as never);
  const forget = (clientId: string): Promise<unknown> =>
    pool.query('DELETE FROM zk_commitments WHERE user_id = $1', [clientId]);
  return { ...made, newId, invitations, losses, before, forget };
}

/** The table as applications have it that keep commitments beside their users. */
const TABLE_OF_AN_APPLICATION = `
  CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL UNIQUE);
  CREATE TABLE zk_commitments (
    user_id UUID PRIMARY KEY REFERENCES users(id),
    commitment BYTEA NOT NULL,
    status VARCHAR(20) NOT NULL,
    commitment_version INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL
  );`;

/** The same from other habits: the status an enumeration, the commitment in hex, a version that is a bigint. */
const TABLE_OF_ANOTHER_APPLICATION = `
  CREATE TYPE zk_status AS ENUM ('active', 'suspended', 'revoked');
  CREATE TABLE zk_commitments (
    user_id UUID PRIMARY KEY,
    commitment CHAR(64) NOT NULL,
    status zk_status DEFAULT 'active',
    commitment_version BIGINT DEFAULT 1,
    created_at TIMESTAMP DEFAULT NOW()
  );`;

const audience = ['--2fapi.audience', AUDIENCE];

const SCENES: Record<string, () => Promise<Scene>> = {
  memoryStore: async () => {
    const left = new Set<string>();
    return {
      host: memoryStore(),
      invitations: {
        give: async (token) => left.add(token),
        isLeft: async (token) => left.has(token),
        redeem: (token) => () => left.delete(token),
      },
      close: async () => {},
    };
  },
  'redisStore over redis': async () => onRedis(await startRedis(), redisStore, 'redis'),
  'redisStore over ioredis': async () => onRedis(await startRedis(), redisStore, 'ioredis'),
  'redisModuleStore over redis': async () =>
    onRedis(await startRedisModule(...audience), redisModuleStore, 'redis'),
  'redisModuleStore over ioredis': async () =>
    onRedis(await startRedisModule(...audience), redisModuleStore, 'ioredis'),
  postgresStore: async () =>
    onPostgres(await startPostgres(setting('TWOFAPI_PG_BIN'), ''), postgresSchema(), postgresStore),
  'postgresStore on the table of an application': async () =>
    onPostgres(
      await startPostgres(setting('TWOFAPI_PG_BIN'), ''),
      TABLE_OF_AN_APPLICATION + postgresSchema(),
      postgresStore,
      true,
    ),
  'postgresStore on the table of another application': async () =>
    onPostgres(
      await startPostgres(setting('TWOFAPI_PG_BIN'), ''),
      TABLE_OF_ANOTHER_APPLICATION + postgresSchema(),
      postgresStore,
    ),
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
    let host: Store;
    before(async () => {
      it = await open();
      host = it.host;
    });
    after(() => it.close());

    const newId = async (): Promise<string> => it.newId?.() ?? randomUUID();
    const enrolled = async (): Promise<TestClient> => {
      const client = new TestClient(await newId());
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
      const alice = new TestClient(await newId());
      const { commitment } = alice.enrollment();
      const { proof } = new TestClient(alice.clientId).enrollment();
      assert.equal(await host.enroll(alice.clientId, commitment, proof), 'denied');
      const other = alice.enrollment();
      assert.equal(await host.enroll(await newId(), other.commitment, other.proof), 'denied');
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
        Array.from({ length: 64 }, (_, n) => alice.answer(hosts[n % 2] ?? host, challenge, proof)),
      );
      assert.equal(verdicts.filter(({ outcome }) => outcome === 'accepted').length, 1);
      assert.equal(verdicts.filter(({ outcome }) => outcome === 'denied').length, 63);
    });

    test('a refused proof leaves its challenge good', async () => {
      const alice = await enrolled();
      const challenge = await host.challenge(alice.clientId, BINDING);
      const wrong = new TestClient(alice.clientId).proof(challenge);
      for (const store of [host, it.elsewhere ?? host]) {
        assert.equal((await alice.answer(store, challenge, wrong)).outcome, 'denied');
      }
      assert.equal((await alice.answer(host, challenge)).outcome, 'accepted');
      assert.equal((await alice.answer(host, challenge)).outcome, 'denied');
    });

    test('a client that is suspended or rotated between verification and step is kept out', async (context) => {
      const { before: interrupted } = it;
      if (interrupted === undefined) return context.skip('its step cannot be interrupted from here');
      const alice = await enrolled();
      const suspending = interrupted(() => host.change(alice.clientId, 'suspend'));
      for (const attempt of [() => alice.logIn(suspending), () => alice.rotate(suspending)]) {
        await host.change(alice.clientId, 'resume');
        assert.equal((await attempt()).outcome, 'denied');
      }
      await host.change(alice.clientId, 'resume');
      const challenge = await host.challenge(alice.clientId, BINDING);
      const proof = alice.proof(challenge);
      const rotating = interrupted(() => alice.rotate(host));
      assert.equal((await alice.answer(rotating, challenge, proof)).outcome, 'denied');
      assert.equal(versionOf(await alice.logIn(host)), 2);
    });

    test('who was deleted and enrolled anew between verification and step is not let in by the old secret', async (context) => {
      const { before: interrupted, forget } = it;
      if (interrupted === undefined || forget === undefined) return context.skip('its step cannot be interrupted from here');
      const alice = await enrolled();
      const heir = new TestClient(alice.clientId);
      const replaced = interrupted(async () => {
        await forget(alice.clientId);
        await heir.enroll(host);
      });
      assert.equal((await alice.logIn(replaced)).outcome, 'denied');
      assert.equal(versionOf(await heir.logIn(host)), 1);
    });

    test('of a rotation and a login with one challenge, at once, one gets through', async () => {
      const alice = await enrolled();
      for (let round = 0; round < 4; round += 1) {
        const challenge = await host.challenge(alice.clientId, BINDING);
        const proof = alice.proof(challenge);
        const [rotated, loggedIn] = await Promise.all([
          alice.rotate(host, challenge),
          alice.answer(it.elsewhere ?? host, challenge, proof),
        ]);
        const outcomes = [rotated.outcome, loggedIn.outcome];
        assert.equal(outcomes.filter((outcome) => outcome === 'accepted').length, 1, outcomes.join());
      }
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
      assert.equal((await new TestClient(await newId()).logIn(host)).outcome, 'denied');
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
      await assert.rejects(host.change(await newId(), 'suspend'), { code: 'not_enrolled' });
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

    test('every answer tells the version of the commitment', async () => {
      const alice = await enrolled();
      assert.equal(versionOf(await alice.logIn(host)), 1);
      assert.equal(versionOf(await alice.rotate(host)), 2);
      assert.equal(versionOf(await alice.logIn(it.elsewhere ?? host)), 2);
      assert.equal((await host.find(alice.clientId))?.commitmentVersion, 2);
      await host.change(alice.clientId, 'suspend');
      assert.equal((await host.find(alice.clientId))?.commitmentVersion, 2);
    });

    test('a token from before a rotation is refused', async () => {
      const signingKey = await generateSigningKey();
      const twoFApi = await createTwoFApi({ store: host, audience: AUDIENCE, signingKey, mayEnroll: false });
      const alice = await enrolled();
      const challenge = await host.challenge(alice.clientId, BINDING);
      const answer = await twoFApi.handle(
        new Request('http://localhost/auth/zkp/verify', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({
            challenge_id: `${challenge.challengeId}.${alice.clientId}`,
            proof: Buffer.from(alice.proof(challenge)).toString('hex'),
          }),
        }),
      );
      const { access_token } = (await answer?.json()) as { access_token: string };
      const identity = await twoFApi.authenticate(`Bearer ${access_token}`);
      assert(!(identity instanceof Response));
      assert.equal(identity.clientId, alice.clientId);
      assert.equal((await alice.rotate(host)).outcome, 'accepted');
      const refused = await twoFApi.authenticate(`Bearer ${access_token}`);
      assert(refused instanceof Response && refused.status === 401);
    });

    test('what permits an enrolment is used up together with it, or not at all', async (context) => {
      const { invitations } = it;
      if (invitations === undefined) return context.skip('nothing else is in the step of this store');
      const enroll = (client: TestClient, token: string, proof = client.enrollment().proof, store = host) =>
        store.enroll(client.clientId, client.enrollment().commitment, proof, invitations.redeem(token) as Redeem<unknown>);
      const [first, second] = [randomUUID(), randomUUID()];
      for (const token of [first, second]) await invitations.give(token);
      const alice = new TestClient(await newId());

      const wrong = new TestClient(alice.clientId).enrollment().proof;
      assert.equal(await enroll(alice, first, wrong), 'denied');
      assert.equal(await invitations.isLeft(first), true);
      const failing = host.enroll(alice.clientId, alice.enrollment().commitment, alice.enrollment().proof, () => {
        throw new Error('the invitations are away');
      });
      await assert.rejects(failing, /the invitations are away/);
      assert.equal(await host.find(alice.clientId), undefined);

      assert.equal(await enroll(alice, first), 'enrolled');
      assert.equal(await invitations.isLeft(first), false);
      assert.equal((await alice.logIn(host)).outcome, 'accepted');
      assert.equal(await enroll(new TestClient(alice.clientId), second), 'already_enrolled');
      assert.equal(await invitations.isLeft(second), true);
      const bob = new TestClient(await newId());
      assert.equal(await enroll(bob, first), 'not_permitted');
      assert.equal(await host.find(bob.clientId), undefined);

      const stores = [host, it.elsewhere ?? host];
      const many = await Promise.all(
        Array.from({ length: 8 }, async (_, n) => enroll(new TestClient(await newId()), second, undefined, stores[n % 2])),
      );
      assert.deepEqual(many.filter((outcome) => outcome === 'enrolled').length, 1, many.join());
      assert.equal(await invitations.isLeft(second), false);
    });

    test('of many enrolments of one id at once, one gets it', async () => {
      const clientId = await newId();
      const stores = [host, it.elsewhere ?? host];
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, n) => new TestClient(clientId).enroll(stores[n % 2] ?? host)),
      );
      assert.equal(outcomes.filter((outcome) => outcome === 'enrolled').length, 1, outcomes.join());
    });

    test('when the accepted challenges are lost, an old proof is not accepted again', async (context) => {
      if (it.losses === undefined) return context.skip('they are lost with the process');
      for (const [loss, happens] of Object.entries(it.losses)) {
        const alice = await enrolled();
        const challenge = await host.challenge(alice.clientId, BINDING);
        const proof = alice.proof(challenge);
        assert.equal((await alice.answer(host, challenge, proof)).outcome, 'accepted');
        await happens();
        for (const store of [it.elsewhere ?? host, host]) {
          assert.equal((await alice.answer(store, challenge, proof)).outcome, 'denied', loss);
          assert.equal((await alice.logIn(store)).outcome, 'accepted', loss);
          assert.equal((await alice.answer(store, challenge, proof)).outcome, 'denied', loss);
        }
      }
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

test('in memory, one client fills its share and keeps nobody out', async () => {
  const host = memoryStore({ spentCapacity: 64 });
  const [greedy, alice] = [new TestClient('greedy'), new TestClient('alice')];
  for (const client of [greedy, alice]) await client.enroll(host);
  for (let n = 0; n < 32; n += 1) assert.equal((await greedy.logIn(host)).outcome, 'accepted');
  assert.equal((await greedy.logIn(host)).outcome, 'throttled');
  for (let n = 0; n < 16; n += 1) assert.equal((await alice.logIn(host)).outcome, 'accepted');
  const strangers = [new TestClient('greedy'), new TestClient('nobody')];
  for (const stranger of strangers) assert.equal((await stranger.logIn(host)).outcome, 'denied');
});

test('refused attempts take no place, however many', async () => {
  const host = memoryStore({ spentCapacity: 2 });
  const alice = new TestClient('alice');
  await alice.enroll(host);
  for (let n = 0; n < 50; n += 1) assert.equal((await new TestClient('alice').logIn(host)).outcome, 'denied');
  for (let n = 0; n < 2; n += 1) assert.equal((await alice.logIn(host)).outcome, 'accepted');
  const challenge = await host.challenge('alice', BINDING);
  for (let n = 0; n < 2; n += 1) assert.equal((await alice.answer(host, challenge)).outcome, 'throttled');
});

test('keys in Redis are where a cluster has them together, and strangers leave none', async () => {
  const server = await startRedis('--cluster-enabled', 'yes');
  const client = new Redis(server.port);
  try {
    await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    while (!String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await sleep(20);
    const host = redisStore(client);
    for (const clientId of ['alice', 'bob@example.com', 'carol']) {
      const one = new TestClient(clientId);
      assert.equal(await one.enroll(host), 'enrolled');
      assert.equal((await one.logIn(host)).outcome, 'accepted');
      assert.equal((await one.rotate(host)).outcome, 'accepted');
    }
    const keys = (await client.keys('*')).length;
    for (let n = 0; n < 10; n += 1) assert.equal((await new TestClient(`nobody-${n}`).logIn(host)).outcome, 'denied');
    assert.equal((await client.keys('*')).length, keys);
  } finally {
    client.disconnect();
    await server.stop();
  }
});

test('a record in Redis from before is read, and its client logs in', async () => {
  const server = await startRedis();
  const client = new Redis(server.port);
  try {
    const alice = new TestClient('alice');
    const digits = Buffer.from(alice.enrollment().commitment).toString('hex');
    await client.set('zk:client:{alice}', `1 active 3 ${digits}`);
    assert.equal(versionOf(await alice.logIn(redisStore(client))), 3);
  } finally {
    client.disconnect();
    await server.stop();
  }
});

test('the table of accepted challenges is rid of what has expired, and keeps its epoch', async () => {
  const server = await startPostgres(setting('TWOFAPI_PG_BIN'), '');
  const pool = poolOf(server);
  try {
    await pool.query(postgresSchema());
    const host = postgresStore(pool);
    const alice = new TestClient(randomUUID());
    await alice.enroll(host);
    await pool.query("INSERT INTO zk_commitments_challenges (id, expires_at) VALUES ('old', 1)");
    const first = await host.challenge(alice.clientId, BINDING);
    await pool.query("UPDATE zk_commitments_challenges SET mark = mark - 5 WHERE id = ''");
    for (let n = 0; n < 64; n += 1) assert.equal((await alice.logIn(host)).outcome, 'accepted');
    const isThere = async () => (await pool.query("SELECT FROM zk_commitments_challenges WHERE id = 'old'")).rowCount === 1;
    while (await isThere()) await sleep(20);
    assert.equal((await alice.answer(host, first)).outcome, 'accepted');
    assert.equal((await alice.answer(host, first)).outcome, 'denied');
  } finally {
    await pool.end();
    await server.stop();
  }
});

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

test('a user who is not there cannot be enrolled', async () => {
  const { host, close } = await (SCENES['postgresStore on the table of an application'] as () => Promise<Scene>)();
  try {
    const nobody = new TestClient(randomUUID());
    assert.equal(await nobody.enroll(host), 'not_permitted');
    assert.equal(await host.find(nobody.clientId), undefined);
  } finally {
    await close();
  }
});

test('tables that are not there are an error that names the migration', async () => {
  const server = await startPostgres(setting('TWOFAPI_PG_BIN'), '');
  const pool = poolOf(server);
  try {
    const store = postgresStore(pool);
    await assert.rejects(store.challenge(randomUUID(), BINDING), /no user_id, commitment, .*postgresSchema/);
    await pool.query(TABLE_OF_ANOTHER_APPLICATION);
    await assert.rejects(store.challenge(randomUUID(), BINDING), /zk_commitments has no record: postgresSchema/);
    await pool.query('ALTER TABLE zk_commitments ADD COLUMN record bytea');
    await assert.rejects(store.challenge(randomUUID(), BINDING), /no zk_commitments_challenges: postgresSchema/);
    await pool.query('CREATE UNLOGGED TABLE zk_commitments_challenges (id bytea PRIMARY KEY, challenge_key bytea, expires_at bigint NOT NULL)');
    await assert.rejects(store.challenge(randomUUID(), BINDING), /no zk_commitments_links: postgresSchema/);
    await pool.query('CREATE TABLE zk_commitments_links (user_id uuid PRIMARY KEY, pending bytea NOT NULL, expires_at bigint NOT NULL)');
    await assert.rejects(store.challenge(randomUUID(), BINDING), /from before: run postgresSchema/);
    await pool.query(postgresSchema());
    await pool.query(postgresSchema());
    await pool.query('ALTER TABLE zk_commitments_challenges SET LOGGED');
    await assert.rejects(store.challenge(randomUUID(), BINDING), /must be UNLOGGED/);
    await pool.query('ALTER TABLE zk_commitments_challenges SET UNLOGGED');
    await store.challenge(randomUUID(), BINDING);
  } finally {
    await pool.end();
    await server.stop();
  }
});

test('a Redis that evicts keys is refused, since a used challenge that is evicted is good again', async () => {
  for (const [policy, limit, isRefused] of [
    ['allkeys-lru', '100mb', true],
    ['volatile-ttl', '100mb', true],
    ['noeviction', '100mb', false],
    ['allkeys-lru', '0', false],
  ] as const) {
    const server = await startRedis('--maxmemory', limit, '--maxmemory-policy', policy);
    const client = new Redis(server.port);
    try {
      const asked = redisStore(client).challenge('alice', BINDING);
      if (isRefused) await assert.rejects(asked, /maxmemory-policy noeviction/);
      else await asked;
      await redisStore(client, { allowEviction: true }).challenge('alice', BINDING);
    } finally {
      client.disconnect();
      await server.stop();
    }
  }
});
