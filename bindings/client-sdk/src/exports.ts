/** What this package offers, whichever way it is built. */
export { TwoFApi } from './two-f-api.js';
export type { Configuration, Credential, ProofContext } from './two-f-api.js';
export { TwoFApiClient } from './client.js';
export type { ClientOptions, Enrolled, Session, Waiting } from './client.js';
export { CLIENT_CODES, SERVER_CODES, TwoFApiError } from './errors.js';
export type { ErrorCode } from './errors.js';
export { engineOf } from './engine/choose.js';
export type { EngineChoice } from './engine/choose.js';
export type { Engine } from './engine/engine.js';
export type { Fetch } from './http.js';
export { entropyOf, generatePhrase } from './phrase.js';
export { indexedDbStore } from './store/indexed-db.js';
export { memoryStore } from './store/store.js';
export type { CredentialStore } from './store/store.js';
export { passphraseStore } from './store/passphrase.js';
export type { PassphraseOptions } from './store/passphrase.js';
export { createPasskey, passkeyStore } from './store/passkey.js';
export type { PasskeyOptions } from './store/passkey.js';
