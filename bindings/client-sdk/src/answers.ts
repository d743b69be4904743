/** The answers of the protocol, believed only as far as `spec/protocol.md`, section 14 goes. */
import { type Bytes, fromHex, toHex } from './bytes.js';
import { TwoFApiError } from './errors.js';
import { badAnswer } from './http.js';

export type Answer = Record<string, unknown>;

export interface Challenge {
  challengeId: string;
  nonce: Bytes;
}

/**
 * Reads a challenge. One for another client, or with a nonce that is shorter than 16 bytes or longer than 64, is refused; so is one
 * whose host names another audience than the one that the client computed, before anything is proven.
 */
export function challengeIn(answer: Answer, clientId: string, binding: Uint8Array): Challenge {
  const { challenge_id: challengeId, nonce, expires_at: expiresAt, channel_binding: named } = answer;
  const wellFormed =
    typeof challengeId === 'string' && /^ch-[0-9a-f]{24}$/.test(challengeId.slice(0, 27));
  if (!wellFormed || challengeId[27] !== '.') {
    throw badAnswer('challenge_id is not a challenge id, a dot, and a client id');
  }
  if (challengeId.slice(28) !== clientId) throw badAnswer('the challenge is for another client');
  // This server issues 16 bytes; another may issue more.
  if (typeof nonce !== 'string' || !/^(?:[0-9a-f]{2}){16,64}$/.test(nonce)) {
    throw badAnswer('nonce must be 32 to 128 hex digits, two for each byte');
  }
  if (!Number.isSafeInteger(expiresAt)) throw badAnswer('expires_at is not a whole number');
  if (named !== toHex(binding)) {
    throw new TwoFApiError(
      'wrong_audience',
      'the server names another audience than the one that it was addressed as: it may be passing ' +
        'on the challenge of another server, so nothing was proven to it. If the server is known by ' +
        'another origin than that of baseUrl, give that as `audience`',
    );
  }
  return { challengeId, nonce: fromHex('nonce', nonce) };
}

/** Ten years. */
const EXPIRES_IN_MAX = 315_360_000;

export interface Token {
  accessToken: string;
  expiresIn: number;
}

export function tokenIn(answer: Answer, clientId: string): Token {
  const { access_token: accessToken, token_type: type, expires_in: expiresIn, client_id: whose } = answer;
  if (whose !== clientId) throw badAnswer('the token is for another client');
  if (type !== 'Bearer') throw badAnswer('token_type is not Bearer');
  if (typeof accessToken !== 'string' || !/^[\x21-\x7e]{1,8192}$/.test(accessToken)) {
    throw badAnswer('access_token is not a token');
  }
  if (typeof expiresIn !== 'number' || !(expiresIn > 0 && expiresIn <= EXPIRES_IN_MAX)) {
    throw badAnswer('expires_in is not a number of seconds that a token may live');
  }
  return { accessToken, expiresIn };
}

/** The version of the commitment that an enrolment or a rotation was acknowledged with. */
export function versionIn(answer: Answer, clientId: string): number {
  const { client_id: whose, commitment_version: version } = answer;
  if (whose !== clientId) throw badAnswer('it is about another client');
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
    throw badAnswer('commitment_version is not a version');
  }
  return version;
}
