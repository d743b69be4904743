// What a store keeps of a client, in the core's own bytes: read, changed by its operator, asked whether it honours a
// session or a token.

import type { ClientStatus } from '@2fapi/protocol-spec';

import { calling, TwoFApiError } from './errors.js';
import { bytes, list, moment, object, text, textOrNothing, whole } from './inputs.js';
import { native } from './load.js';

/** What a store gives. Damage in it is not the fault of who proves, and is no error that such a one is told. */
export function storedBytes(kept: Uint8Array): Uint8Array {
  try {
    if (bytes(kept, 'what is stored').length > 0) return kept;
  } catch (error) {
    if (!(error instanceof TwoFApiError)) throw error;
    throw new TwoFApiError('unavailable', `what is stored of a client is damaged: ${error.message}`);
  }
  throw new TwoFApiError('unavailable', 'what is stored of a client is damaged: it is empty');
}

/** A credential of a client. */
export interface ClientCredential {
  /** 32 hex digits. */
  readonly credentialId: string;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  /** For people; nothing is decided by it. */
  readonly name: string;
  /** Unix seconds; 0 where nobody knows. */
  readonly created: number;
  /** The version of the record that its commitment came with. */
  readonly since: number;
  /** From when on it is let in no longer, in Unix seconds. */
  readonly expiresAt?: number;
}

/** What an operator says of a client. */
export interface Attributes {
  /** From when on the client is let in no longer, in Unix seconds. */
  readonly expiresAt?: number | undefined;
  /** What it may do, in the words of its application: at most 32. */
  readonly scopes?: readonly string[];
  /** A JSON object of at most 2048 bytes. */
  readonly claims?: { readonly [name: string]: unknown };
  /** From where it is let in, such as `192.0.2.0/24`; none: from everywhere. */
  readonly sources?: readonly string[];
  /** How often it may ask. */
  readonly requestsPerMinute?: number | undefined;
  /** Whose client it is, where several share a host. */
  readonly tenant?: string | undefined;
}

/** What a record says. */
export interface RecordParts {
  /** 1 at enrolment. */
  readonly version: number;
  /** 0 at enrolment; one more with whatever ends all sessions and tokens. */
  readonly generation: number;
  readonly status: ClientStatus;
  /** In their order, 1 to 16. The first one is meant where none is named. */
  readonly credentials: readonly ClientCredential[];
  readonly attributes: Attributes;
}

/** Reads a record as a store keeps it. */
export function readRecord(record: Uint8Array): RecordParts {
  const { attributes, ...parts } = calling(() => native.readRecord(storedBytes(record)));
  const { claims } = attributes;
  const object = claims === '' ? {} : (JSON.parse(claims) as { readonly [name: string]: unknown });
  return { ...parts, attributes: { ...attributes, claims: object } };
}

/** A row of a table with columns for one credential, and bytes beside them where there is more to say. */
export interface RecordRow {
  readonly record?: Uint8Array | undefined;
  /** 32 bytes, of the first credential. */
  readonly commitment: Uint8Array;
  /** Of the record. */
  readonly commitmentVersion: number;
  readonly status: string;
}

/**
 * The record of a row. The columns are what people change by hand: where commitment or version are others than in the
 * bytes, those are of before and do not count; another status is one that was set.
 */
export function recordOfRow(row: RecordRow): Uint8Array {
  const { record, commitment, commitmentVersion, status } = object(row, 'the row');
  const words = [record === undefined ? new Uint8Array(0) : storedBytes(record), storedBytes(commitment)] as const;
  try {
    const columns = [whole(commitmentVersion, 'commitmentVersion', 1, 0xffff_ffff), text(status, 'status')] as const;
    return calling(() => native.recordOfRow(...words, ...columns));
  } catch (error) {
    if (!(error instanceof TwoFApiError)) throw error;
    throw new TwoFApiError('unavailable', error.message);
  }
}

/** The record of a host that keeps what it says in columns; `unavailable` for what no record can be. */
export function recordOfParts(parts: RecordParts): Uint8Array {
  const { version, generation, status, credentials, attributes } = object(parts, 'the parts');
  try {
    const said = saidOf(attributes);
    return calling(() =>
      native.recordOfParts({ version, generation, status, credentials: [...list(credentials, 'credentials')], attributes: said }),
    );
  } catch (error) {
    if (!(error instanceof TwoFApiError)) throw error;
    throw new TwoFApiError('unavailable', `what is stored of a client is damaged: ${error.message}`);
  }
}

/** What an operator does to a client. `end_sessions` ends its sessions and tokens, and nothing else. */
export type RecordChange = 'suspend' | 'resume' | 'revoke' | 'end_sessions';

/** The record after a change; undefined when it is so already, `not_active` when it does not allow it. */
export function changeRecord(record: Uint8Array, change: RecordChange): Uint8Array | undefined {
  const words = [storedBytes(record), text(change, 'change')] as const;
  return calling(() => native.changeRecord(...words)) ?? undefined;
}

function saidOf(attributes: Attributes) {
  const { expiresAt, scopes = [], claims = {}, sources = [], requestsPerMinute, tenant } = object(attributes, 'attributes');
  const texts = (values: readonly unknown[], name: string): string[] => {
    if (!Array.isArray(values)) throw new TwoFApiError('invalid_encoding', `${name} must be an array of strings`);
    return values.map((value) => text(value, name));
  };
  return {
    scopes: texts(scopes, 'scopes'),
    claims: JSON.stringify(object(claims, 'claims')),
    sources: texts(sources, 'sources'),
    ...(expiresAt === undefined ? {} : { expiresAt: moment(expiresAt, 'expiresAt') }),
    ...(requestsPerMinute === undefined
      ? {}
      : { requestsPerMinute: whole(requestsPerMinute, 'requestsPerMinute', 1, 0xffff_ffff) }),
    ...(tenant === undefined ? {} : { tenant: text(tenant, 'tenant') }),
  };
}

/** The record with what its operator says of the client, in the place of all that was said before. */
export function recordWithAttributes(record: Uint8Array, attributes: Attributes): Uint8Array {
  const said = saidOf(attributes);
  return calling(() => native.recordWithAttributes(storedBytes(record), said));
}

/** The record with another expiry of one of its credentials, or with none; `not_enrolled` when there is no such credential. */
export function recordWithExpiry(record: Uint8Array, credentialId: string, expiresAt: number | undefined): Uint8Array {
  const at = expiresAt === undefined ? undefined : moment(expiresAt, 'expiresAt');
  const words = [storedBytes(record), text(credentialId, 'credentialId'), at] as const;
  return calling(() => native.recordWithExpiry(...words));
}

/** What a session or a token names of its client. */
export interface Named {
  /** Without one, the first is meant: a token of before has none. */
  readonly credentialId?: string | undefined;
  readonly since: number;
  readonly generation: number;
}

/** Whether a session or a token that names these is good still, by a clock in Unix seconds. */
export function honours(record: Uint8Array, named: Named, now: number): boolean {
  const { credentialId, since, generation } = object(named, 'what is named');
  const isNumber = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
  if (!isNumber(since) || !isNumber(generation)) return false;
  const words = [storedBytes(record), textOrNothing(credentialId, 'credentialId'), since, generation, moment(now)] as const;
  return calling(() => native.honours(...words));
}

/** Whether the client is let in from this address: where it has allowed sources, not from where nobody knows. */
export function permitsSource(record: Uint8Array, source: string | undefined): boolean {
  const words = [storedBytes(record), textOrNothing(source, 'source')] as const;
  return calling(() => native.permitsSource(...words));
}

/** What a client may do, and what its tokens say besides. */
export interface Authority {
  readonly scopes: readonly string[];
  /** Whose client it is. */
  readonly tenant?: string;
  /** Without the names that tokens use themselves. */
  readonly claims: { readonly [name: string]: unknown };
}

/** What a client may do by this credential, by its first one unless set; nothing by one that it does not have. */
export function authorityOf(record: Uint8Array, credentialId?: string): Authority {
  const words = [storedBytes(record), textOrNothing(credentialId, 'credentialId')] as const;
  const { claims, ...authority } = calling(() => native.authorityOf(...words));
  return { ...authority, claims: JSON.parse(claims) as Authority['claims'] };
}

/** The id of the credential with this commitment, 32 hex digits. */
export function credentialIdOf(commitment: Uint8Array): string {
  const given = bytes(commitment, 'commitment');
  return calling(() => native.credentialId(given));
}

/** @throws TwoFApiError saying what keeps it from being the id of a credential */
export function checkCredentialId(id: string): void {
  calling(() => native.checkCredentialId(text(id, 'credentialId')));
}

/** @throws TwoFApiError saying what keeps it from being the name of a credential */
export function checkCredentialName(name: string): void {
  calling(() => native.checkCredentialName(text(name, 'name')));
}
