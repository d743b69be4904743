// Keys that change: those that sign tokens, and those that challenges are computed from.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { SignJWT, createLocalJWKSet, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify, type JSONWebKeySet } from 'jose';

import { createTwoFApi, generateSigningKey, memoryStore, storeOver, type Epoch, type Kept, type Records, type TwoFApi } from '../src/index.js';
import { AUDIENCE, BINDING, TestClient, enrollBody, loggedIn, type Post } from './client.js';

const HOUR = 3600;
/** An hour begins. */
const START = 500_000 * HOUR;

function at<T>(unixSeconds: number, work: () => Promise<T>): Promise<T> {
  mock.timers.enable({ apis: ['Date'], now: unixSeconds * 1000 });
  return work().finally(() => mock.timers.reset());
}

const poster =
  (twoFApi: TwoFApi): Post =>
  async (path, body) => {
    const headers = { 'Content-Type': 'application/json' };
    const request = new Request(`http://localhost${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const answer = await twoFApi.handle(request);
    assert(answer);
    return answer;
  };

const keySet = async (twoFApi: TwoFApi): Promise<JSONWebKeySet> => {
  const answer = await twoFApi.handle(new Request('http://localhost/.well-known/jwks.json'));
  return (await answer?.json()) as JSONWebKeySet;
};

const isGood = async (twoFApi: TwoFApi, token: string): Promise<boolean> =>
  !((await twoFApi.authenticate(`Bearer ${token}`)) instanceof Response);

const common = { audience: AUDIENCE, mayEnroll: () => true, limits: false } as const;

test('a token says from when on it is good, and is not good before', async () => {
  const signingKey = await generateSigningKey();
  const twoFApi = await createTwoFApi({ ...common, store: memoryStore(), signingKey });
  const alice = new TestClient('alice');
  await poster(twoFApi)('/auth/zkp/enroll', enrollBody(alice));
  const token = await loggedIn(alice, poster(twoFApi));
  const claims = decodeJwt(token);
  assert.equal(claims.nbf, claims.iat);
  await jwtVerify(token, createLocalJWKSet(await keySet(twoFApi)), {
    algorithms: ['EdDSA'],
    requiredClaims: ['nbf', 'exp', 'iss', 'aud'],
  });
  const signed = async (changes: object, said: object = {}): Promise<string> => {
    const header = { ...decodeProtectedHeader(token), alg: 'EdDSA', ...said };
    return new SignJWT({ ...claims, ...changes }).setProtectedHeader(header).sign(await importJWK(signingKey, 'EdDSA'));
  };
  assert.equal(await isGood(twoFApi, await signed({})), true);
  for (const changes of [
    { nbf: (claims.iat ?? 0) + 60 },
    { nbf: undefined },
    { exp: (claims.iat ?? 0) - 1 },
    { ver: undefined },
    { ver: '1' },
    { ver: 2 },
    { ver: -1 },
    { ver: 2 ** 32 },
    { gen: '0' },
    { gen: 0.5 },
    { cred: 1 },
    { cred: '' },
    { cred: String(claims['cred']).toUpperCase() },
    { aud: [AUDIENCE] },
    { aud: `${AUDIENCE}/` },
    { sub: 'bob' },
    { cnf: { jkt: 'A'.repeat(43) } },
    { cnf: null },
    { sid: claims.jti },
  ]) {
    assert.equal(await isGood(twoFApi, await signed(changes)), false, JSON.stringify(changes));
  }
  for (const typ of ['application/at+jwt', 'JWT', undefined]) {
    assert.equal(await isGood(twoFApi, await signed({}, { typ })), false, String(typ));
  }
});

test('one signing key takes over from another, and no token and no reader of the key set notices', async () => {
  const [old, next] = [await generateSigningKey(), await generateSigningKey()];
  const store = memoryStore();
  const alice = new TestClient('alice');
  const signingKeys = [
    { key: next, signsFrom: START + HOUR },
    { key: old, signsFrom: 0 },
  ];
  const { twoFApi, before } = await at(START, async () => {
    const made = await createTwoFApi({ ...common, store, signingKeys });
    await poster(made)('/auth/zkp/enroll', enrollBody(alice));
    const token = await loggedIn(alice, poster(made));
    const { keys } = await keySet(made);
    assert.deepEqual(keys.map(({ x }) => x), [old.x, next.x]);
    return { twoFApi: made, before: token };
  });
  const last = await at(START + HOUR - 1, () => loggedIn(alice, poster(twoFApi)));
  assert.equal(decodeProtectedHeader(last).kid, decodeProtectedHeader(before).kid);
  await at(START + HOUR, async () => {
    const token = await loggedIn(alice, poster(twoFApi));
    assert.notEqual(decodeProtectedHeader(token).kid, decodeProtectedHeader(last).kid);
    assert.equal(await isGood(twoFApi, token), true);
    assert.equal(await isGood(twoFApi, last), true);
    // Whoever has the key set reads both.
    for (const each of [token, last]) await jwtVerify(each, createLocalJWKSet(await keySet(twoFApi)));
  });
  await at(START + HOUR + 900, async () => {
    assert.equal(await isGood(twoFApi, last), false);
    assert.deepEqual((await keySet(twoFApi)).keys.map(({ x }) => x), [next.x]);
  });
  // A key that was taken off the list is nobody's any more.
  await at(START + HOUR + 1, async () => {
    const without = await createTwoFApi({ ...common, store, signingKeys: [{ key: next, signsFrom: START + HOUR }] });
    assert.equal(await isGood(without, last), false);
  });
});

test('a list of signing keys that cannot be right is refused', async () => {
  const key = await generateSigningKey();
  const other = await generateSigningKey();
  const now = Math.floor(Date.now() / 1000);
  const make = (options: object) => createTwoFApi({ ...common, store: memoryStore(), ...options });
  await make({ signingKeys: [{ key, signsFrom: 0 }] });
  for (const options of [
    {},
    { signingKey: key, signingKeys: [{ key, signsFrom: 0 }] },
    { signingKeys: [] },
    { signingKeys: key },
    { signingKeys: [key] },
    { signingKeys: [{ key }] },
    { signingKeys: [{ key, signsFrom: '0' }] },
    { signingKeys: [{ key, signsFrom: now + HOUR }] },
    { signingKeys: [{ key, signsFrom: 0 }, { key, signsFrom: 1 }] },
    { signingKeys: [{ key, signsFrom: 0 }, { key: other, signsFrom: 0 }] },
    { signingKey: { ...key, x: other.x } },
    { signingKey: { ...key, d: undefined } },
    { signingKey: 'key' },
  ]) {
    await assert.rejects(make(options), TypeError, JSON.stringify(Object.keys(options)));
  }
  // Nothing of the key itself is in the error.
  await assert.rejects(make({ signingKey: { ...key, d: 'c2VjcmV0' } }), (error: Error) => !error.message.includes('c2VjcmV0'));
});

/** Records of one client that count how often an epoch was drawn, and that can lose what was accepted. */
function counting(): { records: Records; drawn(): number; lose(): void } {
  const kept = new Map<string, Kept>();
  const accepted = new Set<string>();
  let epochs = 0;
  let at: Omit<Epoch, 'now'> | undefined;
  const records: Records = {
    redeems: false,
    epoch: async () => {
      if (at === undefined) {
        at = { epoch: crypto.getRandomValues(new Uint8Array(16)), root: crypto.getRandomValues(new Uint8Array(32)) };
        epochs += 1;
      }
      return { ...at, now: Math.floor(Date.now() / 1000) };
    },
    find: async (id) => kept.get(id),
    insert: async (id, record) => {
      kept.set(id, { record });
      return 'inserted';
    },
    replace: async () => 'changed',
    pending: async () => undefined,
    offer: async () => {},
    join: async () => false,
    accept: async ({ spend }) => {
      if (at === undefined || !Buffer.from(spend.epoch).equals(at.epoch)) return 'stale_epoch';
      const name = Buffer.from(spend.key).toString('hex');
      if (accepted.has(name)) return 'spent';
      accepted.add(name);
      return 'done';
    },
  };
  const lose = (): void => {
    accepted.clear();
    at = undefined;
  };
  return { records, drawn: () => epochs, lose };
}

test('challenges are of an epoch, and with what was accepted in it they are all dead', async () => {
  const { records, drawn, lose } = counting();
  const store = storeOver(records);
  const alice = new TestClient('alice');
  await alice.enroll(store);
  const [used, open] = [await store.challenge('alice', BINDING), await store.challenge('alice', BINDING)];
  assert.equal((await alice.answer(store, used)).outcome, 'accepted');
  lose();
  for (const challenge of [used, open]) assert.equal((await alice.answer(store, challenge)).outcome, 'denied');
  assert.equal((await alice.logIn(store)).outcome, 'accepted');
  assert.equal(drawn(), 2);
});

test('an epoch that ends between verification and step takes the attempt with it', async () => {
  const { records, lose } = counting();
  const store = storeOver({
    ...records,
    accept: async (acceptance) => {
      lose();
      return records.accept(acceptance);
    },
  });
  const alice = new TestClient('alice');
  await alice.enroll(store);
  assert.equal((await alice.logIn(store)).outcome, 'denied');
});

test('a challenge lives for its time by the clock of the store, whatever that of the process says', async () => {
  const { records } = counting();
  let now = START;
  const store = storeOver({ ...records, epoch: async (id) => ({ ...(await records.epoch(id)), now }) });
  const alice = new TestClient('alice');
  await alice.enroll(store);
  const [first, second] = [await store.challenge('alice', BINDING), await store.challenge('alice', BINDING)];
  assert.equal(first.expiresAt, START + 120);
  now = START + 119;
  assert.equal((await alice.answer(store, first)).outcome, 'accepted');
  now = START + 120;
  assert.equal((await alice.answer(store, second)).outcome, 'denied');
});

test('no stranger has keys drawn for times to come', async () => {
  const { records, drawn } = counting();
  const store = storeOver(records);
  const alice = new TestClient('alice');
  await alice.enroll(store);
  const real = await store.challenge('alice', BINDING);
  for (const expiry of ['00000000', 'ffffffff', (real.expiresAt + 2 * HOUR).toString(16).padStart(8, '0')]) {
    const challenge = { ...real, challengeId: `ch-${expiry}0123456789abcdef` };
    assert.equal((await alice.answer(store, challenge)).outcome, 'denied');
  }
  assert.equal(drawn(), 1);
});
