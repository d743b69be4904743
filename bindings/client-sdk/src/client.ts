/** The client of a 2FApi server: enrol, log in, rotate, recover, and fetch with the token. */
import { type Bytes, toHex } from './bytes.js';
import { Ceremony, type Session, isDenial } from './ceremony.js';
import { engineOf } from './engine/choose.js';
import { TwoFApiError, invalidArgument, storeUnavailable } from './errors.js';
import type { Inside, JoinedLink, Linked, LinkedCredential, LinkOffer, Links, PendingLink } from './links.js';
import { linkCodeFor } from './link-code.js';
import { type ClientOptions, type Settings, settingsOf } from './options.js';
import { credentialFor, followingIn, openPhrase } from './phrase.js';
import {
  type ClientRecord,
  credentialExists,
  decodeRecord,
  encodeRecord,
  inForce,
  noCredential,
  pendingFor,
  wipe,
} from './record.js';
import { requestOf } from './request.js';
import type { CheckedStore } from './store/outside.js';
import type { CredentialStore } from './store/store.js';
import { exclusively } from './store/turns.js';
import type { Turn, Waiting } from './turn.js';
import { aborted, unlessAborted } from './waiting.js';

export interface Enrolled {
  clientId: string;
  commitment: string;
  commitmentVersion: number;
}

/** So long before its end, or a quarter of its life if that is less, a token is not used any more. */
const MARGIN_MS = 10_000;

interface Held extends Session {
  freshUntil: number;
}

export class TwoFApiClient {
  /** What this client proves to: computed from `baseUrl`, never taken from the server. */
  readonly audience: string;

  readonly #settings: Settings;
  readonly #ceremony: Ceremony;
  /** Loaded when it is asked for: few clients link. */
  #links: Promise<Links> | undefined;
  #clientId: string | undefined;
  #session: Held | undefined;
  /** The last of the operations that were asked for: the next one begins when it has ended. */
  #last: Promise<unknown> = Promise.resolve();
  /** A login that nothing was asked for after. */
  #loggingIn: { clientId: string | undefined; session: Promise<Session> } | undefined;
  /** How often it was logged out: a login from before is not kept. */
  #logouts = 0;

  constructor(options: ClientOptions) {
    this.#settings = settingsOf(options);
    this.audience = this.#settings.audience;
    this.#ceremony = new Ceremony(this.#settings.http, this.#settings.binding);
    if (options.clientId !== undefined) this.#clientId = named(options.clientId);
  }

  get clientId(): string | undefined {
    return this.#clientId;
  }

  /** The session, if there is one that has not ended. */
  get session(): Session | undefined {
    const session = this.#session;
    return session && Date.now() < session.expiresAt ? shown(session) : undefined;
  }

  /**
   * Makes a credential, keeps it, and enrols its commitment with an enrolment token. With a phrase, the
   * credential is the one that the phrase restores.
   *
   * The credential is kept before the server hears of it, and stays whatever the server answers: a refusal
   * may be one of this attempt alone. Call it again, and the same credential is enrolled, or found to be
   * enrolled.
   */
  async enroll(
    { clientId, token, phrase }: { clientId?: string; token: string; phrase?: string },
    { signal }: Waiting = {},
  ): Promise<Enrolled> {
    if (typeof token !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(token)) {
      throw invalidArgument('token must be an enrolment token');
    }
    return this.#withRecord(clientId, signal, async (turn, record) => {
      const { engine } = turn;
      if (record.credential) throw credentialExists(turn.clientId);
      const { audience } = this;
      const credential = await pendingFor(engine, record, phrase === undefined ? undefined : { phrase, audience });
      const commitment = toHex(engine.commitment(credential));
      await this.#keep(turn, record);
      let commitmentVersion: number;
      try {
        commitmentVersion = await this.#ceremony.enroll(turn, credential, token);
        await this.#keepInForce(turn, record, credential);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // What an attempt before had sent may have arrived: then a credential that is kept is good.
        const session = await this.#findPending(turn, record).catch((second: unknown) => {
          throw isDenial(second) ? error : second;
        });
        if (record.credential !== credential) throw credentialExists(turn.clientId);
        commitmentVersion = await this.#ceremony.version(turn, session);
      }
      return { clientId: turn.clientId, commitment, commitmentVersion };
    });
  }

  /** Proves and gets an access token, which this object keeps in memory and nowhere else. */
  async login({ clientId, signal }: Waiting & { clientId?: string } = {}): Promise<Session> {
    // One at a time, for everybody who waits; each may stop waiting.
    let login = this.#loggingIn;
    if (!login || (clientId !== undefined && clientId !== login.clientId)) {
      const session = this.#withRecord(clientId, undefined, (turn, record) =>
        this.#login(turn, record),
      );
      login = { clientId, session };
      this.#loggingIn = login;
      const ended = () => {
        if (this.#loggingIn === login) this.#loggingIn = undefined;
      };
      session.then(ended, ended);
    }
    return shown(await unlessAborted(signal, login.session));
  }

  /**
   * Replaces the credential by a fresh one, or by that of a phrase, be it the same as before. Tokens from before end;
   * so does the use of an earlier phrase.
   *
   * Both credentials are kept until the outcome is known. If the answer is lost, `login` finds out which
   * of the two is good, and calling `rotate` again completes the rotation.
   */
  async rotate({ phrase, signal }: Waiting & { phrase?: string } = {}): Promise<Enrolled> {
    return this.#withRecord(undefined, signal, async (turn, record) => {
      if (!record.credential) await this.#login(turn, record);
      if (record.pending.length > 0) {
        // What was begun is completed with the same credential: whichever request arrives, it is good.
        const finished = await this.#finishRotation(turn, record);
        if (phrase === undefined) return finished;
      }
      const next =
        phrase === undefined
          ? await credentialFor(turn.engine)
          : followingIn(await openPhrase(turn.engine, phrase, this.audience), inForce(record));
      record.pending.push(next);
      await this.#keep(turn, record);
      return this.#rotate(turn, record, next);
    });
  }

  /**
   * Puts the credential of a phrase into the store, and sees that the server takes it: what the phrase makes for every
   * host alike, as it was once, then what it makes for this one, of each generation.
   */
  async recover(
    { clientId, phrase }: { clientId?: string; phrase: string },
    { signal }: Waiting = {},
  ): Promise<Session> {
    if (typeof phrase !== 'string') {
      throw new TwoFApiError('invalid_phrase', 'phrase is missing: the words of the credential');
    }
    return this.#withRecord(clientId, signal, async (turn, record) => {
      if (record.credential) throw credentialExists(turn.clientId);
      const opened = await openPhrase(turn.engine, phrase, this.audience);
      const { recovered } = await import('./recovery.js');
      const { credential, session, names } = await recovered(turn, this.#ceremony, opened);
      record.names = names;
      await this.#keepInForce(turn, record, credential);
      return shown(this.#hold(turn, session));
    });
  }

  /** The credentials of this client, in the server's order. */
  async credentials(waiting: Waiting = {}): Promise<LinkedCredential[]> {
    return this.#linking(undefined, waiting, (links, turn, record) => links.list(turn, record));
  }

  /** Adds a credential from here: that of a phrase, or a fresh one in another store. */
  async link(
    to: { name: string; phrase?: string; store?: CredentialStore },
    waiting: Waiting = {},
  ): Promise<Linked> {
    return this.#linking(undefined, waiting, (links, turn, record) => links.link(turn, record, to ?? {}));
  }

  /**
   * Takes a credential away, with its tokens: another device's, or the one in the store, which is removed from there
   * then. The last one is never taken away. Gives the version of the client's record.
   */
  async unlink(which: { commitment: string }, waiting: Waiting = {}): Promise<number> {
    return this.#linking(undefined, waiting, (links, turn, record) => links.unlink(turn, record, which ?? {}));
  }

  /** On the first device: a code for a second one, as text and, by `linkCodeSvg`, for its camera. */
  async offerLink(waiting: Waiting = {}): Promise<LinkOffer> {
    return this.#linking(undefined, waiting, (links, turn, record) => links.offer(turn, record));
  }

  /** On the first device: whether a device has joined. */
  async pendingLink(waiting: Waiting = {}): Promise<PendingLink> {
    return this.#linking(undefined, waiting, (links, turn, record) => links.pending(turn, record));
  }

  /** On the first device: links the device that has joined, when its user has typed the number that it shows. */
  async confirmLink(typed: { number: string }, waiting: Waiting = {}): Promise<Linked & { name: string }> {
    return this.#linking(undefined, waiting, (links, turn, record) => links.confirm(turn, record, typed ?? {}));
  }

  /**
   * On the second device: asks to be linked. Show the number; `login` works once the first device has done its part.
   * A code for another audience than this client's is refused, and nothing is sent.
   */
  async joinLink(asked: { code: string; name: string }, waiting: Waiting = {}): Promise<JoinedLink> {
    const { code, name } = asked ?? {};
    const read = linkCodeFor(this.audience, code);
    return this.#linking(read.clientId, waiting, (links, turn, record) => links.join(turn, record, read, name));
  }

  /** Forgets the token. It stays good until it ends: the server keeps no list of tokens. */
  logout(): void {
    this.#session = undefined;
    this.#loggingIn = undefined;
    this.#logouts++;
  }

  /** Removes the credential from the store. Without a recovery phrase it is gone for good. */
  async forget({ clientId }: { clientId?: string } = {}): Promise<void> {
    await this.#inTurn(undefined, async () => {
      const id = this.#about(clientId);
      await exclusively(this.#key(id), async () => {
        if (id === this.#clientId) this.#session = undefined;
        await this.#storage().delete(this.#key(id));
      });
    });
  }

  /** Whether the store has a credential for this client that the server has said yes to. */
  async hasCredential({ clientId }: { clientId?: string } = {}): Promise<boolean> {
    return this.#inTurn(undefined, async () => {
      const record = await this.#load(this.#about(clientId));
      const has = record.credential !== undefined;
      wipe(record);
      return has;
    });
  }

  /** The commitment of the credential in the store, in hex: what the server keeps of it. */
  async commitment({ clientId }: { clientId?: string } = {}): Promise<string> {
    return this.#inTurn(undefined, async () => {
      const id = this.#about(clientId);
      const record = await this.#load(id);
      const credential = record.credential ?? record.pending.at(-1);
      if (!credential) throw noCredential(id);
      const engine = await engineOf(this.#settings.engine);
      const commitment = toHex(engine.commitment(credential));
      wipe(record);
      return commitment;
    });
  }

  /**
   * `fetch` with the token, logging in where there is none or it has ended, and once again where it is
   * refused. The token goes to the origin of `baseUrl` and to `tokenOrigins` only; redirects are errors
   * unless `init` says otherwise.
   */
  async fetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    const made = this.#requestOf(input, init);
    // Its turn is now, before what is asked for later, which may say who this client is, or end the token.
    const found = this.#inTurn(undefined, async () => this.#current((await made).signal));
    // What is wrong with the request is told once, by itself.
    found.catch(() => undefined);
    const request = await made;
    const { signal } = request;
    const session = await unlessAborted(signal, found);
    const again = request.clone();
    const response = await this.#send(request, session);
    if (response.status !== 401) return response;
    const next = await this.#inTurn(signal, async () => {
      if (this.#session?.accessToken === session.accessToken) this.#session = undefined;
      // Meanwhile this client may have become another one, whose request it is not.
      return this.#clientId === session.clientId ? this.#current(signal) : undefined;
    });
    if (!next) return response;
    await response.body?.cancel?.().catch(() => undefined);
    return this.#send(again, next);
  }

  async #requestOf(input: RequestInfo | URL, init: RequestInit): Promise<Request> {
    const { http, origins } = this.#settings;
    const request = await requestOf(input, init ?? {}, http.base);
    const { origin, protocol } = new URL(request.url);
    if (origins.has(origin) && /^https?:$/.test(protocol)) return request;
    throw new TwoFApiError(
      'foreign_origin',
      `the token is not for ${origin}; name it in tokenOrigins if it shall go there`,
    );
  }

  /** In its turn: the session that there is, or a new one. */
  async #current(signal: AbortSignal): Promise<Session> {
    const session = this.#session;
    if (session && Date.now() < session.freshUntil) return session;
    if (signal.aborted) throw aborted(signal.reason);
    return this.#as(undefined, signal, this.#logouts, (turn, record) => this.#login(turn, record));
  }

  async #send(request: Request, { accessToken }: Session): Promise<Response> {
    request.headers.set('Authorization', `Bearer ${accessToken}`);
    try {
      return await this.#settings.send(request);
    } catch (error) {
      if (request.signal.aborted) throw aborted(request.signal.reason);
      throw new TwoFApiError('network', 'the request failed', { cause: error });
    }
  }

  #storage(): CheckedStore {
    if (this.#settings.store) return this.#settings.store;
    throw storeUnavailable(
      'there is no IndexedDB here: give a store, such as memoryStore() or one of your own',
    );
  }

  /** The same client id may be enrolled at several servers. No audience has a blank. */
  #key(clientId: string): string {
    return `${this.audience} ${clientId}`;
  }

  /** What is asked about a client does not make this object that client, unless it is none yet. */
  #about(clientId: string | undefined): string {
    const id = named(clientId ?? this.#clientId);
    this.#clientId ??= id;
    return id;
  }

  /** One operation of this object at a time, in the order in which they were asked for. */
  #inTurn<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    this.#loggingIn = undefined;
    const whole = this.#last.then(() => {
      if (signal?.aborted) throw aborted(signal.reason);
      return work();
    });
    this.#last = whole.catch(() => undefined);
    return unlessAborted(signal, whole);
  }

  #withRecord<T>(
    clientId: string | undefined,
    signal: AbortSignal | undefined,
    work: (turn: Turn, record: ClientRecord) => Promise<T>,
  ): Promise<T> {
    const logouts = this.#logouts;
    return this.#inTurn(signal, () => this.#as(clientId, signal, logouts, work));
  }

  /** In its turn: becomes that client, and works alone with its record, in this and in other tabs. */
  async #as<T>(
    clientId: string | undefined,
    signal: AbortSignal | undefined,
    logouts: number,
    work: (turn: Turn, record: ClientRecord) => Promise<T>,
  ): Promise<T> {
    const id = named(clientId ?? this.#clientId);
    this.#storage();
    const engine = await engineOf(this.#settings.engine);
    engine.checkClientId(id);
    if (id !== this.#clientId) this.#session = undefined;
    this.#clientId = id;
    return exclusively(this.#key(id), async () => {
      if (signal?.aborted) throw aborted(signal.reason);
      const record = await this.#load(id);
      try {
        return await work({ engine, clientId: id, signal, logouts }, record);
      } finally {
        wipe(record);
      }
    });
  }

  async #load(clientId: string): Promise<ClientRecord> {
    const bytes = await this.#storage().get(this.#key(clientId));
    if (!bytes) return { credential: undefined, pending: [], names: false };
    try {
      return decodeRecord(bytes);
    } finally {
      bytes.fill(0);
    }
  }

  async #keep({ clientId }: Turn, record: ClientRecord): Promise<void> {
    const bytes = encodeRecord(record);
    try {
      await this.#storage().put(this.#key(clientId), bytes);
    } finally {
      bytes.fill(0);
    }
  }

  /** One credential is known to be in force, and so it is known of the others that they are not. */
  async #keepInForce(turn: Turn, record: ClientRecord, credential: Bytes): Promise<void> {
    await this.#keep(turn, { credential, pending: [], names: record.names });
    for (const other of [record.credential, ...record.pending]) {
      if (other !== credential) other?.fill(0);
    }
    record.credential = credential;
    record.pending = [];
  }

  /** Keeps the session, unless it is not this client's any more. */
  #hold({ clientId, logouts }: Turn, session: Session): Session {
    if (clientId === this.#clientId && logouts === this.#logouts) {
      const life = session.expiresAt - Date.now();
      this.#session = {
        ...session,
        freshUntil: session.expiresAt - Math.min(MARGIN_MS, life / 4),
      };
    }
    return session;
  }

  async #linking<T>(
    clientId: string | undefined,
    { signal }: Waiting,
    work: (links: Links, turn: Turn, record: ClientRecord) => Promise<T>,
  ): Promise<T> {
    return this.#withRecord(clientId, signal, async (turn, record) => work(await this.#loadedLinks(), turn, record));
  }

  #loadedLinks(): Promise<Links> {
    const { http, binding } = this.#settings;
    const inside: Inside = {
      audience: this.audience,
      binding,
      http,
      ceremony: this.#ceremony,
      withToken: (turn, record, work) => this.#withToken(turn, record, work),
      keep: (turn, record) => this.#keep(turn, record),
      drop: (turn) => this.#drop(turn),
      key: (clientId) => this.#key(clientId),
    };
    this.#links ??= import('./links.js').then(
      ({ Links }) => new Links(inside),
      (cause: unknown) => {
        this.#links = undefined;
        throw new TwoFApiError('engine_unavailable', 'what links credentials could not be loaded', { cause });
      },
    );
    return this.#links;
  }

  /** With the session that there is, or with another where that is refused. */
  async #withToken<T>(
    turn: Turn,
    record: ClientRecord,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const held = this.#session;
    if (record.credential && held?.clientId === turn.clientId && Date.now() < held.freshUntil) {
      try {
        return await work(held);
      } catch (error) {
        if (!isDenial(error)) throw error;
        if (this.#session === held) this.#session = undefined;
      }
    }
    return work(await this.#login(turn, record));
  }

  /** The credential is gone, and its token with it. */
  async #drop({ clientId }: Turn): Promise<void> {
    if (clientId === this.#clientId) this.#session = undefined;
    await this.#storage().delete(this.#key(clientId));
  }

  /** With the credential in force, or with one whose outcome is unknown. */
  async #login(turn: Turn, record: ClientRecord): Promise<Session> {
    const { credential, pending } = record;
    if (!credential && pending.length === 0) throw noCredential(turn.clientId);
    if (!credential) return this.#findPending(turn, record);
    try {
      return this.#hold(turn, await this.#ceremony.authenticate(turn, credential, record.names));
    } catch (error) {
      if (!isDenial(error) || pending.length === 0) throw error;
      return this.#findPending(turn, record);
    }
  }

  /** Finds out which pending credential is good, the newest first, and keeps that. Denied if none is, now. */
  async #findPending(turn: Turn, record: ClientRecord): Promise<Session> {
    let denial: unknown = noCredential(turn.clientId);
    for (const credential of [...record.pending].reverse()) {
      try {
        const session = await this.#ceremony.authenticate(turn, credential, record.names);
        await this.#keepInForce(turn, record, credential);
        return this.#hold(turn, session);
      } catch (error) {
        if (!isDenial(error)) throw error;
        denial = error;
      }
    }
    throw denial;
  }

  async #rotate(turn: Turn, record: ClientRecord, next: Bytes): Promise<Enrolled> {
    // Whatever goes wrong here, both credentials stay: this request may arrive yet.
    const commitmentVersion = await this.#ceremony.rotate(turn, { credential: inForce(record), named: record.names }, next);
    await this.#keepInForce(turn, record, next);
    this.#session = undefined;
    return rotated(turn, next, commitmentVersion);
  }

  /** Completes a rotation whose answer was lost. */
  async #finishRotation(turn: Turn, record: ClientRecord): Promise<Enrolled> {
    try {
      return await this.#rotate(turn, record, record.pending.at(-1) as Bytes);
    } catch (error) {
      // What had arrived is refused a second time, and then the next credential is the good one.
      if (!isDenial(error)) throw error;
      const session = await this.#findPending(turn, record);
      const commitmentVersion = await this.#ceremony.version(turn, session);
      return rotated(turn, inForce(record), commitmentVersion);
    }
  }
}

const shown = ({ clientId, accessToken, expiresAt }: Session): Session => ({
  clientId,
  accessToken,
  expiresAt,
});

const rotated = (
  { engine, clientId }: Turn,
  credential: Bytes,
  commitmentVersion: number,
): Enrolled => ({
  clientId,
  commitment: toHex(engine.commitment(credential)),
  commitmentVersion,
});

function named(clientId: unknown): string {
  if (typeof clientId === 'string' && clientId !== '') return clientId;
  throw invalidArgument('clientId is missing: say which client this is');
}

/** What the server answers to an enrolment that it does not take, or took before. */
const isRefusal = (error: unknown): boolean =>
  error instanceof TwoFApiError && (error.code === 'denied' || error.code === 'already_enrolled');
