// What is published: nothing but what is needed, and types that say what is true.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { root, sdk } from '../shared/files.js';

const run = promisify(execFile);

test('npm pack takes the builds, the types, the README and nothing else', async () => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: sdk });
  const answer = JSON.parse(stdout);
  // Older versions of npm answer with a list.
  const { files } = Array.isArray(answer) ? answer[0] : Object.values(answer)[0];
  const paths = files.map(({ path }) => path).sort();
  const unexpected = paths.filter(
    (path) =>
      !/^(?:README\.md|package\.json|dist\/2fapi\.min\.js|dist\/esm\/(?:index|node)\.js|dist\/esm\/twofapi_bg\.wasm|dist\/esm\/chunks\/[\w-]+\.js|dist\/cjs\/(?:index\.js|package\.json)|dist\/(?:cjs\/)?types\/[\w\/-]+\.d\.ts)$/.test(path),
  );
  assert.deepEqual(unexpected, []);
  for (const needed of ['README.md', 'dist/2fapi.min.js', 'dist/esm/index.js', 'dist/esm/node.js', 'dist/esm/twofapi_bg.wasm', 'dist/cjs/index.js', 'dist/types/index.d.ts', 'dist/cjs/types/index.d.ts']) {
    assert.ok(paths.includes(needed), `${needed} is missing`);
  }
});

test('there is no runtime dependency, and every entry point is there', async () => {
  const manifest = JSON.parse(readFileSync(join(sdk, 'package.json'), 'utf8'));
  assert.deepEqual([manifest.dependencies, manifest.peerDependencies, manifest.optionalDependencies], [undefined, undefined, undefined]);
  const targets = (entry) => (typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(targets));
  for (const target of [...targets(manifest.exports), manifest.unpkg, manifest.main, manifest.module, manifest.types]) readFileSync(join(sdk, target));
  for (const file of ['dist/esm/index.js', 'dist/esm/node.js']) {
    const imported = [...readFileSync(join(sdk, file), 'utf8').matchAll(/(?:from|import)\s*\(?["']([^"']+)["']/g)].map(([, from]) => from);
    assert.ok(imported.length > 0);
    for (const from of imported) assert.match(from, /^(?:\.\/|node:)/, file);
  }
});

for (const [resolution, module] of [['bundler', 'esnext'], ['nodenext', 'nodenext']]) {
  test(`the types say what is true to a strict user of TypeScript, resolved as by ${resolution}`, async () => {
    const args = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--module', module, '--moduleResolution', resolution, '--typeRoots', join(sdk, 'no-types'), '--exactOptionalPropertyTypes'];
    const files = ['use.ts', 'wrong.ts'].map((name) => join(sdk, 'test', 'types', name));
    const failure = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args, ...files], { cwd: sdk }).catch(({ stdout }) => stdout);
    assert.ok(typeof failure !== 'string', failure);
  });
}
