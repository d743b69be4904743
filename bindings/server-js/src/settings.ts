// Settings are looked at when they are given, all of them: what cannot be right is refused before a service
// starts, and a name that is misspelled is not taken for one that was left out.

import { AUDIENCE_MAX_LENGTH } from '@2fapi/protocol-spec';

/** @throws TypeError for a setting that is none. */
export function onlyKnown(options: unknown, what: string, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`the settings must be an object`);
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`"${name}" is no ${what}; there are ${names.join(', ')}`);
  }
}

/** @throws TypeError unless the value is a whole number in the range. */
export function wholeNumber(value: unknown, name: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw new TypeError(`${name} must be a whole number from ${least} to ${most}`);
  }
  return value;
}

/** @throws TypeError unless the value is a function, or is left out. */
export function functionOrNothing(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'function') throw new TypeError(`${name} must be a function`);
}

/**
 * An audience as every client computes it: the origin of the address that it has for the service.
 *
 * @throws TypeError saying what it would have to be
 */
export function originOf(audience: unknown): string {
  const like = 'such as https://api.example.com';
  if (typeof audience !== 'string') {
    throw new TypeError(`audience must be a string: the origin that clients reach the service under, ${like}`);
  }
  const url = URL.canParse(audience) ? new URL(audience) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`audience must be the origin that clients reach the service under, ${like}`);
  }
  if (audience !== url.origin) {
    throw new TypeError(`audience must be an origin as clients compute it: "${url.origin}", not "${audience}"`);
  }
  if (audience.length > AUDIENCE_MAX_LENGTH) {
    throw new TypeError(`audience must be at most ${AUDIENCE_MAX_LENGTH} characters`);
  }
  return audience;
}
