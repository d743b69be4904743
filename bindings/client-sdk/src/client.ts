/** The client of a 2FApi server: enrol, log in, rotate, recover, and fetch with the token. */
import { challengeIn, tokenIn, versionIn } from './answers.js';
import { bindingFor, serverAddress } from './binding.js';
import { toHex } from './bytes.js';
import type { Engine } from './engine/engine.js';
import { type EngineChoice, engineOf } from './engine/choose.js';
import { TwoFApiError, fromEngine } from './errors.js';
import { type Fetch, type Http, get, isDenial, post, unlessAborted } from './http.js';
import { entropyOf } from './phrase.js';
import { type ClientRecord, decodeRecord, encodeRecord, wipe } from './record.js';
import { indexedDbStore } from './store/indexed-db.js';
import { type CredentialStore, exclusively, storeUnavailable } from './store/store.js';

export interface ClientOptions {
  /** Where the server is. Its origin is the audience that this client proves to. */
  baseUrl: string | URL;
  /** Which client this is; `enroll` and `recover` may say it later. */
  clientId?: string;
  /** Where credentials are kept: in IndexedDB by default. There is no default without IndexedDB. */
  store?: CredentialStore;
  engine?: EngineChoice;
  /** The server's audience, where it is known by another origin than that of `baseUrl`. */
  audience?: string;
  /** Origins that `fetch` may take the token to, beside that of `baseUrl`. */
  tokenOrigins?: readonly string[];
  /** How long a request of the protocol may take, in milliseconds; 30 000 by default. */
  timeoutMs?: number;
  /** Speak plain HTTP with other than this machine. */
  allowInsecureHttp?: boolean;
  /** What sends requests; `fetch` by default. */
  fetch?: Fetch;
}

export interface Waiting {
  /** Ends the waiting. What the server was asked already may have happened. */
  signal?: AbortSignal;
}

export interface Enrolled {
  clientId: string;
  commitment: string;
  commitmentVersion: number;
}

export interface Session {
  clientId: string;
  accessToken: string;
  /** When the token ends, in milliseconds of `Date.now()`. */
  expiresAt: number;
}

/** So long before its end a token is not used any more. */
const MARGIN_MS = 10_000;

export class TwoFApiClient {
  /** What this client proves to: computed from `baseUrl`, never taken from the server. */
  readonly audience: string;

  readonly #http: Http;
  readonly #binding: Uint8Array;
  readonly #store: CredentialStore | undefined;
  readonly #engine: EngineChoice;
  readonly #origins: ReadonlySet<string>;
  #clientId: string | undefined;
  #session: Session | undefined;
  #loggingIn: Promise<Session> | undefined;

  constructor(options: ClientOptions) {
    const base = serverAddress(options.baseUrl, options.allowInsecureHttp ?? false);
    const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#http = { base, fetch: send, timeoutMs: options.timeoutMs ?? 30_000 };
    this.audience = options.audience ?? base.origin;
    this.#binding = bindingFor(this.audience);
    this.#store = options.store ?? (globalThis.indexedDB ? indexedDbStore() : undefined);
    this.#engine = options.engine ?? 'auto';
    this.#origins = new Set([base.origin, ...(options.tokenOrigins ?? [])]);
    this.#clientId = options.clientId;
  }

  get clientId(): string | undefined {
    return this.#clientId;
  }

  /** The session, if there is one that has not ended. */
  get session(): Session | undefined {
    const session = this.#session;
    return session && Date.now() < session.expiresAt ? { ...session } : undefined;
  }

  /**
   * Makes a credential, keeps it, and enrols its commitment with an enrolment token. With a phrase, the
   * credential is the one that the phrase restores.
   *
   * The credential is kept before the server hears of it. If the answer is lost, call it again: the same
   * credential is enrolled, or found to be enrolled.
   */
  async enroll(
    { clientId, token, phrase }: { clientId?: string; token: string; phrase?: string },
    { signal }: Waiting = {},
  ): Promise<Enrolled> {
    if (typeof token !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(token)) {
      throw new TwoFApiError('invalid_argument', 'token must be an enrolment token');
    }
    return this.#alone(clientId, signal, async (engine, id) => {
      const kept = await this.#load(id);
      if (kept?.enrolled) throw credentialExists(id);
      const record: ClientRecord = kept ?? {
        enrolled: false,
        credential: await credentialFor(engine, phrase),
      };
      try {
        const commitment = toHex(engine.commitment(record.credential));
        if (kept && phrase !== undefined) await sameCredential(engine, phrase, commitment);
        if (!kept) await this.#keep(id, record);
        const commitmentVersion = await this.#enrol(engine, id, record, token, signal);
        await this.#keep(id, { ...record, enrolled: true });
        return { clientId: id, commitment, commitmentVersion };
      } finally {
        wipe(record);
      }
    });
  }

  /** Proves and gets an access token, which this object keeps in memory and nowhere else. */
  async login({ clientId, signal }: Waiting & { clientId?: string } = {}): Promise<Session> {
    this.#name(clientId);
    // One at a time, for everybody who waits; each may stop waiting.
    if (!this.#loggingIn) {
      const attempt = this.#alone(undefined, undefined, (engine, id) =>
        this.#login(engine, id),
      ).finally(() => {
        if (this.#loggingIn === attempt) this.#loggingIn = undefined;
      });
      this.#loggingIn = attempt;
    }
    const session = await unlessAborted(signal, this.#loggingIn);
    return { ...session };
  }

  /**
   * Replaces the credential by a fresh one, or by that of a phrase. Tokens from before end; so does the
   * use of an earlier phrase.
   *
   * Both credentials are kept until the outcome is known. If the answer is lost, `login` finds out which
   * of the two is good, and calling `rotate` again completes the rotation.
   */
  async rotate({ phrase, signal }: Waiting & { phrase?: string } = {}): Promise<Enrolled> {
    return this.#alone(undefined, signal, async (engine, id) => {
      const record = await this.#needed(id);
      try {
        if (record.next) {
          // What was begun is completed with the same credential: whichever request arrives, it is good.
          const finished = await this.#finishRotation(engine, id, record, signal);
          if (phrase === undefined) return finished;
        }
        const next = await credentialFor(engine, phrase);
        record.next = next;
        await this.#keep(id, record);
        return await this.#rotate(engine, id, record, next, signal);
      } finally {
        wipe(record);
      }
    });
  }

  /** Puts the credential of a phrase into the store, and sees that the server takes it. */
  async recover(
    { clientId, phrase }: { clientId?: string; phrase: string },
    { signal }: Waiting = {},
  ): Promise<Session> {
    return this.#alone(clientId, signal, async (engine, id) => {
      if (await this.#load(id)) throw credentialExists(id);
      const credential = await credentialFor(engine, phrase);
      const record = { enrolled: true, credential };
      try {
        const session = await this.#prove(engine, id, credential, signal);
        await this.#keep(id, record);
        this.#session = session;
        return { ...session };
      } finally {
        wipe(record);
      }
    });
  }

  /** Forgets the token. It stays good until it ends: the server keeps no list of tokens. */
  logout(): void {
    this.#session = undefined;
  }

  /** Removes the credential from the store. Without a recovery phrase it is gone for good. */
  async forget({ clientId }: { clientId?: string } = {}): Promise<void> {
    await this.#alone(clientId, undefined, async (_, id) => {
      this.logout();
      await this.#storage().delete(this.#key(id));
    });
  }

  /** Whether the store has an enrolled credential for this client. */
  async hasCredential({ clientId }: { clientId?: string } = {}): Promise<boolean> {
    const record = await this.#load(this.#name(clientId));
    wipe(record);
    return record?.enrolled ?? false;
  }

  /** The commitment of the credential in the store, in hex: what the server keeps of it. */
  async commitment({ clientId }: { clientId?: string } = {}): Promise<string> {
    const id = this.#name(clientId);
    const record = await this.#needed(id);
    try {
      return toHex((await engineOf(this.#engine)).commitment(record.credential));
    } finally {
      wipe(record);
    }
  }

  /**
   * `fetch` with the token, logging in where there is none or it has ended, and once again where it is
   * refused. The token goes to the origin of `baseUrl` and to `tokenOrigins` only; redirects are errors
   * unless `init` says otherwise.
   */
  async fetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    const request =
      input instanceof Request
        ? new Request(input, init)
        : new Request(new URL(input, this.#http.base), { redirect: 'error', ...init });
    const { origin } = new URL(request.url);
    if (!this.#origins.has(origin)) {
      throw new TwoFApiError(
        'foreign_origin',
        `the token is not for ${origin}; name it in tokenOrigins if it shall go there`,
      );
    }
    const waiting = { signal: request.signal };
    const current = this.#session;
    const fresh = current !== undefined && Date.now() + MARGIN_MS < current.expiresAt;
    const again = request.clone();
    const session = fresh ? current : await this.login(waiting);
    const response = await this.#send(request, session);
    if (response.status !== 401) return response;
    await response.body?.cancel();
    if (this.#session?.accessToken === session.accessToken) this.#session = undefined;
    return this.#send(again, this.#session ?? (await this.login(waiting)));
  }

  async #send(request: Request, { accessToken }: Session): Promise<Response> {
    request.headers.set('Authorization', `Bearer ${accessToken}`);
    try {
      return await this.#http.fetch(request);
    } catch (error) {
      const { signal } = request;
      if (signal.aborted) {
        throw new TwoFApiError('aborted', 'the caller ended it', { cause: signal.reason });
      }
      throw new TwoFApiError('network', 'the request failed', { cause: error });
    }
  }

  #name(clientId: string | undefined): string {
    const name = clientId ?? this.#clientId;
    if (typeof name !== 'string' || name === '') {
      throw new TwoFApiError('invalid_argument', 'clientId is missing: say which client this is');
    }
    if (name !== this.#clientId) {
      this.#session = undefined;
      this.#loggingIn = undefined;
      this.#clientId = name;
    }
    return name;
  }

  #storage(): CredentialStore {
    if (this.#store) return this.#store;
    throw storeUnavailable(
      'there is no IndexedDB here: give a store, such as memoryStore() or one of your own',
    );
  }

  /** The same client id may be enrolled at several servers. No audience has a blank. */
  #key(clientId: string): string {
    return `${this.audience} ${clientId}`;
  }

  async #load(clientId: string): Promise<ClientRecord | undefined> {
    const bytes = await this.#storage().get(this.#key(clientId));
    if (!bytes) return undefined;
    try {
      return decodeRecord(bytes);
    } finally {
      bytes.fill(0);
    }
  }

  async #needed(clientId: string): Promise<ClientRecord> {
    const record = await this.#load(clientId);
    if (record) return record;
    throw new TwoFApiError('no_credential', `there is no credential for ${clientId} in the store`);
  }

  async #keep(clientId: string, record: ClientRecord): Promise<void> {
    const bytes = encodeRecord(record);
    try {
      await this.#storage().put(this.#key(clientId), bytes);
    } finally {
      bytes.fill(0);
    }
  }

  /** With the engine, and alone with the client's record, in this and in other tabs. */
  async #alone<T>(
    clientId: string | undefined,
    signal: AbortSignal | undefined,
    work: (engine: Engine, clientId: string) => Promise<T>,
  ): Promise<T> {
    const id = this.#name(clientId);
    this.#storage();
    const whole = exclusively(this.#key(id), async () => {
      if (signal?.aborted) {
        throw new TwoFApiError('aborted', 'the caller ended it', { cause: signal.reason });
      }
      try {
        const engine = await engineOf(this.#engine);
        engine.checkClientId(id);
        return await work(engine, id);
      } catch (error) {
        throw fromEngine(error);
      }
    });
    return unlessAborted(signal, whole);
  }

  async #challenge(clientId: string, signal?: AbortSignal) {
    const answer = await post(this.#http, 'auth/zkp/challenge', { client_id: clientId }, { signal });
    return challengeIn(answer, clientId, this.#binding);
  }

  async #prove(
    engine: Engine,
    clientId: string,
    credential: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Session> {
    const { challengeId, nonce } = await this.#challenge(clientId, signal);
    const proof = engine.proveAuthentication(credential, clientId, nonce, this.#binding);
    const began = Date.now();
    const answer = await post(
      this.#http,
      'auth/zkp/verify',
      { challenge_id: challengeId, proof: toHex(proof) },
      { signal },
    );
    const { accessToken, expiresIn } = tokenIn(answer, clientId);
    return { clientId, accessToken, expiresAt: began + expiresIn * 1000 };
  }

  /** With the credential, or with the one of a rotation whose answer was lost. */
  async #login(engine: Engine, clientId: string, signal?: AbortSignal): Promise<Session> {
    const record = await this.#needed(clientId);
    const { credential, next } = record;
    try {
      let session: Session;
      try {
        session = await this.#prove(engine, clientId, credential, signal);
        if (!record.enrolled) await this.#keep(clientId, { ...record, enrolled: true });
      } catch (error) {
        if (!next || !isDenial(error)) throw error;
        session = await this.#prove(engine, clientId, next, signal);
        await this.#keep(clientId, { enrolled: true, credential: next });
      }
      if (clientId === this.#clientId) this.#session = session;
      return session;
    } finally {
      wipe(record);
    }
  }

  /** Enrols. A refusal may mean that an attempt before had arrived: then the credential is good. */
  async #enrol(
    engine: Engine,
    clientId: string,
    { credential }: ClientRecord,
    token: string,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const body = {
      client_id: clientId,
      commitment: toHex(engine.commitment(credential)),
      proof: toHex(engine.proveEnrolment(credential, clientId)),
    };
    try {
      const answer = await post(this.#http, 'auth/zkp/enroll', body, { token, signal });
      return versionIn(answer, clientId);
    } catch (error) {
      const { code } = error as TwoFApiError;
      if (code !== 'denied' && code !== 'already_enrolled') throw error;
      try {
        await this.#prove(engine, clientId, credential, signal);
        return 1;
      } catch (second) {
        if (!isDenial(second)) throw second;
      }
      // The server has nothing of it, so that it is of no use to anybody.
      await this.#storage().delete(this.#key(clientId));
      throw error;
    }
  }

  async #rotate(
    engine: Engine,
    clientId: string,
    { credential }: ClientRecord,
    next: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Enrolled> {
    const { challengeId, nonce } = await this.#challenge(clientId, signal);
    const commitment = engine.commitment(next);
    const body = {
      challenge_id: challengeId,
      proof_old: toHex(
        engine.proveRotation(credential, clientId, nonce, commitment, this.#binding),
      ),
      commitment_new: toHex(commitment),
      proof_new: toHex(engine.proveEnrolment(next, clientId)),
    };
    // Whatever goes wrong from here on, both credentials stay: this request may arrive yet.
    const answer = await post(this.#http, 'auth/zkp/rotate', body, { signal });
    const commitmentVersion = versionIn(answer, clientId);
    await this.#keep(clientId, { enrolled: true, credential: next });
    this.#session = undefined;
    return { clientId, commitment: toHex(commitment), commitmentVersion };
  }

  /** Completes a rotation whose answer was lost; afterwards the record is that of the next credential. */
  async #finishRotation(
    engine: Engine,
    clientId: string,
    record: ClientRecord,
    signal: AbortSignal | undefined,
  ): Promise<Enrolled> {
    const next = record.next as Uint8Array;
    let finished: Enrolled;
    try {
      finished = await this.#rotate(engine, clientId, record, next, signal);
    } catch (error) {
      // What had arrived is refused a second time, and then the next credential is the good one.
      if (!isDenial(error)) throw error;
      const session = await this.#prove(engine, clientId, next, signal);
      await this.#keep(clientId, { enrolled: true, credential: next });
      this.#session = session;
      const token = session.accessToken;
      const whoami = await get(this.#http, 'auth/zkp/whoami', { token, signal });
      const commitmentVersion = versionIn(whoami, clientId);
      finished = { clientId, commitment: toHex(engine.commitment(next)), commitmentVersion };
    }
    record.credential = next.slice();
    record.next = undefined;
    return finished;
  }
}

const credentialExists = (clientId: string): TwoFApiError =>
  new TwoFApiError(
    'credential_exists',
    `the store has a credential for ${clientId} already, and it is never overwritten: use it, rotate ` +
      'it, or `forget` it first',
  );

async function credentialFor(engine: Engine, phrase: string | undefined): Promise<Uint8Array> {
  if (phrase === undefined) return engine.generate();
  const entropy = await entropyOf(phrase);
  try {
    return engine.recover(entropy);
  } finally {
    entropy.fill(0);
  }
}

/** An enrolment that is tried again takes the credential that was kept: another phrase is a mistake. */
async function sameCredential(engine: Engine, phrase: string, commitment: string): Promise<void> {
  const credential = await credentialFor(engine, phrase);
  const same = toHex(engine.commitment(credential)) === commitment;
  credential.fill(0);
  if (same) return;
  throw new TwoFApiError(
    'credential_exists',
    'an enrolment with another credential is under way: give the phrase of that one, or `forget` it',
  );
}
