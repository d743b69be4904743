// The vectors of the specification.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Proven {
  name: string;
  purpose: 'enrolment' | 'authentication' | 'rotation' | 'linking' | 'unlinking' | 'joining';
  client_id: string;
  nonce: string;
  channel_binding: string;
  commitment: string;
  proof: string;
}

export interface Accepted extends Proven {
  secret: string;
  blinding: string;
  transcript: string;
  challenge: string;
}

export interface Rejected extends Proven {
  reason: keyof typeof ANSWERS;
}

/** What a surface may answer to a case that is refused for a reason. */
export const ANSWERS = {
  client_id: ['invalid_client_id'],
  audience: ['invalid_encoding', 'invalid_length'],
  nonce_length: ['invalid_length'],
  // Of another purpose, or too long.
  binding: ['invalid_encoding', 'invalid_length'],
  length: ['invalid_length'],
  point_encoding: ['invalid_encoding'],
  identity: ['invalid_encoding'],
  scalar_encoding: ['invalid_encoding'],
  zero_response: ['invalid_encoding'],
  equation: ['denied'],
  any: ['denied', 'invalid_encoding'],
} as const;

export interface Sigma {
  generators: { G: string; H: string };
  accepted: Accepted[];
  rejected: Rejected[];
}

/** Proofs of links, and what follows from a commitment, and from a challenge id and a commitment. */
export interface Linking extends Omit<Sigma, 'generators'> {
  credential_ids: { name: string; commitment: string; credential_id: string }[];
  no_credential_ids: string[];
  link_numbers: { name: string; challenge_id: string; commitment: string; number: string }[];
  credential_names: string[];
  no_credential_names: string[];
}

/** A link proof, and what it is about. */
export interface LinkProven {
  name: string;
  audience_1: string;
  client_id_1: string;
  commitment_1: string;
  audience_2: string;
  client_id_2: string;
  commitment_2: string;
  nonce: string;
  proof: string;
}

export interface LinkProofs {
  accepted: (LinkProven & { secret: string; blinding_1: string; blinding_2: string })[];
  rejected: (LinkProven & { reason: keyof typeof ANSWERS })[];
}

export interface LiveChallenge {
  name: string;
  challenge_key: string;
  client_id: string;
  challenge_id: string;
  now: number;
  nonce: string;
}

export interface Challenges {
  ttl: number;
  live: LiveChallenge[];
  refused: Omit<LiveChallenge, 'nonce'>[];
}

export interface ClientIds {
  valid: string[];
  invalid: string[];
}

const DIRECTORY = join(__dirname, '../../../spec/vectors');

export function vectors<T>(file: string): T {
  return JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8')) as T;
}

/** The names of all files of a kind. */
function filesOf(suite: string): string[] {
  const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.json'));
  return names.filter((name) => vectors<{ suite: string }>(name).suite === suite);
}

export const SIGMA = filesOf('2FApi-v1.0-Sigma');
export const CHALLENGES = filesOf('2FApi-v1.0-Challenge');

/** Hex as the files write it, which is known to be right. */
export const unhex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));
