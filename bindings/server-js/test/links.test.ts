// A client with several credentials: over HTTP, on each store that keeps records, against the real server.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { linkNumber, verifyJoining } from '@2fapi/crypto-napi';
import { Redis } from 'ioredis';

import {
  createTwoFApi,
  generateSigningKey,
  memoryStore,
  pgExtensionStore,
  postgresSchema,
  postgresStore,
  redisModuleStore,
  redisStore,
  type AuditEvent,
  type Links,
  type PgStep,
  type RedisStep,
  type Store,
  type TwoFApi,
} from '../src/index.js';
import { AUDIENCE, BINDING, Device } from './client.js';
import { poolOf, setting, startPostgres, startRedis, startRedisModule } from './servers.js';

interface Scene {
  readonly store: Store & Links;
  /** Another process's view of it, where it can have one. */
  readonly elsewhere: Store & Links;
  /** Gives an invitation, and uses one up in the store's step. */
  give(token: string): Promise<unknown>;
  redeem(token: string): (step: never) => boolean | Promise<boolean>;
  close(): Promise<void>;
}

const SCENES: Record<string, () => Promise<Scene>> = {
  memoryStore: async () => {
    const store = memoryStore();
    const left = new Set<string>();
    return {
      store,
      elsewhere: store,
      give: async (token) => left.add(token),
      redeem: (token) => () => left.delete(token),
      close: async () => {},
    };
  },
  redisStore: async () => {
    const server = await startRedis();
    const clients = [new Redis(server.port), new Redis(server.port)] as const;
    return {
      store: redisStore(clients[0]),
      elsewhere: redisStore(clients[1]),
      give: (token) => clients[0].set(token, 'here'),
      redeem: (token) => (step: RedisStep) => step.take(token),
      close: async () => {
        clients.forEach((client) => client.disconnect());
        await server.stop();
      },
    };
  },
  redisModuleStore: async () => {
    const server = await startRedisModule('--2fapi.audience', AUDIENCE);
    const clients = [new Redis(server.port), new Redis(server.port)] as const;
    return {
      store: redisModuleStore(clients[0]),
      elsewhere: redisModuleStore(clients[1]),
      give: async () => {},
      redeem: () => () => true,
      close: async () => {
        clients.forEach((client) => client.disconnect());
        await server.stop();
      },
    };
  },
  postgresStore: async () => {
    const server = await startPostgres(setting('TWOFAPI_PG_BIN'), '');
    const pools = [poolOf(server), poolOf(server)] as const;
    await pools[0].query(`${postgresSchema()}; CREATE TABLE invitations (token text PRIMARY KEY)`);
    return {
      store: postgresStore(pools[0]),
      elsewhere: postgresStore(pools[1]),
      give: (token) => pools[0].query('INSERT INTO invitations VALUES ($1)', [token]),
      redeem: (token) => async (step: PgStep) =>
        (await step.query('DELETE FROM invitations WHERE token = $1', [token])).rowCount === 1,
      close: async () => {
        for (const pool of pools) await pool.end();
        await server.stop();
      },
    };
  },
  pgExtensionStore: async () => {
    const configuration = `shared_preload_libraries = 'pg_2fapi'\ntwofapi.audience = '${AUDIENCE}'`;
    const server = await startPostgres(setting('TWOFAPI_PG_EXTENSION_BIN'), configuration);
    const pools = [poolOf(server), poolOf(server)] as const;
    await pools[0].query('CREATE EXTENSION pg_2fapi; CREATE TABLE invitations (token text PRIMARY KEY)');
    return {
      // Links from a second device are for clients that talk to the database themselves.
      store: pgExtensionStore(pools[0]) as Store & Links,
      elsewhere: pgExtensionStore(pools[1]) as Store & Links,
      give: (token) => pools[0].query('INSERT INTO invitations VALUES ($1)', [token]),
      redeem: (token) => async (step: PgStep) =>
        (await step.query('DELETE FROM invitations WHERE token = $1', [token])).rowCount === 1,
      close: async () => {
        for (const pool of pools) await pool.end();
        await server.stop();
      },
    };
  },
};

const bodyOf = async (answer: Response): Promise<Record<string, unknown>> => (await answer.json()) as Record<string, unknown>;

async function accepted(answering: Promise<Response>, status = 200): Promise<Record<string, unknown>> {
  const answer = await answering;
  const body = await bodyOf(answer);
  assert.equal(answer.status, status, JSON.stringify(body));
  return body;
}

/** The answer to a proof that is not accepted, whatever the cause; or another refusal. */
async function refused(answering: Promise<Response>, code = 'denied'): Promise<void> {
  const body = await bodyOf(await answering);
  assert.equal(body['code'], code, JSON.stringify(body));
}

for (const [name, open] of Object.entries(SCENES)) {
  describe(name, () => {
    let scene: Scene;
    let twoFApi: TwoFApi;
    let other: TwoFApi;
    const heard: AuditEvent[] = [];
    before(async () => {
      scene = await open();
      const settings = {
        audience: AUDIENCE,
        signingKey: await generateSigningKey(),
        mayEnroll: ({ token }: { token: string | undefined }) => (token?.startsWith('reset-') === true ? 'reset' : token === 'in'),
        ...(scene.store.redeems && {
          redeem: ({ token = '' }: { token: string | undefined }, step: unknown) =>
            token === 'in' || scene.redeem(token)(step as never),
        }),
        limits: false as const,
        audit: (event: AuditEvent) => void heard.push(event),
      };
      twoFApi = await createTwoFApi({ ...settings, store: scene.store });
      other = await createTwoFApi({ ...settings, store: scene.elsewhere });
    });
    after(() => scene.close());

    const send = async (api: TwoFApi, path: string, method: string, body?: object, token?: string): Promise<Response> => {
      const headers = { ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }), 'Content-Type': 'application/json' };
      const request = new Request(`http://localhost${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
      return (await api.handle(request)) ?? assert.fail(`no resource ${path}`);
    };
    const get = (path: string, token?: string): Promise<Response> => send(twoFApi, path, 'GET', undefined, token);
    const isHonoured = async (token: string): Promise<boolean> => !((await other.authenticate(`Bearer ${token}`)) instanceof Response);
    const enrolled = async (): Promise<Device> => {
      const device = new Device((path, body, token) => send(twoFApi, path, 'POST', body, token), randomUUID());
      await accepted(device.enroll('in'), 201);
      return device;
    };
    /** A client with two credentials. */
    const pair = async (): Promise<[Device, Device]> => {
      const first = await enrolled();
      const second = first.another();
      await accepted(first.link(second));
      return [first, second];
    };
    const atOther = (device: Device): Device =>
      new Device((path, body, token) => send(other, path, 'POST', body, token), device.clientId, device.credential, device.names);
    const idsOf = async (device: Device): Promise<unknown[]> => {
      const { credentials } = await accepted(get('/auth/zkp/credentials', await device.token()));
      return (credentials as { credential_id: string }[]).map(({ credential_id }) => credential_id);
    };

    test('a credential of this device is linked, and both get in, listed in their order', async () => {
      const first = await enrolled();
      const second = first.another();
      const linked = await accepted(first.link(second));
      assert.deepEqual(linked, { client_id: first.clientId, credential_id: second.id, commitment_version: 2 });
      const body = await accepted(get('/auth/zkp/credentials', await second.token()));
      const [one, two] = body['credentials'] as Record<string, unknown>[];
      assert.deepEqual([body['client_id'], body['commitment_version']], [first.clientId, 2]);
      const { created: _, ...listed } = one ?? {};
      assert.deepEqual(listed, { credential_id: first.id, commitment: first.commitment, name: 'first', since: 1 });
      const { created, ...also } = two ?? {};
      assert.deepEqual(also, { credential_id: second.id, commitment: second.commitment, name: 'tablet', since: 2 });
      assert(Math.abs(Number(created) - Date.now() / 1000) < 60);
      const who = await accepted(get('/auth/zkp/whoami', await first.token()));
      assert.equal(who['commitment_version'], 2);
      second.names = false;
      await refused(second.verify());
    });

    test('a second device joins an offer, the first one checks it and links it, and the offer is used up', async (context) => {
      if (typeof scene.store.offerLink !== 'function') return context.skip('this store has no links from a second device');
      const first = await enrolled();
      const token = await first.token();
      assert.deepEqual(await accepted(get('/auth/zkp/link/offer', token)), { state: 'none' });
      const offer = await first.challenge();
      const open = await accepted(first.post('/auth/zkp/link/offer', { challenge_id: offer.challenge_id }, token));
      assert.equal(open['client_id'], first.clientId);
      const pending = await accepted(get('/auth/zkp/link/offer', token));
      assert.deepEqual(pending, { state: 'open', challenge_id: offer.challenge_id, expires_at: open['expires_at'] });

      const second = atOther(first.another());
      const joined = await accepted(second.join(offer));
      assert.equal(joined['client_id'], first.clientId);
      await accepted(second.join(offer)); // an answer may be lost
      const { commitment, proof, name: called, state } = await accepted(get('/auth/zkp/link/offer', token));
      assert.deepEqual([state, commitment, called], ['joined', second.commitment, 'tablet']);
      const shown = { clientId: first.clientId, commitment: Buffer.from(String(commitment), 'hex'), proof: Buffer.from(String(proof), 'hex') };
      assert(verifyJoining({ ...shown, nonce: offer.challenge.nonce, channelBinding: BINDING }));
      const id = offer.challenge_id.slice(0, 27);
      assert.equal(linkNumber(id, shown.commitment), linkNumber(id, second.credential.commitment));

      await refused(first.link(first.another(), {}));
      await refused(second.verify());
      await accepted(first.link(second, {}));
      await accepted(second.verify());
      assert.deepEqual(await accepted(get('/auth/zkp/link/offer', token)), { state: 'none' });
      await refused(first.link(second, {}));
    });

    test('two devices that join destroy the offer, and neither is linked', async (context) => {
      if (typeof scene.store.offerLink !== 'function') return context.skip('this store has no links from a second device');
      const first = await enrolled();
      const token = await first.token();
      const offer = await first.challenge();
      await accepted(first.post('/auth/zkp/link/offer', { challenge_id: offer.challenge_id }, token));
      const [second, stranger] = [first.another(), atOther(first.another())];
      await accepted(second.join(offer));
      await refused(stranger.join(offer));
      await refused(second.join(offer));
      assert.equal((await accepted(get('/auth/zkp/link/offer', token)))['state'], 'clashed');
      for (const device of [second, stranger]) await refused(first.link(device, {}));
      // Another offer takes its place.
      const again = await first.challenge();
      await accepted(first.post('/auth/zkp/link/offer', { challenge_id: again.challenge_id }, token));
      await refused(second.join(offer));
      await accepted(second.join(again));
      await accepted(first.link(second, {}));
    });

    test('an offer needs a token of its client, and joining an offer of that challenge', async (context) => {
      if (typeof scene.store.offerLink !== 'function') return context.skip('this store has no links from a second device');
      const [first, mallory] = [await enrolled(), await enrolled()];
      const offer = await first.challenge();
      const body = { challenge_id: offer.challenge_id };
      const unauthorized = await first.post('/auth/zkp/link/offer', body);
      assert.equal(unauthorized.headers.get('www-authenticate'), `Bearer realm="${AUDIENCE}"`);
      for (const token of ['x.y.z', await mallory.token()]) await refused(first.post('/auth/zkp/link/offer', body, token));
      for (const challenge_id of ['', 'x', `ch-ffffffff0123456789abcdef.${first.clientId}`]) {
        await refused(first.post('/auth/zkp/link/offer', { challenge_id }, await first.token()));
      }
      await refused(first.another().join(offer));
      for (const path of ['/auth/zkp/link/offer', '/auth/zkp/credentials']) await refused(get(path));
      await refused(new Device(first.post, randomUUID()).join(offer));
    });

    test('an unlinked credential ends with its tokens, and the others do not; the last one is safe', async () => {
      const [first, second] = await pair();
      const [ofFirst, ofSecond] = [await first.token(), await second.token()];
      const replayed = await second.challenge();
      const { commitment_version } = await accepted(first.unlink(second));
      assert.equal(commitment_version, 3);
      assert.deepEqual([await isHonoured(ofFirst), await isHonoured(ofSecond)], [true, false]);
      await refused(second.verify(replayed));
      for (const attempt of [() => second.rotate(), () => second.link(second.another()), () => second.unlink(first)]) {
        await refused(attempt());
      }
      await refused(first.unlink(second));
      await refused(first.unlink(first));
      await accepted(first.verify());
      await accepted(first.link(second));
      // Any credential takes any away, itself as well, and who was second is first then.
      first.names = true;
      await accepted(first.unlink(first));
      second.names = false;
      await accepted(second.verify());
    });

    test('a rotation ends the tokens of its credential alone, and keeps its place', async () => {
      const [first, second] = await pair();
      const [ofFirst, ofSecond] = [await first.token(), await second.token()];
      await accepted(second.rotate());
      assert.deepEqual([await isHonoured(ofFirst), await isHonoured(ofSecond)], [true, false]);
      assert.deepEqual(await idsOf(first), [first.id, second.id]);
      first.names = true;
      await accepted(first.rotate());
      assert.deepEqual(await idsOf(second), [first.id, second.id]);
    });

    test('suspending, ending sessions and revoking end every token for good', async () => {
      for (const change of ['suspend', 'end_sessions', 'revoke'] as const) {
        const [first, second] = await pair();
        const tokens = [await first.token(), await second.token()];
        await scene.store.change(first.clientId, change);
        if (change === 'suspend') await scene.store.change(first.clientId, 'resume');
        for (const token of tokens) assert.equal(await isHonoured(token), false, change);
        if (change === 'revoke') await refused(first.verify());
        else assert.equal(await isHonoured(await second.token()), true);
      }
    });

    test('an expiry of client or credential keeps out, ends tokens, and does not touch the other credential', async () => {
      const [first, second] = await pair();
      const [ofFirst, ofSecond] = [await first.token(), await second.token()];
      const past = Math.floor(Date.now() / 1000) - 1;
      await scene.store.setExpiry(first.clientId, second.id, past);
      assert.deepEqual([await isHonoured(ofFirst), await isHonoured(ofSecond)], [true, false]);
      for (const attempt of [() => second.verify(), () => second.rotate(), () => second.link(second.another())]) await refused(attempt());
      const { credentials } = await accepted(get('/auth/zkp/credentials', ofFirst));
      assert.deepEqual((credentials as { expires_at?: number }[]).map(({ expires_at }) => expires_at), [undefined, past]);
      await scene.store.setExpiry(first.clientId, second.id, undefined);
      await accepted(second.verify());
      await scene.store.setAttributes(first.clientId, { expiresAt: past, tenant: 'example' });
      for (const device of [first, second]) await refused(device.verify());
      assert.equal(await isHonoured(ofFirst), false);
      assert.deepEqual((await scene.elsewhere.find(first.clientId))?.attributes, {
        expiresAt: past,
        tenant: 'example',
        scopes: [],
        claims: {},
        sources: [],
      });
    });

    test('a reset replaces all credentials, uses its invitation up, and leaves a suspended client suspended', async () => {
      const [first, second] = await pair();
      const token = await first.token();
      const [one, two] = [`reset-${randomUUID()}`, `reset-${randomUUID()}`];
      for (const given of [one, two]) await scene.give(given);
      const next = first.another();
      next.names = false;
      const wrong = new Device(first.post, randomUUID(), next.credential);
      await refused(wrong.enroll(one));
      assert.deepEqual(await accepted(next.enroll(one), 201), { client_id: first.clientId, status: 'active', commitment_version: 3 });
      assert.equal(await isHonoured(token), false);
      for (const device of [first, second]) await refused(device.verify());
      await accepted(next.verify());
      // Where nothing is redeemed in the store's step, who permits it sees to it.
      if (scene.store.redeems) await refused(first.another().enroll(one));
      await refused(next.enroll('in'), 'already_enrolled');
      await scene.store.change(first.clientId, 'suspend');
      const last = atOther(first.another());
      last.names = false;
      assert.deepEqual(await accepted(last.enroll(two), 201), { client_id: first.clientId, status: 'suspended', commitment_version: 4 });
      await refused(last.verify());
      await scene.store.change(first.clientId, 'resume');
      await accepted(last.verify());
      const revoked = `reset-${randomUUID()}`;
      await scene.give(revoked);
      await scene.store.change(first.clientId, 'revoke');
      await refused(first.another().enroll(revoked));
    });

    test('of links, rotations, unlinkings and a suspension at once, nothing half is left', async () => {
      for (let round = 0; round < 3; round += 1) {
        const [first, second] = await pair();
        const [third, fourth] = [first.another(), first.another()];
        const answers = await Promise.all([
          first.link(third),
          atOther(second).link(fourth),
          atOther(first).unlink(second),
          second.unlink(first),
          scene.elsewhere.change(first.clientId, 'suspend').then(() => new Response()),
        ]);
        for (const answer of answers) assert([200, 401, 503].includes(answer.status), String(answer.status));
        await scene.store.change(first.clientId, 'resume');
        const client = await scene.store.find(first.clientId);
        const ids = client?.credentials?.map(({ credentialId }) => credentialId) ?? [];
        assert(ids.length >= 1 && new Set(ids).size === ids.length);
        const done = answers.slice(0, 4).filter(({ status }) => status === 200).length;
        assert.equal(client?.commitmentVersion, 2 + done);
        for (const device of [first, second, third, fourth]) {
          device.names = true;
          assert.equal((await device.verify()).status, ids.includes(device.id) ? 200 : 401);
        }
      }
    });

    test('of two links of one device that has joined, at once, one gets through', async (context) => {
      if (typeof scene.store.offerLink !== 'function') return context.skip('this store has no links from a second device');
      const first = await enrolled();
      const offer = await first.challenge();
      await accepted(first.post('/auth/zkp/link/offer', { challenge_id: offer.challenge_id }, await first.token()));
      const second = first.another();
      await accepted(second.join(offer));
      const hosts = [first, atOther(first), first, atOther(first)];
      const answers = await Promise.all(hosts.map((host) => host.link(second, {})));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      assert.deepEqual(await idsOf(first), [first.id, second.id]);
    });

    test('a 17th credential, a second of the same and half of one are refused', async () => {
      const first = await enrolled();
      for (let n = 1; n < 16; n += 1) await accepted(first.link(first.another()));
      await refused(first.link(first.another()));
      const [, second] = await pair();
      await refused(second.link(second));
      for (const [changes, code] of [
        [{ name: ' x' }, 'invalid_encoding'],
        [{ name: '<b>\u0007' }, 'invalid_encoding'],
        [{ name: '' }, 'invalid_length'],
        [{ name: 'x'.repeat(65) }, 'invalid_length'],
        [{ name: 'x', proof_new: undefined }, 'malformed_request'],
        [{ proof_new: 'ab' }, 'invalid_length'],
        [{ name: 'x', credential_id: 'AB' }, 'invalid_length'],
        [{ name: 'x', credential_id: 'A'.repeat(32) }, 'invalid_encoding'],
        [{ name: 'x', other: 'x' }, 'malformed_request'],
      ] as const) {
        await refused(second.link(second.another(), changes), code);
      }
      await refused(second.link(second.another(), { name: 'x', credential_id: '0'.repeat(32) }));
    });

    test('a proof of another purpose links and unlinks nothing, and a linking proof lets nobody in', async () => {
      const [first, second] = await pair();
      const { challenge_id, challenge } = await first.challenge();
      const addon = await import('@2fapi/crypto-napi');
      const about = { clientId: first.clientId, credential: first.credential, challenge };
      const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
      const third = first.another();
      const commitmentNew = third.credential.commitment;
      const possession = addon.createEnrollment({ clientId: first.clientId, credential: first.credential }).proof;
      const authentication = addon.proveAuthentication(about);
      const rotation = addon.proveRotation({ ...about, commitmentNew });
      const linking = addon.proveLinking({ ...about, commitmentNew });
      const proof_new = hex(addon.proveJoining({ ...about, credential: third.credential }));
      for (const proof of [possession, authentication, rotation, addon.proveUnlinking({ ...about, commitmentOld: commitmentNew })]) {
        await refused(
          first.post('/auth/zkp/link', { challenge_id, proof: hex(proof), commitment_new: hex(commitmentNew), proof_new, name: 'x' }),
        );
      }
      const ofSecond = addon.proveLinking({ ...about, commitmentNew: second.credential.commitment });
      for (const proof of [possession, authentication, ofSecond]) {
        await refused(first.post('/auth/zkp/unlink', { challenge_id, proof: hex(proof), commitment_old: second.commitment }));
      }
      for (const proof of [linking, rotation]) await refused(first.post('/auth/zkp/verify', { challenge_id, proof: hex(proof) }));
      assert.deepEqual(await idsOf(first), [first.id, second.id]);
    });

    test('every link, joining, unlinking and reset is told to who keeps a record of it', () => {
      const events = new Set(heard.map(({ event }) => event));
      const expected = ['enrolled', 'authenticated', 'rotated', 'linked', 'unlinked', 'reset'] as const;
      const offers = typeof scene.store.offerLink === 'function' ? (['offered', 'joined'] as const) : [];
      for (const event of [...expected, ...offers]) {
        assert(events.has(event), event);
      }
      assert.doesNotMatch(JSON.stringify(heard), /proof|token|nonce/);
    });
  });
}

/** Stores in which something happens between a proof that is good and the step. */
const INTERRUPTED: Record<string, (happens: () => Promise<unknown>) => Promise<{ store: Store; close(): Promise<void> }>> = {
  redisStore: async (happens) => {
    const server = await startRedis();
    const client = new Redis(server.port);
    const store = redisStore({
      sendCommand: async (words: string[]) => {
        if (words[1]?.includes('stale_epoch') === true) await happens();
        return client.call(...(words as [string, ...string[]]));
      },
    });
    return {
      store,
      close: async () => {
        client.disconnect();
        await server.stop();
      },
    };
  },
  postgresStore: async (happens) => {
    const server = await startPostgres(setting('TWOFAPI_PG_BIN'), '');
    const pool = poolOf(server);
    await pool.query(postgresSchema());
    const store = postgresStore({
      query: async (text, values) => {
        if (text.includes('RETURNING expires_at')) await happens();
        return pool.query(text, values as unknown[]);
      },
    });
    return {
      store,
      close: async () => {
        await pool.end();
        await server.stop();
      },
    };
  },
};

for (const [name, open] of Object.entries(INTERRUPTED)) {
  test(`${name}: a second device that joins between the proof and the step is not passed over`, async () => {
    let happens: () => Promise<unknown> = async () => {};
    const { store, close } = await open(() => happens());
    try {
      const settings = { store, audience: AUDIENCE, signingKey: await generateSigningKey(), mayEnroll: () => true };
      const twoFApi = await createTwoFApi({ ...settings, limits: false });
      const post = async (path: string, body: object, token?: string): Promise<Response> => {
        const headers = { 'Content-Type': 'application/json', ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) };
        const request = new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
        return (await twoFApi.handle(request)) ?? assert.fail(path);
      };
      const first = new Device(post, randomUUID());
      await accepted(first.enroll(), 201);
      const offer = await first.challenge();
      await accepted(post('/auth/zkp/link/offer', { challenge_id: offer.challenge_id }, await first.token()));
      const [second, stranger] = [first.another(), first.another()];
      await accepted(second.join(offer));
      happens = () => refused(stranger.join(offer));
      await refused(first.link(second, {}));
      happens = async () => {};
      await refused(second.verify());
      await accepted(first.verify());
    } finally {
      await close();
    }
  });
}

test('an expired client is kept out by the clock of the store in the step, whatever was read before', async () => {
  const server = await startRedis();
  const client = new Redis(server.port);
  try {
    const store = redisStore(client);
    const twoFApi = await createTwoFApi({
      store: redisStore({
        // The record is read a moment before it expires: between, the clock goes on.
        sendCommand: (words: string[]) => {
          const isStep = words[1]?.includes('stale_epoch') === true;
          const at = String(Math.floor(Date.now() / 1000));
          const changed = isStep ? words.map((word) => (word === '4000000000' ? at : word)) : words;
          return client.call(...(changed as [string, ...string[]]));
        },
      }),
      audience: AUDIENCE,
      signingKey: await generateSigningKey(),
      mayEnroll: () => true,
    });
    const post = async (path: string, body: object): Promise<Response> =>
      (await twoFApi.handle(
        new Request(`http://localhost${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
      )) ?? assert.fail(path);
    const alice = new Device(post, 'alice');
    await accepted(alice.enroll(), 201);
    await accepted(alice.verify());
    await store.setAttributes('alice', { expiresAt: 4_000_000_000 });
    await refused(alice.verify());
  } finally {
    client.disconnect();
    await server.stop();
  }
});
