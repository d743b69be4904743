//! The vectors of the specification, through SQL, as far as SQL lets a caller choose: a nonce is the
//! server's, so that of an authentication vector its credential, id, binding and encodings are used,
//! and of an enrolment vector everything.

use postgres::{Client as Connection, Error, Row};
use serde_json::Value;
use twofapi_crypto_core::Credential;
use twofapi_tests::vectors;
use twofapi_tests_pg::Client;

use crate::database;

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(case[field].as_str().unwrap()).unwrap()
}

fn is_enrolment(case: &Value) -> bool {
    case["purpose"] == "enrolment"
}

/// Whether a caller can say the statement of this case: an enrolment takes neither nonce nor binding.
fn can_be_said(case: &Value) -> bool {
    bytes(case, "nonce").is_empty() && bytes(case, "channel_binding") == b"enrollment"
}

/// What the server answers: whether it accepts, or the code of the error.
fn answer(outcome: Result<Row, Error>) -> String {
    match outcome {
        Ok(row) if row.get(0) => "accepted".into(),
        Ok(_) => "denied".into(),
        Err(error) => error.code().expect("an error of the server").code().into(),
    }
}

/// Whether that is the answer to what is refused for a reason.
fn agrees(reason: &str, answer: &str) -> bool {
    match reason {
        "equation" => answer == "denied",
        "any" => answer == "denied" || answer == "22023",
        _ => answer == "22023",
    }
}

/// What the server answers to this as an enrolment.
fn enrols(connection: &mut Connection, case: &Value) -> String {
    connection
        .batch_execute("TRUNCATE twofapi.clients")
        .unwrap();
    answer(connection.query_one(
        "SELECT twofapi.enroll($1, $2, $3)",
        &[
            &case["client_id"].as_str().unwrap(),
            &bytes(case, "commitment"),
            &bytes(case, "proof"),
        ],
    ))
}

#[test]
fn client_ids_are_judged_as_the_vectors_say() {
    let mut connection = database().connect();
    let files = vectors::files("2FApi-v1.0-ClientId");
    for (kind, valid) in [("valid", true), ("invalid", false)] {
        for id in vectors::cases(&files, kind) {
            let id = id.as_str().unwrap();
            if id.contains('\0') {
                // No text of PostgreSQL holds a zero byte.
                continue;
            }
            let issued = connection.query_one("SELECT twofapi.issue_challenge($1)", &[&id]);
            assert_eq!(issued.is_ok(), valid, "{id:?}");
        }
    }
}

#[test]
fn accepted_vectors_are_accepted() {
    let mut connection = database().connect();
    let files = vectors::files("2FApi-v1.0-Sigma");
    let (mut enrolments, mut authentications) = (0, 0);
    for case in vectors::cases(&files, "accepted") {
        let name = &case["name"];
        if is_enrolment(case) {
            assert_eq!(enrols(&mut connection, case), "accepted", "{name}");
            enrolments += 1;
            continue;
        }
        let binding = bytes(case, "channel_binding");
        let client = Client {
            id: case["client_id"].as_str().unwrap().parse().unwrap(),
            credential: Credential::from_bytes(&bytes(case, "secret"), &bytes(case, "blinding"))
                .unwrap(),
        };
        assert_eq!(client.commitment(), bytes(case, "commitment"), "{name}");
        connection
            .batch_execute("TRUNCATE twofapi.clients")
            .unwrap();
        assert!(client.enrol(&mut connection).unwrap(), "{name}");
        if binding.starts_with(b"rotation:") {
            continue;
        }
        let challenge = client.challenge(&mut connection);
        let mut attempt = |proof: Vec<u8>| -> bool {
            connection
                .query_one(
                    "SELECT twofapi.authenticate($1, $2, $3, $4)",
                    &[&client.id.as_str(), &challenge.id, &proof, &binding],
                )
                .unwrap()
                .get(0)
        };
        assert!(attempt(client.proof_bound(&challenge, &binding)), "{name}");
        authentications += 1;
    }
    assert!(enrolments > 0 && authentications > 0);
}

#[test]
fn rejected_vectors_are_refused_for_their_reasons() {
    let mut connection = database().connect();
    let files = vectors::files("2FApi-v1.0-Sigma");
    let (mut enrolments, mut attempts, mut unenrollable) = (0, 0, 0);
    for case in vectors::cases(&files, "rejected") {
        let name = case["name"].as_str().unwrap();
        let reason = case["reason"].as_str().expect("a reason");
        let id = case["client_id"].as_str().unwrap();
        if is_enrolment(case) {
            if can_be_said(case) {
                let answer = enrols(&mut connection, case);
                assert!(agrees(reason, &answer), "{name}: {answer}");
                enrolments += 1;
            }
            continue;
        }
        // Put under the functions' feet, so that the attempt goes as far as it can.
        let enrolled = connection.execute(
            "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
             VALUES ($1, $2, 1, 'active') ON CONFLICT (client_id) DO UPDATE SET commitment = $2",
            &[&id, &bytes(case, "commitment")],
        );
        let issued = if id.contains('\0') {
            // No text of PostgreSQL holds a zero byte.
            continue;
        } else {
            connection.query_one("SELECT twofapi.issue_challenge($1)", &[&id])
        };
        let challenge: String = match issued {
            Ok(row) => row.get(0),
            Err(error) => {
                let code = error.code().expect("an error of the server").code();
                assert_eq!((reason, code), ("client_id", "22023"), "{name}");
                continue;
            }
        };
        if enrolled.is_err() {
            // A commitment that no table takes.
            assert!(
                ["length", "point_encoding", "identity"].contains(&reason),
                "{name}"
            );
            unenrollable += 1;
            continue;
        }
        let answer = answer(connection.query_one(
            "SELECT twofapi.authenticate($1, $2, $3, $4)",
            &[
                &id,
                &challenge,
                &bytes(case, "proof"),
                &bytes(case, "channel_binding"),
            ],
        ));
        assert_ne!(answer, "accepted", "{name}");
        // The nonce is the server's, and a commitment was seen to when it was enrolled.
        if case["purpose"] == "authentication"
            && reason != "nonce_length"
            && !name.contains("commitment")
        {
            assert!(agrees(reason, &answer), "{name}: {answer} for {reason}");
            attempts += 1;
        }
        assert_eq!(crate::current_client(&mut connection), None);
    }
    assert!(
        enrolments > 2 && attempts > 100 && unenrollable > 2,
        "{enrolments} {attempts} {unenrollable}"
    );
}

const LINKING: &str = "2FApi-v1.0-Linking";

/// A client with the credential of a case.
fn client_of(case: &Value) -> Client {
    Client {
        id: case["client_id"].as_str().unwrap().parse().unwrap(),
        credential: Credential::from_bytes(&bytes(case, "secret"), &bytes(case, "blinding"))
            .unwrap(),
    }
}

#[test]
fn the_credentials_of_the_linking_vectors_are_linked_and_their_proofs_enrol_nobody() {
    let mut connection = database().connect();
    let files = vectors::files(LINKING);
    let mut linked = 0;
    for case in vectors::cases(&files, "accepted") {
        let name = &case["name"];
        let expected = if is_enrolment(case) {
            "accepted"
        } else {
            "denied"
        };
        assert_eq!(enrols(&mut connection, case), expected, "{name}");
        connection
            .batch_execute("TRUNCATE twofapi.clients")
            .unwrap();
        let new = client_of(case);
        let first = Client::enrolled(&mut connection, new.id.as_str());
        assert!(first.link(&mut connection, &new, "new"), "{name}");
        assert!(new.log_in_by_name(&mut connection), "{name}");
        assert!(new.unlink(&mut connection, &first), "{name}");
        linked += 1;
    }
    assert!(linked > 10);
}

#[test]
fn refused_links_of_the_vectors_link_and_unlink_nothing() {
    let mut connection = database().connect();
    let files = vectors::files(LINKING);
    let (mut malformed, mut denied) = (0, 0);
    for case in vectors::cases(&files, "rejected") {
        let name = case["name"].as_str().unwrap();
        let call = match case["purpose"].as_str().unwrap() {
            "linking" => "SELECT twofapi.link_credential($1, $2, $3, $4)",
            "unlinking" => "SELECT twofapi.unlink_credential($1, $2, $3, $4)",
            "joining" => "SELECT twofapi.join_link($1, $2, $4, $3, 'new')",
            _ => continue,
        };
        let id = case["client_id"].as_str().unwrap();
        connection
            .execute(
                "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
                 VALUES ($1, $2, 1, 'active') ON CONFLICT (client_id) DO UPDATE SET commitment = $2",
                &[&id, &bytes(case, "commitment")],
            )
            .unwrap();
        let issued = connection.query_one("SELECT twofapi.issue_challenge($1)", &[&id]);
        let Ok(challenge) = issued.map(|row| row.get::<_, String>(0)) else {
            assert_eq!(case["reason"], "client_id", "{name}");
            continue;
        };
        // What follows "rotation:" and the byte that says what follows.
        let binding = bytes(case, "channel_binding");
        let ours = ["point_encoding", "identity"].contains(&case["reason"].as_str().unwrap());
        let commitment = match binding.get(10..42) {
            Some(named) if ours => named.to_vec(),
            _ => bytes(case, "commitment"),
        };
        let proof = bytes(case, "proof");
        let answer = answer(connection.query_one(call, &[&id, &challenge, &proof, &commitment]));
        if ours {
            assert_eq!(answer, "22023", "{name}");
            malformed += 1;
        } else {
            assert_eq!(answer, "denied", "{name}");
            denied += 1;
        }
    }
    assert!(malformed > 10 && denied > 50, "{malformed} {denied}");
}

#[test]
fn credential_ids_and_names_are_judged_as_the_vectors_say() {
    let mut connection = database().connect();
    let files = vectors::files(LINKING);
    for case in vectors::cases(&files, "credential_ids") {
        connection
            .batch_execute("TRUNCATE twofapi.clients")
            .unwrap();
        let import = "SELECT twofapi.import_client('alice', $1)";
        connection
            .execute(import, &[&bytes(case, "commitment")])
            .unwrap();
        let shown = "SELECT credential_id FROM twofapi.client_credentials('alice')";
        let shown: String = connection.query_one(shown, &[]).unwrap().get(0);
        assert_eq!(case["credential_id"], shown.as_str(), "{}", case["name"]);
    }
    connection
        .batch_execute("TRUNCATE twofapi.clients")
        .unwrap();
    let alice = Client::enrolled(&mut connection, "alice");
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    for id in vectors::cases(&files, "no_credential_ids") {
        let call = "SELECT twofapi.verify('alice', $1, $2, credential_id => $3)";
        let id = id.as_str().unwrap();
        let told = answer(connection.query_one(call, &[&challenge.id, &proof, &id]));
        assert_eq!(told, "22023", "{id:?}");
    }
    let new = Client::new("alice");
    for (kind, valid) in [("credential_names", true), ("no_credential_names", false)] {
        for name in vectors::cases(&files, kind) {
            let name = name.as_str().unwrap();
            if name.contains('\0') {
                // No text of PostgreSQL holds a zero byte.
                continue;
            }
            let call = "SELECT twofapi.join_link('alice', $1, $2, $3, $4)";
            let told = answer(connection.query_one(
                call,
                &[
                    &challenge.id,
                    &new.commitment(),
                    &new.joining_proof(&challenge),
                    &name,
                ],
            ));
            // Well-formed, and about no offer.
            let expected = if valid { "denied" } else { "22023" };
            assert_eq!(told, expected, "{name:?}");
        }
    }
}
