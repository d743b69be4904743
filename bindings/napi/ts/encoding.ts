// Bytes as text and back, exactly: no stray characters, no lenient decoding.

import { TwoFApiError } from './errors.js';
import { bytes, text } from './inputs.js';

/** Lower-case hexadecimal digits. */
export function toHex(data: Uint8Array): string {
  return Buffer.from(bytes(data, 'data')).toString('hex');
}

/** @throws TwoFApiError `invalid_encoding` unless it is an even number of hex digits, of either case. */
export function fromHex(digits: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text(digits, 'hex')) || digits.includes('\n')) {
    throw new TwoFApiError('invalid_encoding', 'hex must be an even number of hexadecimal digits');
  }
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** Base64url without padding (RFC 4648, section 5). */
export function toBase64Url(data: Uint8Array): string {
  return Buffer.from(bytes(data, 'data')).toString('base64url');
}

/** @throws TwoFApiError `invalid_encoding` unless it is what {@link toBase64Url} gives, to the bit. */
export function fromBase64Url(characters: string): Uint8Array {
  const data = Buffer.from(text(characters, 'base64url'), 'base64url');
  if (data.toString('base64url') !== characters) {
    throw new TwoFApiError('invalid_encoding', 'base64url must be of A-Z a-z 0-9 - _ without padding, in its shortest form');
  }
  return new Uint8Array(data);
}
