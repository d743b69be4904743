// Clients as rows of a plain table in PostgreSQL: proofs are verified in this process.

import { randomBytes } from 'node:crypto';

import type { ClientRecord, ClientStatus } from '@2fapi/protocol-spec';

import * as crypto from '../crypto.js';
import type { Host } from '../host.js';
import { hostOver, once, type RecordsOptions } from '../records.js';
import { identifier, type PgPool } from './pg-pool.js';

/** Settings of {@link postgresStore}. */
export interface PostgresOptions extends RecordsOptions {
  /** The table of commitments, `zk_commitments` unless set. Others are named after it. */
  readonly table?: string;
}

/**
 * What {@link postgresStore} needs, as SQL for a migration: commitments by the id of a user, the
 * challenges that are used up, and the key that challenges are computed from. Whoever can write to
 * these tables decides who is enrolled; whoever can read the last one can predict nonces.
 */
export function postgresSchema(table = 'zk_commitments'): string {
  const name = identifier(table);
  return `CREATE TABLE ${name} (
  user_id uuid PRIMARY KEY,
  commitment bytea NOT NULL CHECK (octet_length(commitment) = 32),
  commitment_version integer NOT NULL DEFAULT 1 CHECK (commitment_version >= 1),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'revoked')),
  enrolled_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ${name}_spent (
  spent_key bytea PRIMARY KEY,
  expires_at bigint NOT NULL
);
CREATE INDEX ON ${name}_spent (expires_at);
CREATE TABLE ${name}_key (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  challenge_key bytea NOT NULL CHECK (octet_length(challenge_key) = 32)
);
`;
}

/** A client id of this store is a UUID as PostgreSQL writes it, so that one user has one id. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

interface Row {
  commitment: Uint8Array;
  commitment_version: number;
  status: ClientStatus;
}

/**
 * Clients as rows of `zk_commitments (user_id uuid, …)`. Client ids are user ids: UUIDs in lower case.
 * Used challenges are deleted when they have expired, a few at each login.
 */
export function postgresStore(pool: PgPool, options: PostgresOptions = {}): Host {
  const table = identifier(options.table ?? 'zk_commitments');

  async function sharedKey(): Promise<Uint8Array> {
    await pool.query(
      `INSERT INTO ${table}_key (challenge_key) VALUES ($1) ON CONFLICT DO NOTHING`,
      [randomBytes(32)],
    );
    const { rows } = await pool.query(`SELECT challenge_key FROM ${table}_key`);
    return (rows[0] as { challenge_key: Uint8Array }).challenge_key;
  }

  return hostOver(
    {
      challengeKey: once(sharedKey),
      find: async (clientId) => {
        if (!UUID.test(clientId)) return undefined;
        const { rows } = await pool.query(
          `SELECT commitment, commitment_version, status FROM ${table} WHERE user_id = $1`,
          [clientId],
        );
        const row = rows[0] as Row | undefined;
        return row && { commitment: row.commitment, commitmentVersion: row.commitment_version, status: row.status };
      },
      insert: async (clientId, record: ClientRecord) => {
        if (!UUID.test(clientId)) {
          throw crypto.error('invalid_client_id', 'a client id must be the UUID of a user, in lower case');
        }
        const { rowCount } = await pool.query(
          `INSERT INTO ${table} (user_id, commitment) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
          [clientId, Buffer.from(record.commitment)],
        );
        return rowCount === 1;
      },
      replace: async (clientId, was, is) => {
        const { rowCount } = await pool.query(
          `UPDATE ${table} SET commitment = $2, commitment_version = $3, status = $4
            WHERE user_id = $1 AND commitment_version = $5 AND status = $6`,
          [clientId, Buffer.from(is.commitment), is.commitmentVersion, is.status, was.commitmentVersion, was.status],
        );
        return rowCount === 1;
      },
      spend: async (spentKey, expiresAt, now) => {
        // Clocks of machines differ: what has expired is forgotten a minute later.
        await pool.query(
          `DELETE FROM ${table}_spent WHERE spent_key IN (
             SELECT spent_key FROM ${table}_spent WHERE expires_at < $1 LIMIT 10 FOR UPDATE SKIP LOCKED)`,
          [now - 60],
        );
        const { rowCount } = await pool.query(
          `INSERT INTO ${table}_spent (spent_key, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
          [Buffer.from(spentKey), expiresAt],
        );
        return rowCount === 1 ? 'fresh' : 'spent';
      },
    },
    options,
  );
}
