/** The exchanges with a server: each one asks, proves, and believes the answer as far as it is about this client. */
import { challengeIn, tokenIn, versionIn } from './answers.js';
import { type Bytes, toHex } from './bytes.js';
import type { Engine } from './engine/engine.js';
import { TwoFApiError } from './errors.js';
import { type Http, get, post } from './http.js';

export interface Session {
  clientId: string;
  accessToken: string;
  /** When the token ends, in milliseconds of `Date.now()`. */
  expiresAt: number;
}

/** For whom an exchange is, by which engine, and until when. */
export interface Attempt {
  engine: Engine;
  clientId: string;
  signal: AbortSignal | undefined;
}

/** By which credential something is asked for, and whether the request says so. */
export interface By {
  credential: Bytes;
  named: boolean;
}

/** The answer to a proof that was not accepted, whatever the reason. */
export const isDenial = (error: unknown): boolean =>
  error instanceof TwoFApiError && error.code === 'denied';

export class Ceremony {
  readonly #http: Http;
  readonly #binding: Bytes;

  constructor(http: Http, binding: Bytes) {
    this.#http = http;
    this.#binding = binding;
  }

  /** Gives the version of the commitment that is enrolled now. */
  async enroll(
    { engine, clientId, signal }: Attempt,
    credential: Bytes,
    token: string,
  ): Promise<number> {
    const body = {
      client_id: clientId,
      commitment: toHex(engine.commitment(credential)),
      proof: toHex(engine.proveEnrollment(credential, clientId)),
    };
    const answer = await post(this.#http, 'auth/zkp/enroll', body, { token, signal });
    return versionIn(answer, clientId);
  }

  /** Gives a session; `named`: the request says which credential it is by. */
  async authenticate(attempt: Attempt, credential: Bytes, named: boolean): Promise<Session> {
    const { engine, clientId, signal } = attempt;
    const { challengeId, nonce } = await this.challenge(attempt);
    const proof = engine.proveAuthentication(credential, clientId, nonce, this.#binding);
    const body = { challenge_id: challengeId, ...nameOf(engine, { credential, named }), proof: toHex(proof) };
    const began = Date.now();
    const answer = await post(this.#http, 'auth/zkp/verify', body, { signal });
    const { accessToken, expiresIn } = tokenIn(answer, clientId);
    return { clientId, accessToken, expiresAt: began + expiresIn * 1000 };
  }

  /** Gives the version of the new credential's commitment. */
  async rotate(attempt: Attempt, by: By, next: Bytes): Promise<number> {
    const { engine, clientId, signal } = attempt;
    const { challengeId, nonce } = await this.challenge(attempt);
    const commitment = engine.commitment(next);
    const proof = engine.proveRotation(by.credential, clientId, nonce, commitment, this.#binding);
    const body = {
      challenge_id: challengeId,
      ...nameOf(engine, by),
      proof_old: toHex(proof),
      commitment_new: toHex(commitment),
      proof_new: toHex(engine.proveEnrollment(next, clientId)),
    };
    const answer = await post(this.#http, 'auth/zkp/rotate', body, { signal });
    return versionIn(answer, clientId);
  }

  /** The version of the record. */
  async version({ signal }: Attempt, { accessToken, clientId }: Session): Promise<number> {
    const sent = { token: accessToken, signal };
    return versionIn(await get(this.#http, 'auth/zkp/whoami', sent), clientId);
  }

  async challenge({ clientId, signal }: Attempt) {
    const answer = await post(this.#http, 'auth/zkp/challenge', { client_id: clientId }, { signal });
    return challengeIn(answer, clientId, this.#binding);
  }
}

/** What a request says of the credential that it is by. */
export const nameOf = (engine: Engine, { credential, named }: By): { credential_id?: string } =>
  named ? { credential_id: toHex(engine.credentialId(engine.commitment(credential))) } : {};
