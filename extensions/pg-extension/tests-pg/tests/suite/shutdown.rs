//! The server stops when it is told to, whatever the audit's writer waits for, and no event is lost
//! uncounted by it.

use std::{
    thread,
    time::{Duration, Instant},
};

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database, Server};

use crate::{eventually, stat};

const PATIENCE: Duration = Duration::from_secs(10);

fn rows(connection: &mut Connection) -> i64 {
    connection
        .query_one("SELECT count(*) FROM twofapi.audit_log", &[])
        .unwrap()
        .get(0)
}

fn writers(connection: &mut Connection) -> i64 {
    connection
        .query_one(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_2fapi audit writer'",
            &[],
        )
        .unwrap()
        .get(0)
}

/// Stops the server while events are on their way, and counts the rows after its next start.
fn written_after_a_stop(server: &mut Server, database: &Database, signal: &str, expected: i64) {
    assert!(
        server.ends_within(signal, PATIENCE),
        "{signal}\n{}",
        server.log()
    );
    server.launch();
    let mut connection = database.connect();
    eventually("what was on its way is written", || {
        rows(&mut connection) == expected
    });
    // And once.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(rows(&mut connection), expected);
    assert_eq!(stat(&mut connection, "audit_dropped"), 0);
}

#[test]
fn every_event_outlives_an_orderly_stop() {
    let mut server = Server::start("");
    let database = server.database();
    let alice = Client::enrolled(&mut database.connect(), "alice");
    let mut expected = 1;
    for signal in ["INT", "TERM", "INT"] {
        let mut connection = database.connect();
        for _ in 0..20 {
            assert!(alice.log_in(&mut connection));
            expected += 1;
        }
        drop(connection);
        written_after_a_stop(&mut server, &database, signal, expected);
    }
}

#[test]
fn events_that_nobody_wrote_are_saved_and_written_after_the_next_start() {
    // No process for a writer at first.
    let mut server = Server::start("max_worker_processes = 0\nmax_parallel_workers = 0");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    for _ in 0..20 {
        assert!(alice.log_in(&mut connection));
    }
    connection
        .query_one(
            "SELECT count(twofapi.verify('alice', 'x', $1)) FROM generate_series(1, 5000)",
            &[&alice.possession()],
        )
        .unwrap();
    let dropped = stat(&mut connection, "audit_dropped");
    assert_eq!(dropped, 5021 - 4096);
    drop(connection);
    server.restart();
    let mut connection = database.connect();
    assert_eq!(stat(&mut connection, "audit_dropped"), dropped);
    drop(connection);
    server.configure("max_worker_processes = 8");
    server.restart();
    let mut connection = database.connect();
    eventually("the saved ones are written", || {
        rows(&mut connection) == 4096
    });
    assert_eq!(stat(&mut connection, "audit_dropped"), dropped);
    let first = connection
        .query_one(
            "SELECT action, client_id FROM twofapi.audit_log ORDER BY id LIMIT 1",
            &[],
        )
        .unwrap();
    assert_eq!((first.get(0), first.get(1)), ("enrol", "alice"));
    assert!(!server.dir().join("pg_stat/pg_2fapi.events").exists());
}

#[test]
fn a_writer_waits_for_no_synchronous_standby() {
    let mut server = Server::start("wal_level = replica\nmax_wal_senders = 5");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    connection
        .batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .unwrap();
    connection.batch_execute("SELECT pg_reload_conf()").unwrap();
    thread::sleep(Duration::from_millis(500));
    assert!(alice.log_in(&mut connection));
    eventually("the rows are written", || rows(&mut connection) == 2);
    assert!(alice.log_in(&mut connection));
    drop(connection);
    assert!(server.ends_within("INT", PATIENCE), "{}", server.log());
}

#[test]
fn a_writer_that_waits_for_a_lock_goes_when_it_is_told_to() {
    let mut server = Server::start("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    eventually("the row is written", || rows(&mut connection) == 1);
    connection
        .batch_execute(
            "BEGIN; LOCK TABLE twofapi.audit_log IN SHARE ROW EXCLUSIVE MODE; PREPARE TRANSACTION 'held'",
        )
        .unwrap();
    assert!(alice.log_in(&mut connection));
    let waiting = "SELECT pid FROM pg_stat_activity
                   WHERE backend_type = 'pg_2fapi audit writer' AND wait_event_type = 'Lock'";
    eventually("the writer waits", || {
        !connection.query(waiting, &[]).unwrap().is_empty()
    });
    let pid: i32 = connection.query_one(waiting, &[]).unwrap().get(0);
    let gone: bool = connection
        .query_one("SELECT pg_terminate_backend($1, 3000)", &[&pid])
        .unwrap()
        .get(0);
    assert!(gone);
    assert!(alice.log_in(&mut connection));
    drop(connection);
    assert!(server.ends_within("INT", PATIENCE), "{}", server.log());
    server.launch();
    let mut connection = database.connect();
    connection
        .batch_execute("ROLLBACK PREPARED 'held'")
        .unwrap();
    eventually("nothing is lost", || rows(&mut connection) == 3);
}

#[test]
fn a_database_whose_writer_waits_is_dropped_by_force() {
    let server = Server::start("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    eventually("the row is written", || rows(&mut connection) == 1);
    let mut holder = database.connect();
    holder
        .batch_execute("BEGIN; LOCK TABLE twofapi.audit_log IN SHARE ROW EXCLUSIVE MODE")
        .unwrap();
    for _ in 0..5 {
        assert!(alice.log_in(&mut connection));
    }
    let mut postgres = server.config("postgres").connect(postgres::NoTls).unwrap();
    postgres
        .batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", database.name))
        .unwrap();
    // Its events are nobody's, and counted.
    let mut other = server.database().connect();
    eventually("they are counted", || {
        stat(&mut other, "audit_written + audit_dropped") == 6
    });
    eventually("no writer is left", || writers(&mut other) == 0);
}

#[test]
fn many_databases_and_one_place_for_a_writer_lose_nothing_uncounted() {
    let server = Server::start(
        "max_worker_processes = 1\nmax_parallel_workers = 0\nmax_logical_replication_workers = 0",
    );
    let databases: Vec<_> = (0..20).map(|_| server.database()).collect();
    let mut connections: Vec<_> = databases.iter().map(Database::connect).collect();
    let mut events = 0_i64;
    let accounted = |connections: &mut [Connection], events: i64, sum: &str| {
        stat(&mut connections[0], sum) == events
    };
    for round in 0..2 {
        for n in 0..connections.len() {
            let _ = Client::enrolled(&mut connections[n], &format!("client-{n}-{round}"));
            events += 1;
            let sum = "audit_written + audit_dropped + audit_waiting";
            assert!(accounted(&mut connections, events, sum));
        }
    }
    // Somebody comes now and then, as ever; each finds the place that the last writer left.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !accounted(&mut connections, events, "audit_written + audit_dropped") {
        assert!(
            Instant::now() < deadline,
            "some are neither written nor counted"
        );
        let _ = Client::enrolled(&mut connections[0], &format!("client-{events}"));
        events += 1;
        thread::sleep(Duration::from_millis(400));
    }
    let written: i64 = connections.iter_mut().map(rows).sum();
    assert_eq!(written, stat(&mut connections[0], "audit_written"));
    // Nobody's events made room for another's: those that found a channel are all there.
    assert!(written >= 32, "{written}");
}

#[test]
fn the_owner_of_a_database_does_not_silence_its_audit() {
    let server = Server::start("");
    let database = server.database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let owner = database.role("owner");
    let name = &database.name;
    admin
        .batch_execute(&format!(
            "ALTER DATABASE {name} OWNER TO {owner}; GRANT CONNECT ON DATABASE {name} TO {owner}"
        ))
        .unwrap();
    let mut expected = 1;
    for silencing in [
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        "ALTER DATABASE {} SET role = {owner}",
        "ALTER DATABASE {} SET lock_timeout = 1",
        "ALTER DATABASE {} SET statement_timeout = 1",
        "ALTER DATABASE {} SET search_path = evil",
        "ALTER DATABASE {} SET default_transaction_isolation = serializable",
        "ALTER DATABASE {} SET session_replication_role = replica",
        "ALTER DATABASE {} CONNECTION LIMIT 0",
        "REVOKE CONNECT ON DATABASE {} FROM PUBLIC, twofapi_writer",
        "ALTER DATABASE {} ALLOW_CONNECTIONS false",
    ] {
        eventually("no writer is there", || writers(&mut admin) == 0);
        let statement = silencing.replace("{}", name).replace("{owner}", &owner);
        // The owner's connection is made before it closes the door.
        let mut connection = server.config("postgres");
        let mut connection = connection.user(&owner).connect(postgres::NoTls).unwrap();
        if let Err(error) = connection.batch_execute(&statement) {
            assert_eq!(
                error.code().map(|code| code.code()),
                Some("42501"),
                "{statement}"
            );
            continue;
        }
        let before = server.log().matches("exited with exit code 1").count();
        for _ in 0..10 {
            assert!(alice.log_in(&mut admin));
            expected += 1;
        }
        eventually(&statement, || stat(&mut admin, "audit_written") == expected);
        let exits = server.log().matches("exited with exit code 1").count() - before;
        assert_eq!(exits, 0, "{statement}");
    }
    assert_eq!(rows(&mut admin), expected);
    assert_eq!(stat(&mut admin, "audit_dropped"), 0);
}
