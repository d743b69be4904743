//! A streaming replica: sessions work there, and it can take over.

use std::{
    thread,
    time::{Duration, Instant},
};

use twofapi_tests_pg::{Client, Server, bin_dir, run_as_server};

use crate::{current_client, eventually, refusal};

fn pair() -> (Server, Server, twofapi_tests_pg::Database) {
    let primary = Server::start("wal_level = replica\nmax_wal_senders = 5\nhot_standby = on");
    let database = primary.database();
    let dir = primary.dir().with_extension("standby");
    let output = run_as_server(bin_dir().join("pg_basebackup"))
        .args([
            "-h",
            primary.dir().to_str().unwrap(),
            "-U",
            "postgres",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-D",
        ])
        .arg(&dir)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The primary's socket lies in its data directory; its lock file is not the standby's.
    let _ = std::fs::remove_file(dir.join(".s.PGSQL.5432.lock"));
    let standby = Server::over(dir, "shared_preload_libraries = 'pg_2fapi'");
    (primary, standby, database)
}

#[test]
fn a_standby_authenticates_and_learns_of_changes_and_takes_over() {
    let (mut primary, standby, database) = pair();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let bob = Client::enrolled(&mut admin, "bob");
    let mut connection = standby
        .config(&database.name)
        .connect(postgres::NoTls)
        .unwrap();
    eventually("the standby has the clients", || {
        bob.log_in(&mut connection)
    });
    assert!(alice.log_in(&mut connection));
    assert_eq!(current_client(&mut connection), Some("alice".into()));

    // A challenge is good on the server that issued it, and there only.
    let challenge = alice.challenge(&mut admin);
    let proof = alice.proof(&challenge);
    assert!(
        !alice
            .authenticate(&mut connection, &challenge, &proof)
            .unwrap()
    );
    assert!(alice.authenticate(&mut admin, &challenge, &proof).unwrap());

    // Functions that write fail cleanly.
    let carol = Client::new("carol");
    assert_eq!(refusal(carol.enrol(&mut connection)).0, "25006");
    for call in [
        "suspend_client('alice')",
        "revoke_client('alice')",
        "cleanup()",
    ] {
        let result = connection.batch_execute(&format!("SELECT twofapi.{call}"));
        assert_eq!(refusal(result).0, "25006", "{call}");
    }

    // Suspended on the primary: within one second of its arrival the session is over.
    assert!(alice.log_in(&mut connection));
    connection
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .unwrap();
    assert_eq!(current_client(&mut connection), Some("alice".into()));
    admin
        .batch_execute("SELECT twofapi.suspend_client('alice')")
        .unwrap();
    let mut watcher = standby
        .config(&database.name)
        .connect(postgres::NoTls)
        .unwrap();
    eventually("the change arrives", || {
        let status: String = watcher
            .query_one(
                "SELECT status FROM twofapi.clients WHERE client_id = 'alice'",
                &[],
            )
            .unwrap()
            .get(0);
        status == "suspended"
    });
    let arrived = Instant::now();
    while current_client(&mut connection).is_some() {
        assert!(arrived.elapsed() < Duration::from_secs(1));
        thread::sleep(Duration::from_millis(20));
    }
    connection.batch_execute("COMMIT").unwrap();

    // Its events are in its log; the table is the primary's.
    assert!(
        standby
            .log()
            .contains("2fapi: authenticate accepted client=\"alice\"")
    );

    // Promotion.
    assert!(bob.log_in(&mut connection));
    primary.end("KILL");
    connection.batch_execute("SELECT pg_promote()").unwrap();
    assert_eq!(current_client(&mut connection), Some("bob".into()));
    assert!(carol.enrol(&mut connection).unwrap());
    assert!(carol.log_in(&mut connection));
    let mut other = standby
        .config(&database.name)
        .connect(postgres::NoTls)
        .unwrap();
    other
        .batch_execute("SELECT twofapi.suspend_client('carol')")
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
    eventually("the audit is written after the promotion", || {
        let row = connection.query_one(
            "SELECT count(*) FROM twofapi.audit_log WHERE client_id = 'carol'",
            &[],
        );
        row.unwrap().get::<_, i64>(0) == 3
    });
}
