// The stores of browsers against what surrounds them: other tabs that hold the database, bytes of other realms.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { launch } from './chromium.js';
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

/** Tabs of one browser, each with the one-file build, `client`, and `told`, which gives what came or the code. */
async function withTabs(count, work, url = site.url) {
  const context = await browser.newContext();
  try {
    const clientId = `place-${++name}`;
    const tabs = [];
    for (let i = 0; i < count; i++) {
      const page = await context.newPage();
      await page.goto(`${url}/classic`);
      await page.evaluate(
        ([clientId, audience]) => {
          globalThis.options = { baseUrl: location.origin, audience, clientId };
          globalThis.client = new TwoFApiClient(options);
          globalThis.told = (work) => work().then((value) => value ?? 'done', ({ code, message }) => `${code}: ${message}`);
        },
        [clientId, site.url],
      );
      tabs.push(page);
    }
    return await work(tabs, await site.server.invite(clientId), context);
  } finally {
    await context.close();
  }
}

/** Holds the database open, as a tab does that does not hear of a change of its version. */
const hold = (page, version) =>
  page.evaluate(
    (version) =>
      new Promise((resolve, reject) => {
        const request = indexedDB.open('2fapi', version);
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          globalThis.held = request.result;
          resolve();
        };
      }),
    version,
  );

test('a database that another tab keeps from opening is an error in time, and good again when it is let go', () =>
  withTabs(3, async ([page, holder, deleter], token) => {
    await page.evaluate((token) => client.enroll({ token }), token);
    await hold(holder);
    // This waits for the holder, and whoever opens waits for this.
    await deleter.evaluate(() => {
      const request = indexedDB.open('2fapi', 2);
      globalThis.changed = new Promise((resolve) => {
        request.onupgradeneeded = () => request.transaction.abort();
        request.onerror = resolve;
      });
    });
    for (const call of ['login', 'hasCredential', 'rotate']) {
      const began = Date.now();
      assert.match(await page.evaluate((call) => told(() => client[call]()), call), /^store_unavailable: IndexedDB does not answer.*another tab/);
      assert.ok(Date.now() - began < 8000);
    }
    await holder.evaluate(() => held.close());
    await deleter.evaluate(() => changed);
    assert.equal(await page.evaluate(async () => (await client.login()).clientId), await page.evaluate(() => client.clientId));
    // What opened too late is in nobody's way.
    assert.equal(await deleter.evaluate(() => new Promise((resolve) => {
      const request = indexedDB.deleteDatabase('2fapi');
      request.onsuccess = () => resolve('deleted');
      request.onblocked = () => resolve('blocked');
    })), 'deleted');
  }));

test('a database of a newer version says to load the page anew', () =>
  withTabs(2, async ([page, other]) => {
    await hold(other, 7);
    await other.evaluate(() => held.close());
    assert.match(await page.evaluate(() => told(() => client.hasCredential())), /^store_unavailable: .*load the page anew/);
  }));

const virtual = {
  protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true,
  hasUserVerification: true, isUserVerified: true, hasPrf: true, automaticPresenceSimulation: true,
};

test("a passkey's bytes of another realm make its own key, and what is no key, or too short, opens nothing", () =>
  withTabs(
    1,
    async ([page], token, context) => {
      const devtools = await context.newCDPSession(page);
      await devtools.send('WebAuthn.enable');
      await devtools.send('WebAuthn.addVirtualAuthenticator', { options: virtual });
      const seen = await page.evaluate(async (token) => {
        const { createPasskey, passkeyStore, indexedDbStore } = TwoFApi;
        const frame = document.createElement('iframe');
        document.body.append(frame);
        const theirs = frame.contentWindow;
        const get = navigator.credentials.get.bind(navigator.credentials);
        /** The browser answers with what `shaped` makes of the real output, as an extension of it may. */
        const answers = (shaped) => {
          Object.defineProperty(navigator.credentials, 'get', {
            configurable: true,
            value: async (asked) => {
              const made = await get(asked);
              const { first } = made.getClientExtensionResults().prf.results;
              return { rawId: made.rawId, getClientExtensionResults: () => ({ prf: { results: { first: shaped(new Uint8Array(first)) } } }) };
            },
          });
        };
        const other = (bytes) => theirs.Uint8Array.from(bytes);
        const passkeys = [];
        for (const userName of ['one', 'two']) passkeys.push(await createPasskey({ rpName: '2FApi', userName }));
        const code = (passkey) => {
          const client = new TwoFApiClient({ ...options, store: passkeyStore(indexedDbStore(), passkey) });
          return client.login().then(() => 'in', (error) => error.code);
        };
        const [own, stranger] = passkeys;
        answers((bytes) => other(bytes).buffer);
        await new TwoFApiClient({ ...options, store: passkeyStore(indexedDbStore(), own) }).enroll({ token });
        const outcomes = [];
        for (const shaped of [
          (bytes) => bytes.buffer,
          (bytes) => bytes,
          (bytes) => other(bytes).buffer,
          (bytes) => other(bytes),
          (bytes) => new DataView(bytes.buffer),
          (bytes) => other([0, ...bytes]).subarray(1),
        ]) {
          answers(shaped);
          outcomes.push(await code(own), await code(stranger));
        }
        const refused = [];
        for (const shaped of [
          () => new ArrayBuffer(0),
          () => new theirs.ArrayBuffer(0),
          (bytes) => bytes.slice(0, 31),
          () => ({}),
          (bytes) => ({ byteLength: 32, buffer: bytes.buffer }),
          (bytes) => [...bytes],
          (bytes) => String(bytes),
          () => undefined,
          () => null,
          (bytes) => structuredClone(bytes.buffer, { transfer: [bytes.buffer] }) && bytes,
        ]) {
          answers(shaped);
          refused.push(await code(own), await code(stranger));
        }
        // Whoever answers in the place of the passkey that was asked has the right bytes, and another id.
        Object.defineProperty(navigator.credentials, 'get', {
          configurable: true,
          value: (asked) => {
            asked.publicKey.allowCredentials[0].id = own;
            return get(asked);
          },
        });
        return [outcomes, refused, [await code(own), await code(stranger)]];
      }, token);
      assert.deepEqual(seen[0], Array(6).fill(['in', 'wrong_key']).flat());
      assert.deepEqual(seen[1], Array(20).fill('store_unavailable'));
      assert.deepEqual(seen[2], ['in', 'store_unavailable']);
    },
    site.url.replace('127.0.0.1', 'localhost'),
  ));

test('a Request and a URL of a frame are sent as what they are, and no token follows a redirect', () =>
  withTabs(1, async ([page], token) => {
    await page.evaluate((token) => client.enroll({ token }), token);
    const outcomes = await page.evaluate(async () => {
      const frame = document.createElement('iframe');
      document.body.append(frame);
      const { Request, URL } = frame.contentWindow;
      const address = `${location.origin}/auth/zkp/whoami`;
      const who = async (input, init) => (await (await client.fetch(input, init)).json()).client_id ?? 'nobody';
      return [await who(new Request(address)), await who(new URL(address)), await who(new Request(address, { headers: { 'X-Own': '1' } }))];
    });
    const clientId = await page.evaluate(() => client.clientId);
    assert.deepEqual(outcomes, [clientId, clientId, clientId]);
    site.seen.length = 0;
    site.change = ({ path, answer }) => (path === '/auth/zkp/whoami' ? { ...answer, status: 307, headers: { location: '/auth/zkp/whoami?again' } } : answer);
    for (const isFrame of [false, true]) {
      const outcome = await page.evaluate((isFrame) => {
        const { Request } = isFrame ? frames[0] : window;
        return told(() => client.fetch(new Request(`${location.origin}/auth/zkp/whoami`)));
      }, isFrame);
      assert.match(outcome, /^network/);
    }
    assert.deepEqual([...new Set(site.seen.map(({ path }) => path))], ['/auth/zkp/whoami']);
  }));
