// What is said when there is no native part, and what is shipped.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

import { nodeFileTrace } from '@vercel/nft';
import { build } from 'esbuild';

const room = join(__dirname, '..');
const root = join(room, '../..');
const addon = readdirSync(room).find((name) => name.endsWith('.node')) ?? '';

test('without a native part the error lists what was tried', () => {
  const elsewhere = mkdtempSync(join(tmpdir(), '2fapi-napi-'));
  try {
    cpSync(join(room, 'dist'), join(elsewhere, 'dist'), { recursive: true });
    mkdirSync(join(elsewhere, 'node_modules'));
    symlinkSync(dirname(require.resolve('detect-libc/package.json')), join(elsewhere, 'node_modules/detect-libc'));
    const { stderr, status } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(join(elsewhere, 'dist/load.js'))})`]);
    const said = String(stderr);
    assert.notEqual(status, 0);
    assert.match(said, /finds no native part for [a-z0-9-]+\. Tried:/);
    assert.match(said, /@2fapi\/crypto-napi-[a-z0-9-]+: Cannot find module/);
    assert.match(said, /twofapi-crypto\.[a-z0-9-]+\.node: Cannot find module/);
    assert.match(said, /npm install --include=optional/);
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
});

test('the package holds its code, its types and nothing else', () => {
  const [packed] = JSON.parse(String(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: room, stdio: ['ignore', 'pipe', 'ignore'] }))) as [
    { files: { path: string }[] },
  ];
  const files = packed.files.map(({ path }) => path);
  const expected = /^(dist\/[a-z-]+\.(js|d\.ts)|index\.(mjs|d\.mts)|README\.md|package\.json)$/;
  assert.deepEqual(files.filter((file) => !expected.test(file)), []);
  for (const file of ['dist/index.js', 'dist/index.d.ts', 'index.mjs', 'README.md']) assert(files.includes(file), file);
});

test('loading it asks for no report of the process, which looks up the name of every open connection', () => {
  const program = `let asked = 0;
    process.report.getReport = () => { asked += 1; return {}; };
    require('@2fapi/crypto-napi').generateCredential();
    console.log(asked);`;
  assert.equal(String(execFileSync(process.execPath, ['-e', program], { cwd: room })).trim(), '0');
});

test('every platform that is published is loaded by its name, spelled out', () => {
  const { napi } = JSON.parse(readFileSync(join(room, 'package.json'), 'utf8')) as { napi: { targets: string[] } };
  const source = readFileSync(join(room, 'ts/load.ts'), 'utf8');
  const spelled = (pattern: RegExp): string[] => [...source.matchAll(pattern)].map(([, name]) => name ?? '').sort();
  const packages = spelled(/require\('@2fapi\/crypto-napi-([a-z0-9-]+)'\)/g);
  assert.deepEqual(spelled(/require\('\.\.\/twofapi-crypto\.([a-z0-9-]+)\.node'\)/g), packages);
  assert.deepEqual(spelled(/case '([a-z0-9-]+)':/g), packages);
  assert.equal(packages.length, napi.targets.length);
  for (const target of napi.targets) {
    const [, arch, system, abi] = /^(x86_64|aarch64)-(?:unknown|apple|pc)-(linux|darwin|windows)-?(\w*)$/.exec(target) ?? [];
    const words = [system === 'windows' ? 'win32' : system, arch === 'aarch64' ? 'arm64' : 'x64', abi];
    assert(packages.includes(words.filter(Boolean).join('-')), target);
  }
});

test('what traces files finds the addon', async () => {
  for (const entry of ['dist/index.js', 'index.mjs']) {
    const { fileList } = await nodeFileTrace([join(room, entry)], { base: root });
    assert(fileList.has(relative(root, join(room, addon))), `${entry}: ${[...fileList].join('\n')}`);
  }
});

test('a bundle brings the addon along, and runs elsewhere', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), '2fapi-bundle-'));
  try {
    const contents = `import { createEnrollment, generateCredential, verifyEnrollment } from '@2fapi/crypto-napi';
      console.log(verifyEnrollment(createEnrollment({ clientId: 'alice', credential: generateCredential() })));`;
    const { warnings } = await build({
      stdin: { contents, resolveDir: room },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      outfile: join(elsewhere, 'program.js'),
      loader: { '.node': 'copy' },
      logLevel: 'silent',
    });
    // The platforms that are not installed, each of which may be missing.
    for (const { text } of warnings) assert.match(text, /Could not resolve "(@2fapi\/crypto-napi-|\.\.\/twofapi-crypto\.)/);
    assert(readdirSync(elsewhere).some((name) => name.endsWith('.node')));
    assert.equal(String(execFileSync(process.execPath, ['program.js'], { cwd: elsewhere })).trim(), 'true');
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
});

test('in a checkout in which nothing is built yet, the TypeScript of each package builds', () => {
  const elsewhere = mkdtempSync(join(tmpdir(), '2fapi-fresh-'));
  try {
    const tracked = String(execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root }));
    const wanted = tracked.split('\0').filter((file) => /^(spec|bindings\/napi|bindings\/server-js)\/|^(package|tsconfig\.base)[^/]*$/.test(file));
    for (const file of wanted) if (existsSync(join(root, file))) cpSync(join(root, file), join(elsewhere, file));
    // As npm installs them: the packages of others, and links to those of the workspace.
    const modules = join(elsewhere, 'node_modules');
    mkdirSync(join(modules, '@2fapi'), { recursive: true });
    for (const name of readdirSync(join(root, 'node_modules'))) {
      if (name !== '@2fapi') symlinkSync(join(root, 'node_modules', name), join(modules, name));
    }
    for (const folder of ['spec', 'bindings/napi', 'bindings/server-js']) {
      const own = join(root, folder, 'node_modules');
      if (existsSync(own)) symlinkSync(own, join(elsewhere, folder, 'node_modules'));
    }
    symlinkSync('../../spec', join(modules, '@2fapi/protocol-spec'));
    symlinkSync('../../bindings/napi', join(modules, '@2fapi/crypto-napi'));
    for (const [folder, script] of [
      ['bindings/napi', 'build:ts'],
      ['bindings/server-js', 'build'],
    ] as const) {
      rmSync(join(elsewhere, 'spec/dist'), { recursive: true, force: true });
      rmSync(join(elsewhere, 'bindings/napi/dist'), { recursive: true, force: true });
      const { status, stdout, stderr } = spawnSync('npm', ['run', script], { cwd: join(elsewhere, folder) });
      assert.equal(status, 0, String(stdout) + String(stderr));
      assert(existsSync(join(elsewhere, folder, 'dist/index.js')), folder);
    }
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
});

test('the program of the README runs', () => {
  const [, program = ''] = /^```js\n([^]*?)^```$/m.exec(readFileSync(join(room, 'README.md'), 'utf8')) ?? [];
  assert.equal(String(execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: room })).trim().slice(-4), ' 1 0');
});
