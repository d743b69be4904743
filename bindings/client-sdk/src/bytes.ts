/** Bytes and their texts. */
import { TwoFApiError } from './errors.js';

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

export const utf8 = (text: string): Bytes => encoder.encode(text) as Bytes;

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const toHex = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
};

/** Reads hex of either case. The error names what it is and never quotes it: it may be a secret. */
export function fromHex(what: string, text: unknown, length?: number): Bytes {
  if (typeof text !== 'string' || !/^(?:[0-9a-fA-F]{2})*$/.test(text)) {
    throw new TwoFApiError('invalid_encoding', `${what} must be hex digits, two for each byte`);
  }
  if (length !== undefined && text.length !== 2 * length) {
    throw new TwoFApiError(
      'invalid_length',
      `${what} must be ${length} bytes in hex, got ${text.length / 2}`,
    );
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** The length in 4 bytes, big-endian, then the bytes: LP of `spec/protocol.md`. */
export function lengthPrefixed(bytes: Uint8Array): Bytes {
  const whole = new Uint8Array(4 + bytes.length);
  new DataView(whole.buffer).setUint32(0, bytes.length);
  whole.set(bytes, 4);
  return whole;
}
