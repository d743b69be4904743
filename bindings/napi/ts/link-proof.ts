// Link proofs: that two commitments, at two hosts, are of one owner.

import type { Credential } from '@2fapi/protocol-spec';

import { parts } from './client.js';
import { calling, callingAsync } from './errors.js';
import { bytes, clientId, object, text } from './inputs.js';
import { native } from './load.js';
import { inTurn } from './pool.js';

/** A client at a host. */
export interface LinkedClient {
  /** That of the host, such as `https://api.example.com`. */
  readonly audience: string;
  readonly clientId: string;
}

/** What {@link createLinkProof} takes. */
export interface LinkToProve {
  readonly first: LinkedClient & { readonly credential: Credential };
  readonly second: LinkedClient & { readonly credential: Credential };
  /** From who asks, 16 to 64 bytes. */
  readonly nonce: Uint8Array;
}

/** What {@link verifyLinkProof} takes. All but the proof comes from who verifies, and not from who proves. */
export interface LinkToVerify {
  readonly first: LinkedClient & { readonly commitment: Uint8Array };
  readonly second: LinkedClient & { readonly commitment: Uint8Array };
  /** What was asked with, 16 to 64 bytes. */
  readonly nonce: Uint8Array;
  /** 160 bytes. */
  readonly proof: Uint8Array;
}

const named = ({ audience, clientId: id }: LinkedClient, name: string) =>
  [text(audience, `${name}.audience`), clientId(id)] as const;

/** A proof that two credentials of one recovery phrase are of one owner, 160 bytes; who reads it cannot pass it on as one. */
export function createLinkProof(link: LinkToProve): Uint8Array {
  const { first, second, nonce } = object(link, 'the argument');
  const one = [...named(object(first, 'first'), 'first'), ...parts(first.credential)] as const;
  const other = [...named(object(second, 'second'), 'second'), ...parts(second.credential)] as const;
  const given = bytes(nonce, 'nonce');
  return calling(() => native.proveLink(...one, ...other, given));
}

/** Whether a link proof is accepted, on the thread pool. Malformed input is an error. */
export async function verifyLinkProof(link: LinkToVerify): Promise<boolean> {
  const { first, second, nonce, proof } = object(link, 'the argument');
  const copy = (given: Uint8Array, name: string): Uint8Array => Uint8Array.from(bytes(given, name));
  const one = [...named(object(first, 'first'), 'first'), copy(first.commitment, 'first.commitment')] as const;
  const other = [...named(object(second, 'second'), 'second'), copy(second.commitment, 'second.commitment')] as const;
  const shown = [copy(nonce, 'nonce'), copy(proof, 'proof')] as const;
  return inTurn(() => callingAsync(() => native.checkLinkProof(...one, ...other, ...shown)));
}
