// The HTTP resources of the protocol over a store, as functions from Request to Response: what the
// adapters of the frameworks have in common.

import {
  ELEMENT_LENGTH,
  PATHS,
  PROOF_LENGTH,
  type AccessToken,
  type Challenge,
  type Enrolled,
  type Rotated,
  type WhoAmI,
} from '@2fapi/protocol-spec';

import { bearerOf } from './bearer.js';
import { fieldsOf } from './body.js';
import * as crypto from './crypto.js';
import { limiterOf, type Limits } from './limits.js';
import { ProblemError, problemOf } from './problem.js';
import { functionOrNothing, onlyKnown, originOf, wholeNumber } from './settings.js';
import { keyRingOf, type ScheduledKey, type SigningKey } from './signing-keys.js';
import type { Store } from './store.js';
import { tokensOf, type Identity, type Tokens } from './tokens.js';

/** Who wants to enrol, and what it shows for it. */
export interface EnrollmentRequest {
  readonly clientId: string;
  /** The bearer token of the request, if there was one. */
  readonly token: string | undefined;
  /** The client id of the user whom the application has logged in with this request, if it says. */
  readonly user: string | undefined;
  readonly request: Request;
}

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
   * use nothing up, which is for `redeem`. `false`: nobody enrols here.
   */
  readonly mayEnroll: false | ((enrollment: EnrollmentRequest) => boolean | Promise<boolean>);
  /**
   * Uses up what permits the enrolment, such as an invitation. Called when the proof was accepted and the client
   * id is free, in the step in which the store adds the client; `step` is how the store lets you take part in
   * it (see the store). Either both happen or neither. False: it was used up meanwhile, and nobody is enrolled.
   */
  readonly redeem?: (enrollment: EnrollmentRequest, step: Step) => boolean | Promise<boolean>;
  /** How long an access token is good, 15 minutes unless set. */
  readonly accessTokenTtlSeconds?: number;
  /** How many requests one source may make in this process, 20 a second and 100 at once unless set; `false`: any number. */
  readonly limits?: Limits | false;
  /** Hears of errors that clients are only told are `unavailable`; `console.error` unless set. */
  readonly onError?: (error: unknown) => void;
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

/** The resources, and what protects the others. */
export interface TwoFApi {
  /** Answers a request to one of the resources; undefined when it is to none of them. */
  handle(request: Request, context?: RequestContext): Promise<Response | undefined>;
  /**
   * Who is behind the `Authorization` header of a request. Checks the token, and with the store that
   * the client is still active, and has the credential that was proven as it was.
   *
   * @returns the client, or the response that refuses the request
   */
  authenticate(authorization: string | null | undefined): Promise<Identity | Response>;
  readonly store: Store;
}

type Handler = (request: Request, context: RequestContext) => Promise<Response>;

const OPTIONS = [
  'store',
  'audience',
  'signingKey',
  'signingKeys',
  'mayEnroll',
  'redeem',
  'accessTokenTtlSeconds',
  'limits',
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
  const ttlSeconds = wholeNumber(options.accessTokenTtlSeconds ?? 900, 'accessTokenTtlSeconds', 1, 86_400);
  const limiter = limiterOf(options.limits);
  const keys = await keyRingOf(options.signingKey, options.signingKeys, ttlSeconds);
  const tokens: Tokens = tokensOf(keys, audience, ttlSeconds);
  const channelBinding = crypto.audienceBinding(audience);
  const onError = options.onError ?? ((error) => console.error('2fapi:', error));
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

  async function identify(authorization: string | null | undefined): Promise<Identity> {
    const token = bearerOf(authorization);
    if (token === undefined) throw notAuthorized(false);
    const identity = await tokens.check(token);
    if (identity === undefined) throw notAuthorized(true);
    const { clientId, credentialId, commitmentVersion: since, generation } = identity;
    if (!(await store.honours(clientId, { credentialId, since, generation }))) throw notAuthorized(true);
    return identity;
  }

  const enroll: Handler = async (request, context) => {
    if (mayEnroll === false) throw new ProblemError('not_found', 'nobody enrols here');
    const body = await fieldsOf(request, ['commitment', 'proof']);
    const [commitment, proof] = [body.bytes('commitment', ELEMENT_LENGTH), body.bytes('proof', PROOF_LENGTH)];
    const token = bearerOf(request.headers.get('authorization'));
    const user = await context.user?.();
    // Who is logged in at the application, and names nobody, means itself.
    const given = body.clientIdIfGiven();
    if (given === undefined && context.user !== undefined && user === undefined) throw notAuthorized(token !== undefined);
    const clientId = given ?? user ?? body.clientId();
    crypto.mustBeEnrollment(clientId, commitment, proof);
    const enrollment: EnrollmentRequest = { clientId, token, user, request };
    if ((await mayEnroll(enrollment)) !== true) throw notAuthorized(token !== undefined);
    const used = redeem && ((step: Step) => redeem(enrollment, step));
    switch (await store.enroll(clientId, commitment, proof, used)) {
      case 'denied':
        throw denied();
      case 'not_permitted':
        throw notAuthorized(token !== undefined);
      case 'already_enrolled':
        throw new ProblemError('already_enrolled', 'this client id is enrolled, or was revoked; choose another, or rotate');
      case 'enrolled': {
        const answer: Enrolled = { client_id: clientId, status: 'active', commitment_version: 1 };
        return json(answer, 201);
      }
    }
  };

  const challenge: Handler = async (request) => {
    const clientId = (await fieldsOf(request, [])).clientId();
    const issued = await store.challenge(clientId, channelBinding);
    const answer: Challenge = {
      challenge_id: `${issued.challengeId}.${clientId}`,
      nonce: Buffer.from(issued.nonce).toString('hex'),
      expires_at: issued.expiresAt,
      channel_binding: Buffer.from(channelBinding).toString('hex'),
    };
    return json(answer);
  };

  const verify: Handler = async (request) => {
    const body = await fieldsOf(request, ['challenge_id', 'proof'], false);
    const proof = body.bytes('proof', PROOF_LENGTH);
    const name = body.text('challenge_id');
    crypto.mustBeProof(proof);
    const named = challengeOf(name);
    if (named === undefined) throw denied();
    const verdict = await store.authenticate({ ...named, proof, channelBinding });
    if (verdict.outcome === 'throttled') throw throttled('logins', verdict.retryAfterSeconds);
    if (verdict.outcome === 'denied') throw denied();
    const answer: AccessToken = {
      access_token: await tokens.issue(named.clientId, verdict.named ?? { since: verdict.commitmentVersion, generation: 0 }),
      token_type: 'Bearer',
      expires_in: tokens.ttlSeconds,
      client_id: named.clientId,
    };
    return json(answer);
  };

  const rotate: Handler = async (request) => {
    const body = await fieldsOf(request, ['challenge_id', 'proof_old', 'commitment_new', 'proof_new'], false);
    const proofOld = body.bytes('proof_old', PROOF_LENGTH);
    const commitmentNew = body.bytes('commitment_new', ELEMENT_LENGTH);
    const proofNew = body.bytes('proof_new', PROOF_LENGTH);
    const name = body.text('challenge_id');
    crypto.mustBeProof(proofOld);
    crypto.mustBeCommitment(commitmentNew);
    crypto.mustBeProof(proofNew);
    const named = challengeOf(name);
    if (named === undefined) throw denied();
    const verdict = await store.rotate({ ...named, proofOld, commitmentNew, proofNew, channelBinding });
    if (verdict.outcome === 'throttled') throw throttled('logins', verdict.retryAfterSeconds);
    if (verdict.outcome === 'denied') throw denied();
    const answer: Rotated = { client_id: named.clientId, commitment_version: verdict.commitmentVersion };
    return json(answer);
  };

  const whoami: Handler = async (request) => {
    const identity = await identify(request.headers.get('authorization'));
    const { clientId, expiresAt, commitmentVersion } = identity;
    const answer: WhoAmI = { client_id: clientId, expires_at: expiresAt, commitment_version: commitmentVersion };
    return json(answer);
  };

  const jwks: Handler = async () =>
    new Response(JSON.stringify(tokens.keySet()), {
      headers: { 'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=3600' },
    });

  const resources = new Map<string, { method: string; handler: Handler }>([
    [PATHS.enroll, { method: 'POST', handler: enroll }],
    [PATHS.challenge, { method: 'POST', handler: challenge }],
    [PATHS.verify, { method: 'POST', handler: verify }],
    [PATHS.rotate, { method: 'POST', handler: rotate }],
    [PATHS.whoami, { method: 'GET', handler: whoami }],
    [PATHS.jwks, { method: 'GET', handler: jwks }],
  ]);

  async function handle(request: Request, context: RequestContext = {}): Promise<Response | undefined> {
    const resource = resources.get(context.path ?? new URL(request.url).pathname);
    if (resource === undefined) return undefined;
    try {
      const { method, handler } = resource;
      // HEAD is GET without a body (RFC 9110, section 9.3.2).
      const isHead = request.method === 'HEAD' && method === 'GET';
      if (request.method !== method && !isHead) {
        const allow = method === 'GET' ? 'GET, HEAD' : method;
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
    authenticate: (authorization) =>
      identify(authorization).catch((error: unknown) => problemOf(error, onError).response()),
  };
}

function json(body: object, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  });
}

/** `<id>.<client id>`; what no host has issued is denied, not malformed. */
function challengeOf(named: string): { challengeId: string; clientId: string } | undefined {
  const dot = named.indexOf('.');
  const clientId = named.slice(dot + 1);
  if (dot < 0 || !crypto.isClientId(clientId)) return undefined;
  return { challengeId: named.slice(0, dot), clientId };
}
