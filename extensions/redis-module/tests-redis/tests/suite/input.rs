//! Bad input gets a clear error, and nothing is changed by it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use redis::{RedisResult, Value, cmd};
use twofapi_tests_redis::{Client, Server};

use crate::{ask, prefix};

#[test]
fn client_ids_that_are_none_are_refused_everywhere() {
    let server = Server::start("");
    let mut connection = server.connect();
    let long = "a".repeat(129);
    let huge = "a".repeat(1 << 20);
    let commitment = Client::new("alice").commitment();
    for id in [
        "",
        " ",
        "a b",
        "{a}",
        "a{b}c",
        "a:b",
        "a\nb",
        "a\r\n+OK",
        "a\0b",
        "..",
        "a..b",
        "-a",
        "2fapi",
        "TwoFApi.x",
        "2fapi:{alice}",
        "ä",
        &long,
        &huge,
    ] {
        let commands: [&[&str]; 15] = [
            &["2FAPI.ENROLL", id, &commitment],
            &["2FAPI.CHALLENGE", id],
            &[
                "2FAPI.VERIFY",
                id,
                "ch-000000000000000000000000",
                &"00".repeat(96),
            ],
            &["2FAPI.STATUS", id],
            &["2FAPI.SUSPEND", id],
            &["2FAPI.RESUME", id],
            &["2FAPI.REVOKE", id],
            &["2FAPI.LINK", id, "ch-0", &"00".repeat(96), &commitment],
            &["2FAPI.UNLINK", id, "ch-0", &"00".repeat(96), &commitment],
            &["2FAPI.JOIN", id, "ch-0", &commitment, &"00".repeat(96), "x"],
            &["2FAPI.RESET", id, &commitment, "PROOF", &"00".repeat(96)],
            &["2FAPI.SHOW", id],
            &["2FAPI.ATTRIBUTES", id, "RATE", "1"],
            &["2FAPI.EXPIREAT", id, "1"],
            &["2FAPI.ENDSESSIONS", id],
        ];
        for words in commands {
            let error = ask(&mut connection, words).unwrap_err().to_string();
            assert!(
                error.contains("client id must be"),
                "{:?} {}: {error}",
                &id[..id.len().min(20)],
                words[0]
            );
            assert!(error.len() < 400);
        }
    }
    assert_eq!(ask(&mut connection, &["DBSIZE"]), Ok(Value::Int(0)));
}

#[test]
fn commitments_and_proofs_that_are_none_are_refused_with_what_would_be_right() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let (identity, high) = ("0".repeat(64), "f".repeat(64));
    for (commitment, says) in [
        ("", "64 hex digits, got 0"),
        ("abc", "64 hex digits, got 3"),
        (&alice.commitment()[1..], "64 hex digits, got 63"),
        (&"zz".repeat(32), "64 hex digits"),
        (&identity, "identity"),
        (&high, "canonical"),
    ] {
        let error = ask(&mut connection, &["2FAPI.ENROLL", "bob", commitment])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("commitment") && error.contains(says),
            "{error}"
        );
    }
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&challenge);
    for (bad, says) in [
        (String::new(), "192 hex digits, got 0"),
        (proof[2..].to_owned(), "192 hex digits, got 190"),
        (proof.clone() + "00", "192 hex digits, got 194"),
        ("x".repeat(192), "192 hex digits"),
        (proof[..64].to_owned() + &"f".repeat(128), "response"),
        (proof[..64].to_owned() + &"0".repeat(128), "response"),
    ] {
        let error = alice
            .verify(&mut connection, &challenge, &bad)
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error}");
    }
    // None of them was an attempt.
    assert_eq!(
        alice.verify(&mut connection, &challenge, &proof.to_uppercase()),
        Ok(Value::Okay)
    );
}

#[test]
fn a_challenge_id_that_is_none_is_denied_like_any_that_was_not_issued() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&challenge);
    let mut other = challenge.id.clone();
    other.replace_range(20..21, if &other[20..21] == "0" { "1" } else { "0" });
    for id in [
        "",
        "x",
        &challenge.id.to_uppercase(),
        &challenge.id[1..],
        &other,
    ] {
        let answer = ask(&mut connection, &["2FAPI.VERIFY", "alice", id, &proof]);
        assert_eq!(prefix(&answer), "DENIED", "{id}");
    }
    assert_eq!(
        alice.verify(&mut connection, &challenge, &proof),
        Ok(Value::Okay)
    );
}

#[test]
fn wrong_arity_and_unknown_options_are_errors() {
    let server = Server::start("");
    let mut connection = server.connect();
    let commitment = Client::new("alice").commitment();
    for words in [
        &["2FAPI.ENROLL", "a"][..],
        &["2FAPI.CHALLENGE"],
        &["2FAPI.CHALLENGE", "a", "b"],
        &["2FAPI.VERIFY", "a", "b"],
        &["2FAPI.ROTATE", "a", "b", "c", "d"],
        &["2FAPI.STATUS"],
        &["2FAPI.LINK", "a", "b", "c"],
        &["2FAPI.UNLINK", "a", "b", "c"],
        &["2FAPI.OFFER"],
        &["2FAPI.JOIN", "a", "b", "c", "d"],
        &["2FAPI.PENDING", "x"],
        &["2FAPI.CREDENTIALS", "x"],
        &["2FAPI.RESET", "a", "b"],
        &["2FAPI.SHOW"],
        &["2FAPI.ATTRIBUTES", "a"],
        &["2FAPI.EXPIREAT", "a"],
        &["2FAPI.ENDSESSIONS"],
        &["2FAPI.INFO", "x"],
    ] {
        assert!(
            ask(&mut connection, words)
                .unwrap_err()
                .to_string()
                .contains("wrong number of arguments"),
            "{words:?}"
        );
    }
    for options in [
        &["PROOF"][..],
        &["USER"],
        &["WHAT", "x"],
        &["USER", "a", "USER", "b"],
    ] {
        let words = [&["2FAPI.ENROLL", "alice", &commitment], options].concat();
        assert!(
            ask(&mut connection, &words)
                .unwrap_err()
                .to_string()
                .contains("syntax error"),
            "{options:?}"
        );
    }
    let possession = Client::new("alice").possession();
    for words in [
        &["2FAPI.VERIFY", "a", "b", &possession, "CREDENTIAL"][..],
        &["2FAPI.VERIFY", "a", "b", &possession, "WHAT", "x"],
        &[
            "2FAPI.LINK",
            "a",
            "b",
            &possession,
            &commitment,
            "NAME",
            "x",
        ],
        &[
            "2FAPI.LINK",
            "a",
            "b",
            &possession,
            &commitment,
            "PROOF",
            &possession,
        ],
        &[
            "2FAPI.UNLINK",
            "a",
            "b",
            &possession,
            &commitment,
            "NAME",
            "x",
        ],
        &["2FAPI.RESET", "a", &commitment, "USER", "x"],
    ] {
        let error = ask(&mut connection, words).unwrap_err().to_string();
        assert!(error.contains("syntax error"), "{words:?}: {error}");
    }
    for id in ["", "x", &"A".repeat(32), &"0".repeat(33)] {
        let words = ["2FAPI.VERIFY", "a", "b", &possession, "CREDENTIAL", id];
        let error = ask(&mut connection, &words).unwrap_err().to_string();
        assert!(error.contains("credential id"), "{id}: {error}");
    }
    for user in ["", "a b", "default"] {
        let words = ["2FAPI.ENROLL", "alice", &commitment, "USER", user];
        assert!(
            ask(&mut connection, &words)
                .unwrap_err()
                .to_string()
                .contains("ACL user"),
            "{user:?}"
        );
    }
    assert_eq!(ask(&mut connection, &["DBSIZE"]), Ok(Value::Int(0)));
}

#[test]
fn settings_out_of_range_are_refused() {
    let server = Server::start("");
    let mut connection = server.connect();
    for (setting, value) in [
        ("challenge-ttl", "0"),
        ("challenge-ttl", "901"),
        ("session-ttl", "0"),
        ("require-proof", "perhaps"),
    ] {
        assert!(
            ask(
                &mut connection,
                &["CONFIG", "SET", &format!("2fapi.{setting}"), value]
            )
            .is_err(),
            "{setting} {value}"
        );
    }
    for setting in ["spent-capacity", "verify-threads"] {
        let error = ask(
            &mut connection,
            &["CONFIG", "SET", &format!("2fapi.{setting}"), "5"],
        )
        .unwrap_err();
        assert!(error.to_string().contains("immutable"), "{error}");
    }
}

#[test]
fn inline_commands_and_a_pipeline_of_ten_thousand_are_answered() {
    let server = Server::start("");
    let mut stream = server.connect_raw();
    let commitment = Client::new("alice").commitment();
    stream
        .write_all(format!("2FAPI.ENROLL alice {commitment}\r\n").as_bytes())
        .unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "+OK\r\n");
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let one = format!(
            "2FAPI.STATUS alice\r\n2FAPI.VERIFY alice ch-0 {}\r\n",
            "00".repeat(96)
        );
        sender.write_all(one.repeat(5000).as_bytes()).unwrap();
    });
    for _ in 0..5000 {
        for expected in ["+active", "-ERR"] {
            line.clear();
            lines.read_line(&mut line).unwrap();
            assert!(line.starts_with(expected), "{line}");
        }
    }
    sending.join().unwrap();
}

#[test]
fn whatever_bytes_come_the_server_stays() {
    let mut server = Server::start("");
    let mut connection = server.connect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let names = [
        "ENROLL",
        "CHALLENGE",
        "VERIFY",
        "ROTATE",
        "STATUS",
        "SUSPEND",
        "RESUME",
        "REVOKE",
        "WHOAMI",
        "LOGOUT",
        "INFO",
        "APPLY",
        "LINK",
        "UNLINK",
        "OFFER",
        "JOIN",
        "PENDING",
        "CREDENTIALS",
        "RESET",
        "SHOW",
        "ATTRIBUTES",
        "EXPIREAT",
        "ENDSESSIONS",
        "CLIENTS",
        "SESSIONS",
        "KICK",
    ];
    let words = [
        "PROOF",
        "NAME",
        "CREDENTIAL",
        "USER",
        "EXPIREAT",
        "SCOPES",
        "CLAIMS",
        "SOURCES",
        "RATE",
        "TENANT",
        "{\"a\":[1,{}]}",
        "10.0.0.0/8",
        "7",
    ];
    let alice = Client::enrolled("alice", &mut connection);
    alice.log_in(&mut connection).unwrap();
    for _ in 0..10_000 {
        let mut command = cmd(&format!("2FAPI.{}", names[random() as usize % names.len()]));
        for _ in 0..random() % 7 {
            let length = [0, 1, 5, 27, 32, 64, 192][random() as usize % 7];
            let bytes: Vec<u8> = (0..length)
                .map(|_| (random() >> (random() % 32)) as u8)
                .collect();
            match random() % 5 {
                0 => command.arg("alice"),
                2 => command.arg(words[random() as usize % words.len()]),
                1 => command.arg(hex::encode(&bytes)),
                _ => command.arg(bytes),
            };
        }
        let _: RedisResult<Value> = command.query(&mut connection);
    }
    assert!(server.is_running());
    assert!(!server.log().contains("internal error"), "{}", server.log());
    let mut raw = server.connect_raw();
    raw.write_all(b"*3\r\n$12\r\n2FAPI.VERIFY\r\n$-1\r\n")
        .unwrap();
    let mut answer = [0; 4];
    raw.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"-ERR");
}
