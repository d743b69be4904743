//! What `pg_2fapi` promises, each promise a test on a real server with real connections.
#![allow(missing_docs, clippy::unwrap_used)]

mod altered;
mod audit;
mod authority;
mod bad_input;
mod changes;
mod clock;
mod conformance;
mod crash;
mod credentials;
mod dump;
mod fake_session;
mod image;
mod known;
mod links;
mod parallel;
mod pooler;
mod readme;
mod secrecy;
mod session;
mod sessions_view;
mod settings;
mod shutdown;
mod single_use;
mod standby;
mod statement;
mod step;
mod surface;
mod takeover;
mod token;
mod vectors;

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use postgres::Client as Connection;
use twofapi_tests_pg::{Database, Server};

/// A database of the server that most tests share.
fn database() -> Database {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER
        .get_or_init(|| Server::start("wal_level = minimal\nmax_wal_senders = 0"))
        .database()
}

fn current_client(connection: &mut impl postgres::GenericClient) -> Option<String> {
    connection
        .query_one("SELECT twofapi.current_client()", &[])
        .expect("current_client")
        .get(0)
}

fn stat(connection: &mut Connection, name: &str) -> i64 {
    connection
        .query_one(&format!("SELECT {name} FROM twofapi.stats"), &[])
        .expect("stats")
        .get(0)
}

/// SQLSTATE and message of an error that the server must have raised.
fn refusal<T>(result: Result<T, postgres::Error>) -> (String, String) {
    let Err(error) = result else {
        panic!("this should have been refused");
    };
    let error = error.as_db_error().expect("an error of the server");
    (error.code().code().to_owned(), error.message().to_owned())
}

/// Waits for what another process is about to do.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}
