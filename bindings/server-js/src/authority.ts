// What a client may do by what its token names, and whether it may come from there.

import { unixSeconds } from './clock.js';
import * as crypto from './crypto.js';

/** Undefined where what is named is not good, or comes from where the client may not. */
export function authorityIn(record: Uint8Array, named: crypto.Named, source: string | undefined): crypto.Authority | undefined {
  if (!crypto.honours(record, named, unixSeconds()) || !crypto.permitsSource(record, source)) return undefined;
  return crypto.authorityOf(record, named.credentialId);
}
