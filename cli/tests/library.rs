//! The example of the client library, against a real server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

#[allow(dead_code, reason = "its main is for the command line")]
#[path = "../../client/examples/login.rs"]
mod login;

use support::{Home, Server, mode};

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
