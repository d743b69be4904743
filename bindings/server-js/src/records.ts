// A store over plain records: proofs are verified here, on Node's thread pool; a database keeps clients
// and the set of used challenges.

import {
  CHALLENGE_TTL_DEFAULT_SECONDS,
  CHALLENGE_TTL_MAX_SECONDS,
  type ClientRecord,
  type ClientStatus,
} from '@2fapi/protocol-spec';

import { challengeKeys, unixSeconds } from './challenge-keys.js';
import * as crypto from './crypto.js';
import { onlyKnown, wholeNumber } from './settings.js';
import type { Authentication, KnownClient, LifecycleChange, Redeem, Rotation, Store, Verdict } from './store.js';

/** What became of a challenge that was to be used up. */
export type Spend = 'fresh' | 'spent' | 'expired' | { readonly retryAfterSeconds: number };

/** What became of a client that was to be added. `refused`: what permits it was used up, or there is no such user. */
export type Inserted = 'inserted' | 'exists' | 'refused';

/** What a database must be able to do to be a store. */
export interface Records<Step = unknown> {
  /** Whether `insert` can redeem something in its own step. */
  readonly redeems: boolean;
  /**
   * The key of the challenges that expire in a period, an hour counted from 1970: 32 random bytes, drawn by
   * whoever asks for it first, the same in every process, and forgotten after the period. It must go
   * where the used challenges go: whatever forgets those early must take the key with them.
   */
  challengeKey(period: number): Promise<Uint8Array>;
  find(clientId: string): Promise<ClientRecord | undefined>;
  /**
   * Adds a client unless there is one of that id, whatever its status. Atomic: if `redeem` is given, it is
   * asked when the id is known to be free, and what it does and the new client come to be together or not at all.
   */
  insert(clientId: string, record: ClientRecord, redeem?: Redeem<Step>): Promise<Inserted>;
  /** Replaces a record that is still as it was read; false when it is not. Atomic. */
  replace(clientId: string, was: ClientRecord, is: ClientRecord): Promise<boolean>;
  /**
   * Uses a challenge up. Atomic: of all that try, in whichever process, one hears `fresh`. The key is
   * 16 bytes and can be forgotten when the challenge has expired, not before.
   */
  spend(spentKey: Uint8Array, expiresAt: number, now: number): Promise<Spend>;
  /** The proof for a challenge that was used up was refused; it stays used. */
  markRefused?(spentKey: Uint8Array, expiresAt: number): Promise<void>;
  /** When a place falls free, in seconds, if there is none. */
  retryAfterSeconds?(now: number): Promise<number | undefined>;
}

/** Settings of {@link storeOver}. */
export interface RecordsOptions {
  /** How long a challenge lives, 1 to 900 seconds; 120 unless set. */
  readonly challengeTtlSeconds?: number;
}

/** A client as a proof found it. */
type Proven = { readonly record: ClientRecord } | { readonly verdict: Verdict };

/** Makes a store of records. */
export function storeOver<Step>(records: Records<Step>, options: RecordsOptions = {}): Store<Step> {
  onlyKnown(options, 'setting of a store', ['challengeTtlSeconds']);
  const ttlSeconds = wholeNumber(
    options.challengeTtlSeconds ?? CHALLENGE_TTL_DEFAULT_SECONDS,
    'challengeTtlSeconds',
    1,
    CHALLENGE_TTL_MAX_SECONDS,
  );
  const keys = challengeKeys(records, ttlSeconds);

  /**
   * Uses the challenge of an active client up, before the proof is looked at. Unknown and inactive
   * clients and used challenges cost the same work, and answer alike.
   */
  async function proven(
    clientId: string,
    challengeId: string,
    inVain: (nonce: Uint8Array) => Promise<unknown>,
    check: (nonce: Uint8Array, commitment: Uint8Array) => Promise<boolean>,
  ): Promise<Proven> {
    const denied: Proven = { verdict: { outcome: 'denied' } };
    crypto.mustBeClientId(clientId);
    const now = unixSeconds();
    const challengeKey = await keys.of(challengeId, now);
    if (challengeKey === undefined) return denied;
    const challenge = crypto.recompute({ clientId, challengeId, challengeKey, ttlSeconds, now });
    if (challenge === undefined) return denied;
    const { nonce, spentKey, expiresAt } = challenge;
    const record = await records.find(clientId);
    if (record?.status !== 'active') {
      const retryAfterSeconds = await records.retryAfterSeconds?.(now);
      if (retryAfterSeconds !== undefined) {
        return { verdict: { outcome: 'throttled', retryAfterSeconds } };
      }
      await inVain(nonce);
      return denied;
    }
    const spend = await records.spend(spentKey, expiresAt, now);
    if (typeof spend === 'object') return { verdict: { outcome: 'throttled', ...spend } };
    // A set of used challenges that was lost took the key with it: what was issued under the key is dead.
    if (spend !== 'fresh' || !(await keys.stillIs(challengeKey, expiresAt))) {
      await inVain(nonce);
      return denied;
    }
    if (await check(nonce, record.commitment)) return { record };
    await records.markRefused?.(spentKey, expiresAt);
    return denied;
  }

  return {
    redeems: records.redeems,

    async challenge(clientId) {
      crypto.mustBeClientId(clientId);
      const now = unixSeconds();
      const challengeKey = await keys.at(now + ttlSeconds);
      return crypto.issue({ clientId, challengeKey, ttlSeconds, now });
    },

    async enroll(clientId, commitment, proof, redeem) {
      if (!(await crypto.enrollmentHolds({ clientId, commitment, proof }))) return 'denied';
      const record = { commitment, commitmentVersion: 1, status: 'active' } as const;
      switch (await records.insert(clientId, record, redeem)) {
        case 'inserted':
          return 'enrolled';
        case 'exists':
          return 'already_enrolled';
        case 'refused':
          return 'not_permitted';
      }
    },

    async authenticate({ clientId, challengeId, proof, channelBinding }: Authentication) {
      crypto.mustBeProof(proof);
      const found = await proven(
        clientId,
        challengeId,
        (nonce) => crypto.denyInVain({ clientId, nonce, channelBinding, proof }),
        (nonce, commitment) =>
          crypto.authenticationHolds({ clientId, commitment, nonce, channelBinding, proof }),
      );
      if ('verdict' in found) return found.verdict;
      // Meanwhile the client may have been suspended, revoked or rotated.
      const now = await records.find(clientId);
      const same =
        now?.status === 'active' && now.commitmentVersion === found.record.commitmentVersion;
      if (!same) return { outcome: 'denied' };
      return { outcome: 'accepted', commitmentVersion: now.commitmentVersion };
    },

    async rotate({ clientId, challengeId, proofOld, commitmentNew, proofNew, channelBinding }: Rotation) {
      crypto.mustBeProof(proofOld);
      crypto.mustBeProof(proofNew);
      crypto.mustBeCommitment(commitmentNew);
      const found = await proven(
        clientId,
        challengeId,
        (nonce) => crypto.denyInVain({ clientId, nonce, channelBinding, proof: proofOld }),
        (nonce, commitment) =>
          crypto.rotationHolds({
            clientId,
            commitment,
            nonce,
            channelBinding,
            commitmentNew,
            proofOld,
            proofNew,
          }),
      );
      if ('verdict' in found) return found.verdict;
      const commitmentVersion = found.record.commitmentVersion + 1;
      const is: ClientRecord = { commitment: commitmentNew, commitmentVersion, status: 'active' };
      const replaced = await records.replace(clientId, found.record, is);
      return replaced ? { outcome: 'accepted', commitmentVersion } : { outcome: 'denied' };
    },

    async find(clientId): Promise<KnownClient | undefined> {
      return records.find(clientId);
    },

    async change(clientId, change: LifecycleChange) {
      // Somebody else may change it at the same time: look again, a few times.
      for (let tries = 0; tries < 5; tries += 1) {
        const was = await records.find(clientId);
        if (was === undefined) throw crypto.error('not_enrolled', 'the client was never enrolled');
        const status = nextStatus(was.status, change);
        if (status === was.status) return;
        if (await records.replace(clientId, was, { ...was, status })) return;
      }
      throw new Error('the client is being changed by others all the time; try again');
    },
  };
}

function nextStatus(was: ClientStatus, change: LifecycleChange): ClientStatus {
  if (change === 'revoke') return 'revoked';
  if (was === 'revoked') throw crypto.error('not_active', 'the client is revoked, and that is final');
  return change === 'suspend' ? 'suspended' : 'active';
}
