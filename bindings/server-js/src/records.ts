// A store over plain records: the ceremonies of the core decide, on Node's thread pool; a database keeps
// clients and the challenges that were accepted, and carries out one step for each attempt.

import { CHALLENGE_TTL_DEFAULT_SECONDS, CHALLENGE_TTL_MAX_SECONDS, type ClientRecord } from '@2fapi/protocol-spec';

import * as crypto from './crypto.js';
import { onlyKnown, wholeNumber } from './settings.js';
import type { Authentication, KnownClient, LifecycleChange, Redeem, Rotation, Store, Verdict } from './store.js';

/** Which life of a set of accepted challenges it is, and its clock. */
export interface Epoch {
  /** 16 bytes, not secret: drawn anew whenever the set may have lost an entry. Challenges of another epoch are dead. */
  readonly epoch: Uint8Array;
  /** 32 bytes, drawn with the epoch: who knows them can predict nonces. */
  readonly root: Uint8Array;
  /** Unix seconds, by the clock that the step goes by. */
  readonly now: number;
}

/** What an accepted attempt asks of a database, in one atomic and durable action or not at all. */
export interface Acceptance {
  readonly clientId: string;
  /** The record must be active and still of this version and commitment, or the answer is `changed`. */
  readonly was: ClientRecord;
  /** The challenge: of the current epoch (`stale_epoch`), alive by the set's clock (`expired`), not there (`spent`). Then it is. */
  readonly spend: crypto.Spend;
  /** What takes the place of the record, where there is something. */
  readonly record: ClientRecord | undefined;
}

/** What became of an acceptance. All but `done`: nothing. */
export type Accepted = 'done' | 'changed' | 'spent' | 'expired' | 'stale_epoch' | { readonly retryAfterSeconds: number };

/** What became of a client that was to be added. `refused`: what permits it was used up, or there is no such user. */
export type Inserted = 'inserted' | 'exists' | 'refused';

/** What a database must be able to do to be a store. */
export interface Records<Step = unknown> {
  /** Whether `insert` can redeem something in its own step. */
  readonly redeems: boolean;
  /**
   * The epoch of the set in which this client's challenges are spent, the same in every process. It is kept where
   * the set is: whatever forgets entries must take the epoch with it. Costs the same for clients that are not there.
   */
  epoch(clientId: string): Promise<Epoch>;
  find(clientId: string): Promise<ClientRecord | undefined>;
  /**
   * Adds a client unless there is one of that id, whatever its status. Atomic: if `redeem` is given, it is
   * asked when the id is known to be free, and what it does and the new client come to be together or not at all.
   */
  insert(clientId: string, record: ClientRecord, redeem?: Redeem<Step>): Promise<Inserted>;
  /** Replaces a record that is still as it was read; false when it is not. Atomic. */
  replace(clientId: string, was: ClientRecord, is: ClientRecord): Promise<boolean>;
  /** Carries an acceptance out. Of all that have one challenge, in whichever process, one hears `done`. */
  accept(acceptance: Acceptance): Promise<Accepted>;
}

/** Settings of {@link storeOver}. */
export interface RecordsOptions {
  /** How long a challenge lives, 1 to 900 seconds; 120 unless set. */
  readonly challengeTtlSeconds?: number;
}

/** Makes a store of records. */
export function storeOver<Step>(records: Records<Step>, options: RecordsOptions = {}): Store<Step> {
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

  /** From what was sent to the verdict: one client is looked up, and one step carried out. */
  async function concluded(
    clientId: string,
    begin: (keys: crypto.Keys, now: number) => crypto.Wanted,
  ): Promise<Verdict> {
    crypto.mustBeClientId(clientId);
    const at = await records.epoch(clientId);
    return verdictOf(async () => {
      const wanted = begin(keysOf(at), at.now);
      const was = await records.find(clientId);
      const check = wanted.found(was);
      const commit = (await check.verify()).settle();
      const { expectedVersion, spend, record } = commit.step;
      if (was === undefined || was.commitmentVersion !== expectedVersion || spend === undefined) {
        throw new Error('this step is none of an attempt');
      }
      return commit.done(await records.accept({ clientId, was, spend, record }));
    });
  }

  return {
    redeems: records.redeems,

    async challenge(clientId, channelBinding) {
      crypto.mustBeClientId(clientId);
      const at = await records.epoch(clientId);
      return termsOf(channelBinding).challenge(keysOf(at), at.now, clientId);
    },

    async enroll(clientId, commitment, proof, redeem) {
      const check = current.terms.enroll({ clientId, commitment, proof }).permitted();
      const checked = await check.verify();
      let commit: crypto.Commit;
      try {
        commit = checked.settle();
      } catch (error) {
        if (crypto.codeOf(error) === 'denied') return 'denied';
        throw error;
      }
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

    authenticate: ({ channelBinding, ...request }: Authentication) =>
      concluded(request.clientId, (keys, now) => termsOf(channelBinding).authenticate(keys, now, request)),

    rotate: ({ channelBinding, ...request }: Rotation) =>
      concluded(request.clientId, (keys, now) => termsOf(channelBinding).rotate(keys, now, request)),

    async find(clientId): Promise<KnownClient | undefined> {
      return records.find(clientId);
    },

    async change(clientId, change: LifecycleChange) {
      // Somebody else may change it at the same time: look again, a few times.
      for (let tries = 0; tries < 5; tries += 1) {
        const was = await records.find(clientId);
        if (was === undefined) throw crypto.error('not_enrolled', 'the client was never enrolled');
        const status = crypto.nextStatus(was, change);
        if (status === was.status) return;
        if (await records.replace(clientId, was, { ...was, status })) return;
      }
      throw new Error('the client is being changed by others all the time; try again');
    },
  };
}

/** How an attempt ends: accepted, or refused by the ceremony; what fails otherwise is an error. */
async function verdictOf(attempt: () => Promise<{ readonly commitmentVersion: number }>): Promise<Verdict> {
  try {
    const { commitmentVersion } = await attempt();
    return { outcome: 'accepted', commitmentVersion };
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
