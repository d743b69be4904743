// Takes a token with libraries of Node, by the address of its issuer alone: jose, openid-client, oauth4webapi.

import assert from 'node:assert/strict';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';

const { ISSUER, TOKEN, ALGORITHM } = process.env;
const broken = `${TOKEN.slice(0, -6)}AAAAAA`;

// jose, at each path where issuers are looked for.
for (const path of ['oauth-authorization-server', 'openid-configuration']) {
  const found = await (await fetch(`${ISSUER}/.well-known/${path}`)).json();
  assert.equal(found.issuer, ISSUER);
  const keys = createRemoteJWKSet(new URL(found.jwks_uri));
  const options = { issuer: ISSUER, audience: ISSUER, typ: 'at+jwt', algorithms: [ALGORITHM] };
  const { payload } = await jwtVerify(TOKEN, keys, options);
  assert.equal(payload.sub, 'alice');
  await assert.rejects(jwtVerify(broken, keys, options));
}

// oauth4webapi: discovery by either way, and its check of RFC 9068 access tokens.
const insecure = { [oauth.allowInsecureRequests]: true };
for (const algorithm of ['oauth2', 'oidc']) {
  const issuer = new URL(ISSUER);
  const answer = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
  const server = await oauth.processDiscoveryResponse(issuer, answer);
  const asked = (token) => new Request('http://application.example/', { headers: { authorization: `Bearer ${token}` } });
  const claims = await oauth.validateJwtAccessToken(server, asked(TOKEN), ISSUER, insecure);
  assert.equal(claims.client_id, 'alice');
  await assert.rejects(oauth.validateJwtAccessToken(server, asked(broken), ISSUER, insecure));
}

// openid-client: discovery.
const options = { algorithm: 'oauth2', execute: [client.allowInsecureRequests] };
const found = await client.discovery(new URL(ISSUER), 'an-application', undefined, undefined, options);
assert.equal(found.serverMetadata().issuer, ISSUER);

console.log('all took the token of alice');
