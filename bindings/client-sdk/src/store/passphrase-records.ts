/** Records sealed under a passphrase. */
import { argon2id } from '../argon2.js';
import { type Bytes, concat, utf8 } from '../bytes.js';
import { TwoFApiError, invalidArgument, storeUnavailable } from '../errors.js';
import { type Cost, boundedCost } from './cost.js';
import type { CheckedStore } from './outside.js';
import { seal, sealingKey, unseal } from './seal.js';

const VERSION = 1;
const SALT = 16;
const HEADER = 1 + 4 + 4 + 1 + SALT;

function headerOf(cost: Cost, salt: Bytes): Bytes {
  const header = new Uint8Array(HEADER);
  const view = new DataView(header.buffer);
  header[0] = VERSION;
  view.setUint32(1, cost.memoryKib);
  view.setUint32(5, cost.passes);
  header[9] = cost.lanes;
  header.set(salt, 10);
  return header;
}

async function asked(passphrase: () => string | Promise<string>): Promise<string> {
  let given: unknown;
  try {
    given = await passphrase();
  } catch (error) {
    throw storeUnavailable('no passphrase was given', error);
  }
  if (typeof given === 'string' && given !== '') return given;
  throw invalidArgument('the passphrase must be a text, and not empty');
}

async function keyOf(passphrase: string, salt: Bytes, cost: Cost): Promise<CryptoKey> {
  // The same letters typed on another system are the same bytes.
  return sealingKey(await argon2id(utf8(passphrase.normalize('NFC')), salt, cost));
}

export function passphraseRecords(
  sealed: CheckedStore,
  passphrase: () => string | Promise<string>,
  cost: Cost,
): CheckedStore {
  return {
    async get(key) {
      const given = await sealed.get(key);
      if (!given) return undefined;
      if (given.length <= HEADER || given[0] !== VERSION) {
        throw new TwoFApiError('wrong_key', 'what is stored is not a record under a passphrase');
      }
      const header = given.slice(0, HEADER);
      const view = new DataView(header.buffer);
      const work = boundedCost({
        memoryKib: view.getUint32(1),
        passes: view.getUint32(5),
        lanes: header[9] as number,
      });
      const under = await keyOf(await asked(passphrase), header.slice(10), work);
      return unseal(under, key, header, given.slice(HEADER));
    },
    async put(key, record) {
      const salt = crypto.getRandomValues(new Uint8Array(SALT));
      const header = headerOf(cost, salt);
      const under = await keyOf(await asked(passphrase), salt, cost);
      await sealed.put(key, concat(header, await seal(under, key, header, record)));
    },
    delete: (key) => sealed.delete(key),
  };
}
