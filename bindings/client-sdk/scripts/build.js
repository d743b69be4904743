// Builds dist/: the ES module beside its .wasm, the one-file build, and the types; prints the sizes and
// fails if they are over their limits. The WebAssembly module has to be in generated/ (npm run wasm).
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, deflateSync, gzipSync } from 'node:zlib';

const IIFE_MAX = 136 * 1024;
const ESM_MAX = 15 * 1024;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const path = (...parts) => join(root, ...parts);
const wasm = path('generated', 'twofapi_bg.wasm');
if (!existsSync(wasm)) {
  console.error('generated/twofapi_bg.wasm is missing: run `npm run wasm` first');
  process.exit(1);
}
rmSync(path('dist'), { recursive: true, force: true });
mkdirSync(path('dist', 'esm'), { recursive: true });

copyFileSync(wasm, `${wasm}.bin`);

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  target: ['es2022'],
  legalComments: 'eof',
  logLevel: 'warning',
  sourcemap: false,
};

const esm = await build({
  ...common,
  entryPoints: ['src/index.ts', 'src/node.ts'],
  outdir: 'dist/esm',
  format: 'esm',
  platform: 'browser',
  loader: { '.bin': 'binary' },
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  metafile: true,
});
copyFileSync(wasm, path('dist', 'esm', 'twofapi_bg.wasm'));

// Compressed, so that its base64 is as small as the network would make it anyway.
writeFileSync(`${wasm}.deflate`, deflateSync(readFileSync(wasm), { level: constants.Z_BEST_COMPRESSION }));
await build({
  ...common,
  entryPoints: { '2fapi.min': 'src/iife.ts' },
  outdir: 'dist',
  format: 'iife',
  platform: 'browser',
  loader: { '.deflate': 'binary' },
});
// For `require`, in one file with everything within.
await build({
  ...common,
  entryPoints: { index: 'src/node.ts' },
  outdir: 'dist/cjs',
  format: 'cjs',
  platform: 'browser',
  loader: { '.bin': 'binary' },
});
writeFileSync(path('dist', 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
execFileSync(process.execPath, [
  resolve(root, '../../node_modules/typescript/bin/tsc'),
  ...['-p', root, '--emitDeclarationOnly'],
]);
// The same types, beside a package.json that says of which kind of module they are.
cpSync(path('dist', 'types'), path('dist', 'cjs', 'types'), { recursive: true });

const gzipped = (file) => gzipSync(readFileSync(file), { level: 9 }).length;

/** What loading an entry point loads: itself and what it imports, but not what it imports later. */
function loadedWith(entry, seen = new Set()) {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const { path: imported, kind, external } of esm.metafile.outputs[entry].imports) {
    if (kind === 'import-statement' && !external) loadedWith(imported, seen);
  }
  return seen;
}

const sum = (files) => [...files].reduce((total, file) => total + gzipped(path(file)), 0);
const sizes = {
  iife_gzip_bytes: gzipped(path('dist', '2fapi.min.js')),
  esm_js_gzip_bytes: sum(loadedWith('dist/esm/index.js')),
  wasm_gzip_bytes: gzipped(wasm),
};
const atOnce = loadedWith('dist/esm/index.js');
const later = Object.keys(esm.metafile.outputs).filter(
  (file) => !atOnce.has(file) && !loadedWith('dist/esm/node.js').has(file),
);
writeFileSync(path('generated', 'sizes.json'), `${JSON.stringify(sizes, null, 2)}\n`);

const line = (what, bytes, limit) =>
  console.log(`${what.padEnd(58)} ${String(bytes).padStart(7)} bytes gzipped${limit ? ` (at most ${limit})` : ''}`);
line('dist/2fapi.min.js, everything in one file', sizes.iife_gzip_bytes, IIFE_MAX);
line('dist/esm/index.js with what it imports at once', sizes.esm_js_gzip_bytes, ESM_MAX);
line('dist/esm/twofapi_bg.wasm', sizes.wasm_gzip_bytes);
for (const file of later) {
  const inputs = Object.entries(esm.metafile.outputs[file].inputs).sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput);
  const main = inputs.length > 0 ? relative(root, resolve(root, inputs[0][0])).replace(/^.*node_modules\//, '') : '';
  line(`later, when needed: ${main}`, gzipped(path(file)));
}
if (sizes.iife_gzip_bytes > IIFE_MAX || sizes.esm_js_gzip_bytes > ESM_MAX) {
  console.error('over the limit');
  process.exit(1);
}
