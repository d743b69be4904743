//! Whoever reads the log of `2fapi serve` may be gone or stand still: nothing else changes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    client::{CHALLENGE, VERIFY, get, post},
    process::{Process, serve},
};
use serde_json::json;

/// A server whose standard error is a pipe that this test reads or does not.
fn start(store: &Path) -> (Process, std::process::ChildStderr) {
    let mut child = serve(store, &["--rate-limit", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let base_url = announced(&mut child);
    (Process::of(child, base_url), stderr)
}

fn announced(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    line.trim()
        .strip_prefix("listening on ")
        .unwrap()
        .to_owned()
}

/// Attempts of nobody, each denied with a line in the log, on one connection.
fn attempts(server: &Process, count: usize) {
    let possession = crate::client::possession("a", &crate::client::credential());
    let challenge = post(
        &server.base_url,
        CHALLENGE,
        None,
        &json!({ "client_id": "a" }),
    );
    let body = json!({
        "challenge_id": challenge.body["challenge_id"], "proof": possession["proof"],
    })
    .to_string();
    let request = format!(
        "POST {VERIFY} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\n\r\n{body}",
        body.len()
    );
    let address = server.base_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for _ in 0..count {
            sender.write_all(request.as_bytes()).unwrap();
        }
        sender.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    sending.join().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 401 ").count(), count);
}

fn ends_when_told(mut server: Process) {
    let id = server.child.id().to_string();
    let begun = Instant::now();
    Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(server.child.wait().unwrap().success());
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_log_whose_reader_is_gone_turns_no_success_into_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let (server, stderr) = start(&store);
    drop(stderr);
    let (alice, _) = server.enrol("alice", &store);
    server.log_in(&alice);
    attempts(&server, 3);
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);
    ends_when_told(server);
}

#[test]
fn a_log_whose_reader_stands_still_holds_nothing_up_and_says_later_what_it_lost() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let (server, mut stderr) = start(&store);
    rustix::pipe::fcntl_setpipe_size(&stderr, 4096).unwrap();
    let (alice, _) = server.enrol("alice", &store);
    // More than the pipe and the queue hold.
    attempts(&server, 2300);
    server.log_in(&alice);
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);

    let mut log = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while !String::from_utf8_lossy(&log).contains("were dropped") {
        let read = stderr.read(&mut piece).unwrap();
        log.extend_from_slice(&piece[..read]);
        if log.len() > 100_000 {
            // The queue is short again: what comes now has room, and so has what was dropped.
            attempts(&server, 1);
        }
        assert!(
            log.len() < 1_000_000,
            "nothing says that lines were dropped"
        );
    }
    // It stands still once more, and the server is to end.
    attempts(&server, 2300);
    ends_when_told(server);
}
