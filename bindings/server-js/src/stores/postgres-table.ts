// Clients as rows of a plain table in PostgreSQL: proofs are verified in this process.

import { randomBytes } from 'node:crypto';

import type { ClientRecord, ClientStatus } from '@2fapi/protocol-spec';

import { PERIOD_SECONDS } from '../challenge-keys.js';
import * as crypto from '../crypto.js';
import { once } from '../once.js';
import { storeOver, type Inserted, type RecordsOptions } from '../records.js';
import { onlyKnown } from '../settings.js';
import type { Store } from '../store.js';
import { identifier, inTransaction, serverError, type PgPool, type PgStep } from './pg-pool.js';

/** Settings of {@link postgresStore}. */
export interface PostgresOptions extends RecordsOptions {
  /** The table of commitments, `zk_commitments` unless set. The other is named after it. */
  readonly table?: string;
}

/**
 * What {@link postgresStore} needs, as SQL for a migration: commitments by the id of a user, unless that table is
 * there already; the challenges that are used up, and the keys that challenges are computed from. Whoever can
 * write to these tables decides who is enrolled; whoever can read the last one can predict nonces.
 */
export function postgresSchema(table = 'zk_commitments'): string {
  const name = identifier(table);
  const index = `${name.replace(/^.*\./, '')}_challenges_expires_at`;
  // Used challenges and keys are in one table that is lost as a whole after a crash: the challenges are dead then.
  return `CREATE TABLE IF NOT EXISTS ${name} (
  user_id uuid PRIMARY KEY,
  commitment bytea NOT NULL CHECK (octet_length(commitment) = 32),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'revoked')),
  commitment_version integer NOT NULL DEFAULT 1 CHECK (commitment_version >= 1),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNLOGGED TABLE IF NOT EXISTS ${name}_challenges (
  id bytea PRIMARY KEY,
  challenge_key bytea CHECK (octet_length(challenge_key) = 32),
  expires_at bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS ${index} ON ${name}_challenges (expires_at);
`;
}

/** A client id of this store is a UUID as PostgreSQL writes it, so that one user has one id. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** SQLSTATE of a foreign key that leads nowhere: there is no such user. */
const FOREIGN_KEY_VIOLATION = '23503';

interface Row {
  commitment: Uint8Array | string;
  commitment_version: number | string;
  status: ClientStatus;
}

/** What the table is like. It may be the application's own, from before. */
interface Columns {
  readonly isHex: boolean;
  readonly hasCreatedAt: boolean;
}

const NEEDED = ['user_id', 'commitment', 'status', 'commitment_version'] as const;

/**
 * Clients as rows of `zk_commitments (user_id uuid, commitment, status, commitment_version, created_at)`. Client ids
 * are user ids: UUIDs in lower case. The commitment is `bytea`, or text in hex. Used challenges are deleted when they
 * have expired, a few at each login. `redeem` gets the connection of the transaction that adds the client.
 */
export function postgresStore(pool: PgPool, options: PostgresOptions = {}): Store<PgStep> {
  const { table: named = 'zk_commitments', ...common } = options;
  onlyKnown(common, 'setting of postgresStore', ['challengeTtlSeconds', 'table']);
  const table = identifier(named);
  const challenges = `${table}_challenges`;

  const columns = once(async (): Promise<Columns> => {
    const { rows } = await pool.query(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type, to_regclass($2) IS NOT NULL AS complete
         FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
      [table, challenges],
    );
    const found = rows as { name: string; type: string; complete: boolean }[];
    const missing = NEEDED.filter((name) => !found.some((column) => column.name === name));
    if (missing.length > 0) throw new Error(`${table} has no ${missing.join(', ')}: postgresSchema() is the migration`);
    if (found[0]?.complete !== true) throw new Error(`there is no ${challenges}: postgresSchema() is the migration`);
    const type = found.find(({ name }) => name === 'commitment')?.type ?? '';
    if (!['bytea', 'text', 'character varying', 'character'].includes(type)) {
      throw new Error(`${table}.commitment must be bytea, or text for hex digits, and is ${type}`);
    }
    return { isHex: type !== 'bytea', hasCreatedAt: found.some(({ name }) => name === 'created_at') };
  });

  const written = (commitment: Uint8Array, { isHex }: Columns): Buffer | string => {
    const bytes = Buffer.from(commitment);
    return isHex ? bytes.toString('hex') : bytes;
  };

  function recordOf(row: Row): ClientRecord {
    const { commitment, commitment_version, status } = row;
    const bytes = typeof commitment === 'string' ? Buffer.from(commitment.replace(/^\\x/, '').trim(), 'hex') : commitment;
    if (bytes.length !== 32) throw new Error(`a commitment in ${table} is not of 32 bytes`);
    return { commitment: bytes, commitmentVersion: Number(commitment_version), status };
  }

  async function add(on: PgStep, clientId: string, record: ClientRecord): Promise<Inserted> {
    const about = await columns();
    const [also, its] = about.hasCreatedAt ? [', created_at', ', now()'] : ['', ''];
    try {
      const { rowCount } = await on.query(
        `INSERT INTO ${table} (user_id, commitment, status, commitment_version${also})
         VALUES ($1, $2, $3, $4${its}) ON CONFLICT (user_id) DO NOTHING`,
        [clientId, written(record.commitment, about), record.status, record.commitmentVersion],
      );
      return rowCount === 1 ? 'inserted' : 'exists';
    } catch (error) {
      if (serverError(error).code === FOREIGN_KEY_VIOLATION) return 'refused';
      throw error;
    }
  }

  return storeOver<PgStep>(
    {
      redeems: typeof pool.connect === 'function',
      challengeKey: async (period) => {
        const id = Buffer.alloc(8);
        id.writeBigUInt64BE(BigInt(period));
        const kept = async (): Promise<Uint8Array | undefined> => {
          const { rows } = await pool.query(`SELECT challenge_key FROM ${challenges} WHERE id = $1`, [id]);
          return (rows[0] as { challenge_key: Uint8Array } | undefined)?.challenge_key;
        };
        await columns();
        const found = await kept();
        if (found !== undefined) return found;
        // Whoever comes first draws it; all the others take that one.
        await pool.query(
          `INSERT INTO ${challenges} (id, challenge_key, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
          [id, randomBytes(32), (period + 1) * PERIOD_SECONDS],
        );
        const drawn = await kept();
        if (drawn === undefined) throw new Error(`${challenges} keeps no key: is the clock of the database behind?`);
        return drawn;
      },
      find: async (clientId) => {
        if (!UUID.test(clientId)) return undefined;
        const { rows } = await pool.query(
          `SELECT commitment, commitment_version, status FROM ${table} WHERE user_id = $1`,
          [clientId],
        );
        return rows[0] === undefined ? undefined : recordOf(rows[0] as Row);
      },
      insert: async (clientId, record, redeem) => {
        if (!UUID.test(clientId)) {
          throw crypto.error('invalid_client_id', 'a client id must be the UUID of a user, in lower case');
        }
        if (redeem === undefined) return add(pool, clientId, record);
        return inTransaction<Inserted>(pool, async (connection) => {
          const inserted = await add(connection, clientId, record);
          if (inserted !== 'inserted') return { rollback: inserted };
          const isRedeemed = (await redeem({ query: (text, values) => connection.query(text, values) })) === true;
          return isRedeemed ? { commit: inserted } : { rollback: 'refused' };
        });
      },
      replace: async (clientId, was, is) => {
        const { rowCount } = await pool.query(
          `UPDATE ${table} SET commitment = $2, commitment_version = $3, status = $4
            WHERE user_id = $1 AND commitment_version = $5 AND status = $6`,
          [
            clientId,
            written(is.commitment, await columns()),
            is.commitmentVersion,
            is.status,
            was.commitmentVersion,
            was.status,
          ],
        );
        return rowCount === 1;
      },
      spend: async (spentKey, expiresAt) => {
        // By the clock of the database, and a minute late, since clocks differ: it forgets what it would refuse.
        const { rowCount } = await pool.query(
          `WITH late AS (SELECT extract(epoch FROM clock_timestamp()) - 60 AS at),
                gone AS (DELETE FROM ${challenges} WHERE id IN (
                  SELECT id FROM ${challenges} WHERE expires_at < (SELECT at FROM late)
                   LIMIT 10 FOR UPDATE SKIP LOCKED))
           INSERT INTO ${challenges} (id, expires_at)
           SELECT $1, $2::bigint FROM late WHERE $2::bigint >= at ON CONFLICT DO NOTHING`,
          [Buffer.from(spentKey), expiresAt],
        );
        return rowCount === 1 ? 'fresh' : 'spent';
      },
    },
    common,
  );
}
