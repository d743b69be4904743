//! What an operator says of clients: through the running server, and on the store itself.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    client::{Client, ENROLL, WHOAMI, credential, get, possession, post},
    process::{Process, run, stderr},
};

/// The answer of an operator's command that works.
#[track_caller]
fn operate(store: &Path, args: &[&str]) -> Value {
    let store = store.to_str().unwrap();
    let output = run(&[&["--json"], args, &["--store", store]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The code of one that does not.
#[track_caller]
fn refused(store: &Path, args: &[&str]) -> String {
    let store = store.to_str().unwrap();
    let output = run(&[&["--json"], args, &["--store", store]].concat());
    assert!(!output.status.success(), "{args:?}");
    assert!(output.stdout.is_empty());
    let answer: Value = serde_json::from_slice(&output.stderr).unwrap();
    answer["error"]["code"].as_str().unwrap().to_owned()
}

fn enrol(server: &Process, token: &Value, client: &Client) -> u16 {
    let body = possession(client.id.as_str(), &client.credential);
    let token = token["token"].as_str().unwrap();
    post(&server.base_url, ENROLL, Some(token), &body).status
}

#[test]
fn who_lost_every_credential_is_reset_by_a_token_of_the_operators() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let server = Process::start(&store, &[]);
    let (alice, _) = server.enrol("alice", &store);
    let (_, session) = server.log_in(&alice);
    let anew = alice.device();

    let old = operate(&store, &["invite", "alice", "--reset"]);
    let new = operate(&store, &["invite", "alice", "--reset", "--ttl", "5m"]);
    // An hour where nothing else is said.
    let hour = old["expires_at"].as_u64().unwrap() - new["expires_at"].as_u64().unwrap();
    assert!((3200..=3300).contains(&hour), "{hour}");
    assert_eq!(enrol(&server, &old, &anew), 401, "a newer one voids it");
    let cancelled = operate(&store, &["invite", "alice", "--cancel"]);
    assert_eq!(cancelled, json!({ "client_id": "alice", "cancelled": 1 }));
    assert_eq!(enrol(&server, &new, &anew), 401, "it was cancelled");
    let again = operate(&store, &["invite", "alice", "--cancel"]);
    assert_eq!(again["cancelled"], 0);

    let token = operate(&store, &["invite", "alice", "--reset"]);
    assert_eq!(enrol(&server, &token, &anew), 201);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&session)).status, 401);
    server.log_in(&anew);
    let shown = operate(&store, &["clients", "show", "alice"]);
    assert_eq!(shown["generation"], 1);
    assert_eq!(
        shown["credentials"][0]["credential_id"],
        anew.credential_id()
    );
    assert_eq!(shown["commitment"], anew.commitment());

    // An invitation to enrol is cancelled as well, and a reset is for who is there.
    let bob = operate(&store, &["invite", "bob"]);
    assert_eq!(
        operate(&store, &["invite", "bob", "--cancel"])["cancelled"],
        1
    );
    let stranger = Client {
        id: "bob".parse().unwrap(),
        credential: credential(),
    };
    assert_eq!(enrol(&server, &bob, &stranger), 401);
    assert_eq!(
        refused(&store, &["invite", "bob", "--reset"]),
        "not_enrolled"
    );
    operate(&store, &["clients", "revoke", "alice"]);
    assert_eq!(
        refused(&store, &["invite", "alice", "--reset"]),
        "not_active"
    );
    for both in [["--cancel", "--reset"], ["--cancel", "--ttl=1h"]] {
        let args = [&["invite", "alice"][..], &both].concat();
        assert_eq!(refused(&store, &args), "bad_input");
    }
}

#[test]
fn what_is_said_of_a_client_is_kept_shown_and_enforced() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let mut server = Process::start(&store, &[]);
    let (alice, _) = server.enrol("alice", &store);
    let (_, session) = server.log_in(&alice);
    let id = alice.credential_id();
    let shown = operate(&store, &["clients", "show", "alice"]);
    assert_eq!(shown["attributes"], json!({}));
    assert_eq!(shown["changed"], false);
    assert_eq!(shown["credentials"][0]["name"], "first");
    assert!(shown["credentials"][0]["created"].as_u64().unwrap() > 1_700_000_000);

    let set = operate(
        &store,
        &[
            "clients",
            "set",
            "alice",
            "--scopes",
            "read write:all",
            "--claims",
            "{\"team\": \"blue\"}",
            "--sources",
            "127.0.0.0/8 2001:db8::1",
            "--requests-per-minute",
            "60",
            "--tenant",
            "acme",
            "--expires",
            "2100-01-01",
        ],
    );
    let said = json!({
        "expires_at": 4_102_444_800_u64, "scopes": ["read", "write:all"],
        "claims": { "team": "blue" }, "sources": ["127.0.0.0/8", "2001:db8::1/128"],
        "requests_per_minute": 60, "tenant": "acme",
    });
    assert_eq!((&set["attributes"], &set["changed"]), (&said, &json!(true)));
    assert_eq!(set["commitment_version"], 2);
    let again = operate(&store, &["clients", "set", "alice", "--tenant", "acme"]);
    assert_eq!(
        (&again["changed"], &again["commitment_version"]),
        (&json!(false), &json!(2))
    );
    // It is no change of the credential: what it has goes on.
    assert_eq!(get(&server.base_url, WHOAMI, Some(&session)).status, 200);

    let ended = operate(&store, &["clients", "end-sessions", "alice"]);
    assert_eq!(
        (&ended["generation"], &ended["status"]),
        (&json!(1), &json!("active"))
    );
    assert_eq!(get(&server.base_url, WHOAMI, Some(&session)).status, 401);
    let (_, session) = server.log_in(&alice);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&session)).status, 200);

    let expires = |when| {
        let args = [
            "clients",
            "set",
            "alice",
            "--credential",
            &id,
            "--expires",
            when,
        ];
        operate(&store, &args)["credentials"][0]["expires_at"].clone()
    };
    assert_eq!(expires("2020-01-01"), 1_577_836_800);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&session)).status, 401);
    let (_, nothing) = server.log_in(&alice);
    assert_eq!(nothing, "", "an expired credential was let in");
    assert_eq!(expires("never"), Value::Null);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&session)).status, 200);

    // On the store itself, and for people.
    server.stop();
    let taken = operate(
        &store,
        &[
            "clients",
            "set",
            "alice",
            "--scopes",
            "",
            "--claims",
            "{}",
            "--sources",
            "",
            "--requests-per-minute",
            "0",
            "--expires",
            "never",
        ],
    );
    assert_eq!(taken["attributes"], json!({ "tenant": "acme" }));
    let path = store.to_str().unwrap();
    let shown = run(&["clients", "show", "alice", "--store", path]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("tenant      acme"), "{shown}");
    assert!(
        shown.contains(&id) && shown.ends_with("  first\n"),
        "{shown}"
    );
}

#[test]
fn what_cannot_be_said_of_a_client_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let mut server = Process::start(&store, &[]);
    let (alice, _) = server.enrol("alice", &store);
    let before = operate(&store, &["clients", "show", "alice"]);
    let nobodys = "0".repeat(32);
    let id = alice.credential_id();
    for running in [true, false] {
        for (args, code) in [
            (&["--scopes", "a\"b"][..], "invalid_encoding"),
            (&["--claims", "[]"], "invalid_encoding"),
            (&["--claims", "{"], "invalid_encoding"),
            (&["--sources", "192.0.2.1/24"], "invalid_encoding"),
            (&["--tenant", "a tenant"], "invalid_encoding"),
            (
                &["--credential", &nobodys, "--expires", "1d"],
                "not_enrolled",
            ),
            (&["--credential", &id, "--tenant", "acme"], "bad_input"),
            (&["--credential", &id], "bad_input"),
            (&["--expires", "tomorrow"], "bad_input"),
            (&["--requests-per-minute", "-1"], "bad_input"),
            (&[], "bad_input"),
        ] {
            let args = [&["clients", "set", "alice"][..], args].concat();
            assert_eq!(refused(&store, &args), code, "{args:?}");
        }
        let nobody = ["clients", "end-sessions", "nobody"];
        assert_eq!(refused(&store, &nobody), "not_enrolled");
        assert_eq!(operate(&store, &["clients", "show", "alice"]), before);
        if running {
            server.stop();
        }
    }
}
