// What programs hand over, checked before the native part sees it: nothing that could be another thing
// by the time it is read.

import { isSharedArrayBuffer, isUint8Array } from 'node:util/types';

import { TwoFApiError } from './errors.js';

const described = (value: unknown): string => {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (ArrayBuffer.isView(value)) return `a ${value.constructor?.name ?? 'view'}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
};

/** The memory of an array as the engine knows it: a property of that name can say anything. */
const bufferOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'buffer')?.get;

/** Bytes in memory that no other thread writes to, also of another realm, where `instanceof` says no. */
export function bytes(value: unknown, name: string): Uint8Array {
  // Of the built-in type itself: a proxy of one has no bytes.
  if (!isUint8Array(value)) {
    throw new TwoFApiError('invalid_encoding', `${name} must be a Uint8Array or Buffer, and is ${described(value)}`);
  }
  if (isSharedArrayBuffer(bufferOf?.call(value))) {
    throw new TwoFApiError('invalid_encoding', `${name} must not be in a SharedArrayBuffer; copy it first`);
  }
  return value;
}

export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') {
    throw new TwoFApiError('invalid_encoding', `${name} must be a string, and is ${described(value)}`);
  }
  return value;
}

export function textOrNothing(value: unknown, name: string): string | undefined {
  return value === undefined ? undefined : text(value, name);
}

export function clientId(value: unknown): string {
  if (typeof value !== 'string') {
    throw new TwoFApiError('invalid_client_id', `clientId must be a string, and is ${described(value)}`);
  }
  return value;
}

/** A whole number in a range; `otherwise` when it is not given. */
export function whole(value: unknown, name: string, least: number, most: number, otherwise?: number): number {
  const number = value === undefined ? otherwise : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
    throw new TwoFApiError('invalid_encoding', `${name} must be a whole number from ${least} to ${most}`);
  }
  return number;
}

/** A time in Unix seconds. */
export const moment = (value: unknown, name = 'now'): number => whole(value, name, 0, Number.MAX_SAFE_INTEGER);

/** A list, which nothing else passes for: of no entries, every one would be accepted. */
export function list<T>(value: readonly T[], name: string): readonly T[] {
  if (!Array.isArray(value)) {
    throw new TwoFApiError('invalid_encoding', `${name} must be an array, and is ${described(value)}`);
  }
  return value;
}

/** The object of named arguments that every function takes. */
export function object<T extends object>(value: T, name: string): T {
  if (typeof value !== 'object' || (value as unknown) === null) {
    throw new TwoFApiError('invalid_encoding', `${name} must be an object, and is ${described(value)}`);
  }
  return value;
}
