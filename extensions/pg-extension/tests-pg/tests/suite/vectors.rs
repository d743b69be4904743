//! The vectors of the specification, through SQL, as far as SQL lets a caller choose: a nonce is the
//! server's, so that of an authentication vector its credential, id, binding and encodings are used,
//! and of an enrolment vector everything.

use postgres::Client as Connection;
use serde_json::Value;
use twofapi_crypto_core::Credential;
use twofapi_tests::vectors;
use twofapi_tests_pg::Client;

use crate::database;

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(case[field].as_str().unwrap()).unwrap()
}

fn is_enrolment(case: &Value) -> bool {
    bytes(case, "nonce").is_empty() && bytes(case, "channel_binding") == b"enrollment"
}

/// Whether the server takes this as an enrolment; errors are no.
fn enrols(connection: &mut Connection, case: &Value) -> bool {
    connection
        .batch_execute("TRUNCATE twofapi.clients")
        .unwrap();
    connection
        .query_one(
            "SELECT twofapi.enroll($1, $2, $3)",
            &[
                &case["client_id"].as_str().unwrap(),
                &bytes(case, "commitment"),
                &bytes(case, "proof"),
            ],
        )
        .is_ok_and(|row| row.get(0))
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
            assert!(enrols(&mut connection, case), "{name}");
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
fn rejected_vectors_are_never_accepted() {
    let mut connection = database().connect();
    let files = vectors::files("2FApi-v1.0-Sigma");
    let mut attempts = 0;
    for case in vectors::cases(&files, "rejected") {
        let name = &case["name"];
        if is_enrolment(case) {
            assert!(!enrols(&mut connection, case), "{name}");
            continue;
        }
        // Put under the functions' feet, so that the attempt goes as far as it can.
        let id = case["client_id"].as_str().unwrap();
        let enrolled = connection.execute(
            "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
             VALUES ($1, $2, 1, 'active') ON CONFLICT (client_id) DO UPDATE SET commitment = $2",
            &[&id, &bytes(case, "commitment")],
        );
        let issued = connection.query_one("SELECT twofapi.issue_challenge($1)", &[&id]);
        let (Ok(_), Ok(challenge)) = (enrolled, issued.map(|row| row.get::<_, String>(0))) else {
            continue;
        };
        let accepted = connection.query_one(
            "SELECT twofapi.authenticate($1, $2, $3, $4)",
            &[
                &id,
                &challenge,
                &bytes(case, "proof"),
                &bytes(case, "channel_binding"),
            ],
        );
        assert!(!accepted.is_ok_and(|row| row.get(0)), "{name}");
        assert_eq!(crate::current_client(&mut connection), None);
        attempts += 1;
    }
    assert!(attempts > 0);
}
