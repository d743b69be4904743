//! Proofs that were not used, and tokens, show up neither in the server's log nor before other
//! connections; and nobody hides anything else from the log by that.

use std::{thread, time::Duration};

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database, Server};

use crate::{eventually, refusal};

struct Scene {
    server: Server,
    database: Database,
    app: Connection,
    alice: Client,
}

/// A server that logs all it can, and whose set of spent challenges is full.
fn scene() -> Scene {
    let server = Server::start(
        "twofapi.spent_capacity = 16\ntwofapi.challenge_ttl = 900\nlog_statement = all\n\
         log_min_duration_statement = 0\nlog_parameter_max_length_on_error = -1",
    );
    let database = server.database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    admin
        .batch_execute(
            "CREATE FUNCTION log_in(c text, ch text, p bytea) RETURNS boolean
             LANGUAGE sql AS $$ SELECT twofapi.authenticate(c, ch, p) $$",
        )
        .unwrap();
    for _ in 0..16 {
        assert!(alice.log_in(&mut admin));
    }
    let role = database.role("app");
    let app = database.connect_as(&role);
    Scene {
        server,
        database,
        app,
        alice,
    }
}

impl Scene {
    /// A challenge id, and a proof in hexadecimal.
    fn proof(&mut self) -> (String, String) {
        let challenge = self.alice.challenge(&mut self.app);
        let proof = self.alice.proof(&challenge);
        (challenge.id, hex::encode(proof))
    }
}

#[test]
fn no_unused_proof_is_in_the_server_log_whatever_the_statement_is() {
    let mut s = scene();
    let literals: [(&str, &str); 8] = [
        (
            "53400",
            "SELECT twofapi.authenticate('alice', '{c}', '\\x{p}')",
        ),
        (
            "53400",
            "DO $$ BEGIN PERFORM twofapi.authenticate('alice', '{c}', '\\x{p}'); END $$",
        ),
        (
            "53400",
            "DO $$ BEGIN EXECUTE 'SELECT twofapi.authenticate(''alice'', ''{c}'', ''\\x{p}'')'; END $$",
        ),
        (
            "53400",
            "SELECT log_in('alice', '{c}', decode('{p}', 'hex'))",
        ),
        (
            "42704",
            "SELECT twofapi.authenticate('alice', '{c}', '\\x{p}'::byteaa)",
        ),
        (
            "42601",
            "SELECT twofapi.authenticate('alice', '{c}', '\\x{p}'",
        ),
        (
            "22012",
            "SELECT 1 / 0, twofapi.authenticate('alice', '{c}', '\\x{p}')",
        ),
        (
            "57014",
            "SET statement_timeout = 50; SELECT pg_sleep(1), twofapi.authenticate('alice', '{c}', '\\x{p}')",
        ),
    ];
    for (code, statement) in literals {
        let (challenge, proof) = s.proof();
        let statement = statement.replace("{c}", &challenge).replace("{p}", &proof);
        assert_eq!(
            refusal(s.app.batch_execute(&statement)).0,
            code,
            "{statement}"
        );
        s.app.batch_execute("RESET statement_timeout").unwrap();
        let log = s.server.log();
        assert!(!log.contains(&proof), "{statement}");
        assert!(
            log.contains(&challenge),
            "nothing of {statement} is in the log"
        );
    }

    s.app.batch_execute("BEGIN").unwrap();
    refusal(s.app.batch_execute("SELECT 1/0"));
    let challenge = s.alice.challenge(&mut s.database.connect());
    let proof = hex::encode(s.alice.proof(&challenge));
    let statement = format!(
        "SELECT twofapi.authenticate('alice', '{}', '\\x{proof}')",
        challenge.id
    );
    assert_eq!(refusal(s.app.batch_execute(&statement)).0, "25P02");
    s.app.batch_execute("ROLLBACK").unwrap();
    assert!(!s.server.log().contains(&proof));

    for statement in [
        "SELECT twofapi.authenticate('alice', $1, $2)",
        "SELECT log_in('alice', $1, $2)",
    ] {
        let (challenge, proof) = s.proof();
        let bytes = hex::decode(&proof).unwrap();
        refusal(s.app.query(statement, &[&challenge, &bytes]));
        let log = s.server.log();
        assert!(!log.contains(&proof), "{statement}");
    }
    // Used ones are not there either.
    let challenge = s.alice.challenge(&mut s.app);
    let proof = s.alice.proof(&challenge);
    let verify = format!("SELECT length('\\x{}'::bytea)", hex::encode(&proof));
    s.app.batch_execute(&verify).unwrap();
    assert!(!s.server.log().contains(&hex::encode(&proof)));
}

#[test]
fn no_other_connection_of_the_role_reads_a_proof_that_was_throttled() {
    let mut s = scene();
    let role = s.database.name.clone() + "_app";
    let mut thief = s.database.connect_as(&role);
    let mut seen = move || -> String {
        thief
            .query_one(
                "SELECT string_agg(query, ' ') FROM pg_stat_activity
                 WHERE usename = current_user AND pid <> pg_backend_pid()",
                &[],
            )
            .unwrap()
            .get(0)
    };
    for statement in [
        "SELECT twofapi.authenticate('alice', '{c}', '\\x{p}')",
        "SELECT twofapi.authenticate('alice', '{c}', '\\x{p}'::byteaa)",
        "SELECT twofapi.authenticate('alice', '{c}', '\\x{p}'",
        "DO $$ BEGIN PERFORM twofapi.authenticate('alice', '{c}', '\\x{p}'); END $$",
    ] {
        let (challenge, proof) = s.proof();
        let statement = statement.replace("{c}", &challenge).replace("{p}", &proof);
        refusal(s.app.batch_execute(&statement));
        let seen = seen();
        assert!(!seen.contains(&proof), "{seen}");
        assert!(seen.contains(&challenge) && seen.contains("***"), "{seen}");
    }

    // Nor while it runs, in either protocol.
    let (challenge, proof) = s.proof();
    let statement =
        format!("SELECT pg_sleep(1), length('{challenge}'), length('\\x{proof}'::bytea)");
    for prepared in [false, true] {
        thread::scope(|scope| {
            let app = &mut s.app;
            let statement = &statement;
            let running = scope.spawn(move || {
                if prepared {
                    app.query(statement.as_str(), &[]).map(|_| ())
                } else {
                    app.batch_execute(statement)
                }
            });
            eventually("it runs", || seen().contains("pg_sleep"));
            thread::sleep(Duration::from_millis(100));
            let seen = seen();
            assert!(
                seen.contains(&challenge) && !seen.contains(&proof),
                "{seen}"
            );
            running.join().unwrap().unwrap();
        });
    }
}

#[test]
fn the_signatures_of_tokens_are_not_in_the_server_log() {
    let mut s = scene();
    let (header, claims) = ("eyJhbGciOiJFZERTQSJ9", "eyJzdWIiOiJhbGljZSJ9".repeat(3));
    let signature = "sIgNaTuRe-".repeat(9)[..86].to_owned();
    let token = format!("{header}.{claims}.{signature}");
    let headers = format!("{{\"x-2fapi-token\": \"Bearer {token}\"}}");
    s.app
        .query(
            "SELECT set_config('request.headers', $1, false)",
            &[&headers],
        )
        .unwrap();
    let literal = format!("SELECT set_config('request.headers', '{headers}', false)");
    s.app.batch_execute(&literal).unwrap();
    refusal(
        s.app
            .batch_execute(&format!("SELECT twofapi.session_from_token('{token}')")),
    );
    let log = s.server.log();
    assert!(log.contains(&claims) && !log.contains(&signature));
}

#[test]
fn an_error_of_ours_hides_no_other_statement_from_the_log() {
    let mut s = scene();
    s.app
        .batch_execute("SET log_statement = none; SET log_min_duration_statement = -1")
        .unwrap_err();
    let quiet = Server::start("");
    let mut app = quiet.database().connect();
    app.batch_execute(
        "DO $$ BEGIN PERFORM twofapi.authenticate(NULL, NULL, NULL);
               EXCEPTION WHEN OTHERS THEN NULL; END $$",
    )
    .unwrap();
    refusal(app.batch_execute("SELECT 1 / 0 AS evil_statement"));
    eventually("the statement is in the log", || {
        quiet
            .log()
            .contains("STATEMENT:  SELECT 1 / 0 AS evil_statement")
    });
    // A proof beside it hides itself and nothing else.
    let proof = "ab".repeat(96);
    refusal(app.batch_execute(&format!("SELECT 1 / 0 AS worse_statement, '\\x{proof}'")));
    eventually("that one as well", || {
        quiet.log().contains("AS worse_statement, '\\x***")
    });
}
