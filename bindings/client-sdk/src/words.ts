/** The words of BIP-39, by @scure/bip39. */
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';

export const fromEntropy = (entropy: Uint8Array): string => entropyToMnemonic(entropy, wordlist);
export const toEntropy = (phrase: string): Uint8Array => mnemonicToEntropy(phrase, wordlist);
