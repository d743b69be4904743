// How long a proof takes in Chromium: WebAssembly and noble take turns in one page. Prints both and their
// ratio, and records it with the sizes of the build.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { record } from '../../scripts/figures.js';
import { sdk } from '../shared/files.js';
import { launch } from './chromium.js';
import { startSite } from './site.js';

const ROUNDS = 41;
const TURN_MS = 50;

const site = await startSite();
const browser = await launch();
let measured;
try {
  const page = await browser.newPage();
  await page.goto(`${site.url}/empty`);
  measured = await page.evaluate(
    async ([rounds, turn]) => {
      const { engineOf } = await import('/sdk/esm/index.js');
      const binding = new TextEncoder().encode('aud:https://api.example.com');
      const nonce = crypto.getRandomValues(new Uint8Array(16));
      const contenders = await Promise.all(['wasm', 'noble'].map(async (name) => {
        const engine = await engineOf(name);
        const credential = engine.generate();
        return { name, prove: () => engine.proveAuthentication(credential, 'alice', nonce, binding) };
      }));
      /** Milliseconds a proof, over so many proofs as fit into a turn. */
      const takeTurn = ({ prove }) => {
        const began = performance.now();
        let proofs = 0;
        let now;
        do {
          prove();
          proofs += 1;
          now = performance.now();
        } while (now - began < turn);
        return (now - began) / proofs;
      };
      // What is compiled while it runs, and tables that are made at first use, are made here.
      for (const contender of contenders) for (let i = 0; i < 10; i++) takeTurn(contender);
      return Array.from({ length: rounds }, () => contenders.map(takeTurn));
    },
    [ROUNDS, TURN_MS],
  );
} finally {
  await browser.close();
  await site.stop();
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const wasm = median(measured.map(([wasm]) => wasm));
const noble = median(measured.map(([, noble]) => noble));
const ratio = median(measured.map(([wasm, noble]) => noble / wasm));
const line = (what, ms) => console.log(`${what.padEnd(42)} ${(ms * 1000).toFixed(1).padStart(9)} µs`);
line('a proof in Chromium, WebAssembly', wasm);
line('a proof in Chromium, noble', noble);
console.log(`${'noble takes as long as so many of ours'.padEnd(42)} ${ratio.toFixed(2).padStart(9)}`);

const sizes = JSON.parse(readFileSync(join(sdk, 'generated', 'sizes.json'), 'utf8'));
record({
  'browser.noble_prove_vs_wasm_prove': ratio,
  'browser.iife_gzip_bytes': sizes.iife_gzip_bytes,
  'browser.esm_js_gzip_bytes': sizes.esm_js_gzip_bytes,
});
