//! A challenge is good for one proof that is accepted; asking for one, and trying in vain, costs nothing.

use std::{
    io::{Read as _, Write as _},
    sync::Barrier,
    thread,
    time::Duration,
};

use redis::{Value, cmd};
use twofapi_tests_redis::{Client, Server};

use crate::{ask, figure, prefix};

#[test]
fn of_a_hundred_connections_with_one_proof_one_gets_in() {
    let server = Server::start("2fapi.verify-threads 4");
    let alice = Client::enrolled("alice", &mut server.connect());
    let challenge = alice.challenge(&mut server.connect()).unwrap();
    let proof = alice.proof(&challenge);
    let together = Barrier::new(100);
    let accepted: usize = thread::scope(|scope| {
        let all: Vec<_> = (0..100)
            .map(|_| {
                let mut connection = server.connect();
                let (alice, challenge, proof, together) = (&alice, &challenge, &proof, &together);
                scope.spawn(move || {
                    together.wait();
                    match alice.verify(&mut connection, challenge, proof) {
                        Ok(answer) => usize::from(answer == Value::Okay),
                        denied => {
                            assert_eq!(prefix(&denied), "DENIED");
                            0
                        }
                    }
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn a_refused_proof_leaves_the_challenge_to_its_client() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let challenge = alice.challenge(&mut connection).unwrap();
    let wrong = Client::new("alice").proof(&challenge);
    let right = alice.proof(&challenge);
    for _ in 0..3 {
        assert_eq!(
            prefix(&alice.verify(&mut connection, &challenge, &wrong)),
            "DENIED"
        );
    }
    assert_eq!(figure(&mut connection, "spent_accepted"), 0);
    assert_eq!(
        alice.verify(&mut connection, &challenge, &right),
        Ok(Value::Okay)
    );
    for proof in [right, wrong] {
        assert_eq!(
            prefix(&alice.verify(&mut connection, &challenge, &proof)),
            "DENIED"
        );
    }
    assert_eq!(figure(&mut connection, "spent_accepted"), 1);
}

#[test]
fn a_discarded_transaction_spends_nothing_and_a_finished_one_does() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&challenge);
    let verify = ["2FAPI.VERIFY", "alice", &challenge.id, &proof];
    ask(&mut connection, &["MULTI"]).unwrap();
    ask(&mut connection, &verify).unwrap();
    ask(&mut connection, &["DISCARD"]).unwrap();
    ask(&mut connection, &["MULTI"]).unwrap();
    ask(&mut connection, &verify).unwrap();
    assert_eq!(
        ask(&mut connection, &["EXEC"]),
        Ok(Value::Array(vec![Value::Okay]))
    );
    assert_eq!(
        prefix(&alice.verify(&mut connection, &challenge, &proof)),
        "DENIED"
    );
}

#[test]
fn a_challenge_of_another_client_server_or_time_is_denied() {
    let server = Server::start("2fapi.challenge-ttl 1");
    let elsewhere = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let bob = Client::enrolled("bob", &mut connection);
    let denied = |connection: &mut redis::Connection, challenge: &_| {
        let proof = alice.proof(challenge);
        assert_eq!(
            prefix(&alice.verify(connection, challenge, &proof)),
            "DENIED"
        );
    };
    denied(
        &mut connection,
        &bob.challenge(&mut server.connect()).unwrap(),
    );
    denied(
        &mut connection,
        &alice.challenge(&mut elsewhere.connect()).unwrap(),
    );
    let late = alice.challenge(&mut connection).unwrap();
    thread::sleep(Duration::from_millis(1100));
    denied(&mut connection, &late);
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn unknown_suspended_and_revoked_clients_are_answered_like_a_wrong_proof() {
    let server = Server::start("");
    let mut connection = server.connect();
    let mut answers = Vec::new();
    for (id, command) in [
        ("wrong", ""),
        ("unknown", ""),
        ("sus", "2FAPI.SUSPEND"),
        ("rev", "2FAPI.REVOKE"),
    ] {
        let client = Client::new(id);
        if id != "unknown" {
            client.enroll(&mut connection, &[]).unwrap();
        }
        if !command.is_empty() {
            ask(&mut connection, &[command, id]).unwrap();
        }
        let challenge = client.challenge(&mut connection).unwrap();
        let prover = if id == "wrong" {
            Client::new(id)
        } else {
            client
        };
        let answer = prover.verify(&mut connection, &challenge, &prover.proof(&challenge));
        answers.push(answer.unwrap_err().to_string());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

/// Asks for so many challenges, a thousand at a time.
fn flood_of_challenges(server: &Server, how_many: usize) {
    let mut stream = server.connect_raw();
    let mut answers = stream.try_clone().unwrap();
    let request = b"*2\r\n$15\r\n2FAPI.CHALLENGE\r\n$5\r\nalice\r\n".repeat(1000);
    let answer = "*2\r\n$27\r\nch-000000000000000000000000\r\n$32\r\n".len() + 32 + 2;
    for _ in 0..how_many / 1000 {
        stream.write_all(&request).unwrap();
        let mut received = vec![0; 1000 * answer];
        answers.read_exact(&mut received).unwrap();
        assert!(received.starts_with(b"*2\r\n$27\r\nch-"));
    }
}

/// How many challenges the flood asks for: a tenth of what was promised in a debug build, unless
/// TWOFAPI_FLOOD says otherwise.
fn flood() -> usize {
    std::env::var("TWOFAPI_FLOOD").map_or(1_000_000, |text| text.parse().expect("a number"))
}

#[test]
fn a_flood_of_challenges_for_one_client_costs_no_memory_and_keeps_nobody_out() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    flood_of_challenges(&server, 10_000);
    let before = server.resident_bytes();
    flood_of_challenges(&server, flood());
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 2 << 20, "grown by {grown} bytes");
    assert_eq!(figure(&mut connection, "spent_accepted"), 0);
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn a_flood_of_bad_proofs_does_not_fill_the_set() {
    let server = Server::start("2fapi.spent-capacity 20");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    for _ in 0..100 {
        let challenge = alice.challenge(&mut connection).unwrap();
        let wrong = Client::new("alice").proof(&challenge);
        assert_eq!(
            prefix(&alice.verify(&mut connection, &challenge, &wrong)),
            "DENIED"
        );
    }
    assert_eq!(figure(&mut connection, "spent_accepted"), 0);
    for _ in 0..16 {
        assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    }
}

#[test]
fn a_set_full_of_accepted_proofs_throttles_forgets_nothing_early_and_recovers() {
    let server = Server::start("2fapi.spent-capacity 10\n2fapi.challenge-ttl 3");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let first = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&first);
    assert_eq!(
        alice.verify(&mut connection, &first, &proof),
        Ok(Value::Okay)
    );
    for _ in 0..9 {
        assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    }
    let refused = alice.log_in(&mut connection);
    assert_eq!(prefix(&refused), "LIMIT");
    assert!(refused.unwrap_err().to_string().contains("try again in"));
    // Only who has a good proof is told of it, or the answer would say who is enrolled.
    for outsider in ["alice", "nobody"] {
        let refused = Client::new(outsider).log_in(&mut connection);
        assert_eq!(prefix(&refused), "DENIED", "{outsider}");
    }
    assert_eq!(
        prefix(&alice.verify(&mut connection, &first, &proof)),
        "DENIED"
    );
    thread::sleep(Duration::from_millis(3100));
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    assert_eq!(
        prefix(&alice.verify(&mut connection, &first, &proof)),
        "DENIED"
    );
}

#[test]
fn a_client_that_uses_its_share_of_the_set_up_keeps_nobody_else_out() {
    let server = Server::start("2fapi.spent-capacity 100");
    let mut connection = server.connect();
    let greedy = Client::enrolled("greedy", &mut connection);
    let alice = Client::enrolled("alice", &mut connection);
    for _ in 0..50 {
        assert_eq!(greedy.log_in(&mut connection), Ok(Value::Okay));
    }
    assert_eq!(prefix(&greedy.log_in(&mut connection)), "LIMIT");
    let guess = Client::new("greedy").log_in(&mut connection);
    assert_eq!(prefix(&guess), "DENIED");
    for _ in 0..16 {
        assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    }
}

#[test]
fn a_restart_makes_old_challenges_worthless() {
    let mut server = Server::start("appendonly yes\nappendfsync always");
    let alice = Client::enrolled("alice", &mut server.connect());
    let used = alice.challenge(&mut server.connect()).unwrap();
    let used_proof = alice.proof(&used);
    assert!(
        alice
            .verify(&mut server.connect(), &used, &used_proof)
            .is_ok()
    );
    let unused = alice.challenge(&mut server.connect()).unwrap();
    server.kill();
    server.launch();
    let mut connection = server.connect();
    assert_eq!(
        prefix(&alice.verify(&mut connection, &used, &used_proof)),
        "DENIED"
    );
    let proof = alice.proof(&unused);
    assert_eq!(
        prefix(&alice.verify(&mut connection, &unused, &proof)),
        "DENIED"
    );
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let challenge = alice.challenge(&mut connection).unwrap();
    let proof = alice.proof(&challenge);
    let mut pipeline = redis::pipe();
    pipeline.add_command(cmd("2FAPI.WHOAMI"));
    pipeline
        .cmd("2FAPI.VERIFY")
        .arg("alice")
        .arg(&challenge.id)
        .arg(&proof);
    pipeline.add_command(cmd("2FAPI.WHOAMI"));
    let answers: (Option<String>, Value, Option<String>) = pipeline.query(&mut connection).unwrap();
    assert_eq!(answers, (None, Value::Okay, Some("alice".into())));
}
