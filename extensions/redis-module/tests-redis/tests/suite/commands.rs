//! The commands as a Redis engineer meets them: documented, counted, and plain in both protocols.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead as _, BufReader, Write as _},
};

use redis::{Value, cmd};
use twofapi_tests_redis::{Client, Server};

use crate::{ask, prefix};

#[test]
fn every_command_is_documented_with_its_arity_and_routed_by_its_client() {
    let server = Server::start("");
    let mut connection = server.connect();
    let names: BTreeSet<String> = cmd("COMMAND")
        .arg(&["LIST", "FILTERBY", "MODULE", "2fapi"])
        .query(&mut connection)
        .unwrap();
    assert_eq!(names.len(), 30, "{names:?}");
    for name in &names {
        let docs: HashMap<String, HashMap<String, Value>> = cmd("COMMAND")
            .arg("DOCS")
            .arg(name)
            .query(&mut connection)
            .unwrap();
        let docs = &docs[name];
        for field in ["summary", "since", "complexity"] {
            assert!(docs.contains_key(field), "{name} has no {field}");
        }
    }
    for (words, keys) in [
        (&["2FAPI.VERIFY", "alice", "c", "p"][..], &["alice"][..]),
        (&["2FAPI.ENROLL", "alice", "c"], &["alice"]),
    ] {
        let routed: Result<Vec<String>, _> = cmd("COMMAND")
            .arg("GETKEYS")
            .arg(words)
            .query(&mut connection);
        // Of what is no key, servers tell or do not tell here; they route by it all the same.
        assert!(routed.is_err() || routed == Ok(keys.iter().map(ToString::to_string).collect()));
    }
    assert!(
        ask(&mut connection, &["2FAPI.LOGOUT", "x"])
            .unwrap_err()
            .to_string()
            .contains("wrong number of arguments")
    );
}

#[test]
fn the_life_of_a_client() {
    let server = Server::start("");
    let mut connection = server.connect();
    let status = |connection: &mut redis::Connection| -> String {
        cmd("2FAPI.STATUS").arg("alice").query(connection).unwrap()
    };
    assert_eq!(status(&mut connection), "unknown");
    for command in ["2FAPI.SUSPEND", "2FAPI.RESUME", "2FAPI.REVOKE"] {
        assert_eq!(
            prefix(&ask(&mut connection, &[command, "alice"])),
            "NOCLIENT"
        );
    }
    let alice = Client::enrolled("alice", &mut connection);
    assert_eq!(status(&mut connection), "active");
    for _ in 0..2 {
        ask(&mut connection, &["2FAPI.SUSPEND", "alice"]).unwrap();
        assert_eq!(status(&mut connection), "suspended");
    }
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
    ask(&mut connection, &["2FAPI.RESUME", "alice"]).unwrap();
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    ask(&mut connection, &["2FAPI.REVOKE", "alice"]).unwrap();
    assert_eq!(status(&mut connection), "revoked");
    assert_eq!(
        prefix(&ask(&mut connection, &["2FAPI.RESUME", "alice"])),
        "INACTIVE"
    );
    assert_eq!(prefix(&alice.enroll(&mut connection, &[])), "EXISTS");
    assert_eq!(
        prefix(&Client::new("alice").enroll(&mut connection, &[])),
        "EXISTS"
    );
}

#[test]
fn the_status_tells_the_version_of_the_commitment_to_who_asks_for_it() {
    let server = Server::start("");
    let mut connection = server.connect();
    let version = |connection: &mut redis::Connection| -> (String, i64) {
        cmd("2FAPI.STATUS")
            .arg(&["alice", "version"])
            .query(connection)
            .unwrap()
    };
    assert_eq!(version(&mut connection), ("unknown".to_owned(), 0));
    let alice = Client::enrolled("alice", &mut connection);
    assert_eq!(version(&mut connection), ("active".to_owned(), 1));
    let next = Client::new("alice");
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.rotation_proof(&challenge, next.credential.commitment());
    let (commitment, possession) = (next.commitment(), next.possession());
    let words = [
        "2FAPI.ROTATE",
        "alice",
        &challenge.id,
        &proof,
        &commitment,
        &possession,
    ];
    assert_eq!(ask(&mut connection, &words), Ok(Value::Okay));
    assert_eq!(version(&mut connection), ("active".to_owned(), 2));
    for words in [
        &["2FAPI.STATUS", "alice", "AGE"][..],
        &["2FAPI.STATUS", "alice", "VERSION", "x"],
    ] {
        assert!(
            ask(&mut connection, words)
                .unwrap_err()
                .to_string()
                .contains("syntax")
        );
    }
}

#[test]
fn a_rotation_needs_both_proofs_and_then_only_the_new_credential_gets_in() {
    let server = Server::start("");
    let mut connection = server.connect();
    let mut alice = Client::enrolled("alice", &mut connection);
    let next = Client::new("alice");
    let challenge = alice.challenge(&mut connection).unwrap();
    let strange = alice.rotation_proof(&challenge, Client::new("alice").credential.commitment());
    let answer = ask(
        &mut connection,
        &[
            "2FAPI.ROTATE",
            "alice",
            &challenge.id,
            &strange,
            &next.commitment(),
            &next.possession(),
        ],
    );
    assert_eq!(prefix(&answer), "DENIED");
    let challenge = alice.challenge(&mut connection).unwrap();
    let right = alice.rotation_proof(&challenge, next.credential.commitment());
    let answer = ask(
        &mut connection,
        &[
            "2FAPI.ROTATE",
            "alice",
            &challenge.id,
            &right,
            &next.commitment(),
            &Client::new("alice").possession(),
        ],
    );
    assert_eq!(prefix(&answer), "DENIED");
    // A proof for authentication is none for rotation, nor the other way round.
    let challenge = alice.challenge(&mut connection).unwrap();
    let rotation = alice.rotation_proof(&challenge, next.credential.commitment());
    assert_eq!(
        prefix(&alice.verify(&mut connection, &challenge, &rotation)),
        "DENIED"
    );

    let old = Client {
        credential: alice.credential,
        ..Client::new("alice")
    };
    alice = Client {
        credential: next.credential,
        ..Client::new("alice")
    };
    assert_eq!(old.log_in(&mut connection), Ok(Value::Okay));
    let mut old = old;
    assert_eq!(old.rotate(&mut connection), Ok(Value::Okay));
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
    assert_eq!(old.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn enrolment_with_a_proof_and_where_it_is_demanded() {
    let server = Server::start("2fapi.require-proof yes");
    let mut connection = server.connect();
    let alice = Client::new("alice");
    assert!(
        alice
            .enroll(&mut connection, &[])
            .unwrap_err()
            .to_string()
            .contains("PROOF")
    );
    let bobs = Client::new("bob").possession();
    assert_eq!(
        prefix(&alice.enroll(&mut connection, &["PROOF", &bobs])),
        "DENIED"
    );
    let challenge = alice.challenge(&mut connection).unwrap();
    assert_eq!(
        prefix(&alice.enroll(&mut connection, &["PROOF", &alice.proof(&challenge)])),
        "DENIED"
    );
    assert_eq!(
        ask(&mut connection, &["EXISTS", "2fapi:{alice}"]),
        Ok(Value::Int(0))
    );
    assert_eq!(
        alice.enroll(&mut connection, &["PROOF", &alice.possession()]),
        Ok(Value::Okay)
    );
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    // In a transaction the proof is looked at on the spot.
    let carol = Client::new("carol");
    ask(&mut connection, &["MULTI"]).unwrap();
    carol
        .enroll(&mut connection, &["PROOF", &carol.possession()])
        .unwrap();
    assert_eq!(
        ask(&mut connection, &["EXEC"]),
        Ok(Value::Array(vec![Value::Okay]))
    );
    assert_eq!(carol.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn both_protocols_say_the_same() {
    let server = Server::start("");
    let mut stream = server.connect_raw();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    stream
        .write_all(b"2FAPI.WHOAMI\r\n2FAPI.STATUS nobody\r\n2FAPI.INFO\r\n")
        .unwrap();
    assert_eq!(line(), "$-1");
    assert_eq!(line(), "+unknown");
    let flat = line();
    let elements: usize = flat.strip_prefix('*').unwrap().parse().unwrap();
    for _ in 0..elements {
        if line().starts_with('$') {
            line();
        }
    }
    stream
        .write_all(b"HELLO 3\r\n2FAPI.WHOAMI\r\n2FAPI.INFO\r\n")
        .unwrap();
    while line() != "modules" {}
    let map = loop {
        let next = line();
        if next == "_" {
            break line();
        }
    };
    assert_eq!(map, format!("%{}", elements / 2));
}

#[test]
fn the_info_section_and_error_statistics_count() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    alice.log_in(&mut connection).unwrap();
    let challenge = alice.challenge(&mut connection).unwrap();
    let wrong = Client::new("alice").proof(&challenge);
    assert_eq!(
        prefix(&alice.verify(&mut connection, &challenge, &wrong)),
        "DENIED"
    );
    let info: String = cmd("INFO").arg("2fapi").query(&mut connection).unwrap();
    for line in [
        "2fapi_challenges_issued:2",
        "2fapi_proofs_accepted:1",
        "2fapi_attempts_denied:1",
        "2fapi_sessions:1",
        "2fapi_clients_enrolled:1",
    ] {
        assert!(info.contains(line), "{line} not in\n{info}");
    }
    let errors: String = cmd("INFO")
        .arg("errorstats")
        .query(&mut connection)
        .unwrap();
    assert!(errors.contains("errorstat_DENIED:count=1"), "{errors}");
}

#[test]
fn proofs_show_neither_in_monitor_nor_in_the_slow_log() {
    let server = Server::start("slowlog-log-slower-than 0");
    let mut connection = server.connect();
    let mut monitor = server.connect_raw();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    let mut seen = BufReader::new(monitor);
    let mut line = String::new();
    seen.read_line(&mut line).unwrap();
    let mut alice = Client::new("alice");
    let possession = alice.possession();
    alice
        .enroll(&mut connection, &["PROOF", &possession])
        .unwrap();
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&challenge);
    alice.verify(&mut connection, &challenge, &proof).unwrap();
    alice.rotate(&mut connection).unwrap();
    let laptop = alice.another();
    let challenge = alice.challenge(&mut connection).unwrap();
    let links = [
        alice.linking_proof(&challenge, &laptop),
        laptop.joining_proof(&challenge),
    ];
    let options = ["PROOF", &links[1], "NAME", "laptop"];
    alice
        .link_by(&mut connection, &challenge, &links[0], &laptop, &options)
        .unwrap();
    alice.log_in(&mut connection).unwrap();
    let offer = alice.challenge(&mut connection).unwrap();
    ask(&mut connection, &["2FAPI.OFFER", &offer.id]).unwrap();
    let tablet = alice.another();
    tablet.join(&mut connection, &offer, "tablet").unwrap();
    ask(&mut connection, &["2FAPI.PENDING"]).unwrap();
    alice.unlink(&mut connection, &laptop).unwrap();
    let new = Client::new("alice");
    let reset = [
        "2FAPI.RESET",
        "alice",
        &new.commitment(),
        "PROOF",
        &new.possession(),
    ];
    ask(&mut connection, &reset).unwrap();
    ask(&mut connection, &["SET", "the", "end"]).unwrap();
    let mut monitored = String::new();
    while !monitored.contains("\"the\" \"end\"") {
        seen.read_line(&mut monitored).unwrap();
    }
    let slow = format!("{:?}", ask(&mut connection, &["SLOWLOG", "GET", "-1"]));
    assert!(slow.contains("the"), "the slow log is on");
    for text in [&monitored, &slow, &server.log()] {
        assert!(
            !text.contains(&proof) && !text.contains(&possession),
            "{text}"
        );
        assert!(!links.iter().any(|proof| text.contains(proof)), "{text}");
        let text = text.to_lowercase();
        for command in [
            "verify", "link", "unlink", "offer", "join", "pending", "reset",
        ] {
            assert!(
                !text.contains(&format!("\"2fapi.{command}")),
                "{command}: {text}"
            );
        }
    }
}
