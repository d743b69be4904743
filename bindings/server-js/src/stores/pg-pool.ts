// What the PostgreSQL stores need of the package `pg`.

/** A pool of the package `pg`, or anything that runs a query with parameters. */
export interface PgPool {
  query(text: string, values?: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
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
