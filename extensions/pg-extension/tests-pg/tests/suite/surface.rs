//! The functions as they are meant to be used, and who may use them.

use twofapi_tests_pg::{Client, Server};

use crate::{current_client, database, refusal, stat};

#[test]
fn the_two_step_way_is_the_same_as_challenge() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let id: String = connection
        .query_one("SELECT twofapi.issue_challenge('alice')", &[])
        .unwrap()
        .get(0);
    let nonce: Vec<u8> = connection
        .query_one("SELECT twofapi.get_challenge_nonce('alice', $1)", &[&id])
        .unwrap()
        .get(0);
    assert_eq!(nonce.len(), 16);
    let challenge = twofapi_tests_pg::Challenge {
        id,
        nonce,
        binding: Vec::new(),
    };
    let proof = alice.proof(&challenge);
    assert!(
        alice
            .authenticate(&mut connection, &challenge, &proof)
            .unwrap()
    );
    assert_eq!(current_client(&mut connection), Some("alice".into()));
}

#[test]
fn a_challenge_is_one_row_wherever_a_query_asks_for_it() {
    let mut connection = database().connect();
    for form in [
        "twofapi.challenge('alice') AS c",
        "(VALUES ('alice')) AS v(id), LATERAL twofapi.challenge(v.id) AS c",
        "ROWS FROM (twofapi.challenge('alice')) AS c",
        "(SELECT (twofapi.challenge('alice')).* OFFSET 0) AS c",
        "(SELECT (made).* FROM (SELECT twofapi.challenge('alice') AS made OFFSET 0) AS m) AS c",
    ] {
        let row = connection
            .query_one(
                &format!(
                    "SELECT octet_length(c.nonce), octet_length(c.channel_binding), \
                            c.expires_at BETWEEN now() AND now() + interval '15 minutes', \
                            c.challenge_id \
                     FROM {form}"
                ),
                &[],
            )
            .unwrap();
        assert_eq!(
            (row.get(0), row.get(1), row.get(2)),
            (16, 0, true),
            "{form}"
        );
        assert!(row.get::<_, String>(3).starts_with("ch-"), "{form}");
    }
}

#[test]
fn a_challenge_that_was_stored_is_read_by_other_connections() {
    let database = database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    connection
        .batch_execute("CREATE TABLE kept AS SELECT twofapi.challenge('alice') AS c")
        .unwrap();
    let mut other = database.connect();
    let row = other
        .query_one(
            "SELECT (c).challenge_id, (c).nonce, (c).channel_binding FROM kept",
            &[],
        )
        .unwrap();
    let challenge = twofapi_tests_pg::Challenge {
        id: row.get(0),
        nonce: row.get(1),
        binding: row.get(2),
    };
    let proof = alice.proof(&challenge);
    assert!(alice.authenticate(&mut other, &challenge, &proof).unwrap());
}

#[test]
fn an_altered_row_type_is_an_error() {
    let mut connection = database().connect();
    let ask = "SELECT * FROM twofapi.challenge('alice')";
    connection.query_one(ask, &[]).unwrap();
    for change in [
        "ALTER TYPE twofapi.issued_challenge ADD ATTRIBUTE more text",
        "ALTER TYPE twofapi.issued_challenge DROP ATTRIBUTE more, DROP ATTRIBUTE nonce",
    ] {
        connection.batch_execute(change).unwrap();
        let (_, message) = refusal(connection.query_one(ask, &[]));
        assert!(message.contains("was altered"), "{message}");
    }
}

#[test]
fn a_row_type_that_was_altered_and_mended_is_good_again() {
    let mut connection = database().connect();
    connection
        .batch_execute(
            "ALTER TYPE twofapi.issued_challenge ADD ATTRIBUTE more text;
             ALTER TYPE twofapi.issued_challenge DROP ATTRIBUTE more",
        )
        .unwrap();
    let alice = Client::enrolled(&mut connection, "alice");
    assert!(alice.log_in(&mut connection));
    // Of the same types in the same order, but one name takes the place of another.
    connection
        .batch_execute(
            "ALTER TYPE twofapi.issued_challenge DROP ATTRIBUTE nonce, DROP ATTRIBUTE expires_at;
             ALTER TYPE twofapi.issued_challenge ADD ATTRIBUTE nonce bytea,
                                                 ADD ATTRIBUTE expires_at timestamptz",
        )
        .unwrap();
    let (_, message) =
        refusal(connection.query_one("SELECT * FROM twofapi.challenge('alice')", &[]));
    assert!(message.contains("was altered"), "{message}");
}

#[test]
fn a_nonce_of_an_expired_or_made_up_challenge_is_null() {
    let mut connection = database().connect();
    for id in [
        "ch-000000010000000000000000",
        "ch-ffffffff0000000000000000",
        "x",
        "",
    ] {
        let nonce: Option<Vec<u8>> = connection
            .query_one("SELECT twofapi.get_challenge_nonce('alice', $1)", &[&id])
            .unwrap()
            .get(0);
        assert_eq!(nonce, None, "{id}");
    }
}

#[test]
fn enrolment_needs_a_proof_of_possession() {
    let mut connection = database().connect();
    let (alice, mallory) = (Client::new("alice"), Client::new("alice"));
    let enrolled: bool = connection
        .query_one(
            "SELECT twofapi.enroll('alice', $1, $2)",
            &[&alice.commitment(), &mallory.possession()],
        )
        .unwrap()
        .get(0);
    assert!(!enrolled);
    assert!(alice.enrol(&mut connection).unwrap());
    let (code, _) = refusal(mallory.enrol(&mut connection));
    assert_eq!(code, "23505");
}

#[test]
fn an_enrolment_proof_is_no_authentication() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let challenge = alice.challenge(&mut connection);
    let possession = alice.possession();
    assert!(
        !alice
            .authenticate(&mut connection, &challenge, &possession)
            .unwrap()
    );
    let named: Result<_, _> = connection.query_one(
        "SELECT twofapi.authenticate('alice', $1, $2, 'enrollment')",
        &[&challenge.id, &possession],
    );
    assert_eq!(refusal(named).0, "22023");
}

#[test]
fn an_unknown_client_gets_a_challenge_and_is_denied() {
    let mut connection = database().connect();
    assert!(!Client::new("nobody").log_in(&mut connection));
}

#[test]
fn with_an_audience_only_proofs_for_it_are_accepted() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    connection
        .batch_execute("SET twofapi.audience = 'db.example'")
        .unwrap();
    let challenge = alice.challenge(&mut connection);
    assert_eq!(challenge.binding, b"aud:db.example");
    let proof = alice.proof_bound(&challenge, b"");
    assert!(
        !alice
            .authenticate(&mut connection, &challenge, &proof)
            .unwrap()
    );
    assert!(alice.log_in(&mut connection));
    // Naming the binding by hand gets nobody around the audience.
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof_bound(&challenge, b"aud:evil.example");
    let accepted: bool = connection
        .query_one(
            "SELECT twofapi.authenticate('alice', $1, $2, 'aud:evil.example')",
            &[&challenge.id, &proof],
        )
        .unwrap()
        .get(0);
    assert!(!accepted);
    let (code, _) = refusal(connection.batch_execute("SET twofapi.audience = 'two words'"));
    assert_eq!(code, "22023");
}

#[test]
fn a_binding_of_the_callers_is_checked_when_there_is_no_audience() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let mut attempt = |proven: &[u8], named: &[u8]| -> bool {
        let challenge = alice.challenge(&mut connection);
        let proof = alice.proof_bound(&challenge, proven);
        connection
            .query_one(
                "SELECT twofapi.authenticate('alice', $1, $2, $3)",
                &[&challenge.id, &proof, &named],
            )
            .unwrap()
            .get(0)
    };
    assert!(attempt(b"tls", b"tls"));
    assert!(!attempt(b"tls", b"other"));
    assert!(!attempt(b"tls", b""));
}

#[test]
fn a_client_is_suspended_resumed_and_revoked() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let mut ask = |call: &str| -> bool {
        connection
            .query_one(&format!("SELECT twofapi.{call}('alice')"), &[])
            .unwrap()
            .get(0)
    };
    assert!(ask("suspend_client") && !ask("suspend_client"));
    assert!(ask("resume_client") && !ask("resume_client"));
    assert!(ask("suspend_client"));
    assert!(!alice.log_in(&mut connection));
    let status = |connection: &mut postgres::Client| -> String {
        connection
            .query_one("SELECT twofapi.client_status('alice')", &[])
            .unwrap()
            .get(0)
    };
    assert_eq!(status(&mut connection), "suspended");
    connection
        .batch_execute("SELECT twofapi.revoke_client('alice')")
        .unwrap();
    assert_eq!(status(&mut connection), "revoked");
    let (code, _) = refusal(connection.batch_execute("SELECT twofapi.client_status('bob')"));
    assert_eq!(code, "02000");
}

#[test]
fn a_rotation_needs_both_proofs() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let (next, stranger) = (Client::new("alice"), Client::new("alice"));
    let mut rotate = |old: &Client, new: &Client, possession: Vec<u8>| -> bool {
        let challenge = alice.challenge(&mut connection);
        let proof_old = old.rotation_proof(&challenge, new.credential.commitment());
        connection
            .query_one(
                "SELECT twofapi.rotate_commitment('alice', $1, $2, $3, $4)",
                &[&challenge.id, &proof_old, &new.commitment(), &possession],
            )
            .unwrap()
            .get(0)
    };
    assert!(!rotate(&stranger, &next, next.possession()));
    assert!(!rotate(&alice, &next, stranger.possession()));
    assert!(!rotate(&alice, &alice, alice.possession()));
    assert!(rotate(&alice, &next, next.possession()));
    let version: i32 = connection
        .query_one("SELECT commitment_version FROM twofapi.clients", &[])
        .unwrap()
        .get(0);
    assert_eq!(version, 2);
    assert!(next.log_in(&mut connection));
    assert!(!alice.log_in(&mut connection));
}

#[test]
fn administration_and_enrolment_are_for_the_admin_role() {
    let database = database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let (plain, operator) = (database.role("plain"), database.role("operator"));
    admin
        .batch_execute(&format!("GRANT twofapi_admin TO {operator}"))
        .unwrap();
    let mut plain = database.connect_as(&plain);
    let mut operator = database.connect_as(&operator);
    assert_eq!(refusal(Client::new("bob").enrol(&mut plain)).0, "42501");
    assert!(Client::new("bob").enrol(&mut operator).unwrap());
    for call in [
        "SELECT twofapi.suspend_client('alice')",
        "SELECT twofapi.resume_client('alice')",
        "SELECT twofapi.client_status('alice')",
        "SELECT * FROM twofapi.cleanup()",
        "SELECT * FROM twofapi.audit_log",
        "SELECT * FROM twofapi.clients",
        "SELECT twofapi.revoke_client('bob')",
    ] {
        assert_eq!(refusal(plain.batch_execute(call)).0, "42501", "{call}");
        operator.batch_execute(call).unwrap();
    }
    for write in [
        "UPDATE twofapi.clients SET status = 'active'",
        "INSERT INTO twofapi.clients VALUES ('x', '\\x00', 1, 'active')",
        "DELETE FROM twofapi.audit_log",
        "CREATE TABLE twofapi.x ()",
    ] {
        assert_eq!(refusal(operator.batch_execute(write)).0, "42501", "{write}");
    }
    assert!(alice.log_in(&mut plain));
    plain
        .batch_execute("SELECT twofapi.version(), * FROM twofapi.stats")
        .unwrap();
}

#[test]
fn a_client_of_another_host_is_imported_checked_and_audited() {
    let database = database();
    let mut admin = database.connect();
    let (plain, operator) = (database.role("plain"), database.role("operator"));
    admin
        .batch_execute(&format!("GRANT twofapi_admin TO {operator}"))
        .unwrap();
    let (mut plain, mut operator) = (database.connect_as(&plain), database.connect_as(&operator));
    let alice = Client::new("alice");
    let import = "SELECT twofapi.import_client($1, $2, $3, $4)";
    let call = |connection: &mut postgres::Client,
                id: &str,
                commitment: &[u8],
                version: i32,
                status: &str| {
        connection.query_one(import, &[&id, &commitment, &version, &status])
    };
    let good = alice.commitment();
    assert_eq!(
        refusal(call(&mut plain, "alice", &good, 1, "active")).0,
        "42501"
    );
    for (id, commitment, version, status) in [
        ("no client id", good.as_slice(), 1, "active"),
        ("alice", &[0xff; 32], 1, "active"),
        ("alice", &[0; 32], 1, "active"),
        ("alice", &good[1..], 1, "active"),
        ("alice", &good, 0, "active"),
        ("alice", &good, -3, "active"),
        ("alice", &good, 1, "Active"),
        ("alice", &good, 1, ""),
    ] {
        let refused = refusal(call(&mut operator, id, commitment, version, status));
        assert_eq!(refused.0, "22023", "{id} {version} {status}");
    }
    assert!(
        call(&mut operator, "alice", &good, 7, "active")
            .unwrap()
            .get::<_, bool>(0)
    );
    assert!(alice.log_in(&mut plain));
    assert_eq!(
        refusal(call(&mut operator, "alice", &good, 7, "active")).0,
        "23505"
    );
    let gone = Client::new("gone");
    operator
        .query_one(import, &[&"gone", &gone.commitment(), &1, &"revoked"])
        .unwrap();
    assert!(!gone.log_in(&mut plain));
    crate::eventually("both are in the audit", || {
        let row = admin.query_one(
            "SELECT count(*) FROM twofapi.audit_log WHERE action = 'import' AND outcome = 'accepted'",
            &[],
        );
        row.unwrap().get::<_, i64>(0) == 2
    });
}

#[test]
fn every_function_is_granted_or_withheld_on_purpose() {
    let mut connection = database().connect();
    let granted = |connection: &mut postgres::Client, role: &str| -> Vec<String> {
        connection
            .query(
                "SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'twofapi'::regnamespace
                   AND has_function_privilege($1::text, p.oid, 'EXECUTE') ORDER BY 1",
                &[&role],
            )
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    };
    let everyone = [
        "authenticate",
        "challenge",
        "credentials",
        "current_client",
        "get_challenge_nonce",
        "has_scope",
        "issue_challenge",
        "join_link",
        "link_credential",
        "logout",
        "offer_link",
        "pending_link",
        "rotate_commitment",
        "session",
        "session_from_token",
        "statistics",
        "unlink_credential",
        "verify",
        "version",
    ];
    assert_eq!(granted(&mut connection, "public"), everyone);
    let admins = [
        "cleanup",
        "client_credentials",
        "client_status",
        "end_sessions",
        "enroll",
        "import_client",
        "last_authentication",
        "list_sessions",
        "reset_client",
        "resume_client",
        "revoke_client",
        "set_client_attributes",
        "set_client_expiry",
        "set_credential_expiry",
        "suspend_client",
    ];
    let mut expected: Vec<_> = everyone.iter().chain(&admins).copied().collect();
    expected.sort_unstable();
    assert_eq!(granted(&mut connection, "twofapi_admin"), expected);
}

#[test]
fn current_client_is_what_policies_need() {
    let row = database()
        .connect()
        .query_one(
            "SELECT provolatile::text, proparallel::text, prosecdef, proconfig IS NULL
             FROM pg_proc WHERE oid = 'twofapi.current_client'::regproc",
            &[],
        )
        .unwrap();
    assert_eq!(
        (row.get::<_, String>(0), row.get::<_, String>(1)),
        ("s".into(), "r".into())
    );
    assert!(!row.get::<_, bool>(2) && row.get::<_, bool>(3));
}

#[test]
fn cleanup_purges_old_audit_rows_and_counts_them() {
    let mut connection = database().connect();
    connection
        .batch_execute(
            "INSERT INTO twofapi.audit_log (at, action, outcome, backend)
             SELECT now() - d * interval '1 day', 'verify', 'denied', 1
             FROM generate_series(80, 99) d",
        )
        .unwrap();
    let purge = |connection: &mut postgres::Client, call: &str| -> i64 {
        connection
            .query_one(&format!("SELECT audit_rows FROM {call}"), &[])
            .unwrap()
            .get(0)
    };
    assert_eq!(purge(&mut connection, "twofapi.cleanup()"), 10);
    assert_eq!(purge(&mut connection, "twofapi.cleanup(85)"), 5);
    for days in ["-1", "0", "NULL", "36501", "2147483647"] {
        let bad = connection.batch_execute(&format!("SELECT twofapi.cleanup({days})"));
        assert_eq!(refusal(bad).0, "22023", "{days}");
    }
    assert_eq!(purge(&mut connection, "twofapi.cleanup(36500)"), 0);
}

#[test]
fn no_administrator_erases_what_happened_within_a_day() {
    let database = database();
    let mut admin = database.connect();
    let operator = database.role("operator");
    admin
        .batch_execute(&format!(
            "GRANT twofapi_admin TO {operator};
             INSERT INTO twofapi.audit_log (at, action, outcome, backend)
             SELECT now() - h * interval '1 hour', 'verify', 'denied', 1 FROM generate_series(1, 40) h"
        ))
        .unwrap();
    let mut operator = database.connect_as(&operator);
    assert_eq!(
        refusal(operator.batch_execute("SELECT twofapi.cleanup(0)")).0,
        "22023"
    );
    // A day has 24 hours, whatever the session says about zones.
    operator
        .batch_execute("SET TimeZone = 'Pacific/Kiritimati'; SELECT twofapi.cleanup(1)")
        .unwrap();
    let left: i64 = admin
        .query_one(
            "SELECT count(*) FROM twofapi.audit_log WHERE action = 'verify'",
            &[],
        )
        .unwrap()
        .get(0);
    assert!((23..=24).contains(&left), "{left}");
}

#[test]
fn statistics_count() {
    let server = Server::start("");
    let mut connection = server.database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    assert!(alice.log_in(&mut connection));
    assert!(!Client::new("alice").log_in(&mut connection));
    for (name, count) in [
        ("challenges_issued", 2),
        ("accepted", 2),
        ("denied", 1),
        ("throttled", 0),
        ("sessions_opened", 1),
        ("spent_capacity", 1_000_000),
        ("spent_held", 1),
    ] {
        assert_eq!(stat(&mut connection, name), count, "{name}");
    }
}

#[test]
fn without_preload_every_function_says_so() {
    let server = Server::start_plain("");
    let mut connection = server.database().connect();
    let calls = connection
        .query(
            "SELECT format('SELECT * FROM twofapi.%I(%s)', proname,
                 (SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(proargtypes) t))
             FROM pg_proc WHERE pronamespace = 'twofapi'::regnamespace AND prorettype <> 'trigger'::regtype
               AND proname <> 'last_authentication'",
            &[],
        )
        .unwrap();
    assert!(calls.len() >= 17);
    for call in calls {
        let call: String = call.get(0);
        let (code, message) = refusal(connection.batch_execute(&call));
        assert_eq!(code, "55000", "{call}: {message}");
        assert!(
            message.contains("loaded when the server starts"),
            "{call}: {message}"
        );
    }
}

#[test]
fn errors_of_other_peoples_statements_are_left_as_they_are() {
    let mut connection = database().connect();
    connection
        .batch_execute(
            "CREATE TABLE t (n int CONSTRAINT positive CHECK (n > 0)); INSERT INTO t VALUES (1)",
        )
        .unwrap();
    let constraint = "ALTER TABLE t ADD CONSTRAINT large CHECK (n > 5)";
    let error = connection.batch_execute(constraint).unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(
        (error.constraint(), error.table()),
        (Some("large"), Some("t"))
    );
    assert_eq!(error.detail(), None);
    let in_a_block = "DO $$ BEGIN INSERT INTO t VALUES (0); END $$";
    let error = connection.batch_execute(in_a_block).unwrap_err();
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("positive"));
}
