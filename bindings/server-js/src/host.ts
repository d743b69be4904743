// What the resources have at hand: the store, the tokens, who asks, and the refusals that they share.

import { bearerOf } from './bearer.js';
import * as crypto from './crypto.js';
import { ProblemError } from './problem.js';
import type { Store, Verdict } from './store.js';
import type { Identity, Tokens } from './tokens.js';

/** Something that has happened to a client, for who keeps a record of it. Nothing in it is secret. */
export interface AuditEvent {
  readonly event: 'enrolled' | 'reset' | 'authenticated' | 'rotated' | 'linked' | 'unlinked' | 'offered' | 'joined';
  readonly clientId: string;
  /** The credential that came, or that went. */
  readonly credentialId?: string;
  /** What the device asks to be called. */
  readonly name?: string;
  /** The address that the request came from, where it is known. */
  readonly source?: string;
}

/** Who wants to enrol, and what it shows for it. */
export interface EnrollmentRequest {
  readonly clientId: string;
  /** The bearer token of the request, if there was one. */
  readonly token: string | undefined;
  /** The client id of the user whom the application has logged in with this request, if it says. */
  readonly user: string | undefined;
  readonly request: Request;
}

/** What the application knows of a request. */
export interface RequestContext {
  /** The path as the resources have it, where the application has them below another. */
  readonly path?: string;
  /** The address that the request comes from. Without it the request is not counted. */
  readonly source?: string | undefined;
  /** Says which client id the user has whom the application has logged in with this request, if there is one. */
  readonly user?: () => string | undefined | Promise<string | undefined>;
}

/** Answers requests to one resource by one method. */
export type Handler = (request: Request, context: RequestContext) => Promise<Response>;

/** By path and method. */
export type Resources = readonly (readonly [path: string, method: 'GET' | 'POST', handler: Handler])[];

/** What the resources have at hand. */
export interface Host<Step = unknown> {
  readonly store: Store<Step>;
  readonly tokens: Tokens;
  readonly channelBinding: Uint8Array;
  /** A proof is refused: one answer for every cause. */
  denied(): ProblemError;
  /** A token is refused, or missing. */
  notAuthorized(given: boolean): ProblemError;
  throttled(what: string, seconds: number): ProblemError;
  /** The verdict of a proof that was accepted. */
  accepted(verdict: Verdict): Extract<Verdict, { outcome: 'accepted' }>;
  /** Whom the token of a request stands for, whose client honours it. */
  identify(authorization: string | null | undefined, source: string | undefined): Promise<Identity>;
  audit(event: AuditEvent['event'], clientId: string, context: RequestContext, more?: Partial<AuditEvent>): void;
}

export function hostOf<Step>(
  store: Store<Step>,
  tokens: Tokens,
  audience: string,
  tell: ((event: AuditEvent) => void | Promise<void>) | undefined,
  onError: (error: unknown) => void,
): Host<Step> {
  const realm = `realm="${audience}"`;

  const denied = (): ProblemError =>
    new ProblemError('denied', 'the proof is not accepted', { 'WWW-Authenticate': `2FApi ${realm}` });
  const notAuthorized = (given: boolean): ProblemError =>
    new ProblemError('denied', 'the token is not accepted', {
      'WWW-Authenticate': given ? `Bearer ${realm}, error="invalid_token"` : `Bearer ${realm}`,
    });
  const throttled = (what: string, seconds: number): ProblemError => {
    const retryAfterSeconds = Math.max(1, Math.ceil(seconds));
    return new ProblemError('throttled', `too many ${what} at the moment; try again in ${retryAfterSeconds} s`, {
      'Retry-After': String(retryAfterSeconds),
    });
  };

  return {
    store,
    tokens,
    channelBinding: crypto.audienceBinding(audience),
    denied,
    notAuthorized,
    throttled,

    accepted(verdict) {
      if (verdict.outcome === 'throttled') throw throttled('logins', verdict.retryAfterSeconds);
      if (verdict.outcome === 'denied') throw denied();
      return verdict;
    },

    async identify(authorization, source) {
      const token = bearerOf(authorization);
      if (token === undefined) throw notAuthorized(false);
      const identity = await tokens.check(token);
      if (identity === undefined) throw notAuthorized(true);
      const { clientId, credentialId, commitmentVersion: since, generation } = identity;
      const named = { credentialId, since, generation };
      if (store.authority === undefined) {
        if (!(await store.honours(clientId, named))) throw notAuthorized(true);
        return identity;
      }
      const may = await store.authority(clientId, named, source);
      if (may === undefined) throw notAuthorized(true);
      const { tenant, ...others } = identity;
      const scopes = identity.scopes.filter((scope) => may.scopes.includes(scope));
      return { ...others, scopes, ...(tenant !== undefined && tenant === may.tenant && { tenant }) };
    },

    audit(event, clientId, { source }, more = {}) {
      if (tell === undefined) return;
      // Whatever fails here changes nothing of what was done, and of what its sender is told.
      Promise.resolve({ event, clientId, ...(source === undefined ? {} : { source }), ...more }).then(tell).catch(onError);
    },
  };
}

export function json(body: object, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  });
}

/** `<id>.<client id>`; what no host has issued is denied, not malformed. */
export function challengeOf(named: string): { challengeId: string; clientId: string } | undefined {
  const dot = named.indexOf('.');
  const clientId = named.slice(dot + 1);
  if (dot < 0 || !crypto.isClientId(clientId)) return undefined;
  return { challengeId: named.slice(0, dot), clientId };
}
