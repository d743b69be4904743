//! What an operator does with the keys that sign tokens: through the running server, and on the store itself.

use std::path::Path;

use serde_json::Value;

use crate::{
    client::{JWKS, WHOAMI, get},
    process::{Process, run, stderr},
};

#[track_caller]
fn keys(store: &Path, args: &[&str]) -> Vec<Value> {
    let store = store.to_str().unwrap();
    let output = run(&[&["--json", "signing-keys"], args, &["--store", store]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["signing_keys"].as_array().unwrap().clone()
}

fn said<'k>(keys: &'k [Value], name: &str) -> Vec<&'k str> {
    keys.iter().map(|key| key[name].as_str().unwrap()).collect()
}

fn published(server: &Process) -> String {
    get(&server.base_url, JWKS, None).body.to_string()
}

#[test]
fn an_operator_has_another_key_sign_and_drops_one_that_leaked_while_the_server_runs() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let server = Process::start(&store, &["--token-algorithm", "es256"]);
    let (alice, _) = server.enrol("alice", &store);
    let (_, token) = server.log_in(&alice);
    let first = keys(&store, &["list"]);
    assert_eq!(said(&first, "algorithm"), ["ES256"]);
    assert_eq!(said(&first, "state"), ["signs"]);
    let leaked = first[0]["kid"].as_str().unwrap();

    // Ahead, and nothing else changes.
    let next = keys(&store, &["rotate"]);
    assert_eq!(said(&next, "state"), ["signs", "will_sign"]);
    let ahead = ["activates_at"; 2].map(|name| next[1][name].as_u64().unwrap());
    assert!(ahead[0] > first[0]["activates_at"].as_u64().unwrap() + 7000);
    let (_, again) = server.log_in(&alice);
    for token in [&token, &again] {
        assert_eq!(get(&server.base_url, WHOAMI, Some(token)).status, 200);
    }
    let next = next[1]["kid"].as_str().unwrap();
    assert!(published(&server).contains(next));

    // What leaked is gone, and the one that was published ahead signs.
    let left = keys(&store, &["drop", leaked]);
    assert_eq!(
        (said(&left, "kid"), said(&left, "state")),
        (vec![next], vec!["signs"])
    );
    for token in [&token, &again] {
        assert_eq!(get(&server.base_url, WHOAMI, Some(token)).status, 401);
    }
    assert!(!published(&server).contains(leaked));
    let (_, token) = server.log_in(&alice);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&token)).status, 200);

    // All of them: the server makes another one by itself.
    assert!(keys(&store, &["drop", next]).is_empty());
    assert_eq!(get(&server.base_url, WHOAMI, Some(&token)).status, 401);
    let (_, token) = server.log_in(&alice);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&token)).status, 200);
    assert_eq!(said(&keys(&store, &["list"]), "algorithm"), ["ES256"]);

    let gone = run(&[
        "signing-keys",
        "drop",
        leaked,
        "--store",
        store.to_str().unwrap(),
    ]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(
        stderr(&gone).contains("no signing key"),
        "{}",
        stderr(&gone)
    );
}

#[test]
fn a_key_that_is_dropped_while_no_server_runs_is_no_key_when_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let mut server = Process::start(&store, &["--audience", "https://auth.example.com"]);
    let (alice, _) = server.enrol("alice", &store);
    let binding = twofapi_crypto_core::AuthenticationBinding::for_audience(
        &"https://auth.example.com".parse().unwrap(),
    );
    let asked = serde_json::json!({ "client_id": "alice" });
    let challenge = crate::client::post(&server.base_url, crate::client::CHALLENGE, None, &asked);
    let proven = crate::client::proven(&alice, &challenge, &binding);
    let answer = crate::client::post(&server.base_url, crate::client::VERIFY, None, &proven);
    let token = answer.text("access_token").to_owned();
    server.stop();
    let listed = keys(&store, &["list"]);
    let leaked = listed[0]["kid"].as_str().unwrap();
    keys(&store, &["rotate", "--at-once"]);
    let left = keys(&store, &["drop", leaked]);
    assert_eq!(said(&left, "state"), ["signs"]);
    let server = Process::start(&store, &["--audience", "https://auth.example.com"]);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&token)).status, 401);
    assert!(!published(&server).contains(leaked));
}
