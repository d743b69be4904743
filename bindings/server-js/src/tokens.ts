// Access tokens: EdDSA JWTs as RFC 9068 has them, made and checked by `jose`.

import { randomBytes } from 'node:crypto';

import {
  SignJWT,
  calculateJwkThumbprint,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  jwtVerify,
  type CryptoKey,
  type JWK,
} from 'jose';

/** An Ed25519 key that signs access tokens, as a private JWK. Keep it secret. */
export type SigningKey = JWK & { kty: string; crv: string; d: string; x: string };

/** Draws a key. Keep it where secrets are kept; with a new one all tokens from before are void. */
export async function generateSigningKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return (await exportJWK(privateKey)) as SigningKey;
}

/** Who an access token stands for. */
export interface Identity {
  readonly clientId: string;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The version of the commitment that was proven, where the host tells. */
  readonly commitmentVersion?: number;
}

/** Makes and checks access tokens. */
export interface Tokens {
  issue(clientId: string, commitmentVersion: number | undefined): Promise<string>;
  /** Whom a token stands for; undefined when it is not good, whatever the cause. */
  check(token: string): Promise<Identity | undefined>;
  readonly ttlSeconds: number;
  /** The public key as a JWK set (RFC 7517). */
  readonly keySet: { readonly keys: readonly JWK[] };
}

/** @throws TypeError when the key is none of Ed25519. */
export async function tokensOf(key: SigningKey, audience: string, ttlSeconds: number): Promise<Tokens> {
  if (key.kty !== 'OKP' || key.crv !== 'Ed25519' || typeof key.d !== 'string') {
    throw new TypeError('signingKey must be a private Ed25519 JWK: what generateSigningKey() gives');
  }
  const publicPart: JWK = { kty: 'OKP', crv: 'Ed25519', x: key.x };
  const kid = await calculateJwkThumbprint(publicPart);
  const signing = (await importJWK(key, 'EdDSA')) as CryptoKey;
  const verifying = (await importJWK(publicPart, 'EdDSA')) as CryptoKey;
  return {
    ttlSeconds,
    keySet: { keys: [{ ...publicPart, alg: 'EdDSA', use: 'sig', kid }] },

    issue: (clientId, commitmentVersion) => {
      const claims = { client_id: clientId, amr: ['zkp'] };
      return new SignJWT(commitmentVersion === undefined ? claims : { ...claims, ver: commitmentVersion })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid })
        .setIssuer(audience)
        .setSubject(clientId)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(`${ttlSeconds}s`)
        .setJti(randomBytes(16).toString('hex'))
        .sign(signing);
    },

    check: async (token) => {
      try {
        const { payload } = await jwtVerify(token, verifying, {
          algorithms: ['EdDSA'],
          typ: 'at+jwt',
          issuer: audience,
          audience,
          requiredClaims: ['sub', 'exp', 'iat', 'jti'],
        });
        const { sub, exp } = payload;
        if (sub === undefined || exp === undefined) return undefined;
        const version = payload['ver'];
        const identity = { clientId: sub, expiresAt: exp };
        return typeof version === 'number' ? { ...identity, commitmentVersion: version } : identity;
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}
