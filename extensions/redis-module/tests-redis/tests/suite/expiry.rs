//! Clients and credentials expire, and what else an operator says of a client is kept.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{
    ask, figure,
    in_between::{at_once, heard, line},
    links::{shown, two_devices},
    prefix, whoami,
};

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn text(value: &Value) -> String {
    redis::from_redis_value(value.clone()).unwrap()
}

/// Has a client expire, or one of its credentials.
fn expire(admin: &mut Connection, at: u64, credential: Option<&Client>) {
    let (at, id) = (at.to_string(), credential.map(Client::credential_id));
    let mut words = vec!["2FAPI.EXPIREAT", "alice", &at];
    words.extend(id.iter().flat_map(|id| ["CREDENTIAL", id]));
    assert_eq!(ask(admin, &words), Ok(Value::Okay));
}

#[test]
fn an_expired_credential_is_let_in_no_longer_and_others_are() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    let (mut at_phone, mut at_laptop) = (server.connect(), server.connect());
    phone.log_in(&mut at_phone).unwrap();
    laptop.log_in(&mut at_laptop).unwrap();
    // Later: its session stays until then.
    expire(&mut admin, now() + 1000, Some(&laptop));
    assert_eq!(whoami(&mut at_laptop).as_deref(), Some("alice"));
    let (_, left): (String, u64) = cmd("2FAPI.WHOAMI")
        .arg("TTL")
        .query(&mut at_laptop)
        .unwrap();
    assert!(left <= 900, "{left}");
    expire(&mut admin, now() + 100, Some(&laptop));
    let (_, left): (String, u64) = cmd("2FAPI.WHOAMI")
        .arg("TTL")
        .query(&mut at_laptop)
        .unwrap();
    assert!(left <= 100, "{left}");
    // Now: it ends at once.
    expire(&mut admin, now(), Some(&laptop));
    assert_eq!(whoami(&mut at_laptop), None);
    assert_eq!(whoami(&mut at_phone).as_deref(), Some("alice"));
    let third = phone.another();
    for answer in [
        laptop.log_in(&mut at_laptop),
        laptop.link(&mut at_laptop, &third, "third"),
        laptop.unlink(&mut at_laptop, &phone),
        phone.another().log_in(&mut at_laptop),
    ] {
        assert_eq!(prefix(&answer), "DENIED");
    }
    assert_eq!(phone.log_in(&mut at_phone), Ok(Value::Okay));
    expire(&mut admin, 0, Some(&laptop));
    assert_eq!(laptop.log_in(&mut at_laptop), Ok(Value::Okay));
    for bad in [
        &["2FAPI.EXPIREAT", "alice", "soon"][..],
        &["2FAPI.EXPIREAT", "alice", "-1"],
        &["2FAPI.EXPIREAT", "alice", "1", "CREDENTIAL", "x"],
        &["2FAPI.EXPIREAT", "alice", "1", "CREDENTIAL"],
    ] {
        assert_eq!(prefix(&ask(&mut admin, bad)), "ERR", "{bad:?}");
    }
    let unknown = phone.another().credential_id();
    let words = ["2FAPI.EXPIREAT", "alice", "1", "CREDENTIAL", &unknown];
    assert_eq!(prefix(&ask(&mut admin, &words)), "NOCLIENT");
    assert_eq!(
        prefix(&ask(&mut admin, &["2FAPI.EXPIREAT", "bob", "1"])),
        "NOCLIENT"
    );
}

#[test]
fn sessions_that_are_open_end_when_their_client_or_credential_expires() {
    let server = Server::start("2fapi.acl-mapping yes");
    let mut admin = server.connect();
    let user = [
        "ACL",
        "SETUSER",
        "client-alice",
        "on",
        "~alice:*",
        "+get",
        "+2fapi.whoami",
    ];
    ask(&mut admin, &user).unwrap();
    let phone = Client::new("alice");
    phone.enroll(&mut admin, &["USER", "client-alice"]).unwrap();
    let laptop = phone.another();
    phone.link(&mut admin, &laptop, "laptop").unwrap();
    let (mut at_phone, mut at_laptop) = (server.connect(), server.connect());
    phone.log_in(&mut at_phone).unwrap();
    expire(&mut admin, now() + 2, Some(&laptop));
    laptop.log_in(&mut at_laptop).unwrap();
    assert_eq!(ask(&mut at_laptop, &["GET", "alice:k"]), Ok(Value::Nil));
    wait_until("the laptop's session is over", || {
        figure(&mut admin, "sessions") == 1
    });
    assert!(ask(&mut at_laptop, &["GET", "alice:k"]).is_err());
    assert_eq!(ask(&mut at_phone, &["GET", "alice:k"]), Ok(Value::Nil));
    expire(&mut admin, now() + 1, None);
    wait_until("the phone's session is over", || {
        figure(&mut admin, "sessions") == 0
    });
    assert!(ask(&mut at_phone, &["GET", "alice:k"]).is_err());
    assert_eq!(prefix(&phone.log_in(&mut server.connect())), "DENIED");
}

#[test]
fn who_expires_while_its_proof_is_looked_at_is_denied() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    let challenge = alice.challenge(&mut admin).unwrap();
    let proof = alice.proof(&challenge);
    let attempt = line(&["2FAPI.VERIFY", "alice", &challenge.id, &proof]);
    let (mut proves, sleeps) = (server.connect_raw(), server.connect_raw());
    // Right behind the attempt the server sleeps until the client has expired.
    expire(&mut admin, now() + 2, None);
    let sleep = line(&["DEBUG", "SLEEP", "3"]);
    at_once(&server, &[(&proves, attempt), (&sleeps, sleep)]);
    let mut answer = String::new();
    wait_until("the answer is there", || {
        answer += &heard(&mut proves);
        !answer.is_empty()
    });
    assert!(answer.starts_with("-DENIED"), "{answer:?}");
    assert_eq!(figure(&mut admin, "spent_accepted"), 0);
    // It was its expiry: without it the same proof is good.
    expire(&mut admin, 0, None);
    assert_eq!(
        alice.verify(&mut admin, &challenge, &proof),
        Ok(Value::Okay)
    );
}

#[test]
fn what_is_said_of_a_client_is_kept_shown_dumped_and_restored() {
    let mut server = Server::start("appendonly yes\nappendfsync always");
    let mut admin = server.connect();
    let alice = Client::new("alice");
    alice.enroll(&mut admin, &["USER", "client-alice"]).unwrap();
    let bare = shown(&mut admin, "alice");
    for field in ["expires_at", "requests_per_minute", "tenant"] {
        assert_eq!(bare[field], Value::Nil, "{field}");
    }
    for field in ["scopes", "sources"] {
        assert_eq!(bare[field], Value::Array(vec![]), "{field}");
    }
    let words = [
        "2FAPI.ATTRIBUTES",
        "alice",
        "SCOPES",
        "read write:all",
        "claims",
        "{\"team\": [1, null]}",
        "SOURCES",
        "127.0.0.0/8 ::1",
        "RATE",
        "60",
        "TENANT",
        "acme",
        "EXPIREAT",
        "4000000000",
    ];
    assert_eq!(ask(&mut admin, &words), Ok(Value::Okay));
    let text = |value: &str| Value::BulkString(value.as_bytes().to_vec());
    let expected: HashMap<&str, Value> = HashMap::from([
        ("client", text("alice")),
        ("status", text("active")),
        ("version", Value::Int(2)),
        ("generation", Value::Int(0)),
        ("acl_user", text("client-alice")),
        ("expires_at", Value::Int(4_000_000_000)),
        (
            "scopes",
            Value::Array(vec![text("read"), text("write:all")]),
        ),
        ("claims", text("{\"team\":[1,null]}")),
        (
            "sources",
            Value::Array(vec![text("127.0.0.0/8"), text("::1/128")]),
        ),
        ("requests_per_minute", Value::Int(60)),
        ("tenant", text("acme")),
    ]);
    let as_said = |admin: &mut Connection, id: &str| {
        let shown = shown(admin, id);
        assert_eq!(shown.len(), expected.len() + 2);
        for (name, value) in &expected {
            assert_eq!(shown[*name], *value, "{name}");
        }
    };
    as_said(&mut admin, "alice");
    for bad in [
        &["SCOPES", "a a"][..],
        &["CLAIMS", "[]"],
        &["CLAIMS", "{\"a\":1}{"],
        &["SOURCES", "10.0.0.1/8"],
        &["RATE", "x"],
        &["TENANT", "a b"],
        &["RATE", "1", "RATE", "2"],
        &["COLOUR", "red"],
        &["RATE"],
        &["RATE", "1", "SCOPES"],
    ] {
        let words = [&["2FAPI.ATTRIBUTES", "alice"], bad].concat();
        assert_eq!(prefix(&ask(&mut admin, &words)), "ERR", "{bad:?}");
    }
    as_said(&mut admin, "alice");
    let words = ["2FAPI.ATTRIBUTES", "bob", "RATE", "1"];
    assert_eq!(prefix(&ask(&mut admin, &words)), "NOCLIENT");

    server.kill();
    server.launch();
    let mut admin = server.connect();
    as_said(&mut admin, "alice");
    let replica = Server::start(&format!("replicaof 127.0.0.1 {}", server.port()));
    let mut at_replica = replica.connect();
    wait_until("the client is there", || {
        ask(&mut at_replica, &["2FAPI.SHOW", "alice"]).is_ok()
    });
    as_said(&mut at_replica, "alice");
    let dump: Vec<u8> = cmd("DUMP").arg("2fapi:{alice}").query(&mut admin).unwrap();
    ask(&mut admin, &["DEL", "2fapi:{alice}"]).unwrap();
    let _: Value = cmd("RESTORE")
        .arg("2fapi:{alice}")
        .arg(0)
        .arg(dump)
        .query(&mut admin)
        .unwrap();
    as_said(&mut admin, "alice");
    assert_eq!(alice.log_in(&mut admin), Ok(Value::Okay));
}

#[test]
fn every_word_of_it_can_be_taken_away_again() {
    let server = Server::start("");
    let mut admin = server.connect();
    let _ = Client::enrolled("alice", &mut admin);
    let before = shown(&mut admin, "alice");
    let words = [
        "2FAPI.ATTRIBUTES",
        "alice",
        "SCOPES",
        "a",
        "CLAIMS",
        "{\"a\":1}",
        "TENANT",
        "t",
    ];
    ask(&mut admin, &words).unwrap();
    let words = [
        "2FAPI.ATTRIBUTES",
        "alice",
        "SCOPES",
        "",
        "CLAIMS",
        "{}",
        "TENANT",
        "",
    ];
    ask(&mut admin, &words).unwrap();
    let mut after = shown(&mut admin, "alice");
    // The same but for the version, which is in the record's third to sixth byte.
    let mut record = text(&before["record"]);
    record.replace_range(4..12, "00000003");
    assert_eq!(text(&after["record"]), record);
    after.insert("record".into(), before["record"].clone());
    assert_eq!(
        after.insert("version".into(), before["version"].clone()),
        Some(Value::Int(3))
    );
    assert_eq!(after, before);
}
