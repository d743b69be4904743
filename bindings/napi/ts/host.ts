// The host's side: challenges, and whether a proof stands behind a statement.

import { CHALLENGE_TTL_DEFAULT_SECONDS, CHALLENGE_TTL_MAX_SECONDS, type IssuedChallenge } from '@2fapi/protocol-spec';

import { calling, callingAsync } from './errors.js';
import { bytes, clientId, list, object, text, whole } from './inputs.js';
import { native } from './load.js';
import { inTurn } from './pool.js';

const none = new Uint8Array(0);

/** A proof of possession. */
export interface EnrollmentToVerify {
  readonly clientId: string;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** 96 bytes. */
  readonly proof: Uint8Array;
}

/** A proof for a challenge. */
export interface AuthenticationToVerify extends EnrollmentToVerify {
  /** 16 to 64 bytes. */
  readonly nonce: Uint8Array;
  /** What it must be bound to; empty where the host has no audience. */
  readonly channelBinding?: Uint8Array;
}

/** The proofs of a rotation. */
export interface RotationToVerify {
  readonly clientId: string;
  /** The enrolled one, 32 bytes. */
  readonly commitment: Uint8Array;
  readonly nonce: Uint8Array;
  readonly channelBinding?: Uint8Array;
  /** 32 bytes. */
  readonly commitmentNew: Uint8Array;
  /** The rotation, by the enrolled credential, 96 bytes. */
  readonly proofOld: Uint8Array;
  /** Possession, by the new credential, 96 bytes. */
  readonly proofNew: Uint8Array;
}

const possession = (it: EnrollmentToVerify): [string, Uint8Array, Uint8Array] => {
  const { clientId: id, commitment, proof } = object(it, 'the argument');
  return [clientId(id), bytes(commitment, 'commitment'), bytes(proof, 'proof')];
};

const binding = (it: Uint8Array | undefined): Uint8Array =>
  it === undefined ? none : bytes(it, 'channelBinding');

const attempt = (it: AuthenticationToVerify): [string, Uint8Array, Uint8Array, Uint8Array, Uint8Array] => {
  const { clientId: id, commitment, nonce, channelBinding, proof } = object(it, 'the argument');
  return [
    clientId(id),
    bytes(commitment, 'commitment'),
    bytes(nonce, 'nonce'),
    binding(channelBinding),
    bytes(proof, 'proof'),
  ];
};

const entries = (items: readonly AuthenticationToVerify[]) => {
  // One array, read once: what a caller does to its own afterwards is no matter.
  return Array.from(list(items, 'the argument'), (item) => {
    const [id, commitment, nonce, channelBinding, proof] = attempt(item);
    return { clientId: id, commitment, nonce, channelBinding, proof };
  });
};

/** The same arguments in memory that the caller does not have. What was detached has no bytes any more. */
function copied<T extends readonly (string | Uint8Array)[]>(words: T): T {
  const copy = (bytes: Uint8Array): Uint8Array => (bytes.length === 0 ? none : new Uint8Array(bytes));
  return words.map((word) => (typeof word === 'string' ? word : copy(word))) as unknown as T;
}

/** Whether a proof of possession is accepted. Malformed input is an error. */
export function verifyEnrollment(enrollment: EnrollmentToVerify): boolean {
  const words = possession(enrollment);
  return calling(() => native.checkEnrollment(...words));
}

/** The same on the thread pool. */
export async function verifyEnrollmentAsync(enrollment: EnrollmentToVerify): Promise<boolean> {
  const words = copied(possession(enrollment));
  return inTurn(() => callingAsync(() => native.checkEnrollmentAsync(...words)));
}

/** Whether a proof for a challenge is accepted. Malformed input is an error. */
export function verifyAuthentication(authentication: AuthenticationToVerify): boolean {
  const words = attempt(authentication);
  return calling(() => native.checkAuthentication(...words));
}

/** The same on the thread pool, which leaves the event loop free. */
export async function verifyAuthenticationAsync(authentication: AuthenticationToVerify): Promise<boolean> {
  const words = copied(attempt(authentication));
  return inTurn(() => callingAsync(() => native.checkAuthenticationAsync(...words)));
}

/** Does the work of {@link verifyAuthenticationAsync} for a client that is not enrolled: always false. */
export async function denyUnknownClientAsync(
  authentication: Omit<AuthenticationToVerify, 'commitment'>,
): Promise<false> {
  const { clientId: id, nonce, channelBinding, proof } = object(authentication, 'the argument');
  const words = copied([clientId(id), bytes(nonce, 'nonce'), binding(channelBinding), bytes(proof, 'proof')] as const);
  await inTurn(() => callingAsync(() => native.denyUnknownClientAsync(...words)));
  return false;
}

const rotating = (rotation: RotationToVerify) => {
  const { clientId: id, commitment, nonce, channelBinding, commitmentNew, proofOld, proofNew } = object(
    rotation,
    'the argument',
  );
  return [
    clientId(id),
    bytes(commitment, 'commitment'),
    bytes(nonce, 'nonce'),
    binding(channelBinding),
    bytes(commitmentNew, 'commitmentNew'),
    bytes(proofOld, 'proofOld'),
    bytes(proofNew, 'proofNew'),
  ] as const;
};

/** Whether both proofs of a rotation are accepted. */
export function verifyRotation(rotation: RotationToVerify): boolean {
  const words = rotating(rotation);
  return calling(() => native.checkRotation(...words));
}

/** The same on the thread pool. */
export async function verifyRotationAsync(rotation: RotationToVerify): Promise<boolean> {
  const words = copied(rotating(rotation));
  return inTurn(() => callingAsync(() => native.checkRotationAsync(...words)));
}

/** Whether a joining proof is accepted: what the first device looks at before it links. */
export function verifyJoining(joining: AuthenticationToVerify): boolean {
  const words = attempt(joining);
  return calling(() => native.checkJoining(...words));
}

/** Whether each of several proofs is accepted, in their order: for 64 valid ones, half the time of one by one. */
export function verifyBatch(authentications: readonly AuthenticationToVerify[]): boolean[] {
  const items = entries(authentications);
  return calling(() => native.checkBatch(items));
}

/** The same on the thread pool. */
export async function verifyBatchAsync(authentications: readonly AuthenticationToVerify[]): Promise<boolean[]> {
  // The native part copies what it is given, and one batch is one piece of work.
  const items = entries(authentications);
  return callingAsync(() => native.checkBatchAsync(items));
}

/** What challenges are computed from. */
export interface ChallengeSource {
  readonly clientId: string;
  /** 32 bytes, the host's own, never shown. */
  readonly challengeKey: Uint8Array;
  /** 1 to 900 seconds; 120 unless set. */
  readonly ttlSeconds?: number;
  /** Unix seconds; the clock's unless set. */
  readonly now?: number;
}

/** A challenge as its host knows it. */
export interface HostChallenge extends IssuedChallenge {
  /** 16 bytes: under what the challenge goes into the set of spent ones. For the host alone. */
  readonly spentKey: Uint8Array;
}

const source = (it: ChallengeSource): [Uint8Array, number, number] => {
  const { challengeKey, ttlSeconds, now } = object(it, 'the argument');
  return [
    bytes(challengeKey, 'challengeKey'),
    whole(ttlSeconds, 'ttlSeconds', 1, CHALLENGE_TTL_MAX_SECONDS, CHALLENGE_TTL_DEFAULT_SECONDS),
    whole(now, 'now', 0, Number.MAX_SAFE_INTEGER, Math.floor(Date.now() / 1000)),
  ];
};

/** Issues a challenge. Nothing has to be stored: {@link recomputeChallenge} finds it again. */
export function issueChallenge(from: ChallengeSource): HostChallenge {
  const words = source(from);
  return calling(() => native.issueChallenge(clientId(from.clientId), ...words));
}

/**
 * A challenge that somebody claims to have been issued.
 *
 * @throws TwoFApiError `denied` when it has expired, or was never issued in this form
 */
export function recomputeChallenge(from: ChallengeSource & { readonly challengeId: string }): HostChallenge {
  const words = source(from);
  const id = text(from.challengeId, 'challengeId');
  return calling(() => native.recomputeChallenge(clientId(from.clientId), id, ...words));
}

/** The nonce of {@link recomputeChallenge}, 16 bytes. */
export function challengeNonce(from: ChallengeSource & { readonly challengeId: string }): Uint8Array {
  return recomputeChallenge(from).nonce;
}

/** The channel binding towards a host with an audience: `aud:` and the audience. */
export function audienceBinding(audience: string): Uint8Array {
  return calling(() => native.audienceBinding(text(audience, 'audience')));
}

/** @throws TwoFApiError `invalid_client_id`, saying which rule it breaks */
export function checkClientId(id: string): void {
  calling(() => native.checkClientId(clientId(id)));
}

/** @throws TwoFApiError saying what keeps it from being a commitment */
export function checkCommitment(commitment: Uint8Array): void {
  calling(() => native.checkCommitment(bytes(commitment, 'commitment')));
}

/** @throws TwoFApiError saying what keeps it from being a proof that is worth looking at */
export function checkProof(proof: Uint8Array): void {
  calling(() => native.checkProof(bytes(proof, 'proof')));
}
