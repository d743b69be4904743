/** A store under a passphrase. */
import { invalidArgument } from '../errors.js';
import { boundedCost } from './cost.js';
import { laterStore } from './later.js';
import { checkedStore } from './outside.js';
import type { CredentialStore } from './store.js';

export interface PassphraseOptions {
  /** Memory in KiB; 64 MiB by default, the second recommended option of RFC 9106, section 4. */
  memoryKib?: number;
  /** Passes over the memory; 3 by default. */
  passes?: number;
  /** Lanes; 4 by default. */
  lanes?: number;
}

/**
 * Seals the records of another store under a passphrase (Argon2id, RFC 9106, then AES-256-GCM).
 *
 * Whoever gets the sealed record can guess passphrases as long as they like, at the cost of one Argon2id
 * for each: take a long one. What a server stores is of no use for guessing, since the secret itself is
 * random and has nothing to do with the passphrase.
 */
export function passphraseStore(
  inner: CredentialStore,
  passphrase: () => string | Promise<string>,
  { memoryKib = 1 << 16, passes = 3, lanes = 4 }: PassphraseOptions = {},
): CredentialStore {
  const cost = boundedCost({ memoryKib, passes, lanes });
  const sealed = checkedStore(inner);
  if (typeof passphrase !== 'function') {
    throw invalidArgument('passphrase must be a function that gives it');
  }
  return laterStore(async () =>
    (await import('./passphrase-records.js')).passphraseRecords(sealed, passphrase, cost),
  );
}
