//! Several credentials of one client: linked, used, unlinked, expired, and what an attacker makes of it.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};
use twofapi_crypto_core::CredentialId;
use twofapi_server::{AttributesChange, RecordChange};

use crate::{
    client::{
        Answer, CREDENTIALS, Client, ENROLL, LINK, OFFER, ROTATE, UNLINK, VERIFY, WHOAMI,
        credential, possession,
    },
    server::{NOW, Server},
};

#[track_caller]
fn assert_denied(answer: &Answer) {
    assert_eq!(answer.problem(), (401, "denied"));
    assert!(answer.header("www-authenticate").starts_with("2FApi "));
}

fn listed(server: &Server, token: &str) -> Vec<String> {
    let answer = server.get(CREDENTIALS, Some(token));
    assert_eq!(answer.status, 200, "{answer:?}");
    let credentials = answer.body["credentials"].as_array().unwrap();
    let id = |credential: &Value| credential["credential_id"].as_str().unwrap().to_owned();
    credentials.iter().map(id).collect()
}

fn id_of(client: &Client) -> CredentialId {
    client.credential_id().parse().unwrap()
}

#[test]
fn a_linked_credential_is_as_good_as_the_first_and_both_are_listed() {
    let server = Server::start();
    let phone = server.enrol("alice");
    server.clock.pass(7);
    let laptop = phone.device();
    let answer = server.post(LINK, None, &server.link(&phone, &laptop));
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = json!({
        "client_id": "alice",
        "credential_id": laptop.credential_id(),
        "commitment_version": 2,
    });
    assert_eq!(answer.body, expected);
    let token = server.log_in_by_name(&laptop);
    // The first is meant where none is named.
    assert_denied(&server.verify(&server.proven(&laptop)));
    server.log_in(&phone);
    server.log_in_by_name(&phone);

    let answer = server.get(CREDENTIALS, Some(&token));
    let of = |client: &Client, name, created, since| {
        json!({
            "credential_id": client.credential_id(), "commitment": client.commitment(),
            "name": name, "created": created, "since": since,
        })
    };
    let expected = json!({
        "client_id": "alice",
        "commitment_version": 2,
        "credentials": [of(&phone, "first", NOW, 1), of(&laptop, "laptop", NOW + 7, 2)],
    });
    assert_eq!((answer.status, answer.body), (200, expected));
    let whoami = server.get(WHOAMI, Some(&token));
    assert_eq!(whoami.body["commitment_version"], 2);
    assert_eq!(
        server.get(CREDENTIALS, Some("x")).problem(),
        (401, "denied")
    );
    assert_eq!(server.get(CREDENTIALS, None).problem(), (401, "denied"));
}

#[test]
fn an_unlinked_credential_is_out_at_once_with_its_tokens_and_the_others_are_not() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let (of_phone, of_laptop) = (server.log_in(&phone), server.log_in_by_name(&laptop));
    let prepared = server.proven_by_name(&laptop);
    let relink = server.link(&laptop, &laptop.device());
    let answer = server.post(UNLINK, None, &server.unlinking(&phone, &laptop));
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = json!({ "client_id": "alice", "commitment_version": 3 });
    assert_eq!(answer.body, expected);

    assert_eq!(server.get(WHOAMI, Some(&of_laptop)).status, 401);
    assert_eq!(server.get(CREDENTIALS, Some(&of_laptop)).status, 401);
    let offer = server.challenge("alice");
    let offer = json!({ "challenge_id": offer.body["challenge_id"] });
    assert_eq!(server.post(OFFER, Some(&of_laptop), &offer).status, 401);
    assert_denied(&server.verify(&prepared));
    assert_denied(&server.verify(&server.proven_by_name(&laptop)));
    assert_denied(&server.post(LINK, None, &relink));
    assert_denied(&server.post(UNLINK, None, &server.unlinking(&laptop, &phone)));

    assert_eq!(server.get(WHOAMI, Some(&of_phone)).status, 200);
    assert_eq!(listed(&server, &of_phone), [phone.credential_id()]);
    // Linked again, its tokens of before stay bad: the credential is there since another version.
    let answer = server.post(LINK, None, &server.link(&phone, &laptop));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.get(WHOAMI, Some(&of_laptop)).status, 401);
    server.log_in_by_name(&laptop);
}

#[test]
fn a_credential_may_unlink_itself_and_the_last_one_stays() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let token = server.log_in_by_name(&laptop);
    let answer = server.post(UNLINK, None, &server.unlinking(&phone, &phone));
    assert_eq!(answer.status, 200, "{answer:?}");
    // The laptop is the first one now.
    server.log_in(&laptop);
    assert_denied(&server.post(UNLINK, None, &server.unlinking(&laptop, &laptop)));
    assert_denied(&server.post(UNLINK, None, &server.unlinking(&laptop, &phone)));
    assert_eq!(listed(&server, &token), [laptop.credential_id()]);
}

#[test]
fn a_rotation_by_name_replaces_that_credential_and_ends_its_tokens_alone() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let (of_phone, of_laptop) = (server.log_in(&phone), server.log_in_by_name(&laptop));
    let new = laptop.device();
    let mut body = server.rotation(&laptop, &new.credential);
    body["credential_id"] = laptop.credential_id().into();
    assert_eq!(server.post(ROTATE, None, &body).status, 200);
    assert_eq!(server.get(WHOAMI, Some(&of_laptop)).status, 401);
    let ids = [phone.credential_id(), new.credential_id()];
    assert_eq!(listed(&server, &of_phone), ids);
    server.log_in_by_name(&new);
    // To the commitment of the other one is no rotation.
    let mut body = server.rotation(&new, &phone.credential);
    body["credential_id"] = new.credential_id().into();
    assert_denied(&server.post(ROTATE, None, &body));
}

#[test]
fn proofs_of_other_purposes_link_and_unlink_nobody() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let third = phone.device();
    let token = server.log_in(&phone);
    let binding = server.binding();
    let challenge = server.challenge("alice");
    let enrolment = possession("alice", &third.credential)["proof"].clone();
    let authentication = crate::client::proven(&phone, &challenge, binding)["proof"].clone();
    let rotation = crate::client::rotation(&phone, &third.credential, &challenge, binding);
    let rotation = rotation["proof_old"].clone();
    let linking = phone.linking(&third, &challenge, binding);
    let unlinking = phone.unlinking(&third, &challenge, binding);
    let joining_of_phone = phone.joining(&challenge, binding);
    let joining = third.joining(&challenge, binding);
    let good = json!({
        "challenge_id": challenge.body["challenge_id"], "proof": linking,
        "commitment_new": third.commitment(), "proof_new": joining, "name": "x",
    });
    let of_phone_by_enrolment = possession("alice", &phone.credential)["proof"].clone();
    for (field, wrong) in [
        ("proof", &authentication),
        ("proof", &rotation),
        ("proof", &unlinking),
        ("proof", &joining_of_phone),
        ("proof", &of_phone_by_enrolment),
        ("proof", &joining),
        // An enrolment proof has no nonce: whoever saw it could have it linked anywhere.
        ("proof_new", &enrolment),
        ("proof_new", &linking),
        ("proof_new", &joining_of_phone),
    ] {
        let mut body = good.clone();
        body[field] = wrong.clone();
        assert_denied(&server.post(LINK, None, &body));
    }
    // A joining proof over another challenge, and a link of another commitment than the proof says.
    let mut body = good.clone();
    body["proof_new"] = third.joining(&server.challenge("alice"), binding);
    assert_denied(&server.post(LINK, None, &body));
    let other = phone.device();
    body["commitment_new"] = other.commitment().into();
    body["proof_new"] = other.joining(&challenge, binding);
    assert_denied(&server.post(LINK, None, &body));

    let goes = server.challenge("alice");
    let unlinking = json!({
        "challenge_id": goes.body["challenge_id"], "proof": phone.unlinking(&laptop, &goes, binding),
        "commitment_old": laptop.commitment(),
    });
    for wrong in [
        crate::client::proven(&phone, &goes, binding)["proof"].clone(),
        crate::client::rotation(&phone, &laptop.credential, &goes, binding)["proof_old"].clone(),
        phone.linking(&laptop, &goes, binding),
        phone.joining(&goes, binding),
        phone.unlinking(&phone, &goes, binding),
    ] {
        let mut body = unlinking.clone();
        body["proof"] = wrong;
        assert_denied(&server.post(UNLINK, None, &body));
    }
    // And theirs are no logins and no rotations.
    for proof in [&linking, &joining_of_phone, &unlinking["proof"]] {
        let body = json!({ "challenge_id": challenge.body["challenge_id"], "proof": proof });
        assert_denied(&server.verify(&body));
        let body = json!({
            "challenge_id": challenge.body["challenge_id"], "proof_old": proof,
            "commitment_new": third.commitment(), "proof_new": enrolment,
        });
        assert_denied(&server.post(ROTATE, None, &body));
    }
    assert_eq!(listed(&server, &token).len(), 2);
    // None of it has used the challenges up.
    assert_eq!(server.post(LINK, None, &good).status, 200);
    assert_denied(&server.post(LINK, None, &good));
    assert_eq!(server.post(UNLINK, None, &unlinking).status, 200);
    assert_denied(&server.post(UNLINK, None, &unlinking));
}

#[test]
fn a_client_has_sixteen_credentials_and_each_once() {
    let server = Server::start();
    let phone = server.enrol("alice");
    let mut devices = Vec::new();
    for _ in 1..16 {
        let device = phone.device();
        assert_eq!(
            server
                .post(LINK, None, &server.link(&phone, &device))
                .status,
            200
        );
        devices.push(device);
    }
    assert_denied(&server.post(LINK, None, &server.link(&phone, &phone.device())));
    let first = &devices[0];
    assert_eq!(
        server
            .post(UNLINK, None, &server.unlinking(&phone, first))
            .status,
        200
    );
    // What is there already, by its owner and by another device of theirs.
    assert_denied(&server.post(LINK, None, &server.link(&phone, &phone)));
    assert_denied(&server.post(LINK, None, &server.link(&phone, &devices[1])));
    assert_eq!(
        server
            .post(LINK, None, &server.link(&devices[1], first))
            .status,
        200
    );
    assert_denied(&server.post(LINK, None, &server.link(&phone, &phone.device())));
    let token = server.log_in_by_name(first);
    assert_eq!(listed(&server, &token).len(), 16);
}

#[test]
fn names_that_smuggle_are_refused() {
    let server = Server::start();
    let phone = server.enrol("alice");
    let mut body = server.link(&phone, &phone.device());
    for (name, code) in [
        ("", "invalid_length"),
        (&*"x".repeat(65), "invalid_length"),
        (" a", "invalid_encoding"),
        ("a ", "invalid_encoding"),
        ("a\nfirst", "invalid_encoding"),
        ("a\u{0}", "invalid_encoding"),
        ("\u{1b}[2J", "invalid_encoding"),
        ("\u{202e}enohp", "invalid_encoding"),
        ("caf\u{e9}", "invalid_encoding"),
    ] {
        body["name"] = name.into();
        let answer = server.post(LINK, None, &body);
        assert_eq!(answer.problem(), (400, code), "{name:?}");
        let join = json!({
            "challenge_id": body["challenge_id"], "commitment": body["commitment_new"],
            "proof": body["proof_new"], "name": name,
        });
        let answer = server.post(crate::client::JOIN, None, &join);
        assert_eq!(answer.problem(), (400, code), "{name:?}");
    }
    body["name"] = "Ann's <b>phone</b> \"1\"".into();
    assert_eq!(server.post(LINK, None, &body).status, 200);
}

#[test]
fn proof_and_name_of_a_new_credential_come_together() {
    let server = Server::start();
    let phone = server.enrol("alice");
    let body = server.link(&phone, &phone.device());
    for field in ["proof_new", "name"] {
        let mut half = body.clone();
        half.as_object_mut().unwrap().remove(field);
        let answer = server.post(LINK, None, &half);
        assert_eq!(answer.problem(), (400, "malformed_request"), "{field}");
        assert!(answer.text("detail").contains("belong together"));
    }
    assert_eq!(server.post(LINK, None, &body).status, 200);
}

#[test]
fn a_credential_id_that_is_unknown_is_denied_like_an_unknown_client() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let stranger = server.enrol("bob");
    let mut body = server.proven_by_name(&phone);
    let nobody = Client {
        id: "nobody".parse().unwrap(),
        credential: credential(),
    };
    let unknown = server.verify(&server.proven(&nobody));
    assert_denied(&unknown);
    // Nobody's, another client's, and another one's of the same client.
    for id in [
        "0".repeat(32),
        stranger.credential_id(),
        laptop.credential_id(),
    ] {
        body["credential_id"] = id.into();
        let answer = server.verify(&body);
        assert_denied(&answer);
        assert_eq!(answer.body, unknown.body);
    }
    for (id, code) in [
        (json!("0".repeat(31)), "invalid_length"),
        (json!(""), "invalid_length"),
        (json!("0".repeat(34)), "invalid_length"),
        (json!("G".repeat(32)), "invalid_encoding"),
        (json!("A".repeat(32)), "invalid_encoding"),
        (json!(null), "malformed_request"),
        (json!(7), "malformed_request"),
    ] {
        body["credential_id"] = id.clone();
        let answer = server.verify(&body);
        assert_eq!(answer.problem(), (400, code), "{id}");
    }
}

#[test]
fn of_changes_at_once_one_wins_and_no_device_is_lost() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let mut rotation = server.rotation(&laptop, &laptop.device().credential);
    rotation["credential_id"] = laptop.credential_id().into();
    let requests = [
        (LINK, server.link(&laptop, &phone.device())),
        (LINK, server.link(&phone, &phone.device())),
        (UNLINK, server.unlinking(&phone, &laptop)),
        (UNLINK, server.unlinking(&laptop, &phone)),
        (ROTATE, rotation),
    ];
    let together = Barrier::new(requests.len() + 1);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let posts: Vec<_> = requests
            .iter()
            .map(|(path, body)| {
                let (server, together) = (&server, &together);
                scope.spawn(move || {
                    together.wait();
                    server.post(path, None, body).status
                })
            })
            .collect();
        together.wait();
        server.change("alice", RecordChange::Suspend);
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [200, 401].contains(status)));
    let record = server
        .run(server.store.look_up(&phone.id))
        .unwrap()
        .unwrap();
    // As many versions as were acknowledged, and none after the suspension.
    let done = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(record.version(), 2 + u32::try_from(done).unwrap());
    assert!(!record.credentials().is_empty() && !record.is_active());
    assert_denied(&server.post(LINK, None, &server.link(&phone, &phone.device())));
}

#[test]
fn a_link_by_a_credential_that_is_being_unlinked_comes_before_that_or_not_at_all() {
    let server = Server::start();
    for round in 0..5 {
        let (phone, laptop) = server.with_two_devices(&format!("alice-{round}"));
        let third = phone.device();
        let requests = [
            (LINK, server.link(&laptop, &third)),
            (UNLINK, server.unlinking(&phone, &laptop)),
        ];
        let together = Barrier::new(2);
        let statuses = thread::scope(|scope| {
            let posts = requests.each_ref().map(|(path, body)| {
                let (server, together) = (&server, &together);
                scope.spawn(move || {
                    together.wait();
                    server.post(path, None, body).status
                })
            });
            posts.map(|post| post.join().unwrap())
        });
        let done = statuses.map(|status| status == 200);
        assert!(statuses.iter().all(|status| [200, 401].contains(status)));
        assert!(done[0] || done[1], "{statuses:?}");
        let record = server
            .run(server.store.look_up(&phone.id))
            .unwrap()
            .unwrap();
        let has = |device: &Client| record.credential(Some(&id_of(device))).is_some();
        assert_eq!((has(&third), has(&laptop)), (done[0], !done[1]));
        assert!(has(&phone));
        assert_eq!(
            record.version(),
            2 + u32::from(done[0]) + u32::from(done[1])
        );
        if done[1] {
            let late = server.link(&laptop, &phone.device());
            assert_denied(&server.post(LINK, None, &late));
        }
    }
}

#[test]
fn an_expired_credential_or_client_is_out_with_its_tokens() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    server.change(
        "alice",
        RecordChange::SetExpiry {
            credential: id_of(&laptop),
            expires_at: Some(NOW + 60),
        },
    );
    let (of_phone, of_laptop) = (server.log_in(&phone), server.log_in_by_name(&laptop));
    let listed = server.get(CREDENTIALS, Some(&of_phone));
    assert_eq!(listed.body["credentials"][1]["expires_at"], NOW + 60);
    assert_eq!(listed.body["credentials"][0].get("expires_at"), None);
    let prepared = server.proven_by_name(&laptop);
    server.clock.pass(59);
    assert_eq!(server.get(WHOAMI, Some(&of_laptop)).status, 200);
    server.clock.pass(1);
    assert_eq!(server.get(WHOAMI, Some(&of_laptop)).status, 401);
    let answer = server.verify(&prepared);
    assert_denied(&answer);
    assert_denied(&server.post(LINK, None, &server.link(&laptop, &laptop.device())));
    // As a client that is not there, to the last letter.
    let mut nobody = phone.device();
    nobody.id = "nobody".parse().unwrap();
    assert_eq!(server.verify(&server.proven(&nobody)).body, answer.body);
    assert_eq!(server.get(WHOAMI, Some(&of_phone)).status, 200);
    // The other one takes it away.
    let unlinked = server.post(UNLINK, None, &server.unlinking(&phone, &laptop));
    assert_eq!(unlinked.status, 200);

    let expires_at = |at| {
        RecordChange::SetAttributes(Box::new(AttributesChange {
            expires_at: Some(at),
            ..AttributesChange::default()
        }))
    };
    server.change("alice", expires_at(Some(NOW + 120)));
    assert_eq!(server.get(WHOAMI, Some(&of_phone)).status, 200);
    server.clock.pass(60);
    assert_eq!(server.get(WHOAMI, Some(&of_phone)).status, 401);
    assert_denied(&server.verify(&server.proven(&phone)));
    server.change("alice", expires_at(None));
    assert_eq!(server.get(WHOAMI, Some(&of_phone)).status, 200);
    server.log_in(&phone);
}

#[test]
fn ending_sessions_ends_all_tokens_and_keeps_the_client() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let tokens = [server.log_in(&phone), server.log_in_by_name(&laptop)];
    server.change("alice", RecordChange::EndSessions);
    for token in &tokens {
        assert_eq!(server.get(WHOAMI, Some(token)).status, 401);
    }
    let token = server.log_in_by_name(&laptop);
    assert_eq!(server.get(WHOAMI, Some(&token)).status, 200);
    assert_eq!(server.get(WHOAMI, Some(&tokens[1])).status, 401);
}

#[test]
fn clients_of_before_go_on_as_they_did() {
    // What a client sends that knows of one credential: the first is meant, before and after a link.
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let new = phone.device();
    let rotated = server.post(ROTATE, None, &server.rotation(&phone, &new.credential));
    assert_eq!(rotated.status, 200);
    server.log_in(&new);
    server.log_in_by_name(&laptop);
    let again = server.post(ENROLL, None, &possession("alice", &credential()));
    assert_eq!(again.problem(), (401, "denied"));
    let proven = server.proven(&new);
    assert_eq!(server.post(VERIFY, None, &proven).status, 200);
}
