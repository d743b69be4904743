/** Bytes, those that come from outside among them, and their texts. */
import { TwoFApiError } from './errors.js';

export type Bytes = Uint8Array<ArrayBuffer>;

type Slot = (this: unknown) => unknown;
const slot = (of: object, name: PropertyKey): Slot =>
  Object.getOwnPropertyDescriptor(of, name)?.get as Slot;

// These getters know their objects by what is inside, in every realm. `instanceof` knows one realm only,
// and members can be anything.
const arrays = Object.getPrototypeOf(Uint8Array.prototype) as object;
const kindOfArray = slot(arrays, Symbol.toStringTag);
const slotsOf = (of: object) => ({
  buffer: slot(of, 'buffer'),
  byteOffset: slot(of, 'byteOffset'),
  byteLength: slot(of, 'byteLength'),
});
const ofArrays = slotsOf(arrays);
const ofDataViews = slotsOf(DataView.prototype);
const lengthOfBuffer = slot(ArrayBuffer.prototype, 'byteLength');

/**
 * The bytes of any BufferSource (a typed array, a DataView, an ArrayBuffer, of whichever realm), where
 * they lie. Undefined for what is none, and for one whose memory was given away.
 */
export function viewOf(value: unknown): Bytes | undefined {
  try {
    if (!ArrayBuffer.isView(value)) {
      lengthOfBuffer.call(value);
      return new Uint8Array(value as ArrayBuffer);
    }
    const { buffer, byteOffset, byteLength } =
      kindOfArray.call(value) === undefined ? ofDataViews : ofArrays;
    return new Uint8Array(
      buffer.call(value) as ArrayBuffer,
      byteOffset.call(value) as number,
      byteLength.call(value) as number,
    );
  } catch {
    return undefined;
  }
}

/**
 * A copy of bytes from outside, in memory that nobody else has. Undefined for what is no BufferSource, or
 * is shorter than `least` or longer than `most`.
 */
export function copyOf(value: unknown, least = 1, most = Number.MAX_SAFE_INTEGER): Bytes | undefined {
  const view = viewOf(value);
  return view && view.length >= least && view.length <= most ? concat(view) : undefined;
}

export const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, i) => byte === other[i]);

const encoder = new TextEncoder();

// In some places `TextEncoder` is of another realm, and so is what it gives.
export const utf8 = (text: string): Bytes => viewOf(encoder.encode(text)) as Bytes;

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
