-- What a store of 2fapi keeps. Whoever can write here decides who is let in; nothing secret about clients or challenges is
-- here, and signing keys are sealed under the operator's key file.
CREATE SCHEMA {schema};

CREATE TABLE {schema}.about (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  schema_version integer NOT NULL,
  store_id bytea NOT NULL CHECK (octet_length(store_id) = 16),
  key_check bytea NOT NULL,
  moved_to text
);

-- The record is in the one codec of crypto-core; beside it stands what a step compares.
CREATE TABLE {schema}.clients (
  client_id text COLLATE "C" PRIMARY KEY,
  status smallint NOT NULL,
  version bigint NOT NULL,
  generation bigint NOT NULL,
  credential_ids bytea[] NOT NULL,
  record bytea NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {schema}.invitations (
  key bytea PRIMARY KEY CHECK (octet_length(key) = 32),
  client_id text COLLATE "C" NOT NULL,
  is_reset boolean NOT NULL,
  expires_at bigint NOT NULL
);
CREATE UNIQUE INDEX invitations_to_reset ON {schema}.invitations (client_id) WHERE is_reset;
CREATE INDEX invitations_by_expiry ON {schema}.invitations (expires_at);

CREATE TABLE {schema}.signing_keys (
  kid text COLLATE "C" PRIMARY KEY,
  activates_at bigint NOT NULL,
  sealed bytea NOT NULL
);

-- What may be lost: challenges that were accepted, with the epoch and the mark that make the set exact (the row with the
-- empty key), and links from a second device. A crash, a promotion or a backup empties them, and challenges are dead then.
CREATE UNLOGGED TABLE {schema}.spent (
  share bigint NOT NULL,
  key bytea NOT NULL,
  expires_at bigint NOT NULL,
  epoch bytea CHECK (octet_length(epoch) = 16),
  mark bigint,
  counted bigint,
  incarnation text,
  PRIMARY KEY (share, key)
);
CREATE INDEX spent_by_expiry ON {schema}.spent (expires_at);

-- Numbers the entries that were ever made, so that they need not be counted at each login. It is logged: one that is not
-- cannot be used after a standby was promoted (seen on PostgreSQL 16.14).
CREATE SEQUENCE {schema}.spent_number;

CREATE UNLOGGED TABLE {schema}.pending_links (
  client_id text COLLATE "C" PRIMARY KEY,
  pending bytea NOT NULL,
  until bigint NOT NULL
);
