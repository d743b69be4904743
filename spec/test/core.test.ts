// Holds the constants and shapes of the package against the vectors and the OpenAPI description. That the
// constants are those of the core, from which they are written, is a test of the crate beside this.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { parse } from 'yaml';
import * as spec from '@2fapi/protocol-spec';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const vectors = (name: string) => JSON.parse(read(`vectors/${name}.json`));
const openapi = parse(read('openapi.yaml'));

test('names and generators are those of the vectors', () => {
  for (const name of ['sigma-v2', 'sigma-generated-v1']) {
    const file = vectors(name);
    assert.equal(spec.SUITE, file.suite);
    assert.equal(spec.TRANSCRIPT_DST, file.transcript_dst);
    assert.equal(spec.GENERATOR_H_DST, file.generator_h_dst);
    assert.equal(spec.GENERATOR_G_HEX, file.generators.G);
    assert.equal(spec.GENERATOR_H_HEX, file.generators.H);
  }
  assert.equal(spec.CHALLENGE_DST, vectors('challenge-v1').suite);
});

test('the challenge of every accepted vector begins with the domain of the package', () => {
  for (const { challenge, transcript, proof, commitment } of vectors('sigma-v2').accepted) {
    const wide = createHash('sha512')
      .update(spec.TRANSCRIPT_DST)
      .update(Buffer.from(transcript, 'hex'))
      .digest()
      .reverse();
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const scalar = (BigInt(`0x${wide.toString('hex')}`) % order).toString(16).padStart(64, '0');
    assert.equal(Buffer.from(scalar, 'hex').reverse().toString('hex'), challenge);
    assert.equal(proof.length / 2, spec.PROOF_LENGTH);
    assert.equal(commitment.length / 2, spec.ELEMENT_LENGTH);
  }
});

test('the patterns decide every vector of client ids and of challenge ids', () => {
  const { valid, invalid } = vectors('client-id-v1');
  for (const id of valid) assert.ok(spec.CLIENT_ID_PATTERN.test(id), `refuses ${id}`);
  for (const id of invalid) assert.ok(!spec.CLIENT_ID_PATTERN.test(id), `takes ${JSON.stringify(id)}`);
  for (const name of ['challenge-v1', 'challenge-generated-v1']) {
    const { live, refused } = vectors(name);
    for (const { challenge_id } of live) assert.ok(spec.CHALLENGE_ID_PATTERN.test(challenge_id));
    const malformed = refused.filter((c: { name: string }) => c.name.startsWith('id-'));
    assert.ok(malformed.length > 5);
    for (const { challenge_id } of malformed) {
      assert.ok(!spec.CHALLENGE_ID_PATTERN.test(challenge_id), JSON.stringify(challenge_id));
    }
  }
});

test('the patterns of the OpenAPI description decide the vectors as well', () => {
  const { ClientId, ChallengeId } = openapi.components.schemas;
  const matches = ({ pattern, maxLength }: { pattern: string; maxLength: number }, text: string) =>
    new RegExp(pattern, 'u').test(text) && text.length <= maxLength;
  const { valid, invalid } = vectors('client-id-v1');
  for (const id of valid) {
    assert.ok(matches(ClientId, id), `refuses ${id}`);
    assert.ok(matches(ChallengeId, `ch-6afd86c037009872e54f07c1.${id}`), `refuses ${id}`);
  }
  for (const id of invalid) {
    assert.ok(!matches(ClientId, id), `takes ${JSON.stringify(id)}`);
    assert.ok(!matches(ChallengeId, `ch-6afd86c037009872e54f07c1.${id}`), `takes ${JSON.stringify(id)}`);
  }
});

test('problem codes, paths and statuses are those of the OpenAPI description', () => {
  const { paths, components } = openapi;
  const codes: string[] = components.schemas.Problem.properties.code.enum;
  assert.deepEqual(Object.keys(spec.HTTP_STATUS).sort(), [...codes].sort());
  const known: string[] = [spec.PATHS, spec.OAUTH_PATHS, spec.FURTHER_PATHS].flatMap((of) => Object.values(of));
  assert.deepEqual(known.sort(), Object.keys(paths).sort());
  const { client_assertion_type: type } = components.schemas.TokenRequest.properties;
  assert.equal(type.const, spec.ASSERTION_TYPE);
  const statuses = new Set(
    Object.values<Record<string, { responses: object }>>(paths)
      .flatMap((path) => Object.values(path))
      .flatMap((operation) => Object.keys(operation.responses)),
  );
  for (const [code, status] of Object.entries(spec.HTTP_STATUS)) {
    // These answer requests that no operation describes.
    const outside = ['not_found', 'method_not_allowed'].includes(code);
    assert.ok(outside !== statuses.has(String(status)), `${code}: ${status}`);
  }
});

test('every body has the fields of the OpenAPI description', () => {
  // `Required` has the compiler say that these are all fields of the shapes.
  const bodies = {
    EnrollRequest: { client_id: '', commitment: '', proof: '' } satisfies spec.EnrollRequest,
    Enrolled: { client_id: '', status: 'active', commitment_version: 1 } satisfies spec.Enrolled,
    ChallengeRequest: { client_id: '' } satisfies spec.ChallengeRequest,
    Challenge: {
      challenge_id: '',
      nonce: '',
      expires_at: 0,
      channel_binding: '',
    } satisfies spec.Challenge,
    VerifyRequest: { challenge_id: '', credential_id: '', proof: '' } satisfies Required<spec.VerifyRequest>,
    AccessToken: {
      access_token: '',
      token_type: 'Bearer',
      expires_in: 1,
      client_id: '',
      next_challenge: { challenge_id: '', nonce: '', expires_at: 0, channel_binding: '' },
    } satisfies Required<spec.AccessToken>,
    RotateRequest: {
      challenge_id: '',
      credential_id: '',
      proof_old: '',
      commitment_new: '',
      proof_new: '',
    } satisfies Required<spec.RotateRequest>,
    Rotated: { client_id: '', commitment_version: 2 } satisfies spec.Rotated,
    LinkRequest: {
      challenge_id: '',
      credential_id: '',
      proof: '',
      commitment_new: '',
      proof_new: '',
      name: '',
    } satisfies Required<spec.LinkRequest>,
    Linked: { client_id: '', credential_id: '', commitment_version: 2 } satisfies spec.Linked,
    OfferRequest: { challenge_id: '' } satisfies spec.OfferRequest,
    Offered: { client_id: '', expires_at: 0 } satisfies spec.Offered,
    PendingLink: {
      state: 'joined',
      challenge_id: '',
      expires_at: 0,
      commitment: '',
      proof: '',
      name: '',
    } satisfies Required<spec.PendingLink>,
    JoinRequest: { challenge_id: '', commitment: '', proof: '', name: '' } satisfies spec.JoinRequest,
    UnlinkRequest: {
      challenge_id: '',
      credential_id: '',
      proof: '',
      commitment_old: '',
    } satisfies Required<spec.UnlinkRequest>,
    Unlinked: { client_id: '', commitment_version: 3 } satisfies spec.Unlinked,
    Credentials: { client_id: '', commitment_version: 1, credentials: [] } satisfies spec.Credentials,
    ListedCredential: {
      credential_id: '',
      commitment: '',
      name: '',
      created: 0,
      since: 1,
      expires_at: 0,
    } satisfies Required<spec.ListedCredential>,
    WhoAmI: {
      client_id: '',
      expires_at: 0,
      commitment_version: 1,
      scope: '',
      tenant: '',
    } satisfies Required<spec.WhoAmI>,
    Problem: {
      type: '',
      title: '',
      status: 400,
      detail: '',
      code: 'malformed_request',
    } satisfies spec.Problem,
  };
  for (const [name, body] of Object.entries(bodies)) {
    const described = Object.keys(openapi.components.schemas[name].properties);
    assert.deepEqual(
      Object.keys(body).sort(),
      described.filter((field) => field !== 'user_id').sort(),
      name,
    );
  }
});

test('CommonJS and ESM give the same', () => {
  const required = createRequire(import.meta.url)('@2fapi/protocol-spec');
  assert.deepEqual({ ...required }, { ...spec });
});
