// A store over plain records: the ceremonies of the core decide, on Node's thread pool; a database keeps
// clients and the challenges that were accepted, and carries out one step for each attempt.

import { CHALLENGE_TTL_DEFAULT_SECONDS, CHALLENGE_TTL_MAX_SECONDS } from '@2fapi/protocol-spec';

import { authorityIn } from './authority.js';
import { unixSeconds } from './clock.js';
import * as crypto from './crypto.js';
import { onlyKnown, wholeNumber } from './settings.js';
import type { ByCredential, Links, Redeem, Store, Verdict } from './store.js';

/** Which life of a set of accepted challenges it is, and its clock. */
export interface Epoch {
  /** 16 bytes, not secret: drawn anew whenever the set may have lost an entry. Challenges of another epoch are dead. */
  readonly epoch: Uint8Array;
  /** 32 bytes, drawn with the epoch: who knows them can predict nonces. */
  readonly root: Uint8Array;
  /** Unix seconds, by the clock that the step goes by. */
  readonly now: number;
}

/** What a database keeps of a client. It may have more to it, by which the database knows it again. */
export interface Kept {
  /** The record, in the core's own bytes. */
  readonly record: Uint8Array;
}

/** What an accepted attempt asks of a database, in one atomic and durable action or not at all. */
export interface Acceptance<Was extends Kept = Kept> {
  readonly clientId: string;
  /** What `find` gave: it must still be there, unchanged to the byte, or the answer is `changed`. */
  readonly was: Was;
  /** From when on, by the set's clock, the client or this credential is let in no longer: then the answer is `changed`. */
  readonly expiresAt: number | undefined;
  /** What must be pending of the client, byte for byte, or the answer is `changed`; it is taken away. */
  readonly joined: Uint8Array | undefined;
  /** The challenge: of the current epoch (`stale_epoch`), alive by the set's clock (`expired`), not there (`spent`). Then it is. */
  readonly spend: crypto.Spend;
  /** What takes the place of the record, where there is something. */
  readonly record: Uint8Array | undefined;
}

/** What became of an acceptance. All but `done`: nothing. */
export type Accepted = 'done' | 'changed' | 'spent' | 'expired' | 'stale_epoch' | { readonly retryAfterSeconds: number };

/** What became of a client that was to be added. `refused`: what permits it was used up, or there is no such user. */
export type Inserted = 'inserted' | 'exists' | 'refused';

/** What became of a record that was to be replaced. `changed`: it is not as it was read. */
export type Replaced = 'replaced' | 'changed' | 'refused';

/** What a database must be able to do to be a store. */
export interface Records<Step = unknown, Was extends Kept = Kept> {
  /** Whether `insert` and `replace` can redeem something in their own step. */
  readonly redeems: boolean;
  /**
   * The epoch of the set in which this client's challenges are spent, the same in every process. It is kept where
   * the set is: whatever forgets entries must take the epoch with it. Costs the same for clients that are not there.
   */
  epoch(clientId: string): Promise<Epoch>;
  find(clientId: string): Promise<Was | undefined>;
  /**
   * Adds a client unless there is one of that id, whatever its status. Atomic: if `redeem` is given, it is
   * asked when the id is known to be free, and what it does and the new client come to be together or not at all.
   */
  insert(clientId: string, record: Uint8Array, redeem?: Redeem<Step>): Promise<Inserted>;
  /** Replaces a record that is still as it was read. Atomic, and with `redeem` as above. */
  replace(clientId: string, was: Was, is: Uint8Array, redeem?: Redeem<Step>): Promise<Replaced>;
  /** Carries an acceptance out. Of all that have one challenge, in whichever process, one hears `done`. */
  accept(acceptance: Acceptance<Was>): Promise<Accepted>;
  /** What is pending of a client: one thing at most, of at most 256 bytes. */
  pending(clientId: string): Promise<Uint8Array | undefined>;
  /** Puts something there, whatever was; it may be forgotten at `until`, in Unix seconds. */
  offer(clientId: string, pending: Uint8Array, until: number): Promise<void>;
  /** Puts something in the place of what is still there; false when it is not. Atomic. */
  join(clientId: string, before: Uint8Array, after: Uint8Array, until: number): Promise<boolean>;
}

/** Settings of {@link storeOver}. */
export interface RecordsOptions {
  /** How long a challenge lives, 1 to 900 seconds; 120 unless set. */
  readonly challengeTtlSeconds?: number;
}

/** Makes a store of records. */
export function storeOver<Step, Was extends Kept = Kept>(
  records: Records<Step, Was>,
  options: RecordsOptions = {},
): Store<Step> & Links<Step> {
  onlyKnown(options, 'setting of a store', ['challengeTtlSeconds']);
  const ttlSeconds = wholeNumber(
    options.challengeTtlSeconds ?? CHALLENGE_TTL_DEFAULT_SECONDS,
    'challengeTtlSeconds',
    1,
    CHALLENGE_TTL_MAX_SECONDS,
  );
  // Made now, since the first one of a process takes some milliseconds; one service has one channel binding.
  let current = { channelBinding: new Uint8Array(0), terms: new crypto.Terms({ channelBinding: new Uint8Array(0), ttlSeconds }) };

  function termsOf(channelBinding: Uint8Array): crypto.Terms {
    if (!Buffer.from(current.channelBinding).equals(channelBinding)) {
      current = { channelBinding: Uint8Array.from(channelBinding), terms: new crypto.Terms({ channelBinding, ttlSeconds }) };
    }
    return current.terms;
  }

  let latest: { readonly at: Epoch; readonly keys: crypto.Keys } | undefined;

  function keysOf(at: Epoch): crypto.Keys {
    const isSame = (one: Uint8Array, other: Uint8Array): boolean => one === other || Buffer.from(one).equals(other);
    if (latest === undefined || !isSame(latest.at.epoch, at.epoch) || !isSame(latest.at.root, at.root)) {
      latest = { at, keys: new crypto.Keys(at) };
    }
    return latest.keys;
  }

  type Begin<T> = (terms: crypto.Terms, keys: crypto.Keys, now: number) => T;

  async function begun<T>(clientId: string, channelBinding: Uint8Array, begin: Begin<T>): Promise<T> {
    crypto.mustBeClientId(clientId);
    const at = await records.epoch(clientId);
    return begin(termsOf(channelBinding), keysOf(at), at.now);
  }

  /** From what was sent to the verdict: one client is looked up, and one step carried out. */
  const concluded = (
    { clientId, source }: Omit<ByCredential, 'channelBinding'>,
    channelBinding: Uint8Array,
    begin: Begin<crypto.Wanted>,
    wantsPending = false,
  ): Promise<Verdict> =>
    verdictOf(async () => {
      const wanted = await begun(clientId, channelBinding, begin);
      const was = await records.find(clientId);
      const pending = wantsPending ? await records.pending(clientId) : undefined;
      const commit = await wanted.verify(was?.record, pending, source);
      const { expects, expiresAt, joined, spend, record } = commit.step;
      if (was === undefined || expects !== 'unchanged' || spend === undefined) {
        throw new Error('this step is none of an attempt');
      }
      const accepted = commit.done(await records.accept({ clientId, was, expiresAt, joined, spend, record }));
      return { accepted, record: record ?? was.record };
    });

  async function found(clientId: string): Promise<Was> {
    const was = await records.find(clientId);
    if (was === undefined) throw crypto.error('not_enrolled', 'the client was never enrolled');
    return was;
  }

  /** Changes a record as its operator says. Somebody else may change it at the same time: looks again, a few times. */
  async function changed(clientId: string, change: (record: Uint8Array) => Uint8Array | undefined): Promise<void> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const was = await found(clientId);
      const is = change(was.record);
      if (is === undefined || (await records.replace(clientId, was, is)) === 'replaced') return;
    }
    throw busy();
  }

  return {
    redeems: records.redeems,

    challenge: (clientId, channelBinding) =>
      begun(clientId, channelBinding, (terms, keys, now) => terms.challenge(keys, now, clientId)),

    async enroll(clientId, commitment, proof, redeem) {
      const asked = current.terms.enroll({ clientId, commitment, proof });
      const commit = await unlessDenied(() => asked.permitted({ now: unixSeconds() }));
      if (commit === undefined) return 'denied';
      const { record } = commit.step;
      if (record === undefined) throw new Error('this step is none of an enrolment');
      switch (await records.insert(clientId, record, redeem)) {
        case 'inserted':
          commit.done('done');
          return 'enrolled';
        case 'exists':
          return 'already_enrolled';
        case 'refused':
          return 'not_permitted';
      }
    },

    async reset(clientId, commitment, proof, redeem) {
      for (let tries = 0; tries < TRIES; tries += 1) {
        const asked = current.terms.enroll({ clientId, commitment, proof });
        const was = await records.find(clientId);
        const commit = await unlessDenied(() => asked.permittedToReset(was?.record, { now: unixSeconds() }));
        if (commit === undefined) return 'denied';
        const { record } = commit.step;
        if (was === undefined || record === undefined) throw new Error('this step is none of a reset');
        const replaced = await records.replace(clientId, was, record, redeem);
        if (replaced === 'refused') return 'not_permitted';
        if (replaced === 'changed') continue;
        const { status, version } = commit.done('done');
        if (status === 'revoked') throw new Error('who is revoked cannot be reset');
        return { status, commitmentVersion: version };
      }
      throw busy();
    },

    authenticate: ({ channelBinding, ...request }) =>
      concluded(request, channelBinding, (terms, keys, now) => terms.authenticate(keys, now, request)),

    rotate: ({ channelBinding, ...request }) =>
      concluded(request, channelBinding, (terms, keys, now) => terms.rotate(keys, now, request)),

    link: ({ channelBinding, ...request }) =>
      concluded(
        request,
        channelBinding,
        (terms, keys, now) => terms.link(keys, now, request),
        request.name === undefined,
      ),

    unlink: ({ channelBinding, ...request }) =>
      concluded(request, channelBinding, (terms, keys, now) => terms.unlink(keys, now, request)),

    async offerLink(of, { channelBinding, ...challenge }) {
      const offered = await unlessDenied(() =>
        begun(of, channelBinding, (terms, keys, now) => terms.offer(keys, now, of, challenge)),
      );
      if (offered === undefined) return { outcome: 'denied' };
      await records.offer(of, offered.pending, offered.until);
      return { outcome: 'accepted', expiresAt: offered.until };
    },

    async pendingLink(clientId) {
      crypto.mustBeClientId(clientId);
      const [{ now }, pending] = await Promise.all([records.epoch(clientId), records.pending(clientId)]);
      return pending && crypto.readPendingLink(pending, now);
    },

    async joinLink({ channelBinding, ...request }) {
      const { clientId } = request;
      const until = await unlessDenied(async () => {
        const joiner = await begun(clientId, channelBinding, (terms, keys, now) => terms.join(keys, now, request));
        const join = await joiner.verify(await records.pending(clientId));
        join.done(await records.join(clientId, join.before, join.after, join.until));
        return join.until;
      });
      return until === undefined ? { outcome: 'denied' } : { outcome: 'accepted', expiresAt: until };
    },

    async find(clientId) {
      const kept = await records.find(clientId);
      if (kept === undefined) return undefined;
      const { version, ...client } = crypto.readRecord(kept.record);
      return { ...client, commitmentVersion: version };
    },

    async honours(clientId, named) {
      const kept = await records.find(clientId);
      return kept !== undefined && crypto.honours(kept.record, named, unixSeconds());
    },

    async authority(clientId, named, source) {
      const kept = await records.find(clientId);
      return kept && authorityIn(kept.record, named, source);
    },

    change: (clientId, change) => changed(clientId, (record) => crypto.changeRecord(record, change)),

    setAttributes: (clientId, attributes) =>
      changed(clientId, (record) => crypto.recordWithAttributes(record, attributes)),

    setExpiry: (clientId, credentialId, expiresAt) =>
      changed(clientId, (record) => crypto.recordWithExpiry(record, credentialId, expiresAt)),
  };
}

/** How often a record is looked at again that others change at the same time. */
const TRIES = 5;

const busy = (): Error => new Error('the client is being changed by others all the time; try again');

/** What an attempt comes to; undefined when the ceremony denies it. */
async function unlessDenied<T>(attempt: () => Promise<T>): Promise<T | undefined> {
  try {
    return await attempt();
  } catch (error) {
    if (crypto.codeOf(error) === 'denied') return undefined;
    throw error;
  }
}

/** How an attempt ends: accepted, or refused by the ceremony; what fails otherwise is an error. */
async function verdictOf(attempt: () => Promise<{ accepted: crypto.Accepted; record: Uint8Array }>): Promise<Verdict> {
  try {
    const { accepted, record } = await attempt();
    const { version, credentialId, since, generation } = accepted;
    const may = crypto.authorityOf(record, credentialId);
    return { outcome: 'accepted', commitmentVersion: version, named: { credentialId, since, generation }, may };
  } catch (error) {
    switch (crypto.codeOf(error)) {
      case 'denied':
        return { outcome: 'denied' };
      case 'throttled':
        return { outcome: 'throttled', retryAfterSeconds: crypto.retryAfterOf(error) };
      default:
        throw error;
    }
  }
}
