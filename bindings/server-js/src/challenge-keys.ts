// The keys that challenges are computed from. Each is good for the challenges that expire in one hour, so
// that a challenge says by its own expiry under which key it was issued, and no key lives for long.

import { CHALLENGE_ID_PATTERN } from '@2fapi/protocol-spec';

/** Seconds for which one key is good: longer than any challenge lives. */
export const PERIOD_SECONDS = 3600;

/** Where the keys are kept, for all processes. */
export interface KeySource {
  challengeKey(period: number): Promise<Uint8Array>;
}

/** The keys as one process knows them. */
export interface ChallengeKeys {
  /** The key of challenges that expire then. */
  at(expiresAt: number): Promise<Uint8Array>;
  /** The key of a challenge that claims to be live; undefined when it cannot be. */
  of(challengeId: string, now: number): Promise<Uint8Array | undefined>;
  /** Whether the kept key is the one that the store has. */
  stillIs(key: Uint8Array, expiresAt: number): Promise<boolean>;
}

export const unixSeconds = (): number => Math.floor(Date.now() / 1000);

export function challengeKeys(source: KeySource, ttlSeconds: number): ChallengeKeys {
  const known = new Map<number, Promise<Uint8Array>>();
  const periodOf = (expiresAt: number): number => Math.floor(expiresAt / PERIOD_SECONDS);

  function at(expiresAt: number): Promise<Uint8Array> {
    const period = periodOf(expiresAt);
    const kept = known.get(period);
    if (kept !== undefined) return kept;
    // Live challenges are of two periods at most.
    for (const old of known.keys()) if (Math.abs(old - period) > 1) known.delete(old);
    const loading = source.challengeKey(period).catch((error: unknown) => {
      // The next call tries again.
      if (known.get(period) === loading) known.delete(period);
      throw error;
    });
    known.set(period, loading);
    return loading;
  }

  return {
    at,

    async of(challengeId, now) {
      if (!CHALLENGE_ID_PATTERN.test(challengeId)) return undefined;
      const expiresAt = Number.parseInt(challengeId.slice(3, 11), 16);
      // A stranger's expiry must not have keys drawn for years to come.
      if (expiresAt <= now || expiresAt > now + ttlSeconds) return undefined;
      return at(expiresAt);
    },

    async stillIs(key, expiresAt) {
      const period = periodOf(expiresAt);
      const kept = await source.challengeKey(period);
      if (Buffer.from(kept).equals(key)) return true;
      known.set(period, Promise.resolve(kept));
      return false;
    },
  };
}
