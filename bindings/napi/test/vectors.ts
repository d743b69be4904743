// The vectors of the specification.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Proven {
  name: string;
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
  reason: string;
}

export interface Sigma {
  generators: { G: string; H: string };
  accepted: Accepted[];
  rejected: Rejected[];
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

export function vectors<T>(file: string): T {
  return JSON.parse(readFileSync(join(__dirname, '../../../spec/vectors', file), 'utf8')) as T;
}

export const SIGMA = ['sigma-v1.json', 'sigma-generated-v1.json'];
export const CHALLENGES = ['challenge-v1.json', 'challenge-generated-v1.json'];

/** Hex as the files write it, which is known to be right. */
export const unhex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));
