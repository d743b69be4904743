//! A challenge is good for one proof that is accepted, whatever becomes of the transaction, the backend
//! or the server.

use std::{sync::Barrier, thread, time::Duration};

use postgres::Client as Connection;
use twofapi_tests_pg::{Challenge, Client, Server};

use crate::{database, eventually, refusal, stat};

struct Scene {
    connection: Connection,
    alice: Client,
    challenge: Challenge,
    proof: Vec<u8>,
}

fn scene() -> Scene {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    Scene {
        connection,
        alice,
        challenge,
        proof,
    }
}

#[test]
fn a_proof_is_accepted_once() {
    let mut s = scene();
    let mut attempt = || {
        s.alice
            .authenticate(&mut s.connection, &s.challenge, &s.proof)
    };
    assert!(attempt().unwrap());
    assert!(!attempt().unwrap());
}

#[test]
fn verifying_spends_the_challenge_as_well() {
    let mut s = scene();
    let verify = "SELECT twofapi.verify($1, $2, $3)";
    let id = s.alice.id.as_str();
    let row = s
        .connection
        .query_one(verify, &[&id, &s.challenge.id, &s.proof]);
    assert!(row.unwrap().get::<_, bool>(0));
    assert_eq!(crate::current_client(&mut s.connection), None);
    let again = s
        .alice
        .authenticate(&mut s.connection, &s.challenge, &s.proof);
    assert!(!again.unwrap());
}

#[test]
fn a_rolled_back_attempt_still_spends_its_challenge() {
    let mut s = scene();
    let mut transaction = s.connection.transaction().unwrap();
    assert!(
        s.alice
            .authenticate(&mut transaction, &s.challenge, &s.proof)
            .unwrap()
    );
    transaction.rollback().unwrap();
    assert!(
        !s.alice
            .authenticate(&mut s.connection, &s.challenge, &s.proof)
            .unwrap()
    );
}

#[test]
fn an_attempt_rolled_back_to_a_savepoint_still_spends_its_challenge() {
    let mut s = scene();
    let mut transaction = s.connection.transaction().unwrap();
    transaction.batch_execute("SAVEPOINT a").unwrap();
    assert!(
        s.alice
            .authenticate(&mut transaction, &s.challenge, &s.proof)
            .unwrap()
    );
    transaction
        .batch_execute("ROLLBACK TO SAVEPOINT a")
        .unwrap();
    assert!(
        !s.alice
            .authenticate(&mut transaction, &s.challenge, &s.proof)
            .unwrap()
    );
    transaction.commit().unwrap();
}

#[test]
fn a_refused_attempt_leaves_the_challenge_to_its_client() {
    let mut s = scene();
    let stranger = Client::new("alice").proof(&s.challenge);
    let mut attempt = |proof: &[u8]| {
        s.alice
            .authenticate(&mut s.connection, &s.challenge, proof)
            .unwrap()
    };
    for _ in 0..20 {
        assert!(!attempt(&stranger));
    }
    assert!(attempt(&s.proof));
    assert!(!attempt(&s.proof));
}

#[test]
fn of_64_connections_with_one_proof_exactly_one_gets_in() {
    let server = Server::start("");
    let database = server.database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    for _ in 0..5 {
        let challenge = alice.challenge(&mut connection);
        let proof = alice.proof(&challenge);
        let together = Barrier::new(64);
        let accepted: usize = thread::scope(|scope| {
            let attempts: Vec<_> = (0..64)
                .map(|_| {
                    scope.spawn(|| {
                        let mut connection = database.connect();
                        together.wait();
                        alice
                            .authenticate(&mut connection, &challenge, &proof)
                            .unwrap()
                    })
                })
                .collect();
            attempts
                .into_iter()
                .map(|a| usize::from(a.join().unwrap()))
                .sum()
        });
        assert_eq!(accepted, 1);
    }
}

#[test]
fn a_challenge_expires() {
    let mut s = scene();
    s.connection
        .batch_execute("SET twofapi.challenge_ttl = 1")
        .unwrap();
    let challenge = s.alice.challenge(&mut s.connection);
    let proof = s.alice.proof(&challenge);
    thread::sleep(Duration::from_millis(1100));
    assert!(
        !s.alice
            .authenticate(&mut s.connection, &challenge, &proof)
            .unwrap()
    );
}

#[test]
fn a_challenge_is_its_clients_alone() {
    let mut s = scene();
    let bob = Client::enrolled(&mut s.connection, "bob");
    let proof = bob.proof(&s.challenge);
    assert!(
        !bob.authenticate(&mut s.connection, &s.challenge, &proof)
            .unwrap()
    );
    // Nobody used up alice's challenge by that.
    assert!(
        s.alice
            .authenticate(&mut s.connection, &s.challenge, &s.proof)
            .unwrap()
    );
}

#[test]
fn a_flood_of_bad_proofs_does_not_fill_the_spent_set() {
    let server = Server::start("twofapi.spent_capacity = 100");
    let mut connection = server.database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let stranger = Client::new("alice");
    for _ in 0..500 {
        let challenge = alice.challenge(&mut connection);
        let proof = stranger.proof(&challenge);
        assert!(
            !alice
                .authenticate(&mut connection, &challenge, &proof)
                .unwrap()
        );
    }
    assert_eq!(stat(&mut connection, "spent_held"), 0);
    assert!(alice.log_in(&mut connection));
}

#[test]
fn a_set_full_of_accepted_proofs_throttles_and_forgets_nothing_and_recovers() {
    let server = Server::start("twofapi.spent_capacity = 16\ntwofapi.challenge_ttl = 4");
    let mut connection = server.database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let used: Vec<_> = (0..16)
        .map(|_| {
            let challenge = alice.challenge(&mut connection);
            let proof = alice.proof(&challenge);
            assert!(
                alice
                    .authenticate(&mut connection, &challenge, &proof)
                    .unwrap()
            );
            (challenge, proof)
        })
        .collect();
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    let (code, message) = refusal(alice.authenticate(&mut connection, &challenge, &proof));
    assert_eq!(code, "53400");
    assert!(message.contains("try again in"), "{message}");
    // Only who has a good proof is told: that the set is full does not tell who is enrolled.
    for nobody in ["stranger", "alice"] {
        assert!(!Client::new(nobody).log_in(&mut connection));
    }
    for (challenge, proof) in &used {
        // Spent or, by now, expired; never good again.
        let again = alice.authenticate(&mut connection, challenge, proof);
        assert!(!again.unwrap_or(false));
    }
    eventually("the set recovers", || {
        let challenge = alice.challenge(&mut connection);
        let proof = alice.proof(&challenge);
        alice
            .authenticate(&mut connection, &challenge, &proof)
            .unwrap_or(false)
    });
}

#[test]
fn a_client_that_uses_its_share_of_the_spent_set_up_keeps_nobody_else_out() {
    let server = Server::start("twofapi.spent_capacity = 100");
    let mut connection = server.database().connect();
    let greedy = Client::enrolled(&mut connection, "greedy");
    let alice = Client::enrolled(&mut connection, "alice");
    for _ in 0..50 {
        assert!(greedy.log_in(&mut connection));
    }
    let challenge = greedy.challenge(&mut connection);
    let proof = greedy.proof(&challenge);
    let answer = greedy.authenticate(&mut connection, &challenge, &proof);
    assert_eq!(refusal(answer).0, "53400");
    for _ in 0..16 {
        assert!(alice.log_in(&mut connection));
    }
}

#[test]
fn a_million_challenges_leave_memory_flat_and_the_client_able_to_log_in() {
    let mut s = scene();
    let ask = "SELECT count(twofapi.issue_challenge('alice')) FROM generate_series(1, $1::int)";
    s.connection.query_one(ask, &[&100_000]).unwrap();
    let pid: i32 = s
        .connection
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    let before = resident_kib(pid);
    s.connection.query_one(ask, &[&1_000_000]).unwrap();
    let grown = resident_kib(pid).saturating_sub(before);
    assert!(grown < 2048, "the backend grew by {grown} KiB");
    assert_eq!(stat(&mut s.connection, "spent_held::bigint * 0"), 0);
    assert!(
        s.alice
            .authenticate(&mut s.connection, &s.challenge, &s.proof)
            .unwrap()
    );
}

/// A process's own resident memory in KiB: without shared memory, whose pages count as resident once
/// a backend has touched them.
pub(crate) fn resident_kib(pid: i32) -> u64 {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap()
}
