//! Rotation: both proofs, one version further, old tokens and old credentials dead.

use serde_json::json;
use twofapi_crypto_core::{ClientId, Credential};

use crate::{
    client::{Answer, Client, ROTATE, WHOAMI, credential, possession},
    server::Server,
};

fn renewed(client: Client, credential: Credential) -> Client {
    Client {
        credential,
        ..client
    }
}

#[track_caller]
fn assert_denied(answer: &Answer) {
    assert_eq!(answer.problem(), (401, "denied"));
    assert!(answer.header("www-authenticate").starts_with("2FApi "));
}

#[test]
fn after_a_rotation_only_the_new_credential_and_its_tokens_are_good() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let old_token = server.log_in(&alice);
    let new = credential();
    let answer = server.post(ROTATE, None, &server.rotation(&alice, &new));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body,
        json!({ "client_id": "alice", "commitment_version": 2 })
    );

    assert_eq!(server.get(WHOAMI, Some(&old_token)).status, 401);
    assert_denied(&server.verify(&server.proven(&alice)));
    let alice = renewed(alice, new);
    let token = server.log_in(&alice);
    let whoami = server.get(WHOAMI, Some(&token));
    assert_eq!(whoami.body["commitment_version"], 2);
}

#[test]
fn a_rotation_needs_both_proofs_and_another_commitment() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let stranger = Client {
        id: ClientId::parse("alice").unwrap(),
        credential: credential(),
    };
    let new = credential();
    // The old proof by somebody else, and for another commitment than the one that is sent.
    assert_denied(&server.post(ROTATE, None, &server.rotation(&stranger, &new)));
    let mut swapped = server.rotation(&alice, &credential());
    let honest = possession("alice", &new);
    swapped["commitment_new"] = honest["commitment"].clone();
    swapped["proof_new"] = honest["proof"].clone();
    assert_denied(&server.post(ROTATE, None, &swapped));
    // The new proof for another client id, and of another secret.
    for wrong in [possession("bob", &new), possession("alice", &credential())] {
        let mut body = server.rotation(&alice, &new);
        body["proof_new"] = wrong["proof"].clone();
        assert_denied(&server.post(ROTATE, None, &body));
    }
    // An authentication proof in the place of the old one.
    let mut body = server.rotation(&alice, &new);
    body["proof_old"] = server.proven(&alice)["proof"].clone();
    assert_denied(&server.post(ROTATE, None, &body));
    // The same commitment again.
    assert_denied(&server.post(ROTATE, None, &server.rotation(&alice, &alice.credential)));

    assert_eq!(server.verify(&server.proven(&alice)).status, 200);
}

#[test]
fn a_rotation_spends_its_challenge() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let body = server.rotation(&alice, &credential());
    assert_eq!(server.post(ROTATE, None, &body).status, 200);
    assert_denied(&server.post(ROTATE, None, &body));
}

#[test]
fn of_two_rotations_from_one_version_one_wins() {
    let server = Server::start();
    let alice = server.enrol("alice");
    for _ in 0..5 {
        let bodies = [
            server.rotation(&alice, &credential()),
            server.rotation(&alice, &credential()),
        ];
        let answers = std::thread::scope(|scope| {
            let posts = bodies
                .each_ref()
                .map(|body| scope.spawn(|| server.post(ROTATE, None, body)));
            posts.map(|post| post.join().unwrap())
        });
        let statuses = answers.each_ref().map(|answer| answer.status);
        let won = statuses.iter().filter(|status| **status == 200).count();
        let record = server
            .run(server.store.look_up(&alice.id))
            .unwrap()
            .unwrap();
        // The first round is won once; in later ones the credential is outdated.
        let expected = u32::from(won == 1) + 1;
        assert!(won <= 1, "{statuses:?}");
        assert!(record.version() >= expected);
        assert!(record.version() <= 2, "{record:?}");
    }
    let record = server
        .run(server.store.look_up(&alice.id))
        .unwrap()
        .unwrap();
    assert_eq!(record.version(), 2);
}
