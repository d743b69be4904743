// The packages as they are published: packed, installed elsewhere, and used from there.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const room = join(__dirname, '..');
const run = (cwd: string, program: string, ...words: string[]): string =>
  String(execFileSync(program, words, { cwd, stdio: ['ignore', 'pipe', 'pipe'] }));
const manifest = (directory: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Record<string, unknown>;

/** Packs a directory into another and gives the path of the tarball. */
function packed(directory: string, into: string): string {
  const [{ filename }] = JSON.parse(run(directory, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', into)) as [
    { filename: string },
  ];
  return join(into, filename);
}

test('packed and installed elsewhere, the addon is found in the package of this platform', () => {
  const elsewhere = mkdtempSync(join(tmpdir(), '2fapi-install-'));
  try {
    const [source, tarballs, user] = ['source', 'tarballs', 'user'].map((name) => join(elsewhere, name));
    assert(source && tarballs && user);
    for (const directory of [source, tarballs, user]) mkdirSync(directory);
    for (const name of ['package.json', 'dist', 'index.mjs', 'index.d.mts', 'README.md']) {
      cpSync(join(room, name), join(source, name), { recursive: true });
    }

    // As a release does it: a directory for each platform, the addon of each in its own.
    const napi = join(dirname(require.resolve('@napi-rs/cli/package.json')), 'dist/cli.js');
    run(source, process.execPath, napi, 'create-npm-dirs');
    const addon = readdirSync(room).find((name) => name.endsWith('.node'));
    assert(addon, 'the addon is not built');
    const platform = addon.split('.')[1] ?? '';
    const directory = join(source, 'npm', platform);
    const platforms = readdirSync(join(source, 'npm'));
    // Those of the other platforms are built on theirs; here it is only looked whether they are there.
    for (const name of platforms) cpSync(join(room, addon), join(source, 'npm', name, addon.replace(platform, name)));
    run(source, process.execPath, napi, 'pre-publish', '-t', 'npm', '--no-gh-release', '--skip-optional-publish');
    const { version, optionalDependencies } = manifest(source);
    assert.deepEqual(
      optionalDependencies,
      Object.fromEntries(platforms.map((name) => [`@2fapi/crypto-napi-${name}`, version])),
    );
    assert.deepEqual(manifest(directory)['files'], [addon]);

    const spec = dirname(require.resolve('@2fapi/protocol-spec/package.json'));
    // Its one dependency is packed as well: what npm keeps in its cache is its own affair.
    const dependency = dirname(require.resolve('detect-libc/package.json'));
    const files = [spec, dependency, directory, source].map((it) => packed(it, tarballs));
    writeFileSync(join(user, 'package.json'), '{ "private": true }');
    run(user, 'npm', 'install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', ...files);

    const cjs = `const { generateCredential, createEnrollment, verifyEnrollment } = require('@2fapi/crypto-napi');
      const enrollment = createEnrollment({ clientId: 'alice', credential: generateCredential() });
      console.log(verifyEnrollment(enrollment), Object.keys(require.cache).find((file) => file.endsWith('.node')));`;
    const [verdict, loaded] = run(user, process.execPath, '-e', cjs).trim().split(' ');
    assert.equal(verdict, 'true');
    assert.equal(loaded?.endsWith(join('node_modules/@2fapi', `crypto-napi-${platform}`, addon)), true, loaded);
    const esm = `import { isIdentityPoint } from '@2fapi/crypto-napi'; console.log(isIdentityPoint(new Uint8Array(32)));`;
    assert.equal(run(user, process.execPath, '--input-type=module', '-e', esm).trim(), 'true');
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
});
