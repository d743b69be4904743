// What bundlers, tracers, test runners and older resolvers make of the package: the engine is always there.
import assert from 'node:assert/strict';
import { build } from 'esbuild';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import vm from 'node:vm';
import { promisify } from 'node:util';

import { root, sdk } from '../shared/files.js';

const run = promisify(execFile);

/** An application of somebody, somewhere else, in which the package is installed. */
let app;
before(() => {
  app = mkdtempSync(join(tmpdir(), '2fapi-app-'));
  const installed = join(app, 'node_modules', '@2fapi', 'client-sdk');
  mkdirSync(installed, { recursive: true });
  cpSync(join(sdk, 'package.json'), join(installed, 'package.json'));
  cpSync(join(sdk, 'dist'), join(installed, 'dist'), { recursive: true });
  writeFileSync(join(app, 'app.mjs'), 'import { TwoFApi } from "@2fapi/client-sdk"; TwoFApi.engineName().then(console.log);');
  writeFileSync(join(app, 'app.cjs'), 'const { TwoFApi } = require("@2fapi/client-sdk"); TwoFApi.engineName().then(console.log);');
});
after(() => rmSync(app, { recursive: true, force: true }));

const says = async (file, cwd = app) => {
  const { stdout, stderr } = await run(process.execPath, [file], { cwd });
  return stdout.trim() + stderr;
};

test('imported and required, the engine is WebAssembly', async () => {
  assert.equal(await says('app.mjs'), 'wasm');
  assert.equal(await says('app.cjs'), 'wasm');
});

for (const [format, entry] of [['esm', 'app.mjs'], ['cjs', 'app.mjs'], ['cjs', 'app.cjs']]) {
  test(`bundled for Node from ${entry} as one file of kind ${format}, which stands alone`, async () => {
    const alone = mkdtempSync(join(tmpdir(), '2fapi-alone-'));
    try {
      const outfile = join(alone, format === 'esm' ? 'out.mjs' : 'out.cjs');
      await build({ entryPoints: [join(app, entry)], outfile, bundle: true, format, platform: 'node', logLevel: 'error' });
      assert.equal(await says(outfile, alone), 'wasm');
    } finally {
      rmSync(alone, { recursive: true });
    }
  });
}

test('the builds for Node need no other file than those that they import by name', () => {
  for (const file of ['dist/esm/node.js', 'dist/cjs/index.js']) {
    const text = readFileSync(join(sdk, file), 'utf8');
    assert.doesNotMatch(text, /import\.meta|require\("node:|readFile|__dirname/, file);
  }
});

test('in a realm of its own, as test runners have it, the engine is WebAssembly', async () => {
  // As jest does it: the globals of the platform are those of the realm outside.
  const names = ['crypto', 'TextEncoder', 'TextDecoder', 'URL', 'fetch', 'Request', 'Response', 'Headers', 'AbortController', 'AbortSignal', 'setTimeout', 'clearTimeout', 'console', 'Blob', 'DecompressionStream', 'atob'];
  const context = vm.createContext(Object.fromEntries(names.map((name) => [name, globalThis[name]])));
  const module = { exports: {} };
  const wrapper = vm.runInContext(`(function (module, exports, require) {${readFileSync(join(sdk, 'dist/cjs/index.js'), 'utf8')}\n})`, context);
  wrapper(module, module.exports, createRequire(import.meta.url));
  const { TwoFApi, memoryStore, passphraseStore } = module.exports;
  assert.equal(await TwoFApi.engineName(), 'wasm');
  const { secret, blinding } = await TwoFApi.generateCredential({ phrase: await TwoFApi.generatePhrase() });
  for (const engine of ['wasm', 'noble']) {
    TwoFApi.configure({ engine });
    assert.match(await TwoFApi.generateProof(secret, blinding, '00'.repeat(16), { clientId: 'alice', audience: 'https://a.example' }), /^[0-9a-f]{192}$/);
  }
  const store = passphraseStore(memoryStore(), () => 'correct horse', { memoryKib: 64, passes: 1, lanes: 1 });
  const record = Buffer.from('a record of the realm outside');
  await store.put('key', record);
  assert.deepEqual(Buffer.from(await store.get('key')), record);
});

test('when the module cannot be had, noble takes its place and says so once', async () => {
  const broken = mkdtempSync(join(tmpdir(), '2fapi-broken-'));
  try {
    cpSync(app, broken, { recursive: true });
    const chunks = join(broken, 'node_modules/@2fapi/client-sdk/dist/esm');
    const [, inlined] = /import\("(\.\/chunks\/inlined-[^"]+)"\)/.exec(readFileSync(join(chunks, 'node.js'), 'utf8'));
    rmSync(join(chunks, inlined));
    writeFileSync(join(broken, 'app.mjs'), 'import { TwoFApi } from "@2fapi/client-sdk"; console.log(await TwoFApi.engineName(), await TwoFApi.engineName());');
    const { stdout, stderr } = await run(process.execPath, ['app.mjs'], { cwd: broken });
    assert.equal(stdout, 'noble noble\n');
    assert.match(stderr, /^2FApi: the WebAssembly module could not be loaded or started: [^\n]* 'noble' takes its place\.\n$/);
  } finally {
    rmSync(broken, { recursive: true });
  }
});

test('no bundler may leave out the statement that says where the engine is', () => {
  const { sideEffects } = JSON.parse(readFileSync(join(sdk, 'package.json'), 'utf8'));
  for (const entry of ['dist/esm/index.js', 'dist/esm/node.js', 'dist/cjs/index.js', 'dist/2fapi.min.js']) {
    assert.ok(sideEffects.includes(`./${entry}`), entry);
  }
});

test('publint and arethetypeswrong find nothing to say of what is published', async () => {
  const bin = (name) => join(root, 'node_modules', '.bin', name);
  await run(bin('publint'), ['--strict'], { cwd: sdk });
  // The one-file build and the module are no modules of JavaScript with types.
  await run(bin('attw'), ['--pack', '.', '--entrypoints', '.'], { cwd: sdk });
});
