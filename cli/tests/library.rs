//! The example of the client library, against a real server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

#[allow(dead_code, reason = "its main is for the command line")]
#[path = "../../client/examples/login.rs"]
mod login;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::json;
use support::{Home, Server, meddler::Meddler, mode};
use twofapi_client::{
    Failure, HttpClient, ServerUrl, credential::CredentialSource, exchange::Exchange,
};

#[test]
fn a_rust_program_enrols_and_logs_in_with_the_client_library() {
    let home = Home::new();
    let server = Server::start(&home);
    let token = server.invite(&home, "alice");
    let file = home.path("alice.json");
    let said = login::log_in(&server.url, "alice", &file, Some(&token)).unwrap();
    assert!(said.starts_with("alice (commitment version 1)"), "{said}");
    assert_eq!(mode(&file), 0o600);
    // The command and the library speak of the same file.
    let path = file.to_str().unwrap();
    let arguments = ["rotate", "--credential", path, "--server", &server.url];
    home.run(arguments).succeeds();
    let said = login::log_in(&server.url, "alice", &file, None).unwrap();
    assert!(said.starts_with("alice (commitment version 2)"), "{said}");
    // Another server's challenge gets no proof.
    let by_name = server.url.replace("127.0.0.1", "localhost");
    let error = login::log_in(&by_name, "alice", &file, None).unwrap_err();
    assert!(error.to_string().contains("Nothing was proven"), "{error}");
}

#[test]
fn the_challenge_that_comes_with_a_token_saves_the_next_login_a_request_and_is_checked_as_any() {
    let home = Home::new();
    let server = Server::start(&home);
    let token = server.invite(&home, "alice");
    let file = home.path("alice.json");
    login::log_in(&server.url, "alice", &file, Some(&token)).unwrap();

    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let meddler = Meddler::before(&server.url, move |request, answer| {
        let mut seen = seen.lock().unwrap();
        let path = request.split(' ').nth(1).unwrap_or_default();
        seen.push(path.replace("/auth/zkp/", ""));
        let next = &mut answer["next_challenge"];
        match seen.len() {
            // Of the third login: one for another server, which gets no proof.
            4 => next["channel_binding"] = json!(hex::encode("aud:https://other.example")),
            // Of the fourth: one that the server does not know any longer.
            6 => next["challenge_id"] = json!("ch-6afd86c037009872e54f07c1.alice"),
            _ => {}
        }
    });
    let http = HttpClient::new(ServerUrl::parse(&meddler.url).unwrap(), false).unwrap();
    let exchange = Exchange::new(http, server.url.parse().unwrap());
    let sealed = |_: &Path| Err(Failure::bad_input("it is not sealed"));
    let credential = CredentialSource::at(file, &sealed).open().unwrap();
    for _ in 0..5 {
        exchange.login(&credential).unwrap();
    }
    let logins = [
        &["challenge", "verify"][..],
        &["verify"],
        &["verify"],
        &["challenge", "verify"],
        &["verify", "challenge", "verify"],
    ];
    assert_eq!(*asked.lock().unwrap(), logins.concat());
}
