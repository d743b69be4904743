//! What a client may do, and from where it is let in.

use redis::{Value, cmd};
use twofapi_tests_redis::{Client, Server};

use crate::{ask, prefix, waiting::by_unix_socket, whoami};

#[test]
fn who_is_behind_a_connection_and_what_it_may_do_is_said() {
    let server = Server::start("");
    let mut admin = server.connect();
    let alice = Client::new("alice");
    alice.enroll(&mut admin, &[]).unwrap();
    let mut connection = server.connect();
    let asks = ["2FAPI.WHOAMI", "SCOPES"];
    assert_eq!(ask(&mut connection, &asks), Ok(Value::Nil));
    alice.log_in(&mut connection).unwrap();
    let (who, scopes, tenant): (String, Vec<String>, Option<String>) = cmd("2FAPI.WHOAMI")
        .arg("scopes")
        .query(&mut connection)
        .unwrap();
    assert_eq!((who.as_str(), scopes.len(), tenant), ("alice", 0, None));
    let says = [
        "2FAPI.ATTRIBUTES",
        "alice",
        "SCOPES",
        "read write",
        "TENANT",
        "acme",
    ];
    assert_eq!(ask(&mut admin, &says), Ok(Value::Okay));
    let (_, scopes, tenant): (String, Vec<String>, Option<String>) = cmd("2FAPI.WHOAMI")
        .arg("SCOPES")
        .query(&mut connection)
        .unwrap();
    assert_eq!(
        (scopes, tenant.as_deref()),
        (vec!["read".into(), "write".into()], Some("acme"))
    );
    // As before without a word.
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    for bad in [
        &["2FAPI.WHOAMI", "SCOPE"][..],
        &["2FAPI.WHOAMI", "TTL", "SCOPES"],
    ] {
        assert_eq!(prefix(&ask(&mut connection, bad)), "ERR", "{bad:?}");
    }
}

#[test]
fn a_client_with_allowed_sources_is_let_in_from_there_and_stays_no_longer_than_that() {
    let server = Server::start("unixsocket socket");
    let mut admin = server.connect();
    let alice = Client::new("alice");
    alice.enroll(&mut admin, &[]).unwrap();
    let (mut connection, mut over_a_socket) = (server.connect(), by_unix_socket(&server));
    alice.log_in(&mut connection).unwrap();
    alice.log_in(&mut over_a_socket).unwrap();
    let from = |admin: &mut redis::Connection, sources: &str| {
        let words = ["2FAPI.ATTRIBUTES", "alice", "SOURCES", sources];
        assert_eq!(ask(admin, &words), Ok(Value::Okay));
    };
    from(&mut admin, "192.0.2.0/24");
    assert_eq!(whoami(&mut connection), None, "its session is over");
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
    let laptop = alice.another();
    assert_eq!(
        prefix(&alice.link(&mut connection, &laptop, "laptop")),
        "DENIED"
    );
    from(&mut admin, "127.0.0.0/8 ::1");
    alice.log_in(&mut connection).unwrap();
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    // Of a Unix socket nobody knows from where it is used.
    assert_eq!(whoami(&mut over_a_socket), None);
    assert_eq!(prefix(&alice.log_in(&mut over_a_socket)), "DENIED");
}
