/** Several credentials of a client: listed, unlinked, and linked from one device or two. */
import { type Bytes, fromHex, sameBytes, toHex } from './bytes.js';
import { type Ceremony, type Session, isDenial } from './ceremony.js';
import { TwoFApiError, badArgumentUnless } from './errors.js';
import type { Http } from './http.js';
import type { Listed, Pending } from './link-answers.js';
import { LinkCeremony } from './link-ceremony.js';
import { type LinkCode, linkCodeOf } from './link-code.js';
import { credentialFor } from './phrase.js';
import { type ClientRecord, credentialExists, encodeRecord, inForce, pendingFor } from './record.js';
import { checkedStore } from './store/outside.js';
import type { CredentialStore } from './store/store.js';
import type { Turn } from './turn.js';

/** A credential of a client. */
export interface LinkedCredential extends Listed {
  /** Whether it is the one in the store of this client. */
  isThis: boolean;
}

export interface Linked {
  clientId: string;
  /** Of the new credential. */
  credentialId: string;
  /** Of the client's record. */
  commitmentVersion: number;
}

/** What the first device shows: renew it before it ends. */
export interface LinkOffer {
  /** To be treated as confidential: whoever has it may ask to be linked. */
  code: string;
  /** In milliseconds of `Date.now()`. */
  expiresAt: number;
}

/** How far a link from a second device is. */
export interface PendingLink {
  state: 'none' | 'open' | 'joined' | 'clashed';
  /** In milliseconds of `Date.now()`. */
  expiresAt?: number;
  /** What the device that joined asks to be called. */
  name?: string;
}

export interface JoinedLink {
  clientId: string;
  /** Six digits: the user of the first device types them there. */
  number: string;
  /** When the first device has to have done it, in milliseconds of `Date.now()`. */
  expiresAt: number;
}

/** What a client does for its links: all of it is in its turn. */
export interface Inside {
  audience: string;
  binding: Bytes;
  http: Http;
  ceremony: Ceremony;
  /** With the session that there is, or another. */
  withToken<T>(turn: Turn, record: ClientRecord, work: (session: Session) => Promise<T>): Promise<T>;
  keep(turn: Turn, record: ClientRecord): Promise<void>;
  /** The credential of this record is gone. */
  drop(turn: Turn): Promise<void>;
  key(clientId: string): string;
}

const NAME = /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/;

const mustBeName = (name: unknown): string =>
  badArgumentUnless(
    typeof name === 'string' && NAME.test(name) && name,
    'name must be 1 to 64 printable ASCII characters, without a blank at either end',
  );

const noOffer = (problem: string): TwoFApiError => new TwoFApiError('no_offer', `${problem}: make another offer`);

export class Links {
  readonly #inside: Inside;
  readonly #ceremony: LinkCeremony;
  /** What this object has shown. Its nonce is here and nowhere else. */
  #offer: LinkCode | undefined;

  constructor(inside: Inside) {
    this.#inside = inside;
    this.#ceremony = new LinkCeremony(inside.http, inside.binding, inside.ceremony);
  }

  async list(turn: Turn, record: ClientRecord): Promise<LinkedCredential[]> {
    const listed = await this.#listed(turn, record);
    const mine = toHex(turn.engine.commitment(inForce(record)));
    return listed.map((one) => ({ ...one, isThis: one.commitment === mine }));
  }

  async #listed(turn: Turn, record: ClientRecord): Promise<Listed[]> {
    const { withToken } = this.#inside;
    return withToken(turn, record, (session) => this.#ceremony.credentials(turn, session));
  }

  /** Adds a credential: that of a phrase, or a fresh one in another store. */
  async link(
    turn: Turn,
    record: ClientRecord,
    { name, phrase, store }: { name: string; phrase?: string; store?: CredentialStore },
  ): Promise<Linked> {
    const called = mustBeName(name);
    badArgumentUnless(
      (phrase === undefined) !== (store === undefined),
      'link takes a phrase or a store for the new credential, and not both',
    );
    const { audience, key } = this.#inside;
    const { engine, clientId } = turn;
    if (!record.credential) await this.#listed(turn, record);
    const next = await credentialFor(engine, phrase, audience);
    const place = store && checkedStore(store);
    try {
      if (place) {
        if (await place.get(key(clientId))) throw credentialExists(clientId);
        await place.put(key(clientId), encodeRecord({ credential: undefined, pending: [next], names: true }));
      }
      const linked = await this.#linkThat(turn, record, engine.commitment(next), { credential: next, name: called });
      if (place) await place.put(key(clientId), encodeRecord({ credential: next, pending: [], names: true }));
      return linked;
    } finally {
      next.fill(0);
    }
  }

  async #linkThat(
    turn: Turn,
    record: ClientRecord,
    commitment: Uint8Array,
    here?: { credential: Bytes; name: string },
  ): Promise<Linked> {
    const { keep } = this.#inside;
    const of = { credential: inForce(record), named: record.names };
    const credentialId = toHex(turn.engine.credentialId(commitment));
    let commitmentVersion: number;
    try {
      commitmentVersion = await this.#ceremony.link(turn, of, commitment, here);
    } catch (error) {
      if (!isDenial(error)) throw error;
      // What an attempt before had sent may have arrived, and its answer been lost.
      const listed = await this.#listed(turn, record).catch(() => [] as Listed[]);
      const known = listed.find((one) => one.credentialId === credentialId);
      if (!known) throw error;
      commitmentVersion = known.since;
    }
    // This host takes names, and from now on this credential may not be the first for ever.
    if (!record.names) {
      record.names = true;
      await keep(turn, record);
    }
    return { clientId: turn.clientId, credentialId, commitmentVersion };
  }

  /** Takes a credential away; the last one is never. */
  async unlink(turn: Turn, record: ClientRecord, { commitment }: { commitment: string }): Promise<number> {
    const isHex = typeof commitment === 'string' && /^[0-9a-f]{64}$/i.test(commitment);
    badArgumentUnless(isHex, 'commitment must be that of a credential of this client, 64 hex digits');
    const old = fromHex('commitment', commitment, 32);
    if (!record.credential) await this.#listed(turn, record);
    const credential = inForce(record);
    const mine = turn.engine.commitment(credential);
    const version = await this.#ceremony.unlink(turn, { credential, named: record.names }, old);
    if (sameBytes(mine, old)) await this.#inside.drop(turn);
    return version;
  }

  /** On the first device: offers a challenge to a second one. A newer offer takes the place of an older. */
  async offer(turn: Turn, record: ClientRecord): Promise<LinkOffer> {
    const { audience, withToken } = this.#inside;
    const { challengeId, nonce, expiresAt } = await withToken(turn, record, (session) =>
      this.#ceremony.offer(turn, session),
    );
    const code = { challengeId, clientId: turn.clientId, nonce, audience };
    this.#offer = code;
    return { code: linkCodeOf(code), expiresAt };
  }

  async #pending(turn: Turn, record: ClientRecord): Promise<Pending> {
    return this.#inside.withToken(turn, record, (session) => this.#ceremony.pending(turn, session));
  }

  /** On the first device: what became of the offer. */
  async pending(turn: Turn, record: ClientRecord): Promise<PendingLink> {
    const { state, expiresAt, name } = await this.#pending(turn, record);
    return { state, ...(expiresAt === undefined ? {} : { expiresAt }), ...(name === undefined ? {} : { name }) };
  }

  /**
   * On the first device: links the device that has joined, if the number that its user typed is that of what has
   * joined. The joining proof is looked at here: what the server says of it is not believed.
   */
  async confirm(
    turn: Turn,
    record: ClientRecord,
    { number }: { number: string },
  ): Promise<Linked & { name: string }> {
    const typed = typeof number === 'string' ? number.replace(/[ -]/g, '') : '';
    badArgumentUnless(/^\d{6}$/.test(typed), 'number must be the six digits that the other device shows');
    const { engine, clientId } = turn;
    const offer = this.#offer;
    if (offer?.clientId !== clientId) throw noOffer('this object has no offer of this client');
    const { state, challengeId, joined, name } = await this.#pending(turn, record);
    if (state === 'clashed') throw noOffer('two devices have joined, and neither is linked');
    if (state === 'none' || challengeId !== offer.challengeId) throw noOffer('the offer has ended');
    if (!joined || name === undefined) throw new TwoFApiError('not_joined', 'no device has joined yet');
    const { commitment, proof } = joined;
    if (!engine.verifyJoining(commitment, clientId, offer.nonce, this.#inside.binding, proof)) {
      throw new TwoFApiError('bad_answer', 'the server shows a joining proof that is none: nothing was linked');
    }
    if (numberOf(engine.linkNumber(offer.challengeId, commitment)) !== typed) {
      throw new TwoFApiError(
        'wrong_number',
        'that is not the number of the device that has joined: if the other device shows this number, another ' +
          'one has joined in its place. Nothing was linked',
      );
    }
    const linked = await this.#linkThat(turn, record, commitment);
    this.#offer = undefined;
    return { ...linked, name };
  }

  /** On the second device: makes a credential, keeps it, and leaves with the client what it asks for. */
  async join(turn: Turn, record: ClientRecord, code: LinkCode, name: string): Promise<JoinedLink> {
    const called = mustBeName(name);
    if (record.credential) throw credentialExists(turn.clientId);
    const credential = await pendingFor(turn.engine, record, undefined);
    record.names = true;
    await this.#inside.keep(turn, record);
    const expiresAt = await this.#ceremony.join(turn, credential, code, called);
    const number = numberOf(turn.engine.linkNumber(code.challengeId, turn.engine.commitment(credential)));
    return { clientId: turn.clientId, number, expiresAt };
  }
}

const numberOf = (number: number): string => String(number).padStart(6, '0');
