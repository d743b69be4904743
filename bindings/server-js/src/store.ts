// What the HTTP resources ask of whatever keeps clients and challenges: one interface, whether the
// proofs are verified here or inside Redis or PostgreSQL.

import type { ClientStatus, IssuedChallenge } from '@2fapi/protocol-spec';

/** A change of a client's status. `revoke` is final. */
export type LifecycleChange = 'suspend' | 'resume' | 'revoke';

/** What came of a proof. `throttled`: as many logins as can be remembered; try again after so long. */
export type Verdict =
  | { readonly outcome: 'accepted'; /** Of the commitment in force: after a rotation, the new one. */ readonly commitmentVersion: number }
  | { readonly outcome: 'denied' }
  | { readonly outcome: 'throttled'; readonly retryAfterSeconds: number };

/** What is known of a client. */
export interface KnownClient {
  readonly status: ClientStatus;
  /** 1 at enrolment, one more with each rotation. */
  readonly commitmentVersion: number;
}

/** An attempt to authenticate. */
export interface Authentication {
  readonly clientId: string;
  readonly challengeId: string;
  /** 96 bytes. */
  readonly proof: Uint8Array;
  /** What the proof must be bound to: `aud:` and the audience. */
  readonly channelBinding: Uint8Array;
}

/** An attempt to replace a commitment. */
export interface Rotation {
  readonly clientId: string;
  readonly challengeId: string;
  /** 96 bytes: the rotation, by the enrolled credential. */
  readonly proofOld: Uint8Array;
  /** 32 bytes. */
  readonly commitmentNew: Uint8Array;
  /** 96 bytes: possession, by the new credential. */
  readonly proofNew: Uint8Array;
  readonly channelBinding: Uint8Array;
}

/**
 * Uses up what permits an enrolment, in the step in which a store adds the client: either both happen or
 * neither. False: it was used up already, and nobody is enrolled.
 */
export type Redeem<Step> = (step: Step) => boolean | Promise<boolean>;

/** What came of an enrolment. `not_permitted`: what permits it was used up, or there is no such user. */
export type EnrollmentOutcome = 'enrolled' | 'already_enrolled' | 'denied' | 'not_permitted';

/**
 * A place where clients are enrolled and challenges are used up. Ready ones: `memoryStore`,
 * `redisStore`, `redisModuleStore`, `postgresStore`, `pgExtensionStore`; for another database, give
 * its records to `storeOver`.
 *
 * Malformed input is a `TwoFApiError` whose code says what is wrong; a store that does not work throws
 * anything else, and clients are told `unavailable`.
 */
export interface Store<Step = unknown> {
  /** Whether `enroll` can redeem something in its own step. */
  readonly redeems: boolean;
  /** Issues a challenge to whoever asks, enrolled or not. */
  challenge(clientId: string, channelBinding: Uint8Array): Promise<IssuedChallenge>;
  /** Enrols a client whose proof of possession is accepted. Never replaces a commitment. */
  enroll(
    clientId: string,
    commitment: Uint8Array,
    proof: Uint8Array,
    redeem?: Redeem<Step>,
  ): Promise<EnrollmentOutcome>;
  /** Looks at the proof, and accepts it in one step that uses the challenge up. */
  authenticate(attempt: Authentication): Promise<Verdict>;
  /** Looks at both proofs, and replaces the commitment in one step that uses the challenge up. */
  rotate(attempt: Rotation): Promise<Verdict>;
  /** The client, if it was ever enrolled. */
  find(clientId: string): Promise<KnownClient | undefined>;
  /** Changes the status of a client: `not_enrolled` and `not_active` say why it cannot. */
  change(clientId: string, change: LifecycleChange): Promise<void>;
}
