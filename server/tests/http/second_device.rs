//! A second device that joins an offer of the first one, and what an attacker makes of it.

use std::{sync::Barrier, thread};

use serde_json::json;

use crate::{
    client::{Answer, CREDENTIALS, JOIN, LINK, OFFER, UNLINK},
    server::{AUDIENCE, NOW, Server},
};

#[track_caller]
fn assert_denied(answer: &Answer) {
    assert_eq!(answer.problem(), (401, "denied"));
    assert!(answer.header("www-authenticate").starts_with("2FApi "));
}

#[track_caller]
fn assert_state(server: &Server, token: &str, state: &str) -> Answer {
    let answer = server.get(OFFER, Some(token));
    assert_eq!((answer.status, answer.text("state")), (200, state));
    answer
}

#[test]
fn a_second_device_joins_and_is_linked_by_the_first() {
    let server = Server::start();
    let phone = server.enrol("alice");
    let token = server.log_in(&phone);
    let none = assert_state(&server, &token, "none");
    assert_eq!(none.body, json!({ "state": "none" }));

    let challenge = server.challenge("alice");
    let offer = json!({ "challenge_id": challenge.body["challenge_id"] });
    let answer = server.post(OFFER, Some(&token), &offer);
    let until = NOW + 120;
    let expected = json!({ "client_id": "alice", "expires_at": until });
    assert_eq!((answer.status, answer.body), (200, expected));
    let expected = json!({
        "state": "open", "challenge_id": challenge.body["challenge_id"], "expires_at": until,
    });
    assert_eq!(assert_state(&server, &token, "open").body, expected);

    let laptop = phone.device();
    let joins = server.joining(&laptop, &challenge);
    let kept = json!({ "client_id": "alice", "expires_at": NOW + 600 });
    for _ in 0..2 {
        // An answer may be lost: who asks again is told again.
        let joined = server.post(JOIN, None, &joins);
        assert_eq!((joined.status, joined.body), (200, kept.clone()));
    }
    let expected = json!({
        "state": "joined", "challenge_id": challenge.body["challenge_id"],
        "expires_at": NOW + 600, "commitment": laptop.commitment(), "proof": joins["proof"],
        "name": "phone",
    });
    assert_eq!(assert_state(&server, &token, "joined").body, expected);
    // It is not let in before it is linked.
    assert_denied(&server.verify(&server.proven_by_name(&laptop)));

    let link = server.link_what_joined(&phone, &laptop);
    let linked = server.post(LINK, None, &link);
    assert_eq!(linked.status, 200, "{linked:?}");
    assert_eq!(linked.text("credential_id"), laptop.credential_id());
    server.log_in_by_name(&laptop);
    assert_state(&server, &token, "none");
    let listed = server.get(CREDENTIALS, Some(&token));
    assert_eq!(listed.body["credentials"][1]["name"], "phone");
    // What joined is used up: unlinked, it is not linked by it again.
    let unlink = server.unlinking(&phone, &laptop);
    assert_eq!(server.post(UNLINK, None, &unlink).status, 200);
    assert_denied(&server.post(LINK, None, &server.link_what_joined(&phone, &laptop)));
}

#[test]
fn a_second_device_that_joins_destroys_the_offer_and_neither_is_linked() {
    let server = Server::start();
    let phone = server.enrol("alice");
    let token = server.log_in(&phone);
    let offer = server.offer(&phone, &token);
    let (laptop, thief) = (phone.device(), phone.device());
    assert_eq!(
        server
            .post(JOIN, None, &server.joining(&laptop, &offer))
            .status,
        200
    );
    assert_denied(&server.post(JOIN, None, &server.joining(&thief, &offer)));
    let clashed = assert_state(&server, &token, "clashed");
    assert_eq!(clashed.body.get("commitment"), None);
    assert_denied(&server.post(JOIN, None, &server.joining(&laptop, &offer)));
    for device in [&laptop, &thief] {
        assert_denied(&server.post(LINK, None, &server.link_what_joined(&phone, device)));
    }
    // The first device makes another offer.
    let offer = server.offer(&phone, &token);
    assert_state(&server, &token, "open");
    assert_eq!(
        server
            .post(JOIN, None, &server.joining(&laptop, &offer))
            .status,
        200
    );
    assert_eq!(
        server
            .post(LINK, None, &server.link_what_joined(&phone, &laptop))
            .status,
        200
    );
}

#[test]
fn of_devices_that_join_at_once_none_is_linked() {
    let server = Server::start();
    let phone = server.enrol("alice");
    let token = server.log_in(&phone);
    for _ in 0..5 {
        let offer = server.offer(&phone, &token);
        let devices: Vec<_> = (0..4).map(|_| phone.device()).collect();
        let bodies: Vec<_> = devices
            .iter()
            .map(|device| server.joining(device, &offer))
            .collect();
        let together = Barrier::new(bodies.len());
        let statuses: Vec<u16> = thread::scope(|scope| {
            let posts: Vec<_> = bodies
                .iter()
                .map(|body| {
                    let (server, together) = (&server, &together);
                    scope.spawn(move || {
                        together.wait();
                        server.post(JOIN, None, body).status
                    })
                })
                .collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        });
        let first = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(first, 1, "{statuses:?}");
        assert_state(&server, &token, "clashed");
        for device in &devices {
            assert_denied(&server.post(LINK, None, &server.link_what_joined(&phone, device)));
        }
    }
}

#[test]
fn what_is_joined_must_be_on_offer_and_in_time() {
    let server = Server::start();
    let (phone, bob) = (server.enrol("alice"), server.enrol("bob"));
    let (token, of_bob) = (server.log_in(&phone), server.log_in(&bob));
    let laptop = phone.device();
    // A challenge that nobody offers, of a client that is enrolled and of one that is not.
    let challenge = server.challenge("alice");
    let refused = server.post(JOIN, None, &server.joining(&laptop, &challenge));
    assert_denied(&refused);
    let mut nobody = phone.device();
    nobody.id = "nobody".parse().unwrap();
    let unknown = server.post(
        JOIN,
        None,
        &server.joining(&nobody, &server.challenge("nobody")),
    );
    assert_denied(&unknown);
    assert_eq!(unknown.body, refused.body);
    // One that a newer offer has voided.
    let old = server.offer(&phone, &token);
    let new = server.offer(&phone, &token);
    assert_denied(&server.post(JOIN, None, &server.joining(&laptop, &old)));
    assert_state(&server, &token, "open");
    // A proof over another nonce, by another credential, of another purpose, for another client.
    let good = server.joining(&laptop, &new);
    let mut body = good.clone();
    for wrong in [
        laptop.joining(&old, server.binding()),
        phone.joining(&new, server.binding()),
        laptop.linking(&laptop, &new, server.binding()),
        crate::client::proven(&laptop, &new, server.binding())["proof"].clone(),
        crate::client::possession("alice", &laptop.credential)["proof"].clone(),
    ] {
        body["proof"] = wrong;
        assert_denied(&server.post(JOIN, None, &body));
    }
    let id = new.text("challenge_id").replace("alice", "bob");
    let mut body = good.clone();
    body["challenge_id"] = id.into();
    assert_denied(&server.post(JOIN, None, &body));
    assert_state(&server, &token, "open");
    // Nobody else sees or makes offers of this client.
    assert_state(&server, &of_bob, "none");
    let theirs = json!({ "challenge_id": server.challenge("alice").body["challenge_id"] });
    let answer = server.post(OFFER, Some(&of_bob), &theirs);
    assert_eq!(answer.problem(), (401, "denied"));
    let expected = format!("Bearer realm=\"{AUDIENCE}\", error=\"invalid_token\"");
    assert_eq!(answer.header("www-authenticate"), expected);
    // It expires, with its challenge.
    server.clock.pass(120);
    assert_state(&server, &token, "none");
    assert_denied(&server.post(JOIN, None, &good));
    let late = json!({ "challenge_id": new.body["challenge_id"] });
    assert_eq!(
        server.post(OFFER, Some(&token), &late).problem(),
        (401, "denied")
    );
}

#[test]
fn what_joined_is_kept_for_ten_minutes_and_links_that_commitment_alone() {
    let server = Server::start();
    let phone = server.enrol("alice");
    let token = server.log_in(&phone);
    let laptop = phone.device();
    let offer = server.offer(&phone, &token);
    assert_eq!(
        server
            .post(JOIN, None, &server.joining(&laptop, &offer))
            .status,
        200
    );
    // Another commitment than the one that joined.
    assert_denied(&server.post(
        LINK,
        None,
        &server.link_what_joined(&phone, &phone.device()),
    ));
    assert_state(&server, &token, "joined");
    server.clock.pass(599);
    let in_time = server.link_what_joined(&phone, &laptop);
    assert_state(&server, &token, "joined");
    server.clock.pass(1);
    assert_state(&server, &token, "none");
    assert_denied(&server.post(LINK, None, &in_time));
    let late = server.link_what_joined(&phone, &laptop);
    assert_denied(&server.post(LINK, None, &late));
    let listed = server.get(CREDENTIALS, Some(&token));
    assert_eq!(listed.body["credentials"].as_array().unwrap().len(), 1);
}

#[test]
fn a_bearer_token_alone_offers_and_links_nothing_further() {
    // A thief of a token can have a device of his join; only a credential of the client links it.
    let server = Server::start();
    let phone = server.enrol("alice");
    let stolen = server.log_in(&phone);
    let thief = phone.device();
    let offer = server.offer(&phone, &stolen);
    assert_eq!(
        server
            .post(JOIN, None, &server.joining(&thief, &offer))
            .status,
        200
    );
    assert_denied(&server.post(LINK, None, &server.link_what_joined(&thief, &thief)));
    let mut body = server.link_what_joined(&thief, &thief);
    body.as_object_mut().unwrap().remove("credential_id");
    assert_denied(&server.post(LINK, Some(&stolen), &body));
    for token in [None, Some("x")] {
        let answer = server.post(OFFER, token, &json!({ "challenge_id": "x" }));
        assert_eq!(answer.problem(), (401, "denied"));
        assert_eq!(server.get(OFFER, token).problem(), (401, "denied"));
    }
}
