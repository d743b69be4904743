//! Proofs where others give passwords: AUTH, connections that are nobody yet, and `ACL LOG`.

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server};

use crate::{ask, prefix, whoami};

const USER: [&str; 11] = [
    "ACL",
    "SETUSER",
    "client-alice",
    "on",
    "resetpass",
    "~client:alice:*",
    "+@read",
    "+@write",
    "-@dangerous",
    "+acl|whoami",
    "+2fapi.whoami",
];

fn scene(configuration: &str) -> (Server, Connection, Client, Client) {
    let server = Server::start(&format!("2fapi.acl-mapping yes\n{configuration}"));
    let mut operator = server.connect();
    if configuration.contains("requirepass") {
        ask(&mut operator, &["AUTH", "secret"]).unwrap();
    }
    ask(&mut operator, &USER).unwrap();
    let rules = [
        "ACL", "SETUSER", "operator", "on", ">secret", "~*", "&*", "+@all",
    ];
    ask(&mut operator, &rules).unwrap();
    let alice = Client::new("alice");
    alice
        .enroll(&mut operator, &["USER", "client-alice"])
        .unwrap();
    let unmapped = Client::enrolled("unmapped", &mut operator);
    (server, operator, alice, unmapped)
}

/// What a client gives as its password.
fn password(client: &Client, asker: &mut Connection) -> String {
    let challenge = client.challenge(asker).unwrap();
    format!("{}:{}", challenge.id, client.proof(&challenge))
}

fn acl_user(connection: &mut Connection) -> String {
    cmd("ACL").arg("WHOAMI").query(connection).unwrap()
}

fn has_auth_by_proof(operator: &mut Connection) -> bool {
    let info: String = cmd("INFO").arg("everything").query(operator).unwrap();
    info.contains("auth_by_proof:yes")
}

#[test]
fn auth_takes_a_proof_where_the_server_lets_a_module_say_so() {
    let (server, mut operator, alice, unmapped) = scene("");
    let mut connection = server.connect();
    let good = password(&alice, &mut operator);
    let answer = ask(&mut connection, &["AUTH", "alice", &good]);
    if !has_auth_by_proof(&mut operator) {
        assert_eq!(prefix(&answer), "WRONGPASS");
        return;
    }
    assert_eq!(answer, Ok(Value::Okay));
    assert_eq!(acl_user(&mut connection), "client-alice");
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
    let mut second = server.connect();
    assert_eq!(
        prefix(&ask(&mut second, &["AUTH", "alice", &good])),
        "DENIED"
    );
    let hello = password(&alice, &mut operator);
    ask(&mut second, &["HELLO", "2", "AUTH", "alice", &hello]).unwrap();
    assert_eq!(acl_user(&mut second), "client-alice");

    // A credential that is not the first says which it is.
    let laptop = alice.another();
    alice.link(&mut operator, &laptop, "laptop").unwrap();
    let unnamed = password(&laptop, &mut operator);
    let named = format!("{unnamed}:{}", laptop.credential_id());
    let other = format!("{unnamed}:{}", alice.credential_id());
    let mut third = server.connect();
    for wrong in [&unnamed, &other] {
        let answer = ask(&mut third, &["AUTH", "alice", wrong]);
        assert_eq!(prefix(&answer), "DENIED");
    }
    for strange in [format!("{unnamed}:x"), format!("{named}:")] {
        let answer = ask(&mut third, &["AUTH", "alice", &strange]);
        assert_eq!(prefix(&answer), "WRONGPASS");
    }
    assert_eq!(ask(&mut third, &["AUTH", "alice", &named]), Ok(Value::Okay));
    assert_eq!(whoami(&mut third).as_deref(), Some("alice"));

    // Refused, a connection is who it was.
    for (name, password) in [
        ("alice", password(&unmapped, &mut operator)),
        ("unmapped", password(&unmapped, &mut operator)),
        ("nobody", password(&Client::new("nobody"), &mut operator)),
        ("client-alice", password(&alice, &mut operator)),
    ] {
        let mut connection = server.connect();
        let answer = ask(&mut connection, &["AUTH", name, &password]);
        assert_eq!(prefix(&answer), "DENIED", "{name}");
        assert_eq!(acl_user(&mut connection), "default");
        assert_eq!(whoami(&mut connection), None);
    }
    // What is no proof is the server's own business.
    for (name, password) in [("alice", "x"), ("alice", "a:b"), ("operator", "secrets")] {
        let answer = ask(&mut server.connect(), &["AUTH", name, password]);
        assert_eq!(prefix(&answer), "WRONGPASS", "{name}");
    }
    ask(&mut server.connect(), &["AUTH", "operator", "secret"]).unwrap();

    // The session ends as any other.
    ask(&mut operator, &["2FAPI.REVOKE", "alice"]).unwrap();
    for connection in [&mut connection, &mut second] {
        assert!(ask(connection, &["GET", "client:alice:k"]).is_err());
    }
}

#[test]
fn a_proof_does_not_stand_for_the_password_of_the_default_user() {
    for configuration in [
        "requirepass secret",
        "requirepass secret\n2fapi.before-auth yes",
    ] {
        let (server, mut operator, alice, unmapped) = scene(configuration);
        let mut connection = server.connect();
        let good = password(&unmapped, &mut operator);
        assert!(ask(&mut connection, &["AUTH", "unmapped", &good]).is_err());
        let challenge = unmapped.challenge(&mut operator).unwrap();
        let proof = unmapped.proof(&challenge);
        assert!(
            unmapped
                .verify(&mut connection, &challenge, &proof)
                .is_err()
        );
        assert_eq!(prefix(&ask(&mut connection, &["GET", "x"])), "NOAUTH");
        // A client of no ACL user's own, when the mapping is off.
        ask(&mut operator, &["CONFIG", "SET", "2fapi.acl-mapping", "no"]).unwrap();
        let challenge = alice.challenge(&mut operator).unwrap();
        let proof = alice.proof(&challenge);
        assert!(alice.verify(&mut connection, &challenge, &proof).is_err());
        assert_eq!(prefix(&ask(&mut connection, &["GET", "x"])), "NOAUTH");
    }
}

#[test]
fn with_before_auth_the_default_user_may_be_off() {
    let (server, mut operator, alice, unmapped) = scene("2fapi.before-auth yes");
    ask(&mut operator, &["AUTH", "operator", "secret"]).unwrap();
    ask(&mut operator, &["ACL", "SETUSER", "default", "off"]).unwrap();
    let mut connection = server.connect();
    for words in [
        &["PING"][..],
        &["GET", "x"],
        &["2FAPI.INFO"],
        &["2FAPI.ENROLL", "eve", "x"],
    ] {
        assert_eq!(prefix(&ask(&mut connection, words)), "NOAUTH", "{words:?}");
    }
    assert_eq!(prefix(&unmapped.log_in(&mut connection)), "DENIED");
    assert_eq!(prefix(&ask(&mut connection, &["PING"])), "NOAUTH");
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(acl_user(&mut connection), "client-alice");
    let set = ask(&mut connection, &["SET", "client:alice:k", "v"]);
    assert_eq!(set, Ok(Value::Okay));
    // A device that is to be linked is nobody as well, and stays so.
    ask(
        &mut operator,
        &["ACL", "SETUSER", "client-alice", "+2fapi.offer"],
    )
    .unwrap();
    let offer = alice.challenge(&mut connection).unwrap();
    ask(&mut connection, &["2FAPI.OFFER", &offer.id]).unwrap();
    let mut device = server.connect();
    assert!(alice.another().join(&mut device, &offer, "laptop").is_ok());
    assert_eq!(prefix(&ask(&mut device, &["GET", "x"])), "NOAUTH");
}

#[test]
fn a_refused_proof_is_in_the_acl_log() {
    let (server, mut operator, alice, unmapped) = scene("");
    ask(&mut operator, &["ACL", "LOG", "RESET"]).unwrap();
    let mut connection = server.connect();
    let challenge = alice.challenge(&mut connection).unwrap();
    let wrong = unmapped.proof(&challenge);
    for _ in 0..3 {
        let answer = alice.verify(&mut connection, &challenge, &wrong);
        assert_eq!(prefix(&answer), "DENIED");
    }
    assert_eq!(
        prefix(&Client::new("nobody").log_in(&mut connection)),
        "DENIED"
    );
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    let log = format!("{:?}", ask(&mut operator, &["ACL", "LOG"]).unwrap());
    for shown in ["2fapi client alice", "2fapi client nobody", "\"auth\""] {
        assert!(log.contains(shown), "{shown}: {log}");
    }
    assert!(!log.contains(&wrong), "{log}");
    // The same one again is counted, not repeated.
    assert_eq!(log.matches("2fapi client alice").count(), 1, "{log}");
}
