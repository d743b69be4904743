// The shapes that JavaScript programs hand to each other. Bytes are `Uint8Array`, scalars little-endian.

/** Who proves: 1 to 128 of `A-Z a-z 0-9 . _ - @ +`; see `CLIENT_ID_PATTERN`. */
export type ClientId = string;

/** What a client keeps. Whoever has secret and blinding is the client. */
export interface Credential {
  /** The secret s, 32 bytes: a canonical scalar other than zero. */
  readonly secret: Uint8Array;
  /** The blinding r, 32 bytes: a canonical scalar other than zero. */
  readonly blinding: Uint8Array;
}

/** What a client asks a host to enrol. Nothing of it is secret. */
export interface Enrollment {
  readonly clientId: ClientId;
  /** C = s·G + r·H, 32 bytes. */
  readonly commitment: Uint8Array;
  /** The proof of possession, 96 bytes. */
  readonly proof: Uint8Array;
}

/** What a client needs of a host's challenge to answer it. */
export interface ChallengeToAnswer {
  /** 16 to 64 bytes. */
  readonly nonce: Uint8Array;
  /** What the proof is bound to, up to 1024 bytes; empty where the host has no audience. */
  readonly channelBinding?: Uint8Array;
}

/** A challenge as a host issues it. It is stored nowhere. */
export interface IssuedChallenge {
  /** `ch-` and 24 lower-case hex digits. */
  readonly challengeId: string;
  /** 16 bytes. */
  readonly nonce: Uint8Array;
  /** Unix seconds; the challenge is live while the host's clock is before it. */
  readonly expiresAt: number;
}

/** Where a client is in its life: `active` and `suspended` change into each other, `revoked` is final. */
export type ClientStatus = 'active' | 'suspended' | 'revoked';
