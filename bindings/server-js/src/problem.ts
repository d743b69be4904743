// Errors as problems (RFC 9457), with the codes of the protocol.

import { HTTP_STATUS, type Problem, type ProblemCode } from '@2fapi/protocol-spec';

import { codeOf } from './crypto.js';

const TITLES: Readonly<Record<ProblemCode, string>> = {
  invalid_client_id: 'Invalid client id',
  invalid_length: 'Invalid length',
  invalid_encoding: 'Invalid encoding',
  already_enrolled: 'Already enrolled',
  throttled: 'Too many attempts',
  denied: 'Denied',
  unavailable: 'Unavailable',
  insufficient_scope: 'Insufficient scope',
  malformed_request: 'Malformed request',
  payload_too_large: 'Payload too large',
  unsupported_media_type: 'Unsupported media type',
  method_not_allowed: 'Method not allowed',
  request_timeout: 'Request timeout',
  not_found: 'Not found',
  internal_error: 'Internal error',
};

/** Why a request fails, as its sender is told. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, headers: Record<string, string> = {}) {
    super(detail);
    this.code = code;
    this.headers = headers;
  }

  response(): Response {
    const { code, message: detail } = this;
    const status = HTTP_STATUS[code];
    const problem: Problem = { type: `urn:2fapi:error:${code}`, title: TITLES[code], status, detail, code };
    return new Response(JSON.stringify(problem), {
      status,
      headers: {
        'Content-Type': 'application/problem+json',
        'Cache-Control': 'no-store',
        ...this.headers,
      },
    });
  }
}

/** The answer to a client that is who it says and may not do this (RFC 6750, section 3.1). */
export const insufficientScope = (scope: string, audience: string): Response =>
  new ProblemError(
    'insufficient_scope',
    'this needs a scope that the access token has not; the operator gives scopes, and a new token says them',
    { 'WWW-Authenticate': `Bearer realm="${audience}", error="insufficient_scope", scope="${scope}"` },
  ).response();

/** The body was read by something before us that kept nothing of it: a fault of the application. */
export class BodyGoneError extends Error {
  constructor() {
    super(
      'the body of a request to 2FApi was read before it came here, and is not there any more: ' +
        'put the resources before what reads bodies, or use a parser that keeps what it read',
    );
  }
}

/** What a sender is told of an error; `tell` hears of what is the operator's to mend. */
export function problemOf(error: unknown, tell: (error: unknown) => void): ProblemError {
  if (error instanceof ProblemError) return error;
  const code = codeOf(error);
  if (code === 'invalid_client_id' || code === 'invalid_length' || code === 'invalid_encoding') {
    return new ProblemError(code, error instanceof Error ? error.message : code);
  }
  tell(error);
  if (error instanceof BodyGoneError) return new ProblemError('internal_error', 'the service could not read the body');
  return new ProblemError('unavailable', 'the store does not work for now; try again later');
}
