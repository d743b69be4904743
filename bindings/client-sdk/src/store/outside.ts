/** A store that came from outside, held to what a store is: the one place where records come in and go out. */
import { type Bytes, copyOf, sameBytes, viewOf } from '../bytes.js';
import { TwoFApiError, invalidArgument, storeUnavailable } from '../errors.js';
import type { CredentialStore } from './store.js';

/** What `CredentialStore` promises. */
const RECORD_MAX = 1024;

export interface CheckedStore {
  get(key: string): Promise<Bytes | undefined>;
  put(key: string, record: Bytes): Promise<void>;
  delete(key: string): Promise<void>;
}

/** `get` and `put` of our own stores: they copy what they are given, and nobody else has what they give. */
const copying = new WeakSet<object>();

/** Makes a store of ours from what it does with records that are its own to wipe. */
export function ownStore(store: CheckedStore): CredentialStore {
  const put = async (key: string, given: Uint8Array): Promise<void> => {
    const record = copyOf(given, 1, RECORD_MAX);
    if (!record) throw invalidArgument(`a record must be bytes, 1 to ${RECORD_MAX}`);
    try {
      await store.put(key, record);
    } finally {
      record.fill(0);
    }
  };
  const { get } = store;
  copying.add(get).add(put);
  return { get, put, delete: store.delete };
}

async function asked<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TwoFApiError) throw error;
    throw storeUnavailable(`the store failed to ${what} a record`, error);
  }
}

/**
 * Bytes of any kind are taken from a store, at most 1 KiB, and copied: a `Buffer` may share its memory with
 * others, and the store may keep what it gave. What the store is given is its own for good. A record that
 * does not come back as it was put is an error, before anything depends on it.
 */
export function checkedStore(store: CredentialStore): CheckedStore {
  for (const method of ['get', 'put', 'delete'] as const) {
    if (typeof (store as Partial<CredentialStore> | null)?.[method] !== 'function') {
      throw invalidArgument('a store must have the methods get, put and delete');
    }
  }
  const get = async (key: string): Promise<Bytes | undefined> => {
    const given: unknown = await asked('get', () => store.get(key));
    if (given === undefined || given === null) return undefined;
    const record = copyOf(given, 1, RECORD_MAX);
    if (copying.has(store.get)) viewOf(given)?.fill(0);
    if (record) return record;
    throw storeUnavailable(
      `what the store gave is no record: bytes are expected (a Uint8Array, an ArrayBuffer), 1 to ${RECORD_MAX}`,
    );
  };
  return {
    get,
    async put(key, record) {
      if (copying.has(store.put)) return asked('put', () => store.put(key, record));
      await asked('put', () => store.put(key, record.slice()));
      const kept = await get(key);
      const same = kept !== undefined && sameBytes(kept, record);
      kept?.fill(0);
      if (!same) throw storeUnavailable('the store does not give back what it was given to keep');
    },
    delete: (key) => asked('delete', () => store.delete(key)),
  };
}
