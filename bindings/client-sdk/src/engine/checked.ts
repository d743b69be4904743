/** An engine, guarded: what goes in is what it should be, and what goes wrong is one of our errors. */
import { viewOf } from '../bytes.js';
import { TwoFApiError, engineFailed, invalidArgument } from '../errors.js';
import type { Engine } from './engine.js';

/** The arguments of each method, by name: the client id is a text, and the others are bytes. */
const ARGUMENTS = {
  generate: [],
  recover: ['entropy'],
  commitment: ['credential'],
  proveEnrollment: ['credential', 'clientId'],
  proveAuthentication: ['credential', 'clientId', 'nonce', 'channel binding'],
  proveRotation: ['credential', 'clientId', 'nonce', 'commitment', 'channel binding'],
  verifyEnrollment: ['commitment', 'clientId', 'proof'],
  verifyAuthentication: ['commitment', 'clientId', 'nonce', 'channel binding', 'proof'],
  verifyRotation: ['commitment', 'clientId', 'nonce', 'new commitment', 'channel binding', 'proof'],
  checkClientId: ['clientId'],
} satisfies Record<Exclude<keyof Engine, 'name'>, readonly string[]>;

function argument(name: string, value: unknown): unknown {
  if (name === 'clientId') {
    if (typeof value === 'string') return value;
    throw new TwoFApiError('invalid_client_id', 'client id must be a text');
  }
  // An ArrayBuffer has no `length`: taken as it is, it would count as no bytes at all.
  const bytes = viewOf(value);
  if (bytes) return bytes;
  throw invalidArgument(`${name} must be bytes: a Uint8Array, or an ArrayBuffer`);
}

export function checkedEngine(engine: Engine): Engine {
  const methods = Object.entries(ARGUMENTS).map(([method, names]: [string, readonly string[]]) => {
    const work = engine[method as keyof typeof ARGUMENTS] as (...given: unknown[]) => unknown;
    const guarded = (...given: unknown[]): unknown => {
      try {
        return work(...names.map((name, i) => argument(name, given[i])));
      } catch (error) {
        throw engineFailed(error);
      }
    };
    return [method, guarded] as const;
  });
  return Object.freeze({ name: engine.name, ...Object.fromEntries(methods) }) as Engine;
}
