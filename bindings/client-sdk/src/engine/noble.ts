/**
 * The engine in plain JavaScript, on @noble/curves: for places without WebAssembly.
 *
 * It takes the same time for every secret only as far as JavaScript's big integers do, which promise
 * nothing; and it cannot overwrite what it computed. Where WebAssembly works, take that.
 */
import { ristretto255 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';

import { concat, lengthPrefixed, utf8 } from '../bytes.js';
import * as constants from '../constants.js';
import { TwoFApiError } from '../errors.js';
import type { Engine } from './engine.js';

const { Point } = ristretto255;
type Point = InstanceType<typeof Point>;
const { Fn } = Point;

const SUITE = utf8(constants.SUITE);
const TRANSCRIPT = utf8(constants.TRANSCRIPT_DST);
const NONCE_SEED = utf8('2FApi-v1.0-NonceSeed');
const NONCE = utf8('2FApi-v1.0-Nonce');
const RECOVERY = utf8(constants.RECOVERY_DST);
const BLINDING = utf8('2FApi-v1.0-AudienceBlinding');
const CREDENTIAL_ID = utf8('2FApi-v1.0-CredentialId');
const LINK_NUMBER = utf8('2FApi-v1.0-LinkNumber');
const ENROLLMENT = utf8(constants.ENROLLMENT_BINDING);
const ROTATION = utf8(constants.ROTATION_BINDING_PREFIX);
/** What says that another purpose than rotation follows: no element is encoded with an odd first byte. */
const LINKING = Uint8Array.of(1);
const UNLINKING = Uint8Array.of(3);
const JOINING = Uint8Array.of(5);
const EMPTY = new Uint8Array(0);

const FIELD_ORDER = 2n ** 255n - 19n;
const ELEMENT = 'the canonical encoding of a Ristretto255 element other than the identity';
const SCALAR = 'a canonical scalar other than zero';

const G = Point.BASE;
const H = Point.fromHex(constants.GENERATOR_H_HEX);
H.precompute(8);

function invalidLength(what: string, expected: string, actual: number): TwoFApiError {
  return new TwoFApiError('invalid_length', `${what} must be ${expected}, got ${actual}`);
}

function invalidEncoding(what: string, expected: string): TwoFApiError {
  return new TwoFApiError('invalid_encoding', `${what} must be ${expected}`);
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
}

const reduced = (digest: Uint8Array): bigint => Fn.create(littleEndian(digest));

function scalar(what: string, bytes: Uint8Array): bigint {
  if (bytes.length !== 32) throw invalidLength(what, '32 bytes', bytes.length);
  const value = littleEndian(bytes);
  if (value === 0n || value >= Fn.ORDER) throw invalidEncoding(what, SCALAR);
  return value;
}

function element(what: string, bytes: Uint8Array): Point {
  if (bytes.length !== 32) throw invalidLength(what, '32 bytes', bytes.length);
  let point: Point;
  try {
    point = Point.fromBytes(bytes);
  } catch {
    throw invalidEncoding(what, ELEMENT);
  }
  if (point.is0()) throw invalidEncoding(what, ELEMENT);
  return point;
}

function checkClientId(clientId: string): void {
  const good =
    /^[A-Za-z0-9][A-Za-z0-9._\-@+]{0,127}$/.test(clientId) &&
    !clientId.includes('..') &&
    !/^(?:2fapi|twofapi)/i.test(clientId);
  if (!good) {
    throw new TwoFApiError(
      'invalid_client_id',
      'client id must be 1 to 128 characters of A-Z a-z 0-9 . _ - @ +, beginning with a letter or ' +
        'digit, without ".." and not beginning with 2fapi or twofapi',
    );
  }
}

/** Client id, nonce and channel binding: what a proof is about. */
interface Context {
  clientId: Uint8Array;
  nonce: Uint8Array;
  binding: Uint8Array;
}

const fieldsOf = (context: Context): Uint8Array =>
  concat(...[context.clientId, context.nonce, context.binding].map(lengthPrefixed));

function enrollment(clientId: string): Context {
  checkClientId(clientId);
  return { clientId: utf8(clientId), nonce: EMPTY, binding: ENROLLMENT };
}

const begins = (bytes: Uint8Array, prefix: Uint8Array): boolean =>
  bytes.length >= prefix.length && prefix.every((byte, i) => byte === bytes[i]);

function authentication(clientId: string, nonce: Uint8Array, binding: Uint8Array): Context {
  checkClientId(clientId);
  if (nonce.length < constants.NONCE_MIN_LENGTH || nonce.length > constants.NONCE_MAX_LENGTH) {
    throw invalidLength('nonce', '16 to 64 bytes', nonce.length);
  }
  if (binding.length > constants.CHANNEL_BINDING_MAX_LENGTH) {
    throw invalidLength('channel binding', 'at most 1024 bytes', binding.length);
  }
  const another = binding.length === ENROLLMENT.length && begins(binding, ENROLLMENT);
  if (another || begins(binding, ROTATION)) {
    throw invalidEncoding(
      'channel binding',
      'other than "enrollment" and not beginning with "rotation:"',
    );
  }
  return { clientId: utf8(clientId), nonce, binding };
}

/** A rotation, a link or an unlinking: with the commitment that it is about; joining names none. */
function change(
  kind: Uint8Array,
  clientId: string,
  nonce: Uint8Array,
  commitment: Uint8Array | undefined,
  binding: Uint8Array,
): Context {
  const context = authentication(clientId, nonce, binding);
  if (commitment) element('commitment', commitment);
  const whole = concat(ROTATION, kind, commitment ?? EMPTY, binding);
  if (whole.length > constants.CHANNEL_BINDING_MAX_LENGTH) {
    throw invalidLength('channel binding', 'at most 1024 bytes', whole.length);
  }
  return { ...context, binding: whole };
}

function challengeScalar(commitment: Uint8Array, announcement: Uint8Array, context: Context): bigint {
  const head = [SUITE, G.toBytes(), H.toBytes(), commitment, announcement].map(lengthPrefixed);
  return reduced(sha512(concat(TRANSCRIPT, ...head, fieldsOf(context))));
}

interface Opened {
  secret: bigint;
  blinding: bigint;
}

function open(credential: Uint8Array): Opened {
  if (credential.length !== 64) {
    throw invalidLength('credential', '64 bytes (secret, then blinding)', credential.length);
  }
  return {
    secret: scalar('secret', credential.subarray(0, 32)),
    blinding: scalar('blinding', credential.subarray(32)),
  };
}

const pedersen = (of: Opened): Point => G.multiply(of.secret).add(H.multiply(of.blinding));

function commitmentOf(credential: Uint8Array): Uint8Array {
  const point = pedersen(open(credential));
  if (point.is0()) throw invalidEncoding('credential', 'one whose commitment is not the identity');
  return point.toBytes();
}

function random(length: number): Uint8Array {
  try {
    return crypto.getRandomValues(new Uint8Array(length));
  } catch {
    throw new TwoFApiError('unavailable', 'the random source of the operating system failed');
  }
}

function credentialOf(secret: bigint, blinding: bigint): Uint8Array {
  return concat(Fn.toBytes(secret), Fn.toBytes(blinding));
}

function generate(): Uint8Array {
  for (;;) {
    const wide = random(128);
    const credential = credentialOf(reduced(wide.subarray(0, 64)), reduced(wide.subarray(64)));
    wide.fill(0);
    try {
      commitmentOf(credential);
      return credential;
    } catch {
      // Zero comes up once in 2^252 draws; drawing again keeps the rest uniform.
    }
  }
}

function recover(entropy: Uint8Array): Uint8Array {
  if (entropy.length !== constants.RECOVERY_ENTROPY_LENGTH) {
    throw invalidLength('entropy of a recovery phrase', '32 bytes', entropy.length);
  }
  const derived = (label: string) => reduced(sha512(concat(RECOVERY, utf8(label), entropy)));
  const credential = credentialOf(derived('s'), derived('r'));
  commitmentOf(credential);
  return credential;
}

function recoverAt(entropy: Uint8Array, audience: string, generation: number): Uint8Array {
  if (!/^[\x21-\x7e]+$/.test(audience) || audience.length > constants.AUDIENCE_MAX_LENGTH) {
    throw invalidEncoding('audience', '1 to 512 visible ASCII characters');
  }
  const plain = recover(entropy);
  const n = new Uint8Array(4);
  new DataView(n.buffer).setUint32(0, generation);
  const blinding = reduced(sha512(concat(BLINDING, entropy, lengthPrefixed(utf8(audience)), n)));
  const credential = concat(plain.subarray(0, 32), Fn.toBytes(blinding));
  plain.fill(0);
  commitmentOf(credential);
  return credential;
}

function credentialId(commitment: Uint8Array): Uint8Array {
  element('commitment', commitment);
  return sha512(concat(CREDENTIAL_ID, commitment)).slice(0, 16);
}

function linkNumber(challengeId: string, commitment: Uint8Array): number {
  element('commitment', commitment);
  if (!/^ch-[0-9a-f]{24}$/.test(challengeId)) {
    throw new TwoFApiError('denied', 'the challenge id is no challenge id');
  }
  const digest = sha512(concat(LINK_NUMBER, lengthPrefixed(utf8(challengeId)), commitment));
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0) % 1_000_000;
}

function prove(credential: Uint8Array, context: Context): Uint8Array {
  const { secret, blinding } = open(credential);
  const commitment = commitmentOf(credential);
  for (;;) {
    // Hedged: spec/protocol.md, section 6.
    const fresh = random(32);
    const seed = sha512(concat(NONCE_SEED, credential, fresh, commitment, fieldsOf(context)));
    const k_s = reduced(sha512(concat(NONCE, utf8('s'), seed)));
    const k_r = reduced(sha512(concat(NONCE, utf8('r'), seed)));
    fresh.fill(0);
    seed.fill(0);
    if (k_s === 0n || k_r === 0n) continue;
    const announcement = pedersen({ secret: k_s, blinding: k_r });
    const encoded = announcement.toBytes();
    const c = challengeScalar(commitment, encoded, context);
    const z_s = Fn.create(k_s + c * secret);
    const z_r = Fn.create(k_r + c * blinding);
    if (announcement.is0() || c === 0n || z_s === 0n || z_r === 0n) continue;
    return concat(encoded, Fn.toBytes(z_s), Fn.toBytes(z_r));
  }
}

function verify(commitment: Uint8Array, context: Context, proof: Uint8Array): boolean {
  const C = element('commitment', commitment);
  if (proof.length !== constants.PROOF_LENGTH) throw invalidLength('proof', '96 bytes', proof.length);
  const announcement = proof.subarray(0, 32);
  const y = littleEndian(announcement);
  if (y === 0n || y >= FIELD_ORDER || (y & 1n) === 1n) {
    throw invalidEncoding('announcement', ELEMENT);
  }
  const z_s = scalar('response z_s', proof.subarray(32, 64));
  const z_r = scalar('response z_r', proof.subarray(64));
  const c = challengeScalar(commitment, announcement, context);
  if (c === 0n) return false;
  const expected = G.multiplyUnsafe(z_s)
    .add(H.multiplyUnsafe(z_r))
    .subtract(C.multiplyUnsafe(c))
    .toBytes();
  return expected.every((byte, i) => byte === announcement[i]);
}

export const nobleEngine: Engine = {
  name: 'noble',
  generate,
  recover,
  recoverAt,
  commitment: commitmentOf,
  credentialId,
  linkNumber,
  proveEnrollment: (credential, clientId) => prove(credential, enrollment(clientId)),
  proveAuthentication: (credential, clientId, nonce, binding) =>
    prove(credential, authentication(clientId, nonce, binding)),
  proveRotation: (credential, clientId, nonce, newCommitment, binding) =>
    prove(credential, change(EMPTY, clientId, nonce, newCommitment, binding)),
  proveLinking: (credential, clientId, nonce, newCommitment, binding) =>
    prove(credential, change(LINKING, clientId, nonce, newCommitment, binding)),
  proveUnlinking: (credential, clientId, nonce, oldCommitment, binding) =>
    prove(credential, change(UNLINKING, clientId, nonce, oldCommitment, binding)),
  proveJoining: (credential, clientId, nonce, binding) =>
    prove(credential, change(JOINING, clientId, nonce, undefined, binding)),
  verifyEnrollment: (commitment, clientId, proof) =>
    verify(commitment, enrollment(clientId), proof),
  verifyAuthentication: (commitment, clientId, nonce, binding, proof) =>
    verify(commitment, authentication(clientId, nonce, binding), proof),
  verifyRotation: (commitment, clientId, nonce, newCommitment, binding, proof) =>
    verify(commitment, change(EMPTY, clientId, nonce, newCommitment, binding), proof),
  verifyLinking: (commitment, clientId, nonce, newCommitment, binding, proof) =>
    verify(commitment, change(LINKING, clientId, nonce, newCommitment, binding), proof),
  verifyUnlinking: (commitment, clientId, nonce, oldCommitment, binding, proof) =>
    verify(commitment, change(UNLINKING, clientId, nonce, oldCommitment, binding), proof),
  verifyJoining: (commitment, clientId, nonce, binding, proof) =>
    verify(commitment, change(JOINING, clientId, nonce, undefined, binding), proof),
  checkClientId,
};
