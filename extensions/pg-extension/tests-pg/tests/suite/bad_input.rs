//! What is wrong is refused with the design's errors, says what would be right, and changes nothing.

use postgres::{Client as Connection, types::ToSql};
use twofapi_tests_pg::Client;

use crate::database;

const IDENTITY: [u8; 32] = [0; 32];

fn refused(
    connection: &mut Connection,
    call: &str,
    arguments: &[&(dyn ToSql + Sync)],
) -> (String, String, String) {
    let error = connection
        .query(&format!("SELECT twofapi.{call}"), arguments)
        .err()
        .unwrap_or_else(|| panic!("{call} should have been refused"));
    let error = error.as_db_error().expect("an error of the server");
    assert!(
        error.hint().is_some_and(|hint| !hint.is_empty()),
        "{call}: no hint"
    );
    (
        error.code().code().to_owned(),
        error.detail().unwrap_or_default().to_owned(),
        error.message().to_owned(),
    )
}

#[test]
fn client_ids_that_are_none_are_refused_by_every_function() {
    let mut connection = database().connect();
    let long = "x".repeat(129);
    let ids = [
        None,
        Some(""),
        Some("a b"),
        Some("o'neill"),
        Some("a\"b"),
        Some("{a}"),
        Some("a:b"),
        Some("a\nb"),
        Some("naïve"),
        Some("名前"),
        Some("a\u{202e}b"),
        Some(".a"),
        Some("a..b"),
        Some("2FAPI-x"),
        Some("TwoFApi"),
        Some(long.as_str()),
    ];
    for id in ids {
        for call in [
            "enroll($1, '\\x00', '\\x00')",
            "issue_challenge($1)",
            "get_challenge_nonce($1, 'x')",
            "challenge($1)",
            "authenticate($1, 'x', '\\x00')",
            "verify($1, 'x', '\\x00')",
            "rotate_commitment($1, 'x', '\\x00', '\\x00', '\\x00')",
            "suspend_client($1)",
            "resume_client($1)",
            "revoke_client($1)",
            "client_status($1)",
        ] {
            let (code, detail, message) = refused(&mut connection, call, &[&id]);
            assert_eq!(code, "22023", "{call} {id:?}");
            assert!(detail.contains("invalid_client_id"), "{detail}");
            assert!(message.contains("1 to 128 characters"), "{message}");
        }
    }
}

#[test]
fn commitments_that_are_none_are_refused() {
    let mut connection = database().connect();
    let alice = Client::new("alice");
    let proof = alice.possession();
    let mut not_canonical = [0xff; 32];
    not_canonical[0] = 0xee;
    for (bytes, kind) in [
        (None, "invalid_encoding"),
        (Some(vec![]), "invalid_length"),
        (Some(vec![1; 31]), "invalid_length"),
        (Some(vec![1; 33]), "invalid_length"),
        (Some(IDENTITY.to_vec()), "invalid_encoding"),
        (Some(not_canonical.to_vec()), "invalid_encoding"),
        (Some(vec![0xff; 32]), "invalid_encoding"),
    ] {
        let call = "enroll('alice', $1, $2)";
        let (code, detail, message) = refused(&mut connection, call, &[&bytes, &proof]);
        assert_eq!(code, "22023");
        assert!(detail.contains(kind), "{bytes:?}: {detail}");
        assert!(message.starts_with("commitment must be"), "{message}");
    }
    let rows = connection
        .query("SELECT FROM twofapi.clients", &[])
        .unwrap();
    assert!(rows.is_empty());
}

#[test]
fn proofs_that_are_none_are_refused_and_spend_nothing() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let challenge = alice.challenge(&mut connection);
    let good = alice.proof(&challenge);
    let with = |at: usize, bytes: [u8; 32]| {
        let mut proof = good.clone();
        proof[at..at + 32].copy_from_slice(&bytes);
        Some(proof)
    };
    for (bytes, kind) in [
        (None, "invalid_encoding"),
        (Some(vec![]), "invalid_length"),
        (Some(good[..95].to_vec()), "invalid_length"),
        (Some([&good[..], &[0]].concat()), "invalid_length"),
        (with(0, IDENTITY), "invalid_encoding"),
        (with(0, [0xff; 32]), "invalid_encoding"),
        (with(32, [0; 32]), "invalid_encoding"),
        (with(32, [0xff; 32]), "invalid_encoding"),
        (with(64, [0; 32]), "invalid_encoding"),
        (with(64, [0xff; 32]), "invalid_encoding"),
    ] {
        for function in ["authenticate", "verify"] {
            let call = format!("{function}('alice', $1, $2)");
            let (code, detail, _) = refused(&mut connection, &call, &[&challenge.id, &bytes]);
            assert_eq!(code, "22023");
            assert!(detail.contains(kind), "{bytes:?}: {detail}");
        }
    }
    assert!(
        alice
            .authenticate(&mut connection, &challenge, &good)
            .unwrap()
    );
}

#[test]
fn bindings_that_are_none_are_refused() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    for binding in [
        vec![0; 1025],
        b"enrollment".to_vec(),
        b"rotation:x".to_vec(),
    ] {
        let call = "authenticate('alice', $1, $2, $3)";
        let (code, ..) = refused(&mut connection, call, &[&challenge.id, &proof, &binding]);
        assert_eq!(code, "22023");
    }
}

#[test]
fn challenge_ids_that_are_none_are_denied_and_null_is_an_error() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    let challenge = alice.challenge(&mut connection);
    let proof = alice.proof(&challenge);
    let upper = challenge.id.to_uppercase();
    let long = "ch-".to_owned() + &"0".repeat(100_000);
    for id in [
        "",
        "ch-",
        "ch-zz",
        "x'; DROP TABLE clients; --",
        &upper,
        &long,
        "名前",
    ] {
        let accepted: bool = connection
            .query_one(
                "SELECT twofapi.authenticate('alice', $1, $2)",
                &[&id, &proof],
            )
            .unwrap()
            .get(0);
        assert!(!accepted, "{id}");
    }
    let call = "authenticate('alice', NULL, $1)";
    let (code, _, message) = refused(&mut connection, call, &[&proof]);
    assert_eq!(code, "22023");
    assert!(message.starts_with("challenge id must be"), "{message}");
}

#[test]
fn a_gigabyte_is_refused_and_the_connection_stays() {
    let mut connection = database().connect();
    let alice = Client::enrolled(&mut connection, "alice");
    for call in [
        "enroll('bob', big, big)",
        "authenticate('alice', 'ch-0', big)",
        "authenticate('alice', 'ch-0', substr(big, 1, 96), big)",
    ] {
        // Just under what PostgreSQL takes as one value.
        let call = format!(
            "{call} FROM (SELECT decode(repeat('01', 512 * 1024 * 1024 - 32), 'hex') AS big) b"
        );
        let (code, _, message) = refused(&mut connection, &call, &[]);
        assert!(
            ["22023", "54000"].contains(&code.as_str()),
            "{code} {message}"
        );
    }
    assert!(alice.log_in(&mut connection));
}
