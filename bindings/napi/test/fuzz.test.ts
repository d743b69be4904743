// Whatever a program hands over: an error each time, and never the end of the process.

import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'node:test';

import * as addon from '@2fapi/crypto-napi';

const CALLS = 10_000;

function detached(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Memory that other threads may write to, and that says it is not. */
function disguised(): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(32));
  return Object.defineProperty(shared, 'buffer', { value: new ArrayBuffer(32) });
}

/** Values that are none of what any argument may be. */
const ODD: (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => randomInt(1 << 30),
  () => Number.NaN,
  () => 12n,
  () => Symbol('x'),
  () => () => 1,
  () => [],
  () => [1, 2, 3],
  () => ({}),
  () => ({ length: 32, 0: 1 }),
  () => new Float64Array(4),
  () => new DataView(new ArrayBuffer(32)),
  () => new ArrayBuffer(32),
  () => new Uint8Array(new SharedArrayBuffer(96)),
  disguised,
  () => new Proxy(new Uint8Array(32), {}),
  () => new Proxy({}, { get: () => { throw new Error('a getter that throws'); } }),
  () => Object.create(Uint8Array.prototype) as unknown,
  () => new Uint8Array(randomInt(1, 15)),
  () => new Uint8Array(1 << 20),
  () => detached(32),
  () => detached(96),
  () => '\ud800',
  () => 'a b',
  () => 'x'.repeat(randomInt(129, 5000)),
  () => '\0',
  () => new Date(),
  () => Promise.resolve(new Uint8Array(32)),
];

const bytes = (length: number) => new Uint8Array(randomBytes(length));

/** Functions that take named arguments, with arguments of the right shapes. */
const NAMED: Record<string, () => Record<string, unknown>> = {
  createEnrollment: () => ({ clientId: 'a', credential: addon.generateCredential() }),
  proveAuthentication: () => ({ clientId: 'a', credential: addon.generateCredential(), challenge: { nonce: bytes(16) } }),
  proveRotation: () => ({
    clientId: 'a',
    credential: addon.generateCredential(),
    commitmentNew: addon.generateCredential().commitment,
    challenge: { nonce: bytes(16) },
  }),
  verifyEnrollment: () => ({ clientId: 'a', commitment: addon.getGeneratorG(), proof: bytes(96) }),
  verifyAuthentication: () => ({ clientId: 'a', commitment: addon.getGeneratorG(), nonce: bytes(16), proof: bytes(96) }),
  buildTranscript: () => ({ clientId: 'a', nonce: bytes(16), channelBinding: bytes(4) }),
  completeTranscript: () => ({ commitment: addon.getGeneratorG(), announcement: bytes(32), transcriptData: bytes(32) }),
  issueChallenge: () => ({ clientId: 'a', challengeKey: bytes(32) }),
  challengeNonce: () => ({ clientId: 'a', challengeKey: bytes(32), challengeId: 'ch-1' }),
  recomputeChallenge: () => ({ clientId: 'a', challengeKey: bytes(32), challengeId: 'ch-1' }),
  verifyRotation: () => ({
    clientId: 'a',
    commitment: addon.getGeneratorG(),
    nonce: bytes(16),
    commitmentNew: addon.getGeneratorH(),
    proofOld: bytes(96),
    proofNew: bytes(96),
  }),
  generateProof: () => ({
    ...addon.generateCredential(),
    generatorG: addon.getGeneratorG(),
    generatorH: addon.getGeneratorH(),
    transcriptData: addon.buildTranscript({ clientId: 'a', nonce: bytes(16), channelBinding: bytes(2) }),
  }),
};

/** Arguments that may be left out, or whose odd values mean no more than "no". */
const OPTIONAL = new Set(['ttlSeconds', 'now', 'channelBinding']);

/** Functions that take their arguments in a row: how many bytes-like ones. */
const IN_A_ROW: Record<string, number> = {
  commit: 2,
  hashTranscript: 1,
  isCanonicalPoint: 1,
  isCanonicalScalar: 1,
  isIdentityPoint: 1,
  constantTimeEq: 2,
  toHex: 1,
  toBase64Url: 1,
  checkCommitment: 1,
  checkProof: 1,
};

const functions = addon as unknown as Record<string, (...words: unknown[]) => unknown>;
const pick = <T>(from: readonly T[]): T => from[randomInt(from.length)] as T;

/** A value that may well be bytes of another length: then "no" is an answer as good as an error. */
const mayBeJudged = (value: unknown): boolean => {
  try {
    return Object.prototype.toString.call(value) === '[object Uint8Array]' && value instanceof Uint8Array;
  } catch {
    return false;
  }
};

function mustThrow(what: string, call: () => unknown): void {
  try {
    call();
  } catch {
    return;
  }
  assert.fail(`${what} was no error`);
}

test(`${CALLS} calls with odd arguments: an error or a no each time`, () => {
  let errors = 0;
  for (let n = 0; n < CALLS; n += 1) {
    const odd = pick(ODD)();
    if (n % 2 === 0) {
      const name = pick(Object.keys(NAMED));
      const args = NAMED[name]?.() ?? {};
      const field = pick(Object.keys(args).filter((it) => !OPTIONAL.has(it)));
      args[field] = odd;
      // Any bytes may be a nonce or a binding where a transcript is only put together.
      if (name === 'buildTranscript' && field !== 'clientId' && mayBeJudged(odd)) continue;
      mustThrow(`${name} with an odd ${field}`, () => functions[name]?.(args));
      mustThrow(name, () => functions[name]?.(odd));
      errors += 1;
    } else {
      const name = pick(Object.keys(IN_A_ROW));
      const words: unknown[] = Array.from({ length: IN_A_ROW[name] ?? 1 }, () => bytes(32));
      words[randomInt(words.length)] = odd;
      if (mayBeJudged(odd)) {
        try {
          functions[name]?.(...words);
        } catch {
          errors += 1;
        }
        continue;
      }
      mustThrow(name, () => functions[name]?.(...words));
      errors += 1;
    }
  }
  assert(errors > CALLS / 2);
});

test('texts, numbers and lists of the wrong kind are errors with a code', () => {
  const set = new addon.SpentSet(2);
  const terms = new addon.Terms({ channelBinding: bytes(4) });
  const ours = new addon.Keys({ root: bytes(32), epoch: bytes(16) });
  const texts: ((odd: never) => unknown)[] = [addon.audienceBinding, addon.checkClientId, addon.fromHex, addon.fromBase64Url];
  const numbers: ((odd: never) => unknown)[] = [
    (odd) => new addon.SpentSet(odd),
    (odd) => set.at(odd),
    (odd) => addon.issueChallenge({ clientId: 'a', challengeKey: bytes(32), ttlSeconds: odd ?? Number.NaN }),
  ];
  const keys: ((odd: never) => unknown)[] = [
    (odd) => set.accept(odd, 1),
    (odd) => new addon.Keys({ root: odd, epoch: bytes(16) }),
    (odd) => new addon.Keys({ root: bytes(32), epoch: odd }),
    (odd) => terms.challenge(odd, 1, 'a'),
    (odd) => terms.authenticate(odd, 1, { clientId: 'a', challengeId: 'ch-1', proof: bytes(96) }),
    (odd) => terms.authenticate(ours, 1, { clientId: 'a', challengeId: 'ch-1', proof: odd }),
    (odd) => terms.rotate(ours, 1, { clientId: 'a', challengeId: 'ch-1', proofOld: odd, commitmentNew: odd, proofNew: odd }),
    (odd) => terms.enroll({ clientId: 'a', commitment: odd, proof: odd }),
  ];
  const lists: ((odd: never) => unknown)[] = [(odd) => addon.verifyBatch([odd])];
  const refused = (call: () => unknown) => assert.throws(call, addon.TwoFApiError, String(call));
  for (const odd of ODD.map((make) => make())) {
    if (typeof odd !== 'string') for (const call of texts) refused(() => call(odd as never));
    if (typeof odd !== 'number' || Number.isNaN(odd)) for (const call of numbers) refused(() => call(odd as never));
    for (const call of keys) refused(() => call(odd as never));
    // What a getter throws stays what it is.
    if (odd instanceof Object && Reflect.ownKeys(odd).length === 0) continue;
    for (const call of lists) refused(() => call(odd as never));
  }
});

test('errors on purpose have a code of the protocol; only what a getter throws is its own', () => {
  for (let n = 0; n < 2000; n += 1) {
    const odd = pick(ODD)();
    try {
      addon.verifyAuthentication({ clientId: 'a', commitment: odd, nonce: odd, proof: odd } as never);
      assert.fail('an odd value was taken');
    } catch (error) {
      assert(error instanceof addon.TwoFApiError, String(error));
    }
  }
});

test('async functions refuse by rejecting, and the process goes on', async () => {
  for (let n = 0; n < 500; n += 1) {
    const odd = pick(ODD)() as never;
    const attempt = { clientId: 'a', commitment: odd, nonce: odd, proof: odd };
    await assert.rejects(addon.verifyAuthenticationAsync(attempt), addon.TwoFApiError);
    await assert.rejects(addon.verifyEnrollmentAsync(attempt), addon.TwoFApiError);
    await assert.rejects(addon.denyUnknownClientAsync(attempt), addon.TwoFApiError);
    await assert.rejects(
      addon.verifyRotationAsync({ ...attempt, commitmentNew: odd, proofOld: odd, proofNew: odd }),
      addon.TwoFApiError,
    );
    await assert.rejects(addon.createEnrollmentAsync({ clientId: 'a', credential: odd }));
    await assert.rejects(addon.verifyBatchAsync([{ clientId: 'a', commitment: odd, nonce: odd, proof: odd }]));
    await assert.rejects(addon.proveAuthenticationAsync({ clientId: 'a', credential: odd, challenge: odd }));
  }
  assert.equal(addon.isIdentityPoint(new Uint8Array(32)), true);
});

test('what is changed while a proof is looked at elsewhere changes nothing', async () => {
  const [credential, next] = [addon.generateCredential(), addon.generateCredential()];
  const [clientId, nonce] = ['a', bytes(16)];
  const [commitment, commitmentNew] = [credential.commitment, next.commitment];
  const proof = addon.proveAuthentication({ clientId, credential, challenge: { nonce } });
  const possession = addon.createEnrollment({ clientId, credential });
  const proofOld = addon.proveRotation({ clientId, credential, commitmentNew, challenge: { nonce } });
  const { proof: proofNew } = addon.createEnrollment({ clientId, credential: next });
  const rotation = { clientId, commitment, nonce, commitmentNew, proofOld, proofNew };
  const started: (() => Promise<boolean>)[] = [
    () => addon.verifyAuthenticationAsync({ clientId, commitment, nonce, proof }),
    () => addon.verifyEnrollmentAsync(possession),
    () => addon.verifyRotationAsync(rotation),
  ];
  // The first start at once; the others wait for their turn, and begin when the bytes are no longer there.
  const verdicts = Array.from({ length: 64 }, () => started.map((start) => start())).flat();
  for (const gone of [proof, possession.proof, proofOld, proofNew, nonce]) {
    gone.fill(0);
    structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] });
  }
  assert.deepEqual(await Promise.all(verdicts), Array(3 * 64).fill(true));
});
