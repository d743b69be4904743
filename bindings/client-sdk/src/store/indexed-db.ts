/** The default store of browsers. */
import { timeoutOf } from '../waiting.js';
import { laterStore } from './later.js';
import type { CredentialStore } from './store.js';

const DATABASE = '2fapi';

export interface IndexedDbOptions {
  /** How long the browser may take with a record, in milliseconds; 3000 by default. */
  timeoutMs?: number;
}

/**
 * Keeps records in IndexedDB, sealed with AES-256-GCM under a WebCrypto key that is not extractable.
 *
 * It protects against who reads the records alone: they are of no use without the key, and a script
 * cannot take the key away. It does not protect against a script that runs in your origin, which can use
 * the key while it runs, nor against who copies the browser's whole profile.
 */
export function indexedDbStore(
  name: string = DATABASE,
  { timeoutMs = 3000 }: IndexedDbOptions = {},
): CredentialStore {
  const limit = timeoutOf(timeoutMs);
  return laterStore(async () =>
    (await import('./indexed-db-records.js')).indexedDbRecords(name, limit),
  );
}
