// A client as the tests need it: a credential, and its proofs.

import {
  createEnrollment,
  credentialIdOf,
  generateCredential,
  proveAuthentication,
  proveJoining,
  proveLinking,
  proveRotation,
  proveUnlinking,
  type NewCredential,
} from '@2fapi/crypto-napi';
import type { Credential, IssuedChallenge } from '@2fapi/protocol-spec';

import type { Store, Verdict } from '../src/index.js';

export const AUDIENCE = 'https://api.example.com';
export const BINDING = new Uint8Array(Buffer.from(`aud:${AUDIENCE}`));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const unhex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));

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

/** The resources of a service, as its clients use them. */
export class Device {
  constructor(
    readonly post: (path: string, body: object, token?: string) => Promise<Response>,
    readonly clientId: string,
    public credential: NewCredential = generateCredential(),
    /** Sends its own name along, as a client does that has linked. */
    public names = false,
  ) {}

  get id(): string {
    return credentialIdOf(this.credential.commitment);
  }

  get commitment(): string {
    return hex(this.credential.commitment);
  }

  /** The same client with another credential. */
  another(): Device {
    return new Device(this.post, this.clientId, generateCredential(), true);
  }

  async challenge(): Promise<{ challenge_id: string; challenge: { nonce: Uint8Array; channelBinding: Uint8Array } }> {
    const challenged = await this.post('/auth/zkp/challenge', { client_id: this.clientId });
    const { challenge_id = '', nonce = '' } = (await challenged.json()) as Record<string, string>;
    return { challenge_id, challenge: { nonce: unhex(nonce), channelBinding: BINDING } };
  }

  #by(challenge: { nonce: Uint8Array; channelBinding: Uint8Array }) {
    return { clientId: this.clientId, credential: this.credential, challenge };
  }

  get #named(): { credential_id?: string } {
    return this.names ? { credential_id: this.id } : {};
  }

  enroll(token?: string): Promise<Response> {
    const { commitment, proof } = createEnrollment({ clientId: this.clientId, credential: this.credential });
    return this.post('/auth/zkp/enroll', { client_id: this.clientId, commitment: hex(commitment), proof: hex(proof) }, token);
  }

  async verify(given?: Awaited<ReturnType<Device['challenge']>>): Promise<Response> {
    const { challenge_id, challenge } = given ?? (await this.challenge());
    const proof = hex(proveAuthentication(this.#by(challenge)));
    return this.post('/auth/zkp/verify', { challenge_id, ...this.#named, proof });
  }

  async token(): Promise<string> {
    const answer = (await (await this.verify()).json()) as { access_token?: string };
    return answer.access_token ?? 'refused';
  }

  /** Links another credential: at this device with a name, or one that has joined. */
  async link(next: Device, changes: Record<string, unknown> = { name: 'tablet' }): Promise<Response> {
    const { challenge_id, challenge } = await this.challenge();
    const commitmentNew = next.credential.commitment;
    const proof = hex(proveLinking({ ...this.#by(challenge), commitmentNew }));
    const proof_new = hex(proveJoining(next.#by(challenge)));
    const here = 'name' in changes ? { proof_new } : {};
    const body = { challenge_id, ...this.#named, proof, commitment_new: hex(commitmentNew), ...here, ...changes };
    return this.post('/auth/zkp/link', body);
  }

  async unlink(gone: Device): Promise<Response> {
    const { challenge_id, challenge } = await this.challenge();
    const commitmentOld = gone.credential.commitment;
    const proof = hex(proveUnlinking({ ...this.#by(challenge), commitmentOld }));
    return this.post('/auth/zkp/unlink', { challenge_id, ...this.#named, proof, commitment_old: hex(commitmentOld) });
  }

  async rotate(): Promise<Response> {
    const { challenge_id, challenge } = await this.challenge();
    const next = generateCredential();
    const proof_old = hex(proveRotation({ ...this.#by(challenge), commitmentNew: next.commitment }));
    const proof_new = hex(createEnrollment({ clientId: this.clientId, credential: next }).proof);
    const body = { challenge_id, ...this.#named, proof_old, commitment_new: hex(next.commitment), proof_new };
    const answer = await this.post('/auth/zkp/rotate', body);
    if (answer.status === 200) this.credential = next;
    return answer;
  }

  join(offer: Awaited<ReturnType<Device['challenge']>>, changes: Record<string, unknown> = {}): Promise<Response> {
    const { challenge_id, challenge } = offer;
    const proof = hex(proveJoining(this.#by(challenge)));
    return this.post('/auth/zkp/link/join', { challenge_id, commitment: this.commitment, proof, name: 'tablet', ...changes });
  }
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
