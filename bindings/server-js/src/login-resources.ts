// The resources of enrolment, login and rotation.

import {
  ELEMENT_LENGTH,
  PATHS,
  PROOF_LENGTH,
  type AccessToken,
  type Challenge,
  type Enrolled,
  type Rotated,
  type WhoAmI,
} from '@2fapi/protocol-spec';

import { bearerOf } from './bearer.js';
import { fieldsOf, type Fields } from './body.js';
import * as crypto from './crypto.js';
import { challengeOf, json, type EnrollmentRequest, type Handler, type Host, type Resources } from './host.js';
import { ProblemError } from './problem.js';

/** Whether somebody may enrol, or replace all credentials of a client. */
export type MayEnroll = false | ((enrollment: EnrollmentRequest) => boolean | 'reset' | Promise<boolean | 'reset'>);

/** Uses up what permits it, in the store's step. */
export type RedeemEnrollment<Step> = (enrollment: EnrollmentRequest, step: Step) => boolean | Promise<boolean>;

/** The credential that proves, if one is named. */
export function credentialIn(body: Fields): string | undefined {
  if (!body.has('credential_id')) return undefined;
  const credentialId = body.text('credential_id');
  crypto.mustBeCredentialId(credentialId);
  return credentialId;
}

export function proofIn(body: Fields, name: string): Uint8Array {
  const proof = body.bytes(name, PROOF_LENGTH);
  crypto.mustBeProof(proof);
  return proof;
}

export function commitmentIn(body: Fields, name: string): Uint8Array {
  const commitment = body.bytes(name, ELEMENT_LENGTH);
  crypto.mustBeCommitment(commitment);
  return commitment;
}

export function loginResources<Step>(
  host: Host<Step>,
  mayEnroll: MayEnroll,
  redeem: RedeemEnrollment<Step> | undefined,
): Resources {
  const { store, tokens, channelBinding, denied, notAuthorized } = host;

  const enroll: Handler = async (request, context) => {
    if (mayEnroll === false) throw new ProblemError('not_found', 'nobody enrols here');
    const body = await fieldsOf(request, ['commitment', 'proof']);
    const [commitment, proof] = [body.bytes('commitment', ELEMENT_LENGTH), body.bytes('proof', PROOF_LENGTH)];
    const token = bearerOf(request.headers.get('authorization'));
    const user = await context.user?.();
    // Who is logged in at the application, and names nobody, means itself.
    const given = body.clientIdIfGiven();
    if (given === undefined && context.user !== undefined && user === undefined) throw notAuthorized(token !== undefined);
    const clientId = given ?? user ?? body.clientId();
    crypto.mustBeEnrollment(clientId, commitment, proof);
    const enrollment: EnrollmentRequest = { clientId, token, user, request };
    const permitted = await mayEnroll(enrollment);
    if (permitted !== true && permitted !== 'reset') throw notAuthorized(token !== undefined);
    const used = redeem && ((step: Step) => redeem(enrollment, step));
    const credentialId = crypto.credentialIdOf(commitment);
    if (permitted === 'reset') {
      if (store.reset === undefined) throw new Error('this store cannot reset a client');
      const outcome = await store.reset(clientId, commitment, proof, used);
      if (outcome === 'denied') throw denied();
      if (outcome === 'not_permitted') throw notAuthorized(token !== undefined);
      host.audit('reset', clientId, context, { credentialId });
      const answer: Enrolled = { client_id: clientId, status: outcome.status, commitment_version: outcome.commitmentVersion };
      return json(answer, 201);
    }
    switch (await store.enroll(clientId, commitment, proof, used)) {
      case 'denied':
        throw denied();
      case 'not_permitted':
        throw notAuthorized(token !== undefined);
      case 'already_enrolled':
        throw new ProblemError('already_enrolled', 'this client id is enrolled, or was revoked; choose another, or rotate');
      case 'enrolled': {
        host.audit('enrolled', clientId, context, { credentialId });
        const answer: Enrolled = { client_id: clientId, status: 'active', commitment_version: 1 };
        return json(answer, 201);
      }
    }
  };

  const challenge: Handler = async (request) => {
    const clientId = (await fieldsOf(request, [])).clientId();
    const issued = await store.challenge(clientId, channelBinding);
    const answer: Challenge = {
      challenge_id: `${issued.challengeId}.${clientId}`,
      nonce: Buffer.from(issued.nonce).toString('hex'),
      expires_at: issued.expiresAt,
      channel_binding: Buffer.from(channelBinding).toString('hex'),
    };
    return json(answer);
  };

  const verify: Handler = async (request, context) => {
    const body = await fieldsOf(request, ['challenge_id', 'credential_id', 'proof'], false);
    const name = body.text('challenge_id');
    const credentialId = credentialIn(body);
    const proof = proofIn(body, 'proof');
    const named = challengeOf(name);
    if (named === undefined) throw denied();
    const attempt = { ...named, credentialId, proof, channelBinding, source: context.source };
    const verdict = host.accepted(await store.authenticate(attempt));
    const proven = verdict.named ?? { since: verdict.commitmentVersion, generation: 0 };
    const answer: AccessToken = {
      access_token: await tokens.issue(named.clientId, proven, verdict.may),
      token_type: 'Bearer',
      expires_in: tokens.ttlSeconds,
      client_id: named.clientId,
    };
    host.audit('authenticated', named.clientId, context, of(proven.credentialId));
    return json(answer);
  };

  const rotate: Handler = async (request, context) => {
    const names = ['challenge_id', 'credential_id', 'proof_old', 'commitment_new', 'proof_new'];
    const body = await fieldsOf(request, names, false);
    const name = body.text('challenge_id');
    const credentialId = credentialIn(body);
    const proofOld = proofIn(body, 'proof_old');
    const commitmentNew = commitmentIn(body, 'commitment_new');
    const proofNew = proofIn(body, 'proof_new');
    const named = challengeOf(name);
    if (named === undefined) throw denied();
    const attempt = { ...named, credentialId, proofOld, commitmentNew, proofNew, channelBinding, source: context.source };
    const verdict = await store.rotate(attempt);
    const { commitmentVersion } = host.accepted(verdict);
    host.audit('rotated', named.clientId, context, { credentialId: crypto.credentialIdOf(commitmentNew) });
    const answer: Rotated = { client_id: named.clientId, commitment_version: commitmentVersion };
    return json(answer);
  };

  const whoami: Handler = async (request, context) => {
    const identity = await host.identify(request.headers.get('authorization'), context.source);
    const { clientId, expiresAt, scopes, tenant } = identity;
    const client = await store.find(clientId);
    if (client === undefined) throw notAuthorized(true);
    const answer: WhoAmI = {
      client_id: clientId,
      expires_at: expiresAt,
      commitment_version: client.commitmentVersion,
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      ...(tenant !== undefined && { tenant }),
    };
    return json(answer);
  };

  const jwks: Handler = async () =>
    new Response(JSON.stringify(tokens.keySet()), {
      headers: { 'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=3600' },
    });

  return [
    [PATHS.enroll, 'POST', enroll],
    [PATHS.challenge, 'POST', challenge],
    [PATHS.verify, 'POST', verify],
    [PATHS.rotate, 'POST', rotate],
    [PATHS.whoami, 'GET', whoami],
    [PATHS.jwks, 'GET', jwks],
  ];
}

const of = (credentialId: string | undefined): { credentialId?: string } =>
  credentialId === undefined ? {} : { credentialId };
