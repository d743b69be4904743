// Clients inside PostgreSQL with the extension pg_2fapi, which verifies the proofs itself.

import type { ClientStatus } from '@2fapi/protocol-spec';

import { authorityIn } from '../authority.js';
import { unixSeconds } from '../clock.js';
import * as crypto from '../crypto.js';
import type { LifecycleChange, ResetOutcome, Store, Verdict } from '../store.js';
import { changedElsewhere, loggedInElsewhere } from './elsewhere.js';
import { inTransaction, serverError, type PgConnection, type PgPool, type PgStep } from './pg-pool.js';

/** What is read of a client. */
interface ClientRow {
  readonly status: ClientStatus;
  readonly version: number;
  readonly generation: number;
  readonly scopes: readonly string[] | null;
  readonly claims: { readonly [name: string]: unknown } | null;
  readonly sources: readonly string[] | null;
  readonly tenant: string | null;
  readonly rate: number | null;
  readonly expires: number | null;
  readonly credentials: readonly {
    readonly commitment: string;
    readonly name: string;
    readonly created: number | null;
    readonly since: number;
    readonly expires: number | null;
  }[];
}

const partsOf = ({ status, version, generation, credentials, ...said }: ClientRow): crypto.RecordParts => ({
  status,
  version,
  generation,
  credentials: credentials.map(({ commitment, name, created, since, expires }) => ({
    credentialId: '',
    commitment: Buffer.from(commitment, 'hex'),
    name,
    created: created ?? 0,
    since,
    ...(expires === null ? {} : { expiresAt: expires }),
  })),
  attributes: {
    scopes: said.scopes ?? [],
    claims: said.claims ?? {},
    sources: said.sources ?? [],
    ...(said.tenant === null ? {} : { tenant: said.tenant }),
    ...(said.rate === null ? {} : { requestsPerMinute: said.rate }),
    ...(said.expires === null ? {} : { expiresAt: Math.floor(said.expires) }),
  },
});

/**
 * Clients of pg_2fapi 1.1. Needs a role with `twofapi_admin`, for enrolment and the status of clients. No
 * session is opened in the database: that is for clients that talk to it themselves, and so are links from a second
 * device; from one device they work here.
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

  /** The record as the core writes it, from the columns; `twofapi_admin` may read them. */
  async function recordOf(clientId: string): Promise<Uint8Array | undefined> {
    const { rows } = await pool.query(
      `SELECT status, commitment_version AS version, generation::float8 AS generation, scopes, claims, sources, tenant,
              requests_per_minute::float8 AS rate, extract(epoch FROM expires_at)::float8 AS expires,
              (SELECT json_agg(json_build_object('commitment', encode(one.commitment, 'hex'), 'name', one.name,
                 'created', extract(epoch FROM one.created)::bigint, 'since', one.since,
                 'expires', extract(epoch FROM one.expires_at)::bigint))
                 FROM twofapi.client_credentials(client_id) AS one) AS credentials
         FROM twofapi.clients WHERE client_id = $1`,
      [clientId],
    );
    return rows[0] === undefined ? undefined : crypto.recordOfParts(partsOf(rows[0] as ClientRow));
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

    authenticate: ({ clientId, challengeId, credentialId, proof, channelBinding }) =>
      loggedInElsewhere(() => recordOf(clientId), credentialId, () =>
        outcome('twofapi.verify($1, $2, $3, $4, $5)', [
          clientId,
          challengeId,
          Buffer.from(proof),
          Buffer.from(channelBinding),
          credentialId ?? null,
        ]),
      ),

    rotate: ({ clientId, challengeId, credentialId, proofOld, commitmentNew, proofNew }) =>
      changedElsewhere(() => recordOf(clientId), crypto.credentialIdOf(commitmentNew), () =>
        outcome('twofapi.rotate_commitment($1, $2, $3, $4, $5, $6)', [
          clientId,
          challengeId,
          Buffer.from(proofOld),
          Buffer.from(commitmentNew),
          Buffer.from(proofNew),
          credentialId ?? null,
        ]),
      ),

    link: ({ clientId, challengeId, credentialId, proof, commitmentNew, proofNew, name }) =>
      changedElsewhere(() => recordOf(clientId), credentialId, () =>
        outcome('twofapi.link_credential($1, $2, $3, $4, $5, $6, $7)', [
          clientId,
          challengeId,
          Buffer.from(proof),
          Buffer.from(commitmentNew),
          proofNew === undefined ? null : Buffer.from(proofNew),
          name ?? null,
          credentialId ?? null,
        ]),
      ),

    unlink: ({ clientId, challengeId, credentialId, proof, commitmentOld }) =>
      changedElsewhere(() => recordOf(clientId), credentialId, () =>
        outcome('twofapi.unlink_credential($1, $2, $3, $4, $5)', [
          clientId,
          challengeId,
          Buffer.from(proof),
          Buffer.from(commitmentOld),
          credentialId ?? null,
        ]),
      ),

    async reset(clientId, commitment, proof, redeem) {
      const values = [clientId, Buffer.from(commitment), Buffer.from(proof)];
      const reset = (on: Pick<PgConnection, 'query'>) => scalar('twofapi.reset_client($1, $2, $3)', values, on);
      const done = async (): Promise<ResetOutcome> => {
        const { status, version } = crypto.readRecord((await recordOf(clientId)) ?? new Uint8Array(0));
        return status === 'revoked' ? 'denied' : { status, commitmentVersion: version };
      };
      try {
        if (redeem === undefined) return (await reset(pool)) === true ? await done() : 'denied';
        const outcome = await inTransaction(pool, async (connection) => {
          if ((await reset(connection)) !== true) return { rollback: 'denied' as const };
          const isRedeemed = (await redeem({ query: (text, given) => connection.query(text, given) })) === true;
          return isRedeemed ? { commit: 'reset' as const } : { rollback: 'not_permitted' as const };
        });
        return outcome === 'reset' ? await done() : outcome;
      } catch (error) {
        const code = crypto.codeOf(error);
        if (code === 'not_enrolled' || code === 'not_active' || code === 'denied') return 'denied';
        throw error;
      }
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

    async setAttributes(clientId, attributes) {
      const record = await recordOf(clientId);
      if (record === undefined) throw crypto.error('not_enrolled', 'the client was never enrolled');
      // The core says what is malformed.
      const { attributes: said } = crypto.readRecord(crypto.recordWithAttributes(record, attributes));
      const orNothing = (texts: readonly string[] = []): readonly string[] | null => (texts.length === 0 ? null : texts);
      const claims = JSON.stringify(said.claims ?? {});
      await scalar('twofapi.set_client_attributes($1, $2, $3, $4, $5, $6)', [
        clientId,
        orNothing(said.scopes),
        claims === '{}' ? null : claims,
        orNothing(said.sources),
        said.requestsPerMinute ?? null,
        said.tenant ?? null,
      ]);
      await scalar('twofapi.set_client_expiry($1, to_timestamp($2::float8))', [clientId, said.expiresAt ?? null]);
    },

    async setExpiry(clientId, credentialId, expiresAt) {
      const values = [clientId, credentialId, expiresAt ?? null];
      await scalar('twofapi.set_credential_expiry($1, $2, to_timestamp($3::float8))', values);
    },

    async change(clientId, change: LifecycleChange) {
      await scalar(change === 'end_sessions' ? 'twofapi.end_sessions($1)' : `twofapi.${change}_client($1)`, [clientId]);
    },
  };
}
