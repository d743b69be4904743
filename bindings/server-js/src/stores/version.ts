// The version of a commitment where the proof is looked at elsewhere, and its answer does not name one.

import type { KnownClient, Verdict } from '../store.js';

type Refused = Exclude<Verdict, { outcome: 'accepted' }>;
type Find = () => Promise<KnownClient | undefined>;

/**
 * The verdict of an attempt, with the version that it was about. Versions only go up: one that is the same
 * before and after was in force between. When it is not, somebody rotated meanwhile, and the attempt is denied.
 */
export async function atOneVersion(find: Find, attempt: () => Promise<Refused | 'accepted'>): Promise<Verdict> {
  const before = await find();
  const outcome = await attempt();
  if (outcome !== 'accepted') return outcome;
  const after = await find();
  const isSame = after?.status === 'active' && after.commitmentVersion === before?.commitmentVersion;
  return isSame ? { outcome, commitmentVersion: after.commitmentVersion } : { outcome: 'denied' };
}

/** The verdict of a rotation, with the version that it left. */
export async function afterRotation(find: Find, attempt: () => Promise<Refused | 'accepted'>): Promise<Verdict> {
  const outcome = await attempt();
  if (outcome !== 'accepted') return outcome;
  // Of no other use than to be told: a later rotation may have come between.
  return { outcome, commitmentVersion: (await find())?.commitmentVersion ?? 0 };
}
