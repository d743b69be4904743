// Clients inside Redis with the module redis-2fapi, which verifies the proofs itself.

import type { ClientStatus } from '@2fapi/protocol-spec';

import * as crypto from '../crypto.js';
import { once } from '../once.js';
import type { KnownClient, LifecycleChange, Store, Verdict } from '../store.js';
import { afterRotation, atOneVersion } from './version.js';
import { errorLine, sender, text, type RedisClient } from './redis-client.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

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
export function redisModuleStore(client: RedisClient): Store<never> {
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

  async function find(clientId: string): Promise<KnownClient | undefined> {
    crypto.mustBeClientId(clientId);
    const answer = await send('2FAPI.STATUS', clientId, 'VERSION');
    const [status, version] = answer as [unknown, unknown];
    if (text(status) === 'unknown') return undefined;
    return { status: text(status) as ClientStatus, commitmentVersion: Number(version) };
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

    async authenticate({ clientId, challengeId, proof, channelBinding }) {
      crypto.mustBeClientId(clientId);
      crypto.mustBeProof(proof);
      await ready(channelBinding);
      return atOneVersion(() => find(clientId), async () => {
        const answer = await outcome(send('2FAPI.VERIFY', clientId, challengeId, hex(proof)));
        if (answer === 'accepted') await send('2FAPI.LOGOUT');
        return answer;
      });
    },

    async rotate({ clientId, challengeId, proofOld, commitmentNew, proofNew, channelBinding }) {
      crypto.mustBeClientId(clientId);
      crypto.mustBeProof(proofOld);
      crypto.mustBeCommitment(commitmentNew);
      crypto.mustBeProof(proofNew);
      await ready(channelBinding);
      const words = [hex(proofOld), hex(commitmentNew), hex(proofNew)];
      return afterRotation(() => find(clientId), () => outcome(send('2FAPI.ROTATE', clientId, challengeId, ...words)));
    },

    find,

    async honours(clientId, { credentialId, since, generation }) {
      const client = await find(clientId);
      return client?.status === 'active' && client.commitmentVersion === since && credentialId === undefined && generation === 0;
    },

    async change(clientId, change: LifecycleChange) {
      await send(`2FAPI.${change.toUpperCase()}`, clientId).catch((error: unknown) => {
        throw crypto.fromLine(errorLine(error)) ?? error;
      });
    },
  };
}
