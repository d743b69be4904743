// What somebody outside can tell from answers: nothing of who is enrolled, nothing of the operator's faults.

import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { test } from 'node:test';

import { Redis } from 'ioredis';
import { createClient } from 'redis';

import { createTwoFApi, generateSigningKey, memoryStore, redisStore, type Store, type TwoFApi } from '../src/index.js';
import { AUDIENCE, BINDING, TestClient } from './client.js';
import { startRedis } from './servers.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const unexpected = (error: unknown): void => assert.fail(String(error));

const serving = async (store: Store, onError: (error: unknown) => void = unexpected): Promise<TwoFApi> =>
  createTwoFApi({ store, audience: AUDIENCE, signingKey: await generateSigningKey(), mayEnroll: () => true, onError });

async function post(twoFApi: TwoFApi, path: string, body: object): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' };
  const request = new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const response = await twoFApi.handle(request);
  assert(response);
  return response;
}

/** Asks for a challenge and answers it. */
async function logIn(twoFApi: TwoFApi, client: TestClient, prover = client): Promise<{ body: object; response: Response }> {
  const asked = await post(twoFApi, '/auth/zkp/challenge', { client_id: client.clientId });
  const { challenge_id, nonce } = (await asked.json()) as Record<string, string>;
  const proof = prover.proof({ challengeId: '', nonce: Buffer.from(nonce ?? '', 'hex'), expiresAt: 0 });
  const body = { challenge_id, proof: hex(proof) };
  return { body, response: await post(twoFApi, '/auth/zkp/verify', body) };
}

/** All of an answer that can be seen. */
async function seen(response: Response): Promise<unknown> {
  return { status: response.status, headers: [...response.headers], body: await response.text() };
}

test('who is not enrolled, who is suspended, a wrong proof and a used challenge have one answer', async () => {
  const store = memoryStore();
  const twoFApi = await serving(store);
  const [alice, sue] = [new TestClient('alice'), new TestClient('sue')];
  for (const client of [alice, sue]) await client.enroll(store);
  await store.change('sue', 'suspend');
  const { body, response } = await logIn(twoFApi, alice);
  assert.equal(response.status, 200);
  const answers = [
    await seen((await logIn(twoFApi, alice, new TestClient('alice'))).response),
    await seen((await logIn(twoFApi, new TestClient('stranger'))).response),
    await seen((await logIn(twoFApi, sue)).response),
    await seen(await post(twoFApi, '/auth/zkp/verify', body)),
    await seen(await post(twoFApi, '/auth/zkp/verify', { ...body, challenge_id: 'ch-000000000123456789abcdef.alice' })),
  ];
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.match(JSON.stringify(answers[0]), /"status":401/);
});

test('every attempt does the same work, whoever makes it', async () => {
  const store = memoryStore();
  const twoFApi = await serving(store);
  const [alice, sue] = [new TestClient('alice'), new TestClient('sue')];
  for (const client of [alice, sue]) await client.enroll(store);
  await store.change('sue', 'suspend');
  let works = 0;
  // What the addon gives to the thread pool: napi-rs has no name for it, and all else has one.
  const hook = createHook({ init: (_, type) => void (works += type === 'undefined' ? 1 : 0) }).enable();
  const worked = async (attempt: () => Promise<unknown>): Promise<number> => {
    const before = works;
    await attempt();
    return works - before;
  };
  try {
    let used: object = {};
    const attempts: Record<string, () => Promise<unknown>> = {
      accepted: async () => (used = (await logIn(twoFApi, alice)).body),
      'a used challenge': () => post(twoFApi, '/auth/zkp/verify', used),
      'a wrong proof': () => logIn(twoFApi, alice, new TestClient('alice')),
      'not enrolled': () => logIn(twoFApi, new TestClient('stranger')),
      suspended: () => logIn(twoFApi, sue),
    };
    for (const [name, attempt] of Object.entries(attempts)) assert.equal(await worked(attempt), 1, name);
  } finally {
    hook.disable();
  }
});

test('a full set of used challenges says when to come back to who has a good proof, nothing to others, and forgets nothing', async () => {
  const store = memoryStore({ spentCapacity: 2 });
  const twoFApi = await serving(store);
  const alice = new TestClient('alice');
  await alice.enroll(store);
  const accepted = [await logIn(twoFApi, alice), await logIn(twoFApi, alice)];
  assert.deepEqual(accepted.map(({ response }) => response.status), [200, 200]);
  const { response } = await logIn(twoFApi, alice);
  assert.equal(response.status, 429);
  const seconds = Number(response.headers.get('retry-after'));
  assert(seconds >= 1 && seconds <= 120, String(seconds));
  assert.equal(((await response.json()) as { code: string }).code, 'throttled');
  for (const stranger of [new TestClient('stranger'), new TestClient('alice')]) {
    assert.equal((await logIn(twoFApi, stranger)).response.status, 401);
  }
  for (const { body } of accepted) assert.equal((await post(twoFApi, '/auth/zkp/verify', body)).status, 401);
});

test('refused proofs leave room for good ones', async () => {
  const store = memoryStore({ spentCapacity: 4 });
  const twoFApi = await serving(store);
  const alice = new TestClient('alice');
  await alice.enroll(store);
  for (let times = 0; times < 20; times += 1) {
    assert.equal((await logIn(twoFApi, alice, new TestClient('alice'))).response.status, 401);
  }
  assert.equal((await logIn(twoFApi, alice)).response.status, 200);
});

for (const library of ['redis', 'ioredis'] as const) {
  test(`a store that is gone is unavailable, and the reason is the operator's alone (${library})`, async () => {
    const server = await startRedis();
    const url = `redis://127.0.0.1:${server.port}`;
    const client =
      library === 'redis'
        ? await createClient({ url, disableOfflineQueue: true }).on('error', () => {}).connect()
        : new Redis(url, { maxRetriesPerRequest: 0 }).on('error', () => {});
    const errors: unknown[] = [];
    const store = redisStore(client as never);
    const twoFApi = await serving(store, (error) => errors.push(error));
    try {
      const alice = new TestClient('alice');
      await alice.enroll(store);
      const { response } = await logIn(twoFApi, alice);
      const { access_token } = (await response.json()) as { access_token: string };
      const open = await store.challenge('alice', BINDING);
      await server.stop();
      const challenged = await post(twoFApi, '/auth/zkp/challenge', { client_id: 'alice' });
      const refused = await post(twoFApi, '/auth/zkp/verify', {
        challenge_id: `${open.challengeId}.alice`,
        proof: hex(alice.proof(open)),
      });
      const protectedRoute = await twoFApi.authenticate(`Bearer ${access_token}`);
      assert(protectedRoute instanceof Response);
      for (const answer of [challenged, refused, protectedRoute]) {
        assert.equal(answer.status, 503);
        const text = await answer.text();
        assert.equal((JSON.parse(text) as { code: string }).code, 'unavailable');
        assert.doesNotMatch(text, /redis|ECONN|socket|127\.0\.0\.1/i);
      }
      assert.equal(errors.length, 3);
    } finally {
      if (client instanceof Redis) client.disconnect();
      else client.destroy();
      await server.stop();
    }
  });
}
