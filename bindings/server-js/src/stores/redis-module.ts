// Clients inside Redis with the module redis-2fapi, which verifies the proofs itself.

import { authorityIn } from '../authority.js';
import { unixSeconds } from '../clock.js';
import * as crypto from '../crypto.js';
import { once } from '../once.js';
import type { LifecycleChange, Links, Offer, Store, Verdict } from '../store.js';
import { changedElsewhere, loggedInElsewhere } from './elsewhere.js';
import { errorLine, fields, sender, text, type RedisClient } from './redis-client.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The words by which a command names a credential. */
const naming = (credentialId: string | undefined): string[] => (credentialId === undefined ? [] : ['CREDENTIAL', credentialId]);

/**
 * Clients of redis-2fapi. The connection must be allowed all of `2FAPI.*`, and be this store's own: an
 * accepted proof makes it the client's session for the moment until it is logged out again. With
 * `2fapi.acl-mapping yes` Redis is meant to be asked by clients themselves, not by a service in their
 * name; this store then answers with an error.
 *
 * Nothing else can be done in the step that enrols: `redeem` is not for this store.
 *
 * The module's `2fapi.audience` must be the audience that `createTwoFApi` is given.
 */
export function redisModuleStore(client: RedisClient): Store<never> & Links<never> {
  const send = sender(client);

  async function check(channelBinding: Uint8Array): Promise<void> {
    const setting = async (name: string): Promise<string> => {
      const answer: unknown = await send('CONFIG', 'GET', name);
      if (Array.isArray(answer)) return text(answer[1]);
      return text(Object.values(answer as Record<string, unknown>)[0]);
    };
    const audience = await setting('2fapi.audience');
    const theirs = audience === '' ? new Uint8Array(0) : crypto.audienceBinding(audience);
    if (!Buffer.from(theirs).equals(channelBinding)) {
      throw new Error(
        `redis-2fapi has the audience "${audience}", and this service binds proofs to ` +
          `"${Buffer.from(channelBinding).toString('latin1')}": set 2fapi.audience to its audience`,
      );
    }
    if ((await setting('2fapi.acl-mapping')) === 'yes') {
      throw new Error('redis-2fapi maps clients to ACL users (2fapi.acl-mapping): a service cannot stand between');
    }
  }

  let binding: Uint8Array = new Uint8Array(0);
  const checked = once(() => check(binding));
  const ready = (channelBinding: Uint8Array): Promise<void> => {
    binding = channelBinding;
    return checked();
  };

  /** The record of a client, as the module keeps it. */
  async function recordOf(clientId: string): Promise<Uint8Array | undefined> {
    crypto.mustBeClientId(clientId);
    try {
      return Buffer.from(text(fields(await send('2FAPI.SHOW', clientId)).get('record')), 'hex');
    } catch (error) {
      if (errorLine(error).startsWith('NOCLIENT')) return undefined;
      throw error;
    }
  }

  /** Until when an offer or what has joined it is good. */
  async function offered(answering: Promise<unknown>): Promise<Offer> {
    const denied = (error: unknown): unknown => {
      if (/^(DENIED|NOCLIENT)/.test(errorLine(error))) return undefined;
      throw error;
    };
    const until = await answering.catch(denied);
    return until === undefined ? { outcome: 'denied' } : { outcome: 'accepted', expiresAt: Number(until) };
  }

  /** What an operator says; `not_enrolled` and `not_active` where the module says so. */
  async function said(answering: Promise<unknown>): Promise<void> {
    await answering.catch((error: unknown) => {
      throw crypto.fromLine(errorLine(error)) ?? error;
    });
  }

  /** From the module's error prefixes to what they mean here. */
  async function outcome(answer: Promise<unknown>): Promise<Exclude<Verdict, { outcome: 'accepted' }> | 'accepted'> {
    try {
      await answer;
      return 'accepted';
    } catch (error) {
      const line = errorLine(error);
      if (line.startsWith('DENIED')) return { outcome: 'denied' };
      if (line.startsWith('LIMIT')) {
        return { outcome: 'throttled', retryAfterSeconds: crypto.secondsIn(line) };
      }
      throw crypto.fromLine(line) ?? error;
    }
  }

  return {
    redeems: false,

    async challenge(clientId, channelBinding) {
      crypto.mustBeClientId(clientId);
      await ready(channelBinding);
      const answer = await send('2FAPI.CHALLENGE', clientId);
      const [challengeId, nonce] = (answer as unknown[]).map(text);
      if (challengeId === undefined || nonce === undefined) throw new Error('2FAPI.CHALLENGE answered less');
      const expiresAt = Number.parseInt(challengeId.slice(3, 11), 16);
      return { challengeId, nonce: Buffer.from(nonce, 'hex'), expiresAt };
    },

    async enroll(clientId, commitment, proof) {
      crypto.mustBeClientId(clientId);
      crypto.mustBeCommitment(commitment);
      crypto.mustBeProof(proof);
      try {
        await send('2FAPI.ENROLL', clientId, hex(commitment), 'PROOF', hex(proof));
        return 'enrolled';
      } catch (error) {
        const line = errorLine(error);
        if (line.startsWith('EXISTS')) return 'already_enrolled';
        if (line.startsWith('DENIED')) return 'denied';
        throw crypto.fromLine(line) ?? error;
      }
    },

    async authenticate({ clientId, challengeId, credentialId, proof, channelBinding }) {
      crypto.mustBeClientId(clientId);
      if (credentialId !== undefined) crypto.mustBeCredentialId(credentialId);
      crypto.mustBeProof(proof);
      await ready(channelBinding);
      return loggedInElsewhere(() => recordOf(clientId), credentialId, async () => {
        const answer = await outcome(send('2FAPI.VERIFY', clientId, challengeId, hex(proof), ...naming(credentialId)));
        if (answer === 'accepted') await send('2FAPI.LOGOUT');
        return answer;
      });
    },

    async rotate({ clientId, challengeId, credentialId, proofOld, commitmentNew, proofNew, channelBinding }) {
      crypto.mustBeClientId(clientId);
      if (credentialId !== undefined) crypto.mustBeCredentialId(credentialId);
      crypto.mustBeProof(proofOld);
      crypto.mustBeCommitment(commitmentNew);
      crypto.mustBeProof(proofNew);
      await ready(channelBinding);
      const words = [hex(proofOld), hex(commitmentNew), hex(proofNew), ...naming(credentialId)];
      const attempt = () => outcome(send('2FAPI.ROTATE', clientId, challengeId, ...words));
      return changedElsewhere(() => recordOf(clientId), crypto.credentialIdOf(commitmentNew), attempt);
    },

    async link({ clientId, challengeId, credentialId, proof, commitmentNew, proofNew, name, channelBinding }) {
      crypto.mustBeClientId(clientId);
      if (credentialId !== undefined) crypto.mustBeCredentialId(credentialId);
      crypto.mustBeProof(proof);
      crypto.mustBeCommitment(commitmentNew);
      if (proofNew !== undefined) crypto.mustBeProof(proofNew);
      if (name !== undefined) crypto.mustBeName(name);
      await ready(channelBinding);
      const joining = [...(proofNew === undefined ? [] : ['PROOF', hex(proofNew)]), ...(name === undefined ? [] : ['NAME', name])];
      const words = [hex(proof), hex(commitmentNew), ...joining, ...naming(credentialId)];
      const attempt = () => outcome(send('2FAPI.LINK', clientId, challengeId, ...words));
      return changedElsewhere(() => recordOf(clientId), credentialId, attempt);
    },

    async unlink({ clientId, challengeId, credentialId, proof, commitmentOld, channelBinding }) {
      crypto.mustBeClientId(clientId);
      if (credentialId !== undefined) crypto.mustBeCredentialId(credentialId);
      crypto.mustBeProof(proof);
      crypto.mustBeCommitment(commitmentOld);
      await ready(channelBinding);
      const words = [hex(proof), hex(commitmentOld), ...naming(credentialId)];
      const attempt = () => outcome(send('2FAPI.UNLINK', clientId, challengeId, ...words));
      return changedElsewhere(() => recordOf(clientId), credentialId, attempt);
    },

    async offerLink(of, { clientId, challengeId, channelBinding }) {
      crypto.mustBeClientId(of);
      await ready(channelBinding);
      if (clientId !== of) return { outcome: 'denied' };
      return offered(send('2FAPI.OFFERFOR', of, challengeId));
    },

    async pendingLink(clientId) {
      crypto.mustBeClientId(clientId);
      const pending = fields(await send('2FAPI.PENDINGFOR', clientId));
      const state = text(pending.get('state'));
      if (state !== 'open' && state !== 'joined' && state !== 'clashed') return undefined;
      const bytes = (name: string): Uint8Array => Buffer.from(text(pending.get(name)), 'hex');
      return {
        state,
        challengeId: text(pending.get('challenge_id')),
        expiresAt: Number(pending.get('expires_at')),
        ...(state === 'joined' && { commitment: bytes('commitment'), proof: bytes('proof'), name: text(pending.get('name')) }),
      };
    },

    async joinLink({ clientId, challengeId, commitment, proof, name, channelBinding }) {
      crypto.mustBeClientId(clientId);
      crypto.mustBeCommitment(commitment);
      crypto.mustBeProof(proof);
      crypto.mustBeName(name);
      await ready(channelBinding);
      return offered(send('2FAPI.JOIN', clientId, challengeId, hex(commitment), hex(proof), name));
    },

    async reset(clientId, commitment, proof) {
      crypto.mustBeClientId(clientId);
      crypto.mustBeCommitment(commitment);
      crypto.mustBeProof(proof);
      try {
        await send('2FAPI.RESET', clientId, hex(commitment), 'PROOF', hex(proof));
      } catch (error) {
        const line = errorLine(error);
        if (/^(DENIED|NOCLIENT|INACTIVE)/.test(line)) return 'denied';
        throw crypto.fromLine(line) ?? error;
      }
      const after = await recordOf(clientId);
      const { status, version } = crypto.readRecord(after ?? new Uint8Array(0));
      return status === 'revoked' ? 'denied' : { status, commitmentVersion: version };
    },

    async find(clientId) {
      const record = await recordOf(clientId);
      if (record === undefined) return undefined;
      const { version, ...known } = crypto.readRecord(record);
      return { ...known, commitmentVersion: version };
    },

    async honours(clientId, named) {
      const record = await recordOf(clientId);
      return record !== undefined && crypto.honours(record, named, unixSeconds());
    },

    async authority(clientId, named, source) {
      const record = await recordOf(clientId);
      return record && authorityIn(record, named, source);
    },

    async change(clientId, change: LifecycleChange) {
      crypto.mustBeClientId(clientId);
      await said(send(`2FAPI.${change.replace('_', '').toUpperCase()}`, clientId));
    },

    async setAttributes(clientId, attributes) {
      const record = await recordOf(clientId);
      if (record === undefined) throw crypto.error('not_enrolled', 'the client was never enrolled');
      // The core says what is malformed, before it is written as words.
      const { attributes: kept } = crypto.readRecord(crypto.recordWithAttributes(record, attributes));
      const words = {
        EXPIREAT: kept.expiresAt ?? '',
        SCOPES: (kept.scopes ?? []).join(' '),
        CLAIMS: JSON.stringify(kept.claims ?? {}),
        SOURCES: (kept.sources ?? []).join(' '),
        RATE: kept.requestsPerMinute ?? '',
        TENANT: kept.tenant ?? '',
      };
      await said(send('2FAPI.ATTRIBUTES', clientId, ...Object.entries(words).flat().map(String)));
    },

    async setExpiry(clientId, credentialId, expiresAt) {
      crypto.mustBeClientId(clientId);
      crypto.mustBeCredentialId(credentialId);
      // Of the module's 0 is never; of the first second of all times it makes no difference.
      const at = expiresAt === undefined ? 0 : Math.max(1, expiresAt);
      await said(send('2FAPI.EXPIREAT', clientId, String(at), ...naming(credentialId)));
    },
  };
}
