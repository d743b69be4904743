//! Every event is in `twofapi.audit_log` and in the server log, also when it was rolled back; and
//! nothing waits for that.

use std::{collections::HashMap, thread};

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Server};

use crate::{database, eventually, refusal, stat};

fn rows(connection: &mut Connection) -> Vec<(String, String, Option<String>, Option<String>)> {
    connection
        .query(
            "SELECT action, outcome, reason, client_id FROM twofapi.audit_log ORDER BY id",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}

#[test]
fn every_event_is_in_the_table_and_in_the_server_log() {
    let server = Server::start("");
    let mut connection = server.database().connect();
    let mut alice = Client::enrolled(&mut connection, "alice");
    let stranger = Client::new("alice");
    assert!(alice.log_in(&mut connection));
    connection.batch_execute("SELECT twofapi.logout()").unwrap();
    assert!(!stranger.log_in(&mut connection));
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    for _ in 0..2 {
        let _ = alice
            .authenticate(&mut connection, &challenge, &proof)
            .unwrap();
    }
    assert!(!Client::new("nobody").log_in(&mut connection));
    refusal(connection.batch_execute("SELECT twofapi.authenticate('alice', 'x', '\\x00')"));
    refusal(connection.batch_execute("SELECT twofapi.revoke_client('nobody')"));
    assert!(alice.rotate(&mut connection));
    connection
        .batch_execute(
            "SELECT twofapi.suspend_client('alice'); SELECT twofapi.resume_client('alice');
             SELECT twofapi.revoke_client('alice'); SELECT twofapi.cleanup()",
        )
        .unwrap();
    let expected = [
        ("enrol", "accepted", "", "alice"),
        ("authenticate", "accepted", "", "alice"),
        ("logout", "accepted", "", "alice"),
        ("authenticate", "denied", "equation", "alice"),
        ("authenticate", "accepted", "", "alice"),
        ("authenticate", "denied", "challenge spent", "alice"),
        (
            "authenticate",
            "denied",
            "client not enrolled or not active",
            "nobody",
        ),
        ("authenticate", "error", "malformed", "alice"),
        ("revoke", "error", "not_enrolled", "nobody"),
        ("rotate", "accepted", "", "alice"),
        ("suspend", "accepted", "", "alice"),
        ("resume", "accepted", "", "alice"),
        ("revoke", "accepted", "", "alice"),
        ("cleanup", "accepted", "", ""),
    ];
    eventually("all rows are written", || {
        rows(&mut connection).len() == expected.len()
    });
    let log = server.log();
    let mut log = log.as_str();
    for (row, (action, outcome, reason, client)) in rows(&mut connection).iter().zip(expected) {
        let row = (
            row.0.as_str(),
            row.1.as_str(),
            row.2.as_deref().unwrap_or_default(),
            row.3.as_deref().unwrap_or_default(),
        );
        assert_eq!(row, (action, outcome, reason, client));
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(" ({reason})")
        };
        let line = format!("LOG:  2fapi: {action} {outcome}{reason} client=\"{client}\"");
        let at = log
            .find(&line)
            .unwrap_or_else(|| panic!("not in the log: {line}"));
        log = &log[at + line.len()..];
    }
}

#[test]
fn a_row_says_who_when_and_in_which_transaction() {
    let mut connection = database().connect();
    connection.batch_execute("BEGIN").unwrap();
    let _alice = Client::enrolled(&mut connection, "alice");
    connection.batch_execute("ROLLBACK").unwrap();
    let mut row = None;
    eventually("the row is written", || {
        row = connection
            .query_opt(
                "SELECT role, backend = pg_backend_pid(), pg_xact_status(transaction),
                        now() - at < '1 minute' FROM twofapi.audit_log",
                &[],
            )
            .unwrap();
        row.is_some()
    });
    let row = row.unwrap();
    assert_eq!(row.get::<_, String>(0), "postgres");
    assert_eq!(row.get::<_, String>(2), "aborted");
    assert!(row.get::<_, bool>(1) && row.get::<_, bool>(3));
}

#[test]
fn a_rolled_back_attempt_leaves_its_trace() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    connection.batch_execute("BEGIN").unwrap();
    assert!(alice.log_in(&mut connection));
    connection.batch_execute("ROLLBACK").unwrap();
    eventually("the rows are written", || rows(&mut connection).len() == 2);
}

#[test]
fn rows_and_lines_are_switched_off_apart() {
    let server = Server::start("");
    let mut connection = server.database().connect();
    connection
        .batch_execute("SET twofapi.audit_log = off")
        .unwrap();
    let alice = Client::enrolled(&mut connection, "alice");
    assert!(server.log().contains("2fapi: enrol accepted"));
    connection
        .batch_execute("SET twofapi.audit_log = on; SET twofapi.log_events = off")
        .unwrap();
    assert!(alice.log_in(&mut connection));
    eventually("the later row is written", || {
        !rows(&mut connection).is_empty()
    });
    assert_eq!(rows(&mut connection)[0].0, "authenticate");
    assert!(!server.log().contains("2fapi: authenticate"));
    connection
        .batch_execute("SET twofapi.audit_log = off")
        .unwrap();
    assert!(alice.log_in(&mut connection));
    connection
        .batch_execute("SET twofapi.audit_log = on; SELECT twofapi.logout()")
        .unwrap();
    eventually("the last row is written", || {
        rows(&mut connection).len() == 2
    });
    assert_eq!(rows(&mut connection)[1].0, "logout");
}

#[test]
fn a_row_says_from_where_and_as_what_the_connection_came() {
    let server = Server::start_on_tcp("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let mut over_tcp = database.connect_over_tcp();
    // As long as the server lets it be, and of any bytes.
    let long = "x".repeat(200);
    for name in ["billing", "a \"quoted\"\nline", &long, ""] {
        over_tcp
            .execute("SELECT set_config('application_name', $1, false)", &[&name])
            .unwrap();
        assert!(alice.log_in(&mut over_tcp));
    }
    eventually("the rows are written", || rows(&mut connection).len() == 5);
    let found: Vec<(Option<String>, Option<String>)> = connection
        .query(
            "SELECT host(address), application_name FROM twofapi.audit_log ORDER BY id",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let here = Some("127.0.0.1".to_owned());
    assert_eq!(found[0], (None, None));
    assert_eq!(found[1], (here.clone(), Some("billing".into())));
    assert_eq!(found[2].0, here);
    assert!(found[2].1.as_ref().unwrap().starts_with("a \"quoted\""));
    assert_eq!(found[3].1, Some("x".repeat(63)));
    assert_eq!(found[4], (here, None));
}

#[test]
fn the_rows_of_one_client_are_found_by_an_index() {
    let mut connection = database().connect();
    connection
        .batch_execute("SET enable_seqscan = off")
        .unwrap();
    let plan: Vec<String> = connection
        .query(
            "EXPLAIN SELECT max(at) FROM twofapi.audit_log WHERE client_id = 'alice'",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(plan.join("\n").contains("audit_log_client_id"), "{plan:?}");
}

#[test]
fn every_table_is_replicated_to_a_server_that_writes_an_audit_of_its_own() {
    let publisher = Server::start("wal_level = logical\nmax_wal_senders = 5");
    let subscriber = Server::start("wal_level = logical\nmax_wal_senders = 5");
    let (here, there) = (publisher.database(), subscriber.database());
    let (mut here_connection, mut there_connection) = (here.connect(), there.connect());
    let alice = Client::enrolled(&mut here_connection, "alice");
    for _ in 0..3 {
        assert!(alice.log_in(&mut here_connection));
    }
    eventually("the audit is written", || {
        rows(&mut here_connection).len() == 4
    });
    for connection in [&mut here_connection, &mut there_connection] {
        connection
            .batch_execute("CREATE TABLE t (n int PRIMARY KEY)")
            .unwrap();
    }
    here_connection
        .batch_execute("CREATE PUBLICATION p FOR ALL TABLES")
        .unwrap();
    there_connection
        .batch_execute(&format!(
            "CREATE SUBSCRIPTION s CONNECTION 'host={} dbname={} user=postgres' PUBLICATION p",
            publisher.dir().display(),
            here.name
        ))
        .unwrap();
    eventually("the tables are in step", || {
        let row = there_connection.query_one(
            "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'",
            &[],
        );
        row.unwrap().get::<_, i64>(0) == 0 && rows(&mut there_connection).len() == 4
    });
    for _ in 0..5 {
        assert!(alice.log_in(&mut there_connection));
        assert!(alice.log_in(&mut here_connection));
    }
    here_connection
        .batch_execute("INSERT INTO t VALUES (1)")
        .unwrap();
    eventually("what both wrote is there", || {
        rows(&mut there_connection).len() == 4 + 10
    });
    eventually("the application's table is replicated as ever", || {
        let row = there_connection.query_one("SELECT count(*) FROM t", &[]);
        row.unwrap().get::<_, i64>(0) == 1
    });
    here_connection
        .batch_execute(
            "UPDATE twofapi.audit_log SET at = at - interval '100 days'; SELECT twofapi.cleanup()",
        )
        .unwrap();
    eventually("old rows go there as well, and its own stay", || {
        rows(&mut there_connection).len() == 6
    });
    assert!(!subscriber.log().contains("duplicate key"));
    there_connection
        .batch_execute("DROP SUBSCRIPTION s")
        .unwrap();
}

#[test]
fn under_a_flood_nothing_blocks_and_what_was_dropped_is_counted() {
    // Without a worker slot nothing is ever written: the worst that can happen to the audit.
    let server = Server::start(
        "max_worker_processes = 0\nmax_parallel_workers = 0\nlog_min_messages = fatal",
    );
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let flood = 10_000_i64;
    connection
        .query_one(
            "SELECT count(twofapi.verify('nobody', 'x', decode(repeat('01', 32) || repeat('00', 64), 'hex')))
             FROM generate_series(1, 0)",
            &[],
        )
        .unwrap();
    let proof = alice.possession();
    connection
        .query_one(
            "SELECT count(twofapi.verify('alice', 'x', $1)) FROM generate_series(1, $2)",
            &[&proof, &i32::try_from(flood).unwrap()],
        )
        .unwrap();
    assert!(alice.log_in(&mut connection));
    // The enrolment, the flood and the login, less what waits in the channel.
    assert_eq!(stat(&mut connection, "audit_dropped"), flood + 2 - 4096);
    assert_eq!(stat(&mut connection, "audit_written"), 0);
}

#[test]
fn every_event_of_a_flood_is_written_or_counted() {
    let server = Server::start("log_min_messages = fatal");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let proof = alice.possession();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                database
                    .connect()
                    .query_one(
                        "SELECT count(twofapi.verify('alice', 'x', $1)) FROM generate_series(1, 20000)",
                        &[&proof],
                    )
                    .unwrap();
            });
        }
    });
    let mut total = || stat(&mut connection, "audit_written + audit_dropped");
    eventually("everything is accounted for", || total() == 80_001);
    let written = stat(&mut connection, "audit_written");
    let rows: i64 = connection
        .query_one("SELECT count(*) FROM twofapi.audit_log", &[])
        .unwrap()
        .get(0);
    assert_eq!(rows, written);
}

#[test]
fn each_database_has_its_own_audit_and_can_be_dropped() {
    let server = Server::start("");
    let databases: Vec<_> = (0..4).map(|_| server.database()).collect();
    for (n, database) in databases.iter().enumerate() {
        let _ = Client::enrolled(&mut database.connect(), &format!("client-{n}"));
    }
    for (n, database) in databases.iter().enumerate() {
        let mut connection = database.connect();
        eventually("the row is written", || rows(&mut connection).len() == 1);
        assert_eq!(rows(&mut connection)[0].3, Some(format!("client-{n}")));
    }
    let mut postgres = server.config("postgres").connect(postgres::NoTls).unwrap();
    for database in &databases {
        // A writer that has nothing to do leaves before the server stops waiting for it.
        postgres
            .batch_execute(&format!("DROP DATABASE {}", database.name))
            .unwrap();
    }
}

#[test]
fn a_killed_writer_is_replaced() {
    let server = Server::start("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    eventually("the row is written", || rows(&mut connection).len() == 1);
    connection
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE backend_type = 'pg_2fapi audit writer'",
        )
        .unwrap();
    let mut logins = 0;
    eventually("rows are written again", || {
        assert!(alice.log_in(&mut connection));
        logins += 1;
        rows(&mut connection).len() > 1
    });
    eventually("nothing is lost", || {
        rows(&mut connection).len() == 1 + logins
    });
}

#[test]
fn a_drop_of_the_extension_stops_nobody() {
    let server = Server::start("");
    let mut connection = server.database().connect();
    let _alice = Client::enrolled(&mut connection, "alice");
    connection
        .batch_execute("DROP EXTENSION pg_2fapi; CREATE EXTENSION pg_2fapi")
        .unwrap();
    let _alice = Client::enrolled(&mut connection, "alice");
    eventually("the new table is written", || {
        !rows(&mut connection).is_empty()
    });
}

#[test]
fn proofs_are_not_in_the_server_log() {
    let server = Server::start("");
    let mut connection = server.database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let challenge = alice.challenge(&mut connection);
    let proof = hex::encode(alice.proof(&challenge));
    let mut said = HashMap::new();
    for (name, call) in [
        // An error of ours would print its statement.
        (
            "malformed",
            format!(
                "SELECT twofapi.authenticate('a b', '{}', '\\x{proof}')",
                challenge.id
            ),
        ),
        (
            "long",
            format!(
                "SELECT twofapi.authenticate('alice', '{}', '\\x{proof}00')",
                challenge.id
            ),
        ),
        (
            "good",
            format!(
                "SELECT twofapi.authenticate('alice', '{}', '\\x{proof}')",
                challenge.id
            ),
        ),
        (
            "again",
            format!(
                "SELECT twofapi.authenticate('alice', '{}', '\\x{proof}')",
                challenge.id
            ),
        ),
    ] {
        said.insert(name, connection.batch_execute(&call).is_ok());
    }
    assert_eq!(
        (said["malformed"], said["long"], said["good"]),
        (false, false, true)
    );
    let log = server.log();
    assert!(log.contains("authenticate accepted") && log.contains("authenticate error"));
    assert!(!log.contains(&proof[..32]), "{log}");
    // Statements of other people's errors are printed as ever.
    refusal(connection.batch_execute("SELECT 1/0 AS mine"));
    assert!(server.log().contains("STATEMENT:  SELECT 1/0 AS mine"));
}
