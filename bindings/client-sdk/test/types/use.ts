// A user of the package in TypeScript: what README.md shows has these types.
import {
  type CredentialStore,
  type ErrorCode,
  TwoFApi,
  TwoFApiClient,
  TwoFApiError,
  indexedDbStore,
  linkCodeSvg,
  memoryStore,
  passphraseStore,
} from '@2fapi/client-sdk';

export async function quickStart(nonce: string): Promise<string> {
  TwoFApi.configure({ clientId: 'alice', audience: 'https://api.example.com' });
  const { commitment, secret, blinding } = await TwoFApi.generateCredential();
  return commitment + (await TwoFApi.generateProof(secret, blinding, nonce));
}

export async function ceremony(token: string, signal: AbortSignal): Promise<ErrorCode | number> {
  const own: CredentialStore = { get: async () => undefined, put: async () => {}, delete: async () => {} };
  const stores = [own, memoryStore(), indexedDbStore(), passphraseStore(memoryStore(), () => 'correct horse')];
  const client = new TwoFApiClient({ baseUrl: 'https://api.example.com', store: stores[0] as CredentialStore });
  try {
    await client.enroll({ clientId: 'alice', token, phrase: await TwoFApi.generatePhrase() });
    const { expiresAt } = await client.login({ signal });
    const response: Response = await client.fetch('/things');
    const { commitmentVersion } = await client.rotate();
    await client.link({ name: 'paper', phrase: await TwoFApi.generatePhrase() });
    const { code } = await client.offerLink({ signal });
    const { number } = await client.joinLink({ code, name: `phone ${(await linkCodeSvg(code)).length}` });
    const { credentialId } = await client.confirmLink({ number });
    const [first] = await client.credentials();
    if (first && first.credentialId !== credentialId) await client.unlink({ commitment: first.commitment });
    client.logout();
    return response.status + expiresAt + commitmentVersion;
  } catch (error) {
    if (error instanceof TwoFApiError) return error.code;
    throw error;
  }
}
