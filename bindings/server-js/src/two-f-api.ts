// The HTTP resources of the protocol over a host, as functions from Request to Response: what the
// adapters of the frameworks have in common.

import {
  AUDIENCE_BINDING_PREFIX,
  AUDIENCE_MAX_LENGTH,
  BODY_MAX_LENGTH,
  PATHS,
  type AccessToken,
  type Challenge,
  type Enrolled,
  type Rotated,
  type WhoAmI,
} from '@2fapi/protocol-spec';

import type { Host } from './host.js';
import { Failure, failureOf } from './problem.js';
import { tokensOf, type Identity, type SigningKey, type Tokens } from './tokens.js';

/** Who wants to enrol, and what it shows for it. */
export interface EnrolmentRequest {
  readonly clientId: string;
  /** The bearer token of the request, if there was one. */
  readonly token: string | undefined;
  readonly request: Request;
}

/** Settings of {@link createTwoFApi}. */
export interface TwoFApiOptions {
  /** Where clients are enrolled: `memoryStore()`, `redisStore(client)`, … */
  readonly store: Host;
  /** The origin under which clients reach the service, such as `https://api.example.com`: what they bind proofs to. */
  readonly audience: string;
  /** Signs access tokens: what `generateSigningKey()` gave once. */
  readonly signingKey: SigningKey;
  /**
   * Whether somebody may enrol this client id: by an invitation that you made, or because the request
   * comes from a user who is logged in. Called before the proof is looked at. `false`: nobody enrols here.
   */
  readonly mayEnroll: false | ((enrolment: EnrolmentRequest) => boolean | Promise<boolean>);
  /** How long an access token is good, 15 minutes unless set. */
  readonly accessTokenTtlSeconds?: number;
  /** Hears of errors that clients are only told are `unavailable`; `console.error` unless set. */
  readonly onError?: (error: unknown) => void;
}

/** The resources, and what protects the others. */
export interface TwoFApi {
  /** Answers a request to one of the resources; undefined when it is to none of them. */
  handle(request: Request): Promise<Response | undefined>;
  /**
   * Who is behind the `Authorization` header of a request. Checks the token, and with the store that
   * the client is still active and its commitment the one that was proven.
   *
   * @returns the client, or the response that refuses the request
   */
  authenticate(authorization: string | null | undefined): Promise<Identity | Response>;
  readonly host: Host;
}

type Handler = (request: Request) => Promise<Response>;

/** @throws TypeError when a setting cannot be right. */
export async function createTwoFApi(options: TwoFApiOptions): Promise<TwoFApi> {
  const { store: host, audience, mayEnroll } = options;
  if (!/^[\x21-\x7e]+$/.test(audience) || audience.length > AUDIENCE_MAX_LENGTH) {
    throw new TypeError(`audience must be 1 to ${AUDIENCE_MAX_LENGTH} visible ASCII characters, such as https://api.example.com`);
  }
  const ttlSeconds = options.accessTokenTtlSeconds ?? 900;
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 86_400) {
    throw new TypeError('accessTokenTtlSeconds must be 1 to 86400');
  }
  const channelBinding = Buffer.from(AUDIENCE_BINDING_PREFIX + audience, 'latin1');
  const tokens: Tokens = await tokensOf(options.signingKey, audience, ttlSeconds);
  const onError = options.onError ?? ((error) => console.error('2fapi:', error));
  const realm = `realm="${audience.replace(/["\\]/g, '\\$&')}"`;

  const denied = (): Failure =>
    new Failure('denied', 'the proof is not accepted', { 'WWW-Authenticate': `2FApi ${realm}` });
  const notAuthorized = (given: boolean): Failure =>
    new Failure('denied', 'the token is not accepted', {
      'WWW-Authenticate': given ? `Bearer ${realm}, error="invalid_token"` : `Bearer ${realm}`,
    });
  const throttled = (seconds: number): Failure =>
    new Failure('throttled', `too many logins at the moment; try again in ${seconds} s`, {
      'Retry-After': String(Math.max(1, Math.ceil(seconds))),
    });

  async function identify(authorization: string | null | undefined): Promise<Identity> {
    const token = bearer(authorization);
    if (token === undefined) throw notAuthorized(false);
    const identity = await tokens.check(token);
    if (identity === undefined) throw notAuthorized(true);
    const client = await host.find(identity.clientId);
    const same = client?.commitmentVersion === identity.commitmentVersion;
    if (client?.status !== 'active' || !same) throw notAuthorized(true);
    return identity;
  }

  const enroll: Handler = async (request) => {
    if (mayEnroll === false) throw new Failure('not_found', 'nobody enrols here');
    const body = await fields(request, ['commitment', 'proof']);
    const clientId = body.clientId();
    const [commitment, proof] = [body.bytes('commitment', 32), body.bytes('proof', 96)];
    const token = bearer(request.headers.get('authorization'));
    if (!(await mayEnroll({ clientId, token, request }))) throw notAuthorized(token !== undefined);
    const outcome = await host.enroll(clientId, commitment, proof);
    if (outcome === 'denied') throw denied();
    if (outcome === 'already_enrolled') {
      throw new Failure('already_enrolled', 'this client id is enrolled, or was revoked; choose another, or rotate');
    }
    const answer: Enrolled = { client_id: clientId, status: 'active', commitment_version: 1 };
    return json(answer, 201);
  };

  const challenge: Handler = async (request) => {
    const clientId = (await fields(request, [])).clientId();
    const issued = await host.challenge(clientId, channelBinding);
    const answer: Challenge = {
      challenge_id: `${issued.challengeId}.${clientId}`,
      nonce: Buffer.from(issued.nonce).toString('hex'),
      expires_at: issued.expiresAt,
      channel_binding: channelBinding.toString('hex'),
    };
    return json(answer);
  };

  const verify: Handler = async (request) => {
    const body = await fields(request, ['challenge_id', 'proof'], false);
    const proof = body.bytes('proof', 96);
    const named = challengeOf(body.text('challenge_id'));
    if (named === undefined) throw denied();
    const verdict = await host.authenticate({ ...named, proof, channelBinding });
    if (verdict.outcome === 'throttled') throw throttled(verdict.retryAfterSeconds);
    if (verdict.outcome === 'denied') throw denied();
    const answer: AccessToken = {
      access_token: await tokens.issue(named.clientId, verdict.commitmentVersion),
      token_type: 'Bearer',
      expires_in: tokens.ttlSeconds,
      client_id: named.clientId,
    };
    return json(answer);
  };

  const rotate: Handler = async (request) => {
    const body = await fields(request, ['challenge_id', 'proof_old', 'commitment_new', 'proof_new'], false);
    const proofOld = body.bytes('proof_old', 96);
    const commitmentNew = body.bytes('commitment_new', 32);
    const proofNew = body.bytes('proof_new', 96);
    const named = challengeOf(body.text('challenge_id'));
    if (named === undefined) throw denied();
    const verdict = await host.rotate({ ...named, proofOld, commitmentNew, proofNew, channelBinding });
    if (verdict.outcome === 'throttled') throw throttled(verdict.retryAfterSeconds);
    if (verdict.outcome === 'denied') throw denied();
    const answer: Partial<Rotated> = { client_id: named.clientId };
    if (verdict.commitmentVersion !== undefined) answer.commitment_version = verdict.commitmentVersion;
    return json(answer);
  };

  const whoami: Handler = async (request) => {
    const identity = await identify(request.headers.get('authorization'));
    const answer: Partial<WhoAmI> = { client_id: identity.clientId, expires_at: identity.expiresAt };
    if (identity.commitmentVersion !== undefined) answer.commitment_version = identity.commitmentVersion;
    return json(answer);
  };

  const jwks: Handler = async () =>
    new Response(JSON.stringify(tokens.keySet), {
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

  async function handle(request: Request): Promise<Response | undefined> {
    const resource = resources.get(new URL(request.url).pathname);
    if (resource === undefined) return undefined;
    try {
      if (request.method !== resource.method) {
        const allow = { Allow: resource.method };
        throw new Failure('method_not_allowed', `this resource answers to ${resource.method}`, allow);
      }
      return await resource.handler(request);
    } catch (error) {
      return failureOf(error, onError).response();
    }
  }

  return {
    host,
    handle,
    authenticate: (authorization) =>
      identify(authorization).catch((error: unknown) => failureOf(error, onError).response()),
  };
}

function json(body: object, status = 200): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  });
}

function bearer(authorization: string | null | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1];
}

/** `<id>.<client id>`; what no host has issued is denied, not malformed. */
function challengeOf(named: string): { challengeId: string; clientId: string } | undefined {
  const dot = named.indexOf('.');
  if (dot < 0) return undefined;
  return { challengeId: named.slice(0, dot), clientId: named.slice(dot + 1) };
}

/** The fields of a request's body, a flat JSON object of texts. */
interface Fields {
  clientId(): string;
  text(name: string): string;
  bytes(name: string, length: number): Uint8Array;
}

async function fields(request: Request, names: readonly string[], withClient = true): Promise<Fields> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new Failure('unsupported_media_type', 'the body must be application/json');
  }
  const body: unknown = parse(await limitedText(request));
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Failure('malformed_request', 'the body must be a JSON object');
  }
  const expected = withClient ? ['client_id', 'user_id', ...names] : names;
  const given = new Map<string, string>();
  for (const [name, value] of Object.entries(body)) {
    if (!expected.includes(name)) throw new Failure('malformed_request', `"${name.slice(0, 64)}" is no field of this resource`);
    if (typeof value !== 'string') throw new Failure('malformed_request', `"${name}" must be a string`);
    given.set(name, value);
  }
  const text = (name: string): string => {
    const value = given.get(name);
    if (value === undefined) throw new Failure('malformed_request', `"${name}" is missing`);
    return value;
  };
  return {
    text,
    clientId: () => {
      if (given.has('client_id') && given.has('user_id')) {
        throw new Failure('malformed_request', 'send one of "client_id" and "user_id"');
      }
      return text(given.has('user_id') ? 'user_id' : 'client_id');
    },
    bytes: (name, length) => {
      const digits = text(name);
      if (digits.length !== 2 * length) {
        throw new Failure('invalid_length', `"${name}" must be ${length} bytes, as ${2 * length} hex digits`);
      }
      if (!/^[0-9A-Fa-f]*$/.test(digits)) {
        throw new Failure('invalid_encoding', `"${name}" must be hex digits`);
      }
      return Buffer.from(digits, 'hex');
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure('malformed_request', 'the body must be JSON');
  }
}

/** Reads no more than a body may have. */
async function limitedText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (request.body !== null) {
    for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > BODY_MAX_LENGTH) {
        throw new Failure('payload_too_large', `the body must be at most ${BODY_MAX_LENGTH} bytes`);
      }
      chunks.push(chunk);
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new Failure('malformed_request', 'the body must be UTF-8');
  }
}
