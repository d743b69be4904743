// A client as the tests need it: a credential, and its proofs.

import {
  createEnrollment,
  generateCredential,
  proveAuthentication,
  proveRotation,
} from '@2fapi/crypto-napi';
import type { Credential, IssuedChallenge } from '@2fapi/protocol-spec';

import type { Host, Verdict } from '../src/index.js';

export const AUDIENCE = 'https://api.example.com';
export const BINDING = new Uint8Array(Buffer.from(`aud:${AUDIENCE}`));

export class TestClient {
  credential: Credential = generateCredential();

  constructor(readonly clientId: string) {}

  enrollment(): { commitment: Uint8Array; proof: Uint8Array } {
    return createEnrollment({ clientId: this.clientId, credential: this.credential });
  }

  async enroll(host: Host): Promise<string> {
    const { commitment, proof } = this.enrollment();
    return host.enroll(this.clientId, commitment, proof);
  }

  proof(challenge: IssuedChallenge, channelBinding: Uint8Array = BINDING): Uint8Array {
    const { nonce } = challenge;
    return proveAuthentication({
      clientId: this.clientId,
      credential: this.credential,
      challenge: { nonce, channelBinding },
    });
  }

  async answer(host: Host, challenge: IssuedChallenge, proof = this.proof(challenge)): Promise<Verdict> {
    const { challengeId } = challenge;
    return host.authenticate({ clientId: this.clientId, challengeId, proof, channelBinding: BINDING });
  }

  async logIn(host: Host): Promise<Verdict> {
    return this.answer(host, await host.challenge(this.clientId, BINDING));
  }

  async rotate(host: Host): Promise<Verdict> {
    const { challengeId, nonce } = await host.challenge(this.clientId, BINDING);
    const next = new TestClient(this.clientId);
    const { commitment, proof } = next.enrollment();
    const verdict = await host.rotate({
      clientId: this.clientId,
      challengeId,
      proofOld: proveRotation({
        clientId: this.clientId,
        credential: this.credential,
        commitmentNew: commitment,
        challenge: { nonce, channelBinding: BINDING },
      }),
      commitmentNew: commitment,
      proofNew: proof,
      channelBinding: BINDING,
    });
    if (verdict.outcome === 'accepted') this.credential = next.credential;
    return verdict;
  }
}
