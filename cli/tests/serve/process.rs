//! `2fapi serve` as a process: how it starts, who may talk to it, how it ends.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use twofapi_crypto_core::{Audience, AuthenticationBinding, ClientId};

use crate::client::{
    Answer, CHALLENGE, Client, ENROLL, VERIFY, WHOAMI, credential, get, possession, post, proven,
    raw,
};

pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) base_url: String,
    log: Option<thread::JoinHandle<String>>,
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_2fapi"));
    command.args(args).stdin(Stdio::null()).env_clear();
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub(crate) fn serve(store: &Path, args: &[&str]) -> Command {
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--store"]);
    serve.arg(store).args(args);
    serve
}

impl Process {
    pub(crate) fn start(store: &Path, args: &[&str]) -> Self {
        Self::spawn(serve(store, args))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let base_url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let mut process = Self {
            child,
            base_url: base_url.clone().unwrap_or_default(),
            log: Some(log),
        };
        assert!(base_url.is_some(), "{}", process.stop());
        process
    }

    /// A server that was started in another way.
    pub(crate) fn of(child: Child, base_url: String) -> Self {
        Self {
            child,
            base_url,
            log: None,
        }
    }

    /// Asks the server to end, and returns its log.
    pub(crate) fn stop(&mut self) -> String {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.child.wait();
        self.log
            .take()
            .map_or_else(String::new, |log| log.join().unwrap())
    }

    pub(crate) fn binding(&self) -> AuthenticationBinding {
        AuthenticationBinding::for_audience(&Audience::parse(&self.base_url).unwrap())
    }

    pub(crate) fn enrol(&self, client_id: &str, store: &Path) -> (Client, String) {
        let token = invite(client_id, store);
        let credential = credential();
        let body = possession(client_id, &credential);
        let answer = post(&self.base_url, ENROLL, Some(&token), &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = ClientId::parse(client_id).unwrap();
        (Client { id, credential }, token)
    }

    pub(crate) fn log_in(&self, client: &Client) -> (Value, String) {
        let body = json!({ "client_id": client.id.as_str() });
        let challenge = post(&self.base_url, CHALLENGE, None, &body);
        let body = proven(client, &challenge, &self.binding());
        let answer = post(&self.base_url, VERIFY, None, &body);
        (body, answer.text("access_token").to_owned())
    }
}

/// What a server says that is to end by itself.
#[track_caller]
pub(crate) fn refusal(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let patience = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > patience {
            child.kill().unwrap();
            panic!("it serves: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn invite(client_id: &str, store: &Path) -> String {
    let output = run(&[
        "--json",
        "invite",
        client_id,
        "--store",
        store.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_store_and_the_socket_of_the_operator_are_the_servers_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("new/2fapi.redb");
    let mut server = Process::start(&store, &[]);
    assert_eq!(mode(&store), 0o600);
    assert_eq!(mode(store.parent().unwrap()), 0o700);
    let socket = directory.path().join("new/2fapi.redb.admin");
    assert_eq!(mode(&socket), 0o600);
    server.stop();
    assert!(!socket.exists());
}

#[test]
fn a_second_server_on_one_store_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let server = Process::start(&store, &[]);
    let second = refusal(serve(&store, &[]));
    assert_eq!(second.status.code(), Some(3));
    assert!(
        stderr(&second).contains("another process has it open"),
        "{}",
        stderr(&second)
    );
    // It has not taken the first one's socket away.
    invite("alice", &store);
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);
}

#[test]
fn a_store_that_others_may_read_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    Process::start(&store, &[]).stop();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = refusal(serve(&store, &[]));
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        stderr(&refused).contains("chmod 600"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn a_file_that_is_no_store_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("letter.txt");
    fs::write(&store, "dear diary".repeat(1000)).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = refusal(serve(&store, &[]));
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(
        fs::read_to_string(&store).unwrap(),
        "dear diary".repeat(1000)
    );
}

#[test]
fn plain_http_is_not_offered_to_the_world() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    for address in ["0.0.0.0:0", "[::]:0"] {
        let mut serve = command(&["serve", "--listen", address, "--store"]);
        serve.arg(&store);
        let refused = refusal(serve);
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            stderr(&refused).contains("--behind-tls-proxy"),
            "{}",
            stderr(&refused)
        );
        assert!(!store.exists());
    }
    let mut serve = command(&["serve", "--listen", "0.0.0.0:0", "--behind-tls-proxy"]);
    serve.args(["--audience", "https://auth.example.com", "--store"]);
    serve.arg(&store);
    Process::spawn(serve);
}

#[test]
fn settings_come_from_the_environment_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let mut serve = command(&["serve"]);
    serve
        .env("TWOFAPI_STORE", &store)
        .env("TWOFAPI_LISTEN", "127.0.0.1:0")
        .env("TWOFAPI_AUDIENCE", "https://auth.example.com");
    let server = Process::spawn(serve);
    let challenge = post(
        &server.base_url,
        CHALLENGE,
        None,
        &json!({ "client_id": "a" }),
    );
    let binding = hex::decode(challenge.text("channel_binding")).unwrap();
    assert_eq!(binding, b"aud:https://auth.example.com");
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_right_ones() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    for (args, says) in [
        (["--challenge-ttl", "0"], "1 to 900"),
        (["--challenge-ttl", "901"], "1 to 900"),
        (["--token-ttl", "0"], "1..="),
        (["--audience", "not an origin"], "an origin is such as"),
        (["--rate-burst", "0"], "rate-burst"),
        (["--listen", "localhost"], "localhost:PORT"),
    ] {
        let mut serve = command(&["serve", "--store"]);
        serve.arg(&store).args(args);
        let output = refusal(serve);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(says),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn what_no_route_answers_is_a_problem() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("2fapi.redb"), &[]);
    for path in [
        "/",
        "/auth/zkp/verify/",
        "/auth/zkp/%76erify",
        "/auth/zkp/../zkp/verify",
    ] {
        let answer = raw(
            &server.base_url,
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(
            answer.contains("application/problem+json"),
            "{path}: {answer}"
        );
        assert!(answer.contains("/auth/zkp/enroll"), "{path}: {answer}");
        assert!(
            answer.contains("cache-control: no-store\r\n"),
            "{path}: {answer}"
        );
    }
}

#[test]
fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("2fapi.redb"), &[]);
    let long_header = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let many_headers = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(200)
    );
    for bytes in [
        &b"\0\0\0\0"[..],
        b"\x16\x03\x01\x02\0\x01\0",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /auth/zkp/verify HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /auth/zkp/verify HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long_header.as_bytes(),
        many_headers.as_bytes(),
    ] {
        let answer = raw(&server.base_url, bytes);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(
        &directory.path().join("2fapi.redb"),
        &["--max-connections", "2"],
    );
    let address = server.base_url.strip_prefix("http://").unwrap();
    let begun = Instant::now();
    let mut silent = TcpStream::connect(address).unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"POST /auth/zkp/verify HTTP/1.1\r\nhost: x\r\n")
        .unwrap();
    // Both places are taken; whoever comes now waits until one is given up.
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);
    for stream in [&mut silent, &mut slow] {
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    println!("closed after {:?}", begun.elapsed());
}

#[test]
fn a_body_that_never_ends_is_waited_for_no_longer_than_the_operator_says() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let server = Process::start(&store, &["--request-timeout", "1"]);
    let answer = raw(
        &server.base_url,
        format!(
            "POST {CHALLENGE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: 100\r\n\r\n{{"
        )
        .as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
}

#[test]
fn proofs_tokens_and_nonces_are_not_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    for format in [&[][..], &["--json-logs"]] {
        let mut serve = serve(&store, format);
        serve.env("TWOFAPI_LOG", "trace");
        let mut server = Process::spawn(serve);
        let client_id = format!("alice-{}", format.len());
        let (alice, enrolment_token) = server.enrol(&client_id, &store);
        let (proven, access_token) = server.log_in(&alice);
        assert_eq!(
            get(&server.base_url, WHOAMI, Some(&access_token)).status,
            200
        );
        post(&server.base_url, VERIFY, None, &proven);
        let log = server.stop();
        assert!(
            log.contains("authenticated") && log.contains(&client_id),
            "{log}"
        );
        if !format.is_empty() {
            let line = log.lines().next().unwrap();
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
        }
        for secret in [
            enrolment_token.as_str(),
            access_token.rsplit('.').next().unwrap(),
            proven["proof"].as_str().unwrap(),
            &hex::encode(alice.credential.secret_bytes().as_ref()),
        ] {
            assert!(
                !secret.is_empty() && !log.contains(secret),
                "a secret is logged:\n{log}"
            );
        }
    }
}

#[test]
fn tokens_outlive_an_orderly_end_and_challenges_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let audience = ["--audience", "https://auth.example.com"];
    let binding = AuthenticationBinding::for_audience(&audience[1].parse().unwrap());
    let mut server = Process::start(&store, &audience);
    let (alice, _) = server.enrol("alice", &store);
    let challenge = |server: &Process| {
        post(
            &server.base_url,
            CHALLENGE,
            None,
            &json!({ "client_id": "alice" }),
        )
    };
    let verify = |server: &Process, challenge: &Answer| {
        post(
            &server.base_url,
            VERIFY,
            None,
            &proven(&alice, challenge, &binding),
        )
    };
    let answer = verify(&server, &challenge(&server));
    let token = answer.text("access_token");
    let before = challenge(&server);
    server.stop();

    let server = Process::start(&store, &audience);
    assert_eq!(get(&server.base_url, WHOAMI, Some(token)).status, 200);
    assert_eq!(verify(&server, &before).problem(), (401, "denied"));
    assert_eq!(verify(&server, &challenge(&server)).status, 200);
}

#[test]
fn a_server_that_is_told_to_end_finishes_what_it_has_begun() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start(&directory.path().join("2fapi.redb"), &[]);
    let address = server.base_url.strip_prefix("http://").unwrap();
    let mut begun = TcpStream::connect(address).unwrap();
    let body = r#"{"client_id":"alice"}"#;
    let head = format!(
        "POST {CHALLENGE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    begun.write_all(head.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    let id = server.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    thread::sleep(Duration::from_millis(300));
    assert!(
        TcpStream::connect(address).is_err(),
        "it still takes connections"
    );
    begun.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    begun.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn an_operator_acts_on_a_running_server_and_without_one_alike() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let path = store.to_str().unwrap();
    let clients = |action: &[&str]| {
        let args = [&["--json", "clients"], action, &["--store", path]].concat();
        run(&args)
    };
    let status = |output: &Output| {
        let client: Value = serde_json::from_slice(&output.stdout).unwrap();
        client["status"].as_str().unwrap().to_owned()
    };
    let missing = clients(&["list"]);
    assert_eq!(missing.status.code(), Some(3), "{}", stderr(&missing));
    assert!(!store.exists(), "looking has made a store");

    // Before the first server.
    let token = invite("alice", &store);
    let mut server = Process::start(&store, &[]);
    let body = possession("alice", &credential());
    assert_eq!(
        post(&server.base_url, ENROLL, Some(&token), &body).status,
        201
    );
    server.enrol("bob", &store);
    for running in [true, false] {
        if !running {
            server.stop();
        }
        let list = clients(&["list"]);
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        let ids: Vec<_> = list["clients"]
            .as_array()
            .unwrap()
            .iter()
            .map(|client| client["client_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["alice", "bob"]);
        assert_eq!(status(&clients(&["show", "alice"])), "active");
        assert_eq!(status(&clients(&["suspend", "alice"])), "suspended");
        assert_eq!(status(&clients(&["resume", "alice"])), "active");
        let nobody = clients(&["show", "nobody"]);
        assert_eq!(nobody.status.code(), Some(2));
        assert!(
            stderr(&nobody).contains("not_enrolled"),
            "{}",
            stderr(&nobody)
        );
        let taken = run(&["--json", "invite", "bob", "--store", path]);
        assert_eq!(taken.status.code(), Some(2));
        assert!(
            stderr(&taken).contains("already_enrolled"),
            "{}",
            stderr(&taken)
        );
    }
    assert_eq!(status(&clients(&["revoke", "bob"])), "revoked");
    let resumed = clients(&["resume", "bob"]);
    assert_eq!(resumed.status.code(), Some(2));
    assert!(
        stderr(&resumed).contains("not_active"),
        "{}",
        stderr(&resumed)
    );
}
