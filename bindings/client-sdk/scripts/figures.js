// Adds figures to the flat JSON object target/bench.json, as tests/src/figures.rs does.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const directory = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const path = join(directory, 'bench.json');

function read() {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}

export function record(figures) {
  const all = read();
  for (const [name, figure] of Object.entries(figures)) all[name] = Math.round(figure * 1000) / 1000;
  const sorted = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  mkdirSync(directory, { recursive: true });
  writeFileSync(path, `${JSON.stringify(sorted, null, 2)}\n`);
}
