// The stable codes of errors, as every host carries them in its own manner.

/** Every code of the protocol, in the order of the specification. */
export const ERROR_CODES = [
  'invalid_client_id',
  'invalid_length',
  'invalid_encoding',
  'already_enrolled',
  'not_enrolled',
  'not_active',
  'throttled',
  'denied',
  'unavailable',
] as const;

/**
 * The stable name of a kind of error; programs may branch on it.
 *
 * - `invalid_client_id`: a client id breaks the syntax.
 * - `invalid_length`: an input has the wrong size.
 * - `invalid_encoding`: an input of the right size is not canonical, or is the identity or zero.
 * - `already_enrolled`: the client id has a commitment, or had one that was revoked.
 * - `not_enrolled`, `not_active`: said to trusted callers only.
 * - `throttled`: a limit was reached; trying again later may help.
 * - `denied`: the proof is not accepted. One answer for every cause.
 * - `unavailable`: the host cannot answer now.
 */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What only HTTP can say, beside the codes of the protocol that it shows. */
export const HTTP_ERROR_CODES = [
  'malformed_request',
  'payload_too_large',
  'unsupported_media_type',
  'method_not_allowed',
  'request_timeout',
  'not_found',
  'internal_error',
] as const;

/** A code of HTTP alone. */
export type HttpErrorCode = (typeof HTTP_ERROR_CODES)[number];

/** The codes that a problem of the HTTP resources can have. */
export type ProblemCode = Exclude<ErrorCode, 'not_enrolled' | 'not_active'> | HttpErrorCode;

/** The HTTP status of each code. `not_enrolled` and `not_active` are never shown over HTTP. */
export const HTTP_STATUS: Readonly<Record<ProblemCode, number>> = {
  invalid_client_id: 400,
  invalid_length: 400,
  invalid_encoding: 400,
  already_enrolled: 409,
  throttled: 429,
  denied: 401,
  unavailable: 503,
  malformed_request: 400,
  payload_too_large: 413,
  unsupported_media_type: 415,
  method_not_allowed: 405,
  request_timeout: 408,
  not_found: 404,
  internal_error: 500,
};

/** What every error of the JavaScript packages looks like. */
export interface TwoFApiErrorShape extends Error {
  readonly name: 'TwoFApiError';
  /** Which kind of error it is. */
  readonly code: ErrorCode;
  /** With `throttled`, when trying again makes sense, in seconds. */
  readonly retryAfterSeconds?: number;
}
