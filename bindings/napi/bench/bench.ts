// What a verification costs from Node: beside the same in Rust, beside another implementation, and what
// it does to the event loop. Printed, and merged into target/bench.json.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import * as addon from '@2fapi/crypto-napi';

import * as noble from '../test/noble.js';

const root = join(__dirname, '../../..');
const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;

const credential = addon.generateCredential();
const about = {
  clientId: 'alice@example.com',
  nonce: new Uint8Array(16).fill(3),
  channelBinding: addon.audienceBinding('https://api.example.com'),
};
const proof = addon.proveAuthentication({
  clientId: about.clientId,
  credential,
  challenge: { nonce: about.nonce, channelBinding: about.channelBinding },
});
const attempt = { ...about, commitment: credential.commitment, proof };

/** Nanoseconds per call. */
function timed(calls: number, work: () => boolean): number {
  const start = process.hrtime.bigint();
  for (let n = 0; n < calls; n += 1) if (!work()) throw new Error('a proof was refused');
  return Number(process.hrtime.bigint() - start) / calls;
}

/** The same verification, from the same bytes, in Rust. */
function inRust(calls: number): number {
  const program = process.env['TWOFAPI_VERIFY_LOOP'];
  if (program === undefined) throw new Error('TWOFAPI_VERIFY_LOOP is not set; `make bench-node` sets it');
  const words = [String(calls), about.clientId, ...[credential.commitment, about.nonce, about.channelBinding, proof].map(addon.toHex)];
  return Number(String(execFileSync(program, words)));
}

function verifying(): [number, number] {
  const rounds = Array.from({ length: 15 }, () => {
    const rust = inRust(3000);
    const node = timed(3000, () => addon.verifyAuthentication(attempt));
    const other = timed(30, () => noble.verify(credential.commitment, about, proof));
    return { rust, node, other };
  });
  for (const name of ['rust', 'node', 'other'] as const) {
    const micros = median(rounds.map((round) => round[name])) / 1000;
    console.log(`${name === 'other' ? 'noble' : name}: ${micros.toFixed(1)} us`);
  }
  return [
    median(rounds.map(({ rust, node }) => node / rust)),
    median(rounds.map(({ node, other }) => other / node)),
  ];
}

/** How late the event loop is while 10,000 verifications are on their way, in milliseconds. */
async function eventLoop(): Promise<number> {
  await Promise.all(Array.from({ length: 1000 }, () => addon.verifyAuthenticationAsync(attempt)));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // As a service has them: from many requests, each of which comes in a turn of its own.
  const pending: Promise<boolean>[] = [];
  for (let n = 0; n < 10_000; n += 1) {
    pending.push(addon.verifyAuthenticationAsync(attempt));
    if (n % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
  }
  const verdicts = await Promise.all(pending);
  delay.disable();
  if (!verdicts.every(Boolean)) throw new Error('a proof was refused');
  // The histogram counts from one tick to the next: the resolution is no delay.
  return delay.percentile(99) / 1e6 - 1;
}

async function main(): Promise<void> {
  const [ofRust, ofNoble] = verifying();
  const figures: Record<string, number> = {
    'node.verify_vs_core_verify': ofRust,
    'node.noble_verify_vs_native_verify': ofNoble,
    'node.event_loop_p99_ms': await eventLoop(),
  };
  const file = process.env['TWOFAPI_BENCH_JSON'] ?? join(root, 'target/bench.json');
  mkdirSync(join(file, '..'), { recursive: true });
  const all = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>) : {};
  for (const [name, figure] of Object.entries(figures)) {
    console.log(`${name.padEnd(45)} ${figure.toFixed(3)}`);
    all[name] = Math.round(figure * 1000) / 1000;
  }
  const sorted = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(sorted, null, 2)}\n`);
}

void main();
