// The native addon, as this package uses it.

import {
  TwoFApiError,
  checkClientId,
  recomputeChallenge,
  type ChallengeSource,
  type HostChallenge,
} from '@2fapi/crypto-napi';
import { ERROR_CODES, type ErrorCode } from '@2fapi/protocol-spec';

export {
  SpentSet,
  audienceBinding,
  checkClientId as mustBeClientId,
  checkCommitment as mustBeCommitment,
  checkProof as mustBeProof,
  denyUnknownClientAsync as denyInVain,
  issueChallenge as issue,
  verifyAuthenticationAsync as authenticationHolds,
  verifyEnrollmentAsync as enrollmentHolds,
  verifyRotationAsync as rotationHolds,
} from '@2fapi/crypto-napi';

export const error = (code: ErrorCode, message: string): TwoFApiError => new TwoFApiError(code, message);

/** The code of an error of the protocol; undefined for any other. */
export const codeOf = (error: unknown): ErrorCode | undefined =>
  error instanceof TwoFApiError ? error.code : undefined;

/** A challenge that somebody claims to have been issued; undefined when it has expired, or never was. */
export function recompute(from: ChallengeSource & { readonly challengeId: string }): HostChallenge | undefined {
  checkClientId(from.clientId);
  try {
    return recomputeChallenge(from);
  } catch (error) {
    if (codeOf(error) === 'denied') return undefined;
    throw error;
  }
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
