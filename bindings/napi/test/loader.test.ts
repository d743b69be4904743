// What is said when there is no native part, and what is shipped.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const room = join(__dirname, '..');

test('without a native part the error lists what was tried', () => {
  const elsewhere = mkdtempSync(join(tmpdir(), '2fapi-napi-'));
  try {
    cpSync(join(room, 'dist'), join(elsewhere, 'dist'), { recursive: true });
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
