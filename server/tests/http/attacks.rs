//! What an attacker would try with a proof or a challenge.

use serde_json::json;
use twofapi_crypto_core::AuthenticationBinding;
use twofapi_server::{Config, RecordChange};

use crate::{
    client::{Answer, CHALLENGE, Client, VERIFY, credential, proven},
    server::{AUDIENCE, Server},
};

#[track_caller]
fn assert_denied(answer: &Answer) {
    assert_eq!(answer.problem(), (401, "denied"));
    assert_eq!(
        answer.header("www-authenticate"),
        format!("2FApi realm=\"{AUDIENCE}\"")
    );
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[test]
fn a_replayed_proof_is_refused() {
    let server = Server::start();
    let proven = server.proven(&server.enrol("alice"));
    assert_eq!(server.verify(&proven).status, 200);
    for _ in 0..3 {
        assert_denied(&server.verify(&proven));
    }
}

#[test]
fn a_refused_proof_leaves_the_challenge_to_its_client() {
    let server = Server::start();
    let good = server.proven(&server.enrol("alice"));
    let mut bad = good.clone();
    bad["proof"] = server.proven(&Client {
        id: "alice".parse().unwrap(),
        credential: credential(),
    })["proof"]
        .clone();
    for _ in 0..3 {
        assert_denied(&server.verify(&bad));
    }
    assert_eq!(server.verify(&good).status, 200);
    assert_denied(&server.verify(&good));
}

#[test]
fn a_proof_with_any_byte_changed_is_refused() {
    let server = Server::start();
    let alice = server.enrol("alice");
    for byte in (0..96).step_by(7) {
        let mut proven = server.proven(&alice);
        let mut proof = hex::decode(proven["proof"].as_str().unwrap()).unwrap();
        proof[byte] ^= 4;
        proven["proof"] = hex::encode(proof).into();
        let answer = server.verify(&proven);
        match answer.problem() {
            (401, "denied") | (400, "invalid_encoding") => {}
            other => panic!("byte {byte}: {other:?}"),
        }
    }
}

#[test]
fn a_proof_for_another_audience_is_refused() {
    let here = Server::start();
    let there = Server::with(Config::new("https://evil.example".parse().unwrap()), None);
    let alice = here.enrol("alice");
    // The other server passes on a challenge of ours, and its own channel binding.
    let challenge = here.challenge("alice");
    assert_denied(&here.verify(&proven(&alice, &challenge, there.binding())));
    for binding in [
        AuthenticationBinding::none(),
        AuthenticationBinding::from_bytes(AUDIENCE.as_bytes()).unwrap(),
    ] {
        let challenge = here.challenge("alice");
        assert_denied(&here.verify(&proven(&alice, &challenge, &binding)));
    }
}

#[test]
fn a_challenge_of_another_server_is_refused() {
    let (here, there) = (Server::start(), Server::start());
    let alice = here.enrol("alice");
    let challenge = there.challenge("alice");
    assert_denied(&here.verify(&proven(&alice, &challenge, here.binding())));
}

#[test]
fn an_enrolment_or_rotation_proof_is_no_authentication() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let rotation = server.rotation(&alice, &credential());
    assert_denied(&server.verify(&json!({
        "challenge_id": rotation["challenge_id"],
        "proof": rotation["proof_old"],
    })));
    let challenge = server.challenge("alice");
    assert_denied(&server.verify(&json!({
        "challenge_id": challenge.body["challenge_id"],
        "proof": crate::client::possession("alice", &alice.credential)["proof"],
    })));
}

#[test]
fn a_challenge_is_good_for_its_life_and_not_a_second_longer() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let (in_time, late) = (server.proven(&alice), server.proven(&alice));
    server.clock.pass(119);
    assert_eq!(server.verify(&in_time).status, 200);
    server.clock.pass(1);
    assert_denied(&server.verify(&late));
}

#[test]
fn setting_the_clock_revives_no_challenge_and_keeps_nobody_out() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let used = server.proven(&alice);
    assert_eq!(server.verify(&used).status, 200);
    let expired = server.proven(&alice);
    server.clock.pass(120);
    let now = crate::server::NOW;
    for wall in [now - 1_000_000, now, now + 60, now + 10 * 365 * 86_400, now] {
        server.clock.set_wall(wall);
        let before = server.proven(&alice);
        assert_denied(&server.verify(&expired));
        assert_denied(&server.verify(&used));
        assert_eq!(server.verify(&server.proven(&alice)).status, 200);
        // One that was issued before the clock is set back for long is void, used or not.
        server.clock.set_wall(wall - 5000);
        assert_denied(&server.verify(&before));
        server.clock.set_wall(wall);
        assert_denied(&server.verify(&before));
    }
}

#[test]
fn a_challenge_is_dead_after_a_long_sleep_and_the_next_one_lives() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let before = server.proven(&alice);
    // The time of day goes on while a machine is suspended, whatever else stands still.
    server.clock.pass(8 * 3600);
    assert_denied(&server.verify(&before));
    let issued = server.challenge("alice");
    let now = twofapi_server::Clock::wall(&*server.clock);
    assert_eq!(issued.body["expires_at"].as_u64(), Some(now + 120));
    assert_eq!(server.verify(&server.proven(&alice)).status, 200);
}

#[test]
fn a_challenge_that_was_changed_in_any_way_is_refused() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let bob = server.enrol("bob");
    let good = server.proven(&alice);
    let id = good["challenge_id"].as_str().unwrap();
    let (handle, _) = id.split_once('.').unwrap();
    let digits = &handle[3..];
    for changed in [
        format!("{handle}.bob"),
        format!("{handle}.Alice"),
        format!("{handle}."),
        format!("{handle}.alice."),
        format!("{handle}.alice.x"),
        format!("{handle}..alice"),
        handle.to_owned(),
        format!("CH-{digits}.alice"),
        format!("ch-{}.alice", digits.to_uppercase()),
        // Later than any that could have been issued.
        format!("ch-ffffffff{}.alice", &digits[8..]),
        format!("ch-{}00000000.alice", &digits[..16]),
        format!(" {id}"),
        format!("{id}\n"),
        String::new(),
        "x".repeat(10_000),
    ] {
        let body = json!({ "challenge_id": changed, "proof": good["proof"] });
        assert_denied(&server.verify(&body));
    }
    // Bob cannot answer what was asked of Alice.
    let challenge = server.challenge("alice");
    assert_denied(&server.verify(&proven(&bob, &challenge, server.binding())));
    // None of this has used up the challenge that the changes were made from.
    assert_eq!(server.verify(&good).status, 200);
}

#[test]
fn a_suspended_client_is_kept_out_at_once_and_a_revoked_one_for_ever() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let token = server.log_in(&alice);
    let proven = server.proven(&alice);
    server.change("alice", RecordChange::Suspend);
    assert_denied(&server.verify(&proven));
    assert_denied(&server.verify(&server.proven(&alice)));
    assert_eq!(server.get(crate::client::WHOAMI, Some(&token)).status, 401);
    server.change("alice", RecordChange::Resume);
    // What was issued before stays bad: it may be why the client was suspended.
    assert_eq!(server.get(crate::client::WHOAMI, Some(&token)).status, 401);
    let token = server.log_in(&alice);
    assert_eq!(server.get(crate::client::WHOAMI, Some(&token)).status, 200);
    server.change("alice", RecordChange::Revoke);
    assert_denied(&server.verify(&server.proven(&alice)));
    assert_eq!(server.get(crate::client::WHOAMI, Some(&token)).status, 401);
}

/// Status, header fields and members of the body.
type Shape = (u16, Vec<(String, String)>, Vec<(String, String)>);

/// Everything of an answer that does not differ between two requests of one client anyway.
fn shape(answer: &Answer) -> Shape {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| {
            let varies = ["content-length", "date"].contains(&name.as_str());
            let value = if varies { "" } else { value.to_str().unwrap() };
            (name.to_string(), value.to_owned())
        })
        .collect();
    headers.sort();
    let fields = answer.body.as_object().unwrap().iter();
    let fields = fields.map(|(name, value)| {
        let varies = ["challenge_id", "nonce", "expires_at"].contains(&name.as_str());
        let value = match value.as_str() {
            Some(text) if varies => format!("{} characters", text.len()),
            _ if varies => "a number".into(),
            _ => value.to_string(),
        };
        (name.clone(), value)
    });
    (answer.status, headers, fields.collect())
}

#[test]
fn an_unknown_or_suspended_client_is_answered_as_a_known_one_is() {
    let server = Server::start();
    let alice = server.enrol("alice1");
    server.enrol("suspen");
    server.change("suspen", RecordChange::Suspend);
    server.enrol("revoke");
    server.change("revoke", RecordChange::Revoke);

    let known = shape(&server.challenge("alice1"));
    for id in ["nobody", "suspen", "revoke"] {
        assert_eq!(shape(&server.challenge(id)), known, "{id}");
    }

    // A proof of somebody else's, well-formed and wrong for all of them.
    let attempt = |id: &str, path| {
        let stranger = Client {
            id: id.parse().unwrap(),
            credential: credential(),
        };
        match path {
            VERIFY => server.verify(&server.proven(&stranger)),
            _ => server.post(path, None, &server.rotation(&stranger, &credential())),
        }
    };
    for path in [VERIFY, crate::client::ROTATE] {
        let known = shape(&attempt("alice1", path));
        assert_eq!(known.0, 401);
        for id in ["nobody", "suspen", "revoke"] {
            assert_eq!(shape(&attempt(id, path)), known, "{path} {id}");
        }
    }
    // And a second time over one challenge.
    let stranger = Client {
        id: "nobody".parse().unwrap(),
        credential: credential(),
    };
    let (used, unknown) = (server.proven(&alice), server.proven(&stranger));
    assert_eq!(server.verify(&used).status, 200);
    let _ = server.verify(&unknown);
    assert_eq!(
        shape(&server.verify(&used)),
        shape(&server.verify(&unknown))
    );
}

#[test]
fn asking_for_challenges_uses_nothing_up() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let early = server.proven(&alice);
    for _ in 0..500 {
        let answer = server.post(CHALLENGE, None, &json!({ "client_id": "alice" }));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(server.verify(&early).status, 200);
}
