/** A store in memory. */
import type { Bytes } from '../bytes.js';
import { ownStore } from './outside.js';
import type { CredentialStore } from './store.js';

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
