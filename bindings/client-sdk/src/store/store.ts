/** What keeps credentials. */
import type { Bytes } from '../bytes.js';
import { ownStore } from './outside.js';

/**
 * Keeps one record per key. A record holds the secret in the clear unless a store around it seals it:
 * `passphraseStore` and `passkeyStore` do so around any other. `put` resolves once the record is durable,
 * and `get` then gives the same bytes, in whatever holds bytes; a record is at most 1 KiB.
 */
export interface CredentialStore {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, record: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Keeps records until the page or the process ends. */
export function memoryStore(): CredentialStore {
  const records = new Map<string, Bytes>();
  return ownStore({
    get: (key) => Promise.resolve(records.get(key)?.slice()),
    put: (key, record) => {
      records.set(key, record.slice());
      return Promise.resolve();
    },
    delete: (key) => {
      records.get(key)?.fill(0);
      records.delete(key);
      return Promise.resolve();
    },
  });
}
