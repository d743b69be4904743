// Access tokens: EdDSA JWTs as RFC 9068 has them, made and checked by `jose`.

import { randomBytes } from 'node:crypto';

import { SignJWT, errors, jwtVerify, type JWK } from 'jose';

import { unixSeconds } from './clock.js';
import type { Authority, Named } from './crypto.js';
import type { KeyRing } from './signing-keys.js';

/** Who an access token stands for. */
export interface Identity {
  readonly clientId: string;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The version of the record that the commitment which was proven came with. */
  readonly commitmentVersion: number;
  /** The credential that was proven; a token of before names none, and means the client's first. */
  readonly credentialId?: string;
  /** The generation of the client; a token of before names none, and means 0. */
  readonly generation: number;
  /** What the client may do: what the token says, as far as its record still does. */
  readonly scopes: readonly string[];
  /** Whose client it is; undefined also where that has changed since. */
  readonly tenant?: string;
  /** All that the token says, what the operator has it say included. */
  readonly claims: { readonly [name: string]: unknown };
}

/** Makes and checks access tokens. */
export interface Tokens {
  issue(clientId: string, named: Named, may?: Authority): Promise<string>;
  /** Whom a token stands for; undefined when it is not good, whatever the cause. */
  check(token: string): Promise<Identity | undefined>;
  readonly ttlSeconds: number;
  /** The public keys as a JWK set (RFC 7517). */
  keySet(): { readonly keys: readonly JWK[] };
}

/** How far the clocks of two processes may be apart before the tokens of one are not yet good at the other. */
const CLOCK_SKEW_SECONDS = 2;

const isCounter = (claim: unknown): claim is number =>
  typeof claim === 'number' && Number.isInteger(claim) && claim >= 0 && claim <= 0xffff_ffff;

const CREDENTIAL_ID = /^[0-9a-f]{32}$/;

export function tokensOf(ring: KeyRing, audience: string, ttlSeconds: number): Tokens {
  return {
    ttlSeconds,

    keySet: () => ({ keys: ring.published(unixSeconds()) }),

    issue: (clientId, { credentialId, since, generation }, may) => {
      const now = unixSeconds();
      const { kid, privateKey } = ring.signing(now);
      const proven = credentialId === undefined ? { ver: since } : { ver: since, cred: credentialId, gen: generation };
      const said = {
        ...(may !== undefined && may.scopes.length > 0 && { scope: may.scopes.join(' ') }),
        ...(may?.tenant !== undefined && { tenant: may.tenant }),
      };
      const authenticated = { amr: ['zkp'], acr: 'urn:2fapi:acr:sigma', auth_time: now };
      // What the token says itself comes last: nothing overrides it.
      return new SignJWT({ ...may?.claims, client_id: clientId, ...authenticated, ...proven, ...said })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid })
        .setIssuer(audience)
        .setSubject(clientId)
        .setAudience(audience)
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(now + ttlSeconds)
        .setJti(randomBytes(16).toString('hex'))
        .sign(privateKey);
    },

    check: async (token) => {
      const now = unixSeconds();
      try {
        const { payload, protectedHeader } = await jwtVerify(token, ({ kid }) => ring.verifying(kid), {
          algorithms: ['EdDSA'],
          typ: 'at+jwt',
          issuer: audience,
          audience,
          requiredClaims: ['sub', 'exp', 'iat', 'nbf', 'jti', 'ver'],
          clockTolerance: CLOCK_SKEW_SECONDS,
        });
        // The library also takes a longer `typ`, extensions that it knows, and a list of audiences; protocol.md 14 does not.
        if (protectedHeader.typ !== 'at+jwt' || 'crit' in protectedHeader || payload.aud !== audience) return undefined;
        // Bound to a key, whose proofs this host does not look at; or of a session, of which it has no list.
        if ('cnf' in payload || 'sid' in payload) return undefined;
        const { sub, exp } = payload;
        const { ver: version, cred, gen = 0 } = payload;
        // The tolerance is for tokens of a process whose clock is ahead, not for expired ones.
        if (sub === undefined || exp === undefined || now >= exp) return undefined;
        if (!isCounter(version) || !isCounter(gen)) return undefined;
        if (cred !== undefined && !(typeof cred === 'string' && CREDENTIAL_ID.test(cred))) return undefined;
        const { scope, tenant } = payload;
        const identity = {
          clientId: sub,
          expiresAt: exp,
          commitmentVersion: version,
          generation: gen,
          scopes: typeof scope === 'string' ? scope.split(' ').filter((word) => word !== '') : [],
          ...(typeof tenant === 'string' && { tenant }),
          claims: payload,
        };
        return cred === undefined ? identity : { ...identity, credentialId: cred };
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}
