-- Sessions: what was issued and was not ended. They are written in the statement that accepts a login, which waits for no
-- disk, so the table is UNLOGGED: a crash or a promotion empties it, and whoever is logged out logs in again. Each is of an
-- epoch of the spent set, so that none that was ended comes back with a backup.
CREATE UNLOGGED TABLE {schema}.sessions (
  client_id text COLLATE "C" NOT NULL,
  id bytea NOT NULL CHECK (octet_length(id) = 16),
  expires_at bigint NOT NULL,
  epoch bytea NOT NULL CHECK (octet_length(epoch) = 16),
  session bytea NOT NULL,
  PRIMARY KEY (client_id, id)
);
CREATE INDEX sessions_by_expiry ON {schema}.sessions (expires_at);
