//! A connection remembers the clients that proved on it who they are, and is never wrong about them:
//! each test logs in first, so that the client is known, and then changes something.

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database};

use crate::{database, session::copy};

/// An administrator's connection, and another on which alice has logged in.
fn scene() -> (Database, Connection, Connection, Client) {
    let database = database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let mut connection = database.connect();
    assert!(alice.log_in(&mut connection));
    assert!(alice.log_in(&mut connection));
    (database, admin, connection, alice)
}

#[test]
fn a_known_client_that_is_suspended_elsewhere_is_refused_until_it_is_resumed() {
    let (_, mut admin, mut connection, alice) = scene();
    admin
        .execute("SELECT twofapi.suspend_client('alice')", &[])
        .unwrap();
    assert!(!alice.log_in(&mut connection));
    assert!(!alice.log_in(&mut connection));
    admin
        .execute("SELECT twofapi.resume_client('alice')", &[])
        .unwrap();
    assert!(alice.log_in(&mut connection));
}

#[test]
fn a_known_client_that_rotates_elsewhere_needs_the_new_credential() {
    let (_, mut admin, mut connection, alice) = scene();
    let mut rotated = Client {
        id: alice.id.clone(),
        credential: copy(&alice),
    };
    assert!(rotated.rotate(&mut admin));
    assert!(!alice.log_in(&mut connection));
    assert!(rotated.log_in(&mut connection));
    assert!(!alice.log_in(&mut connection));
}

#[test]
fn a_known_client_whose_row_is_deleted_or_truncated_is_a_stranger() {
    for statement in ["DELETE FROM twofapi.clients", "TRUNCATE twofapi.clients"] {
        let (_, mut admin, mut connection, alice) = scene();
        admin.batch_execute(statement).unwrap();
        assert!(!alice.log_in(&mut connection), "{statement}");
        assert!(alice.enrol(&mut admin).unwrap());
        assert!(alice.log_in(&mut connection));
    }
}

#[test]
fn nobody_is_known_after_the_extension_was_dropped_and_made_again() {
    let (_, mut admin, mut connection, alice) = scene();
    admin
        .batch_execute("DROP EXTENSION pg_2fapi CASCADE; CREATE EXTENSION pg_2fapi")
        .unwrap();
    assert!(!alice.log_in(&mut connection));
}

#[test]
fn nobody_is_known_after_rows_were_changed_with_the_triggers_off() {
    let (_, mut admin, mut connection, alice) = scene();
    admin
        .batch_execute(
            "ALTER TABLE twofapi.clients DISABLE TRIGGER clients_changed;
             UPDATE twofapi.clients SET status = 'revoked';
             ALTER TABLE twofapi.clients ENABLE ALWAYS TRIGGER clients_changed",
        )
        .unwrap();
    assert!(!alice.log_in(&mut connection));
}

#[test]
fn a_transaction_sees_its_own_changes_of_a_known_client_and_takes_them_back() {
    let (_, _, mut connection, alice) = scene();
    connection
        .batch_execute("BEGIN; SELECT twofapi.suspend_client('alice')")
        .unwrap();
    assert!(!alice.log_in(&mut connection));
    connection.batch_execute("ROLLBACK").unwrap();
    assert!(alice.log_in(&mut connection));
}

#[test]
fn a_client_whose_enrolment_is_rolled_back_is_not_remembered() {
    let database = database();
    let mut connection = database.connect();
    let bob = Client::new("bob");
    for (begin, rollback) in [
        ("BEGIN", "ROLLBACK"),
        ("BEGIN; SAVEPOINT a", "ROLLBACK TO SAVEPOINT a; COMMIT"),
    ] {
        connection.batch_execute(begin).unwrap();
        assert!(bob.enrol(&mut connection).unwrap());
        assert!(bob.log_in(&mut connection));
        connection.batch_execute(rollback).unwrap();
        assert!(!bob.log_in(&mut connection), "{rollback}");
    }
}

#[test]
fn knowing_a_client_makes_nobody_else_it() {
    let (_, mut admin, mut connection, alice) = scene();
    let mallory = Client::new("alice");
    assert!(!mallory.log_in(&mut connection));
    let bob = Client::enrolled(&mut admin, "bob");
    assert!(bob.log_in(&mut connection));
    assert!(alice.log_in(&mut connection));
}

/// More clients than are remembered, in turn on one connection.
#[test]
fn many_clients_take_turns_on_one_connection() {
    let (_, mut admin, mut connection, _) = scene();
    let clients: Vec<Client> = (0..150)
        .map(|n| Client::enrolled(&mut admin, &format!("client-{n}")))
        .collect();
    for _ in 0..2 {
        for client in &clients {
            assert!(client.log_in(&mut connection), "{}", client.id);
        }
    }
}
