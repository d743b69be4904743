//! Recovery phrases at servers: another commitment at each, rotations under one phrase, and finding again what a
//! server knows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Home, Run, Server, commitment, read_json};

const SHOP: &str = "https://shop.example";
const BANK: &str = "https://bank.example";

/// Makes a credential with a phrase, and gives the phrase.
fn with_phrase(home: &Home, arguments: &[&str]) -> String {
    let mut command = home.command(["--json", "keygen", "alice", "--mnemonic"]);
    command.args(arguments);
    let made = home.run_command(command).succeeds().json();
    made["recovery_phrase"].as_str().unwrap().to_owned()
}

/// What the phrase restores in a home of its own.
fn recovered(home: &Home, phrase: &str, arguments: &[&str]) -> Value {
    let run = try_to_recover(home, phrase, arguments).succeeds();
    assert!(!run.stderr.contains(phrase) && !run.stdout.contains(phrase));
    run.json()
}

fn try_to_recover(home: &Home, phrase: &str, arguments: &[&str]) -> Run {
    let file = home.path("phrase");
    fs::write(&file, phrase).unwrap();
    let mut command = home.command(["--json", "keygen", "alice", "--recover"]);
    command.arg(&file).args(arguments);
    let run = home.run_command(command);
    fs::remove_file(&file).unwrap();
    run
}

fn restored(phrase: &str, arguments: &[&str]) -> Value {
    recovered(&Home::new(), phrase, arguments)["commitment"].clone()
}

fn rotate(home: &Home, server: &Server, phrase: &str) -> Run {
    let file = home.path("phrase");
    fs::write(&file, phrase).unwrap();
    let mut command = home.command(["--json", "rotate", "alice", "--server", &server.url]);
    command.arg("--recover").arg(&file);
    let run = home.run_command(command);
    fs::remove_file(&file).unwrap();
    run
}

fn enrol(home: &Home, server: &Server) {
    let token = server.invite(home, "alice");
    let arguments = ["enroll", "alice", "--server", &server.url, "--token", "-"];
    home.run_with_stdin(arguments, &token).succeeds();
}

#[test]
fn a_phrase_makes_another_commitment_at_each_server_and_is_in_no_file() {
    let home = Home::new();
    let phrase = with_phrase(&home, &["--server", SHOP]);
    let made = Value::from(commitment(&home.credential("alice")));
    assert_eq!(restored(&phrase, &["--audience", SHOP]), made);
    let others = [
        restored(&phrase, &[]),
        restored(&phrase, &["--audience", BANK]),
        restored(&phrase, &["--audience", SHOP, "--generation", "1"]),
    ];
    for (at, other) in others.iter().enumerate() {
        assert!(*other != made && !others[..at].contains(other));
    }
    // Of the phrase itself nothing is kept: the file has what every file has.
    let file = read_json(&home.credential("alice")).unwrap();
    let names: Vec<_> = file.as_object().unwrap().keys().cloned().collect();
    let expected = [
        "blinding",
        "client_id",
        "commitment",
        "format",
        "secret",
        "suite",
        "version",
    ];
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn without_a_server_a_phrase_is_as_before() {
    let home = Home::new();
    let phrase = with_phrase(&home, &[]);
    let made = Value::from(commitment(&home.credential("alice")));
    assert_eq!(restored(&phrase, &[]), made);
    assert_ne!(restored(&phrase, &["--audience", SHOP]), made);
    for wrong in [
        &["--generation", "1"][..],
        &["--audience", SHOP, "--server", SHOP, "--generation", "1"],
    ] {
        assert_eq!(
            try_to_recover(&Home::new(), &phrase, wrong).code,
            2,
            "{wrong:?}"
        );
    }
}

#[test]
fn rotations_under_a_phrase_go_on_being_restored_by_it() {
    let home = Home::new();
    let server = Server::start(&home);
    let phrase = with_phrase(&home, &["--server", &server.url]);
    enrol(&home, &server);
    for generation in ["1", "2"] {
        rotate(&home, &server, &phrase).succeeds();
        let current = Value::from(commitment(&home.credential("alice")));
        let offline = ["--audience", &server.url, "--generation", generation];
        assert_eq!(restored(&phrase, &offline), current);
    }
    // Everything is lost but the phrase: the server is asked which one it knows.
    let other = Home::new();
    let found = recovered(&other, &phrase, &["--server", &server.url]);
    let current = Value::from(commitment(&home.credential("alice")));
    assert_eq!(found["commitment"], current);
    assert!(found.get("credential_id").is_none(), "{found}");
    other
        .run(["login", "alice", "--server", &server.url])
        .succeeds();
}

#[test]
fn a_phrase_of_before_is_found_at_a_server_and_goes_on_by_generations() {
    let home = Home::new();
    let server = Server::start(&home);
    let phrase = with_phrase(&home, &[]);
    enrol(&home, &server);
    let found = recovered(&Home::new(), &phrase, &["--server", &server.url]);
    assert_eq!(found["commitment"], commitment(&home.credential("alice")));
    rotate(&home, &server, &phrase).succeeds();
    let current = Value::from(commitment(&home.credential("alice")));
    assert_eq!(restored(&phrase, &["--audience", &server.url]), current);
    let found = recovered(&Home::new(), &phrase, &["--server", &server.url]);
    assert_eq!(found["commitment"], current);
}

#[test]
fn a_phrase_that_is_another_changes_nothing_and_makes_no_file() {
    let home = Home::new();
    let server = Server::start(&home);
    server.enrolled(&home, "alice");
    let before = commitment(&home.credential("alice"));
    let other = Home::new();
    let phrase = with_phrase(&other, &["--server", &server.url]);
    rotate(&home, &server, &phrase).fails(2, "none that this recovery phrase gives");
    assert_eq!(commitment(&home.credential("alice")), before);
    home.run(["login", "alice", "--server", &server.url])
        .succeeds();
    // The server knows none of its credentials.
    let nobody = Home::new();
    let run = try_to_recover(&nobody, &phrase, &["--server", &server.url]);
    assert_eq!(run.fails(1, "knows no credential").error_code(), "denied");
    assert!(!nobody.credential("alice").exists());
}

#[test]
fn a_spare_on_paper_restores_a_client_whose_devices_are_lost() {
    let home = Home::new();
    let server = Server::start(&home);
    server.enrolled(&home, "alice");
    let spare = home.path("spare.json");
    let spare = spare.to_str().unwrap();
    let link = |file: &str| {
        let arguments = [
            "--json",
            "link",
            "alice",
            "--server",
            &server.url,
            "--mnemonic",
            "--here",
            "paper",
            file,
        ];
        home.run(arguments)
    };
    let linked = link(spare).succeeds().json();
    let phrase = linked["recovery_phrase"].as_str().unwrap();
    // The words cannot be shown again, so the same file is not taken up.
    assert_eq!(link(spare).fails(2, "").error_code(), "file_exists");
    let kept = commitment(spare.as_ref());

    let found = recovered(&Home::new(), phrase, &["--server", &server.url]);
    assert_eq!(found["commitment"], kept);
    assert_eq!(found["credential_id"], linked["credential_id"]);
    // It is not the first credential, so that it is named at every login; and it takes the lost device away.
    let other = Home::new();
    recovered(&other, phrase, &["--server", &server.url]);
    let at = ["--server", server.url.as_str()];
    let mut login = other.command(["login", "alice"]);
    login.args(at);
    other.run_command(login).succeeds();
    let mut list = other.command(["--json", "credentials", "alice"]);
    list.args(at);
    let list = other.run_command(list).succeeds().json();
    let lost = list["credentials"][0]["credential_id"].as_str().unwrap();
    let mut unlink = other.command(["unlink", "alice", "--id", lost]);
    unlink.args(at);
    other.run_command(unlink).succeeds();
    home.run(["login", "alice", "--server", &server.url])
        .fails(1, "");
    // Alone it is the first one, and needs no name any longer.
    let found = recovered(&Home::new(), phrase, &["--server", &server.url]);
    assert!(found.get("credential_id").is_none(), "{found}");
}
