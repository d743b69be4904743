// The parts of a proof one by one, for programs that have always put them together themselves.

import { timingSafeEqual } from 'node:crypto';

import { ELEMENT_LENGTH, PROOF_LENGTH, SCALAR_LENGTH } from '@2fapi/protocol-spec';

import { calling } from './errors.js';
import { bytes, clientId, object } from './inputs.js';
import { native } from './load.js';

/** The generator G, 32 bytes: the base point of RFC 9496. */
export function getGeneratorG(): Uint8Array {
  return calling(() => native.generatorG());
}

/** The generator H, 32 bytes: hashed from a fixed string (see the protocol). */
export function getGeneratorH(): Uint8Array {
  return calling(() => native.generatorH());
}

/** The commitment C = secret·G + blinding·H, 32 bytes. */
export function commit(secret: Uint8Array, blinding: Uint8Array): Uint8Array {
  const words = [bytes(secret, 'secret'), bytes(blinding, 'blinding')] as const;
  return calling(() => native.commit(...words));
}

/** What a proof is about. */
export interface TranscriptContext {
  readonly clientId: string;
  /** Empty for an enrolment. */
  readonly nonce: Uint8Array;
  /** `enrollment` for an enrolment; `rotation:`, the new commitment and the binding for a rotation. */
  readonly channelBinding: Uint8Array;
}

/** The context part of a transcript: client id, nonce and channel binding, each after its length. */
export function buildTranscript(context: TranscriptContext): Uint8Array {
  const { clientId: id, nonce, channelBinding } = object(context, 'the argument');
  const words = [clientId(id), bytes(nonce, 'nonce'), bytes(channelBinding, 'channelBinding')] as const;
  return calling(() => native.buildTranscript(...words));
}

/** The whole transcript of a context part, which {@link hashTranscript} hashes. */
export function completeTranscript(parts: {
  readonly commitment: Uint8Array;
  readonly announcement: Uint8Array;
  readonly transcriptData: Uint8Array;
}): Uint8Array {
  const { commitment, announcement, transcriptData } = object(parts, 'the argument');
  const words = [
    bytes(commitment, 'commitment'),
    bytes(announcement, 'announcement'),
    bytes(transcriptData, 'transcriptData'),
  ] as const;
  return calling(() => native.completeTranscript(...words));
}

/** The challenge scalar of a whole transcript, 32 bytes. */
export function hashTranscript(transcript: Uint8Array): Uint8Array {
  return calling(() => native.hashTranscript(bytes(transcript, 'transcript')));
}

/** What {@link generateProof} takes. */
export interface ProofToGenerate {
  readonly secret: Uint8Array;
  readonly blinding: Uint8Array;
  /** That of secret and blinding; another is an error. */
  readonly commitment: Uint8Array;
  readonly generatorG: Uint8Array;
  readonly generatorH: Uint8Array;
  /** What {@link buildTranscript} gave. */
  readonly transcriptData: Uint8Array;
}

/** A proof's three parts, 32 bytes each, and the whole of 96 bytes that hosts take. */
export interface ProofParts {
  readonly announcement: Uint8Array;
  readonly responseS: Uint8Array;
  readonly responseR: Uint8Array;
  readonly proof: Uint8Array;
}

/** A proof that every host accepts. */
export function generateProof(it: ProofToGenerate): ProofParts {
  const { secret, blinding, commitment, generatorG, generatorH, transcriptData } = object(it, 'the argument');
  const words = [
    bytes(secret, 'secret'),
    bytes(blinding, 'blinding'),
    bytes(commitment, 'commitment'),
    bytes(generatorG, 'generatorG'),
    bytes(generatorH, 'generatorH'),
    bytes(transcriptData, 'transcriptData'),
  ] as const;
  const proof = calling(() => native.generateProof(...words));
  return {
    announcement: proof.slice(0, ELEMENT_LENGTH),
    responseS: proof.slice(ELEMENT_LENGTH, ELEMENT_LENGTH + SCALAR_LENGTH),
    responseR: proof.slice(ELEMENT_LENGTH + SCALAR_LENGTH, PROOF_LENGTH),
    proof,
  };
}

/** What {@link verifyProofEquation} takes, 32 bytes each. */
export interface EquationToVerify {
  readonly generatorG: Uint8Array;
  readonly generatorH: Uint8Array;
  readonly commitment: Uint8Array;
  readonly announcement: Uint8Array;
  readonly challenge: Uint8Array;
  readonly responseS: Uint8Array;
  readonly responseR: Uint8Array;
}

/** Whether z_s·G + z_r·H = A + c·C; false for any part that is not canonical or of another length. */
export function verifyProofEquation(it: EquationToVerify): boolean {
  const { generatorG, generatorH, commitment, announcement, challenge, responseS, responseR } = object(it, 'the argument');
  const words = [
    bytes(generatorG, 'generatorG'),
    bytes(generatorH, 'generatorH'),
    bytes(commitment, 'commitment'),
    bytes(announcement, 'announcement'),
    bytes(challenge, 'challenge'),
    bytes(responseS, 'responseS'),
    bytes(responseR, 'responseR'),
  ] as const;
  return calling(() => native.verifyProofEquation(...words));
}

/** Whether bytes are the canonical encoding of an element, the identity included. */
export function isCanonicalPoint(point: Uint8Array): boolean {
  return calling(() => native.isCanonicalPoint(bytes(point, 'point')));
}

/** Whether bytes are the canonical encoding of a scalar, zero included. */
export function isCanonicalScalar(scalar: Uint8Array): boolean {
  return calling(() => native.isCanonicalScalar(bytes(scalar, 'scalar')));
}

/** Whether bytes are the encoding of the identity: 32 zeros. */
export function isIdentityPoint(point: Uint8Array): boolean {
  return bytes(point, 'point').length === ELEMENT_LENGTH && point.every((byte) => byte === 0);
}

/** Whether two texts of bytes are the same, in a time that tells only their lengths. */
export function constantTimeEq(a: Uint8Array, b: Uint8Array): boolean {
  return bytes(a, 'a').length === bytes(b, 'b').length && timingSafeEqual(a, b);
}
