//! With `acl-mapping` a verified connection is an ACL user, and Redis itself says what it may do.

use std::{thread, time::Duration};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{ask, figure, prefix, whoami};

const MAPPING: &str = "2fapi.acl-mapping yes\n2fapi.acl-users alice-app bob-app no-such-user";

/// A server where new connections may log in and nothing else, and an operator's connection.
fn scene(more: &str) -> (Server, Connection) {
    let server = Server::start(&format!("{MAPPING}\n{more}"));
    let mut operator = server.connect();
    for rules in [
        &["operator", "on", ">secret", "~*", "&*", "+@all"][..],
        &[
            "alice-app",
            "on",
            "resetpass",
            "~client:alice:*",
            "+@read",
            "+@write",
            "-@dangerous",
            "+2fapi.whoami",
            "+2fapi.logout",
        ],
        &[
            "bob-app",
            "on",
            "resetpass",
            "~client:bob:*",
            "+@read",
            "+2fapi.challenge",
            "+2fapi.verify",
        ],
    ] {
        ask(&mut operator, &[&["ACL", "SETUSER"], rules].concat()).unwrap();
    }
    ask(&mut operator, &["AUTH", "operator", "secret"]).unwrap();
    let lowest = [
        "on",
        "nopass",
        "resetkeys",
        "resetchannels",
        "-@all",
        "+ping",
        "+hello",
    ];
    let mut setuser = vec!["ACL", "SETUSER", "default"];
    setuser.extend(lowest);
    setuser.extend(["+2fapi.challenge", "+2fapi.verify", "+2fapi.whoami"]);
    ask(&mut operator, &setuser).unwrap();
    (server, operator)
}

fn enrolled(id: &str, user: &str, operator: &mut Connection) -> Client {
    let client = Client::new(id);
    assert_eq!(client.enroll(operator, &["USER", user]), Ok(Value::Okay));
    client
}

#[test]
fn a_verified_connection_is_its_acl_user_and_no_other() {
    let (server, mut operator) = scene("");
    let alice = enrolled("alice", "alice-app", &mut operator);
    let mut connection = server.connect();
    assert_eq!(
        prefix(&ask(&mut connection, &["SET", "client:alice:k", "v"])),
        "NOPERM"
    );
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(
        ask(&mut connection, &["SET", "client:alice:k", "v"]),
        Ok(Value::Okay)
    );
    assert_eq!(
        prefix(&ask(&mut connection, &["GET", "client:bob:k"])),
        "NOPERM"
    );
    assert_eq!(
        prefix(&ask(&mut connection, &["GET", "2fapi:{alice}"])),
        "NOPERM"
    );
    assert_eq!(prefix(&ask(&mut connection, &["FLUSHALL"])), "NOPERM");
    assert_eq!(
        prefix(&ask(
            &mut connection,
            &["2FAPI.ENROLL", "eve", &alice.commitment()]
        )),
        "NOPERM"
    );
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    let clients: String = cmd("CLIENT").arg("LIST").query(&mut operator).unwrap();
    assert!(clients.contains("user=alice-app"), "{clients}");
    assert_eq!(
        prefix(&ask(&mut server.connect(), &["GET", "client:alice:k"])),
        "NOPERM"
    );
}

#[test]
fn nobody_can_authenticate_as_the_user_by_password() {
    let (server, _) = scene("");
    for password in ["", "alice-app", "secret"] {
        let answer = ask(&mut server.connect(), &["AUTH", "alice-app", password]);
        assert_eq!(prefix(&answer), "WRONGPASS");
    }
}

#[test]
fn revoking_suspending_rotating_and_deleting_close_the_connection() {
    for end in ["REVOKE", "SUSPEND", "ROTATE", "DEL", "TTL"] {
        let (server, mut operator) = scene("2fapi.session-ttl 3600");
        let mut alice = enrolled("alice", "alice-app", &mut operator);
        if end == "TTL" {
            ask(&mut operator, &["CONFIG", "SET", "2fapi.session-ttl", "1"]).unwrap();
        }
        let mut connection = server.connect();
        assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
        assert_eq!(
            ask(&mut connection, &["SET", "client:alice:k", "v"]),
            Ok(Value::Okay)
        );
        match end {
            "DEL" => drop(ask(&mut operator, &["DEL", "2fapi:{alice}"]).unwrap()),
            "ROTATE" => drop(alice.rotate(&mut operator).unwrap()),
            "TTL" => thread::sleep(Duration::from_millis(1500)),
            _ => drop(ask(&mut operator, &[&format!("2FAPI.{end}"), "alice"]).unwrap()),
        }
        let after = ask(&mut connection, &["GET", "client:alice:k"]);
        assert!(
            after.is_err_and(|error| error.is_io_error() || error.is_connection_dropped()),
            "{end}"
        );
        assert_eq!(figure(&mut operator, "sessions"), 0, "{end}");
    }
}

#[test]
fn logout_closes_the_connection_and_reset_makes_it_nobody() {
    let (server, mut operator) = scene("");
    let alice = enrolled("alice", "alice-app", &mut operator);
    let mut connection = server.connect();
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(ask(&mut connection, &["2FAPI.LOGOUT"]), Ok(Value::Okay));
    assert!(ask(&mut connection, &["PING"]).is_err());

    let mut connection = server.connect();
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    ask(&mut connection, &["RESET"]).unwrap();
    assert_eq!(
        prefix(&ask(&mut connection, &["GET", "client:alice:k"])),
        "NOPERM"
    );
    assert_eq!(whoami(&mut connection), None);
}

#[test]
fn another_proof_changes_the_user_and_ends_the_session_before() {
    let (server, mut operator) = scene("");
    let alice = enrolled("alice", "alice-app", &mut operator);
    let bob = enrolled("bob", "bob-app", &mut operator);
    let mut connection = server.connect();
    assert_eq!(bob.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(
        prefix(&ask(&mut connection, &["GET", "client:bob:k"])),
        "NOPERM"
    );
    // Bob's end is no longer this connection's.
    ask(&mut operator, &["2FAPI.REVOKE", "bob"]).unwrap();
    assert_eq!(
        ask(&mut connection, &["SET", "client:alice:k", "v"]),
        Ok(Value::Okay)
    );
    assert_eq!(figure(&mut operator, "sessions"), 1);
}

#[test]
fn a_user_that_is_missing_or_off_lets_nobody_in() {
    let (server, mut operator) = scene("");
    let nobody = enrolled("nobody", "no-such-user", &mut operator);
    let alice = enrolled("alice", "alice-app", &mut operator);
    ask(&mut operator, &["ACL", "SETUSER", "alice-app", "off"]).unwrap();
    for client in [nobody, alice] {
        let mut connection = server.connect();
        assert_eq!(prefix(&client.log_in(&mut connection)), "DENIED");
        assert_eq!(whoami(&mut connection), None);
    }
    assert!(server.log().contains("is not there or off"));
}

#[test]
fn a_deleted_user_takes_its_connections_along() {
    let (server, mut operator) = scene("");
    let alice = enrolled("alice", "alice-app", &mut operator);
    let mut connection = server.connect();
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    ask(&mut operator, &["ACL", "DELUSER", "alice-app"]).unwrap();
    assert!(ask(&mut connection, &["GET", "client:alice:k"]).is_err());
    wait_until("the session ends", || {
        figure(&mut operator, "sessions") == 0
    });
}

#[test]
fn without_the_mapping_the_connection_stays_who_it_is() {
    let (server, mut operator) = scene("");
    let alice = enrolled("alice", "alice-app", &mut operator);
    ask(&mut operator, &["CONFIG", "SET", "2fapi.acl-mapping", "no"]).unwrap();
    let mut connection = server.connect();
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    assert_eq!(
        prefix(&ask(&mut connection, &["GET", "client:alice:k"])),
        "NOPERM"
    );
}

#[test]
fn before_a_required_password_no_command_of_ours_is_answered() {
    let server = Server::start("requirepass secret");
    let mut connection = server.connect();
    let alice = Client::new("alice");
    assert_eq!(prefix(&alice.enroll(&mut connection, &[])), "NOAUTH");
    for words in [
        &["2FAPI.CHALLENGE", "alice"][..],
        &["2FAPI.WHOAMI"],
        &["2FAPI.INFO"],
        &["2FAPI.VERIFY", "alice", "c", "p"],
    ] {
        assert_eq!(prefix(&ask(&mut connection, words)), "NOAUTH", "{words:?}");
    }
}

#[test]
fn key_patterns_are_not_about_client_ids_and_command_rules_are() {
    let (server, mut operator) = scene("");
    ask(
        &mut operator,
        &[
            "ACL",
            "SETUSER",
            "desk",
            "on",
            ">p",
            "-@all",
            "+2fapi.status",
            "+2fapi.suspend",
        ],
    )
    .unwrap();
    enrolled("alice", "alice-app", &mut operator);
    let mut desk = server.connect();
    ask(&mut desk, &["AUTH", "desk", "p"]).unwrap();
    assert_eq!(
        ask(&mut desk, &["2FAPI.STATUS", "alice"]),
        Ok(Value::SimpleString("active".into()))
    );
    assert_eq!(ask(&mut desk, &["2FAPI.SUSPEND", "alice"]), Ok(Value::Okay));
    assert_eq!(
        prefix(&ask(&mut desk, &["2FAPI.RESUME", "alice"])),
        "NOPERM"
    );
    assert_eq!(prefix(&ask(&mut desk, &["DEL", "2fapi:{alice}"])), "NOPERM");
}
