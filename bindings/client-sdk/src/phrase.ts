/** Recovery phrases: 24 words of BIP-39, English, without a BIP-39 passphrase. */
import { type Bytes, sameBytes } from './bytes.js';
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

/** How many generations a client that recovers tries at a host. */
export const GENERATIONS_TRIED = 32;

/** A phrase and what it makes, as long as it is not wiped. */
export interface OpenedPhrase {
  /** The credential for every host alike: of phrases of before, and of calls that name no host. */
  plain(): Bytes;
  /** That for this host: of the generation 0 at enrolment, of one more with each rotation under the same phrase. */
  at(generation: number): Bytes;
  wipe(): void;
}

export async function openPhrase(engine: Engine, phrase: string, audience: string): Promise<OpenedPhrase> {
  const entropy = await entropyOf(phrase);
  return {
    plain: () => engine.recover(entropy) as Bytes,
    at: (generation) => engine.recoverAt(entropy, audience, generation) as Bytes,
    wipe: () => void entropy.fill(0),
  };
}

/** The credential that follows one under a phrase: of the next generation if that one is of the phrase, or of the first. */
export function followingIn(opened: OpenedPhrase, credential: Uint8Array): Bytes {
  try {
    let candidate = opened.at(0);
    for (let next = 1; next <= GENERATIONS_TRIED; next++) {
      if (!sameBytes(candidate, credential)) {
        candidate.fill(0);
        if (next < GENERATIONS_TRIED) candidate = opened.at(next);
        continue;
      }
      if (next === GENERATIONS_TRIED) {
        throw new TwoFApiError('invalid_phrase', 'this phrase was rotated under 31 times: give another one');
      }
      return opened.at(next);
    }
    return opened.at(0);
  } finally {
    opened.wipe();
  }
}

/** A fresh credential, or that of a phrase at a host. */
export async function credentialFor(engine: Engine, phrase?: string, audience?: string): Promise<Bytes> {
  if (phrase === undefined) return engine.generate() as Bytes;
  const entropy = await entropyOf(phrase);
  try {
    return (audience === undefined ? engine.recover(entropy) : engine.recoverAt(entropy, audience, 0)) as Bytes;
  } finally {
    entropy.fill(0);
  }
}
