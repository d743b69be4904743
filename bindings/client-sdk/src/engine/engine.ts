/** What an engine does. There are two, held to the same vectors. */

/**
 * The cryptography of a client. Credentials are secret ‖ blinding (64 bytes), commitments have 32
 * bytes and proofs 96. Errors have a `code` of `spec/protocol.md`, section 13.
 */
export interface Engine {
  readonly name: 'wasm' | 'noble';
  generate(): Uint8Array;
  /** The credential of a recovery phrase's 32 bytes of entropy. */
  recover(entropy: Uint8Array): Uint8Array;
  /** The same of a host: of the generation 0 at enrolment, of one more with each rotation. */
  recoverAt(entropy: Uint8Array, audience: string, generation: number): Uint8Array;
  commitment(credential: Uint8Array): Uint8Array;
  /** The id of the credential with this commitment, 16 bytes. */
  credentialId(commitment: Uint8Array): Uint8Array;
  /** The number by which two people see that both mean the same credential: below 10^6. */
  linkNumber(challengeId: string, commitment: Uint8Array): number;
  proveEnrollment(credential: Uint8Array, clientId: string): Uint8Array;
  proveAuthentication(
    credential: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    binding: Uint8Array,
  ): Uint8Array;
  proveRotation(
    credential: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    newCommitment: Uint8Array,
    binding: Uint8Array,
  ): Uint8Array;
  /** By an enrolled credential: the new commitment is to be added. */
  proveLinking(
    credential: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    newCommitment: Uint8Array,
    binding: Uint8Array,
  ): Uint8Array;
  /** By an enrolled credential: the old commitment is to go. */
  proveUnlinking(
    credential: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    oldCommitment: Uint8Array,
    binding: Uint8Array,
  ): Uint8Array;
  /** By a credential that is to be added. */
  proveJoining(
    credential: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    binding: Uint8Array,
  ): Uint8Array;
  /** True or false for what is well-formed; what is not is an error. */
  verifyEnrollment(commitment: Uint8Array, clientId: string, proof: Uint8Array): boolean;
  verifyAuthentication(
    commitment: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    binding: Uint8Array,
    proof: Uint8Array,
  ): boolean;
  verifyRotation(
    commitment: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    newCommitment: Uint8Array,
    binding: Uint8Array,
    proof: Uint8Array,
  ): boolean;
  verifyLinking(
    commitment: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    newCommitment: Uint8Array,
    binding: Uint8Array,
    proof: Uint8Array,
  ): boolean;
  verifyUnlinking(
    commitment: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    oldCommitment: Uint8Array,
    binding: Uint8Array,
    proof: Uint8Array,
  ): boolean;
  verifyJoining(
    commitment: Uint8Array,
    clientId: string,
    nonce: Uint8Array,
    binding: Uint8Array,
    proof: Uint8Array,
  ): boolean;
  checkClientId(clientId: string): void;
}
