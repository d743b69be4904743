// What has to be refused by the types.
import { TwoFApi, TwoFApiClient, type ErrorCode } from '@2fapi/client-sdk';

// @ts-expect-error: a client without a server.
new TwoFApiClient({});
// @ts-expect-error: an engine that there is not.
TwoFApi.configure({ engine: 'openssl' });
// @ts-expect-error: a code that there is not.
export const code: ErrorCode = 'whatever';
// @ts-expect-error: a proof without a nonce.
void TwoFApi.generateProof('00', '00');
