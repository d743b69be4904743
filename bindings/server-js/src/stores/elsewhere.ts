// Attempts whose proofs are looked at elsewhere, and whose answer does not say what tokens are to name: what the record
// says before and after.

import { unixSeconds } from '../clock.js';
import * as crypto from '../crypto.js';
import type { Verdict } from '../store.js';

type Refused = Exclude<Verdict, { outcome: 'accepted' }>;
type Attempt = () => Promise<Refused | 'accepted'>;
type RecordOf = () => Promise<Uint8Array | undefined>;

/** What tokens name of a credential that a record has, of its first one unless set; undefined when it has it no longer. */
export function namedOf(record: Uint8Array, credentialId: string | undefined): crypto.Named | undefined {
  const { credentials, generation } = crypto.readRecord(record);
  const found = credentialId === undefined ? credentials[0] : credentials.find((it) => it.credentialId === credentialId);
  return found && { credentialId: found.credentialId, since: found.since, generation };
}

const versionOf = (record: Uint8Array | undefined): number => (record === undefined ? 0 : crypto.readRecord(record).version);

/**
 * The verdict of a login. What was there before and is honoured after was in force between; otherwise somebody changed
 * it meanwhile, and the attempt is denied.
 */
export async function loggedInElsewhere(recordOf: RecordOf, credentialId: string | undefined, attempt: Attempt): Promise<Verdict> {
  const before = await recordOf();
  const outcome = await attempt();
  if (outcome !== 'accepted') return outcome;
  const named = before && namedOf(before, credentialId);
  const after = await recordOf();
  if (named === undefined || after === undefined || !crypto.honours(after, named, unixSeconds())) return { outcome: 'denied' };
  return { outcome, commitmentVersion: versionOf(after), named, may: crypto.authorityOf(after, named.credentialId) };
}

/** The verdict of an attempt that changed the record, with what it left. */
export async function changedElsewhere(recordOf: RecordOf, credentialId: string | undefined, attempt: Attempt): Promise<Verdict> {
  const outcome = await attempt();
  if (outcome !== 'accepted') return outcome;
  // Of no other use than to be told: a later change may have come between.
  const after = await recordOf();
  const named = after && namedOf(after, credentialId);
  return { outcome, commitmentVersion: versionOf(after), ...(named && { named }) };
}
