/** The browser's WebAuthn, or that there is none. */
import { type TwoFApiError, storeUnavailable } from '../errors.js';

export const unsupported = (cause?: unknown): TwoFApiError =>
  storeUnavailable(
    'this browser or authenticator does not compute keys from passkeys (WebAuthn PRF)',
    cause,
  );

export function webauthn(): CredentialsContainer {
  const container = globalThis.navigator?.credentials as CredentialsContainer | undefined;
  if (!container || !globalThis.PublicKeyCredential) throw unsupported();
  return container;
}
