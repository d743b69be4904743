// A client as the tests need it: a credential, and its proofs.

import {
  createEnrollment,
  generateCredential,
  proveAuthentication,
  proveRotation,
} from '@2fapi/crypto-napi';
import type { Credential, IssuedChallenge } from '@2fapi/protocol-spec';

import type { Store, Verdict } from '../src/index.js';

export const AUDIENCE = 'https://api.example.com';
export const BINDING = new Uint8Array(Buffer.from(`aud:${AUDIENCE}`));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Sends a body to a path of the resources. */
export type Post = (path: string, body: object) => Promise<Response>;

export function enrollBody(client: TestClient): { client_id: string; commitment: string; proof: string } {
  const { commitment, proof } = client.enrollment();
  return { client_id: client.clientId, commitment: hex(commitment), proof: hex(proof) };
}

/** Asks for a challenge and answers it: the access token. */
export async function loggedIn(client: TestClient, post: Post): Promise<string> {
  const challenged = await post('/auth/zkp/challenge', { client_id: client.clientId });
  const { challenge_id, nonce } = (await challenged.json()) as Record<string, string>;
  const proof = client.proof({ challengeId: '', nonce: Buffer.from(nonce ?? '', 'hex'), expiresAt: 0 });
  const answer = await post('/auth/zkp/verify', { challenge_id, proof: hex(proof) });
  return ((await answer.json()) as { access_token?: string }).access_token ?? `refused with ${answer.status}`;
}

export class TestClient {
  credential: Credential = generateCredential();

  constructor(readonly clientId: string) {}

  enrollment(): { commitment: Uint8Array; proof: Uint8Array } {
    return createEnrollment({ clientId: this.clientId, credential: this.credential });
  }

  async enroll(store: Store): Promise<string> {
    const { commitment, proof } = this.enrollment();
    return store.enroll(this.clientId, commitment, proof);
  }

  proof(challenge: IssuedChallenge, channelBinding: Uint8Array = BINDING): Uint8Array {
    const { nonce } = challenge;
    return proveAuthentication({
      clientId: this.clientId,
      credential: this.credential,
      challenge: { nonce, channelBinding },
    });
  }

  async answer(store: Store, challenge: IssuedChallenge, proof = this.proof(challenge)): Promise<Verdict> {
    const { challengeId } = challenge;
    return store.authenticate({ clientId: this.clientId, challengeId, proof, channelBinding: BINDING });
  }

  async logIn(store: Store): Promise<Verdict> {
    return this.answer(store, await store.challenge(this.clientId, BINDING));
  }

  async rotate(store: Store, challenge?: IssuedChallenge): Promise<Verdict> {
    const { challengeId, nonce } = challenge ?? (await store.challenge(this.clientId, BINDING));
    const next = new TestClient(this.clientId);
    const { commitment, proof } = next.enrollment();
    const verdict = await store.rotate({
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
