//! Between the look at a client and the step that accepts it something may happen: the step decides.

use std::{io::Write as _, net::TcpStream};

use redis::{Connection, Value};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{
    ask, figure,
    in_between::{at_once, heard, line},
    links::{names, shown, two_devices},
    prefix,
};

/// Has alice's proof looked at, and says what it is told. One command may arrive before it, which has a proof of
/// its own; others arrive right behind it.
fn meanwhile(
    server: &Server,
    alice: &Client,
    admin: &mut Connection,
    before: Option<Vec<u8>>,
    after: &[Vec<u8>],
) -> String {
    let challenge = alice.challenge(admin).unwrap();
    let proof = alice.proof(&challenge);
    let attempt = line(&["2FAPI.VERIFY", "alice", &challenge.id, &proof]);
    meanwhile_of(server, attempt, before, after)
}

/// The same of any attempt.
fn meanwhile_of(
    server: &Server,
    attempt: Vec<u8>,
    before: Option<Vec<u8>>,
    after: &[Vec<u8>],
) -> String {
    let others: Vec<_> = (0..=after.len()).map(|_| server.connect_raw()).collect();
    let mut proves = server.connect_raw();
    let mut steps: Vec<(&TcpStream, Vec<u8>)> = Vec::new();
    steps.extend(before.map(|before| (&others[after.len()], before)));
    steps.push((&proves, attempt));
    steps.extend(others.iter().zip(after.iter().cloned()));
    at_once(server, &steps);
    heard(&mut proves)
}

/// Repeats a scene until what was to come in between did: on a busy machine it may come late, and then the
/// proof is accepted.
fn until_in_time(what: &str, mut denied: impl FnMut() -> bool) {
    let in_time = (0..10).any(|_| denied());
    assert!(in_time, "{what}: the proof was accepted ten times");
}

#[test]
fn who_changed_while_its_proof_was_looked_at_is_denied_and_nothing_is_spent() {
    let someone_else = Client::new("alice").commitment();
    let cases: [&[&[&str]]; 11] = [
        &[&["2FAPI.SUSPEND", "alice"]],
        &[&["2FAPI.REVOKE", "alice"]],
        &[&["2FAPI.SUSPEND", "alice"], &["2FAPI.RESUME", "alice"]],
        &[&["2FAPI.ENDSESSIONS", "alice"]],
        &[&["2FAPI.EXPIREAT", "alice", "1"]],
        &[&["DEL", "2fapi:{alice}"]],
        // The same id and the same version, and another credential.
        &[
            &["DEL", "2fapi:{alice}"],
            &["2FAPI.ENROLL", "alice", &someone_else],
        ],
        &[&["SET", "2fapi:{alice}", "x"]],
        &[&["FLUSHALL"]],
        &[&["SWAPDB", "0", "1"]],
        &[&["REPLICAOF", "127.0.0.1", "1"]],
    ];
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    for case in cases {
        let after: Vec<_> = case.iter().map(|words| line(words)).collect();
        until_in_time(&format!("{case:?}"), || {
            ask(&mut admin, &["REPLICAOF", "NO", "ONE"]).unwrap();
            ask(&mut admin, &["FLUSHALL"]).unwrap();
            let alice = Client::enrolled("alice", &mut admin);
            let accepted = figure(&mut admin, "proofs_accepted");
            let spent = figure(&mut admin, "spent_accepted");
            let answer = meanwhile(&server, &alice, &mut admin, None, &after);
            if answer == "+OK\r\n" {
                return false;
            }
            let told = ["-DENIED", "-WRONGTYPE", "-UNBLOCKED"];
            let as_told = told.iter().any(|told| answer.starts_with(told));
            assert!(as_told, "{case:?}: {answer:?}");
            assert_eq!(figure(&mut admin, "proofs_accepted"), accepted, "{case:?}");
            assert!(figure(&mut admin, "spent_accepted") <= spent, "{case:?}");
            true
        });
    }
}

#[test]
fn who_was_rotated_while_its_proof_was_looked_at_is_denied() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    until_in_time("a rotation", || {
        ask(&mut admin, &["FLUSHALL"]).unwrap();
        let alice = Client::enrolled("alice", &mut admin);
        let next = Client::new("alice");
        let challenge = alice.challenge(&mut admin).unwrap();
        let old = alice.rotation_proof(&challenge, next.credential.commitment());
        let rotation = line(&[
            "2FAPI.ROTATE",
            "alice",
            &challenge.id,
            &old,
            &next.commitment(),
            &next.possession(),
        ]);
        let rotated = figure(&mut admin, "commitments_rotated");
        let spent = figure(&mut admin, "spent_accepted");
        let answer = meanwhile(&server, &alice, &mut admin, Some(rotation), &[]);
        if answer == "+OK\r\n" {
            return false;
        }
        assert!(answer.starts_with("-DENIED"), "{answer:?}");
        assert_eq!(figure(&mut admin, "commitments_rotated"), rotated + 1);
        assert_eq!(figure(&mut admin, "spent_accepted"), spent + 1);
        assert_eq!(next.log_in(&mut admin), Ok(Value::Okay));
        true
    });
}

#[test]
fn who_changed_while_its_link_was_looked_at_is_denied_and_nothing_is_linked() {
    let cases: [&[&[&str]]; 5] = [
        &[&["2FAPI.SUSPEND", "alice"]],
        &[&["2FAPI.REVOKE", "alice"]],
        &[&["2FAPI.ENDSESSIONS", "alice"]],
        // What is said of a client meanwhile is not lost by a link.
        &[&["2FAPI.ATTRIBUTES", "alice", "RATE", "7"]],
        &[&["DEL", "2fapi:{alice}"]],
    ];
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    for case in cases {
        let after: Vec<_> = case.iter().map(|words| line(words)).collect();
        until_in_time(&format!("{case:?}"), || {
            ask(&mut admin, &["FLUSHALL"]).unwrap();
            let alice = Client::enrolled("alice", &mut admin);
            let linked = figure(&mut admin, "credentials_linked");
            let new = alice.another();
            let attempt = link(&alice, &new, &mut admin);
            let answer = meanwhile_of(&server, attempt, None, &after);
            if answer == "+OK\r\n" {
                return false;
            }
            assert!(answer.starts_with("-DENIED"), "{case:?}: {answer:?}");
            assert_eq!(figure(&mut admin, "credentials_linked"), linked, "{case:?}");
            assert_eq!(prefix(&new.log_in(&mut admin)), "DENIED");
            true
        });
    }
}

/// The link of another device, by one that is enrolled.
fn link(by: &Client, new: &Client, admin: &mut Connection) -> Vec<u8> {
    let challenge = by.challenge(admin).unwrap();
    let words = [
        "2FAPI.LINK",
        by.id.as_str(),
        &challenge.id,
        &by.linking_proof(&challenge, new),
        &new.commitment(),
        "PROOF",
        &new.joining_proof(&challenge),
        "NAME",
        "new",
        "CREDENTIAL",
        &by.credential_id(),
    ];
    line(&words)
}

/// That a device takes another away.
fn unlink(by: &Client, old: &Client, admin: &mut Connection) -> Vec<u8> {
    let challenge = by.challenge(admin).unwrap();
    let words = [
        "2FAPI.UNLINK",
        by.id.as_str(),
        &challenge.id,
        &by.unlinking_proof(&challenge, old),
        &old.commitment(),
        "CREDENTIAL",
        &by.credential_id(),
    ];
    line(&words)
}

#[test]
fn who_is_unlinked_while_its_link_or_its_unlinking_is_looked_at_does_neither() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    for links in [true, false] {
        until_in_time("an unlinking", || {
            ask(&mut admin, &["FLUSHALL"]).unwrap();
            let (phone, laptop) = two_devices(&mut admin);
            let first = unlink(&phone, &laptop, &mut admin);
            let second = match links {
                true => link(&laptop, &laptop.another(), &mut admin),
                false => unlink(&laptop, &phone, &mut admin),
            };
            let unlinked = figure(&mut admin, "credentials_unlinked");
            let answer = meanwhile_of(&server, second, Some(first), &[]);
            if answer == "+OK\r\n" {
                return false;
            }
            assert!(answer.starts_with("-DENIED"), "{answer:?}");
            assert_eq!(figure(&mut admin, "credentials_unlinked"), unlinked + 1);
            assert_eq!(names(&mut admin, "alice"), ["first"]);
            assert_eq!(phone.log_in(&mut admin), Ok(Value::Okay));
            true
        });
    }
}

#[test]
fn a_reset_that_was_read_before_the_client_was_suspended_or_revoked_does_nothing() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    for command in ["2FAPI.SUSPEND", "2FAPI.REVOKE"] {
        until_in_time(command, || {
            ask(&mut admin, &["FLUSHALL"]).unwrap();
            let _alice = Client::enrolled("alice", &mut admin);
            let new = Client::new("alice");
            let possession = new.possession();
            let reset = line(&[
                "2FAPI.RESET",
                "alice",
                &new.commitment(),
                "PROOF",
                &possession,
            ]);
            let answer = meanwhile_of(&server, reset, None, &[line(&[command, "alice"])]);
            if answer == "+OK\r\n" {
                return false;
            }
            assert!(answer.starts_with("-DENIED"), "{answer:?}");
            assert_eq!(shown(&mut admin, "alice")["version"], Value::Int(1));
            true
        });
    }
}

#[test]
fn what_has_joined_is_there_still_when_it_is_linked() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    until_in_time("another offer", || {
        ask(&mut admin, &["FLUSHALL"]).unwrap();
        let alice = Client::enrolled("alice", &mut admin);
        let new = alice.another();
        // Her session, on a connection that sends the next offer at the right time.
        let mut offers = server.connect_raw();
        let mut says = |words: &[&str]| {
            offers.write_all(&line(words)).unwrap();
            heard(&mut offers)
        };
        let challenge = alice.challenge(&mut admin).unwrap();
        let proof = alice.proof(&challenge);
        assert_eq!(
            says(&["2FAPI.VERIFY", "alice", &challenge.id, &proof]),
            "+OK\r\n"
        );
        let offer = alice.challenge(&mut admin).unwrap();
        assert!(says(&["2FAPI.OFFER", &offer.id]).starts_with(':'));
        new.join(&mut admin, &offer, "laptop").unwrap();
        let [challenge, next] = [(); 2].map(|()| alice.challenge(&mut admin).unwrap());
        let proof = alice.linking_proof(&challenge, &new);
        let mut links = server.connect_raw();
        let link = line(&[
            "2FAPI.LINK",
            "alice",
            &challenge.id,
            &proof,
            &new.commitment(),
        ]);
        let withdraw = line(&["2FAPI.OFFER", &next.id]);
        at_once(&server, &[(&links, link), (&offers, withdraw)]);
        let answer = heard(&mut links);
        if answer == "+OK\r\n" {
            return false;
        }
        assert!(answer.starts_with("-DENIED"), "{answer:?}");
        assert_eq!(prefix(&new.log_in(&mut admin)), "DENIED");
        true
    });
}

#[test]
fn of_many_copies_that_are_looked_at_together_one_gets_in() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    let challenge = alice.challenge(&mut admin).unwrap();
    let proof = alice.proof(&challenge);
    let copy = line(&["2FAPI.VERIFY", "alice", &challenge.id, &proof]);
    let mut streams: Vec<_> = (0..64).map(|_| server.connect_raw()).collect();
    let steps: Vec<_> = streams
        .iter()
        .map(|stream| (stream, copy.clone()))
        .collect();
    at_once(&server, &steps);
    let answers: Vec<_> = streams.iter_mut().map(heard).collect();
    let accepted = answers.iter().filter(|answer| *answer == "+OK\r\n").count();
    let denied = answers
        .iter()
        .filter(|answer| answer.starts_with("-DENIED"))
        .count();
    assert_eq!((accepted, denied), (1, 63), "{answers:?}");
    assert_eq!(figure(&mut admin, "spent_accepted"), 1);
}

#[test]
fn who_goes_away_while_its_proof_is_looked_at_leaves_its_challenge_good() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    until_in_time("its end", || {
        let challenge = alice.challenge(&mut admin).unwrap();
        let proof = alice.proof(&challenge);
        let attempt = line(&["2FAPI.VERIFY", "alice", &challenge.id, &proof]);
        let (mut leaves, kills) = (server.connect_raw(), server.connect_raw());
        leaves.write_all(&line(&["CLIENT", "ID"])).unwrap();
        let id = heard(&mut leaves);
        let id = id.trim_start_matches(':').trim_end();
        let kill = line(&["CLIENT", "KILL", "ID", id]);
        let accepted = figure(&mut admin, "proofs_accepted");
        at_once(&server, &[(&leaves, attempt), (&kills, kill)]);
        if heard(&mut leaves) == "+OK\r\n" {
            return false;
        }
        wait_until("nobody waits", || figure(&mut admin, "verify_waiting") == 0);
        assert_eq!(figure(&mut admin, "proofs_accepted"), accepted);
        assert_eq!(
            alice.verify(&mut admin, &challenge, &proof),
            Ok(Value::Okay)
        );
        assert_eq!(
            prefix(&alice.verify(&mut admin, &challenge, &proof)),
            "DENIED"
        );
        true
    });
}
