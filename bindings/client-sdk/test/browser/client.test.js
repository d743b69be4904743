// The client in Chromium against a real server: servers that lie, two tabs, stores that are refused, and
// where the secret is not.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { TwoFApi } from '@2fapi/client-sdk';

import { withMember } from '../shared/liar.js';
import { launch, launchProfile, listenTo } from './chromium.js';
import { startSite } from './site.js';

let browser;
let site;
let name = 0;
before(async () => {
  [browser, site] = [await launch(), await startSite()];
});
after(async () => {
  await browser?.close();
  await site?.stop();
});
beforeEach(() => site.reset());

const newName = () => `tab-${++name}`;
const hex = (text) => Buffer.from(text).toString('hex');

/** Runs it with a page of the one-file build, and a client in it. */
async function onPage(work, { context, url = site.url, clientId = newName() } = {}) {
  const own = context ?? (await browser.newContext());
  try {
    const page = await own.newPage();
    const heard = listenTo(page);
    await page.goto(`${url}/classic`);
    await begin(page, clientId);
    return await work({ page, heard, clientId, context: own });
  } finally {
    if (!context) await own.close();
  }
}

/** `client`, and `told(work)`, which gives what came or the code of what went wrong. */
const begin = (page, clientId) =>
  page.evaluate((clientId) => {
    globalThis.client = new TwoFApiClient({ baseUrl: location.origin, clientId });
    globalThis.told = (work) => work().then((value) => value ?? 'done', ({ name, code }) => `${name} ${code}`);
  }, clientId);

const enrol = async (page, clientId) => {
  const token = await site.server.invite(clientId);
  return page.evaluate((token) => client.enroll({ token }), token);
};

for (const [what, code, lie] of [
  ['a nonce of another length', 'bad_answer', (answer) => withMember(answer, 'nonce', (nonce) => nonce.slice(2))],
  ['the audience of another server', 'wrong_audience', (answer) => withMember(answer, 'channel_binding', hex('aud:https://bank.example'))],
  ['no audience', 'wrong_audience', (answer) => withMember(answer, 'channel_binding', '')],
  ["somebody else's challenge", 'bad_answer', (answer) => withMember(answer, 'challenge_id', (id) => `${id.slice(0, 28)}victim`)],
  ['a page of HTML', 'bad_answer', (answer) => ({ ...answer, body: '<html>' })],
  ['nothing at all', 'network', () => undefined],
  ['a redirect', 'network', (answer) => ({ ...answer, status: 307, headers: { location: '/auth/zkp/challenge?again' } })],
]) {
  test(`a server that answers a challenge with ${what} gets no proof from the browser`, () =>
    onPage(async ({ page, clientId }) => {
      await enrol(page, clientId);
      site.seen.length = 0;
      site.change = ({ path, answer }) => (path === '/auth/zkp/challenge' ? lie(answer) : answer);
      assert.equal(await page.evaluate(() => told(() => client.login())), `TwoFApiError ${code}`);
      assert.equal(await page.evaluate(() => told(() => client.rotate())), `TwoFApiError ${code}`);
      assert.deepEqual([...new Set(site.seen.map(({ path }) => path))], ['/auth/zkp/challenge']);
      site.change = undefined;
      assert.equal(await page.evaluate(async () => (await client.login()).clientId), clientId);
    }));
}

test('the credential is there after the page was loaded anew', () =>
  onPage(async ({ page, clientId }) => {
    const { commitment } = await enrol(page, clientId);
    await page.reload();
    await begin(page, clientId);
    assert.equal(await page.evaluate(() => client.commitment()), commitment);
    assert.equal(await page.evaluate(async () => (await client.login()).clientId), clientId);
    await page.evaluate(() => client.forget());
    assert.equal(await page.evaluate(() => told(() => client.login())), 'TwoFApiError no_credential');
  }));

test('two tabs that enrol at once enrol one credential, and both log in with it', () =>
  onPage(async ({ page, clientId, context }) => {
    await onPage(
      async ({ page: other }) => {
        const token = await site.server.invite(clientId);
        const tell = (tab) => tab.evaluate((token) => told(async () => (await client.enroll({ token })).commitment), token);
        const outcomes = await Promise.all([tell(page), tell(other)]);
        const { commitment } = await site.server.client(clientId);
        assert.deepEqual(outcomes.sort(), ['TwoFApiError credential_exists', commitment].sort());
        for (const tab of [page, other]) {
          assert.equal(await tab.evaluate(async () => (await client.login()).clientId), clientId);
        }
      },
      { context, clientId },
    );
  }));

test('two tabs that rotate at once rotate twice, one after the other, and lose nothing', () =>
  onPage(async ({ page, clientId, context }) => {
    await enrol(page, clientId);
    await onPage(
      async ({ page: other }) => {
        const tabs = [page, other];
        const rotated = await Promise.all(tabs.map((tab) => tab.evaluate(() => client.rotate())));
        assert.deepEqual(rotated.map(({ commitmentVersion }) => commitmentVersion).sort(), [2, 3]);
        const { commitment } = await site.server.client(clientId);
        for (const tab of tabs) {
          assert.equal(await tab.evaluate(() => client.commitment()), commitment);
          assert.equal(await tab.evaluate(async () => (await client.login()).clientId), clientId);
        }
      },
      { context, clientId },
    );
  }));

test('a tab that is closed in the middle of a rotation loses nothing', () =>
  onPage(async ({ page, clientId, context }) => {
    await enrol(page, clientId);
    await onPage(
      async ({ page: closing }) => {
        let arrived;
        const there = new Promise((resolve) => (arrived = resolve));
        let answer;
        const held = new Promise((resolve) => (answer = resolve));
        site.change = async (exchange) => {
          if (exchange.path !== '/auth/zkp/rotate') return exchange.answer;
          arrived();
          await held;
          return exchange.answer;
        };
        closing.evaluate(() => client.rotate()).catch(() => undefined);
        await there;
        await closing.close();
        answer();
      },
      { context, clientId },
    );
    // The server has the new one; this tab finds it beside the old one.
    assert.equal((await site.server.client(clientId)).commitment_version, 2);
    assert.equal(await page.evaluate(async () => (await client.login()).clientId), clientId);
    assert.equal(await page.evaluate(() => client.commitment()), (await site.server.client(clientId)).commitment);
  }));

test('where the browser refuses storage nothing is begun, and another store works', async () => {
  // The browser's own setting that sites may store nothing.
  const directory = mkdtempSync(join(tmpdir(), '2fapi-profile-'));
  mkdirSync(join(directory, 'Default'));
  writeFileSync(
    join(directory, 'Default', 'Preferences'),
    JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }),
  );
  const context = await launchProfile(directory);
  try {
    await onPage(
      async ({ page, clientId }) => {
        const token = await site.server.invite(clientId);
        const failure = await page.evaluate(
          (token) => client.enroll({ token }).catch(({ name, code, message }) => ({ name, code, message })),
          token,
        );
        assert.equal(failure.code, 'store_unavailable', JSON.stringify(failure));
        assert.match(failure.message, /nothing was kept\. Give another store, such as memoryStore\(\)/);
        assert.deepEqual(site.seen, []);
        const session = await page.evaluate(
          async ([clientId, token]) => {
            const store = TwoFApi.memoryStore();
            const other = new TwoFApiClient({ baseUrl: location.origin, clientId, store });
            await other.enroll({ token });
            return other.login();
          },
          [clientId, token],
        );
        assert.equal(session.clientId, clientId);
      },
      { context },
    );
  } finally {
    await context.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

/** Everything in this origin's IndexedDB and storages, bytes as hex. */
const storedIn = (page) =>
  page.evaluate(async () => {
    const settled = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const shown = (value) => {
      if (ArrayBuffer.isView(value)) return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
      if (value instanceof CryptoKey) return `key ${value.algorithm.name} extractable=${value.extractable}`;
      return JSON.stringify(value);
    };
    const found = { indexedDB: [], exported: [] };
    for (const { name } of await indexedDB.databases()) {
      const database = await settled(indexedDB.open(name));
      for (const store of database.objectStoreNames) {
        const objects = database.transaction(store).objectStore(store);
        for (const value of await settled(objects.getAll())) {
          found.indexedDB.push(shown(value));
          if (!(value instanceof CryptoKey)) continue;
          const way = (format) => crypto.subtle.exportKey(format, value).then(() => 'exported', ({ name }) => name);
          found.exported.push(await way('raw'), await way('jwk'));
        }
      }
      database.close();
    }
    found.local = JSON.stringify({ ...localStorage });
    found.session = JSON.stringify({ ...sessionStorage });
    found.cookie = document.cookie;
    found.url = location.href;
    found.history = JSON.stringify(history.state);
    found.caches = (await caches.keys()).join();
    found.text = document.documentElement.outerHTML;
    return found;
  });

test('the secret is in no storage, address, request, console, error or exception', () =>
  onPage(async ({ page, heard, clientId, context }) => {
    const phrases = [await TwoFApi.generatePhrase(), await TwoFApi.generatePhrase()];
    const credentials = await Promise.all(phrases.map((phrase) => TwoFApi.generateCredential({ phrase, audience: site.url })));
    const token = await site.server.invite(clientId);
    // All that a client does, and all that goes wrong with it, on both engines.
    const failures = await page.evaluate(
      async ([phrases, credentials, token, clientId]) => {
        const failures = [];
        const fails = async (work) => {
          try {
            await work();
            failures.push('nothing failed');
          } catch (error) {
            for (let at = error; at instanceof Error; at = at.cause) {
              failures.push([at.name, at.code, at.message, at.stack, JSON.stringify(at), String(at)].join('\n'));
            }
            console.log(error);
          }
        };
        const [{ secret, blinding }, other] = credentials;
        const [phrase, next] = phrases;
        await client.enroll({ token, phrase });
        await fails(() => client.enroll({ token, phrase }));
        await client.login();
        await fails(() => client.recover({ phrase }));
        await client.rotate({ phrase: next });
        await client.login();
        await client.forget();
        await fails(() => client.recover({ phrase }));
        await fails(() => client.recover({ phrase: `${next} abandon` }));
        await fails(() => client.recover({ phrase: next.replace(/\w+$/, 'abandonn') }));
        await client.recover({ phrase: next });
        await fails(() => client.fetch('https://elsewhere.example/'));
        const nonce = '00'.repeat(16);
        for (const engine of ['wasm', 'noble']) {
          TwoFApi.configure({ engine, clientId, audience: location.origin });
          await TwoFApi.generateProof(secret, blinding, nonce);
          await fails(() => TwoFApi.generateProof(secret + '00', blinding, nonce));
          await fails(() => TwoFApi.generateProof(secret, blinding.slice(1), nonce));
          await fails(() => TwoFApi.generateProof(secret, other.blinding, nonce.slice(2)));
          await fails(() => TwoFApi.generateProof(secret, blinding, nonce, { clientId: 'a b' }));
          await fails(() => TwoFApi.generateProof(secret, blinding, nonce, { channelBinding: 'x'.repeat(2000) }));
          await fails(() => TwoFApi.generateRotationProof(secret, blinding, nonce, `${secret.slice(0, 62)}ff`));
          await fails(() => TwoFApi.generateEnrollmentProof(`${secret.slice(0, 62)}ff`, blinding));
          await fails(() => TwoFApi.generateCredential({ phrase: `${phrase} x` }));
        }
        // Not waited for: an error that nobody catches ends in the console.
        void TwoFApi.generateProof(secret, `${blinding}00`, nonce);
        void client.recover({ phrase });
        return failures;
      },
      [phrases, credentials, token, clientId],
    );
    assert.ok(!failures.includes('nothing failed'), failures.join('\n\n'));
    for (let wait = 0; wait < 100 && heard.errors.length < 2; wait++) await page.waitForTimeout(20);
    assert.equal(heard.errors.length, 2);
    const found = await storedIn(page);
    // There are records, so that what is not among them was looked for in the right place.
    assert.ok(found.indexedDB.some((value) => /^[0-9a-f]{180,}$/.test(value)), JSON.stringify(found.indexedDB));
    assert.ok(found.indexedDB.includes('key AES-GCM extractable=false'));
    assert.deepEqual(found.exported, ['InvalidAccessError', 'InvalidAccessError']);
    assert.ok(heard.bodies.some((body) => body.includes('"proof"')));
    const cookies = await context.cookies();
    const places = {
      ...found,
      failures,
      cookies,
      console: heard.console,
      errors: heard.errors,
      requests: heard.requests,
      bodies: heard.bodies,
      server: site.server.log(),
    };
    const base64 = (text) => Buffer.from(text, 'hex').toString('base64').slice(0, 40);
    const secrets = [
      // A part is as bad as the whole.
      ...credentials.flatMap(({ secret, blinding }) => [secret, blinding].flatMap((text) => [text.slice(2, 34), text.slice(30, 62), base64(text)])),
      ...credentials.map(({ secret }) => [...Buffer.from(secret, 'hex')].slice(0, 12).join()),
      ...phrases,
      ...phrases.map((phrase) => phrase.split(' ').slice(0, 3).join(' ')),
    ];
    for (const [place, contents] of Object.entries(places)) {
      const text = typeof contents === 'string' ? contents : JSON.stringify(contents);
      for (const secret of secrets) assert.ok(!text.toLowerCase().includes(secret.toLowerCase()), `a secret is in ${place}`);
      // The last three words of what was mistyped, too.
      for (const phrase of phrases) assert.ok(!text.includes(phrase.split(' ').slice(-4, -1).join(' ')), `words are in ${place}`);
    }
    assert.deepEqual([found.local, found.session, found.cookie, cookies.length], ['{}', '{}', '', 0]);
  }));

test("a passkey's key opens the store, and another passkey's does not", async () => {
  // Passkeys belong to names, never to addresses.
  const url = site.url.replace('127.0.0.1', 'localhost');
  await onPage(
    async ({ page, clientId, context }) => {
      const devtools = await context.newCDPSession(page);
      await devtools.send('WebAuthn.enable');
      await devtools.send('WebAuthn.addVirtualAuthenticator', {
        options: {
          protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true,
          hasUserVerification: true, isUserVerified: true, hasPrf: true, automaticPresenceSimulation: true,
        },
      });
      const token = await site.server.invite(clientId);
      const seen = await page.evaluate(
        async ([token, clientId, audience]) => {
          const { createPasskey, passkeyStore, indexedDbStore } = TwoFApi;
          const options = { baseUrl: location.origin, audience, clientId };
          const passkey = await createPasskey({ rpName: '2FApi', userName: clientId });
          const first = new TwoFApiClient({ ...options, store: passkeyStore(indexedDbStore(), passkey) });
          await first.enroll({ token });
          await first.login();
          // As after a reload: another object, which asks the passkey anew.
          const again = new TwoFApiClient({ ...options, store: passkeyStore(indexedDbStore(), passkey) });
          const session = await again.login();
          const other = await createPasskey({ rpName: '2FApi', userName: clientId });
          const stranger = new TwoFApiClient({ ...options, store: passkeyStore(indexedDbStore(), other) });
          const bare = new TwoFApiClient(options);
          const code = (client) => client.login().then(() => 'logged in', (error) => error.code);
          return [session.clientId, await code(stranger), await code(bare)];
        },
        [token, clientId, site.url],
      );
      assert.deepEqual(seen, [clientId, 'wrong_key', 'store_unavailable']);
    },
    { url },
  );
});

test('an authenticator that computes no keys is an error that says so', async () => {
  const url = site.url.replace('127.0.0.1', 'localhost');
  await onPage(
    async ({ page, context }) => {
      const devtools = await context.newCDPSession(page);
      await devtools.send('WebAuthn.enable');
      await devtools.send('WebAuthn.addVirtualAuthenticator', {
        options: {
          protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
          isUserVerified: true, automaticPresenceSimulation: true,
        },
      });
      const failure = await page.evaluate(() =>
        TwoFApi.createPasskey({ rpName: '2FApi', userName: 'alice' }).catch(({ code, message }) => `${code}: ${message}`),
      );
      assert.match(failure, /^store_unavailable: .*WebAuthn PRF/);
    },
    { url },
  );
});

test('a passphrase by Argon2id seals the store, also where WebAssembly is refused', () =>
  onPage(async ({ page, clientId }) => {
    const token = await site.server.invite(clientId);
    const seen = await page.evaluate(
      async ([token, clientId]) => {
        const { passphraseStore, indexedDbStore } = TwoFApi;
        const cost = { memoryKib: 256, passes: 1, lanes: 1 };
        const under = (passphrase) =>
          new TwoFApiClient({ baseUrl: location.origin, clientId, engine: 'noble', store: passphraseStore(indexedDbStore(), () => passphrase, cost) });
        await under('correct horse').enroll({ token });
        const wrong = await told(() => under('battery staple').login());
        delete globalThis.WebAssembly;
        return [wrong, (await under('correct horse').login()).clientId];
      },
      [token, clientId],
    );
    assert.deepEqual(seen, ['TwoFApiError wrong_key', clientId]);
  }));
