/** An engine, guarded: what goes in is what it should be, and what goes wrong is one of our errors. */
import { viewOf } from '../bytes.js';
import { TwoFApiError, engineFailed, invalidArgument } from '../errors.js';
import type { Engine } from './engine.js';

/** The arguments of each method, by name: those of {@link TEXTS} are texts, the generation a number, the others bytes. */
const ARGUMENTS = {
  generate: [],
  recover: ['entropy'],
  recoverAt: ['entropy', 'audience', 'generation'],
  commitment: ['credential'],
  credentialId: ['commitment'],
  linkNumber: ['challenge id', 'commitment'],
  proveEnrollment: ['credential', 'clientId'],
  proveAuthentication: ['credential', 'clientId', 'nonce', 'channel binding'],
  proveRotation: ['credential', 'clientId', 'nonce', 'commitment', 'channel binding'],
  proveLinking: ['credential', 'clientId', 'nonce', 'commitment', 'channel binding'],
  proveUnlinking: ['credential', 'clientId', 'nonce', 'commitment', 'channel binding'],
  proveJoining: ['credential', 'clientId', 'nonce', 'channel binding'],
  verifyEnrollment: ['commitment', 'clientId', 'proof'],
  verifyAuthentication: ['commitment', 'clientId', 'nonce', 'channel binding', 'proof'],
  verifyRotation: ['commitment', 'clientId', 'nonce', 'new commitment', 'channel binding', 'proof'],
  verifyLinking: ['commitment', 'clientId', 'nonce', 'new commitment', 'channel binding', 'proof'],
  verifyUnlinking: ['commitment', 'clientId', 'nonce', 'old commitment', 'channel binding', 'proof'],
  verifyJoining: ['commitment', 'clientId', 'nonce', 'channel binding', 'proof'],
  checkClientId: ['clientId'],
} satisfies Record<Exclude<keyof Engine, 'name'>, readonly string[]>;

const TEXTS: readonly string[] = ['clientId', 'audience', 'challenge id'];

function argument(name: string, value: unknown): unknown {
  if (TEXTS.includes(name)) {
    if (typeof value === 'string') return value;
    if (name === 'clientId') throw new TwoFApiError('invalid_client_id', 'client id must be a text');
    throw invalidArgument(`${name} must be a text`);
  }
  if (name === 'generation') {
    if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff_ffff) return value;
    throw invalidArgument('generation must be a whole number from 0 to 4294967295');
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
