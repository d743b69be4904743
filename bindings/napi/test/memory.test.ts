// Calls leave nothing behind, and the thread pool leaves the event loop free.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as addon from '@2fapi/crypto-napi';

const collect = (): void => {
  assert(globalThis.gc, 'run with --expose-gc');
  globalThis.gc();
};

const credential = addon.generateCredential();
const key = new Uint8Array(32);
const nonce = new Uint8Array(16).fill(1);
const proof = addon.proveAuthentication({ clientId: 'a', credential, challenge: { nonce } });
const attempt = { clientId: 'a', commitment: credential.commitment, nonce, proof };

/** Many cheap calls of every kind that hands memory over, with errors among them. */
function many(calls: number): void {
  for (let n = 0; n < calls; n += 8) {
    addon.issueChallenge({ clientId: 'a', challengeKey: key });
    addon.getGeneratorH();
    addon.isCanonicalScalar(nonce);
    addon.buildTranscript({ clientId: 'a', nonce, channelBinding: key });
    addon.hashTranscript(key);
    addon.audienceBinding('https://api.example.com');
    addon.checkClientId('alice');
    try {
      addon.checkProof(key);
    } catch {
      // Errors are memory as well.
    }
  }
}

/**
 * Megabytes that the process has, but for what V8 keeps for itself to allocate from. The tests run with
 * --max-semi-space-size, since newer ones let their young generation grow for millions of calls.
 */
async function resident(): Promise<number> {
  // What belongs to collected arrays is given back by and by.
  for (let times = 0; times < 5; times += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return (rss - heapTotal + heapUsed) / (1024 * 1024);
}

test('a million calls leave memory flat', async () => {
  many(1_000_000);
  const before = await resident();
  many(1_000_000);
  const grown = (await resident()) - before;
  assert(grown < 20, `grew by ${grown.toFixed(1)} MB`);
});

test('30,000 verifications on the thread pool leave memory flat', async () => {
  const rounds = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 500) {
      const verdicts = await Promise.all(Array.from({ length: 500 }, () => addon.verifyAuthenticationAsync(attempt)));
      assert(verdicts.every(Boolean));
    }
  };
  // The allocator's own arenas grow at first.
  await rounds(60_000);
  const before = await resident();
  await rounds(30_000);
  const grown = (await resident()) - before;
  assert(grown < 20, `grew by ${grown.toFixed(1)} MB`);
});

test('10,000 attempts, some of them dropped halfway, leave memory flat', async () => {
  const now = 1_795_000_000;
  const set = new addon.SpentSet(100);
  const terms = new addon.Terms({ channelBinding: new Uint8Array(0) });
  const keys = new addon.Keys({ root: key, epoch: set.at(now).epoch });
  const { challengeId, nonce: issued } = terms.challenge(keys, now, 'a');
  const answer = addon.proveAuthentication({ clientId: 'a', credential, challenge: { nonce: issued } });
  const request = { clientId: 'a', challengeId, proof: answer };
  const record = addon.recordOfRow({ commitment: credential.commitment, commitmentVersion: 1, status: 'active' });
  const one = async (n: number): Promise<void> => {
    const wanted = terms.authenticate(keys, now, request);
    if (n % 4 === 0) return;
    if (n % 4 === 1) {
      await assert.rejects(wanted.verify(undefined), { code: 'denied' });
      return;
    }
    const commit = await wanted.verify(record);
    if (n % 4 < 3) return;
    assert(commit.step.spend);
    set.accept(commit.step.spend, now);
    commit.done('done');
  };
  const rounds = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 500) await Promise.all(Array.from({ length: 500 }, (_, at) => one(at)));
  };
  await rounds(20_000);
  const before = await resident();
  await rounds(10_000);
  const grown = (await resident()) - before;
  assert(grown < 20, `grew by ${grown.toFixed(1)} MB`);
});

test('the event loop turns while proofs are looked at', async () => {
  let turns = 0;
  let running = true;
  const turn = (): void => {
    turns += 1;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  // One call at a time: each answer comes in a turn of its own, and others come between.
  for (let n = 0; n < 200; n += 1) await addon.verifyAuthenticationAsync(attempt);
  running = false;
  assert(turns > 400, `${turns} turns`);
});
