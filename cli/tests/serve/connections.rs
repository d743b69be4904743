//! Connections of `2fapi serve`: every request is answered whatever surrounds it, nobody holds a place
//! for ever, and the end is prompt.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    client::{CHALLENGE, get, post},
    process::{Process, serve},
};

const BODY: &str = r#"{"client_id":"alice"}"#;
const FIELDS: &str = "Host: x\r\nContent-Type: application/json\r\n";

fn start(args: &[&str]) -> (Process, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("2fapi.redb"), args);
    (server, directory)
}

fn connect(server: &Process) -> TcpStream {
    let address = server.base_url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// What comes back, up to the end of one answer's head and all that came with it.
fn first_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Everything until the server closes the connection.
fn everything(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn signal(server: &Process, name: &str) {
    let id = server.child.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status().unwrap();
    assert!(sent.success());
}

/// How long the process takes to end, and with what code.
fn end(server: &mut Process) -> (Duration, Option<i32>) {
    let begun = Instant::now();
    let status = server.child.wait().unwrap();
    (begun.elapsed(), status.code())
}

#[test]
fn a_request_is_answered_at_once_whatever_follows_it() {
    let (server, _directory) = start(&[]);
    let post = |path: &str, length: usize, rest: &str| {
        format!("POST {path} HTTP/1.1\r\n{FIELDS}Content-Length: {length}\r\n\r\n{rest}")
    };
    let challenge = |rest: &str| post(CHALLENGE, BODY.len(), &format!("{BODY}{rest}"));
    let chunked = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    let large = "x".repeat(200_000);
    for (request, status) in [
        (challenge(""), "200"),
        (challenge("\r\n"), "200"),
        (challenge("\n"), "200"),
        (challenge("}"), "200"),
        (challenge("GET /hea"), "200"),
        (
            challenge("").replace("\r\nHost", "\r\nConnection: close\r\nHost") + "\r\n",
            "200",
        ),
        (challenge("\r\n").replace("HTTP/1.1", "HTTP/1.0"), "200"),
        (
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\r\n".to_owned(),
            "200",
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            "200",
        ),
        (post("/nope", BODY.len(), BODY), "404"),
        (
            format!("POST /nope HTTP/1.1\r\n{FIELDS}Transfer-Encoding: chunked\r\n\r\n{chunked}"),
            "404",
        ),
        (
            post(CHALLENGE, BODY.len(), BODY).replace("POST", "PUT"),
            "405",
        ),
        (
            post(CHALLENGE, large.len(), &large).replace("POST", "PUT"),
            "405",
        ),
        (post(CHALLENGE, large.len(), &large), "413"),
    ] {
        let mut stream = connect(&server);
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = first_answer(&mut stream);
        let took = begun.elapsed();
        let shown = &request[..request.len().min(300)];
        assert!(
            answer.get(8..12) == Some(&format!(" {status}")),
            "{shown}\n{answer}"
        );
        assert!(took < Duration::from_secs(5), "{took:?}: {shown}");
    }
}

#[test]
fn who_has_nothing_more_to_say_still_gets_the_answer() {
    let (server, _directory) = start(&[]);
    for _ in 0..20 {
        let mut stream = connect(&server);
        let request = format!(
            "POST {CHALLENGE} HTTP/1.1\r\n{FIELDS}Content-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = everything(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (server, _directory) = start(&[]);
    let mut stream = connect(&server);
    let health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let challenge = format!(
        "POST {CHALLENGE} HTTP/1.1\r\n{FIELDS}Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let last = "GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let requests = format!("{health}{challenge}{health}{last}");
    stream.write_all(requests.as_bytes()).unwrap();
    let answers = everything(&mut stream);
    let statuses: Vec<_> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answers[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "200", "200", "404"], "{answers}");
}

#[test]
fn what_is_no_request_is_told_so_before_its_connection_ends() {
    let (server, _directory) = start(&[]);
    let fields = |count: usize| -> String { (0..count).map(|n| format!("X-{n}: y\r\n")).collect() };
    let get = |rest: &str| format!("GET /healthz HTTP/1.1\r\n{rest}\r\n");
    let post = |framing: &str, body: &str| {
        format!("POST {CHALLENGE} HTTP/1.1\r\n{FIELDS}{framing}\r\n\r\n{body}")
    };
    let chunked = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    let begun = Instant::now();
    for (request, status) in [
        (get(""), 400),
        (get("Host: a\r\nHost: b\r\n"), 400),
        (get("Host: a\r\nHost: a\r\n"), 400),
        (get("Host: a b/../@\r\n"), 400),
        (get("Host: x\r\nX-A : a\r\n"), 400),
        (get("Host: x\r\nX-A: a\0b\r\n"), 400),
        (get("Host: x\r\nX-A: a\r\n b\r\n"), 400),
        (get(&format!("Host: x\r\n{}", fields(64))), 431),
        (get(&format!("Host: x\r\n{}", fields(1000))), 431),
        (
            get(&format!("Host: x\r\nX: {}\r\n", "a".repeat(33_000))),
            431,
        ),
        (
            get(&format!("Host: x\r\nX: {}\r\n", "a".repeat(1_000_000))),
            431,
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(40_000)),
            431,
        ),
        (post("Content-Length: -1", BODY), 400),
        (post("Content-Length: +21", BODY), 400),
        (post("Content-Length: 0x15", BODY), 400),
        (post("Content-Length: 2 1", BODY), 400),
        (post("Content-Length: ", BODY), 400),
        (post("Content-Length: 99999999999999999999", BODY), 400),
        (post("Content-Length: 21\r\nContent-Length: 5", BODY), 400),
        (post("Transfer-Encoding: gzip, chunked", &chunked), 400),
        (post("Transfer-Encoding: chunked, identity", &chunked), 400),
        (post("Transfer-Encoding: xchunked", &chunked), 400),
        (
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                &chunked,
            ),
            400,
        ),
        (
            post("Transfer-Encoding: chunked", &chunked).replace("HTTP/1.1", "HTTP/1.0"),
            400,
        ),
        (post("Transfer-Encoding: chunked", "0x15\r\n"), 400),
        ("GET /healthz\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        ("\x16\x03\x01\x02\0\x01\0".to_owned(), 400),
    ] {
        let mut stream = connect(&server);
        // A server that has heard enough may stop reading before all is sent.
        let _ = stream.write_all(request.as_bytes());
        let answer = everything(&mut stream);
        let shown = &request[..request.len().min(200)];
        println!("{:?} {shown:?}", begun.elapsed());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown:?}\n{answer}"
        );
        assert_eq!(
            answer.matches(&format!("HTTP/1.1 {status} ")).count(),
            1,
            "{shown:?}\n{answer}"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    // Half a head, and then nothing more.
    let mut stream = connect(&server);
    stream.write_all(b"GET /healthz HTT").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = everything(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(
        crate::client::get(&server.base_url, "/healthz", None).status,
        200
    );
}

#[test]
fn what_another_server_may_read_otherwise_is_the_last_of_its_connection() {
    let (server, _directory) = start(&[]);
    let chunked = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (framing, body) in [
        (
            format!(
                "Content-Length: {}\r\nTransfer-Encoding: chunked",
                chunked.len() + 36
            ),
            &chunked,
        ),
        (
            format!(
                "Transfer-Encoding: chunked\r\nContent-Length: {}",
                chunked.len() + 36
            ),
            &chunked,
        ),
        ("Transfer-Encoding: gzip, chunked".to_owned(), &chunked),
    ] {
        let mut stream = connect(&server);
        let request =
            format!("POST {CHALLENGE} HTTP/1.1\r\n{FIELDS}{framing}\r\n\r\n{body}{smuggled}");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = everything(&mut stream);
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{framing}: {answer}"
        );
        assert!(
            answer.contains("connection: close\r\n"),
            "{framing}: {answer}"
        );
    }
}

#[test]
fn an_idle_connection_is_kept_for_as_long_as_the_operator_says() {
    let idle = |args: &[&str], pause: u64| {
        let (server, _directory) = start(args);
        let mut stream = connect(&server);
        for _ in 0..2 {
            stream
                .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            let answer = first_answer(&mut stream);
            if !answer.starts_with("HTTP/1.1 200 ") {
                return false;
            }
            thread::sleep(Duration::from_secs(pause));
        }
        true
    };
    // The default is longer than proxies keep theirs, and than a head may take.
    let default = thread::spawn(move || idle(&[], 12));
    assert!(!idle(&["--idle-timeout", "1"], 3));
    assert!(idle(&["--idle-timeout", "30"], 1));
    assert!(default.join().unwrap());
}

#[test]
fn a_head_that_never_ends_is_told_so_and_ends() {
    let (server, _directory) = start(&[]);
    let mut stream = connect(&server);
    let begun = Instant::now();
    let mut slow = stream.try_clone().unwrap();
    thread::spawn(move || {
        // A byte now and then buys no time.
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaa" {
            if slow.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(400));
        }
    });
    let answer = everything(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    let took = begun.elapsed();
    assert!((9..25).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn health_is_answered_when_every_place_is_taken() {
    let (server, _directory) = start(&["--max-connections", "2"]);
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(&server);
            stream
                .write_all(b"POST /auth/zkp/verify HTTP/1.1\r\n")
                .unwrap();
            stream
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    // And however many come that say nothing.
    let silent: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    for path in ["/healthz", "/livez"] {
        assert_eq!(get(&server.base_url, path, None).status, 200);
    }
    let refused = post(
        &server.base_url,
        CHALLENGE,
        None,
        &json!({ "client_id": "a" }),
    );
    assert!([429, 503].contains(&refused.problem().0), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("cache-control"), "no-store");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    drop((held, silent));
    thread::sleep(Duration::from_millis(500));
    let answer = post(
        &server.base_url,
        CHALLENGE,
        None,
        &json!({ "client_id": "a" }),
    );
    assert_eq!(answer.status, 200, "places are not given back: {answer:?}");
}

#[test]
fn one_source_cannot_take_the_places_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = serve(&directory.path().join("2fapi.redb"), &[]);
    command.args([
        "--behind-tls-proxy",
        "--audience",
        "https://auth.example.com",
    ]);
    command.args([
        "--max-connections",
        "8",
        "--max-connections-per-source",
        "3",
    ]);
    command.env("TWOFAPI_LISTEN", "");
    let listen = |address: &str| {
        let mut command = Command::new(command.get_program());
        command
            .env_clear()
            .args(["serve", "--listen", address, "--store"]);
        command.arg(directory.path().join("2fapi.redb"));
        command.args([
            "--behind-tls-proxy",
            "--audience",
            "https://auth.example.com",
        ]);
        command.args([
            "--max-connections",
            "8",
            "--max-connections-per-source",
            "3",
        ]);
        command
    };
    let server = Process::spawn(listen("[::]:0"));
    let port = server.base_url.rsplit_once(':').unwrap().1.to_owned();
    let connect = |host: &str| {
        let stream = TcpStream::connect(format!("{host}:{port}")).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    };
    let _held: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = connect("127.0.0.1");
            stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
            stream
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    let whoami = b"GET /auth/zkp/whoami HTTP/1.1\r\nHost: x\r\n\r\n";
    for (host, status) in [("127.0.0.1", "429"), ("[::1]", "401")] {
        let mut stream = connect(host);
        stream.write_all(whoami).unwrap();
        let answer = first_answer(&mut stream);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{host}: {answer}"
        );
    }
}

#[test]
fn half_a_head_does_not_hold_up_the_end() {
    let (mut server, _directory) = start(&[]);
    let mut half = connect(&server);
    half.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
    let mut idle = connect(&server);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    first_answer(&mut idle);
    let _silent = connect(&server);
    thread::sleep(Duration::from_millis(200));
    signal(&server, "-TERM");
    let (took, code) = end(&mut server);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(code, Some(0));
}

#[test]
fn being_told_twice_to_end_ends_at_once() {
    for (first, second) in [("-INT", "-INT"), ("-TERM", "-TERM"), ("-TERM", "-INT")] {
        let (mut server, _directory) = start(&[]);
        let mut begun = connect(&server);
        let head = format!("POST {CHALLENGE} HTTP/1.1\r\n{FIELDS}Content-Length: 21\r\n\r\n{{");
        begun.write_all(head.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(200));
        signal(&server, first);
        thread::sleep(Duration::from_millis(500));
        assert!(
            server.child.try_wait().unwrap().is_none(),
            "it waits for nobody"
        );
        signal(&server, second);
        let (took, code) = end(&mut server);
        assert!(took < Duration::from_secs(4), "{took:?}");
        assert_eq!(code, Some(130));
        let mut rest = [0; 1];
        let closed = begun.read(&mut rest);
        assert!(
            matches!(closed, Ok(0)) || closed.is_err_and(|e| e.kind() != ErrorKind::WouldBlock)
        );
    }
}
