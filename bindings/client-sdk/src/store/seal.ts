/** Sealing records with AES-256-GCM under a WebCrypto key. */
import { type Bytes, concat, lengthPrefixed, utf8 } from '../bytes.js';
import { TwoFApiError, storeUnavailable } from '../errors.js';

const IV = 12;
const DOMAIN = utf8('2FApi-v1.0-Store');

export function subtle(): SubtleCrypto {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (!subtle) {
    throw storeUnavailable('WebCrypto is there on https and on localhost only, and not here');
  }
  return subtle;
}

const authenticated = (key: string, header: Uint8Array): Bytes =>
  concat(DOMAIN, lengthPrefixed(utf8(key)), lengthPrefixed(header));

/** A random IV, then the ciphertext with its tag; where it belongs and its header go into the tag. */
export async function seal(
  under: CryptoKey,
  key: string,
  header: Bytes,
  record: Bytes,
): Promise<Bytes> {
  const iv = crypto.getRandomValues(new Uint8Array(IV));
  const additionalData = authenticated(key, header);
  const sealed = await subtle().encrypt({ name: 'AES-GCM', iv, additionalData }, under, record);
  return concat(iv, new Uint8Array(sealed));
}

export async function unseal(
  under: CryptoKey,
  key: string,
  header: Bytes,
  sealed: Bytes,
): Promise<Bytes> {
  const webCrypto = subtle();
  const iv = sealed.slice(0, IV);
  const additionalData = authenticated(key, header);
  try {
    const record = await webCrypto.decrypt(
      { name: 'AES-GCM', iv, additionalData },
      under,
      sealed.slice(IV),
    );
    return new Uint8Array(record);
  } catch {
    throw new TwoFApiError(
      'wrong_key',
      'the credential cannot be opened: another passphrase or key, or it was changed',
    );
  }
}

/** Takes the key and wipes where it was. */
export async function sealingKey(raw: Bytes): Promise<CryptoKey> {
  try {
    return await subtle().importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
  } finally {
    raw.fill(0);
  }
}
