/** What can go wrong, as one class with stable codes. No error carries a secret. */

/** Codes of the protocol and of its HTTP surface: `spec/protocol.md`, section 13. */
export const SERVER_CODES = [
  'invalid_client_id',
  'invalid_length',
  'invalid_encoding',
  'already_enrolled',
  'throttled',
  'denied',
  'unavailable',
  'malformed_request',
  'not_found',
  'method_not_allowed',
  'request_timeout',
  'payload_too_large',
  'unsupported_media_type',
  'internal_error',
] as const;

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
  /** The store cannot be used here or now. */
  'store_unavailable',
  /** The server did not answer in time. */
  'timeout',
  /** What is stored cannot be opened: another passphrase or key, or it was changed. */
  'wrong_key',
  /** The server names another audience than the one that it was addressed as. */
  'wrong_audience',
] as const;

export type ErrorCode = (typeof SERVER_CODES)[number] | (typeof CLIENT_CODES)[number];

const KNOWN: ReadonlySet<string> = new Set<string>([...SERVER_CODES, ...CLIENT_CODES]);

export interface ErrorDetails {
  /** HTTP status, where a server answered. */
  status?: number;
  /** Seconds to wait, where the server said so. */
  retryAfter?: number;
  cause?: unknown;
}

/** Every error of this package. Look at `code`; the message is for people. */
export class TwoFApiError extends Error {
  override readonly name = 'TwoFApiError';
  readonly code: ErrorCode;
  readonly status: number | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.status = details.status;
    this.retryAfter = details.retryAfter;
  }
}

/** The code if it is one of ours, whoever sent it. */
export function knownCode(code: unknown): ErrorCode | undefined {
  return typeof code === 'string' && KNOWN.has(code) ? (code as ErrorCode) : undefined;
}

/** An error of an engine, which has a code but is not of our class. */
export function fromEngine(error: unknown): TwoFApiError {
  if (error instanceof TwoFApiError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const known = knownCode(code);
  // A message without a code is not worded by us, and might quote what it was given.
  return known
    ? new TwoFApiError(known, String(message))
    : new TwoFApiError('engine_unavailable', 'the cryptographic engine failed');
}
