// The HTTP resources of the protocol over a store, as functions from Request to Response: what the
// adapters of the frameworks have in common.

import { hostOf, type AuditEvent, type EnrollmentRequest, type Handler, type RequestContext } from './host.js';
import { limiterOf, type Limits } from './limits.js';
import { linkResources } from './link-resources.js';
import { loginResources, type MayEnroll, type RedeemEnrollment } from './login-resources.js';
import { ProblemError, insufficientScope, problemOf } from './problem.js';
import { functionOrNothing, onlyKnown, originOf, wholeNumber } from './settings.js';
import { keyRingOf, type ScheduledKey, type SigningKey } from './signing-keys.js';
import type { Store } from './store.js';
import { tokensOf, type Identity, type Tokens } from './tokens.js';

export type { AuditEvent, EnrollmentRequest, RequestContext };

/** Settings of {@link createTwoFApi}. */
export interface TwoFApiOptions<Step = unknown> {
  /** Where clients are enrolled: `memoryStore()`, `redisStore(client)`, … */
  readonly store: Store<Step>;
  /** The origin under which clients reach the service, such as `https://api.example.com`: what they bind proofs to. */
  readonly audience: string;
  /** Signs access tokens: what `generateSigningKey()` gave once. */
  readonly signingKey?: SigningKey;
  /** Several of them, in the place of `signingKey`: the one that signs, those before it, and the next. */
  readonly signingKeys?: readonly ScheduledKey[];
  /**
   * Whether somebody may enrol this client id: by an invitation that you made, or because the request comes
   * from a user who is logged in. Called before the proof is looked at, as often as somebody tries: it must
   * use nothing up, which is for `redeem`. `'reset'`: by an invitation of another kind, which permits to replace all
   * credentials of a client that has lost them; such an invitation should be good for an hour at most, and a newer one
   * void it. `false`: nobody enrols here.
   */
  readonly mayEnroll: MayEnroll;
  /**
   * Uses up what permits the enrolment, such as an invitation. Called when the proof was accepted and the client
   * id is free, in the step in which the store adds the client; `step` is how the store lets you take part in
   * it (see the store). Either both happen or neither. False: it was used up meanwhile, and nobody is enrolled.
   */
  readonly redeem?: RedeemEnrollment<Step>;
  /** How long an access token is good, 15 minutes unless set. */
  readonly accessTokenTtlSeconds?: number;
  /** How many requests one source may make in this process, 20 a second and 100 at once unless set; `false`: any number. */
  readonly limits?: Limits | false;
  /** Hears of every enrolment, login, rotation, link and the like that was accepted. */
  readonly audit?: (event: AuditEvent) => void | Promise<void>;
  /** Hears of errors that clients are only told are `unavailable`; `console.error` unless set. */
  readonly onError?: (error: unknown) => void;
}

/** What a protected resource asks of a request. */
export interface Asked {
  /** The address that it comes from, as the application knows it and not as the client says. */
  readonly source?: string | undefined;
  /** Scopes that the client needs, each of them. */
  readonly scopes?: readonly string[];
}

/** The resources, and what protects the others. */
export interface TwoFApi {
  /** Answers a request to one of the resources; undefined when it is to none of them. */
  handle(request: Request, context?: RequestContext): Promise<Response | undefined>;
  /**
   * Who is behind the `Authorization` header of a request. Checks the token, and with the store that
   * the client is still active, and has the credential that was proven as it was.
   *
   * @param asked where the request comes from, without which a client with allowed sources is refused, and what the
   * client has to be allowed to do
   * @returns the client, or the response that refuses the request: 403 and `insufficient_scope` where the client is who it
   * says and may not do this
   */
  authenticate(authorization: string | null | undefined, asked?: Asked): Promise<Identity | Response>;
  readonly store: Store;
}

const OPTIONS = [
  'store',
  'audience',
  'signingKey',
  'signingKeys',
  'mayEnroll',
  'redeem',
  'accessTokenTtlSeconds',
  'limits',
  'audit',
  'onError',
];

/** @throws TypeError when a setting cannot be right. */
export async function createTwoFApi<Step>(options: TwoFApiOptions<Step>): Promise<TwoFApi> {
  onlyKnown(options, 'setting of createTwoFApi', OPTIONS);
  const { store, mayEnroll, redeem } = options;
  if (typeof store?.challenge !== 'function') throw new TypeError('store must be a store, such as redisStore(client)');
  const audience = originOf(options.audience);
  if (mayEnroll !== false && typeof mayEnroll !== 'function') {
    throw new TypeError('mayEnroll must be a function that says who may enrol, or false: nobody');
  }
  functionOrNothing(redeem, 'redeem');
  if (redeem !== undefined && !store.redeems) {
    throw new TypeError('this store cannot redeem anything in the step in which it enrols: leave redeem out');
  }
  functionOrNothing(options.onError, 'onError');
  functionOrNothing(options.audit, 'audit');
  const ttlSeconds = wholeNumber(options.accessTokenTtlSeconds ?? 900, 'accessTokenTtlSeconds', 1, 86_400);
  const limiter = limiterOf(options.limits);
  const keys = await keyRingOf(options.signingKey, options.signingKeys, ttlSeconds);
  const tokens: Tokens = tokensOf(keys, audience, ttlSeconds);
  const onError = options.onError ?? ((error) => console.error('2fapi:', error));
  const host = hostOf(store, tokens, audience, options.audit, onError);
  const { identify, throttled } = host;
  const resources = new Map<string, Map<string, Handler>>();
  for (const [path, method, handler] of [...loginResources(host, mayEnroll, redeem), ...linkResources(host)]) {
    resources.set(path, (resources.get(path) ?? new Map<string, Handler>()).set(method, handler));
  }

  async function handle(request: Request, context: RequestContext = {}): Promise<Response | undefined> {
    const resource = resources.get(context.path ?? new URL(request.url).pathname);
    if (resource === undefined) return undefined;
    try {
      // HEAD is GET without a body (RFC 9110, section 9.3.2).
      const isHead = request.method === 'HEAD';
      const method = isHead ? 'GET' : request.method;
      const handler = resource.get(method);
      if (handler === undefined) {
        const allow = [...resource.keys()].map((it) => (it === 'GET' ? 'GET, HEAD' : it)).sort().join(', ');
        throw new ProblemError('method_not_allowed', `this resource answers to ${allow}`, { Allow: allow });
      }
      if (method === 'POST') {
        const wait = limiter.admit(context.source);
        if (wait !== undefined) throw throttled('requests from your address', wait);
      }
      const answer = await handler(request, context);
      return isHead ? new Response(null, answer) : answer;
    } catch (error) {
      return problemOf(error, onError).response();
    }
  }

  return {
    store,
    handle,
    authenticate: (authorization, { source, scopes = [] } = {}) =>
      identify(authorization, source)
        .then((identity) => {
          const missing = scopes.find((scope) => !identity.scopes.includes(scope));
          return missing === undefined ? identity : insufficientScope(missing, audience);
        })
        .catch((error: unknown) => problemOf(error, onError).response()),
  };
}
