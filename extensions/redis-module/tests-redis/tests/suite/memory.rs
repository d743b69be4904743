//! Memory does not grow with use.

use redis::Value;
use twofapi_tests_redis::{Client, Server};

use crate::figure;

/// How many logins: what a debug build does in some seconds, unless TWOFAPI_LOGINS says otherwise.
fn logins() -> usize {
    std::env::var("TWOFAPI_LOGINS").map_or(20_000, |text| text.parse().expect("a number"))
}

#[test]
fn logins_leave_memory_flat() {
    let server = Server::start("2fapi.spent-capacity 4000000");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let mut log_in = |times: usize| {
        for _ in 0..times {
            assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
        }
    };
    log_in(2000);
    let before = server.resident_bytes();
    log_in(logins());
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 2 << 20, "grown by {grown} bytes");
    assert_eq!(figure(&mut server.connect(), "sessions"), 1);
}

#[test]
fn enrolling_and_deleting_leaves_memory_flat() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::new("alice");
    let mut come_and_go = |times: usize| {
        for _ in 0..times {
            alice
                .enroll(&mut connection, &["USER", "client-app"])
                .unwrap();
            alice.log_in(&mut connection).unwrap();
            redis::cmd("DEL")
                .arg("2fapi:{alice}")
                .query::<()>(&mut connection)
                .unwrap();
        }
    };
    come_and_go(500);
    let before = server.resident_bytes();
    come_and_go(5000);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 2 << 20, "grown by {grown} bytes");
}
