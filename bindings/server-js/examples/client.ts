// A client of examples/service.ts: enrols, logs in, and reads the protected route.
//
//   ENROLMENT_TOKEN=… node --import tsx examples/client.ts http://127.0.0.1:3000 alice

import { audienceBinding, createEnrollment, generateCredential, proveAuthentication } from '@2fapi/crypto-napi';
import type { AccessToken, Challenge } from '@2fapi/protocol-spec';

const [origin = '', clientId = 'alice'] = process.argv.slice(2);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function post<T>(path: string, body: object, token?: string): Promise<T> {
  const response = await fetch(origin + path, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  return (await response.json()) as T;
}

// The credential is the secret: it stays here. The service gets the commitment in the enrolment.
const credential = generateCredential();
const { commitment, proof } = createEnrollment({ clientId, credential });
const enrollment = { client_id: clientId, commitment: hex(commitment), proof: hex(proof) };
await post('/auth/zkp/enroll', enrollment, process.env['ENROLMENT_TOKEN']);

const challenge = await post<Challenge>('/auth/zkp/challenge', { client_id: clientId });
// Bound to the origin that was asked for, whatever the service says it is.
const channelBinding = audienceBinding(origin);
if (challenge.channel_binding !== hex(channelBinding)) throw new Error('the service names another audience');
const answer = proveAuthentication({
  clientId,
  credential,
  challenge: { nonce: new Uint8Array(Buffer.from(challenge.nonce, 'hex')), channelBinding },
});
const { access_token } = await post<AccessToken>('/auth/zkp/verify', {
  challenge_id: challenge.challenge_id,
  proof: hex(answer),
});

const reports = await fetch(`${origin}/reports`, { headers: { Authorization: `Bearer ${access_token}` } });
console.log(await reports.text());
