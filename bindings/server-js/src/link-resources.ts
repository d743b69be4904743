// The resources of a client's credentials: linked, unlinked, listed, and joined by a second device. Each is there
// where the store can do it.

import {
  PATHS,
  type Credentials,
  type Linked,
  type ListedCredential,
  type Offered,
  type PendingLink,
  type Unlinked,
} from '@2fapi/protocol-spec';

import { fieldsOf, malformed, type Fields } from './body.js';
import * as crypto from './crypto.js';
import { challengeOf, json, type Handler, type Host, type Resources } from './host.js';
import { commitmentIn, credentialIn, proofIn } from './login-resources.js';
import type { Links } from './store.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function nameIn(body: Fields): string {
  const name = body.text('name');
  crypto.mustBeName(name);
  return name;
}

export function linkResources<Step>(host: Host<Step>): Resources {
  const { channelBinding, denied, notAuthorized } = host;
  const { store } = host;
  const resources: Resources[number][] = [];
  const add = (...resource: [path: string, method: 'GET' | 'POST', handler: Handler]) => void resources.push(resource);
  /** What the store can do. */
  const able = <Name extends keyof Links<Step>>(name: Name): Links<Step>[Name] | undefined => {
    const method = (store as Partial<Links<Step>>)[name] as ((...words: never[]) => unknown) | undefined;
    return method?.bind(store) as Links<Step>[Name] | undefined;
  };

  const link = able('link');
  if (link !== undefined) {
    add(PATHS.link, 'POST', async (request, context) => {
      const names = ['challenge_id', 'credential_id', 'proof', 'commitment_new', 'proof_new', 'name'];
      const body = await fieldsOf(request, names, false);
      const challengeName = body.text('challenge_id');
      const credentialId = credentialIn(body);
      const proof = proofIn(body, 'proof');
      const commitmentNew = commitmentIn(body, 'commitment_new');
      const proofNew = body.has('proof_new') ? proofIn(body, 'proof_new') : undefined;
      const name = body.has('name') ? nameIn(body) : undefined;
      if ((proofNew === undefined) !== (name === undefined)) {
        throw malformed(
          '"proof_new" and "name" belong together: send both for a credential of this device, and neither for one of a ' +
            'second device that has joined',
        );
      }
      const named = challengeOf(challengeName);
      if (named === undefined) throw denied();
      const attempt = { ...named, credentialId, proof, commitmentNew, proofNew, name, channelBinding, source: context.source };
      const { commitmentVersion } = host.accepted(await link(attempt));
      const linked = crypto.credentialIdOf(commitmentNew);
      host.audit('linked', named.clientId, context, { credentialId: linked, ...(name === undefined ? {} : { name }) });
      const answer: Linked = { client_id: named.clientId, credential_id: linked, commitment_version: commitmentVersion };
      return json(answer);
    });
  }

  const unlink = able('unlink');
  if (unlink !== undefined) {
    add(PATHS.unlink, 'POST', async (request, context) => {
      const body = await fieldsOf(request, ['challenge_id', 'credential_id', 'proof', 'commitment_old'], false);
      const name = body.text('challenge_id');
      const credentialId = credentialIn(body);
      const proof = proofIn(body, 'proof');
      const commitmentOld = commitmentIn(body, 'commitment_old');
      const named = challengeOf(name);
      if (named === undefined) throw denied();
      const verdict = await unlink({ ...named, credentialId, proof, commitmentOld, channelBinding, source: context.source });
      const { commitmentVersion } = host.accepted(verdict);
      host.audit('unlinked', named.clientId, context, { credentialId: crypto.credentialIdOf(commitmentOld) });
      const answer: Unlinked = { client_id: named.clientId, commitment_version: commitmentVersion };
      return json(answer);
    });
  }

  const offerLink = able('offerLink');
  if (offerLink !== undefined) {
    add(PATHS.linkOffer, 'POST', async (request, context) => {
      const name = (await fieldsOf(request, ['challenge_id'], false)).text('challenge_id');
      const { clientId } = await host.identify(request.headers.get('authorization'), context.source);
      const named = challengeOf(name);
      // One answer for a bad token and a bad challenge: which of the two it was is not told.
      if (named === undefined) throw notAuthorized(true);
      const offered = await offerLink(clientId, { ...named, channelBinding });
      if (offered.outcome === 'denied') throw notAuthorized(true);
      host.audit('offered', clientId, context);
      const answer: Offered = { client_id: clientId, expires_at: offered.expiresAt };
      return json(answer);
    });
  }

  const pendingLink = able('pendingLink');
  if (pendingLink !== undefined) {
    add(PATHS.linkOffer, 'GET', async (request, context) => {
      const { clientId } = await host.identify(request.headers.get('authorization'), context.source);
      const kept = await pendingLink(clientId);
      if (kept === undefined) return json({ state: 'none' } satisfies PendingLink);
      const { state, challengeId, expiresAt, commitment, proof, name } = kept;
      const answer: PendingLink = {
        state,
        challenge_id: `${challengeId}.${clientId}`,
        expires_at: expiresAt,
        ...(commitment === undefined ? {} : { commitment: hex(commitment) }),
        ...(proof === undefined ? {} : { proof: hex(proof) }),
        ...(name === undefined ? {} : { name }),
      };
      return json(answer);
    });
  }

  const joinLink = able('joinLink');
  if (joinLink !== undefined) {
    add(PATHS.linkJoin, 'POST', async (request, context) => {
      const body = await fieldsOf(request, ['challenge_id', 'commitment', 'proof', 'name'], false);
      const challengeName = body.text('challenge_id');
      const commitment = commitmentIn(body, 'commitment');
      const proof = proofIn(body, 'proof');
      const name = nameIn(body);
      const named = challengeOf(challengeName);
      if (named === undefined) throw denied();
      const joined = await joinLink({ ...named, commitment, proof, name, channelBinding });
      if (joined.outcome === 'denied') throw denied();
      host.audit('joined', named.clientId, context, { credentialId: crypto.credentialIdOf(commitment), name });
      const answer: Offered = { client_id: named.clientId, expires_at: joined.expiresAt };
      return json(answer);
    });
  }

  if (link !== undefined) {
    add(PATHS.credentials, 'GET', async (request, context) => {
      const { clientId } = await host.identify(request.headers.get('authorization'), context.source);
      const client = await store.find(clientId);
      if (client?.credentials === undefined) throw notAuthorized(true);
      const answer: Credentials = {
        client_id: clientId,
        commitment_version: client.commitmentVersion,
        credentials: client.credentials.map(listed),
      };
      return json(answer);
    });
  }

  return resources;
}

const listed = ({ credentialId, commitment, name, created, since, expiresAt }: crypto.ClientCredential): ListedCredential => ({
  credential_id: credentialId,
  commitment: hex(commitment),
  name,
  created,
  since,
  ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
});
