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
  whoami: '/auth/zkp/whoami',
  jwks: '/.well-known/jwks.json',
  live: '/livez',
  health: '/healthz',
} as const;

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
  status: 'active';
  commitment_version: 1;
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
}

/** `POST /auth/zkp/rotate`. */
export interface RotateRequest {
  challenge_id: string;
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

/** The answer to `GET /auth/zkp/whoami`, 200. */
export interface WhoAmI {
  client_id: string;
  /** Unix seconds. */
  expires_at: number;
  commitment_version: number;
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
