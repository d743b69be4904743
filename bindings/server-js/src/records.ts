// A host over plain records: proofs are verified here, on Node's thread pool; the store keeps clients
// and the set of used challenges.

import type { ClientRecord, ClientStatus } from '@2fapi/protocol-spec';

import * as crypto from './crypto.js';
import type { Authentication, Host, KnownClient, LifecycleChange, Rotation, Verdict } from './host.js';

/** What became of a challenge that was to be used up. */
export type Spend = 'fresh' | 'spent' | 'expired' | { readonly retryAfterSeconds: number };

/** What a database must be able to do to be a host. */
export interface Records {
  /** The key that challenges are computed from, 32 bytes, the same in every process. */
  challengeKey(): Promise<Uint8Array>;
  find(clientId: string): Promise<ClientRecord | undefined>;
  /** Adds a client; false when there is one of that id, whatever its status. Atomic. */
  insert(clientId: string, record: ClientRecord): Promise<boolean>;
  /** Replaces a record that is still as it was read; false when it is not. Atomic. */
  replace(clientId: string, was: ClientRecord, is: ClientRecord): Promise<boolean>;
  /**
   * Uses a challenge up. Atomic: of all that try, in whichever process, one hears `fresh`. The key is
   * 16 bytes and can be forgotten when the challenge has expired, not before.
   */
  spend(spentKey: Uint8Array, expiresAt: number, now: number): Promise<Spend>;
  /** The proof for a challenge that was used up was refused; it stays used. */
  refused?(spentKey: Uint8Array, expiresAt: number): Promise<void>;
  /** When a place falls free, in seconds, if there is none. */
  full?(now: number): Promise<number | undefined>;
}

/** Settings of {@link hostOver}. */
export interface RecordsOptions {
  /** How long a challenge lives, 1 to 900 seconds; 120 unless set. */
  readonly challengeTtlSeconds?: number;
}

/** Loads something once and keeps it; after a failure the next call tries again. */
export function once<T>(load: () => Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined;
  return () => {
    kept ??= load().catch((error: unknown) => {
      kept = undefined;
      throw error;
    });
    return kept;
  };
}

const unixSeconds = (): number => Math.floor(Date.now() / 1000);

/** A client as a proof found it. */
type Proven = { readonly record: ClientRecord } | { readonly verdict: Verdict };

/** Makes a host of records. */
export function hostOver(records: Records, options: RecordsOptions = {}): Host {
  const ttlSeconds = options.challengeTtlSeconds ?? 120;

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
    const now = unixSeconds();
    const challengeKey = await records.challengeKey();
    const challenge = crypto.recompute({ clientId, challengeId, challengeKey, ttlSeconds, now });
    if (challenge === undefined) return denied;
    const { nonce, spentKey, expiresAt } = challenge;
    const record = await records.find(clientId);
    if (record?.status !== 'active') {
      const retryAfterSeconds = await records.full?.(now);
      if (retryAfterSeconds !== undefined) {
        return { verdict: { outcome: 'throttled', retryAfterSeconds } };
      }
      await inVain(nonce);
      return denied;
    }
    const spend = await records.spend(spentKey, expiresAt, now);
    if (typeof spend === 'object') return { verdict: { outcome: 'throttled', ...spend } };
    if (spend !== 'fresh') {
      await inVain(nonce);
      return denied;
    }
    if (await check(nonce, record.commitment)) return { record };
    await records.refused?.(spentKey, expiresAt);
    return denied;
  }

  return {
    async challenge(clientId) {
      const challengeKey = await records.challengeKey();
      return crypto.issue({ clientId, challengeKey, ttlSeconds, now: unixSeconds() });
    },

    async enroll(clientId, commitment, proof) {
      if (!(await crypto.enrolmentHolds({ clientId, commitment, proof }))) return 'denied';
      const record = { commitment, commitmentVersion: 1, status: 'active' } as const;
      return (await records.insert(clientId, record)) ? 'enrolled' : 'already_enrolled';
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
