/** Recovery phrases: 24 words of BIP-39, English, without a BIP-39 passphrase. */
import type { Bytes } from './bytes.js';
import type { Engine } from './engine/engine.js';
import { TwoFApiError } from './errors.js';

/** In a chunk of its own: the list of words is as long as all the rest. */
const words = () =>
  import('./words.js').catch((cause: unknown) => {
    throw new TwoFApiError('engine_unavailable', 'the list of words could not be loaded', { cause });
  });

/** Draws a phrase: 24 words that hold 32 random bytes. Write it on paper; it is shown by nobody again. */
export async function generatePhrase(): Promise<string> {
  const { fromEntropy } = await words();
  const entropy = crypto.getRandomValues(new Uint8Array(32));
  try {
    return fromEntropy(entropy);
  } finally {
    entropy.fill(0);
  }
}

/**
 * The 32 bytes that a phrase holds. The case of A to Z does not matter, nor how many blanks, tabs and ends of
 * lines are between the words. The error never quotes a word.
 */
export async function entropyOf(phrase: string): Promise<Uint8Array> {
  const { toEntropy } = await words();
  const given = typeof phrase === 'string' ? phrase.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : '';
  const list = given.split(/[\t\n\f\r ]+/).filter((word) => word !== '');
  if (list.length !== 24) {
    throw new TwoFApiError('invalid_phrase', `a recovery phrase has 24 words, got ${list.length}`);
  }
  try {
    return toEntropy(list.join(' '));
  } catch {
    throw new TwoFApiError(
      'invalid_phrase',
      'that is no recovery phrase: a word is not of the list, is wrong, or stands in another place',
    );
  }
}

/** The credential of a phrase, or a fresh one. */
export async function credentialFor(engine: Engine, phrase: string | undefined): Promise<Bytes> {
  if (phrase === undefined) return engine.generate() as Bytes;
  const entropy = await entropyOf(phrase);
  try {
    return engine.recover(entropy) as Bytes;
  } finally {
    entropy.fill(0);
  }
}
