/** Stores whose work is loaded when it is first needed, so that what a page loads at once stays small. */
import { storeUnavailable } from '../errors.js';
import { type CheckedStore, ownStore } from './outside.js';
import type { CredentialStore } from './store.js';

export function laterStore(load: () => Promise<CheckedStore>): CredentialStore {
  let loading: Promise<CheckedStore> | undefined;
  const loaded = () =>
    (loading ??= load().catch((error: unknown) => {
      // A network that fails now may be well at the next call.
      loading = undefined;
      throw storeUnavailable('the part of the package that keeps records could not be loaded', error);
    }));
  return ownStore({
    get: async (key) => (await loaded()).get(key),
    put: async (key, record) => (await loaded()).put(key, record),
    delete: async (key) => (await loaded()).delete(key),
  });
}
