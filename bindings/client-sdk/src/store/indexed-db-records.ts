/** Records in IndexedDB, each sealed under a key that cannot be exported. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';

import { type Bytes, copyOf } from '../bytes.js';
import { TwoFApiError, storeUnavailable } from '../errors.js';
import { timeLimit } from '../waiting.js';
import type { CheckedStore } from './outside.js';
import { seal, subtle, unseal } from './seal.js';

const VERSION = 1;
const WRAPPING = 'wrapping';
const NO_HEADER = new Uint8Array(0);

interface Schema extends DBSchema {
  keys: { key: string; value: CryptoKey };
  records: { key: string; value: unknown };
}

type Database = IDBPDatabase<Schema>;

const tooLate = () =>
  storeUnavailable(
    'IndexedDB does not answer: another tab may hold the database open, or be about to delete or change ' +
      'it, or the browser is stuck. Close other tabs of this site, or load the page anew',
  );

/** Opens it in time or not at all: a database that opens later is closed again, so that it is in nobody's way. */
async function opened(name: string, limit: number): Promise<Database> {
  let late = false;
  const opening = openDB<Schema>(name, VERSION, {
    upgrade(database) {
      database.createObjectStore('keys');
      database.createObjectStore('records');
    },
    // Another tab that deletes or upgrades the database need not wait for this one.
    blocking: (_from, _to, event) => (event.target as IDBDatabase).close(),
  });
  opening.then(
    (database) => late && database.close(),
    () => undefined,
  );
  return timeLimit(limit, opening, () => {
    late = true;
    return tooLate();
  });
}

/** Of two tabs that begin at once, both take the key of the one that wrote first. */
async function wrappingKey(database: Database): Promise<CryptoKey> {
  const made = await subtle().generateKey({ name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ]);
  const { store, done } = database.transaction('keys', 'readwrite', { durability: 'strict' });
  const [there] = await Promise.all([
    store.get(WRAPPING).then(async (there) => {
      if (!there) await store.put(made, WRAPPING);
      return there;
    }),
    done,
  ]);
  return there ?? made;
}

async function written(
  database: Database,
  key: string,
  sealed: Bytes | undefined,
): Promise<void> {
  const { store, done } = database.transaction('records', 'readwrite', { durability: 'strict' });
  await Promise.all([sealed ? store.put(sealed, key) : store.delete(key), done]);
}

export function indexedDbRecords(name: string, limit: number): CheckedStore {
  const each = async <T>(work: (database: Database) => Promise<T>): Promise<T> => {
    let database: Database | undefined;
    try {
      if (!globalThis.indexedDB) throw new Error('there is no IndexedDB');
      database = await opened(name, limit);
      return await timeLimit(limit, work(database), tooLate);
    } catch (error) {
      if (error instanceof TwoFApiError) throw error;
      throw unusable(error);
    } finally {
      database?.close();
    }
  };
  return {
    get: (key) =>
      each(async (database) => {
        const { store, done } = database.transaction('records');
        const [given] = await Promise.all([store.get(key), done]);
        if (given === undefined) return undefined;
        const sealed = copyOf(given);
        if (!sealed) throw storeUnavailable('what IndexedDB has is not a record of 2FApi');
        return unseal(await wrappingKey(database), key, NO_HEADER, sealed);
      }),
    put: (key, record) =>
      each(async (database) =>
        written(database, key, await seal(await wrappingKey(database), key, NO_HEADER, record)),
      ),
    delete: (key) => each((database) => written(database, key, undefined)),
  };
}

function unusable(error: unknown): TwoFApiError {
  const { name } = (error ?? {}) as { name?: unknown };
  if (name === 'VersionError') {
    return storeUnavailable(
      'a newer version of this package, in another tab, changed the database: load the page anew',
      error,
    );
  }
  return storeUnavailable(
    'IndexedDB cannot be used here (in a private window some browsers refuse it): ' +
      'nothing was kept. Give another store, such as memoryStore()',
    error,
  );
}
