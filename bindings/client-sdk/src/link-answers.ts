/** The answers about a client's credentials, believed only as far as `spec/protocol.md`, section 14 goes. */
import { type Answer, versionIn } from './answers.js';
import { type Bytes, fromHex } from './bytes.js';
import { badAnswer } from './http.js';

/** Unix seconds, as milliseconds of `Date.now()`. */
function timeOf(seconds: unknown, what: string): number {
  if (typeof seconds === 'number' && Number.isSafeInteger(seconds * 1000) && seconds >= 0) return seconds * 1000;
  throw badAnswer(`${what} is not a time in Unix seconds`);
}

export function expiryIn(answer: Answer, clientId: string): number {
  if (answer['client_id'] !== clientId) throw badAnswer('it is about another client');
  return timeOf(answer['expires_at'], 'expires_at');
}

/** A credential as the server lists it. */
export interface Listed {
  /** 32 hex digits. */
  credentialId: string;
  /** 64 hex digits. */
  commitment: string;
  /** For people; nothing is decided by it. */
  name: string;
  /** In milliseconds of `Date.now()`; undefined where nobody knows. */
  created: number | undefined;
  /** The version of the record that its commitment came with. */
  since: number;
  /** From when on it is let in no longer, in milliseconds of `Date.now()`. */
  expiresAt: number | undefined;
}

const isHex = (text: unknown, bytes: number): text is string =>
  typeof text === 'string' && text.length === 2 * bytes && /^[0-9a-f]+$/.test(text);

/** As it may be shown: printable ASCII, as every name of the protocol is. */
const isName = (text: unknown): text is string => typeof text === 'string' && /^[\x20-\x7e]{1,64}$/.test(text);

export function credentialsIn(answer: Answer, clientId: string): Listed[] {
  versionIn(answer, clientId);
  const { credentials } = answer;
  if (!Array.isArray(credentials) || credentials.length < 1 || credentials.length > 16) {
    throw badAnswer('credentials is not a list of 1 to 16');
  }
  return credentials.map((one: unknown) => {
    const { credential_id: credentialId, commitment, name, created, since, expires_at: expiry } = (one ?? {}) as Answer;
    if (!isHex(credentialId, 16) || !isHex(commitment, 32) || !isName(name)) {
      throw badAnswer('a credential has no id, commitment or name of the protocol');
    }
    if (typeof since !== 'number' || !Number.isSafeInteger(since) || since < 1) throw badAnswer('since is not a version');
    const expiresAt = expiry === undefined ? undefined : timeOf(expiry, 'expires_at');
    return { credentialId, commitment, name, created: timeOf(created, 'created') || undefined, since, expiresAt };
  });
}

/** What a client has on offer for a second device. */
export interface Pending {
  state: 'none' | 'open' | 'joined' | 'clashed';
  challengeId?: string;
  expiresAt?: number;
  joined?: { commitment: Bytes; proof: Bytes };
  name?: string;
}

export function pendingIn(answer: Answer, clientId: string): Pending {
  const { state, challenge_id: challengeId, expires_at: expiry, commitment, proof, name } = answer;
  if (state === 'none') return { state };
  if (state !== 'open' && state !== 'joined' && state !== 'clashed') throw badAnswer('state is none of the protocol');
  if (typeof challengeId !== 'string' || challengeId.slice(27) !== `.${clientId}`) {
    throw badAnswer('the offer is of another client');
  }
  const pending: Pending = { state, challengeId: challengeId.slice(0, 27), expiresAt: timeOf(expiry, 'expires_at') };
  if (state !== 'joined') return pending;
  if (!isHex(commitment, 32) || !isHex(proof, 96) || !isName(name)) {
    throw badAnswer('what has joined has no commitment, proof or name of the protocol');
  }
  return { ...pending, name, joined: { commitment: fromHex('commitment', commitment), proof: fromHex('proof', proof) } };
}
