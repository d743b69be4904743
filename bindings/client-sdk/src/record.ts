/** What a store keeps of a client: its credential, and what is on its way. */
import { concat } from './bytes.js';
import { TwoFApiError } from './errors.js';

const VERSION = 1;
const CREDENTIAL = 64;

export interface ClientRecord {
  /** Whether the server has said yes to `credential`; if not, its enrolment may or may not have arrived. */
  enrolled: boolean;
  credential: Uint8Array;
  /** The credential of a rotation whose outcome is unknown: one of the two is good. */
  next?: Uint8Array | undefined;
}

/** Version, whether it is enrolled, the credential, and the next one if there is one. */
export function encodeRecord({ enrolled, credential, next }: ClientRecord): Uint8Array {
  return concat(Uint8Array.of(VERSION, enrolled ? 1 : 0), credential, next ?? new Uint8Array(0));
}

export function decodeRecord(bytes: Uint8Array): ClientRecord {
  const rest = bytes.length - 2;
  if (bytes[0] !== VERSION || (rest !== CREDENTIAL && rest !== 2 * CREDENTIAL)) {
    throw new TwoFApiError(
      'store_unavailable',
      'what the store gave is not a record of this version of 2FApi',
    );
  }
  const credential = bytes.slice(2, 2 + CREDENTIAL);
  const enrolled = bytes[1] === 1;
  return rest === CREDENTIAL
    ? { enrolled, credential }
    : { enrolled, credential, next: bytes.slice(2 + CREDENTIAL) };
}

export function wipe(record: ClientRecord | undefined): void {
  record?.credential.fill(0);
  record?.next?.fill(0);
}
