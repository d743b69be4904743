/** Records sealed under a key that a passkey computes. */
import { type Bytes, copyOf, sameBytes, utf8 } from '../bytes.js';
import { TwoFApiError, storeUnavailable } from '../errors.js';
import type { CheckedStore } from './outside.js';
import { seal, sealingKey, subtle, unseal } from './seal.js';
import { unsupported, webauthn } from './webauthn.js';

const NO_HEADER = new Uint8Array(0);
const INPUT = utf8('2FApi-v1.0-Store passkey PRF');
const INFO = utf8('2FApi-v1.0-Store AES-256-GCM');
/** What the PRF gives: WebAuthn, level 3, section 10.1.4. */
const SECRET = 32;

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
  // Under the key of another passkey than the one that was asked, the credential would be lost.
  const answering = copyOf(asserted?.rawId);
  if (!answering || !sameBytes(answering, id)) {
    throw storeUnavailable('another passkey answered than the one that was asked');
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

export function passkeyRecords(sealed: CheckedStore, id: Bytes): CheckedStore {
  let key: Promise<CryptoKey> | undefined;
  const under = () =>
    (key ??= keyOf(id).catch((error: unknown) => {
      key = undefined;
      throw error;
    }));
  return {
    async get(name) {
      const given = await sealed.get(name);
      return given && unseal(await under(), name, NO_HEADER, given);
    },
    async put(name, record) {
      await sealed.put(name, await seal(await under(), name, NO_HEADER, record));
    },
    delete: (name) => sealed.delete(name),
  };
}
