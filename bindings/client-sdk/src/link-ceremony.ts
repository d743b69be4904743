/** The exchanges about a client's credentials. */
import { versionIn } from './answers.js';
import { type Bytes, toHex } from './bytes.js';
import { type Attempt, type By, type Ceremony, type Session, nameOf } from './ceremony.js';
import { type Http, get, post } from './http.js';
import { type Listed, type Pending, credentialsIn, expiryIn, pendingIn } from './link-answers.js';
import type { LinkCode } from './link-code.js';

export class LinkCeremony {
  readonly #http: Http;
  readonly #binding: Bytes;
  readonly #ceremony: Ceremony;

  constructor(http: Http, binding: Bytes, ceremony: Ceremony) {
    this.#http = http;
    this.#binding = binding;
    this.#ceremony = ceremony;
  }

  /** Links a commitment: of a credential that is here, or of one that has joined. Gives the version of the record. */
  async link(
    attempt: Attempt,
    by: By,
    commitment: Uint8Array,
    here?: { credential: Bytes; name: string },
  ): Promise<number> {
    const { engine, clientId, signal } = attempt;
    const { challengeId, nonce } = await this.#ceremony.challenge(attempt);
    const proof = engine.proveLinking(by.credential, clientId, nonce, commitment, this.#binding);
    const joining = here && {
      proof_new: toHex(engine.proveJoining(here.credential, clientId, nonce, this.#binding)),
      name: here.name,
    };
    const body = {
      challenge_id: challengeId,
      ...nameOf(engine, by),
      proof: toHex(proof),
      commitment_new: toHex(commitment),
      ...joining,
    };
    return versionIn(await post(this.#http, 'auth/zkp/link', body, { signal }), clientId);
  }

  /** Takes a commitment away. Gives the version of the record. */
  async unlink(attempt: Attempt, by: By, old: Uint8Array): Promise<number> {
    const { engine, clientId, signal } = attempt;
    const { challengeId, nonce } = await this.#ceremony.challenge(attempt);
    const proof = engine.proveUnlinking(by.credential, clientId, nonce, old, this.#binding);
    const named = nameOf(engine, by);
    const body = { challenge_id: challengeId, ...named, proof: toHex(proof), commitment_old: toHex(old) };
    return versionIn(await post(this.#http, 'auth/zkp/unlink', body, { signal }), clientId);
  }

  async credentials({ signal }: Attempt, { accessToken, clientId }: Session): Promise<Listed[]> {
    return credentialsIn(await get(this.#http, 'auth/zkp/credentials', { token: accessToken, signal }), clientId);
  }

  /** Offers a challenge to a second device. */
  async offer(
    attempt: Attempt,
    { accessToken }: Session,
  ): Promise<{ challengeId: string; nonce: Bytes; expiresAt: number }> {
    const { clientId, signal } = attempt;
    const { challengeId, nonce } = await this.#ceremony.challenge(attempt);
    const sent = { token: accessToken, signal };
    const answer = await post(this.#http, 'auth/zkp/link/offer', { challenge_id: challengeId }, sent);
    return { challengeId: challengeId.slice(0, 27), nonce, expiresAt: expiryIn(answer, clientId) };
  }

  async pending({ signal }: Attempt, { accessToken, clientId }: Session): Promise<Pending> {
    return pendingIn(await get(this.#http, 'auth/zkp/link/offer', { token: accessToken, signal }), clientId);
  }

  /** Leaves a credential with its client. Gives when the first device has to have linked it. */
  async join(
    { engine, clientId, signal }: Attempt,
    credential: Bytes,
    code: LinkCode,
    name: string,
  ): Promise<number> {
    const body = {
      challenge_id: `${code.challengeId}.${clientId}`,
      commitment: toHex(engine.commitment(credential)),
      proof: toHex(engine.proveJoining(credential, clientId, code.nonce, this.#binding)),
      name,
    };
    return expiryIn(await post(this.#http, 'auth/zkp/link/join', body, { signal }), clientId);
  }
}
