/** Passkeys that compute keys, by the PRF extension of WebAuthn, level 3, and a store under such a key. */
import { copyOf } from '../bytes.js';
import { TwoFApiError, invalidArgument, storeUnavailable } from '../errors.js';
import { laterStore } from './later.js';
import { checkedStore } from './outside.js';
import type { CredentialStore } from './store.js';
import { unsupported, webauthn } from './webauthn.js';

/** WebAuthn allows no longer ids of credentials. */
const ID_MAX = 1023;

export interface PasskeyOptions {
  /** What the authenticator shows: your service. */
  rpName: string;
  /** What the authenticator shows: whose credential it is. */
  userName: string;
}

/** Makes a passkey that can compute keys, and gives its id, which is public: keep it for `passkeyStore`. */
export async function createPasskey({ rpName, userName }: PasskeyOptions): Promise<Uint8Array> {
  let made: PublicKeyCredential | null;
  try {
    made = (await webauthn().create({
      publicKey: {
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        rp: { name: rpName },
        user: {
          id: crypto.getRandomValues(new Uint8Array(32)),
          name: userName,
          displayName: userName,
        },
        pubKeyCredParams: [
          { type: 'public-key', alg: -8 },
          { type: 'public-key', alg: -7 },
          { type: 'public-key', alg: -257 },
        ],
        authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
        extensions: { prf: {} },
      },
    })) as PublicKeyCredential | null;
  } catch (error) {
    throw error instanceof TwoFApiError ? error : storeUnavailable('no passkey was made', error);
  }
  if (made?.getClientExtensionResults().prf?.enabled !== true) throw unsupported();
  const id = copyOf(made.rawId, 1, ID_MAX);
  if (!id) throw storeUnavailable('the browser gave no id of the passkey');
  return id;
}

/**
 * Seals the records of another store under a key that the passkey computes after the user was verified.
 * The key is asked for at the first use and kept, not extractable, until the page ends.
 */
export function passkeyStore(inner: CredentialStore, passkey: Uint8Array): CredentialStore {
  const id = copyOf(passkey, 1, ID_MAX);
  if (!id) throw invalidArgument('passkey must be the id that createPasskey gave, in bytes');
  const sealed = checkedStore(inner);
  return laterStore(async () => (await import('./passkey-records.js')).passkeyRecords(sealed, id));
}
