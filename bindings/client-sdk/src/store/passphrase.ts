/** Records sealed under a passphrase. */
import { concat, utf8 } from '../bytes.js';
import { TwoFApiError } from '../errors.js';
import { seal, sealingKey, unseal } from './seal.js';
import type { CredentialStore } from './store.js';

const VERSION = 1;
const SALT = 16;
const HEADER = 1 + 4 + 4 + 1 + SALT;
/** What a record that somebody changed may ask for: 1 GiB, and some seconds of work. */
const MEMORY_MAX_KIB = 1 << 20;
const WORK_MAX_KIB = 1 << 22;

export interface PassphraseOptions {
  /** Memory in KiB; 64 MiB by default, the second recommended option of RFC 9106, section 4. */
  memoryKib?: number;
  /** Passes over the memory; 3 by default. */
  passes?: number;
  /** Lanes; 4 by default. */
  lanes?: number;
}

interface Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

function checked(cost: Cost): Cost {
  const whole = Object.values(cost).every((n) => Number.isInteger(n) && n >= 1);
  const fits =
    whole &&
    cost.lanes <= 16 &&
    cost.memoryKib >= 8 * cost.lanes &&
    cost.memoryKib <= MEMORY_MAX_KIB &&
    cost.memoryKib * cost.passes <= WORK_MAX_KIB;
  if (fits) return cost;
  throw new TwoFApiError(
    'invalid_argument',
    `Argon2id goes from 8 KiB a lane to ${MEMORY_MAX_KIB} KiB, from 1 pass to ${WORK_MAX_KIB} KiB in ` +
      'all passes, and from 1 to 16 lanes',
  );
}

function headerOf(cost: Cost, salt: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER);
  const view = new DataView(header.buffer);
  header[0] = VERSION;
  view.setUint32(1, cost.memoryKib);
  view.setUint32(5, cost.passes);
  header[9] = cost.lanes;
  header.set(salt, 10);
  return header;
}

async function keyOf(passphrase: string, salt: Uint8Array, cost: Cost): Promise<CryptoKey> {
  const { argon2id } = await import('../argon2.js');
  // The same letters typed on another system are the same bytes.
  const raw = await argon2id(utf8(passphrase.normalize('NFC')), salt, cost);
  try {
    return await sealingKey(raw);
  } finally {
    raw.fill(0);
  }
}

/**
 * Seals the records of another store under a passphrase (Argon2id, RFC 9106, then AES-256-GCM).
 *
 * Whoever gets the sealed record can guess passphrases as long as they like, at the cost of one Argon2id
 * for each: take a long one. What a server stores is of no use for guessing, since the secret itself is
 * random and has nothing to do with the passphrase.
 */
export function passphraseStore(
  inner: CredentialStore,
  passphrase: () => string | Promise<string>,
  options: PassphraseOptions = {},
): CredentialStore {
  const { memoryKib = 1 << 16, passes = 3, lanes = 4 } = options;
  const cost = checked({ memoryKib, passes, lanes });
  return {
    async get(key) {
      const sealed = await inner.get(key);
      if (!sealed) return undefined;
      if (sealed.length <= HEADER || sealed[0] !== VERSION) {
        throw new TwoFApiError('wrong_key', 'what is stored is not a record under a passphrase');
      }
      const header = sealed.slice(0, HEADER);
      const view = new DataView(header.buffer);
      const asked = checked({
        memoryKib: view.getUint32(1),
        passes: view.getUint32(5),
        lanes: header[9] as number,
      });
      const under = await keyOf(await passphrase(), header.slice(10), asked);
      return unseal(under, key, header, sealed.slice(HEADER));
    },
    async put(key, record) {
      const salt = crypto.getRandomValues(new Uint8Array(SALT));
      const header = headerOf(cost, salt);
      const under = await keyOf(await passphrase(), salt, cost);
      await inner.put(key, concat(header, await seal(under, key, header, record)));
    },
    delete: (key) => inner.delete(key),
  };
}
