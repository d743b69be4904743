/** What can go wrong, as one class with stable codes. No error carries a secret. */

import { HTTP_STATUS } from './constants.js';

/** Codes of the protocol and of its HTTP surface. */
type ServerCode = keyof typeof HTTP_STATUS;

export const SERVER_CODES = Object.keys(HTTP_STATUS) as readonly ServerCode[];

/** Codes of this client, beside those of the protocol. */
export const CLIENT_CODES = [
  /** The caller's signal ended it. */
  'aborted',
  /** The server's answer is not one of the protocol. */
  'bad_answer',
  /** There is a credential for this client id already; it is never overwritten. */
  'credential_exists',
  /** No engine could be started. */
  'engine_unavailable',
  /** The token would have gone to an origin that it is not for. */
  'foreign_origin',
  /** Not the code that another device shows. */
  'invalid_link_code',
  /** An argument is missing or not of the kind that belongs there. */
  'invalid_argument',
  /** Not a recovery phrase: its words, their number or the checksum. */
  'invalid_phrase',
  /** Plain HTTP to other than this machine. */
  'insecure_transport',
  /** The server could not be reached, or the connection broke. */
  'network',
  /** There is no credential for this client id in the store. */
  'no_credential',
  /** This object has not offered a link, or the offer has ended. */
  'no_offer',
  /** No device has joined the offer yet. */
  'not_joined',
  /** The store cannot be used here or now. */
  'store_unavailable',
  /** The server did not answer in time. */
  'timeout',
  /** What is stored cannot be opened: another passphrase or key, or it was changed. */
  'wrong_key',
  /** The server, or a link code, names another audience than the one that the client talks to. */
  'wrong_audience',
  /** The number that was typed is not that of the device that has joined. */
  'wrong_number',
] as const;

export type ErrorCode = ServerCode | (typeof CLIENT_CODES)[number];

export interface ErrorDetails {
  /** HTTP status, where a server answered. */
  status?: number;
  /** Seconds to wait, where the server said so. */
  retryAfterSeconds?: number;
  /** What went wrong below: of the platform, or of the store or `fetch` that was given. */
  cause?: unknown;
}

/** Every error of this package. Look at `code`; the message is for people. */
export class TwoFApiError extends Error {
  override readonly name = 'TwoFApiError';
  readonly code: ErrorCode;
  readonly status: number | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** The code of a server's answer, if its status is the one that belongs to it. */
export const serverCode = (code: unknown, status: number): ServerCode | undefined =>
  typeof code === 'string' && Object.hasOwn(HTTP_STATUS, code) && HTTP_STATUS[code as ServerCode] === status
    ? (code as ServerCode)
    : undefined;

export const invalidArgument = (problem: string, cause?: unknown): TwoFApiError =>
  new TwoFApiError('invalid_argument', problem, { cause });

/** The value, unless it is false or missing. */
export function badArgumentUnless<T>(value: T | false | undefined | '', problem: string): T {
  if (value === false || value === undefined || value === '') throw invalidArgument(problem);
  return value;
}

export const storeUnavailable = (problem: string, cause?: unknown): TwoFApiError =>
  new TwoFApiError('store_unavailable', problem, { cause });

/** An error of an engine, which has a code but is not of our class. */
export function engineFailed(error: unknown): TwoFApiError {
  if (error instanceof TwoFApiError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  // A message without a code is not worded by us, and might quote what it was given.
  return typeof code === 'string' && Object.hasOwn(HTTP_STATUS, code)
    ? new TwoFApiError(code as ServerCode, String(message))
    : new TwoFApiError('engine_unavailable', 'the cryptographic engine failed');
}
