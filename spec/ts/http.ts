// Paths and bodies of the HTTP resources, as `openapi.yaml` has them. Bytes travel as hexadecimal digits.

import type { ProblemCode } from './errors.js';

/** The largest request body of the HTTP resources. */
export const BODY_MAX_LENGTH = 16_384;

/** Where the HTTP resources are. */
export const PATHS = {
  enroll: '/auth/zkp/enroll',
  challenge: '/auth/zkp/challenge',
  verify: '/auth/zkp/verify',
  rotate: '/auth/zkp/rotate',
  link: '/auth/zkp/link',
  linkOffer: '/auth/zkp/link/offer',
  linkJoin: '/auth/zkp/link/join',
  unlink: '/auth/zkp/unlink',
  credentials: '/auth/zkp/credentials',
  whoami: '/auth/zkp/whoami',
  jwks: '/.well-known/jwks.json',
  live: '/livez',
  health: '/healthz',
} as const;

/** Those of what else a host may be without: sessions as a list, the check for proxies, and discovery. */
export const FURTHER_PATHS = {
  sessions: '/auth/zkp/sessions',
  endSessions: '/auth/zkp/sessions/end',
  check: '/auth/zkp/check',
  metadata: '/.well-known/oauth-authorization-server',
  openid: '/.well-known/openid-configuration',
} as const;

/** Those that OAuth clients ask, which take forms. A host may be without them. */
export const OAUTH_PATHS = {
  token: '/oauth/token',
  introspect: '/oauth/introspect',
  revoke: '/oauth/revoke',
  challenge: '/oauth/challenge',
} as const;

/** What a client assertion of ours is called (`client_assertion_type`). */
export const ASSERTION_TYPE = 'urn:2fapi:params:oauth:client-assertion-type:zkp';

/** `POST /auth/zkp/enroll`, with the enrolment token as the bearer token. */
export interface EnrollRequest {
  client_id: string;
  /** 64 hex digits. */
  commitment: string;
  /** 192 hex digits. */
  proof: string;
}

/** The answer to it, 201. */
export interface Enrolled {
  client_id: string;
  /** `active` after an enrolment; after a reset what it was before. */
  status: 'active' | 'suspended';
  commitment_version: number;
}

/** `POST /auth/zkp/challenge`. */
export interface ChallengeRequest {
  client_id: string;
}

/** The answer to it, 200: a challenge, good for one attempt. */
export interface Challenge {
  /** The id of the challenge, a dot, and the client id. */
  challenge_id: string;
  /** 32 hex digits. */
  nonce: string;
  /** Unix seconds. */
  expires_at: number;
  /** `aud:` and the audience of the host, in hex. */
  channel_binding: string;
}

/** `POST /auth/zkp/verify`. */
export interface VerifyRequest {
  challenge_id: string;
  /** 32 hex digits; the first credential is meant where it is not there. */
  credential_id?: string;
  /** 192 hex digits. */
  proof: string;
}

/** The answer to it, 200. */
export interface AccessToken {
  /** An EdDSA JWT (RFC 9068). */
  access_token: string;
  token_type: 'Bearer';
  /** Seconds. */
  expires_in: number;
  client_id: string;
  /** For the next login, where the host gives one. */
  next_challenge?: Challenge;
}

/** `POST /auth/zkp/rotate`. */
export interface RotateRequest {
  challenge_id: string;
  /** The credential that is replaced; the first one where it is not there. */
  credential_id?: string;
  /** 192 hex digits: the rotation, by the enrolled credential. */
  proof_old: string;
  /** 64 hex digits. */
  commitment_new: string;
  /** 192 hex digits: possession, by the new credential. */
  proof_new: string;
}

/** The answer to it, 200. */
export interface Rotated {
  client_id: string;
  commitment_version: number;
}

/** `POST /auth/zkp/link`: with `proof_new` and `name` at the same device, with neither for a device that has joined. */
export interface LinkRequest {
  challenge_id: string;
  /** The credential that proves; the first one where it is not there. */
  credential_id?: string;
  /** 192 hex digits: the link, by a credential of the client. */
  proof: string;
  /** 64 hex digits. */
  commitment_new: string;
  /** 192 hex digits: the joining proof, by the new credential. */
  proof_new?: string;
  name?: string;
}

/** The answer to it, 200. */
export interface Linked {
  client_id: string;
  /** Of the new credential. */
  credential_id: string;
  commitment_version: number;
}

/** `POST /auth/zkp/link/offer`, with an access token as the bearer token. */
export interface OfferRequest {
  challenge_id: string;
}

/** The answer to it and to a device that joins, 200. */
export interface Offered {
  client_id: string;
  /** Unix seconds. */
  expires_at: number;
}

/** The answer to `GET /auth/zkp/link/offer`, 200. */
export interface PendingLink {
  state: 'none' | 'open' | 'joined' | 'clashed';
  /** There unless the state is `none`, and so is `expires_at`. */
  challenge_id?: string;
  /** Unix seconds. */
  expires_at?: number;
  /** Of a device that joined, and so are `proof` and `name`. */
  commitment?: string;
  /** The joining proof. */
  proof?: string;
  name?: string;
}

/** `POST /auth/zkp/link/join`. */
export interface JoinRequest {
  challenge_id: string;
  /** 64 hex digits. */
  commitment: string;
  /** 192 hex digits: the joining proof. */
  proof: string;
  name: string;
}

/** `POST /auth/zkp/unlink`. */
export interface UnlinkRequest {
  challenge_id: string;
  /** The credential that proves; the first one where it is not there. */
  credential_id?: string;
  /** 192 hex digits: the unlinking, by a credential of the client. */
  proof: string;
  /** 64 hex digits. */
  commitment_old: string;
}

/** The answer to it, 200. */
export interface Unlinked {
  client_id: string;
  commitment_version: number;
}

/** The answer to `GET /auth/zkp/credentials`, 200. */
export interface Credentials {
  client_id: string;
  commitment_version: number;
  /** In their order: the first is meant where none is named. */
  credentials: ListedCredential[];
}

/** One credential of a client. */
export interface ListedCredential {
  credential_id: string;
  commitment: string;
  name: string;
  /** Unix seconds; 0 where nobody knows. */
  created: number;
  /** The version of the record that its commitment came with. */
  since: number;
  /** Unix seconds. */
  expires_at?: number;
}

/** The answer to `GET /auth/zkp/whoami`, 200. */
export interface WhoAmI {
  client_id: string;
  /** Unix seconds. */
  expires_at: number;
  commitment_version: number;
  /** What the client may do, separated by blanks; nothing if it is not there. */
  scope?: string;
  /** Whose client it is. */
  tenant?: string;
}

/** Every error: `application/problem+json` (RFC 9457). */
export interface Problem {
  /** `urn:2fapi:error:` and the code. */
  type: string;
  title: string;
  status: number;
  /** What was wrong and what would be right. */
  detail: string;
  code: ProblemCode;
}
