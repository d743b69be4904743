// The protocol once more, on another implementation of the group: what the addon is compared with.

import { randomBytes } from 'node:crypto';

import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';

const { Point } = ristretto255;
type Element = typeof Point.BASE;
const { ORDER } = Point.Fn;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const lengthPrefixed = (...fields: Uint8Array[]): Uint8Array =>
  Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      return [length, field];
    }),
  );

/** Scalars are little-endian (RFC 9496). */
const toScalar = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
const fromScalar = (scalar: bigint): Uint8Array =>
  new Uint8Array(Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse());

/** A scalar other than zero. */
const randomScalar = (): bigint => (toScalar(randomBytes(64)) % (ORDER - 1n)) + 1n;

const G: Element = Point.BASE;
const H = ristretto255_hasher.deriveToCurve?.(sha512(utf8('2FApi-Pedersen-GeneratorH-v1'))) as Element;

/** What a proof is about. */
export interface About {
  clientId: string;
  nonce: Uint8Array;
  channelBinding: Uint8Array;
}

function challengeScalar(commitment: Uint8Array, announcement: Uint8Array, about: About): bigint {
  const transcript = lengthPrefixed(
    utf8('2FApi-v1.0-Sigma'),
    G.toBytes(),
    H.toBytes(),
    commitment,
    announcement,
    utf8(about.clientId),
    about.nonce,
    about.channelBinding,
  );
  const hash = sha512(Buffer.concat([utf8('2FApi-Sigma-Transcript-v1'), transcript]));
  return toScalar(hash) % ORDER;
}

const combined = (s: bigint, r: bigint): Element => G.multiply(s).add(H.multiply(r));

export interface Drawn {
  secret: Uint8Array;
  blinding: Uint8Array;
  commitment: Uint8Array;
}

export function draw(): Drawn {
  const [s, r] = [randomScalar(), randomScalar()];
  return { secret: fromScalar(s), blinding: fromScalar(r), commitment: combined(s, r).toBytes() };
}

export function prove({ secret, blinding, commitment }: Drawn, about: About): Uint8Array {
  const [ks, kr] = [randomScalar(), randomScalar()];
  const announcement = combined(ks, kr).toBytes();
  const c = challengeScalar(commitment, announcement, about);
  const response = (k: bigint, x: Uint8Array): Uint8Array => fromScalar((k + c * toScalar(x)) % ORDER);
  return Buffer.concat([announcement, response(ks, secret), response(kr, blinding)]);
}

export function verify(commitment: Uint8Array, about: About, proof: Uint8Array): boolean {
  const [announcement, zs, zr] = [proof.slice(0, 32), toScalar(proof.slice(32, 64)), toScalar(proof.slice(64, 96))];
  if (proof.length !== 96 || zs === 0n || zr === 0n || zs >= ORDER || zr >= ORDER) return false;
  try {
    const [A, C] = [Point.fromBytes(announcement), Point.fromBytes(commitment)];
    if (A.is0() || C.is0()) return false;
    const c = challengeScalar(commitment, announcement, about);
    return combined(zs, zr).equals(A.add(C.multiply(c)));
  } catch {
    return false;
  }
}
