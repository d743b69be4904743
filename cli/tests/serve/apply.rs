//! What is said of clients, by an invitation and by a file.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    client::{Client, ENROLL, WHOAMI, credential, get, possession, post},
    process::{Process, run, stderr},
};

/// What a command says that works.
#[track_caller]
fn says(store: &Path, args: &[&str]) -> String {
    let output = run(&[args, &["--store", store.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn shown(store: &Path, client_id: &str) -> Value {
    let said = says(store, &["--json", "clients", "show", client_id]);
    serde_json::from_str(&said).unwrap()
}

/// Enrols by this token and logs in.
fn enrol(server: &Process, client_id: &str, token: &str) -> (Client, String) {
    let credential = credential();
    let body = possession(client_id, &credential);
    let answer = post(&server.base_url, ENROLL, Some(token), &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    let client = Client {
        id: client_id.parse().unwrap(),
        credential,
    };
    let (_, session) = server.log_in(&client);
    (client, session)
}

#[test]
fn an_invitation_carries_what_its_client_may_do() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let server = Process::start(&store, &[]);
    let args = [
        "invite",
        "alice",
        "--scope",
        "reports:read",
        "--source",
        "127.0.0.0/8",
        "--per-minute",
        "600",
        "--tenant",
        "acme",
        "--claims",
        "{\"role\":\"r\"}",
        "--expires",
        "2100-01-01",
    ];
    let token = says(&store, &args);
    let (_, session) = enrol(&server, "alice", token.trim());
    let whoami = get(&server.base_url, WHOAMI, Some(&session));
    assert_eq!(whoami.body["scope"], "reports:read");
    assert_eq!(whoami.body["tenant"], "acme");
    assert_eq!(
        shown(&store, "alice")["attributes"],
        json!({
            "expires_at": 4_102_444_800_u64, "scopes": ["reports:read"], "claims": { "role": "r" },
            "sources": ["127.0.0.0/8"], "requests_per_minute": 600, "tenant": "acme",
        })
    );
    let path = store.to_str().unwrap();
    for bad in [
        &["invite", "bob", "--claims", "{\"sub\":\"alice\"}"][..],
        &["invite", "bob", "--source", "192.0.2.1/24"],
        &["invite", "alice", "--reset", "--scope", "admin"],
        &["invite", "bob", "--cancel", "--scope", "admin"],
    ] {
        let output = run(&[bad, &["--store", path]].concat());
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn a_credential_is_narrowed_and_let_have_all_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let server = Process::start(&store, &[]);
    let token = says(&store, &["invite", "alice", "--scopes", "read write"]);
    let (alice, session) = enrol(&server, "alice", token.trim());
    let id = alice.credential_id();
    let set = |args: &[&str]| {
        let args = [&["clients", "set", "alice", "--credential", &id][..], args].concat();
        says(&store, &args);
        let scope = get(&server.base_url, WHOAMI, Some(&session)).body["scope"].clone();
        (
            scope,
            shown(&store, "alice")["credentials"][0]["scopes"].clone(),
        )
    };
    assert_eq!(
        set(&["--scopes", "read admin"]),
        (json!("read"), json!(["read", "admin"]))
    );
    let for_people = says(&store, &["clients", "show", "alice"]);
    assert!(
        for_people.contains("no scopes but read admin"),
        "{for_people}"
    );
    assert_eq!(set(&["--scopes", ""]), (Value::Null, json!([])));
    assert_eq!(set(&["--all-scopes"]), (json!("read write"), Value::Null));
}

#[test]
fn a_file_is_planned_applied_once_and_exported() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let file = directory.path().join("clients.toml");
    let tokens = directory.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let server = Process::start(&store, &[]);
    let (alice, _) = server.enrol("alice", &store);
    let (_, session) = server.log_in(&alice);
    server.enrol("carol", &store);
    says(
        &store,
        &[
            "clients", "set", "alice", "--scopes", "old kept", "--tenant", "acme",
        ],
    );
    let text = "[clients.alice]\nscopes = [\"kept\", \"new\"]\nrequests_per_minute = 600\n\
                [clients.\"bob@example.com\"]\nscopes = [\"deploy\"]\nsources = [\"127.0.0.1\"]\n";
    fs::write(&file, text).unwrap();
    let (file, tokens) = (file.to_str().unwrap(), tokens.to_str().unwrap());

    let plan = says(&store, &["apply", file, "--plan"]);
    assert_eq!(
        plan,
        "~ alice changes\n    scopes -old +new\n    requests per minute +600\n    tenant -acme\n\
         + bob@example.com is not enrolled\n    scopes +deploy\n    sources +127.0.0.1/32\n\
         1 to change, 1 not enrolled, 0 as the file says\n"
    );
    assert_eq!(
        shown(&store, "alice")["attributes"]["tenant"],
        "acme",
        "it was a plan"
    );
    // Nobody is there to be asked.
    let output = run(&["apply", file, "--store", store.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));

    let done = says(&store, &["apply", file, "--yes", "--invite", tokens]);
    assert!(done.contains("1 changed, 1 not enrolled"), "{done}");
    let expected = json!({ "scopes": ["kept", "new"], "requests_per_minute": 600 });
    assert_eq!(shown(&store, "alice")["attributes"], expected);
    assert_eq!(get(&server.base_url, WHOAMI, Some(&session)).status, 200);
    let token = fs::read_to_string(Path::new(tokens).join("bob@example.com")).unwrap();
    let (_, bobs) = enrol(&server, "bob@example.com", token.trim());
    let whoami = get(&server.base_url, WHOAMI, Some(&bobs));
    assert_eq!(whoami.body["scope"], "deploy");

    // Once more there is nothing to do, and nothing to be asked.
    let version = shown(&store, "alice")["commitment_version"].clone();
    let again = says(&store, &["apply", file]);
    assert_eq!(again, "0 to change, 0 not enrolled, 2 as the file says\n");
    assert_eq!(shown(&store, "alice")["commitment_version"], version);

    // What is exported is what is there, of carol as well, and applies to nothing.
    let exported = says(&store, &["export"]);
    assert!(exported.contains("[clients.\"carol\"]"), "{exported}");
    fs::write(file, &exported).unwrap();
    let again = says(&store, &["apply", file]);
    assert_eq!(again, "0 to change, 0 not enrolled, 3 as the file says\n");
    fs::write(file, "[clients.alice]\ncolour = \"red\"\n").unwrap();
    let output = run(&["apply", file, "--yes", "--store", store.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("colour"), "{}", stderr(&output));
}
