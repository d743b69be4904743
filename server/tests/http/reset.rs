//! A way back in for who has lost every credential: by a token of the operator's, once.

use std::{sync::Barrier, thread};

use serde_json::json;
use twofapi_crypto_core::{ClientStatus, Error};
use twofapi_server::{RecordChange, cancel_invitations, invite_to_reset};

use crate::{
    client::{CREDENTIALS, ENROLL, WHOAMI, credential, possession},
    server::Server,
};

#[test]
fn a_reset_replaces_all_credentials_and_ends_all_tokens() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let tokens = [server.log_in(&phone), server.log_in_by_name(&laptop)];
    let token = server.invite_to_reset("alice");
    // A login by an old credential voids it not.
    server.log_in(&phone);
    let anew = phone.device();
    let answer = server.post(ENROLL, Some(&token), &possession("alice", &anew.credential));
    let expected = json!({ "client_id": "alice", "status": "active", "commitment_version": 3 });
    assert_eq!((answer.status, answer.body), (201, expected));
    for token in &tokens {
        assert_eq!(server.get(WHOAMI, Some(token)).status, 401);
    }
    for old in [&phone, &laptop] {
        assert_eq!(server.verify(&server.proven(old)).status, 401);
        assert_eq!(server.verify(&server.proven_by_name(old)).status, 401);
    }
    let good = server.log_in(&anew);
    let listed = server.get(CREDENTIALS, Some(&good));
    assert_eq!(listed.body["credentials"].as_array().unwrap().len(), 1);
    // It is used up.
    let again = server.post(ENROLL, Some(&token), &possession("alice", &credential()));
    assert_eq!(again.problem(), (401, "denied"));
}

#[test]
fn a_token_of_one_kind_is_none_of_the_other_and_for_no_other_client() {
    let server = Server::start();
    let enrols = server.invite("alice");
    server.enrol("alice");
    server.enrol("bob");
    let resets_bob = server.invite_to_reset("bob");
    let body = possession("alice", &credential());
    let answer = server.post(ENROLL, Some(&enrols), &body);
    assert_eq!(answer.problem(), (409, "already_enrolled"));
    assert_eq!(
        server.post(ENROLL, Some(&resets_bob), &body).problem(),
        (401, "denied")
    );
    for client_id in ["nobody", "gone"] {
        if client_id == "gone" {
            server.enrol(client_id);
            server.change(client_id, RecordChange::Revoke);
        }
        let id = client_id.parse().unwrap();
        let made = server.run(invite_to_reset(&*server.store, &id, 1, 10));
        let useless = matches!(made, Err(Error::NotEnrolled | Error::NotActive { .. }));
        assert!(useless, "{client_id}");
    }
}

#[test]
fn one_reset_token_is_good_at_a_time_and_the_operator_can_void_it() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let body = possession("alice", &credential());
    let (old, new) = (
        server.invite_to_reset("alice"),
        server.invite_to_reset("alice"),
    );
    assert_eq!(
        server.post(ENROLL, Some(&old), &body).problem(),
        (401, "denied")
    );
    let cancelled = cancel_invitations(&*server.store, &alice.id);
    assert_eq!(server.run(cancelled), Ok(1));
    assert_eq!(
        server.post(ENROLL, Some(&new), &body).problem(),
        (401, "denied")
    );
    let late = server.invite_to_reset("alice");
    server.clock.pass(3600);
    assert_eq!(
        server.post(ENROLL, Some(&late), &body).problem(),
        (401, "denied")
    );
    server.log_in(&alice);
}

#[test]
fn who_is_suspended_stays_so_and_who_is_revoked_is_not_reset() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let token = server.invite_to_reset("alice");
    server.change("alice", RecordChange::Suspend);
    let anew = alice.device();
    let answer = server.post(ENROLL, Some(&token), &possession("alice", &anew.credential));
    let expected = json!({ "client_id": "alice", "status": "suspended", "commitment_version": 2 });
    assert_eq!((answer.status, answer.body), (201, expected));
    assert_eq!(server.verify(&server.proven(&anew)).status, 401);
    server.change("alice", RecordChange::Resume);
    server.log_in(&anew);

    let token = server.invite_to_reset("alice");
    server.change("alice", RecordChange::Revoke);
    let answer = server.post(ENROLL, Some(&token), &possession("alice", &credential()));
    assert_eq!(answer.problem(), (401, "denied"));
    let record = server
        .run(server.store.look_up(&alice.id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (record.status(), record.version()),
        (ClientStatus::Revoked, 2)
    );
}

#[test]
fn a_wrong_proof_and_a_commitment_that_is_there_leave_the_token_good() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let token = server.invite_to_reset("alice");
    let good = possession("alice", &credential());
    let mut stolen = possession("alice", &credential());
    stolen["commitment"] = good["commitment"].clone();
    let same = possession("alice", &alice.credential);
    for body in [&stolen, &same] {
        let answer = server.post(ENROLL, Some(&token), body);
        assert_eq!(answer.problem(), (401, "denied"));
    }
    server.log_in(&alice);
    assert_eq!(server.post(ENROLL, Some(&token), &good).status, 201);
}

#[test]
fn of_many_resets_at_once_one_wins() {
    let server = Server::start();
    server.enrol("alice");
    let token = server.invite_to_reset("alice");
    let together = Barrier::new(8);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let posts: Vec<_> = (0..8)
            .map(|_| {
                let body = possession("alice", &credential());
                let (server, together, token) = (&server, &together, &token);
                scope.spawn(move || {
                    together.wait();
                    server.post(ENROLL, Some(token), &body).status
                })
            })
            .collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    let won = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!(won, 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 401].contains(status)));
}
