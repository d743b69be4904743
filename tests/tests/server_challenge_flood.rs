//! Whoever asks for challenges costs the server nothing that lasts, and shuts nobody out.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use twofapi_tests::{Api, Server, ServerOptions, memory_kib};

const CONNECTIONS: usize = 4;
const PIPELINED: usize = 64;
/// What a server may grow by beside its work: buffers of connections, arenas of the allocator.
const SLACK_KIB: u64 = 8 * 1024;

/// How many challenges are asked for over HTTP: `make soak` asks for ten million.
fn flood_size() -> usize {
    std::env::var("TWOFAPI_FLOOD")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200_000)
}

#[test]
fn a_flood_of_challenges_for_one_client_leaves_memory_flat_and_the_client_able_to_log_in() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(
        &directory.path().join("2fapi.redb"),
        &ServerOptions::default(),
    );
    let api = Api::new(server.base_url());
    let (alice, answer) = api.enrol("alice", &server.invite("alice")).unwrap();
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    // Asked for before the flood, and still good after it.
    let early = api.challenge(&alice.client_id).unwrap();

    let count = flood_size();
    flood(server.base_url(), count / 10);
    let before = memory_kib(server.pid());
    flood(server.base_url(), count);
    let after = memory_kib(server.pid());
    println!("{count} challenges: {before} KiB before, {after} KiB after");
    assert!(
        after < before + SLACK_KIB,
        "memory grew from {before} to {after} KiB"
    );

    assert_eq!(api.log_in(&alice).unwrap().status, 200);
    if count <= 200_000 {
        let proven = api.proven(&alice, &early);
        let answer = api.post("/auth/zkp/verify", None, &proven).unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
}

/// Asks for `count` challenges over a few connections, pipelined, and reads every answer.
fn flood(base_url: &str, count: usize) {
    let address = base_url.strip_prefix("http://").unwrap();
    let body = r#"{"client_id":"alice"}"#;
    let request = format!(
        "POST /auth/zkp/challenge HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let batch = request.repeat(PIPELINED);
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(address).unwrap();
                let mut buffer = vec![0; 1 << 16];
                let mut kept = 0;
                for _ in 0..count / CONNECTIONS / PIPELINED {
                    stream.write_all(batch.as_bytes()).unwrap();
                    let mut answered = 0;
                    while answered < PIPELINED {
                        let read = stream.read(&mut buffer[kept..]).unwrap();
                        assert!(read > 0, "the server closed the connection");
                        let seen = &buffer[..kept + read];
                        answered += count_of(b"HTTP/1.1 200", seen);
                        assert_eq!(count_of(b"HTTP/1.1 4", seen), 0);
                        // A status line may be cut in two: keep what could be its beginning.
                        let tail = seen.len().min(11);
                        let from = seen.len() - tail;
                        buffer.copy_within(from..from + tail, 0);
                        kept = tail;
                    }
                    kept = 0;
                }
            });
        }
    });
}

fn count_of(needle: &[u8], haystack: &[u8]) -> usize {
    haystack
        .windows(needle.len())
        .filter(|window| window == &needle)
        .count()
}
