// Stores that come from outside: whatever holds bytes is taken, and what a store does cannot lose a credential.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import vm from 'node:vm';

import { TwoFApi, TwoFApiClient, engineOf, memoryStore, passkeyStore, passphraseStore } from '@2fapi/client-sdk';

import { fails } from '../shared/assertions.js';
import { startServer } from '../shared/server.js';

let server;
let name = 0;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

const CHEAP = { memoryKib: 64, passes: 1, lanes: 1 };
const realm = vm.createContext({});

/** A store that keeps base64 texts and answers with what `shaped` makes of their bytes. */
function textStore(shaped = (bytes) => bytes) {
  const texts = new Map();
  const given = [];
  return {
    texts,
    given,
    get: async (key) => {
      if (!texts.has(key)) return undefined;
      const answer = shaped(Buffer.from(texts.get(key), 'base64'));
      given.push([answer, texts.get(key)]);
      return answer;
    },
    put: async (key, record) => void texts.set(key, Buffer.from(record).toString('base64')),
    delete: async (key) => void texts.delete(key),
  };
}

const exact = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const foreign = (bytes, code) => {
  realm.numbers = [...bytes];
  return vm.runInContext(code, realm);
};
const textOf = (answer) =>
  (ArrayBuffer.isView(answer) ? Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength) : Buffer.from(answer)).toString('base64');

const SHAPES = {
  'a pooled Buffer': (bytes) => bytes,
  'a view into a larger buffer': (bytes) => {
    const larger = new Uint8Array(bytes.length + 20).fill(7);
    larger.set(bytes, 9);
    return larger.subarray(9, 9 + bytes.length);
  },
  'an ArrayBuffer': exact,
  'a DataView': (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  'an Int8Array': (bytes) => new Int8Array(exact(bytes)),
  'bytes of another realm': (bytes) => foreign(bytes, 'Uint8Array.from(numbers)'),
  'an ArrayBuffer of another realm': (bytes) => foreign(bytes, 'Uint8Array.from(numbers).buffer'),
};

for (const [what, shaped] of Object.entries(SHAPES)) {
  for (const sealed of [false, true]) {
    test(`a store may answer with ${what}${sealed ? ', under a passphrase' : ''}: nothing is lost, and what it gave stays as it was`, async () => {
      const store = textStore(shaped);
      const clientId = `store-${++name}`;
      const client = new TwoFApiClient({
        baseUrl: server.url,
        clientId,
        store: sealed ? passphraseStore(store, () => 'correct horse', CHEAP) : store,
      });
      await client.enroll({ token: await server.invite(clientId) });
      await client.login();
      await client.rotate();
      await client.login();
      assert.equal((await server.client(clientId)).commitment, await client.commitment());
      assert.ok(store.given.length > 4);
      for (const [answer, text] of store.given) assert.equal(textOf(answer), text);
    });
  }
}

test('a store on the file system, which answers with Buffers, keeps the credential that is enrolled', async () => {
  const directory = mkdtempSync(join(tmpdir(), '2fapi-store-'));
  try {
    const file = join(directory, 'credential');
    const store = {
      get: () => readFile(file).catch(({ code }) => assert.equal(code, 'ENOENT')),
      put: (_, record) => writeFile(file, record, { mode: 0o600 }),
      delete: () => rm(file),
    };
    const clientId = `store-${++name}`;
    const client = new TwoFApiClient({ baseUrl: server.url, clientId, store });
    await client.enroll({ token: await server.invite(clientId) });
    await client.login();
    const engine = await engineOf('noble');
    const commitment = Buffer.from(engine.commitment(readFileSync(file).subarray(2))).toString('hex');
    assert.equal((await server.client(clientId)).commitment, commitment);
    await client.rotate();
    await client.login();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a store may keep and give the very array that it was given', async () => {
  const records = new Map();
  const store = {
    get: async (key) => records.get(key) ?? null,
    put: async (key, record) => void records.set(key, record),
    delete: async (key) => void records.delete(key),
  };
  const clientId = `store-${++name}`;
  const client = new TwoFApiClient({ baseUrl: server.url, clientId, store });
  await client.enroll({ token: await server.invite(clientId) });
  await client.login();
  await client.rotate();
  await client.login();
  assert.ok(await client.hasCredential());
  assert.ok(records.get(`${server.url} ${clientId}`).some((byte) => byte > 1));
});

test('a wrapper that keeps what memoryStore or passphraseStore gave loses nothing', async () => {
  const inner = passphraseStore(memoryStore(), () => 'correct horse', CHEAP);
  const cache = new Map();
  const store = {
    get: async (key) => {
      if (!cache.has(key)) cache.set(key, await inner.get(key));
      return cache.get(key);
    },
    put: async (key, record) => {
      cache.delete(key);
      await inner.put(key, record);
    },
    delete: (key) => inner.delete(key),
  };
  const clientId = `store-${++name}`;
  const client = new TwoFApiClient({ baseUrl: server.url, clientId, store });
  await client.enroll({ token: await server.invite(clientId) });
  await client.login();
  await client.login();
  await client.rotate();
  await client.login();
});

/** A client whose requests are counted and refused. */
function unheard(store) {
  const asked = [];
  const client = new TwoFApiClient({
    baseUrl: server.url,
    clientId: `store-${++name}`,
    store,
    fetch: async (input) => {
      asked.push(String(input));
      throw new TypeError('not to be asked');
    },
  });
  return { client, asked };
}

const good = (bytes) => ({ get: async () => bytes, put: async () => assert.fail('overwritten'), delete: async () => assert.fail('deleted') });

test('what is no record is an error of the store, overwrites nothing, and nothing is sent', async () => {
  const record = Buffer.alloc(66, 1);
  const tooMany = Buffer.concat([Buffer.of(1, 0), Buffer.alloc(64 * 7, 1)]);
  for (const answer of ['text', '', 0, false, {}, [1, 2], Buffer.alloc(0), new ArrayBuffer(0), new SharedArrayBuffer(66), Buffer.alloc(1025, 1), record.subarray(1), Buffer.of(1, 4, ...record.subarray(2)), Buffer.of(2, 1, ...record.subarray(2)), Buffer.of(1, 1), tooMany]) {
    for (const store of [good(answer), passphraseStore(good(answer), () => 'x', CHEAP)]) {
      const { client, asked } = unheard(store);
      for (const work of [() => client.login(), () => client.enroll({ token: 'x' }), () => client.rotate(), () => client.hasCredential(), () => client.commitment()]) {
        await assert.rejects(work, ({ code }) => ['store_unavailable', 'wrong_key', 'invalid_argument'].includes(code), String(answer));
      }
      assert.deepEqual(asked, []);
    }
    await fails(unheard(good(answer)).client.login(), 'store_unavailable');
  }
});

test("a store's own failure is store_unavailable, with its cause", async () => {
  const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  const denial = Object.assign(new Error('as if a server had said it'), { code: 'denied', status: 401 });
  const none = async () => undefined;
  for (const error of [cause, denial]) {
    const throws = () => {
      throw error;
    };
    for (const failing of [throws, async () => throws()]) {
      for (const [store, work] of [
        [{ get: failing, put: none, delete: none }, (client) => client.login()],
        [{ get: none, put: failing, delete: none }, (client) => client.enroll({ token: 'x' })],
        [{ get: none, put: none, delete: failing }, (client) => client.forget()],
        [passphraseStore(memoryStore(), failing, CHEAP), (client) => client.enroll({ token: 'x' })],
      ]) {
        const { client, asked } = unheard(store);
        const failure = await work(client).catch((error) => error);
        assert.equal(failure.code, 'store_unavailable', failure.stack);
        assert.equal(failure.cause, error);
        assert.deepEqual(asked, []);
      }
    }
  }
});

test('a store that does not give back what it was given is found out before a server hears of a credential', async () => {
  const none = async () => undefined;
  const changes = textStore((bytes) => Buffer.concat([bytes.subarray(0, 2), bytes.subarray(2).reverse()]));
  for (const store of [{ get: none, put: none, delete: none }, changes, passphraseStore(changes, () => 'x', CHEAP)]) {
    const { client, asked } = unheard(store);
    await fails(client.enroll({ token: 'x' }), 'store_unavailable', /does not give back/);
    assert.deepEqual(asked, []);
  }
});

test('what cannot be a store, a passphrase or the id of a passkey is refused when it is given', async () => {
  const whole = memoryStore();
  for (const store of [{}, { ...whole, delete: undefined }, 'memory', 5, { ...whole, get: 'get' }]) {
    assert.throws(() => new TwoFApiClient({ baseUrl: server.url, store }), { code: 'invalid_argument' });
    assert.throws(() => passphraseStore(store, () => 'x'), { code: 'invalid_argument' });
    assert.throws(() => passkeyStore(store, new Uint8Array(16)), { code: 'invalid_argument' });
  }
  for (const id of [undefined, '', 'aWQ', new Uint8Array(0), new ArrayBuffer(0), [1, 2], new Uint8Array(1024)]) {
    assert.throws(() => passkeyStore(whole, id), { code: 'invalid_argument' });
  }
  assert.throws(() => passphraseStore(whole, 'correct horse'), { code: 'invalid_argument' });
  for (const passphrase of [undefined, null, 5, '', {}]) {
    const { client } = unheard(passphraseStore(memoryStore(), () => passphrase, CHEAP));
    await fails(client.enroll({ token: 'x' }), 'invalid_argument', /passphrase/);
  }
});

for (const kind of ['wasm', 'noble']) {
  test(`what is no bytes never counts as no bytes: on ${kind}`, async () => {
    const { secret, blinding } = await TwoFApi.generateCredential();
    TwoFApi.configure({ engine: kind });
    const nonce = '00'.repeat(16);
    const engine = await engineOf(kind);
    const credential = Buffer.from(secret + blinding, 'hex');
    const commitment = engine.commitment(credential);
    const audience = new TextEncoder().encode('aud:https://api.example.com');
    const bytes = new Uint8Array(Buffer.from(nonce, 'hex'));
    const shapes = [audience, audience.buffer, foreign(audience, 'Uint8Array.from(numbers).buffer'), new DataView(audience.buffer)];
    for (const channelBinding of shapes) {
      const hex = await TwoFApi.generateProof(secret, blinding, nonce, { clientId: 'alice', channelBinding });
      const proof = Buffer.from(hex, 'hex');
      assert.ok(engine.verifyAuthentication(commitment, 'alice', bytes, audience, proof));
      assert.ok(!engine.verifyAuthentication(commitment, 'alice', bytes, new Uint8Array(0), proof));
      assert.ok(engine.verifyAuthentication(exact(Buffer.from(commitment)), 'alice', bytes.buffer, channelBinding, exact(Buffer.from(proof))));
    }
    for (const nothing of [{}, [1, 2], 5, null, new SharedArrayBuffer(4)]) {
      await fails(TwoFApi.generateProof(secret, blinding, nonce, { clientId: 'alice', channelBinding: nothing }), 'invalid_argument');
      assert.throws(() => engine.proveAuthentication(credential, 'alice', bytes, nothing), { code: 'invalid_argument' });
      assert.throws(() => engine.recover(nothing), { code: 'invalid_argument' });
    }
    assert.throws(() => engine.checkClientId(5), { code: 'invalid_client_id' });
    TwoFApi.configure({ engine: undefined });
  });
}
