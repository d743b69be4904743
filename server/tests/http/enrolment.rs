//! Enrolment tokens: single use, one client id, one hour, and never used up by a refusal.

use std::{sync::Barrier, thread};

use serde_json::json;
use twofapi_server::RecordChange;

use crate::{
    client::{ENROLL, VERIFY, credential, possession},
    server::{AUDIENCE, Server},
};

#[test]
fn an_enrolment_answers_what_was_stored() {
    let server = Server::start();
    let token = server.invite("alice");
    let answer = server.post(ENROLL, Some(&token), &possession("alice", &credential()));
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let expected = json!({ "client_id": "alice", "status": "active", "commitment_version": 1 });
    assert_eq!(answer.body, expected);
}

#[test]
fn user_id_is_another_name_of_client_id() {
    let server = Server::start();
    let token = server.invite("alice");
    let mut body = possession("alice", &credential());
    body["user_id"] = body.as_object_mut().unwrap().remove("client_id").unwrap();
    let answer = server.post(ENROLL, Some(&token), &body);
    assert_eq!((answer.status, answer.text("client_id")), (201, "alice"));
}

#[test]
fn without_a_token_there_is_no_enrolment() {
    let server = Server::start();
    let body = possession("alice", &credential());
    let answer = server.post(ENROLL, None, &body);
    assert_eq!(answer.problem(), (401, "denied"));
    let realm = format!("Bearer realm=\"{AUDIENCE}\"");
    assert_eq!(answer.header("www-authenticate"), realm);

    let expired = server.invite("alice");
    server.clock.pass(3600);
    let for_bob = server.invite("bob");
    for token in [
        "",
        "x",
        &expired,
        &for_bob,
        &"A".repeat(43),
        &"A".repeat(4000),
    ] {
        let answer = server.post(ENROLL, Some(token), &body);
        assert_eq!(answer.problem(), (401, "denied"), "{token}");
        assert!(answer.header("www-authenticate").starts_with(&realm));
    }
}

#[test]
fn a_token_enrols_once() {
    let server = Server::start();
    let token = server.invite("alice");
    let first = possession("alice", &credential());
    assert_eq!(server.post(ENROLL, Some(&token), &first).status, 201);
    for body in [first, possession("alice", &credential())] {
        let again = server.post(ENROLL, Some(&token), &body);
        assert_eq!(again.problem(), (401, "denied"));
    }
}

#[test]
fn a_refused_proof_does_not_use_the_token_up() {
    let server = Server::start();
    let token = server.invite("alice");
    let good = possession("alice", &credential());
    let mut stolen = possession("alice", &credential());
    stolen["commitment"] = good["commitment"].clone();
    let answer = server.post(ENROLL, Some(&token), &stolen);
    assert_eq!(answer.problem(), (401, "denied"));
    // A proof of possession for another client id.
    let mut other = possession("bob", &credential());
    other["client_id"] = json!("alice");
    assert_eq!(server.post(ENROLL, Some(&token), &other).status, 401);
    assert_eq!(server.post(ENROLL, Some(&token), &good).status, 201);
}

#[test]
fn an_authentication_proof_is_no_enrolment() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let token = server.invite("bob");
    let proven = server.proven(&alice);
    let mut body = possession("bob", &alice.credential);
    body["proof"] = proven["proof"].clone();
    assert_eq!(server.post(ENROLL, Some(&token), &body).status, 401);
    assert_eq!(server.post(VERIFY, None, &proven).status, 200);
}

#[test]
fn an_id_that_is_taken_stays_taken() {
    let server = Server::start();
    // Made before the id was taken.
    let (second, third) = (server.invite("alice"), server.invite("alice"));
    server.enrol("alice");
    let answer = server.post(ENROLL, Some(&second), &possession("alice", &credential()));
    assert_eq!(answer.problem(), (409, "already_enrolled"));
    server.change("alice", RecordChange::Revoke);
    let answer = server.post(ENROLL, Some(&third), &possession("alice", &credential()));
    assert_eq!(answer.problem(), (409, "already_enrolled"));
}

#[test]
fn of_many_enrolments_at_once_one_wins() {
    let server = Server::start();
    let one_token = server.invite("alice");
    let tokens: Vec<_> = (0..8).map(|_| server.invite("bob")).collect();
    for (client_id, tokens) in [("alice", vec![one_token; 8]), ("bob", tokens)] {
        let together = Barrier::new(tokens.len());
        let statuses: Vec<u16> = thread::scope(|scope| {
            let posts: Vec<_> = tokens
                .iter()
                .map(|token| {
                    let body = possession(client_id, &credential());
                    let (server, together) = (&server, &together);
                    scope.spawn(move || {
                        together.wait();
                        server.post(ENROLL, Some(token), &body).status
                    })
                })
                .collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        });
        let won = statuses.iter().filter(|status| **status == 201).count();
        assert_eq!(won, 1, "{client_id}: {statuses:?}");
        assert!(statuses.iter().all(|s| [201, 401, 409].contains(s)));
    }
}
