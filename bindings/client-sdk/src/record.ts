/** What a store keeps of a client: the credential in force, and those on their way. */
import { type Bytes, concat } from './bytes.js';
import { storeUnavailable } from './errors.js';

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
}

/** Version, whether the first credential is in force, and the credentials. */
export function encodeRecord({ credential, pending }: ClientRecord): Bytes {
  const credentials = credential ? [credential, ...pending] : pending;
  return concat(Uint8Array.of(VERSION, credential ? 1 : 0), ...credentials);
}

export function decodeRecord(bytes: Uint8Array): ClientRecord {
  const [version, inForce] = bytes;
  const count = (bytes.length - HEAD) / CREDENTIAL;
  const isRecord =
    version === VERSION &&
    (inForce === 0 || inForce === 1) &&
    Number.isInteger(count) &&
    count >= 1 &&
    count <= inForce + PENDING_MAX;
  if (!isRecord) {
    throw storeUnavailable('what the store gave is not a record of this version of 2FApi');
  }
  const credentials = Array.from({ length: count }, (_, i) =>
    concat(bytes.subarray(HEAD + i * CREDENTIAL, HEAD + (i + 1) * CREDENTIAL)),
  );
  return { credential: inForce ? credentials.shift() : undefined, pending: credentials };
}

export function wipe(record: ClientRecord | undefined): void {
  record?.credential?.fill(0);
  for (const credential of record?.pending ?? []) credential.fill(0);
}
