//! PostgreSQL with a streaming standby that has whatever the primary acknowledges.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use postgres::NoTls;
use twofapi_tests_pg::{Server, bin_dir, run_as_server};
use twofapi_tests_stores::processes::Store;

use crate::{net::Machine, scene::cuts};

fn sql(server: &Server, statement: &str) {
    let mut client = server.config("postgres").connect(NoTls).expect("connect");
    client.batch_execute(statement).expect("the statement");
}

fn append(server: &Server, file: &str, lines: &str) {
    let file = OpenOptions::new()
        .append(true)
        .open(server.dir().join(file));
    writeln!(file.expect("a file"), "{lines}").expect("written");
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn pair(one: &Machine, other: &Machine) -> (Server, Server) {
    let primary = Server::start_plain_under(
        &one.host.prefix(),
        &format!("listen_addresses = '{}'", one.back),
    );
    append(
        &primary,
        "pg_hba.conf",
        "host all all 10.77.1.0/24 trust\nhost replication all 10.77.1.0/24 trust",
    );
    sql(&primary, "SELECT pg_reload_conf()");
    let dir = primary.dir().with_extension("standby");
    let copied = run_as_server(bin_dir().join("pg_basebackup"))
        .arg("-h")
        .arg(primary.dir())
        .args(["-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-D"])
        .arg(&dir)
        .output()
        .expect("pg_basebackup");
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success(), "{said}");
    // The primary's socket lies in its data directory; its lock file is not the standby's.
    let _ = fs::remove_file(dir.join(".s.PGSQL.5432.lock"));
    let standby = Server::over_under(
        &other.host.prefix(),
        dir,
        &format!(
            "listen_addresses = '{}'\nprimary_conninfo = 'host={} user=postgres'\n\
             wal_receiver_timeout = 2s\nwal_retrieve_retry_interval = 200ms",
            other.back, one.back
        ),
    );
    // What the backup wrote of the primary's socket comes after it.
    let _ = fs::write(standby.dir().join("postgresql.auto.conf"), "");
    sql(&standby, "SELECT pg_reload_conf()");
    primary.configure("synchronous_standby_names = '*'");
    sql(&primary, "SELECT pg_reload_conf()");
    until("the standby is synchronous", || {
        let mut client = primary.config("postgres").connect(NoTls).expect("connect");
        let state = "SELECT sync_state FROM pg_stat_replication WHERE client_addr IS NOT NULL";
        let state = client.query(state, &[]);
        state.is_ok_and(|rows| rows.iter().any(|row| row.get::<_, &str>(0) == "sync"))
    });
    (primary, standby)
}

#[test]
fn servers_on_postgresql_with_a_standby_go_on_by_themselves_when_the_network_is_mended() {
    let (one, other) = (Machine::new(), Machine::new());
    let (mut primary, standby) = pair(&one, &other);
    let name = primary.empty_database();
    let url = format!(
        "postgres://postgres@{},{}/{name}?target_session_attrs=read-write&sslmode=disable",
        one.back, other.back
    );
    let store = Store::at(url, &[]);
    // PostgreSQL promotes nobody by itself: whatever does it sees to it that the old primary stays away.
    cuts(&store, &one, std::slice::from_ref(&other), &mut || {
        sql(&standby, "SELECT pg_promote(true, 60)");
        primary.end("QUIT");
    });
}
