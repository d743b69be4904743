/** A store under a passphrase. */
import { invalidArgument } from '../errors.js';
import { laterStore } from './later.js';
import { checkedStore } from './outside.js';
import type { CredentialStore } from './store.js';

/** What a record that somebody changed may ask for: 1 GiB, and some seconds of work. */
const MEMORY_MAX_KIB = 1 << 20;
const WORK_MAX_KIB = 1 << 22;

export interface PassphraseOptions {
  /** Memory in KiB; 64 MiB by default, the second recommended option of RFC 9106, section 4. */
  memoryKib?: number;
  /** Passes over the memory; 3 by default. */
  passes?: number;
  /** Lanes; 4 by default. */
  lanes?: number;
}

export interface Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

/** A cost that is worth something, and that ends. */
export function boundedCost({ memoryKib, passes, lanes }: Cost): Cost {
  const whole = [memoryKib, passes, lanes].every((n) => Number.isInteger(n) && n >= 1);
  const fits =
    whole &&
    lanes <= 16 &&
    memoryKib >= 8 * lanes &&
    memoryKib <= MEMORY_MAX_KIB &&
    memoryKib * passes <= WORK_MAX_KIB;
  if (fits) return { memoryKib, passes, lanes };
  throw invalidArgument(
    `Argon2id goes from 8 KiB a lane to ${MEMORY_MAX_KIB} KiB, from 1 pass to ${WORK_MAX_KIB} KiB in ` +
      'all passes, and from 1 to 16 lanes',
  );
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
