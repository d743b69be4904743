/** Records sealed under a key that a passkey computes: the PRF extension of WebAuthn, level 3. */
import { type Bytes, copyOf, utf8 } from '../bytes.js';
import { TwoFApiError, invalidArgument, storeUnavailable } from '../errors.js';
import { checkedStore, ownStore } from './outside.js';
import { seal, sealingKey, subtle, unseal } from './seal.js';
import type { CredentialStore } from './store.js';

const NO_HEADER = new Uint8Array(0);
const INPUT = utf8('2FApi-v1.0-Store passkey PRF');
const INFO = utf8('2FApi-v1.0-Store AES-256-GCM');
/** What the PRF gives: WebAuthn, level 3, section 10.1.4. */
const SECRET = 32;
/** WebAuthn allows no longer ids of credentials. */
const ID_MAX = 1023;

export interface PasskeyOptions {
  /** What the authenticator shows: your service. */
  rpName: string;
  /** What the authenticator shows: whose credential it is. */
  userName: string;
}

const unsupported = (cause?: unknown): TwoFApiError =>
  storeUnavailable(
    'this browser or authenticator does not compute keys from passkeys (WebAuthn PRF)',
    cause,
  );

function webauthn(): CredentialsContainer {
  const container = globalThis.navigator?.credentials as CredentialsContainer | undefined;
  if (!container || !globalThis.PublicKeyCredential) throw unsupported();
  return container;
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

async function keyOf(id: Bytes): Promise<CryptoKey> {
  let asserted: PublicKeyCredential | null;
  try {
    asserted = (await webauthn().get({
      publicKey: {
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        allowCredentials: [{ type: 'public-key', id }],
        userVerification: 'required',
        extensions: { prf: { eval: { first: INPUT } } },
      },
    })) as PublicKeyCredential | null;
  } catch (error) {
    throw error instanceof TwoFApiError ? error : storeUnavailable('the passkey was not used', error);
  }
  const output: unknown = asserted?.getClientExtensionResults().prf?.results?.first;
  if (output === undefined || output === null) throw unsupported();
  // A key of fewer bytes, or of none, would be one that others can compute.
  const secret = copyOf(output, SECRET, SECRET);
  if (!secret) throw storeUnavailable(`the passkey did not compute ${SECRET} bytes`);
  try {
    const material = await subtle().importKey('raw', secret, 'HKDF', false, ['deriveBits']);
    const raw = await subtle().deriveBits(
      { name: 'HKDF', hash: 'SHA-256', salt: NO_HEADER, info: INFO },
      material,
      256,
    );
    return await sealingKey(new Uint8Array(raw));
  } finally {
    secret.fill(0);
  }
}

/**
 * Seals the records of another store under a key that the passkey computes after the user was verified.
 * The key is asked for at the first use and kept, not extractable, until the page ends.
 */
export function passkeyStore(inner: CredentialStore, passkey: Uint8Array): CredentialStore {
  const id = copyOf(passkey, 1, ID_MAX);
  if (!id) throw invalidArgument('passkey must be the id that createPasskey gave, in bytes');
  const sealed = checkedStore(inner);
  let key: Promise<CryptoKey> | undefined;
  const under = () =>
    (key ??= keyOf(id).catch((error: unknown) => {
      key = undefined;
      throw error;
    }));
  return ownStore({
    async get(name) {
      const given = await sealed.get(name);
      return given && unseal(await under(), name, NO_HEADER, given);
    },
    async put(name, record) {
      await sealed.put(name, await seal(await under(), name, NO_HEADER, record));
    },
    delete: (name) => sealed.delete(name),
  });
}
