//! Clients and their statuses are replicated; challenges, spent sets and sessions never are.

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{ask, figure, prefix, whoami};

fn pair(more: &str) -> (Server, Server) {
    let primary = Server::start(more);
    let replica = Server::start(&format!("replicaof 127.0.0.1 {}\n{more}", primary.port()));
    wait_until("the replica is up to date", || {
        let info: String = cmd("INFO")
            .arg("replication")
            .query(&mut replica.connect())
            .unwrap();
        info.contains("master_link_status:up")
    });
    (primary, replica)
}

/// Waits until the replica has everything that this connection wrote.
fn sync(connection: &mut Connection) {
    let replicas: i64 = cmd("WAIT").arg(1).arg(20_000).query(connection).unwrap();
    assert_eq!(replicas, 1);
}

fn status(connection: &mut Connection, id: &str) -> String {
    cmd("2FAPI.STATUS").arg(id).query(connection).unwrap()
}

#[test]
fn enrolments_statuses_and_rotations_reach_the_replica() {
    let (primary, replica) = pair("");
    let (mut at_primary, mut at_replica) = (primary.connect(), replica.connect());
    let mut alice = Client::enrolled("alice", &mut at_primary);
    let bob = Client::new("bob");
    bob.enroll(&mut at_primary, &["PROOF", &bob.possession()])
        .unwrap();
    sync(&mut at_primary);
    assert_eq!(alice.log_in(&mut at_replica), Ok(Value::Okay));
    assert_eq!(bob.log_in(&mut replica.connect()), Ok(Value::Okay));
    alice.rotate(&mut at_primary).unwrap();
    sync(&mut at_primary);
    assert_eq!(
        whoami(&mut at_replica),
        None,
        "the rotation ended the session on the replica, too"
    );
    assert_eq!(alice.log_in(&mut at_replica), Ok(Value::Okay));
    for (command, shown) in [
        ("2FAPI.SUSPEND", "suspended"),
        ("2FAPI.RESUME", "active"),
        ("2FAPI.REVOKE", "revoked"),
    ] {
        ask(&mut at_primary, &[command, "alice"]).unwrap();
        sync(&mut at_primary);
        assert_eq!(status(&mut at_replica, "alice"), shown);
        assert_eq!(whoami(&mut at_replica), None);
    }
    // A replica of its own that joins later gets the same from the snapshot.
    let late = Server::start(&format!("replicaof 127.0.0.1 {}", primary.port()));
    wait_until("the late one has it", || {
        status(&mut late.connect(), "alice") == "revoked"
    });
    assert_eq!(bob.log_in(&mut late.connect()), Ok(Value::Okay));
}

#[test]
fn a_replica_takes_no_writes() {
    let (primary, replica) = pair("");
    let (mut at_primary, mut at_replica) = (primary.connect(), replica.connect());
    let mut alice = Client::enrolled("alice", &mut at_primary);
    sync(&mut at_primary);
    assert_eq!(
        prefix(&Client::new("bob").enroll(&mut at_replica, &[])),
        "READONLY"
    );
    for command in ["2FAPI.SUSPEND", "2FAPI.RESUME", "2FAPI.REVOKE"] {
        assert_eq!(
            prefix(&ask(&mut at_replica, &[command, "alice"])),
            "READONLY"
        );
    }
    assert_eq!(prefix(&alice.rotate(&mut at_replica)), "READONLY");
}

#[test]
fn a_challenge_is_good_on_the_node_that_issued_it() {
    let (primary, replica) = pair("");
    let (mut at_primary, mut at_replica) = (primary.connect(), replica.connect());
    let alice = Client::enrolled("alice", &mut at_primary);
    sync(&mut at_primary);
    let challenge = alice.challenge(&mut at_primary).unwrap();
    let proof = alice.proof(&challenge);
    assert_eq!(
        prefix(&alice.verify(&mut at_replica, &challenge, &proof)),
        "DENIED"
    );
    assert_eq!(
        alice.verify(&mut at_primary, &challenge, &proof),
        Ok(Value::Okay)
    );
    assert_eq!(whoami(&mut at_replica), None);
    assert_eq!(figure(&mut at_replica, "sessions"), 0);
}

#[test]
fn a_promoted_replica_has_every_client_and_a_key_of_its_own() {
    let (mut primary, replica) = pair("");
    let (mut at_primary, mut at_replica) = (primary.connect(), replica.connect());
    let alice = Client::enrolled("alice", &mut at_primary);
    let _ = Client::enrolled("gone", &mut at_primary);
    ask(&mut at_primary, &["2FAPI.REVOKE", "gone"]).unwrap();
    sync(&mut at_primary);
    let before = alice.challenge(&mut at_replica).unwrap();
    primary.kill();
    ask(&mut at_replica, &["REPLICAOF", "NO", "ONE"]).unwrap();
    let proof = alice.proof(&before);
    assert_eq!(
        prefix(&alice.verify(&mut at_replica, &before, &proof)),
        "DENIED"
    );
    assert_eq!(alice.log_in(&mut at_replica), Ok(Value::Okay));
    assert_eq!(status(&mut at_replica, "gone"), "revoked");
    assert_eq!(
        Client::new("new").enroll(&mut at_replica, &[]),
        Ok(Value::Okay)
    );
}

#[test]
fn clients_that_are_enrolled_from_another_database_arrive_in_database_zero() {
    let (primary, replica) = pair("");
    let mut connection = primary.connect();
    ask(&mut connection, &["SELECT", "7"]).unwrap();
    ask(&mut connection, &["SET", "x", "y"]).unwrap();
    let alice = Client::enrolled("alice", &mut connection);
    ask(&mut connection, &["SET", "z", "y"]).unwrap();
    sync(&mut connection);
    let mut at_replica = replica.connect();
    assert_eq!(
        ask(&mut at_replica, &["EXISTS", "2fapi:{alice}", "x", "z"]),
        Ok(Value::Int(1))
    );
    assert_eq!(alice.log_in(&mut at_replica), Ok(Value::Okay));
}
