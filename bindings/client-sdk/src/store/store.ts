/** What keeps credentials. */

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
