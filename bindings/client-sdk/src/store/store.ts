/** What keeps credentials. */
import { TwoFApiError } from '../errors.js';

/**
 * Keeps one record per key. A record holds the secret in the clear unless a store around it seals it:
 * `passphraseStore` and `passkeyStore` do so around any other. `put` resolves once the record is durable;
 * a record is at most 1 KiB.
 */
export interface CredentialStore {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, record: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Keeps records until the page or the process ends. */
export function memoryStore(): CredentialStore {
  const records = new Map<string, Uint8Array>();
  return {
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
  };
}

export function storeUnavailable(problem: string, cause?: unknown): TwoFApiError {
  return new TwoFApiError('store_unavailable', problem, cause === undefined ? {} : { cause });
}

const inThisPlace = new Map<string, Promise<unknown>>();

/**
 * Does one thing at a time under a name: in all tabs and workers of the origin where there are Web
 * Locks, and in this one everywhere.
 */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const before = inThisPlace.get(name) ?? Promise.resolve();
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  const locked = async (): Promise<T> => {
    if (!locks) return work();
    let begun = false;
    try {
      return (await locks.request(`2fapi ${name}`, () => {
        begun = true;
        return work();
      })) as T;
    } catch (error) {
      if (begun) throw error;
      // A browser that refuses storage refuses locks too: then tabs have no store in common either.
      return work();
    }
  };
  const mine = before.then(locked, locked);
  const settled = mine.then(
    () => undefined,
    () => undefined,
  );
  inThisPlace.set(name, settled);
  try {
    return await mine;
  } finally {
    if (inThisPlace.get(name) === settled) inThisPlace.delete(name);
  }
}
