/** What a store keeps of a client: the credential in force, and those on their way. */
import { type Bytes, concat, sameBytes } from './bytes.js';
import type { Engine } from './engine/engine.js';
import { TwoFApiError, storeUnavailable } from './errors.js';
import { openPhrase } from './phrase.js';

const VERSION = 1;
const HEAD = 2;
const CREDENTIAL = 64;
/** As many as fit well below the 1 KiB of a record, and as many attempts to find out which one is good. */
export const PENDING_MAX = 6;

export interface ClientRecord {
  /** The credential that the server has said yes to. */
  credential: Bytes | undefined;
  /**
   * Credentials that it may have said yes to, the newest last: of enrolments that were not acknowledged, or
   * of a rotation whose outcome is unknown. None is dropped before another one is known to be in force.
   */
  pending: Bytes[];
  /**
   * Whether a request says which credential it is by: once the client has linked, it may not be the first one. A
   * server of before would refuse the field.
   */
  names: boolean;
}

const IN_FORCE = 1;
const NAMES = 2;

/** Version; whether the first credential is in force, and whether requests name theirs; and the credentials. */
export function encodeRecord({ credential, pending, names }: ClientRecord): Bytes {
  const credentials = credential ? [credential, ...pending] : pending;
  const flags = (credential ? IN_FORCE : 0) | (names ? NAMES : 0);
  return concat(Uint8Array.of(VERSION, flags), ...credentials);
}

export function decodeRecord(bytes: Uint8Array): ClientRecord {
  const [version, flags = 0] = bytes;
  const isInForce = (flags & IN_FORCE) !== 0;
  const count = (bytes.length - HEAD) / CREDENTIAL;
  const isRecord =
    version === VERSION &&
    (flags & ~(IN_FORCE | NAMES)) === 0 &&
    Number.isInteger(count) &&
    count >= 1 &&
    count <= Number(isInForce) + PENDING_MAX;
  if (!isRecord) {
    throw storeUnavailable('what the store gave is not a record of this version of 2FApi');
  }
  const credentials = Array.from({ length: count }, (_, i) =>
    concat(bytes.subarray(HEAD + i * CREDENTIAL, HEAD + (i + 1) * CREDENTIAL)),
  );
  return {
    credential: isInForce ? credentials.shift() : undefined,
    pending: credentials,
    names: (flags & NAMES) !== 0,
  };
}

export function wipe(record: ClientRecord | undefined): void {
  record?.credential?.fill(0);
  for (const credential of record?.pending ?? []) credential.fill(0);
}

export const inForce = ({ credential }: ClientRecord): Bytes => credential as Bytes;

export const noCredential = (clientId: string): TwoFApiError =>
  new TwoFApiError('no_credential', `there is no credential for ${clientId} in the store`);

export const credentialExists = (clientId: string): TwoFApiError =>
  new TwoFApiError(
    'credential_exists',
    `the store has a credential for ${clientId} already, and it is never overwritten: use it, rotate ` +
      'it, or `forget` it first',
  );

/** The credential that an enrolment goes on with: that of the phrase, or else the newest, or a fresh one. */
export async function pendingFor(
  engine: Engine,
  { pending }: ClientRecord,
  given: { phrase: string; audience: string } | undefined,
): Promise<Bytes> {
  const newest = pending.at(-1);
  if (!given && newest) return newest;
  let credential: Bytes;
  if (given) {
    const opened = await openPhrase(engine, given.phrase, given.audience);
    credential = opened.at(0);
    // What was begun before phrases made another credential for each host.
    const plain = opened.plain();
    opened.wipe();
    const known = pending.find((other) => sameBytes(other, credential) || sameBytes(other, plain));
    plain.fill(0);
    if (known) return known;
  } else {
    credential = engine.generate() as Bytes;
  }
  if (pending.length >= PENDING_MAX) {
    throw new TwoFApiError(
      'credential_exists',
      `enrolments with ${PENDING_MAX} other credentials are under way, and each may have arrived: give a ` +
        'phrase of one of those, or `forget` them',
    );
  }
  pending.push(credential);
  return credential;
}
