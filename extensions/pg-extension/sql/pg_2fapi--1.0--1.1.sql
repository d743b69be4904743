-- From version 1.0 to 1.1: a client has several credentials, a generation, expiry and attributes; links,
-- unlinks and resets. A fresh install takes this step as well.
\echo Use "ALTER EXTENSION pg_2fapi UPDATE" to load this file. \quit

-- The first credential, which is meant where none is named, stays in the columns that were there. The others
-- are in the same row: a login finds it by one look-up, one lock holds it, and a change of any of them is a
-- change of this row, which ends the sessions that it concerns.
ALTER TABLE twofapi.clients
    ADD COLUMN generation bigint NOT NULL DEFAULT 0
        CONSTRAINT clients_generation_check CHECK (generation BETWEEN 0 AND 4294967295),
    ADD COLUMN credential_name text COLLATE "C",
    ADD COLUMN credential_since integer
        CONSTRAINT clients_credential_since_check
        CHECK (credential_since OPERATOR(pg_catalog.>=) 1),
    ADD COLUMN credential_created timestamptz,
    ADD COLUMN credential_expires_at timestamptz,
    ADD COLUMN credential_suite smallint NOT NULL DEFAULT 1,
    ADD COLUMN further_credentials json
        CONSTRAINT clients_further_credentials_check
        CHECK (pg_catalog.json_array_length(further_credentials) BETWEEN 1 AND 15),
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN scopes text[] COLLATE "C",
    ADD COLUMN claims json
        CONSTRAINT clients_claims_check
        CHECK (pg_catalog.json_typeof(claims) OPERATOR(pg_catalog.=) 'object'),
    ADD COLUMN sources text[] COLLATE "C",
    ADD COLUMN requests_per_minute bigint
        CONSTRAINT clients_requests_per_minute_check
        CHECK (requests_per_minute BETWEEN 1 AND 4294967295),
    ADD COLUMN tenant text COLLATE "C",
    ADD COLUMN tokens_from timestamptz,
    ADD COLUMN lineage bytea;

COMMENT ON COLUMN twofapi.clients.commitment IS 'that of the first credential: stands for the secret, and tells nothing of it';
COMMENT ON COLUMN twofapi.clients.commitment_version IS '1, and one more with each rotation, link, unlink and reset, and with what an operator says of the client';
COMMENT ON COLUMN twofapi.clients.changed_at IS 'when anything of this was last changed';
COMMENT ON COLUMN twofapi.clients.generation IS 'one more with each suspension, revocation and reset, and when all sessions are ended: what was opened before is over';
COMMENT ON COLUMN twofapi.clients.credential_name IS 'what the first credential is called';
COMMENT ON COLUMN twofapi.clients.credential_since IS 'with which version the commitment came; NULL: the newest';
COMMENT ON COLUMN twofapi.clients.credential_created IS 'when the first credential was enrolled or linked; NULL where nobody knows';
COMMENT ON COLUMN twofapi.clients.credential_expires_at IS 'from when on the first credential is good no longer';
COMMENT ON COLUMN twofapi.clients.credential_suite IS 'by which suite the first credential proves: 1, 2FApi-v1.0-Sigma';
COMMENT ON COLUMN twofapi.clients.further_credentials IS 'the credentials behind the first one, in order; client_credentials() shows all';
COMMENT ON COLUMN twofapi.clients.expires_at IS 'from when on the client is let in no longer';
COMMENT ON COLUMN twofapi.clients.scopes IS 'what it may do, in the words of its application';
COMMENT ON COLUMN twofapi.clients.claims IS 'what its tokens say besides';
COMMENT ON COLUMN twofapi.clients.sources IS 'from where it is let in: addresses, or networks such as 192.0.2.0/24; NULL: from everywhere';
COMMENT ON COLUMN twofapi.clients.requests_per_minute IS 'how often it may ask';
COMMENT ON COLUMN twofapi.clients.tenant IS 'whose client it is, where several share a host';
COMMENT ON COLUMN twofapi.clients.tokens_from IS 'when its sessions were last ended: no token of the service that is older opens one';
COMMENT ON COLUMN twofapi.clients.lineage IS 'by this a row that a function wrote is told from one that was written otherwise, which ends all of its sessions';

-- Links that wait for their second device. What is lost in a crash is asked for again, as is every
-- challenge; it is in no dump.
CREATE UNLOGGED TABLE twofapi.pending_links (
    client_id text COLLATE "C" CONSTRAINT pending_links_pkey PRIMARY KEY,
    pending bytea NOT NULL CHECK (pg_catalog.octet_length(pending) BETWEEN 1 AND 256),
    until timestamptz NOT NULL
);
COMMENT ON TABLE twofapi.pending_links IS 'links that wait for their second device, for ten minutes at most';
COMMENT ON COLUMN twofapi.pending_links.client_id IS 'whose link it is; one at a time';
COMMENT ON COLUMN twofapi.pending_links.pending IS 'the offer, and what a second device left';
COMMENT ON COLUMN twofapi.pending_links.until IS 'when it is over';

ALTER TABLE twofapi.audit_log ADD COLUMN credential_id text;
COMMENT ON COLUMN twofapi.audit_log.credential_id IS
    'the credential that was proven, or that came, or was to go; NULL where none was named';

-- Functions with a further argument take the place of those without.
DROP FUNCTION twofapi.authenticate(text, text, bytea, bytea);
DROP FUNCTION twofapi.verify(text, text, bytea, bytea);
DROP FUNCTION twofapi.rotate_commitment(text, text, bytea, bytea, bytea);

CREATE FUNCTION twofapi.authenticate(client_id text, challenge_id text, proof bytea,
                                     channel_binding bytea DEFAULT NULL,
                                     credential_id text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'authenticate_by_wrapper';

CREATE FUNCTION twofapi.verify(client_id text, challenge_id text, proof bytea,
                               channel_binding bytea DEFAULT NULL,
                               credential_id text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'verify_by_wrapper';

CREATE FUNCTION twofapi.rotate_commitment(client_id text, challenge_id text, proof_old bytea,
                                          commitment_new bytea, proof_new bytea,
                                          credential_id text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'rotate_commitment_by_wrapper';

-- Several credentials.
CREATE FUNCTION twofapi.link_credential(client_id text, challenge_id text, proof bytea, commitment_new bytea,
                                        proof_new bytea DEFAULT NULL, name text DEFAULT NULL,
                                        credential_id text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'link_credential_wrapper';

CREATE FUNCTION twofapi.unlink_credential(client_id text, challenge_id text, proof bytea, commitment_old bytea,
                                          credential_id text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'unlink_credential_wrapper';

CREATE FUNCTION twofapi.offer_link(challenge_id text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'offer_link_wrapper';

CREATE FUNCTION twofapi.join_link(client_id text, challenge_id text, commitment bytea, proof bytea,
                                  name text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'join_link_wrapper';

CREATE FUNCTION twofapi.pending_link()
    RETURNS TABLE (state text, challenge_id text, expires_at timestamptz, commitment bytea, proof bytea,
                   name text)
    LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 1
    AS 'MODULE_PATHNAME', 'pending_link_wrapper';

CREATE FUNCTION twofapi.credentials()
    RETURNS TABLE (credential_id text, commitment bytea, name text, created timestamptz, since integer,
                   expires_at timestamptz)
    LANGUAGE c VOLATILE PARALLEL RESTRICTED ROWS 2
    AS 'MODULE_PATHNAME', 'credentials_wrapper';

-- Administration.
CREATE FUNCTION twofapi.client_credentials(client_id text)
    RETURNS TABLE (credential_id text, commitment bytea, name text, created timestamptz, since integer,
                   expires_at timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 2
    AS 'MODULE_PATHNAME', 'client_credentials_wrapper';

CREATE FUNCTION twofapi.reset_client(client_id text, commitment bytea, proof bytea) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'reset_client_wrapper';

CREATE FUNCTION twofapi.set_client_expiry(client_id text, expires_at timestamptz DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'set_client_expiry_wrapper';

CREATE FUNCTION twofapi.set_credential_expiry(client_id text, credential_id text,
                                              expires_at timestamptz DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'set_credential_expiry_wrapper';

CREATE FUNCTION twofapi.set_client_attributes(client_id text, scopes text[] DEFAULT NULL,
                                              claims json DEFAULT NULL, sources text[] DEFAULT NULL,
                                              requests_per_minute bigint DEFAULT NULL,
                                              tenant text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'set_client_attributes_wrapper';

-- It writes now: a client whose sessions were all ended has another generation.
CREATE OR REPLACE FUNCTION twofapi.end_sessions(client_id text, pid integer DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'end_sessions_for_good_wrapper';

CREATE FUNCTION twofapi.list_sessions()
    RETURNS TABLE (client_id text, pid integer, role oid, since timestamptz, expires_at timestamptz,
                   commitment_version integer, credential_id text, generation bigint)
    LANGUAGE c VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'list_sessions_wrapper';

-- Like current_client: no SECURITY DEFINER and no SET on what policies call for every row.
CREATE FUNCTION twofapi.has_scope(scope text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'has_scope_wrapper';

CREATE OR REPLACE VIEW twofapi.sessions AS
    SELECT client_id, pid, pg_catalog.pg_get_userbyid(role) AS role, since, expires_at, commitment_version,
           credential_id, generation
    FROM twofapi.list_sessions();
DROP FUNCTION twofapi.open_sessions();

-- What is SECURITY DEFINER runs as a role that may do this and nothing else.
GRANT SELECT, INSERT, UPDATE, DELETE ON twofapi.pending_links TO twofapi_writer;
ALTER FUNCTION twofapi.rotate_commitment(text, text, bytea, bytea, bytea, text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.link_credential(text, text, bytea, bytea, bytea, text, text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.unlink_credential(text, text, bytea, bytea, text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.offer_link(text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.join_link(text, text, bytea, bytea, text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.reset_client(text, bytea, bytea) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.set_client_expiry(text, timestamptz) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.set_credential_expiry(text, text, timestamptz) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.set_client_attributes(text, text[], json, text[], bigint, text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.end_sessions(text, integer) OWNER TO twofapi_writer;

-- Grants. What is not named below is nobody's but the owner's.
REVOKE ALL ON FUNCTION
    twofapi.authenticate(text, text, bytea, bytea, text),
    twofapi.verify(text, text, bytea, bytea, text),
    twofapi.rotate_commitment(text, text, bytea, bytea, bytea, text),
    twofapi.link_credential(text, text, bytea, bytea, bytea, text, text),
    twofapi.unlink_credential(text, text, bytea, bytea, text),
    twofapi.offer_link(text),
    twofapi.join_link(text, text, bytea, bytea, text),
    twofapi.pending_link(),
    twofapi.credentials(),
    twofapi.has_scope(text),
    twofapi.client_credentials(text),
    twofapi.reset_client(text, bytea, bytea),
    twofapi.set_client_expiry(text, timestamptz),
    twofapi.set_credential_expiry(text, text, timestamptz),
    twofapi.set_client_attributes(text, text[], json, text[], bigint, text),
    twofapi.list_sessions()
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    twofapi.authenticate(text, text, bytea, bytea, text),
    twofapi.verify(text, text, bytea, bytea, text),
    twofapi.rotate_commitment(text, text, bytea, bytea, bytea, text),
    twofapi.link_credential(text, text, bytea, bytea, bytea, text, text),
    twofapi.unlink_credential(text, text, bytea, bytea, text),
    twofapi.offer_link(text),
    twofapi.join_link(text, text, bytea, bytea, text),
    twofapi.pending_link(),
    twofapi.credentials(),
    twofapi.has_scope(text)
TO PUBLIC;

GRANT EXECUTE ON FUNCTION
    twofapi.client_credentials(text),
    twofapi.reset_client(text, bytea, bytea),
    twofapi.set_client_expiry(text, timestamptz),
    twofapi.set_credential_expiry(text, text, timestamptz),
    twofapi.set_client_attributes(text, text[], json, text[], bigint, text),
    twofapi.list_sessions()
TO twofapi_admin;

-- What psql shows of it.
COMMENT ON COLUMN twofapi.sessions.commitment_version IS
    'with which version the credential came that it was opened with; NULL if the client is not enrolled here and came with a token';
COMMENT ON COLUMN twofapi.sessions.credential_id IS 'the credential that it was opened with';
COMMENT ON COLUMN twofapi.sessions.generation IS 'the client''s generation when it was opened';
COMMENT ON FUNCTION twofapi.authenticate(text, text, bytea, bytea, text) IS 'opens a session if the proof is accepted; ends the one that was open';
COMMENT ON FUNCTION twofapi.verify(text, text, bytea, bytea, text) IS 'whether the proof is accepted; opens no session';
COMMENT ON FUNCTION twofapi.rotate_commitment(text, text, bytea, bytea, bytea, text) IS 'replaces a client''s commitment, with a proof for each';
COMMENT ON FUNCTION twofapi.link_credential(text, text, bytea, bytea, bytea, text, text) IS 'adds a credential, with a proof by one that the client has and one by the new one, here or when it joined';
COMMENT ON FUNCTION twofapi.unlink_credential(text, text, bytea, bytea, text) IS 'takes a credential away, with a proof by any; not the last one';
COMMENT ON FUNCTION twofapi.offer_link(text) IS 'offers a challenge of the session''s client to a second device';
COMMENT ON FUNCTION twofapi.join_link(text, text, bytea, bytea, text) IS 'leaves a second device''s commitment with a client that offered it its challenge';
COMMENT ON FUNCTION twofapi.pending_link() IS 'how far the link from a second device is: none, open, joined or clashed';
COMMENT ON FUNCTION twofapi.credentials() IS 'the credentials of the session''s client, the first one first';
COMMENT ON FUNCTION twofapi.has_scope(text) IS 'whether the session''s client may do this by the credential that it was opened with; for policies';
COMMENT ON FUNCTION twofapi.client_credentials(text) IS 'the credentials of a client, the first one first';
COMMENT ON FUNCTION twofapi.reset_client(text, bytea, bytea) IS 'puts one credential in the place of all that a client has, with a proof of possession, and ends its sessions';
COMMENT ON FUNCTION twofapi.set_client_expiry(text, timestamptz) IS 'lets a client in until then, or for ever';
COMMENT ON FUNCTION twofapi.set_credential_expiry(text, text, timestamptz) IS 'lets a credential of a client be good until then, or for ever';
COMMENT ON FUNCTION twofapi.set_client_attributes(text, text[], json, text[], bigint, text) IS 'says all of this of a client, and nothing else: what is NULL is not said';
COMMENT ON FUNCTION twofapi.list_sessions() IS 'what the view sessions shows';
