// The client's side: credentials and proofs.

import { ELEMENT_LENGTH, type ChallengeToAnswer, type Credential, type Enrollment } from '@2fapi/protocol-spec';

import { calling, callingAsync } from './errors.js';
import { bytes, clientId, object } from './inputs.js';
import { native } from './load.js';

const none = new Uint8Array(0);

/** A credential and its commitment, as they are drawn. */
export interface NewCredential extends Credential {
  /** C = s·G + r·H, 32 bytes. Not secret. */
  readonly commitment: Uint8Array;
}

/** Draws a credential. JavaScript cannot promise to forget it: {@link wipe} overwrites it. */
export function generateCredential(): NewCredential {
  const [secret = none, blinding = none, commitment = none] = calling(() => native.generateCredential());
  return { secret, blinding, commitment };
}

/** Overwrites the secret parts of a credential with zeros. Copies that were made of it stay. */
export function wipe(credential: Credential): void {
  for (const part of parts(credential)) part.fill(0);
}

export const parts = (credential: Credential): [Uint8Array, Uint8Array] => {
  const { secret, blinding } = object(credential, 'credential');
  return [bytes(secret, 'credential.secret'), bytes(blinding, 'credential.blinding')];
};

const asked = (challenge: ChallengeToAnswer): [Uint8Array, Uint8Array] => {
  const { nonce, channelBinding } = object(challenge, 'challenge');
  const binding = channelBinding === undefined ? none : bytes(channelBinding, 'challenge.channelBinding');
  return [bytes(nonce, 'challenge.nonce'), binding];
};

/** What a host needs to enrol a client: the commitment, and a proof that the client knows its opening. */
export function createEnrollment(enrollment: { clientId: string; credential: Credential }): Enrollment {
  const { clientId: id, credential } = object(enrollment, 'the argument');
  const [secret, blinding] = parts(credential);
  return calling(() => ({
    clientId: clientId(id),
    commitment: native.commit(secret, blinding),
    proof: native.proveEnrollment(clientId(id), secret, blinding),
  }));
}

/** The same on the thread pool. */
export async function createEnrollmentAsync(enrollment: {
  clientId: string;
  credential: Credential;
}): Promise<Enrollment> {
  const { clientId: id, credential } = object(enrollment, 'the argument');
  const words = [clientId(id), ...parts(credential)] as const;
  const both = await callingAsync(() => native.proveEnrollmentAsync(...words));
  return { clientId: words[0], commitment: both.slice(0, ELEMENT_LENGTH), proof: both.slice(ELEMENT_LENGTH) };
}

/** What {@link proveAuthentication} takes. */
export interface AuthenticationToProve {
  readonly clientId: string;
  readonly credential: Credential;
  /** The host's nonce, and what the client knows the host to be: never what the host says of itself alone. */
  readonly challenge: ChallengeToAnswer;
}

/** A proof for a challenge, 96 bytes. */
export function proveAuthentication(authentication: AuthenticationToProve): Uint8Array {
  const { clientId: id, credential, challenge } = object(authentication, 'the argument');
  const words = [clientId(id), ...parts(credential), ...asked(challenge)] as const;
  return calling(() => native.proveAuthentication(...words));
}

/** The same on the thread pool. */
export async function proveAuthenticationAsync(authentication: AuthenticationToProve): Promise<Uint8Array> {
  const { clientId: id, credential, challenge } = object(authentication, 'the argument');
  const words = [clientId(id), ...parts(credential), ...asked(challenge)] as const;
  return callingAsync(() => native.proveAuthenticationAsync(...words));
}

/** The proof by the enrolled credential that another commitment is to take its commitment's place, 96 bytes. */
export function proveRotation(rotation: AuthenticationToProve & { readonly commitmentNew: Uint8Array }): Uint8Array {
  const { clientId: id, credential, challenge, commitmentNew } = object(rotation, 'the argument');
  const words = [clientId(id), ...parts(credential), ...asked(challenge), bytes(commitmentNew, 'commitmentNew')] as const;
  return calling(() => native.proveRotation(...words));
}

/** The proof by an enrolled credential that another commitment is to be added to its client, 96 bytes. */
export function proveLinking(link: AuthenticationToProve & { readonly commitmentNew: Uint8Array }): Uint8Array {
  const { clientId: id, credential, challenge, commitmentNew } = object(link, 'the argument');
  const words = [clientId(id), ...parts(credential), ...asked(challenge), bytes(commitmentNew, 'commitmentNew')] as const;
  return calling(() => native.proveLinking(...words));
}

/** The proof by an enrolled credential that a commitment of its client, be it its own, is to be taken away, 96 bytes. */
export function proveUnlinking(unlink: AuthenticationToProve & { readonly commitmentOld: Uint8Array }): Uint8Array {
  const { clientId: id, credential, challenge, commitmentOld } = object(unlink, 'the argument');
  const words = [clientId(id), ...parts(credential), ...asked(challenge), bytes(commitmentOld, 'commitmentOld')] as const;
  return calling(() => native.proveUnlinking(...words));
}

/** The proof by a credential that is to be added, over the challenge of the offer or the link, 96 bytes. */
export function proveJoining(joining: AuthenticationToProve): Uint8Array {
  const { clientId: id, credential, challenge } = object(joining, 'the argument');
  const words = [clientId(id), ...parts(credential), ...asked(challenge)] as const;
  return calling(() => native.proveJoining(...words));
}
