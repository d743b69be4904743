// Clients inside PostgreSQL with the extension pg_2fapi, which verifies the proofs itself.

import type { ClientStatus } from '@2fapi/protocol-spec';

import * as crypto from '../crypto.js';
import type { KnownClient, LifecycleChange, Store, Verdict } from '../store.js';
import { inTransaction, serverError, type PgConnection, type PgPool, type PgStep } from './pg-pool.js';
import { afterRotation, atOneVersion } from './version.js';

/**
 * Clients of pg_2fapi. Needs a role with `twofapi_admin`, for enrolment and the status of clients. No
 * session is opened in the database: that is for clients that talk to it themselves.
 *
 * The extension's `twofapi.audience` must be the audience that `createTwoFApi` is given.
 */
export function pgExtensionStore(pool: PgPool): Store<PgStep> {
  async function scalar(query: string, values: readonly unknown[], on: Pick<PgConnection, 'query'> = pool): Promise<unknown> {
    try {
      const { rows } = await on.query(`SELECT ${query} AS answer`, values);
      return (rows[0] as { answer: unknown }).answer;
    } catch (error) {
      const { message, detail } = serverError(error);
      const code = /^2FApi error code: ([a-z_]+)\.$/.exec(detail)?.[1];
      throw (code === undefined ? undefined : crypto.fromCode(code, message)) ?? error;
    }
  }

  async function outcome(
    query: string,
    values: readonly unknown[],
  ): Promise<Exclude<Verdict, { outcome: 'accepted' }> | 'accepted'> {
    try {
      return (await scalar(query, values)) === true ? 'accepted' : { outcome: 'denied' };
    } catch (error) {
      if (crypto.codeOf(error) !== 'throttled') throw error;
      const message = error instanceof Error ? error.message : '';
      return { outcome: 'throttled', retryAfterSeconds: crypto.secondsIn(message) };
    }
  }

  /** From the table, which tells the version as well; `twofapi_admin` may read it. */
  async function find(clientId: string): Promise<KnownClient | undefined> {
    const { rows } = await pool.query('SELECT status, commitment_version FROM twofapi.clients WHERE client_id = $1', [clientId]);
    const row = rows[0] as { status: ClientStatus; commitment_version: number } | undefined;
    return row && { status: row.status, commitmentVersion: row.commitment_version };
  }

  return {
    redeems: typeof pool.connect === 'function',

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

    async enroll(clientId, commitment, proof, redeem) {
      const values = [clientId, Buffer.from(commitment), Buffer.from(proof)];
      const enroll = (on: Pick<PgConnection, 'query'>) => scalar('twofapi.enroll($1, $2, $3)', values, on);
      try {
        if (redeem === undefined) return (await enroll(pool)) === true ? 'enrolled' : 'denied';
        return await inTransaction(pool, async (connection) => {
          if ((await enroll(connection)) !== true) return { rollback: 'denied' as const };
          const isRedeemed = (await redeem({ query: (text, given) => connection.query(text, given) })) === true;
          return isRedeemed ? { commit: 'enrolled' as const } : { rollback: 'not_permitted' as const };
        });
      } catch (error) {
        if (crypto.codeOf(error) === 'already_enrolled') return 'already_enrolled';
        throw error;
      }
    },

    authenticate: ({ clientId, challengeId, proof, channelBinding }) =>
      atOneVersion(
        () => find(clientId),
        () =>
          outcome('twofapi.verify($1, $2, $3, $4)', [
            clientId,
            challengeId,
            Buffer.from(proof),
            Buffer.from(channelBinding),
          ]),
      ),

    rotate: ({ clientId, challengeId, proofOld, commitmentNew, proofNew }) =>
      afterRotation(
        () => find(clientId),
        () =>
          outcome('twofapi.rotate_commitment($1, $2, $3, $4, $5)', [
            clientId,
            challengeId,
            Buffer.from(proofOld),
            Buffer.from(commitmentNew),
            Buffer.from(proofNew),
          ]),
      ),

    find,

    async honours(clientId, { credentialId, since, generation }) {
      const client = await find(clientId);
      return client?.status === 'active' && client.commitmentVersion === since && credentialId === undefined && generation === 0;
    },

    async change(clientId, change: LifecycleChange) {
      await scalar(`twofapi.${change}_client($1)`, [clientId]);
    },
  };
}
