// Where the package has to work: classic scripts, modules, workers, bundlers, strict policies, no network.
import assert from 'node:assert/strict';
import { build as esbuild } from 'esbuild';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { build, createServer } from 'vite';

import { sdk } from '../shared/files.js';
import { launch, listenTo } from './chromium.js';
import { NO_WASM, STRICT, startSite } from './site.js';

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

const done = (clientId, engine) => ({ clientId, version: 2, changed: true, engine });

async function newOptions(more = {}) {
  const clientId = `place-${++name}`;
  return { baseUrl: site.url, clientId, token: await site.server.invite(clientId), ...more };
}

/** A page of its own, in a context of its own. */
async function onPage(path, work) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const heard = listenTo(page);
    await page.goto(site.url + path);
    return await work(page, heard);
  } finally {
    await context.close();
  }
}

const inModule = (page, options) =>
  page.evaluate(async (options) => {
    const { ceremony } = await import('/places/ceremony.js');
    return ceremony(await import('/sdk/esm/index.js'), options);
  }, options);

const inClassic = (page, options) =>
  page.evaluate(async (options) => {
    const { ceremony } = await import('/places/ceremony.js');
    return ceremony({ ...TwoFApi, TwoFApi, TwoFApiClient }, options);
  }, options);

for (const engine of ['wasm', 'noble']) {
  test(`the ES module under a strict policy, on ${engine}`, () =>
    onPage('/empty', async (page, heard) => {
      const options = await newOptions({ engine });
      assert.deepEqual(await inModule(page, options), done(options.clientId, engine));
      assert.deepEqual([heard.console, heard.errors], [[], []]);
    }));

  test(`the one-file build under a strict policy, on ${engine}`, () =>
    onPage('/classic', async (page, heard) => {
      const options = await newOptions({ engine });
      assert.deepEqual(await inClassic(page, options), done(options.clientId, engine));
      assert.deepEqual([heard.console, heard.errors], [[], []]);
    }));
}

test("the one-file build's WebAssembly is within: no other file is fetched", () =>
  onPage('/classic', async (page, heard) => {
    assert.equal(await page.evaluate(() => TwoFApi.engineName()), 'wasm');
    assert.deepEqual(heard.requests, [`${site.url}/classic`, `${site.url}/sdk/2fapi.min.js`]);
  }));

test('the quick start works as it is written', () =>
  onPage('/classic', async (page) => {
    const challenge = { nonce: '133166f9e02f2a5e6187a605fe27fb39' };
    const [proof, accepted] = await page.evaluate(async (challenge) => {
      TwoFApi.configure({ clientId: 'alice', audience: location.origin });
      const { commitment, secret, blinding } = await TwoFApi.generateCredential();
      const proof = await TwoFApi.generateProof(secret, blinding, challenge.nonce);
      const bytes = (hex) => Uint8Array.from(hex.match(/../g), (digits) => parseInt(digits, 16));
      const engine = await TwoFApi.engineOf('noble');
      const binding = new TextEncoder().encode(`aud:${location.origin}`);
      return [proof, engine.verifyAuthentication(bytes(commitment), 'alice', bytes(challenge.nonce), binding, bytes(proof))];
    }, challenge);
    assert.match(proof, /^[0-9a-f]{192}$/);
    assert.equal(accepted, true);
  }));

test("without 'wasm-unsafe-eval' WebAssembly is refused by name, and noble takes its place by itself", async () => {
  site.policy = NO_WASM;
  for (const [path, run] of [['/empty', inModule], ['/classic', inClassic]]) {
    await onPage(path, async (page) => {
      const options = await newOptions();
      const refused = await page.evaluate(async () => {
        const { engineOf } = globalThis.TwoFApi ?? (await import('/sdk/esm/index.js'));
        return engineOf('wasm').catch(({ name, code, message }) => ({ name, code, message }));
      });
      assert.equal(refused.name, 'TwoFApiError');
      assert.equal(refused.code, 'engine_unavailable');
      assert.match(refused.message, /'wasm-unsafe-eval' in script-src/);
      assert.deepEqual(await run(page, options), done(options.clientId, 'noble'));
    });
  }
});

test('where WebAssembly is missing altogether, noble takes its place', () =>
  onPage('/empty', async (page) => {
    const options = await newOptions();
    await page.evaluate(() => delete globalThis.WebAssembly);
    assert.deepEqual(await inModule(page, options), done(options.clientId, 'noble'));
  }));

test('a module that is damaged on its way, or was left behind, is replaced by the one within', () =>
  onPage('/empty', async (page, heard) => {
    for (const answer of [{ contentType: 'application/wasm', body: Buffer.from('0061736d01000000ff', 'hex') }, { status: 404, body: '' }]) {
      await page.route('**/*.wasm', (route) => route.fulfill(answer));
      const options = await newOptions();
      assert.deepEqual(await inModule(page, options), done(options.clientId, 'wasm'));
      await page.unroute('**/*.wasm');
      await page.reload();
    }
    assert.ok(!heard.console.some((text) => text.includes('2FApi')), heard.console.join('\n'));
  }));

test('where neither can be had noble takes its place and says so, and the next call tries again', () =>
  onPage('/empty', async (page, heard) => {
    const routes = ['**/*.wasm', '**/inlined-*.js'];
    for (const route of routes) await page.route(route, (asked) => asked.fulfill({ status: 404, body: '' }));
    const options = await newOptions();
    assert.equal((await inModule(page, options)).engine, 'noble');
    assert.equal(heard.console.filter((text) => /^2FApi: .*'noble' takes its place/.test(text)).length, 1, heard.console.join('\n'));
    for (const route of routes) await page.unroute(route);
    assert.equal(await page.evaluate(async () => (await (await import('/sdk/esm/index.js')).engineOf('wasm')).name), 'wasm');
  }));

test('bundled by a tool that leaves the file behind, the engine is the one within', async () => {
  const out = mkdtempSync(join(tmpdir(), '2fapi-esbuild-'));
  try {
    const entry = join(sdk, 'test', 'browser', 'places', 'vite', 'main.js');
    await esbuild({ entryPoints: [entry], outdir: out, bundle: true, splitting: true, format: 'esm', platform: 'browser', logLevel: 'error' });
    site.files['/esbuilt/'] = out;
    await onPage('/empty', async (page) => {
      const options = await newOptions();
      await page.evaluate(() => import('/esbuilt/main.js'));
      assert.deepEqual(await page.evaluate((options) => bundled(options), options), done(options.clientId, 'wasm'));
    });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

for (const [kind, script, type] of [
  ['module', '/places/module-worker.js', 'module'],
  ['classic', '/places/classic-worker.js', 'classic'],
]) {
  for (const policy of [STRICT, NO_WASM]) {
    const engine = policy === STRICT ? 'wasm' : 'noble';
    test(`the ceremony in a ${kind} worker, on ${engine}, with its own IndexedDB`, () => {
      site.policy = policy;
      return onPage('/empty', async (page, heard) => {
        const options = await newOptions();
        const answer = await page.evaluate(
          ([script, type, options]) =>
            new Promise((resolve, reject) => {
              const worker = new Worker(script, { type });
              worker.onmessage = ({ data }) => resolve(data);
              worker.onerror = ({ message }) => reject(new Error(message ?? 'the worker did not start'));
              worker.postMessage(options);
            }),
          [script, type, options],
        );
        assert.deepEqual(answer, done(options.clientId, engine));
        assert.deepEqual(heard.errors, []);
      });
    });
  }
}

test('bundled by Vite: the WebAssembly becomes a file of its own, and the ceremony works', async () => {
  const out = mkdtempSync(join(tmpdir(), '2fapi-vite-'));
  try {
    await build({
      root: join(sdk, 'test', 'browser', 'places', 'vite'),
      base: '/bundled/',
      logLevel: 'warn',
      configFile: false,
      build: { outDir: out, emptyOutDir: true },
    });
    const assets = readdirSync(join(out, 'assets'));
    const wasm = assets.filter((file) => file.endsWith('.wasm'));
    assert.equal(wasm.length, 1, assets.join(' '));
    assert.deepEqual(readFileSync(join(out, 'assets', wasm[0])), readFileSync(join(sdk, 'dist', 'esm', 'twofapi_bg.wasm')));
    site.files['/bundled/'] = out;
    for (const engine of ['wasm', 'noble']) {
      await onPage('/bundled/index.html', async (page, heard) => {
        const options = await newOptions({ engine });
        await page.waitForFunction(() => globalThis.bundled);
        assert.deepEqual(await page.evaluate((options) => bundled(options), options), done(options.clientId, engine));
        assert.deepEqual([heard.console, heard.errors], [[], []]);
      });
    }
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

/** The package served by Vite's development server, which treats it as `optimizeDeps` says. */
async function developed(optimizeDeps) {
  const cache = mkdtempSync(join(tmpdir(), '2fapi-vite-'));
  const vite = await createServer({
    root: join(sdk, 'test', 'browser', 'places', 'vite'),
    logLevel: 'warn',
    configFile: false,
    cacheDir: cache,
    optimizeDeps,
    server: { host: '127.0.0.1', port: 0, hmr: false, watch: null, fs: { allow: [join(sdk, '..', '..')] } },
  });
  try {
    await vite.listen();
    const { port } = vite.httpServer.address();
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForFunction(() => globalThis.bundled);
    // The server is on another origin here, so that the ceremony ends at its first request.
    const failure = await page.evaluate((options) => bundled(options).catch((error) => error.code), await newOptions({ engine: 'wasm' }));
    assert.equal(failure, 'network');
    await page.close();
  } finally {
    await vite.close();
    rmSync(cache, { recursive: true, force: true });
  }
}

test("served by Vite's development server", () => developed({ exclude: ['@2fapi/client-sdk'] }));

test("served by Vite's development server, bundled beforehand, which loses the file beside it", () =>
  developed({ include: ['@2fapi/client-sdk'] }));

test('without a network a login is an error with a code, and works when the network is back', async () => {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`${site.url}/classic`);
    const clientId = `place-${++name}`;
    const token = await site.server.invite(clientId);
    await page.evaluate(async ([clientId, token]) => {
      globalThis.client = new TwoFApiClient({ baseUrl: location.origin, clientId });
      await client.enroll({ token });
      globalThis.attempt = (work) => work().then(() => 'done', ({ name, code }) => `${name} ${code}`);
    }, [clientId, token]);
    await context.setOffline(true);
    assert.equal(await page.evaluate(() => attempt(() => client.login())), 'TwoFApiError network');
    assert.equal(await page.evaluate(() => attempt(() => client.fetch('/auth/zkp/whoami'))), 'TwoFApiError network');
    assert.equal(await page.evaluate(() => attempt(() => client.rotate())), 'TwoFApiError network');
    await context.setOffline(false);
    assert.equal(await page.evaluate(() => attempt(() => client.login())), 'done');
    assert.equal(await page.evaluate(async () => (await client.rotate()).commitmentVersion), 2);
  } finally {
    await context.close();
  }
});
