// The native addon, as this package uses it.

import { Terms, TwoFApiError, checkClientId } from '@2fapi/crypto-napi';
import { CLIENT_ID_PATTERN, ERROR_CODES, type ErrorCode } from '@2fapi/protocol-spec';

export {
  Keys,
  SpentSet,
  Terms,
  audienceBinding,
  authorityOf,
  checkCommitment as mustBeCommitment,
  checkProof as mustBeProof,
  changeRecord,
  checkCredentialId as mustBeCredentialId,
  checkCredentialName as mustBeName,
  credentialIdOf,
  honours,
  permitsSource,
  readPendingLink,
  readRecord,
  recordOfParts,
  recordOfRow,
  recordWithAttributes,
  recordWithExpiry,
  type Accepted,
  type Attributes,
  type Authority,
  type ClientCredential,
  type Commit,
  type Named,
  type PendingLink,
  type RecordParts,
  type Spend,
  type Wanted,
} from '@2fapi/crypto-napi';

export const error = (code: ErrorCode, message: string): TwoFApiError => new TwoFApiError(code, message);

/** The code of an error of the protocol; undefined for any other. */
export const codeOf = (error: unknown): ErrorCode | undefined =>
  error instanceof TwoFApiError ? error.code : undefined;

/** Whether it has the form of a client id. */
export const isClientId = (text: string): boolean => CLIENT_ID_PATTERN.test(text);

/** @throws TwoFApiError saying which rule it breaks */
export function mustBeClientId(clientId: string): void {
  // The addon is asked for its words only.
  if (typeof clientId !== 'string' || !isClientId(clientId)) checkClientId(clientId);
}

/** When trying again makes sense, in seconds, as a `throttled` says. */
export const retryAfterOf = (error: unknown): number =>
  error instanceof TwoFApiError ? (error.retryAfterSeconds ?? 1) : 1;

const decoding = new Terms({ channelBinding: new Uint8Array(0) });

/** @throws TwoFApiError saying what is malformed of an enrolment, before anybody is asked whether it is permitted */
export function mustBeEnrollment(clientId: string, commitment: Uint8Array, proof: Uint8Array): void {
  decoding.enroll({ clientId, commitment, proof });
}

/** An error that another host of the protocol answered under its code. */
export function fromCode(code: string, message: string): TwoFApiError | undefined {
  const known = ERROR_CODES.find((it) => it === code);
  return known && new TwoFApiError(known, message);
}

/** When to try again, as the message of a `throttled` says it. */
export const secondsIn = (message: string): number => Number(/\d+/.exec(message)?.[0] ?? 1);

/** An error line of redis-2fapi: a prefix, or what its `ERR` is about. */
export function fromLine(line: string): TwoFApiError | undefined {
  const [prefix, ...rest] = line.split(' ');
  const message = rest.join(' ');
  switch (prefix) {
    case 'NOCLIENT':
      return new TwoFApiError('not_enrolled', message);
    case 'INACTIVE':
      return new TwoFApiError('not_active', message);
    case 'EXISTS':
      return new TwoFApiError('already_enrolled', message);
    default:
      return undefined;
  }
}
