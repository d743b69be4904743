//! redis-2fapi beside Redis itself, in one run: what issuing and verifying cost, what verifying does
//! to others, and what a client, a spent challenge and a session take of memory.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use redis::{Connection, cmd};
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, Commitment, Enrolment, Proof, verify,
};
use twofapi_tests::figures::{Contender, record, take_turns};
use twofapi_tests_redis::{Client, Server};

fn main() {
    // `cargo test --benches` only wants to know that this can be built.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut figures: Vec<_> = DEPTHS
        .into_iter()
        .map(|(depth, name)| (name, issuing(depth)))
        .collect();
    figures.push(("redis.verify_vs_core_capacity", verifying()));
    let others = others_while_verifying();
    figures.push(("redis.get_p99_under_verify_vs_echo", others.p99));
    figures.push((
        "redis.get_throughput_under_verify_vs_echo",
        others.throughput,
    ));
    figures.push(("redis.bytes_per_client", bytes_per_client()));
    figures.push((
        "redis.bytes_per_spent_challenge",
        bytes_per_spent_challenge(),
    ));
    figures.push(("redis.bytes_per_session", bytes_per_session()));
    println!();
    for (name, figure) in &figures {
        println!("{name:48} {figure:10.3}");
    }
    record(&figures).expect("target/bench.json");
}

/// A command as bytes on the wire.
fn wire(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// Sends and waits for an answer of so many bytes.
fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut [u8]) {
    stream.write_all(request).expect("sent");
    stream.read_exact(answer).expect("answered");
}

/// How many commands are sent before the first answer is read. 16 is what `redis-benchmark -P` is
/// customarily given; it is the one that counts.
const DEPTHS: [(usize, &str); 4] = [
    (16, "redis.challenge_vs_set_ex"),
    (1, "redis.challenge_vs_set_ex_at_depth_1"),
    (64, "redis.challenge_vs_set_ex_at_depth_64"),
    (200, "redis.challenge_vs_set_ex_at_depth_200"),
];

/// Throughput of CHALLENGE by that of SET with an expiry, in pipelines of the same depth.
fn issuing(depth: usize) -> f64 {
    let server = Server::start("");
    let pipeline = |words: &[&str], answer: usize| {
        let mut stream = server.connect_raw();
        stream.set_nodelay(true).expect("no delay");
        let request = wire(words).repeat(depth);
        let mut answers = vec![0; answer * depth];
        move || exchange(&mut stream, &request, &mut answers)
    };
    let challenge = "*2\r\n$27\r\n$32\r\n".len() + 27 + 2 + 32 + 2;
    let mut contenders = [
        Contender::batch(
            "2FAPI.CHALLENGE alice",
            depth as u32,
            pipeline(&["2FAPI.CHALLENGE", "alice"], challenge),
        ),
        Contender::batch(
            "SET key value EX 120",
            depth as u32,
            pipeline(&["SET", "key", "value", "EX", "120"], "+OK\r\n".len()),
        ),
    ];
    let rounds = take_turns(&mut contenders, 31, Duration::from_millis(60));
    println!("pipelines of {depth}");
    println!("{}", rounds.table("SET key value EX 120"));
    rounds.ratio("SET key value EX 120", "2FAPI.CHALLENGE alice")
}

/// Challenges with their proofs, made before the clock runs, as VERIFY commands for some connections.
fn prepared(server: &Server, client: &Client, connections: usize, each: usize) -> Vec<Vec<u8>> {
    let mut connection = server.connect();
    (0..connections)
        .map(|_| {
            (0..each)
                .flat_map(|_| {
                    let challenge = client.challenge(&mut connection).expect("a challenge");
                    let proof = client.proof(&challenge);
                    wire(&["2FAPI.VERIFY", client.id.as_str(), &challenge.id, &proof])
                })
                .collect()
        })
        .collect()
}

const ACCEPTED: &[u8] = b"+OK\r\n";

/// Sends each connection its commands at once, and waits for all answers.
fn verify_all(streams: &mut [TcpStream], commands: &[Vec<u8>], each: usize) {
    for (stream, commands) in streams.iter_mut().zip(commands) {
        stream.write_all(commands).expect("sent");
    }
    for stream in streams {
        let mut answers = vec![0; ACCEPTED.len() * each];
        stream.read_exact(&mut answers).expect("answered");
        assert_eq!(answers, ACCEPTED.repeat(each));
    }
}

/// Throughput of VERIFY by what the worker threads could do if they did nothing but the core's
/// `verify` from bytes.
fn verifying() -> f64 {
    const CONNECTIONS: usize = 32;
    const EACH: usize = 60;
    let server = Server::start("2fapi.verify-threads 1\n2fapi.spent-capacity 1000000");
    let alice = Client::enrolled("alice", &mut server.connect());
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| server.connect_raw()).collect();
    let mut ratios: Vec<f64> = (0..15)
        .map(|_| {
            let commands = prepared(&server, &alice, CONNECTIONS, EACH);
            let start = Instant::now();
            verify_all(&mut streams, &commands, EACH);
            let through_redis = start.elapsed().as_secs_f64() / (CONNECTIONS * EACH) as f64;
            core_verify_seconds() / through_redis
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let latency: String = cmd("INFO")
        .arg("latencystats")
        .query(&mut server.connect())
        .expect("INFO");
    println!("main thread, microseconds per command:");
    for line in latency.lines().filter(|line| line.contains("2FAPI")) {
        println!("  {line}");
    }
    ratios[ratios.len() / 2]
}

/// One verification from bytes, as the core's own benchmark does it.
fn core_verify_seconds() -> f64 {
    const TIMES: u32 = 300;
    let client = Client::new("alice");
    let commitment = client.credential.commitment().to_bytes();
    let proof = hex::decode(client.possession()).expect("hex");
    let start = Instant::now();
    for _ in 0..TIMES {
        let commitment = Commitment::from_bytes(std::hint::black_box(&commitment)).expect("one");
        let proof = Proof::from_bytes(std::hint::black_box(&proof)).expect("one");
        let statement = Enrolment {
            client_id: &client.id,
        };
        verify(&commitment, &statement, &proof).expect("accepted");
    }
    start.elapsed().as_secs_f64() / f64::from(TIMES)
}

/// What GET is like while something else goes on, by what it is like otherwise.
struct Others {
    p99: f64,
    throughput: f64,
}

/// GET while VERIFY saturates the workers, beside GET while as many ECHOs a second, of as many bytes,
/// come on as many connections.
fn others_while_verifying() -> Others {
    const CONNECTIONS: usize = 16;
    const EACH: usize = 1200;
    let server = Server::start(
        "2fapi.verify-threads 1\n2fapi.spent-capacity 4000000\n2fapi.challenge-ttl 900",
    );
    let alice = Client::enrolled("alice", &mut server.connect());
    let mut rounds: Vec<(f64, f64)> = Vec::new();
    for _ in 0..7 {
        let commands = prepared(&server, &alice, CONNECTIONS, EACH);
        let bytes = commands[0].len() / EACH;
        let (verifying, took) = gets_during(&server, || {
            let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| server.connect_raw()).collect();
            verify_all(&mut streams, &commands, EACH);
        });
        let (echoing, _) = gets_during(&server, || {
            echoes_at(&server, CONNECTIONS, EACH, bytes, took);
        });
        rounds.push((
            verifying.p99() / echoing.p99(),
            verifying.per_second() / echoing.per_second(),
        ));
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Others {
        p99: median(rounds.iter().map(|round| round.0).collect()),
        throughput: median(rounds.iter().map(|round| round.1).collect()),
    }
}

/// Every GET's time, in seconds.
struct Gets(Vec<f64>);

impl Gets {
    fn p99(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() * 99 / 100]
    }

    fn per_second(&self) -> f64 {
        self.0.len() as f64 / self.0.iter().sum::<f64>()
    }
}

/// One connection that does GET after GET while a load runs; and how long the load ran.
fn gets_during(server: &Server, load: impl FnOnce()) -> (Gets, Duration) {
    let mut stream = server.connect_raw();
    stream.set_nodelay(true).expect("no delay");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let gets = scope.spawn(|| {
            let request = wire(&["GET", "key"]);
            let mut answer = [0; 5];
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                exchange(&mut stream, &request, &mut answer);
                times.push(start.elapsed().as_secs_f64());
            }
            Gets(times)
        });
        let start = Instant::now();
        load();
        let took = start.elapsed();
        done.store(true, Ordering::Relaxed);
        (gets.join().expect("GETs"), took)
    })
}

/// So many ECHOs on each connection, spread over a time.
fn echoes_at(server: &Server, connections: usize, each: usize, bytes: usize, over: Duration) {
    let mut streams: Vec<_> = (0..connections).map(|_| server.connect_raw()).collect();
    let payload = "x".repeat(bytes - "*2\r\n$4\r\nECHO\r\n$292\r\n\r\n".len());
    let request = wire(&["ECHO", &payload]);
    let mut answer = vec![0; payload.len() + 2 + format!("${}\r\n", payload.len()).len()];
    let start = Instant::now();
    for number in 0..each {
        for stream in &mut streams {
            stream.write_all(&request).expect("sent");
        }
        for stream in &mut streams {
            stream.read_exact(&mut answer).expect("answered");
        }
        let due = over.mul_f64((number + 1) as f64 / each as f64);
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
}

fn used_memory(connection: &mut Connection) -> f64 {
    memory(connection, "used_memory:")
}

/// A line of `INFO memory`, in bytes.
fn memory(connection: &mut Connection, name: &str) -> f64 {
    let info: String = cmd("INFO").arg("memory").query(connection).expect("INFO");
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.trim().parse().ok())
        .expect("a number")
}

/// Bytes of a client beyond what the same key takes with a value that takes nothing.
fn bytes_per_client() -> f64 {
    const CLIENTS: u32 = 20_000;
    let alice = Client::new("alice");
    let fill = |command: fn(&str, &str) -> Vec<String>| {
        let server = Server::start("");
        let mut connection = server.connect();
        let before = used_memory(&mut connection);
        for first in (0..CLIENTS).step_by(1000) {
            let mut pipeline = redis::pipe();
            for number in first..first + 1000 {
                let words = command(&format!("client-{number:08}"), &alice.commitment());
                pipeline.cmd(&words[0]).arg(&words[1..]).ignore();
            }
            pipeline.query::<()>(&mut connection).expect("OK");
        }
        (used_memory(&mut connection) - before) / f64::from(CLIENTS)
    };
    let enrolled = fill(|id, commitment| vec!["2FAPI.ENROLL".into(), id.into(), commitment.into()]);
    // Small numbers are shared: the value takes no memory of its own.
    let bare = fill(|id, _| vec!["SET".into(), format!("2fapi:{{{id}}}"), "0".into()]);
    println!("a client's key takes {enrolled:.0} bytes, the bare key {bare:.0}");
    enrolled - bare
}

/// Bytes of the spent set per challenge that it can hold. They are taken at the start.
fn bytes_per_spent_challenge() -> f64 {
    let at = |capacity: u32| {
        let server = Server::start(&format!("2fapi.spent-capacity {capacity}"));
        used_memory(&mut server.connect())
    };
    (at(1_010_000) - at(10_000)) / 1_000_000.0
}

/// Bytes of a session, beyond what a connection takes on which the same was said in vain.
fn bytes_per_session() -> f64 {
    const SESSIONS: usize = 1000;
    let server = Server::start("maxclients 4000");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    let mut connections: Vec<_> = (0..SESSIONS).map(|_| server.connect()).collect();
    let mut attempt = |by: &Client, connections: &mut Vec<Connection>| {
        for connection in &mut *connections {
            let challenge = alice.challenge(connection).expect("a challenge");
            let statement = Authentication {
                client_id: &alice.id,
                nonce: &challenge.nonce,
                binding: &AuthenticationBinding::none(),
            };
            let proof = twofapi_tests_redis::proof_of(&by.credential, &statement);
            let answer = alice.verify(connection, &challenge, &proof);
            assert_eq!(
                answer.is_ok(),
                by.credential.commitment() == alice.credential.commitment()
            );
        }
        // Buffers of connections come and go, and are no part of a session.
        thread::sleep(Duration::from_secs(3));
        used_memory(&mut admin) - memory(&mut admin, "mem_clients_normal:")
    };
    let before = attempt(&Client::new("alice"), &mut connections);
    let after = attempt(&alice, &mut connections);
    (after - before) / SESSIONS as f64
}
