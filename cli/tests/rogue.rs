//! Servers that want another credential linked, or unlinked, than the user does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use support::{Home, Run, Server, commitment, meddler::Meddler, read_json};

/// `alice`, with somebody between her and her server.
struct Scene {
    home: Home,
    server: Server,
    rogue: Meddler,
}

impl Scene {
    fn new(change: impl Fn(&str, &mut Value) + Send + Sync + 'static) -> Self {
        let home = Home::new();
        let server = Server::start(&home);
        server.enrolled(&home, "alice");
        let rogue = Meddler::before(&server.url, change);
        Self {
            home,
            server,
            rogue,
        }
    }

    /// The rogue has the name and the address of the server.
    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.home.command(arguments);
        command.args(["--server", &self.rogue.url, "--audience", &self.server.url]);
        self.home.run_command(command)
    }

    /// The user's second device joins, whose number the user types.
    fn link_and_type(&self) -> Run {
        let mut link = self.home.command(["link", "alice"]);
        link.args(["--server", &self.rogue.url, "--audience", &self.server.url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut link = link.spawn().unwrap();
        let mut code = String::new();
        let mut stdout = BufReader::new(link.stdout.take().unwrap());
        stdout.read_line(&mut code).unwrap();
        let laptop = Home::new();
        let join = [
            "join",
            code.trim(),
            "--server",
            &self.server.url,
            "--name",
            "laptop",
            "--wait",
            "0",
        ];
        let join = laptop.run(join);
        let number = join.stdout.lines().next().unwrap_or_default();
        // It may have seen through the server already.
        let _ = writeln!(link.stdin.take().unwrap(), "{number}");
        drop(stdout);
        self.home.finish(link.wait_with_output().unwrap())
    }

    fn has_one_credential(&self) {
        let arguments = [
            "--json",
            "credentials",
            "alice",
            "--server",
            &self.server.url,
        ];
        let list = self.home.run(arguments).succeeds().json();
        assert_eq!(list["credentials"].as_array().unwrap().len(), 1, "{list}");
    }
}

fn is_joined(request: &str, answer: &Value) -> bool {
    request.starts_with("GET /auth/zkp/link/offer ") && answer["state"] == "joined"
}

#[test]
fn a_server_that_puts_a_commitment_of_its_own_under_a_joining_proof_is_seen_through() {
    let thief = Home::new();
    thief.run(["keygen", "alice"]).succeeds();
    let theirs = commitment(&thief.credential("alice"));
    let scene = Scene::new(move |request, answer| {
        if is_joined(request, answer) {
            answer["commitment"] = json!(theirs);
        }
    });
    scene.link_and_type().fails(3, "has not proven it");
    scene.has_one_credential();
}

#[test]
fn a_server_that_joins_itself_is_given_away_by_the_number() {
    let thief = Arc::new(Home::new());
    thief.run(["keygen", "alice"]).succeeds();
    let nonce = Arc::new(Mutex::new(String::new()));
    let audience = Arc::new(Mutex::new(String::new()));
    let (thiefs, nonces, audiences) = (thief.clone(), nonce.clone(), audience.clone());
    // It knows the nonce of the offer, which is the last one that it gave before the offer, and proves with a
    // credential of its own.
    let last = Mutex::new(String::new());
    let scene = Scene::new(move |request, answer| {
        if request.starts_with("POST /auth/zkp/challenge ") {
            *last.lock().unwrap() = answer["nonce"].as_str().unwrap().to_owned();
        }
        if request.starts_with("POST /auth/zkp/link/offer ") {
            *nonces.lock().unwrap() = last.lock().unwrap().clone();
        }
        if is_joined(request, answer) {
            let (nonce, audience) = (nonces.lock().unwrap(), audiences.lock().unwrap());
            let prove = [
                "prove",
                "alice",
                "--joining",
                "--nonce",
                &nonce,
                "--audience",
                &audience,
            ];
            answer["proof"] = json!(thiefs.run(prove).succeeds().line());
            answer["commitment"] = json!(commitment(&thiefs.credential("alice")));
        }
    });
    *audience.lock().unwrap() = scene.server.url.clone();
    scene.link_and_type().fails(1, "nothing was linked");
    scene.has_one_credential();
}

#[test]
fn a_server_that_lists_another_commitment_under_an_id_has_nothing_unlinked() {
    let scene = Scene::new(|request, answer| {
        if request.starts_with("GET /auth/zkp/credentials ") {
            let first = answer["credentials"][0]["commitment"].clone();
            answer["credentials"][1]["commitment"] = first;
        }
    });
    let spare = scene.home.path("spare.json");
    let spare = spare.to_str().unwrap();
    scene
        .run(&["link", "alice", "--here", "spare", spare])
        .succeeds();
    let id = read_json(spare.as_ref()).unwrap()["credential_id"].clone();
    let id = id.as_str().unwrap();
    scene
        .run(&["unlink", "alice", "--id", id])
        .fails(3, "it lists what is no credential");
    // Both are there.
    for whose in [&["alice"][..], &["--credential", spare]] {
        let mut login = scene.home.command(["login", "--server", &scene.server.url]);
        login.args(whose);
        scene.home.run_command(login).succeeds();
    }
}

#[test]
fn names_that_would_write_to_the_terminal_are_not_shown() {
    let scene = Scene::new(|request, answer| {
        if request.starts_with("GET /auth/zkp/credentials ") {
            answer["credentials"][0]["name"] = json!("\u{1b}[2Jfirst");
        }
    });
    let run = scene.run(&["credentials", "alice"]);
    let run = run.fails(3, "it lists what is no credential");
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'));
}
