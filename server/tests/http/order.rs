//! Of several things that are wrong with a request the first one is answered, in the order of protocol.md,
//! section 14.

use serde_json::{Value, json};

use crate::{
    client::{
        CHALLENGE, CREDENTIALS, END_SESSIONS, ENROLL, JOIN, JWKS, LINK, OFFER, ROTATE, SESSIONS,
        UNLINK, VERIFY, WHOAMI, credential, possession, send,
    },
    server::Server,
};

const ID: &str = "ch-6afd86c037009872e54f07c1.alice";

fn problem(server: &Server, path: &str, body: &Value) -> (u16, String) {
    let answer = server.post(path, Some("x"), body);
    (answer.status, answer.text("code").to_owned())
}

#[test]
fn of_several_things_that_are_wrong_the_first_is_answered() {
    let server = Server::start();
    let good = possession("alice", &credential());
    let (commitment, proof) = (&good["commitment"], &good["proof"]);
    for (path, body, code) in [
        // A field of another type, before a value that is malformed and a field that nobody knows.
        (
            ENROLL,
            json!({ "client_id": 7, "commitment": "0", "proof": "0", "x": 1 }),
            "malformed_request",
        ),
        (
            ENROLL,
            json!({ "client_id": "al ice", "commitment": 7 }),
            "invalid_client_id",
        ),
        (
            ENROLL,
            json!({ "client_id": "alice", "commitment": "0g", "proof": 7 }),
            "invalid_encoding",
        ),
        (
            ENROLL,
            json!({ "client_id": "alice", "commitment": "0gg", "proof": 7 }),
            "invalid_length",
        ),
        (
            ENROLL,
            json!({ "client_id": "alice", "commitment": "00", "proof": "gg" }),
            "invalid_length",
        ),
        (
            ENROLL,
            json!({ "client_id": "alice", "commitment": commitment, "x": 1 }),
            "malformed_request",
        ),
        (
            ENROLL,
            json!({ "client_id": "alice", "commitment": commitment, "proof": "gg", "x": 1 }),
            "invalid_encoding",
        ),
        // Then what nobody knows, and the token last of all.
        (
            ENROLL,
            json!({ "client_id": "alice", "commitment": commitment, "proof": proof, "x": 1 }),
            "malformed_request",
        ),
        (ENROLL, good.clone(), "denied"),
        (
            VERIFY,
            json!({ "challenge_id": 7, "proof": "gg" }),
            "malformed_request",
        ),
        (
            VERIFY,
            json!({ "challenge_id": "none", "proof": "gg" }),
            "invalid_encoding",
        ),
        (
            VERIFY,
            json!({ "challenge_id": "none", "proof": proof, "x": 1 }),
            "malformed_request",
        ),
        (
            VERIFY,
            json!({ "challenge_id": "none", "proof": proof }),
            "denied",
        ),
        // A client id that is none is no client id after the dot.
        (
            VERIFY,
            json!({ "challenge_id": "ch-6afd86c037009872e54f07c1.al ice", "proof": proof }),
            "denied",
        ),
        (
            ROTATE,
            json!({ "challenge_id": ID, "proof_old": "00", "commitment_new": "gg", "proof_new": 7 }),
            "invalid_length",
        ),
        (
            ROTATE,
            json!({ "challenge_id": ID, "proof_old": proof, "commitment_new": "gg", "proof_new": 7 }),
            "invalid_encoding",
        ),
        (
            ROTATE,
            json!({ "challenge_id": ID, "proof_old": proof, "commitment_new": commitment, "proof_new": "0" }),
            "invalid_length",
        ),
        (
            CHALLENGE,
            json!({ "client_id": "al ice", "x": 1 }),
            "invalid_client_id",
        ),
        // The credential that proves, where one is named, between the challenge and the proof.
        (
            VERIFY,
            json!({ "challenge_id": 7, "credential_id": "0", "proof": "0" }),
            "malformed_request",
        ),
        (
            VERIFY,
            json!({ "challenge_id": ID, "credential_id": "G".repeat(32), "proof": "0" }),
            "invalid_encoding",
        ),
        (
            ROTATE,
            json!({ "challenge_id": ID, "credential_id": "0", "proof_old": "gg" }),
            "invalid_length",
        ),
        (
            LINK,
            json!({ "challenge_id": ID, "credential_id": "0", "proof": "gg" }),
            "invalid_length",
        ),
        (
            LINK,
            json!({ "challenge_id": ID, "proof": proof, "commitment_new": "gg", "proof_new": "0" }),
            "invalid_encoding",
        ),
        (
            LINK,
            json!({ "challenge_id": ID, "proof": proof, "commitment_new": commitment, "proof_new": "0", "name": " " }),
            "invalid_length",
        ),
        (
            LINK,
            json!({ "challenge_id": "none", "proof": proof, "commitment_new": commitment, "proof_new": proof, "name": " ", "x": 1 }),
            "invalid_encoding",
        ),
        (
            LINK,
            json!({ "challenge_id": "none", "proof": proof, "commitment_new": commitment }),
            "denied",
        ),
        (
            JOIN,
            json!({ "challenge_id": ID, "commitment": "gg", "proof": "0", "name": 7 }),
            "invalid_encoding",
        ),
        (
            JOIN,
            json!({ "challenge_id": ID, "commitment": commitment, "proof": "0", "name": "" }),
            "invalid_length",
        ),
        (
            JOIN,
            json!({ "challenge_id": ID, "commitment": commitment, "proof": proof, "name": 7 }),
            "malformed_request",
        ),
        (
            UNLINK,
            json!({ "challenge_id": ID, "proof": "gg", "commitment_old": "0" }),
            "invalid_encoding",
        ),
        (
            UNLINK,
            json!({ "challenge_id": ID, "proof": proof, "commitment_old": "0", "x": 1 }),
            "invalid_length",
        ),
        // The access token after the fields, before the challenge.
        (OFFER, json!({ "challenge_id": 7 }), "malformed_request"),
        (
            OFFER,
            json!({ "challenge_id": ID, "x": 1 }),
            "malformed_request",
        ),
        (OFFER, json!({ "challenge_id": ID }), "denied"),
        (
            END_SESSIONS,
            json!({ "session_id": "0" }),
            "invalid_encoding",
        ),
        (
            END_SESSIONS,
            json!({ "which": "all", "x": 1 }),
            "malformed_request",
        ),
        (END_SESSIONS, json!({ "which": "all" }), "denied"),
    ] {
        let status = if code == "denied" { 401 } else { 400 };
        assert_eq!(
            problem(&server, path, &body),
            (status, code.to_owned()),
            "{path} {body}"
        );
    }
    // The size before the media type, and that before the body.
    let big = b" ".repeat(20_000);
    for (media, body, status) in [
        ("text/plain", &big[..], 413),
        ("text/plain", b"x", 415),
        ("", b"x", 415),
        ("application/jsonp", b"{}", 415),
        ("APPLICATION/json ; charset=latin1", b"x", 400),
    ] {
        let headers = [("content-type", media)];
        let headers = if media.is_empty() { &[][..] } else { &headers };
        let answer = send(&server.base_url, "POST", VERIFY, headers, body);
        assert_eq!(answer.status, status, "{media} {answer:?}");
    }
}

#[test]
fn what_answers_to_get_answers_to_head_and_a_slash_more_is_another_resource() {
    let server = Server::start();
    for (path, status) in [
        (WHOAMI, 401),
        (CREDENTIALS, 401),
        (SESSIONS, 401),
        (OFFER, 401),
        (JWKS, 200),
        ("/livez", 200),
        ("/healthz", 200),
    ] {
        let [get, head] = ["GET", "HEAD"].map(|it| send(&server.base_url, it, path, &[], b""));
        assert_eq!((get.status, head.status), (status, status), "{path}");
        assert_eq!(get.header("content-type"), head.header("content-type"));
        assert_eq!(head.body, Value::Null);
    }
    for path in [
        WHOAMI,
        JWKS,
        "/healthz",
        CHALLENGE,
        ENROLL,
        VERIFY,
        ROTATE,
        LINK,
        OFFER,
        JOIN,
        UNLINK,
        CREDENTIALS,
        SESSIONS,
        END_SESSIONS,
    ] {
        for method in ["GET", "POST"] {
            let slash = format!("{path}/");
            let answer = send(&server.base_url, method, &slash, &[], b"");
            // What the body says is the affair of whoever mounts the routes.
            assert_eq!(answer.status, 404, "{method} {slash}");
        }
    }
}
