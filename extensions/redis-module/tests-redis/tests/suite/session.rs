//! The session is the connection's, and ends with what it rests on.

use std::{thread, time::Duration};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{ask, figure, prefix, whoami};

/// A server, a connection that administers it, and one on which a client is logged in.
fn scene(configuration: &str) -> (Server, Connection, Connection, Client) {
    let server = Server::start(configuration);
    let (mut admin, mut connection) = (server.connect(), server.connect());
    let alice = Client::enrolled("alice", &mut admin);
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    (server, admin, connection, alice)
}

#[test]
fn a_hundred_connections_are_a_hundred_clients() {
    let server = Server::start("");
    let mut admin = server.connect();
    let mut all: Vec<(Client, Connection)> = (0..100)
        .map(|number| {
            (
                Client::enrolled(&format!("client-{number}"), &mut admin),
                server.connect(),
            )
        })
        .collect();
    thread::scope(|scope| {
        for (client, connection) in &mut all {
            scope.spawn(move || assert_eq!(client.log_in(connection), Ok(Value::Okay)));
        }
    });
    for (client, connection) in &mut all {
        assert_eq!(whoami(connection).as_deref(), Some(client.id.as_str()));
    }
    assert_eq!(whoami(&mut admin), None);
    assert_eq!(figure(&mut admin, "sessions"), 100);
    all.truncate(50);
    wait_until("sessions end with their connections", || {
        figure(&mut admin, "sessions") == 50
    });
}

#[test]
fn a_new_connection_is_nobody_even_after_one_that_was_somebody() {
    let (server, mut admin, connection, _) = scene("");
    drop(connection);
    wait_until("the session ends", || figure(&mut admin, "sessions") == 0);
    for _ in 0..20 {
        assert_eq!(whoami(&mut server.connect()), None);
    }
}

#[test]
fn logout_reset_and_auth_end_the_session() {
    for words in [&["2FAPI.LOGOUT"][..], &["RESET"], &["AUTH", "default", "x"]] {
        let (_server, _, mut connection, alice) = scene("");
        assert!(ask(&mut connection, words).is_ok(), "{words:?}");
        assert_eq!(whoami(&mut connection), None, "{words:?}");
        assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
        assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    }
}

#[test]
fn a_session_ends_after_its_time() {
    let (_server, mut admin, mut connection, _) = scene("2fapi.session-ttl 1");
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(whoami(&mut connection), None);
    wait_until("it is forgotten", || figure(&mut admin, "sessions") == 0);
}

#[test]
fn suspending_revoking_and_rotating_end_every_session_of_the_client_and_nobody_elses() {
    for command in ["2FAPI.SUSPEND", "2FAPI.REVOKE", "2FAPI.ROTATE"] {
        let (server, mut admin, mut connection, mut alice) = scene("");
        let mut second = server.connect();
        assert_eq!(alice.log_in(&mut second), Ok(Value::Okay));
        let bob = Client::enrolled("bob", &mut admin);
        let mut bobs = server.connect();
        assert_eq!(bob.log_in(&mut bobs), Ok(Value::Okay));
        if command == "2FAPI.ROTATE" {
            assert_eq!(alice.rotate(&mut second), Ok(Value::Okay));
        } else {
            assert_eq!(ask(&mut admin, &[command, "alice"]), Ok(Value::Okay));
        }
        assert_eq!(whoami(&mut connection), None, "{command}");
        assert_eq!(whoami(&mut second), None, "{command}");
        assert_eq!(whoami(&mut bobs).as_deref(), Some("bob"), "{command}");
        let again = alice.log_in(&mut connection);
        assert_eq!(again.is_ok(), command == "2FAPI.ROTATE", "{command}");
    }
}

#[test]
fn deleting_the_key_or_the_database_ends_the_session() {
    for words in [
        &["DEL", "2fapi:{alice}"][..],
        &["UNLINK", "2fapi:{alice}"],
        &["RENAME", "2fapi:{alice}", "elsewhere"],
        &["FLUSHALL"],
        &["FLUSHDB", "ASYNC"],
        &["SWAPDB", "0", "1"],
    ] {
        let (_server, mut admin, mut connection, _) = scene("");
        assert!(ask(&mut admin, words).is_ok(), "{words:?}");
        assert_eq!(whoami(&mut connection), None, "{words:?}");
    }
    let (_server, mut admin, mut connection, _) = scene("");
    assert!(ask(&mut admin, &["PEXPIRE", "2fapi:{alice}", "1"]).is_ok());
    wait_until("the key has expired", || whoami(&mut connection).is_none());
}

#[test]
fn a_second_proof_makes_the_connection_the_second_client() {
    let (_server, mut admin, mut connection, _) = scene("");
    let bob = Client::enrolled("bob", &mut admin);
    assert_eq!(bob.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(whoami(&mut connection).as_deref(), Some("bob"));
    assert_eq!(ask(&mut admin, &["2FAPI.REVOKE", "alice"]), Ok(Value::Okay));
    assert_eq!(whoami(&mut connection).as_deref(), Some("bob"));
    assert_eq!(figure(&mut admin, "sessions"), 1);
}

#[test]
fn a_refused_proof_leaves_the_session_as_it_was() {
    let (_server, mut admin, mut connection, alice) = scene("");
    let bob = Client::enrolled("bob", &mut admin);
    let challenge = bob.challenge(&mut connection).unwrap();
    let wrong = alice.proof(&challenge);
    assert_eq!(
        prefix(&bob.verify(&mut connection, &challenge, &wrong)),
        "DENIED"
    );
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
}

#[test]
fn in_a_transaction_verify_is_decided_at_once() {
    let (server, _, _, alice) = scene("");
    let mut connection = server.connect();
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&challenge);
    assert!(ask(&mut connection, &["MULTI"]).is_ok());
    for words in [
        &["2FAPI.WHOAMI"][..],
        &["2FAPI.VERIFY", "alice", &challenge.id, &proof],
        &["2FAPI.WHOAMI"],
    ] {
        assert!(ask(&mut connection, words).is_ok());
    }
    let answers = [
        Value::Nil,
        Value::Okay,
        Value::BulkString(b"alice".to_vec()),
    ];
    assert_eq!(
        ask(&mut connection, &["EXEC"]),
        Ok(Value::Array(answers.to_vec()))
    );
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    ask(&mut connection, &["MULTI"]).unwrap();
    ask(
        &mut connection,
        &["2FAPI.VERIFY", "alice", &challenge.id, &proof],
    )
    .unwrap();
    assert!(
        ask(&mut connection, &["EXEC"])
            .unwrap_err()
            .to_string()
            .contains("proof not accepted")
    );
}

#[test]
fn scripts_and_functions_are_no_connection() {
    let (_server, _, mut connection, alice) = scene("");
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&challenge);
    let calls = [
        "return redis.call('2FAPI.WHOAMI')".to_owned(),
        "return redis.call('2FAPI.LOGOUT')".to_owned(),
        "return redis.call('2FAPI.CHALLENGE', 'alice')".to_owned(),
        format!(
            "return redis.call('2FAPI.VERIFY', 'alice', '{}', '{proof}')",
            challenge.id
        ),
    ];
    for call in &calls {
        let answer = ask(&mut connection, &["EVAL", call, "0"]);
        assert!(
            answer
                .unwrap_err()
                .to_string()
                .contains("not allowed from script"),
            "{call}"
        );
    }
    let library = format!(
        "#!lua name=l\nredis.register_function('f', function() {} end)",
        calls[0]
    );
    assert!(ask(&mut connection, &["FUNCTION", "LOAD", &library]).is_ok());
    assert!(ask(&mut connection, &["FCALL", "f", "0"]).is_err());
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    assert_eq!(
        alice.verify(&mut connection, &challenge, &proof),
        Ok(Value::Okay)
    );
}

#[test]
fn waiting_and_blocked_clients_keep_their_own_identity() {
    let (server, mut admin, mut connection, _) = scene("");
    let bob = Client::enrolled("bob", &mut admin);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let popped: Value = cmd("BLPOP")
                .arg("list")
                .arg(20)
                .query(&mut connection)
                .unwrap();
            assert!(matches!(popped, Value::Array(_)), "{popped:?}");
            whoami(&mut connection)
        });
        let mut bobs = server.connect();
        assert_eq!(bob.log_in(&mut bobs), Ok(Value::Okay));
        assert!(ask(&mut bobs, &["WAIT", "0", "10"]).is_ok());
        assert_eq!(whoami(&mut bobs).as_deref(), Some("bob"));
        wait_until("the other one waits", || {
            ask(&mut bobs, &["INFO", "clients"])
                .is_ok_and(|info| format!("{info:?}").contains("blocked_clients:1"))
        });
        assert!(ask(&mut bobs, &["LPUSH", "list", "x"]).is_ok());
        assert_eq!(waiting.join().unwrap().as_deref(), Some("alice"));
    });
}

#[test]
fn a_client_that_is_killed_while_its_proof_is_looked_at_leaves_nothing_behind() {
    let (server, mut admin, _first, alice) = scene("");
    for round in 0..50 {
        let mut connection = server.connect();
        let id: u64 = cmd("CLIENT").arg("ID").query(&mut connection).unwrap();
        let challenge = alice.challenge(&mut connection).unwrap();
        let proof = alice.proof(&challenge);
        thread::scope(|scope| {
            scope.spawn(|| drop(alice.verify(&mut connection, &challenge, &proof)));
            if round % 2 == 0 {
                thread::yield_now();
            }
            drop(ask(&mut admin, &["CLIENT", "KILL", "ID", &id.to_string()]));
        });
    }
    wait_until("only the first session is left", || {
        figure(&mut admin, "sessions") == 1
    });
    wait_until("nothing waits", || {
        figure(&mut admin, "verify_waiting") == 0
    });
}
