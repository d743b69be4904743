//! The client's commands against a real server, and against servers that do not keep to the
//! protocol.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use support::{Home, Run, Server, mode, read_json};

#[test]
fn the_whole_way_from_a_credential_to_a_protected_resource() {
    let home = Home::new();
    let server = Server::start(&home);
    let url = server.url.as_str();
    home.run(["keygen", "alice"]).succeeds();

    let token = server.invite(&home, "alice");
    let token_file = home.path("token");
    fs::write(&token_file, format!("{token}\n")).unwrap();
    let token_file = token_file.to_str().unwrap();
    let enroll = [
        "--json",
        "enroll",
        "alice",
        "--server",
        url,
        "--token-file",
        token_file,
    ];
    let enrolled = home.run(enroll).succeeds().json();
    assert_eq!(
        enrolled,
        json!({ "client_id": "alice", "status": "active", "commitment_version": 1, "server": url })
    );
    let again = home.run(enroll).fails(1, "not accepted");
    assert_eq!(again.error_code(), "denied");

    let login = home.run(["login", "alice", "--server", url]).succeeds();
    let access_token = login.line().to_owned();
    assert_eq!(access_token.split('.').count(), 3);
    assert!(login.stderr.contains("logged in as alice"));

    let whoami = ["--json", "whoami", "--server", url, "--token-file", "-"];
    let me = home.run_with_stdin(whoami, &access_token).succeeds().json();
    assert_eq!(
        (&me["client_id"], &me["commitment_version"]),
        (&json!("alice"), &json!(1))
    );
    let mut command = home.command(["whoami", "--server", url]);
    command.env("TWOFAPI_ACCESS_TOKEN", &access_token);
    assert!(
        home.run_command(command)
            .succeeds()
            .stdout
            .starts_with("alice ")
    );
    let mut bad = access_token.clone();
    bad.insert(bad.len() / 2, 'x');
    home.run_with_stdin(whoami, &bad).fails(1, "2fapi login");
}

#[test]
fn an_enrolment_token_comes_from_wherever_it_is_safe() {
    let home = Home::new();
    let server = Server::start(&home);
    let url = server.url.as_str();
    for id in ["alice", "bob", "carol"] {
        home.run(["keygen", id]).succeeds();
    }
    home.run(["enroll", "alice", "--server", url])
        .fails(2, "2fapi invite CLIENT_ID");
    home.run([
        "enroll",
        "alice",
        "--server",
        url,
        "--token",
        "not two words",
    ])
    .fails(2, "one line of visible ASCII");
    home.run([
        "enroll",
        "alice",
        "--server",
        url,
        "--token-file",
        "/nowhere",
    ])
    .fails(2, "cannot read the enrolment token from /nowhere");
    let stdin = ["enroll", "alice", "--server", url, "--token", "-"];
    home.run_with_stdin(stdin, "").fails(2, "one line");
    home.run_with_stdin(stdin, "wrong").fails(1, "not accepted");

    let for_bob = server.invite(&home, "bob");
    home.run_with_stdin(stdin, &for_bob)
        .fails(1, "not accepted");
    home.run_with_stdin(stdin, &server.invite(&home, "alice"))
        .succeeds();

    let mut command = home.command(["enroll", "bob", "--server", url]);
    command.env("TWOFAPI_ENROLMENT_TOKEN", server.invite(&home, "bob"));
    home.run_command(command).succeeds();
    let token = server.invite(&home, "carol");
    home.run(["enroll", "carol", "--server", url, "--token", &token])
        .succeeds();
}

#[test]
fn a_client_that_is_enrolled_already_is_told_what_that_may_mean() {
    let home = Home::new();
    let server = Server::start(&home);
    server.enrolled(&home, "alice");
    let enroll = [
        "--json",
        "enroll",
        "alice",
        "--server",
        &server.url,
        "--token",
        "-",
    ];
    let run = server.operator(&home, ["invite", "alice"]);
    if run.code == 0 {
        let run = home
            .run_with_stdin(enroll, run.line())
            .fails(2, "try `2fapi login`");
        assert_eq!(run.error_code(), "already_enrolled");
    } else {
        assert!(run.stderr.contains("enrolled already"), "{run:?}");
    }
}

#[test]
fn a_client_that_is_unknown_suspended_or_has_another_secret_is_denied_alike() {
    let home = Home::new();
    let server = Server::start(&home);
    server.enrolled(&home, "alice");
    server.enrolled(&home, "bob");
    server
        .operator(&home, ["clients", "suspend", "bob"])
        .succeeds();
    home.run(["keygen", "nobody"]).succeeds();
    let stranger = home.path("stranger.json");
    let stranger = stranger.to_str().unwrap();
    home.run(["keygen", "alice", "--out", stranger]).succeeds();

    let mut answers = Vec::new();
    for whose in [&["bob"][..], &["nobody"], &["--credential", stranger]] {
        let mut command = home.command(["--json", "login", "--server", &server.url]);
        command.args(whose);
        let run = home.run_command(command);
        assert_eq!((run.code, run.error_code().as_str()), (1, "denied"));
        answers.push(run.stderr);
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    home.run(["login", "alice", "--server", &server.url])
        .succeeds();
}

#[test]
fn a_saved_session_is_private_and_shown_to_its_own_server_alone() {
    let home = Home::new();
    let server = Server::start(&home);
    server.enrolled(&home, "alice");
    home.run(["whoami", "alice"])
        .fails(2, "2fapi login alice --save");
    let login = [
        "--json",
        "login",
        "alice",
        "--server",
        &server.url,
        "--save",
    ];
    let saved = home.run(login).succeeds();
    assert!(saved.json()["access_token"].is_null());
    let path = home.path("data/2fapi/sessions/alice.json");
    assert_eq!(saved.json()["session"], path.display().to_string());
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let token = read_json(&path).unwrap()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!saved.stdout.contains(&token) && !saved.stderr.contains(&token));

    home.run(["whoami", "alice"]).succeeds();
    home.run(["whoami", "alice", "--server", &server.url])
        .succeeds();
    home.run(["whoami", "alice", "--server", "http://127.0.0.1:9"])
        .fails(2, "its token is not shown to");
    fs::copy(&path, home.path("data/2fapi/sessions/bob.json")).unwrap();
    home.run(["whoami", "bob"])
        .fails(2, "is not a session of bob");
    fs::write(&path, "{").unwrap();
    home.run(["whoami", "alice"])
        .fails(2, "is not a session of alice");
    home.run(login).succeeds();
    home.run(["whoami", "alice"]).succeeds();
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let run = home.run(["--json", "login", "alice", "--server", &url]);
    assert_eq!((run.code, run.error_code().as_str()), (3, "unavailable"));
    home.run(["login", "alice"]).fails(2, "--server <URL>");
    home.run(["login", "alice", "--server", "nonsense"])
        .fails(2, "must begin with https://");
}

#[test]
fn plain_http_goes_to_loopback_only_unless_it_is_asked_for() {
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    // An address for documentation (RFC 5737): nothing is sent there by this test.
    for command in ["login", "rotate"] {
        let run = home.run(["--json", command, "alice", "--server", "http://192.0.2.1"]);
        assert_eq!((run.code, run.error_code().as_str()), (2, "insecure_http"));
    }
    home.run([
        "enroll",
        "alice",
        "--server",
        "http://192.0.2.1",
        "--token",
        "x",
    ])
    .fails(2, "plain http");
    let mut command = home.command(["whoami", "--server", "http://192.0.2.1"]);
    command.env("TWOFAPI_ACCESS_TOKEN", "x");
    home.run_command(command).fails(2, "plain http");
    assert_eq!(
        fs::read_dir(home.credential("alice").parent().unwrap())
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn another_audience_than_the_url_is_proven_to_only_when_the_user_names_it() {
    let home = Home::new();
    let server = Server::start(&home);
    server.enrolled(&home, "alice");
    let by_name = server.url.replace("127.0.0.1", "localhost");
    let run = home.run(["--json", "login", "alice", "--server", &by_name]);
    assert_eq!(
        (run.code, run.error_code().as_str()),
        (2, "audience_mismatch")
    );
    assert!(
        run.stderr.contains(&format!("--server {}", server.url)),
        "{run:?}"
    );
    home.run([
        "login",
        "alice",
        "--server",
        &by_name,
        "--audience",
        &server.url,
    ])
    .succeeds();
    home.run([
        "login",
        "alice",
        "--server",
        &server.url,
        "--audience",
        "https://other.example",
    ])
    .fails(2, "Nothing was proven");
}

/// A server that gives these answers in turn, whatever it is asked, and reports each request.
struct Rogue {
    url: String,
    requests: mpsc::Receiver<String>,
}

impl Rogue {
    fn answering(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                let _ = sender.send(request(&mut stream));
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, requests }
    }

    fn login(&self, home: &Home) -> Run {
        home.run(["--json", "login", "alice", "--server", &self.url])
    }
}

/// Reads one request: head and body.
fn request(stream: &mut TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        match stream.read(&mut chunk) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn challenge(audience: &str) -> Value {
    json!({
        "challenge_id": "ch-7fffffff0011223344556677.alice",
        "nonce": "00112233445566778899aabbccddeeff",
        "expires_at": 2_147_483_647,
        "channel_binding": hex::encode(format!("aud:{audience}")),
    })
}

fn home_with_alice() -> Home {
    let home = Home::new();
    home.run(["keygen", "alice"]).succeeds();
    home
}

#[test]
fn a_rogue_server_that_hands_on_the_challenge_of_another_gets_no_proof() {
    let home = home_with_alice();
    let passed_on = answer("200 OK", "", &challenge("https://bank.example").to_string());
    let rogue = Rogue::answering(vec![passed_on, answer("200 OK", "", "{}")]);
    let run = rogue.login(&home);
    assert_eq!(
        (run.code, run.error_code().as_str()),
        (2, "audience_mismatch")
    );
    assert!(
        rogue
            .requests
            .recv()
            .unwrap()
            .starts_with("POST /auth/zkp/challenge ")
    );
    let more = rogue.requests.recv_timeout(Duration::from_millis(200));
    assert!(more.is_err(), "something was sent: {more:?}");
}

#[test]
fn a_challenge_that_is_not_one_for_this_client_and_server_gets_no_proof() {
    let home = home_with_alice();
    let changes: [(&str, Value); 13] = [
        ("challenge_id", json!("ch-7fffffff0011223344556677.bob")),
        (
            "challenge_id",
            json!("ch-7fffffff0011223344556677.alice.alice"),
        ),
        ("challenge_id", json!("ch-7fffffff0011223344556677")),
        ("challenge_id", json!(".alice")),
        (
            "challenge_id",
            json!(format!("{}.alice", "x".repeat(10_000))),
        ),
        ("challenge_id", json!(7)),
        ("nonce", json!("00112233")),
        ("nonce", json!("")),
        ("nonce", json!("00".repeat(65))),
        ("nonce", json!("zz112233445566778899aabbccddeeff")),
        ("channel_binding", json!("")),
        ("channel_binding", json!(hex::encode("enrollment"))),
        ("channel_binding", json!(hex::encode("rotation:"))),
    ];
    for (field, value) in changes {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut body = challenge(&url);
        body[field] = value.clone();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = sender.send(request(&mut stream));
                let _ = stream.write_all(answer("200 OK", "", &body.to_string()).as_bytes());
            }
        });
        let run = home.run(["--json", "login", "alice", "--server", &url]);
        let expected = if field == "channel_binding" { 2 } else { 3 };
        assert_eq!(run.code, expected, "{field} {value} {run:?}");
        run.error_code();
        requests.recv().unwrap();
        assert!(
            requests.try_recv().is_err(),
            "{field} {value}: something was sent"
        );
    }
}

#[test]
fn an_answer_that_is_none_of_ours_is_unavailable_and_said_so() {
    let home = home_with_alice();
    let endless = "x".repeat(1 << 20);
    for (what, answer, code, text) in [
        (
            "not HTTP",
            "SSH-2.0-OpenSSH\r\n".to_owned(),
            3,
            "no answer from",
        ),
        ("nothing", String::new(), 3, "no answer from"),
        (
            "a page",
            answer("200 OK", "", "<html>"),
            3,
            "did not answer as a 2FApi server",
        ),
        (
            "half",
            "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_owned(),
            3,
            "no answer from",
        ),
        (
            "too long",
            answer("200 OK", "", &endless),
            3,
            "longer than 65536 bytes",
        ),
        (
            "long head",
            format!("HTTP/1.1 200 OK\r\nX: {endless}\r\n\r\n"),
            3,
            "http://127.0.0.1",
        ),
        (
            "404",
            answer("404 Not Found", "", "<html>"),
            3,
            "somewhere else",
        ),
        ("500", answer("500 Oops", "", ""), 3, "500"),
        (
            "elsewhere",
            answer("307 Go", "Location: https://evil.example/x\r\n", ""),
            3,
            "redirects to https://evil.example/x, which is not followed",
        ),
        (
            "throttled",
            answer("429 Slow", "Retry-After: 7\r\n", "{\"code\":\"throttled\"}"),
            3,
            "try again in 7 s",
        ),
        (
            "a problem of the input",
            answer(
                "400 Bad",
                "",
                "{\"code\":\"invalid_length\",\"detail\":\"proof must be\"}",
            ),
            2,
            "proof must be",
        ),
        ("403", answer("403 No", "", ""), 1, "403"),
    ] {
        let run = Rogue::answering(vec![answer]).login(&home);
        assert_eq!(run.code, code, "{what}: {run:?}");
        assert!(run.stderr.contains(text), "{what}: {run:?}");
    }
}

#[test]
fn what_a_server_says_cannot_steer_the_terminal() {
    let home = home_with_alice();
    let problem =
        json!({ "code": "x\u{1b}[2J", "detail": "\u{1b}]0;owned\u{7}\r\n\u{9b}31mhello" });
    let rogue = Rogue::answering(vec![answer("400 Bad", "", &problem.to_string())]);
    let run = home
        .run(["login", "alice", "--server", &rogue.url])
        .fails(2, "hello");
    assert!(
        !run.stderr.trim_end().chars().any(char::is_control),
        "{run:?}"
    );
}

#[test]
fn a_token_that_is_none_is_not_handed_on() {
    let home = home_with_alice();
    let good = json!({
        "access_token": "a.b.c", "token_type": "Bearer", "expires_in": 900, "client_id": "alice",
    });
    let changes = [
        ("access_token", json!("")),
        ("access_token", json!("two\nlines")),
        ("access_token", json!("$(rm -rf /) \u{1b}")),
        ("token_type", json!("mac")),
        ("client_id", json!("bob")),
        ("expires_in", json!("soon")),
    ];
    for change in [None].into_iter().chain(changes.map(Some)) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut body = good.clone();
        if let Some((field, value)) = &change {
            body[field] = value.clone();
        }
        let answers = [challenge(&url).to_string(), body.to_string()];
        thread::spawn(move || {
            for body in answers {
                let (mut stream, _) = listener.accept().unwrap();
                request(&mut stream);
                let _ = stream.write_all(answer("200 OK", "", &body).as_bytes());
            }
        });
        let run = home.run(["login", "alice", "--server", &url]);
        match change {
            None => assert_eq!(run.succeeds().line(), "a.b.c"),
            Some(_) => {
                assert_eq!(
                    (run.code, run.stdout.as_str()),
                    (3, ""),
                    "{change:?}: {run:?}"
                );
            }
        }
    }
}
