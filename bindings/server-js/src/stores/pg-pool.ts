// What the PostgreSQL stores need of the package `pg`.

/** Runs a query with parameters. */
export interface PgStep {
  query(text: string, values?: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
}

/** One connection of a pool. */
export interface PgConnection extends PgStep {
  /** Gives it back; with an error, to be closed. */
  release(error?: Error | boolean): void;
}

/** A pool of the package `pg`, or anything that runs a query with parameters. */
export interface PgPool extends PgStep {
  /** For what takes a transaction, which is `redeem`. */
  connect?(): Promise<PgConnection>;
}

/** Does something in a transaction of its own, and says what is to become of it. */
export async function inTransaction<T>(
  pool: PgPool,
  work: (connection: PgConnection) => Promise<{ readonly commit: T } | { readonly rollback: T }>,
): Promise<T> {
  if (pool.connect === undefined) throw new TypeError('the pool gives no connections, which a transaction needs');
  const connection = await pool.connect();
  let broken: Error | undefined;
  try {
    await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const done = await work(connection);
    if ('rollback' in done) {
      await connection.query('ROLLBACK');
      return done.rollback;
    }
    await connection.query('COMMIT');
    return done.commit;
  } catch (error) {
    // What cannot be rolled back is closed, and rolled back by that.
    await connection.query('ROLLBACK').catch((reason: unknown) => {
      broken = reason instanceof Error ? reason : new Error(String(reason));
    });
    throw error;
  } finally {
    connection.release(broken);
  }
}

/** An identifier for SQL text: letters, digits and `_`, with a schema before it if there is one. */
export function identifier(name: string): string {
  if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/.test(name)) {
    throw new TypeError(`"${name}" must be a name of lower-case letters, digits and _, or schema.name`);
  }
  return name;
}

/** The SQLSTATE and the text of an error that the server answered. */
export function serverError(error: unknown): { code: string; message: string; detail: string } {
  const { code, message, detail } = error as Record<string, unknown>;
  const string = (value: unknown): string => (typeof value === 'string' ? value : '');
  return { code: string(code), message: string(message), detail: string(detail) };
}
