-- Version 1.0 of the extension: schema, tables, functions, grants.
-- Nothing is created IF NOT EXISTS or OR REPLACE: what is there already is somebody else's.
\echo Use "CREATE EXTENSION pg_2fapi" to load this file. \quit

-- Roles belong to the whole server and are in no dump: these are made when they are missing, and
-- stay when the extension goes, because another database may use them. twofapi_admin is granted to
-- operators. twofapi_writer is nobody's: the functions that write, and the audit's writer, run as it.
-- Background workers may connect with a limit of 0, clients may not.
DO $$
DECLARE
    problem pg_catalog.text;
BEGIN
    BEGIN
        CREATE ROLE twofapi_admin NOLOGIN;
        COMMENT ON ROLE twofapi_admin IS 'may enrol, suspend, resume and revoke clients of 2FApi';
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE twofapi_writer NOINHERIT LOGIN CONNECTION LIMIT 0;
        COMMENT ON ROLE twofapi_writer IS 'as which pg_2fapi writes; to be granted to nobody';
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;

    -- One that was there may be somebody's, who made it to be in it.
    SELECT pg_catalog.format('role "%s" has attributes that its user could act by', rolname)
    INTO problem FROM pg_catalog.pg_roles
    WHERE rolname OPERATOR(pg_catalog.=) ANY (ARRAY['twofapi_admin', 'twofapi_writer']::pg_catalog.name[])
      AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
           OR (rolcanlogin AND (rolname OPERATOR(pg_catalog.=) 'twofapi_admin'
                                OR rolconnlimit OPERATOR(pg_catalog.<>) 0)));
    IF problem IS NULL THEN
        SELECT pg_catalog.format('role "twofapi_writer" is connected to role "%s" by a grant', r.rolname)
        INTO problem FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles w ON w.rolname OPERATOR(pg_catalog.=) 'twofapi_writer'
             AND w.oid OPERATOR(pg_catalog.=) ANY (ARRAY[m.roleid, m.member])
        JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) ANY (ARRAY[m.roleid, m.member])
             AND r.oid OPERATOR(pg_catalog.<>) w.oid;
    END IF;
    IF problem IS NULL THEN
        -- Members are in order whom a superuser let in, or somebody whom a superuser let let in. From
        -- 16 on, whoever made the role is a member as well, by a grant that says neither SET nor INHERIT.
        WITH RECURSIVE grants AS (
            SELECT m.member, m.grantor, m.admin_option,
                   coalesce(g.rolsuper, false) AND NOT (m.admin_option AND NOT r.rolsuper
                       AND coalesce((pg_catalog.to_jsonb(m) OPERATOR(pg_catalog.->>) 'set_option')
                                    OPERATOR(pg_catalog.=) 'false'
                            AND (pg_catalog.to_jsonb(m) OPERATOR(pg_catalog.->>) 'inherit_option')
                                    OPERATOR(pg_catalog.=) 'false', false)) AS by_superuser,
                   r.rolname
            FROM pg_catalog.pg_auth_members m
            JOIN pg_catalog.pg_roles a ON a.oid OPERATOR(pg_catalog.=) m.roleid
                 AND a.rolname OPERATOR(pg_catalog.=) 'twofapi_admin'
            JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) m.member
            LEFT JOIN pg_catalog.pg_roles g ON g.oid OPERATOR(pg_catalog.=) m.grantor
        ), trusted AS (
            SELECT member, grantor, admin_option FROM grants WHERE by_superuser
            UNION
            SELECT o.member, o.grantor, o.admin_option FROM grants o
            JOIN trusted t ON t.member OPERATOR(pg_catalog.=) o.grantor AND t.admin_option
        )
        SELECT pg_catalog.format('role "twofapi_admin" has the member "%s", whom no superuser let in', rolname)
        INTO problem FROM grants o
        WHERE NOT EXISTS (SELECT FROM trusted t WHERE t.member OPERATOR(pg_catalog.=) o.member
                                                  AND t.grantor OPERATOR(pg_catalog.=) o.grantor
                                                  AND t.admin_option OPERATOR(pg_catalog.=) o.admin_option);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = problem,
            DETAIL = 'Roles of these names are there already, and not as pg_2fapi makes them.',
            HINT = 'Drop the role, or revoke what was granted, and create the extension again.';
    END IF;
END
$$;

CREATE SCHEMA twofapi;
GRANT USAGE ON SCHEMA twofapi TO PUBLIC;

-- Who is enrolled. Only the extension's functions write here.
CREATE TABLE twofapi.clients (
    client_id text COLLATE "C" CONSTRAINT clients_pkey PRIMARY KEY
        CHECK (pg_catalog.octet_length(client_id) BETWEEN 1 AND 128),
    commitment bytea NOT NULL CHECK (pg_catalog.octet_length(commitment) OPERATOR(pg_catalog.=) 32),
    commitment_version integer NOT NULL CHECK (commitment_version OPERATOR(pg_catalog.>=) 1),
    status text COLLATE "C" NOT NULL
        CHECK (status OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'suspended', 'revoked'])),
    enrolled_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

-- What happened. Written by a background worker, so that no rollback takes a row away. The key is one
-- over all servers, so that these rows can be replicated to a server that writes rows of its own.
CREATE TABLE twofapi.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    reason text,
    client_id text,
    role text,
    backend integer NOT NULL,
    transaction xid8,
    address inet,
    application_name text,
    run bigint NOT NULL DEFAULT 0,
    CONSTRAINT audit_log_pkey PRIMARY KEY (id, run)
);
CREATE INDEX audit_log_at ON twofapi.audit_log (at);
CREATE INDEX audit_log_client_id ON twofapi.audit_log (client_id, at);
COMMENT ON COLUMN twofapi.audit_log.transaction IS
    'the transaction that wrote the change, if one did; pg_xact_status(transaction) says whether it was committed';
COMMENT ON COLUMN twofapi.audit_log.address IS
    'where the connection came from, NULL for a Unix socket; behind a pooler, the pooler';
COMMENT ON COLUMN twofapi.audit_log.application_name IS
    'what the connection called itself, which may be anything';
COMMENT ON COLUMN twofapi.audit_log.run IS
    'a number drawn at random when the server that wrote the row was started';

SELECT pg_catalog.pg_extension_config_dump('twofapi.clients', '');
SELECT pg_catalog.pg_extension_config_dump('twofapi.audit_log', '');
SELECT pg_catalog.pg_extension_config_dump('twofapi.audit_log_id_seq', '');

-- Enrolment. It writes, so it runs as the extension's owner, with a search path that nobody shadows.
CREATE FUNCTION twofapi.enroll(client_id text, commitment bytea, proof bytea) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'enroll_wrapper';

-- A client of another host, as that host's operator vouches for it. There is no proof of possession.
CREATE FUNCTION twofapi.import_client(client_id text, commitment bytea, commitment_version integer DEFAULT 1,
                                      status text DEFAULT 'active') RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'import_client_wrapper';
COMMENT ON FUNCTION twofapi.import_client(text, bytea, integer, text) IS
    'takes over a client of another host, without a proof of possession';

-- Authentication.
CREATE FUNCTION twofapi.issue_challenge(client_id text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'issue_challenge_wrapper';

CREATE FUNCTION twofapi.get_challenge_nonce(client_id text, challenge_id text) RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'get_challenge_nonce_wrapper';

CREATE TYPE twofapi.issued_challenge AS
    (challenge_id text, nonce bytea, channel_binding bytea, expires_at timestamptz);

CREATE FUNCTION twofapi.challenge(client_id text) RETURNS twofapi.issued_challenge
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'challenge_wrapper';

CREATE FUNCTION twofapi.authenticate(client_id text, challenge_id text, proof bytea,
                                     channel_binding bytea DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'authenticate_wrapper';

CREATE FUNCTION twofapi.verify(client_id text, challenge_id text, proof bytea,
                               channel_binding bytea DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'verify_wrapper';

CREATE FUNCTION twofapi.rotate_commitment(client_id text, challenge_id text, proof_old bytea,
                                          commitment_new bytea, proof_new bytea) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'rotate_commitment_wrapper';

-- The session. Parallel workers do not see it; no SECURITY DEFINER and no SET on what policies call
-- for every row.
CREATE FUNCTION twofapi.current_client() RETURNS text
    LANGUAGE c STABLE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'current_client_wrapper';

CREATE FUNCTION twofapi.session()
    RETURNS TABLE (client_id text, since timestamptz, expires_at timestamptz, scope text)
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 1
    AS 'MODULE_PATHNAME', 'session_of_this_connection_wrapper';

CREATE FUNCTION twofapi.logout() RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'logout_wrapper';

-- With a token of the service that the operator configured, instead of a proof.
CREATE FUNCTION twofapi.session_from_token(token text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'session_from_token_wrapper';

-- Administration.
CREATE FUNCTION twofapi.open_sessions()
    RETURNS TABLE (client_id text, pid integer, role oid, since timestamptz, expires_at timestamptz,
                   commitment_version integer)
    LANGUAGE c VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'open_sessions_wrapper';

CREATE VIEW twofapi.sessions AS
    SELECT client_id, pid, pg_catalog.pg_get_userbyid(role) AS role, since, expires_at, commitment_version
    FROM twofapi.open_sessions();

CREATE FUNCTION twofapi.end_sessions(client_id text, pid integer DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'end_sessions_wrapper';

CREATE FUNCTION twofapi.last_authentication(client_id text) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT pg_catalog.max(a.at) FROM twofapi.audit_log a
        WHERE a.client_id OPERATOR(pg_catalog.=) last_authentication.client_id
          AND a.action OPERATOR(pg_catalog.=) ANY (ARRAY['authenticate', 'token'])
          AND a.outcome OPERATOR(pg_catalog.=) 'accepted';
    END;

CREATE FUNCTION twofapi.suspend_client(client_id text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'suspend_client_wrapper';

CREATE FUNCTION twofapi.resume_client(client_id text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'resume_client_wrapper';

CREATE FUNCTION twofapi.revoke_client(client_id text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'revoke_client_wrapper';

CREATE FUNCTION twofapi.client_status(client_id text) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'client_status_wrapper';

CREATE FUNCTION twofapi.cleanup(retention_days integer DEFAULT 90) RETURNS TABLE (audit_rows bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 SECURITY DEFINER
    SET search_path = twofapi, pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cleanup_wrapper';

-- About the extension.
CREATE FUNCTION twofapi.version() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'version_wrapper';

CREATE FUNCTION twofapi.statistics()
    RETURNS TABLE (challenges_issued bigint, accepted bigint, denied bigint, throttled bigint,
                   sessions_opened bigint, spent_capacity bigint, spent_held bigint,
                   audit_written bigint, audit_dropped bigint, audit_waiting bigint)
    LANGUAGE c VOLATILE PARALLEL SAFE ROWS 1
    AS 'MODULE_PATHNAME', 'statistics_wrapper';

CREATE VIEW twofapi.stats AS SELECT * FROM twofapi.statistics();

-- Whoever changes a client, and by whatever statement: sessions of that client end at commit.
CREATE FUNCTION twofapi.clients_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'clients_changed_wrapper';

CREATE TRIGGER clients_changed AFTER UPDATE OR DELETE ON twofapi.clients
    FOR EACH ROW EXECUTE FUNCTION twofapi.clients_changed();
CREATE TRIGGER clients_truncated AFTER TRUNCATE ON twofapi.clients
    FOR EACH STATEMENT EXECUTE FUNCTION twofapi.clients_changed();
ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_changed;
ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_truncated;

-- What is SECURITY DEFINER runs as a role that may do this and nothing else.
GRANT SELECT, INSERT, UPDATE ON twofapi.clients TO twofapi_writer;
GRANT SELECT, INSERT, DELETE ON twofapi.audit_log TO twofapi_writer;
ALTER FUNCTION twofapi.enroll(text, bytea, bytea) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.import_client(text, bytea, integer, text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.rotate_commitment(text, text, bytea, bytea, bytea) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.suspend_client(text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.resume_client(text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.revoke_client(text) OWNER TO twofapi_writer;
ALTER FUNCTION twofapi.cleanup(integer) OWNER TO twofapi_writer;

-- Grants. What is not named below is nobody's but the owner's.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA twofapi FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    twofapi.issue_challenge(text),
    twofapi.get_challenge_nonce(text, text),
    twofapi.challenge(text),
    twofapi.authenticate(text, text, bytea, bytea),
    twofapi.verify(text, text, bytea, bytea),
    twofapi.rotate_commitment(text, text, bytea, bytea, bytea),
    twofapi.current_client(),
    twofapi.session(),
    twofapi.logout(),
    twofapi.session_from_token(text),
    twofapi.version(),
    twofapi.statistics()
TO PUBLIC;
GRANT SELECT ON twofapi.stats TO PUBLIC;

GRANT EXECUTE ON FUNCTION
    twofapi.enroll(text, bytea, bytea),
    twofapi.import_client(text, bytea, integer, text),
    twofapi.suspend_client(text),
    twofapi.resume_client(text),
    twofapi.revoke_client(text),
    twofapi.client_status(text),
    twofapi.open_sessions(),
    twofapi.end_sessions(text, integer),
    twofapi.last_authentication(text),
    twofapi.cleanup(integer)
TO twofapi_admin;
GRANT SELECT ON twofapi.clients, twofapi.audit_log, twofapi.sessions TO twofapi_admin;
-- So that the owner of the database can dump it.
GRANT SELECT ON twofapi.clients, twofapi.audit_log, twofapi.audit_log_id_seq TO pg_database_owner;

-- What psql shows of it.
COMMENT ON SCHEMA twofapi IS 'zero-knowledge sessions for Row-Level Security';
COMMENT ON TABLE twofapi.audit_log IS 'what happened, whether its transaction was committed or not';
COMMENT ON TABLE twofapi.clients IS 'who is enrolled; change it with the functions only';
COMMENT ON COLUMN twofapi.clients.client_id IS 'what current_client() answers';
COMMENT ON COLUMN twofapi.clients.commitment IS 'stands for the secret, and tells nothing of it';
COMMENT ON COLUMN twofapi.clients.commitment_version IS '1, and one more with each rotation';
COMMENT ON COLUMN twofapi.clients.status IS 'active, suspended or revoked; only active clients log in';
COMMENT ON COLUMN twofapi.clients.enrolled_at IS 'when the client was enrolled';
COMMENT ON COLUMN twofapi.clients.changed_at IS 'when commitment or status were last changed';
COMMENT ON COLUMN twofapi.audit_log.id IS 'rows are numbered as they are written';
COMMENT ON COLUMN twofapi.audit_log.at IS 'when it happened';
COMMENT ON COLUMN twofapi.audit_log.action IS 'what was attempted';
COMMENT ON COLUMN twofapi.audit_log.outcome IS 'accepted, denied or error';
COMMENT ON COLUMN twofapi.audit_log.reason IS 'why it was not accepted; the client is not told';
COMMENT ON COLUMN twofapi.audit_log.client_id IS 'whom it was about';
COMMENT ON COLUMN twofapi.audit_log.role IS 'the role that had connected';
COMMENT ON COLUMN twofapi.audit_log.backend IS 'the process id of the connection';
COMMENT ON VIEW twofapi.sessions IS 'the sessions that are open in this database';
COMMENT ON COLUMN twofapi.sessions.client_id IS 'whose session it is';
COMMENT ON COLUMN twofapi.sessions.pid IS 'the process id of the connection, as in pg_stat_activity';
COMMENT ON COLUMN twofapi.sessions.role IS 'the role that had connected';
COMMENT ON COLUMN twofapi.sessions.since IS 'when it was opened';
COMMENT ON COLUMN twofapi.sessions.expires_at IS 'when it ends if nothing else ends it';
COMMENT ON COLUMN twofapi.sessions.commitment_version IS
    'which of the client''s credentials it was opened with; NULL if the client is not enrolled here and came with a token';
COMMENT ON VIEW twofapi.stats IS 'counters since the server started, of all databases';
COMMENT ON TYPE twofapi.issued_challenge IS 'what challenge() answers';
COMMENT ON FUNCTION twofapi.enroll(text, bytea, bytea) IS 'enrols a client, with a proof of possession of its commitment';
COMMENT ON FUNCTION twofapi.issue_challenge(text) IS 'issues a challenge, and answers its id';
COMMENT ON FUNCTION twofapi.get_challenge_nonce(text, text) IS 'the nonce of a challenge; NULL when it has expired';
COMMENT ON FUNCTION twofapi.challenge(text) IS 'issues a challenge, which is good once';
COMMENT ON FUNCTION twofapi.authenticate(text, text, bytea, bytea) IS 'opens a session if the proof is accepted; ends the one that was open';
COMMENT ON FUNCTION twofapi.verify(text, text, bytea, bytea) IS 'whether the proof is accepted; opens no session';
COMMENT ON FUNCTION twofapi.rotate_commitment(text, text, bytea, bytea, bytea) IS 'replaces a client''s commitment, with a proof for each';
COMMENT ON FUNCTION twofapi.current_client() IS 'whose session this connection has open, or NULL; for policies';
COMMENT ON FUNCTION twofapi.session() IS 'the session of this connection, or no row';
COMMENT ON FUNCTION twofapi.logout() IS 'ends the session of this connection';
COMMENT ON FUNCTION twofapi.session_from_token(text) IS 'opens a session if the token is one of the configured service; ends the one that was open';
COMMENT ON FUNCTION twofapi.open_sessions() IS 'what the view sessions shows';
COMMENT ON FUNCTION twofapi.end_sessions(text, integer) IS 'ends a client''s sessions, or that of one connection, at once, and says how many; the client may log in again';
COMMENT ON FUNCTION twofapi.last_authentication(text) IS 'when the client last logged in, as far as the audit goes back';
COMMENT ON FUNCTION twofapi.suspend_client(text) IS 'keeps a client out until it is resumed, and ends its sessions';
COMMENT ON FUNCTION twofapi.resume_client(text) IS 'lets a suspended client in again';
COMMENT ON FUNCTION twofapi.revoke_client(text) IS 'keeps a client out for ever, and ends its sessions';
COMMENT ON FUNCTION twofapi.client_status(text) IS 'active, suspended or revoked';
COMMENT ON FUNCTION twofapi.cleanup(integer) IS 'deletes audit rows that are older than so many days, and says how many';
COMMENT ON FUNCTION twofapi.version() IS 'the version of the library that is loaded';
COMMENT ON FUNCTION twofapi.statistics() IS 'what the view stats shows';
COMMENT ON FUNCTION twofapi.clients_changed() IS 'ends sessions when their clients are changed';
COMMENT ON TRIGGER clients_changed ON twofapi.clients IS 'ends sessions when their clients are changed; must fire always';
COMMENT ON TRIGGER clients_truncated ON twofapi.clients IS 'ends sessions when their clients are gone; must fire always';
