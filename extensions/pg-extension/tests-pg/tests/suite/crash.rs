//! What is left after a crash, a panic, and a long day.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, AtomicI32, Ordering},
    thread,
    time::{Duration, Instant},
};

use twofapi_tests_pg::{Client, Server, library_for_the_suite};

use crate::{current_client, database, refusal, single_use::resident_kib, stat};

#[test]
fn a_crash_of_the_server_keeps_acknowledged_enrolments_and_no_challenge() {
    let mut server = Server::start("fsync = on");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let used = alice.challenge(&mut connection);
    let used_proof = alice.proof(&used);
    assert!(
        alice
            .authenticate(&mut connection, &used, &used_proof)
            .unwrap()
    );
    let unused = alice.challenge(&mut connection);
    let unused_proof = alice.proof(&unused);
    server.end("KILL");
    server.launch();
    let mut connection = database.connect();
    assert!(
        !alice
            .authenticate(&mut connection, &used, &used_proof)
            .unwrap()
    );
    assert!(
        !alice
            .authenticate(&mut connection, &unused, &unused_proof)
            .unwrap()
    );
    assert!(alice.log_in(&mut connection));
}

#[test]
fn a_killed_backend_in_the_middle_of_authenticating_leaves_shared_memory_sound() {
    let server = Server::start("restart_after_crash = on");
    let database = server.database();
    let alice = Client::enrolled(&mut database.connect(), "alice");
    let (used, used_proof) = {
        let mut connection = database.connect();
        let challenge = alice.challenge(&mut connection);
        let proof = alice.proof(&challenge);
        assert!(
            alice
                .authenticate(&mut connection, &challenge, &proof)
                .unwrap()
        );
        (challenge, proof)
    };
    for _ in 0..3 {
        let busy = AtomicI32::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut connection = database.connect();
                let pid: i32 = connection.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
                let challenge = alice.challenge(&mut connection);
                let proof = alice.proof(&challenge);
                busy.store(pid, Ordering::SeqCst);
                // Far more than will be done before the kill.
                let _ = connection.query_one(
                    "SELECT count(twofapi.authenticate('alice', c, $1))
                     FROM (SELECT twofapi.issue_challenge('alice') c FROM generate_series(1, 10000000)) x",
                    &[&proof],
                );
            });
            while busy.load(Ordering::SeqCst) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(100));
            let pid = busy.load(Ordering::SeqCst).to_string();
            assert!(
                Command::new("kill")
                    .args(["-KILL", &pid])
                    .status()
                    .unwrap()
                    .success()
            );
        });
        thread::sleep(Duration::from_millis(200));
        server.wait_until_ready();
        let mut connection = database.connect();
        assert!(
            !alice
                .authenticate(&mut connection, &used, &used_proof)
                .unwrap()
        );
        assert!(alice.log_in(&mut connection));
        assert_eq!(stat(&mut connection, "spent_held"), 1);
    }
}

#[test]
fn an_error_in_the_middle_leaves_the_connection_and_its_locks_in_order() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    for _ in 0..200 {
        refusal(connection.batch_execute("SELECT twofapi.authenticate('alice', 'x', '\\x00')"));
        refusal(connection.batch_execute("SELECT twofapi.suspend_client('nobody')"));
    }
    assert!(alice.log_in(&mut connection));
    assert_eq!(current_client(&mut connection), Some("alice".into()));
}

#[test]
fn a_panic_in_rust_is_an_error_and_nothing_more() {
    let library = library_for_the_suite();
    let server = Server::start_plain(&format!("shared_preload_libraries = '{library}'"));
    let connect = || server.config("postgres").connect(postgres::NoTls).unwrap();
    let (mut connection, mut other) = (connect(), connect());
    connection
        .batch_execute(&format!(
            "CREATE FUNCTION provoke(with_a_lock_held boolean) RETURNS void LANGUAGE c
                 AS '{library}', 'provoke_panic_wrapper';
             CREATE FUNCTION issue(client_id text) RETURNS text LANGUAGE c
                 AS '{library}', 'issue_challenge_wrapper';
             CREATE FUNCTION statistics(OUT issued bigint, OUT a bigint, OUT d bigint, OUT t bigint,
                     OUT s bigint, OUT capacity bigint, OUT h bigint, OUT w bigint,
                     OUT dropped bigint, OUT waiting bigint) RETURNS SETOF record LANGUAGE c
                 AS '{library}', 'statistics_wrapper'"
        ))
        .unwrap();
    let backend = |connection: &mut postgres::Client| -> i32 {
        let row = connection.query_one("SELECT pg_backend_pid()", &[]);
        row.unwrap().get(0)
    };
    let pids = (backend(&mut connection), backend(&mut other));
    for with_a_lock_held in [false, true, true] {
        let panicked = connection.query_one("SELECT provoke($1)", &[&with_a_lock_held]);
        let error = panicked.unwrap_err();
        let error = error.as_db_error().expect("an answer of the server");
        assert_eq!(error.code().code(), "XX000");
        assert!(error.message().contains("provoked"), "{error:?}");
        // The lock that was held is free for this backend and for others.
        for connection in [&mut connection, &mut other] {
            connection.query_one("SELECT issue('alice')", &[]).unwrap();
            connection
                .query_one("SELECT capacity FROM statistics()", &[])
                .unwrap();
        }
    }
    assert_eq!((backend(&mut connection), backend(&mut other)), pids);
}

#[test]
fn a_backend_is_as_big_after_100_000_calls() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    connection
        .batch_execute("SET twofapi.audit_log = off; SET work_mem = '64kB'")
        .unwrap();
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    let mut hammer = |calls: i32| {
        connection
            .query_one(
                "SELECT count(twofapi.authenticate('alice', twofapi.issue_challenge('alice'), $1)),
                        count(twofapi.current_client()), count(twofapi.logout())
                 FROM generate_series(1, $2)",
                &[&proof, &calls],
            )
            .unwrap();
        let pid: i32 = connection
            .query_one("SELECT pg_backend_pid()", &[])
            .unwrap()
            .get(0);
        resident_kib(pid)
    };
    let before = hammer(1_000);
    let grown = hammer(100_000).saturating_sub(before);
    assert!(grown < 1024, "the backend grew by {grown} KiB");
}

#[test]
fn every_connection_hammering_at_once_leaves_no_leak() {
    let seconds = std::env::var("TWOFAPI_PG_HAMMER_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(20);
    let server = Server::start("max_connections = 40\nlog_min_messages = fatal");
    let database = server.database();
    let alice = Client::enrolled(&mut database.connect(), "alice");
    let over = AtomicBool::new(false);
    let worst = thread::scope(|scope| {
        let hammers: Vec<_> = (0..34)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = database.connect();
                    connection.batch_execute("SET work_mem = '64kB'").unwrap();
                    let pid: i32 = connection
                        .query_one("SELECT pg_backend_pid()", &[])
                        .unwrap()
                        .get(0);
                    let (mut rounds, mut first, mut logins) = (0, 0, 0);
                    while !over.load(Ordering::Relaxed) {
                        logins += u32::from(alice.log_in(&mut connection));
                        rounds += 1;
                        if rounds == 200 {
                            first = resident_kib(pid);
                        }
                    }
                    assert_eq!(logins, rounds);
                    assert!(rounds > 200, "only {rounds} rounds");
                    resident_kib(pid).saturating_sub(first)
                })
            })
            .collect();
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(100));
        }
        over.store(true, Ordering::Relaxed);
        hammers
            .into_iter()
            .map(|hammer| hammer.join().unwrap())
            .max()
            .unwrap()
    });
    assert!(worst < 1024, "a backend grew by {worst} KiB");
}
