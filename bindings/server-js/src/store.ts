// What the HTTP resources ask of whatever keeps clients and challenges: one interface, whether the
// proofs are verified here or inside Redis or PostgreSQL.

import type { ClientStatus, IssuedChallenge } from '@2fapi/protocol-spec';

import type { Attributes, Authority, ClientCredential, Named, PendingLink } from './crypto.js';

/**
 * What an operator does to a client. `revoke` is final; `end_sessions` ends its sessions and tokens, and nothing else.
 * After `suspend`, `revoke` and `end_sessions` those of before stay ended, also when the client is resumed.
 */
export type LifecycleChange = 'suspend' | 'resume' | 'revoke' | 'end_sessions';

/** What came of a proof. `throttled`: as many logins as can be remembered; try again after so long. */
export type Verdict =
  | {
      readonly outcome: 'accepted';
      /** Of the record from now on. */
      readonly commitmentVersion: number;
      /** What tokens name of the credential that was proven, or that has taken its place; a store of before tells nothing of it. */
      readonly named?: Named;
      /** What the client may do by that credential, for its token to say. */
      readonly may?: Authority;
    }
  | { readonly outcome: 'denied' }
  | { readonly outcome: 'throttled'; readonly retryAfterSeconds: number };

/** What is known of a client. */
export interface KnownClient {
  readonly status: ClientStatus;
  /** Of the record: 1 at enrolment, one more with each change of it. */
  readonly commitmentVersion: number;
  /** 0 at enrolment, one more with whatever ends all sessions and tokens. */
  readonly generation?: number;
  /** In their order: 1 to 16. */
  readonly credentials?: readonly ClientCredential[];
  /** What the operator says of it. */
  readonly attributes?: Attributes;
}

/** Which challenge of which client, and what proofs must be bound to. */
export interface Challenged {
  readonly clientId: string;
  readonly challengeId: string;
  /** What the proof must be bound to: `aud:` and the audience. */
  readonly channelBinding: Uint8Array;
}

/** What a credential that is enrolled asks for. */
export interface ByCredential extends Challenged {
  /** The credential that proves, 32 hex digits; the client's first one unless set. */
  readonly credentialId?: string | undefined;
  /** The address that it comes from, where it is known: a client with allowed sources is let in from these alone. */
  readonly source?: string | undefined;
}

/** An attempt to authenticate. */
export interface Authentication extends ByCredential {
  /** 96 bytes. */
  readonly proof: Uint8Array;
}

/** An attempt to replace a commitment. */
export interface Rotation extends ByCredential {
  /** 96 bytes: the rotation, by the enrolled credential. */
  readonly proofOld: Uint8Array;
  /** 32 bytes. */
  readonly commitmentNew: Uint8Array;
  /** 96 bytes: possession, by the new credential. */
  readonly proofNew: Uint8Array;
}

/** An attempt to add a credential: with `proofNew` and `name` one at the same device, without both one that has joined. */
export interface Link extends ByCredential {
  /** 96 bytes: the link, by the enrolled credential. */
  readonly proof: Uint8Array;
  /** 32 bytes. */
  readonly commitmentNew: Uint8Array;
  /** 96 bytes: joining, by the new credential. */
  readonly proofNew?: Uint8Array | undefined;
  /** 1 to 64 printable ASCII characters. */
  readonly name?: string | undefined;
}

/** An attempt to take a credential away. */
export interface Unlink extends ByCredential {
  /** 96 bytes: the unlinking, by a credential that is enrolled. */
  readonly proof: Uint8Array;
  /** 32 bytes. */
  readonly commitmentOld: Uint8Array;
}

/** A second device that asks to be added, about the challenge of an offer. */
export interface JoinLink extends Challenged {
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** 96 bytes: joining. */
  readonly proof: Uint8Array;
  /** 1 to 64 printable ASCII characters. */
  readonly name: string;
}

/** What came of an offer, or of joining one. */
export type Offer = { readonly outcome: 'accepted'; /** Unix seconds. */ readonly expiresAt: number } | { readonly outcome: 'denied' };

/**
 * Uses up what permits an enrolment, in the step in which a store adds the client: either both happen or
 * neither. False: it was used up already, and nobody is enrolled.
 */
export type Redeem<Step> = (step: Step) => boolean | Promise<boolean>;

/** What came of an enrolment. `not_permitted`: what permits it was used up, or there is no such user. */
export type EnrollmentOutcome = 'enrolled' | 'already_enrolled' | 'denied' | 'not_permitted';

/** What came of a reset. */
export type ResetOutcome = { readonly status: Exclude<ClientStatus, 'revoked'>; readonly commitmentVersion: number } | 'denied' | 'not_permitted';

/** What a store can do where a client has several credentials. */
export interface Links<Step = unknown> {
  /** Adds a credential, in one step that uses the challenge up. */
  link(attempt: Link): Promise<Verdict>;
  /** Takes a credential away, which is not the last, in one step that uses the challenge up. */
  unlink(attempt: Unlink): Promise<Verdict>;
  /** Offers a challenge of the client to a second device: `of` is who a token says it is. */
  offerLink(of: string, challenge: Challenged): Promise<Offer>;
  /** What became of the offer; undefined when there is none. */
  pendingLink(clientId: string): Promise<PendingLink | undefined>;
  /** Leaves with the client what a second device says. */
  joinLink(attempt: JoinLink): Promise<Offer>;
  /** Replaces all credentials of a client by one; for whom its operator permits it. Sessions and tokens end, the status stays. */
  reset(clientId: string, commitment: Uint8Array, proof: Uint8Array, redeem?: Redeem<Step>): Promise<ResetOutcome>;
  /** Says this of a client, in the place of all that was said before: `not_enrolled`, or what is malformed. */
  setAttributes(clientId: string, attributes: Attributes): Promise<void>;
  /** Lets a credential expire at a time in Unix seconds, or not any longer. */
  setExpiry(clientId: string, credentialId: string, expiresAt: number | undefined): Promise<void>;
}

/**
 * A place where clients are enrolled and challenges are used up. Ready ones: `memoryStore`,
 * `redisStore`, `redisModuleStore`, `postgresStore`, `pgExtensionStore`; for another database, give
 * its records to `storeOver`.
 *
 * Malformed input is a `TwoFApiError` whose code says what is wrong; a store that does not work throws
 * anything else, and clients are told `unavailable`.
 */
export interface Store<Step = unknown> extends Partial<Links<Step>> {
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
  /** Whether a token of this client that names these is good still. */
  honours(clientId: string, named: Named): Promise<boolean>;
  /** As `honours`, and where it comes from: what the client may do now by that credential; undefined where it may not come. */
  authority?(clientId: string, named: Named, source: string | undefined): Promise<Authority | undefined>;
  /** Changes the status of a client: `not_enrolled` and `not_active` say why it cannot. */
  change(clientId: string, change: LifecycleChange): Promise<void>;
}
