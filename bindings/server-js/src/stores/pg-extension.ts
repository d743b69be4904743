// Clients inside PostgreSQL with the extension pg_2fapi, which verifies the proofs itself.

import type { ClientStatus } from '@2fapi/protocol-spec';

import * as crypto from '../crypto.js';
import type { Host, LifecycleChange, Verdict } from '../host.js';
import { serverError, type PgPool } from './pg-pool.js';

/**
 * Clients of pg_2fapi. Needs a role with `twofapi_admin`, for enrolment and the status of clients. No
 * session is opened in the database: that is for clients that talk to it themselves.
 *
 * The extension's `twofapi.audience` must be the audience that `createTwoFApi` is given.
 */
export function pgExtensionStore(pool: PgPool): Host {
  async function scalar(query: string, values: readonly unknown[]): Promise<unknown> {
    try {
      const { rows } = await pool.query(`SELECT ${query} AS answer`, values);
      return (rows[0] as { answer: unknown }).answer;
    } catch (error) {
      const { message, detail } = serverError(error);
      const code = /^2FApi error code: ([a-z_]+)\.$/.exec(detail)?.[1];
      throw (code === undefined ? undefined : crypto.fromCode(code, message)) ?? error;
    }
  }

  async function verdict(query: string, values: readonly unknown[]): Promise<Verdict> {
    try {
      return { outcome: (await scalar(query, values)) === true ? 'accepted' : 'denied' };
    } catch (error) {
      if (crypto.codeOf(error) !== 'throttled') throw error;
      const message = error instanceof Error ? error.message : '';
      return { outcome: 'throttled', retryAfterSeconds: crypto.secondsIn(message) };
    }
  }

  return {
    async challenge(clientId, channelBinding) {
      const answer = await scalar(
        `(SELECT json_build_object('id', challenge_id, 'nonce', encode(nonce, 'hex'),
            'binding', encode(channel_binding, 'hex'), 'expires', extract(epoch FROM expires_at)::bigint)
          FROM twofapi.challenge($1))`,
        [clientId],
      );
      const { id, nonce, binding, expires } = answer as Record<string, string>;
      if (id === undefined || nonce === undefined) throw new Error('twofapi.challenge answered less');
      const theirs = Buffer.from(binding ?? '', 'hex');
      if (!theirs.equals(channelBinding)) {
        throw new Error(
          `pg_2fapi binds proofs to "${theirs.toString('latin1')}", and this service to ` +
            `"${Buffer.from(channelBinding).toString('latin1')}": set twofapi.audience to the audience`,
        );
      }
      return { challengeId: id, nonce: Buffer.from(nonce, 'hex'), expiresAt: Number(expires) };
    },

    async enroll(clientId, commitment, proof) {
      try {
        const values = [clientId, Buffer.from(commitment), Buffer.from(proof)];
        return (await scalar('twofapi.enroll($1, $2, $3)', values)) === true ? 'enrolled' : 'denied';
      } catch (error) {
        if (crypto.codeOf(error) === 'already_enrolled') return 'already_enrolled';
        throw error;
      }
    },

    authenticate: ({ clientId, challengeId, proof, channelBinding }) =>
      verdict('twofapi.verify($1, $2, $3, $4)', [
        clientId,
        challengeId,
        Buffer.from(proof),
        Buffer.from(channelBinding),
      ]),

    rotate: ({ clientId, challengeId, proofOld, commitmentNew, proofNew }) =>
      verdict('twofapi.rotate_commitment($1, $2, $3, $4, $5)', [
        clientId,
        challengeId,
        Buffer.from(proofOld),
        Buffer.from(commitmentNew),
        Buffer.from(proofNew),
      ]),

    async find(clientId) {
      try {
        return { status: (await scalar('twofapi.client_status($1)', [clientId])) as ClientStatus };
      } catch (error) {
        if (crypto.codeOf(error) === 'not_enrolled') return undefined;
        throw error;
      }
    },

    async change(clientId, change: LifecycleChange) {
      await scalar(`twofapi.${change}_client($1)`, [clientId]);
    },
  };
}
