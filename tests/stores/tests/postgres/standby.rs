//! A primary that dies and a streaming standby that is promoted: what was acknowledged is there, and no challenge of before
//! is good.

use std::time::{Duration, Instant};

use postgres::NoTls;
use twofapi_crypto_core::Error;
use twofapi_server::{RecordChange, Store, change_record};
use twofapi_tests_pg::{Server, bin_dir, run_as_server};
use twofapi_tests_stores::{Alice, log_in};

use crate::{place::Place, replicas::replica};

/// A primary, and a standby that has everything that the primary acknowledges.
fn pair() -> (Server, Server) {
    let primary = Server::start_plain("wal_level = replica\nmax_wal_senders = 5\nhot_standby = on");
    let dir = primary.dir().with_extension("standby");
    let copied = run_as_server(bin_dir().join("pg_basebackup"))
        .arg("-h")
        .arg(primary.dir())
        .args(["-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-D"])
        .arg(&dir)
        .output()
        .expect("pg_basebackup");
    assert!(
        copied.status.success(),
        "{}",
        String::from_utf8_lossy(&copied.stderr)
    );
    // The primary's socket lies in its data directory; its lock file is not the standby's.
    let _ = std::fs::remove_file(dir.join(".s.PGSQL.5432.lock"));
    let standby = Server::over(dir, "");
    primary.configure("synchronous_standby_names = '*'");
    sql(&primary, "SELECT pg_reload_conf()");
    until("the standby is synchronous", || {
        let mut client = primary.config("postgres").connect(NoTls).expect("connect");
        let state = client.query("SELECT sync_state FROM pg_stat_replication", &[]);
        state.is_ok_and(|rows| rows.iter().any(|row| row.get::<_, &str>(0) == "sync"))
    });
    (primary, standby)
}

fn sql(server: &Server, statement: &str) {
    let mut client = server.config("postgres").connect(NoTls).expect("connect");
    client.batch_execute(statement).expect("the statement");
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_servers_go_on_with_what_was_acknowledged_and_no_challenge_of_before() {
    let made = tokio::task::spawn_blocking(|| {
        let (primary, standby) = pair();
        (Place::on(&primary), primary, standby)
    });
    let (mut place, mut primary, standby) = made.await.expect("two servers");
    place.migrate().await;
    let socket = |server: &Server| server.dir().display().to_string().replace('/', "%2F");
    let name = place.config.get_dbname().expect("a name");
    place.url = format!(
        "postgres://postgres@{},{}/{name}?target_session_attrs=read-write",
        socket(&primary),
        socket(&standby)
    );
    let (one, other) = (replica(&place).await, replica(&place).await);
    let alice = Alice::enrolled_at(&one).await;
    let bob = Alice::called("bob").enrolled(&one).await;
    let (used, proof_used) = alice.proven(&one).await;
    log_in(&one, &used, &proof_used)
        .await
        .expect("she is let in");
    let (unused, proof_unused) = alice.proven(&other).await;
    let store = place.open(100).await;
    change_record(&store, &bob.id, &RecordChange::Revoke)
        .await
        .expect("acknowledged");

    let promoted = tokio::task::spawn_blocking(move || {
        primary.end("QUIT");
        sql(&standby, "SELECT pg_promote(true, 60)");
        (primary, standby)
    });
    let _servers = promoted.await.expect("the standby takes over");

    for (name, proof) in [(&used, &proof_used), (&unused, &proof_unused)] {
        for server in [&one, &other] {
            let again = log_in(server, name, proof).await;
            // The first that find their connections dead cannot tell.
            assert!(
                matches!(again, Err(Error::Denied | Error::Unavailable { .. })),
                "a challenge of before was accepted"
            );
        }
    }
    let kept = store.look_up(&bob.id).await.expect("it works again");
    assert_eq!(kept.expect("a record").status().as_str(), "revoked");
    let (name, proof) = alice.proven(&one).await;
    log_in(&other, &name, &proof).await.expect("she is let in");
    let (name, proof) = bob.proven(&one).await;
    let revoked = log_in(&other, &name, &proof).await;
    assert_eq!(revoked.map(drop), Err(Error::Denied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_wait_for_no_standby_and_changes_do() {
    let made = tokio::task::spawn_blocking(|| {
        let server = Server::start_plain("");
        (Place::on(&server), server)
    });
    let (place, server) = made.await.expect("a server");
    place.migrate().await;
    let service = replica(&place).await;
    let alice = Alice::enrolled_at(&service).await;
    server.configure("synchronous_standby_names = 'away'");
    place.sql("SELECT pg_reload_conf()").await;
    // More than PostgreSQL logs of a sequence at once.
    for _ in 0..40 {
        let (name, proof) = alice.proven(&service).await;
        let let_in = log_in(&service, &name, &proof).await;
        assert!(let_in.is_ok(), "{let_in:?}");
    }
    let store = place.open(100).await;
    let revoked = change_record(&store, &alice.id, &RecordChange::Revoke).await;
    assert!(matches!(revoked, Err(Error::Unavailable { .. })));
    let end = tokio::task::spawn_blocking(move || drop(server));
    end.await.expect("it ends");
}
