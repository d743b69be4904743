/** The default store of browsers: IndexedDB, each record sealed under a key that cannot be exported. */
import { seal, subtle, unseal } from './seal.js';
import { type CredentialStore, storeUnavailable } from './store.js';

const DATABASE = '2fapi';
const KEYS = 'keys';
const RECORDS = 'records';
const WRAPPING = 'wrapping';
const NO_HEADER = new Uint8Array(0);

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });

const done = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () =>
      reject(transaction.error ?? new Error('IndexedDB ended the transaction'));
  });

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(KEYS);
      request.result.createObjectStore(RECORDS);
    };
    request.onsuccess = () => {
      // Another tab that deletes or upgrades the database need not wait for this one.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error ?? new Error('IndexedDB cannot be opened'));
    request.onblocked = () => reject(new Error('another tab holds an older version open'));
  });
}

/** Of two tabs that begin at once, both take the key of the one that wrote first. */
async function wrappingKey(database: IDBDatabase): Promise<CryptoKey> {
  const made = await subtle().generateKey({ name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ]);
  const transaction = database.transaction(KEYS, 'readwrite', { durability: 'strict' });
  const finished = done(transaction);
  const keys = transaction.objectStore(KEYS);
  const there = (await settled(keys.get(WRAPPING))) as CryptoKey | undefined;
  if (!there) keys.put(made, WRAPPING);
  await finished;
  return there ?? made;
}

/**
 * Keeps records in IndexedDB, sealed with AES-256-GCM under a WebCrypto key that is not extractable.
 *
 * It protects against who reads the records alone: they are of no use without the key, and a script
 * cannot take the key away. It does not protect against a script that runs in your origin, which can use
 * the key while it runs, nor against who copies the browser's whole profile.
 */
export function indexedDbStore(name: string = DATABASE): CredentialStore {
  const each = async <T>(work: (database: IDBDatabase, key: CryptoKey) => Promise<T>): Promise<T> => {
    let database: IDBDatabase | undefined;
    try {
      if (!globalThis.indexedDB) throw new Error('there is no IndexedDB');
      database = await open(name);
      return await work(database, await wrappingKey(database));
    } catch (error) {
      if (error instanceof Error && error.name === 'TwoFApiError') throw error;
      throw storeUnavailable(
        'IndexedDB cannot be used here (in a private window some browsers refuse it): ' +
          'nothing was kept. Give another store, such as memoryStore()',
        error,
      );
    } finally {
      database?.close();
    }
  };
  return {
    get: (key) =>
      each(async (database, wrapping) => {
        const records = database.transaction(RECORDS).objectStore(RECORDS);
        const sealed = (await settled(records.get(key))) as Uint8Array | undefined;
        return sealed && unseal(wrapping, key, NO_HEADER, sealed);
      }),
    put: (key, record) =>
      each(async (database, wrapping) => {
        const sealed = await seal(wrapping, key, NO_HEADER, record);
        const transaction = database.transaction(RECORDS, 'readwrite', { durability: 'strict' });
        const finished = done(transaction);
        transaction.objectStore(RECORDS).put(sealed, key);
        await finished;
      }),
    delete: (key) =>
      each(async (database) => {
        const transaction = database.transaction(RECORDS, 'readwrite', { durability: 'strict' });
        const finished = done(transaction);
        transaction.objectStore(RECORDS).delete(key);
        await finished;
      }),
  };
}
