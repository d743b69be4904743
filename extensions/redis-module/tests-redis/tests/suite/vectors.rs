//! The vectors of the specification, through the commands, as far as commands let a caller choose: a
//! nonce is the server's, so that of an authentication vector its credential, id and encodings are
//! used, and of an enrolment vector everything.

use redis::{Connection, RedisResult, Value};
use serde_json::Value as Json;
use twofapi_crypto_core::{Authentication, AuthenticationBinding, ClientId, Credential, Nonce};
use twofapi_tests::vectors;
use twofapi_tests_redis::{Client, Server, proof_of};

use crate::{ask, links::names, prefix};

fn text<'a>(case: &'a Json, field: &str) -> &'a str {
    case[field].as_str().unwrap()
}

fn is_enrolment(case: &Json) -> bool {
    case["purpose"] == "enrolment"
}

/// Whether a caller can say the statement of this case: an enrolment takes neither nonce nor binding.
fn can_be_said(case: &Json) -> bool {
    text(case, "nonce").is_empty() && text(case, "channel_binding") == hex::encode("enrollment")
}

/// Whether that is the answer to what is refused for a reason.
fn agrees(reason: &str, answer: &RedisResult<Value>) -> bool {
    let code = answer.as_ref().err().map(crate::word);
    match reason {
        "equation" => code.as_deref() == Some("DENIED"),
        "any" => matches!(code.as_deref(), Some("DENIED" | "ERR")),
        _ => code.as_deref() == Some("ERR"),
    }
}

fn enrols(connection: &mut Connection, case: &Json) -> RedisResult<Value> {
    ask(connection, &["FLUSHALL"]).unwrap();
    let words = [
        "2FAPI.ENROLL",
        text(case, "client_id"),
        text(case, "commitment"),
        "PROOF",
        text(case, "proof"),
    ];
    ask(connection, &words)
}

#[test]
fn client_ids_are_judged_as_the_vectors_say() {
    let server = Server::start("");
    let mut connection = server.connect();
    let files = vectors::files("2FApi-v1.0-ClientId");
    for (kind, valid) in [("valid", true), ("invalid", false)] {
        for id in vectors::cases(&files, kind) {
            let answer = ask(&mut connection, &["2FAPI.CHALLENGE", id.as_str().unwrap()]);
            assert_eq!(answer.is_ok(), valid, "{id:?}");
        }
    }
}

#[test]
fn enrolments_are_judged_as_the_vectors_say() {
    let server = Server::start("");
    let mut connection = server.connect();
    let files = vectors::files("2FApi-v1.0-Sigma");
    let mut accepted = 0;
    for case in vectors::cases(&files, "accepted")
        .into_iter()
        .filter(|case| is_enrolment(case))
    {
        assert_eq!(enrols(&mut connection, case), Ok(Value::Okay), "{case}");
        accepted += 1;
    }
    assert!(accepted > 0);
    let mut refused = 0;
    for case in vectors::cases(&files, "rejected") {
        if is_enrolment(case) && can_be_said(case) {
            let answer = enrols(&mut connection, case);
            assert!(agrees(text(case, "reason"), &answer), "{answer:?} {case}");
            refused += 1;
        }
    }
    // And so does every proof that was made for another purpose.
    for case in vectors::cases(&files, "accepted") {
        if !is_enrolment(case) {
            let answer = enrols(&mut connection, case);
            assert!(agrees("equation", &answer), "{answer:?} {case}");
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn the_credentials_of_the_vectors_log_in() {
    let server = Server::start("");
    let mut connection = server.connect();
    let files = vectors::files("2FApi-v1.0-Sigma");
    for case in vectors::cases(&files, "accepted")
        .into_iter()
        .filter(|case| !case["secret"].is_null())
    {
        ask(&mut connection, &["FLUSHALL"]).unwrap();
        let id: ClientId = text(case, "client_id").parse().unwrap();
        let secret = hex::decode(text(case, "secret")).unwrap();
        let blinding = hex::decode(text(case, "blinding")).unwrap();
        let credential = Credential::from_bytes(&secret, &blinding).unwrap();
        let words = ["2FAPI.ENROLL", id.as_str(), text(case, "commitment")];
        assert_eq!(ask(&mut connection, &words), Ok(Value::Okay), "{case}");
        let (challenge_id, nonce): (String, String) = redis::cmd("2FAPI.CHALLENGE")
            .arg(id.as_str())
            .query(&mut connection)
            .unwrap();
        let nonce = Nonce::from_bytes(&hex::decode(nonce).unwrap()).unwrap();
        let binding = AuthenticationBinding::none();
        let statement = Authentication {
            client_id: &id,
            nonce: &nonce,
            binding: &binding,
        };
        let proof = proof_of(&credential, &statement);
        let words = ["2FAPI.VERIFY", id.as_str(), &challenge_id, &proof];
        assert_eq!(ask(&mut connection, &words), Ok(Value::Okay), "{case}");
    }
}

#[test]
fn rejected_vectors_are_refused_for_their_reasons() {
    let server = Server::start("");
    let mut connection = server.connect();
    let files = vectors::files("2FApi-v1.0-Sigma");
    let mut attempts = 0;
    for case in vectors::cases(&files, "rejected") {
        let (id, reason) = (text(case, "client_id"), text(case, "reason"));
        let asked = redis::cmd("2FAPI.CHALLENGE")
            .arg(id)
            .query::<(String, String)>(&mut connection);
        let (challenge_id, _) = match asked {
            Ok(issued) => issued,
            Err(error) => {
                assert_eq!(
                    (reason, &*crate::word(&error)),
                    ("client_id", "ERR"),
                    "{case}"
                );
                continue;
            }
        };
        ask(&mut connection, &["FLUSHALL"]).unwrap();
        let words = ["2FAPI.ENROLL", id, text(case, "commitment")];
        let enrolled = ask(&mut connection, &words);
        let answer = ask(
            &mut connection,
            &["2FAPI.VERIFY", id, &challenge_id, text(case, "proof")],
        );
        assert!(answer.is_err(), "{case}");
        if text(case, "name").starts_with("commitment-")
            || text(case, "name").contains("-commitment-")
        {
            // What is wrong with a commitment is seen when it is enrolled.
            let of_it = ["length", "point_encoding", "identity"].contains(&reason);
            assert_eq!(enrolled.is_err(), of_it, "{enrolled:?} {case}");
            assert!(!of_it || agrees(reason, &enrolled), "{enrolled:?} {case}");
        } else if case["purpose"] == "authentication"
            && !["nonce_length", "binding"].contains(&reason)
        {
            // Nonce and binding are the server's.
            assert!(agrees(reason, &answer), "{answer:?} {case}");
            attempts += 1;
        }
    }
    assert!(attempts > 100, "{attempts}");
}

const LINKING: &str = "2FApi-v1.0-Linking";

#[test]
fn proofs_of_links_enrol_nobody_but_where_the_vectors_say() {
    let server = Server::start("");
    let mut connection = server.connect();
    let files = vectors::files(LINKING);
    let (mut accepted, mut refused) = (0, 0);
    for case in vectors::cases(&files, "accepted") {
        let answer = enrols(&mut connection, case);
        let of_links = !is_enrolment(case);
        assert!(agrees_with(of_links, &answer), "{answer:?} {case}");
        *(if of_links {
            &mut refused
        } else {
            &mut accepted
        }) += 1;
    }
    for case in vectors::cases(&files, "rejected") {
        if is_enrolment(case) && can_be_said(case) {
            let answer = enrols(&mut connection, case);
            assert!(agrees(text(case, "reason"), &answer), "{answer:?} {case}");
            refused += 1;
        }
    }
    assert!(accepted > 0 && refused > 10, "{accepted} {refused}");
}

fn agrees_with(refused: bool, answer: &RedisResult<Value>) -> bool {
    match refused {
        true => agrees("equation", answer),
        false => *answer == Ok(Value::Okay),
    }
}

#[test]
fn the_credentials_of_the_link_vectors_are_linked() {
    let server = Server::start("");
    let mut connection = server.connect();
    let files = vectors::files(LINKING);
    for case in vectors::cases(&files, "accepted") {
        ask(&mut connection, &["FLUSHALL"]).unwrap();
        let id = text(case, "client_id");
        let alice = Client::enrolled(id, &mut connection);
        let [secret, blinding] =
            ["secret", "blinding"].map(|part| hex::decode(text(case, part)).unwrap());
        let new = Client {
            credential: Credential::from_bytes(&secret, &blinding).unwrap(),
            ..alice.another()
        };
        assert_eq!(new.commitment(), text(case, "commitment"));
        assert_eq!(
            alice.link(&mut connection, &new, "x"),
            Ok(Value::Okay),
            "{case}"
        );
        assert_eq!(new.log_in(&mut connection), Ok(Value::Okay), "{case}");
        assert_eq!(
            new.unlink(&mut connection, &alice),
            Ok(Value::Okay),
            "{case}"
        );
    }
}

#[test]
fn credential_ids_and_names_are_judged_as_the_vectors_say() {
    let server = Server::start("");
    let mut connection = server.connect();
    let files = vectors::files(LINKING);
    for case in vectors::cases(&files, "credential_ids") {
        ask(&mut connection, &["FLUSHALL"]).unwrap();
        let words = ["2FAPI.ENROLL", "alice", text(case, "commitment")];
        assert_eq!(ask(&mut connection, &words), Ok(Value::Okay), "{case}");
        let id = text(case, "credential_id");
        let words = ["2FAPI.EXPIREAT", "alice", "1", "CREDENTIAL", id];
        assert_eq!(ask(&mut connection, &words), Ok(Value::Okay), "{case}");
    }
    for id in vectors::cases(&files, "no_credential_ids") {
        let words = [
            "2FAPI.EXPIREAT",
            "alice",
            "1",
            "CREDENTIAL",
            id.as_str().unwrap(),
        ];
        assert_eq!(prefix(&ask(&mut connection, &words)), "ERR", "{id}");
    }
    for (kind, good) in [("credential_names", true), ("no_credential_names", false)] {
        for name in vectors::cases(&files, kind) {
            ask(&mut connection, &["FLUSHALL"]).unwrap();
            let alice = Client::enrolled("alice", &mut connection);
            let name = name.as_str().unwrap();
            let answer = alice.link(&mut connection, &alice.another(), name);
            if good {
                assert_eq!(answer, Ok(Value::Okay), "{name:?}");
                assert_eq!(names(&mut connection, "alice"), ["first", name]);
            } else {
                assert_eq!(prefix(&answer), "ERR", "{name:?}");
            }
        }
    }
}
