// The stable codes of errors, as every host carries them in its own manner.

import { ERROR_CODES, HTTP_STATUS } from './constants.js';

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

/** The codes that a problem of the HTTP resources can have. `not_enrolled` and `not_active` are never shown over HTTP. */
export type ProblemCode = keyof typeof HTTP_STATUS;

/** A code of HTTP alone. */
export type HttpErrorCode = Exclude<ProblemCode, ErrorCode>;

/** What only HTTP can say, beside the codes of the protocol that it shows. */
export const HTTP_ERROR_CODES = (Object.keys(HTTP_STATUS) as ProblemCode[]).filter(
  (code): code is HttpErrorCode => !(ERROR_CODES as readonly string[]).includes(code),
);

/** What every error of the JavaScript packages looks like. */
export interface TwoFApiErrorShape extends Error {
  readonly name: 'TwoFApiError';
  /** Which kind of error it is. */
  readonly code: ErrorCode;
  /** With `throttled`, when trying again makes sense, in seconds. */
  readonly retryAfterSeconds?: number;
}
