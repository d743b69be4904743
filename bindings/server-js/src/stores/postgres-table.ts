// Clients as rows of a plain table in PostgreSQL: proofs are verified in this process.

import { randomBytes } from 'node:crypto';

import {
  CHALLENGE_SKEW_MAX_SECONDS,
  CHALLENGE_TTL_MAX_SECONDS,
  ELEMENT_LENGTH,
  EPOCH_LENGTH,
  ROOT_LENGTH,
} from '@2fapi/protocol-spec';

import * as crypto from '../crypto.js';
import { once } from '../once.js';
import { storeOver, type Epoch, type Inserted, type Kept, type RecordsOptions, type Replaced } from '../records.js';
import { onlyKnown } from '../settings.js';
import type { Links, Store } from '../store.js';
import { identifier, inTransaction, serverError, type PgPool, type PgStep } from './pg-pool.js';

/** Settings of {@link postgresStore}. */
export interface PostgresOptions extends RecordsOptions {
  /** The table of commitments, `zk_commitments` unless set. The others are named after it. */
  readonly table?: string;
}

/**
 * What {@link postgresStore} needs, as SQL for a migration: commitments by the id of a user, unless that table is
 * there already, with the record beside them that says all the rest; the challenges that were accepted, with their epoch
 * and what challenges are computed from; links from second devices that are on their way. Whoever can write to these
 * tables decides who is enrolled; whoever can read that of the challenges can predict nonces. It may be run again, and
 * brings tables of before up to date.
 */
export function postgresSchema(table = 'zk_commitments'): string {
  const name = identifier(table);
  const index = `${name.replace(/^.*\./, '')}_challenges_expires_at`;
  // Accepted challenges and their epoch are in one table that is lost as a whole after a crash: challenges are dead then.
  return `CREATE TABLE IF NOT EXISTS ${name} (
  user_id uuid PRIMARY KEY,
  commitment bytea NOT NULL CHECK (octet_length(commitment) = ${ELEMENT_LENGTH}),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'revoked')),
  commitment_version integer NOT NULL DEFAULT 1 CHECK (commitment_version >= 1),
  created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE ${name} ADD COLUMN IF NOT EXISTS record bytea;
CREATE UNLOGGED TABLE IF NOT EXISTS ${name}_challenges (
  id bytea PRIMARY KEY,
  challenge_key bytea CHECK (octet_length(challenge_key) = ${ROOT_LENGTH}),
  expires_at bigint NOT NULL
);
ALTER TABLE ${name}_challenges
  ADD COLUMN IF NOT EXISTS epoch bytea CHECK (octet_length(epoch) = ${EPOCH_LENGTH}),
  ADD COLUMN IF NOT EXISTS mark bigint,
  ADD COLUMN IF NOT EXISTS incarnation text;
CREATE UNLOGGED TABLE IF NOT EXISTS ${name}_links (
  user_id uuid PRIMARY KEY,
  pending bytea NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS ${index} ON ${name}_challenges (expires_at);
`;
}

/** A client id of this store is a UUID as PostgreSQL writes it, so that one user has one id. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** SQLSTATE of a foreign key that leads nowhere: there is no such user. */
const FOREIGN_KEY_VIOLATION = '23503';

/** The columns of the record, as they are: what it was made of is there still if all of them are. */
interface Row {
  readonly commitment: Uint8Array | string;
  readonly commitment_version: number | string;
  readonly status: string;
  /** All that the other columns do not say; nothing where they say it all, in a row of before. */
  readonly record: Uint8Array | null;
}

interface KeptRow extends Kept {
  readonly row: Row;
}

/** What the table is like. It may be the application's own, from before. */
interface Columns {
  readonly isHex: boolean;
  readonly hasCreatedAt: boolean;
}

/** The clock of the database, which all processes go by. */
const NOW = 'floor(extract(epoch FROM clock_timestamp()))::bigint';

/** The key of the row that keeps the epoch, among those of challenges. It never expires. */
const EPOCH_ROW = "decode('', 'hex')";
const NEVER = '9223372036854775807';

/** How many logins of a process there are from one to the next time that it deletes what has expired. */
const PURGED_EVERY = 64;
const PURGED_AT_ONCE = 10_000;

const NEEDED = ['user_id', 'commitment', 'status', 'commitment_version', 'record'] as const;

/**
 * Clients as rows of `zk_commitments (user_id uuid, commitment, status, commitment_version, record, created_at)`. Client
 * ids are user ids: UUIDs in lower case. The commitment is that of the first credential, `bytea` or text in hex; `record`
 * has all there is to say, and where somebody has changed another column by hand, that one counts. Accepted challenges
 * are deleted when they have expired. `redeem` gets the connection of the transaction that adds or resets the client.
 */
export function postgresStore(pool: PgPool, options: PostgresOptions = {}): Store<PgStep> & Links<PgStep> {
  const { table: named = 'zk_commitments', ...common } = options;
  onlyKnown(common, 'setting of postgresStore', ['challengeTtlSeconds', 'table']);
  const table = identifier(named);
  const challenges = `${table}_challenges`;
  const links = `${table}_links`;
  // An epoch is of one run of one server and of one file of the table: what was restored from elsewhere is of another.
  const incarnation = `(extract(epoch FROM pg_postmaster_start_time())::text || ' ' || pg_relation_filepath('${challenges}'))`;

  const columns = once(async (): Promise<Columns> => {
    const { rows } = await pool.query(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type,
              (SELECT relpersistence FROM pg_class WHERE oid = to_regclass($2)) AS challenges,
              to_regclass($3) IS NOT NULL AS links,
              EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($2) AND attname = 'incarnation') AS complete
         FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
      [table, challenges, links],
    );
    const found = rows as { name: string; type: string; challenges: string | null; links: boolean; complete: boolean }[];
    const missing = NEEDED.filter((name) => !found.some((column) => column.name === name));
    if (missing.length > 0) throw new Error(`${table} has no ${missing.join(', ')}: postgresSchema() is the migration`);
    if (found[0]?.challenges == null) throw new Error(`there is no ${challenges}: postgresSchema() is the migration`);
    if (!found[0].links) throw new Error(`there is no ${links}: postgresSchema() is the migration`);
    if (!found[0].complete) throw new Error(`${challenges} is from before: run postgresSchema() again, the migration`);
    // A backup or a replica would bring accepted challenges back as they once were, with their epoch.
    if (found[0].challenges !== 'u') throw new Error(`${challenges} must be UNLOGGED, as postgresSchema() makes it`);
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

  /** The columns that say what a record does, from those that are compared to those that are set. */
  function columnsOf(record: Uint8Array, about: Columns): unknown[] {
    const { credentials, version, status } = crypto.readRecord(record);
    return [written(credentials[0]?.commitment ?? new Uint8Array(0), about), version, status, Buffer.from(record)];
  }

  const IS_ROW = 'commitment = $2 AND commitment_version = $3 AND status = $4 AND record IS NOT DISTINCT FROM $5';
  const rowOf = ({ row }: KeptRow): unknown[] => [row.commitment, row.commitment_version, row.status, row.record];

  function keptOf(row: Row): KeptRow {
    const { commitment, commitment_version, status, record } = row;
    const bytes = typeof commitment === 'string' ? Buffer.from(commitment.replace(/^\\x/, '').trim(), 'hex') : commitment;
    const parts = { commitment: bytes, commitmentVersion: Number(commitment_version), status, record: record ?? undefined };
    return { row, record: crypto.recordOfRow(parts) };
  }

  async function add(on: PgStep, clientId: string, record: Uint8Array): Promise<Inserted> {
    const about = await columns();
    const [also, its] = about.hasCreatedAt ? [', created_at', ', now()'] : ['', ''];
    try {
      const { rowCount } = await on.query(
        `INSERT INTO ${table} (user_id, commitment, commitment_version, status, record${also})
         VALUES ($1, $2, $3, $4, $5${its}) ON CONFLICT (user_id) DO NOTHING`,
        [clientId, ...columnsOf(record, about)],
      );
      return rowCount === 1 ? 'inserted' : 'exists';
    } catch (error) {
      if (serverError(error).code === FOREIGN_KEY_VIOLATION) return 'refused';
      throw error;
    }
  }

  async function put(on: PgStep, clientId: string, was: KeptRow, is: Uint8Array): Promise<'replaced' | 'changed'> {
    const { rowCount } = await on.query(
      `UPDATE ${table} SET commitment = $6, commitment_version = $7, status = $8, record = $9
        WHERE user_id = $1 AND ${IS_ROW}`,
      [clientId, ...rowOf(was), ...columnsOf(is, await columns())],
    );
    return rowCount === 1 ? 'replaced' : 'changed';
  }

  /**
   * The step as one statement: the client is locked, so that nobody suspends or rotates it meanwhile, and so is the epoch,
   * so that nobody deletes it together with what was accepted; whether the challenge still is alive is seen once it is in.
   * The row is compared as a whole, because it can be deleted and added anew, and is of the first version again.
   */
  const stepOf = (isChange: boolean, isJoined: boolean): string => `
    WITH epoch AS (SELECT mark FROM ${challenges}
           WHERE id = ${EPOCH_ROW} AND epoch = $8 AND incarnation = ${incarnation} AND mark <= ${NOW} + 60 FOR KEY SHARE),
         client AS (SELECT FROM ${table} WHERE user_id = $1 AND ${IS_ROW} AND ($9::bigint IS NULL OR ${NOW} < $9::bigint)
           FOR ${isChange ? 'NO KEY UPDATE' : 'SHARE'}),
         joined AS (SELECT FROM ${isJoined ? `${links} WHERE user_id = $1 AND pending = $10 FOR UPDATE` : '(SELECT 1 WHERE $10::bytea IS NOT NULL) AS none'}),
         spent AS (INSERT INTO ${challenges} (id, expires_at)
           SELECT $6::bytea, $7::bigint FROM epoch, client, joined
            WHERE $7::bigint > greatest(epoch.mark, ${NOW})
              AND $7::bigint <= ${NOW} + ${CHALLENGE_TTL_MAX_SECONDS + CHALLENGE_SKEW_MAX_SECONDS}
           ON CONFLICT (id) DO NOTHING
           RETURNING expires_at > greatest((SELECT mark FROM epoch), ${NOW}) AS live)
         ${isJoined ? `, taken AS (DELETE FROM ${links} USING spent WHERE spent.live AND user_id = $1)` : ''}
         ${isChange ? `, replaced AS (UPDATE ${table}
             SET commitment = $11, commitment_version = $12, status = $13, record = $14 FROM spent
           WHERE spent.live AND user_id = $1 RETURNING 1)` : ''}
    SELECT (SELECT count(*) FROM client)::int * (SELECT count(*) FROM joined)::int AS clients,
           (SELECT count(*) FROM epoch)::int AS epochs,
           (SELECT live FROM spent) AS live, $7::bigint <= ${NOW} AS passed,
           ${isChange ? '(SELECT count(*) FROM replaced)::int' : '1'} AS replaced`;

  async function epochOf(): Promise<Epoch | undefined> {
    const { rows } = await pool.query(
      `SELECT epoch, challenge_key AS root, greatest(mark, ${NOW})::text AS now
         FROM ${challenges} WHERE id = ${EPOCH_ROW} AND incarnation = ${incarnation} AND mark <= ${NOW} + 60`,
    );
    const row = rows[0] as { epoch: Uint8Array; root: Uint8Array; now: string } | undefined;
    return row && { ...row, now: Number(row.now) };
  }

  let accepted = 0;

  /** Deletes what has expired and says so in the mark, in one transaction. Logins do not wait for it. */
  function purgeNowAndThen(): void {
    accepted += 1;
    if (accepted % PURGED_EVERY !== 0) return;
    const gone = pool.query(
      `WITH marked AS (UPDATE ${challenges} SET mark = ${NOW} WHERE id = ${EPOCH_ROW} AND mark < ${NOW} RETURNING mark)
       DELETE FROM ${challenges} WHERE id IN (
         SELECT id FROM ${challenges} WHERE expires_at <= (SELECT mark - 60 FROM marked)
          LIMIT ${PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED)`,
    );
    const forgotten = pool.query(`DELETE FROM ${links} WHERE expires_at <= ${NOW}`);
    // The next one tries again; that a database does not work is told by what needs it.
    for (const going of [gone, forgotten]) going.catch(() => {});
  }

  return storeOver<PgStep, KeptRow>(
    {
      redeems: typeof pool.connect === 'function',
      epoch: async () => {
        await columns();
        const kept = await epochOf();
        if (kept !== undefined) return kept;
        // Whoever comes first draws it; all the others take that one.
        await pool.query(
          `INSERT INTO ${challenges} AS kept (id, epoch, challenge_key, mark, incarnation, expires_at)
           VALUES (${EPOCH_ROW}, $1, $2, ${NOW}, ${incarnation}, ${NEVER}) ON CONFLICT (id) DO UPDATE
             SET epoch = EXCLUDED.epoch, challenge_key = EXCLUDED.challenge_key, mark = EXCLUDED.mark,
                 incarnation = EXCLUDED.incarnation
           WHERE kept.incarnation IS DISTINCT FROM EXCLUDED.incarnation OR kept.mark > EXCLUDED.mark + 60`,
          [randomBytes(EPOCH_LENGTH), randomBytes(ROOT_LENGTH)],
        );
        const drawn = await epochOf();
        if (drawn === undefined) throw new Error(`${challenges} keeps no epoch: does something else delete from it?`);
        return drawn;
      },
      find: async (clientId) => {
        if (!UUID.test(clientId)) return undefined;
        const { rows } = await pool.query(
          `SELECT commitment, commitment_version, status, record FROM ${table} WHERE user_id = $1`,
          [clientId],
        );
        return rows[0] === undefined ? undefined : keptOf(rows[0] as Row);
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
      replace: async (clientId, was, is, redeem) => {
        if (redeem === undefined) return put(pool, clientId, was, is);
        return inTransaction<Replaced>(pool, async (connection) => {
          const replaced = await put(connection, clientId, was, is);
          if (replaced === 'changed') return { rollback: replaced };
          const isRedeemed = (await redeem({ query: (text, values) => connection.query(text, values) })) === true;
          return isRedeemed ? { commit: replaced } : { rollback: 'refused' };
        });
      },
      accept: async ({ clientId, was, expiresAt, joined, spend, record }) => {
        const spending = [Buffer.from(spend.key), spend.expiresAt, Buffer.from(spend.epoch)];
        const is = record === undefined ? [] : columnsOf(record, await columns());
        // $10 is there in each of the statements, and of one type.
        const pending = joined === undefined ? Buffer.alloc(0) : Buffer.from(joined);
        const values = [clientId, ...rowOf(was), ...spending, expiresAt ?? null, pending, ...is];
        const { rows } = await pool.query(stepOf(record !== undefined, joined !== undefined), values);
        purgeNowAndThen();
        const { clients, epochs, live, passed, replaced } = rows[0] as Record<string, unknown>;
        if (clients !== 1) return 'changed';
        if (epochs !== 1) return 'stale_epoch';
        if (live === true && replaced !== 1) throw new Error(`a client in ${table} was locked and not replaced`);
        if (live === true) return 'done';
        return live === false || passed === true ? 'expired' : 'spent';
      },
      pending: async (clientId) => {
        if (!UUID.test(clientId)) return undefined;
        const { rows } = await pool.query(`SELECT pending FROM ${links} WHERE user_id = $1`, [clientId]);
        return (rows[0] as { pending: Uint8Array } | undefined)?.pending;
      },
      offer: async (clientId, pending, until) => {
        await pool.query(
          `INSERT INTO ${links} (user_id, pending, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO UPDATE SET pending = EXCLUDED.pending, expires_at = EXCLUDED.expires_at`,
          [clientId, Buffer.from(pending), until],
        );
      },
      join: async (clientId, before, after, until) => {
        const { rowCount } = await pool.query(
          `UPDATE ${links} SET pending = $3, expires_at = $4 WHERE user_id = $1 AND pending = $2`,
          [clientId, Buffer.from(before), Buffer.from(after), until],
        );
        return rowCount === 1;
      },
    },
    common,
  );
}
