// The keys that sign access tokens, one after the other: each is published before it signs, and stays
// published until the last token that it signed has expired.

import { KeyObject, createPrivateKey, createPublicKey } from 'node:crypto';

import { calculateJwkThumbprint, errors, exportJWK, generateKeyPair, type JWK } from 'jose';

import { unixSeconds } from './clock.js';
import { onlyKnown, wholeNumber } from './settings.js';

/** An Ed25519 key that signs access tokens, as a private JWK. Keep it secret. */
export type SigningKey = JWK & { kty: string; crv: string; d: string; x: string };

/** A signing key and when it takes over from the one before. */
export interface ScheduledKey {
  readonly key: SigningKey;
  /** Unix seconds. Let it be at least two hours after every process has the key: other services may keep the key set for one. */
  readonly signsFrom: number;
}

/** Draws a key. Keep it where secrets are kept; without it, all tokens from before are void. */
export async function generateSigningKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return (await exportJWK(privateKey)) as SigningKey;
}

/** The keys of a service. */
export interface KeyRing {
  /** The key that signs now. */
  signing(now: number): { readonly kid: string; readonly privateKey: KeyObject };
  /** @throws JOSEError when there is no such key. */
  verifying(kid: string | undefined): KeyObject;
  /** The public keys of which tokens may be about, now or later. */
  published(now: number): JWK[];
}

interface Held {
  readonly kid: string;
  readonly signsFrom: number;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JWK;
}

/** @throws TypeError when a key is none of Ed25519, or no key signs now. */
export async function keyRingOf(
  signingKey: SigningKey | undefined,
  signingKeys: readonly ScheduledKey[] | undefined,
  ttlSeconds: number,
): Promise<KeyRing> {
  if ((signingKey === undefined) === (signingKeys === undefined)) {
    throw new TypeError('set signingKey, or signingKeys for several: what generateSigningKey() gives');
  }
  if (signingKeys !== undefined && (!Array.isArray(signingKeys) || signingKeys.length === 0)) {
    throw new TypeError('signingKeys must be a list of { key, signsFrom }');
  }
  const held = await Promise.all(
    (signingKeys ?? [{ key: signingKey as SigningKey, signsFrom: 0 }]).map((it, at) =>
      hold(it, signingKeys === undefined ? 'signingKey' : `signingKeys[${at}]`),
    ),
  );
  held.sort((a, b) => a.signsFrom - b.signsFrom);
  held.forEach((it, at) => {
    const next = held[at + 1];
    if (next !== undefined && next.signsFrom === it.signsFrom) {
      throw new TypeError('two of signingKeys take over at the same time');
    }
    if (held.some((other) => other !== it && other.kid === it.kid)) {
      throw new TypeError('a key is twice among signingKeys');
    }
  });
  const signing = (now: number): Held => {
    const current = held.findLast((it) => it.signsFrom <= now);
    if (current === undefined) throw new TypeError('none of signingKeys signs yet: the signsFrom of one must be past');
    return current;
  };
  signing(unixSeconds());
  const isOver = (at: number, now: number): boolean => {
    const next = held[at + 1];
    return next !== undefined && next.signsFrom + ttlSeconds <= now;
  };
  return {
    signing,
    verifying: (kid) => {
      const key = held.find((it) => it.kid === kid);
      if (key === undefined) throw new errors.JWKSNoMatchingKey();
      return key.publicKey;
    },
    published: (now) => held.filter((_, at) => !isOver(at, now)).map(({ jwk }) => jwk),
  };
}

async function hold(scheduled: ScheduledKey, name: string): Promise<Held> {
  onlyKnown(scheduled, `part of ${name}`, ['key', 'signsFrom']);
  const { key } = scheduled;
  const signsFrom = wholeNumber(scheduled.signsFrom, `${name}.signsFrom (Unix seconds)`, 0, Number.MAX_SAFE_INTEGER);
  const wrong = (): TypeError => new TypeError(`${name} must be a private Ed25519 JWK: what generateSigningKey() gives`);
  if (typeof key !== 'object' || key === null || key.kty !== 'OKP' || key.crv !== 'Ed25519') throw wrong();
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d: key.d, x: key.x }, format: 'jwk' });
  } catch {
    // Node's own error may be about the private part.
    throw wrong();
  }
  // Of the private part itself: a public part of another key would have every token refused.
  const publicKey = createPublicKey(privateKey);
  const { x } = publicKey.export({ format: 'jwk' });
  if (x !== key.x) throw new TypeError(`${name} is not one key: its x does not belong to its d`);
  const publicPart: JWK = { kty: 'OKP', crv: 'Ed25519', x: key.x };
  const kid = await calculateJwkThumbprint(publicPart);
  return { kid, signsFrom, privateKey, publicKey, jwk: { ...publicPart, alg: 'EdDSA', use: 'sig', kid } };
}
