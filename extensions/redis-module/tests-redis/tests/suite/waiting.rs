//! Attempts that wait for a thread: how many there may be, whose, and whether they are looked at alike.

use std::{
    fs, io::Write as _, net::TcpStream, os::unix::fs::MetadataExt as _, path::Path, time::Duration,
};

use redis::{Connection, Value};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{
    ask, figure,
    in_between::{heard, line},
    main_thread::{processor_time_of_main_thread, processor_time_of_workers},
};

fn attempt(client: &Client, known: bool, admin: &mut Connection) -> Vec<u8> {
    let challenge = client.challenge(admin).unwrap();
    let proof = if known {
        client.proof(&challenge)
    } else {
        Client::new("another").proof(&challenge)
    };
    line(&["2FAPI.VERIFY", client.id.as_str(), &challenge.id, &proof])
}

/// A connection that does not come by TCP: another source.
pub(crate) fn by_unix_socket(server: &Server) -> Connection {
    let path = server.dir().join("socket");
    redis::Client::open(format!("redis+unix://{}", path.display()))
        .unwrap()
        .get_connection()
        .unwrap()
}

#[test]
fn no_more_than_so_many_wait_and_the_source_of_most_gives_way() {
    const PLACES: i64 = 16;
    let server = Server::start(&format!(
        "enable-debug-command yes\n2fapi.verify-threads 1\n2fapi.waiting-attempts {PLACES}\n\
         unixsocket socket"
    ));
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    let mut crowd: Vec<(TcpStream, Vec<u8>)> = (0..300)
        .map(|_| (server.connect_raw(), attempt(&alice, true, &mut admin)))
        .collect();
    let mut other = by_unix_socket(&server);
    let others = attempt(&alice, true, &mut other);
    // All of the crowd in one go, and the other source's attempt when the places are taken.
    let mut sleeper = server.connect_raw();
    sleeper
        .write_all(&line(&["DEBUG", "SLEEP", "0.5"]))
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    for (stream, bytes) in &mut crowd {
        stream.write_all(bytes).unwrap();
    }
    other.send_packed_command(&others).unwrap();
    assert_eq!(heard(&mut sleeper), "+OK\r\n");
    let answer = other.recv_response();
    assert_eq!(answer, Ok(Value::Okay), "the other source has its turn");
    let answers: Vec<String> = crowd.iter_mut().map(|(stream, _)| heard(stream)).collect();
    let limited = |answer: &str| answer.starts_with("-LIMIT");
    let turned_away = answers.iter().filter(|answer| limited(answer)).count();
    assert!(turned_away > 20, "{turned_away}");
    assert!(
        answers
            .iter()
            .all(|answer| limited(answer) || answer == "+OK\r\n")
    );
    assert!(figure(&mut admin, "verify_waiting") <= PLACES);
    // Who is turned away has lost nothing: the same challenge is good a moment later.
    let mut good = 0;
    for ((stream, bytes), _) in crowd
        .iter_mut()
        .zip(&answers)
        .filter(|(_, answer)| limited(answer))
    {
        stream.write_all(bytes).unwrap();
        good += usize::from(heard(stream) == "+OK\r\n");
    }
    assert!(good + 1 >= turned_away, "{good} of {turned_away}");
}

#[test]
fn attempts_of_connections_that_are_gone_are_not_looked_at() {
    let server = Server::start("enable-debug-command yes\n2fapi.verify-threads 1");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    // How many are looked at before the server notices is a matter of chance.
    for round in 1..=10 {
        let crowd: Vec<(TcpStream, Vec<u8>)> = (0..400)
            .map(|_| (server.connect_raw(), attempt(&alice, false, &mut admin)))
            .collect();
        let mut sleeper = server.connect_raw();
        let sleep = line(&["DEBUG", "SLEEP", "0.3"]);
        sleeper.write_all(&sleep).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        for (mut stream, bytes) in crowd {
            stream.write_all(&bytes).unwrap();
        }
        assert_eq!(heard(&mut sleeper), "+OK\r\n");
        wait_until("all are accounted for", || {
            let gone = figure(&mut admin, "attempts_abandoned");
            // Whose connection goes while a thread has it is denied, and nobody is told.
            gone > 0 || figure(&mut admin, "verify_waiting") == 0
        });
        if figure(&mut admin, "attempts_abandoned") > 0 {
            break;
        }
        assert!(round < 10, "every attempt was looked at");
    }
    wait_until("nobody waits", || figure(&mut admin, "verify_waiting") == 0);
    assert_eq!(alice.log_in(&mut admin), Ok(Value::Okay));
    assert_eq!(figure(&mut admin, "spent_accepted"), 1);
}

/// Sees that attempts of two kinds, which are all denied, take the workers and the main thread the same time.
fn is_the_same_work(
    server: &Server,
    mut one: impl FnMut() -> Vec<u8>,
    mut other: impl FnMut() -> Vec<u8>,
) {
    let mut raw = server.connect_raw();
    let work = || {
        let workers = processor_time_of_workers(server).iter().sum::<Duration>();
        [workers, processor_time_of_main_thread(server)]
    };
    let mut took = |attempt: &mut dyn FnMut() -> Vec<u8>| {
        let attempts: Vec<_> = (0..20).map(|_| attempt()).collect();
        let before = work();
        for attempt in &attempts {
            raw.write_all(attempt).unwrap();
            let answer = heard(&mut raw);
            assert!(answer.starts_with("-DENIED"), "{answer}");
        }
        let after = work();
        [0, 1].map(|thread| (after[thread] - before[thread]).as_secs_f64())
    };
    // The first round decodes what the others remember. On a busy machine single rounds are far off.
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 0..51 {
        let (one, other) = if round % 2 == 0 {
            let one = took(&mut one);
            (one, took(&mut other))
        } else {
            let other = took(&mut other);
            (took(&mut one), other)
        };
        for (thread, ratios) in ratios.iter_mut().enumerate().filter(|_| round > 0) {
            ratios.push(other[thread] / one[thread]);
        }
    }
    for (mut ratios, thread) in ratios.into_iter().zip(["workers", "main thread"]) {
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        // Without equal work it is a quarter more, or twenty times; a machine that does other things is a tenth off.
        assert!(
            (0.82..1.22).contains(&median),
            "{thread}: {median} of {ratios:?}"
        );
    }
}

#[test]
fn an_attempt_in_an_unknown_name_is_the_same_work_as_one_in_a_known_name() {
    let server = Server::start("2fapi.verify-threads 1");
    let [mut connection, mut second] = [(); 2].map(|()| server.connect());
    let known = Client::enrolled("known", &mut connection);
    let unknown = Client::new("unknown");
    let of_known = || attempt(&known, false, &mut connection);
    is_the_same_work(&server, of_known, || attempt(&unknown, false, &mut second));
}

#[test]
fn an_attempt_by_an_unknown_credential_is_the_same_work_as_one_by_a_known_one() {
    let server = Server::start("2fapi.verify-threads 1");
    let [mut connection, mut second] = [(); 2].map(|()| server.connect());
    let known = Client::enrolled("known", &mut connection);
    for _ in 0..15 {
        known.link(&mut connection, &known.another(), "x").unwrap();
    }
    let last = known.another();
    let named = |client: &Client, connection: &mut Connection| {
        let challenge = client.challenge(connection).unwrap();
        let proof = Client::new("another").proof(&challenge);
        let (id, credential) = (client.id.as_str(), last.credential_id());
        line(&[
            "2FAPI.VERIFY",
            id,
            &challenge.id,
            &proof,
            "CREDENTIAL",
            &credential,
        ])
    };
    let unknown = Client::new("unknown");
    let of_known = || named(&known, &mut connection);
    is_the_same_work(&server, of_known, || named(&unknown, &mut second));
}

#[test]
fn joining_a_client_that_is_not_there_is_the_same_work_as_joining_one_that_offers_it() {
    let server = Server::start("2fapi.verify-threads 1\n2fapi.challenge-ttl 900");
    let [mut connection, mut second] = [(); 2].map(|()| server.connect());
    let known = Client::enrolled("known", &mut connection);
    known.log_in(&mut connection).unwrap();
    let offer = known.challenge(&mut connection).unwrap();
    ask(&mut connection, &["2FAPI.OFFER", &offer.id]).unwrap();
    let unknown = Client::new("unknown");
    let join = |client: &Client, connection: &mut Connection| {
        let (challenge, device) = (client.challenge(connection).unwrap(), client.another());
        let proof = device.joining_proof(&challenge);
        let (id, commitment) = (client.id.as_str(), device.commitment());
        line(&["2FAPI.JOIN", id, &challenge.id, &commitment, &proof, "x"])
    };
    let of_known = || join(&known, &mut connection);
    is_the_same_work(&server, of_known, || join(&unknown, &mut second));
}

/// How many threads a user of the system has.
fn threads_of(uid: u32) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        (fs::metadata(&path).ok()?.uid() == uid).then(|| path.join("task"))
    });
    processes
        .filter_map(|tasks| Some(fs::read_dir(tasks).ok()?.count()))
        .sum()
}

#[test]
fn when_a_thread_cannot_start_the_module_is_not_loaded_and_the_server_stays() {
    // A user for whom the system counts threads: root's are not.
    const SOMEBODY: u32 = 54_321;
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let somebody = format!("--reuid={SOMEBODY}");
    let uid = if is_root {
        SOMEBODY
    } else {
        fs::metadata("/proc/self").unwrap().uid()
    };
    // Enough for the server and a few of its threads, and not for 64.
    let limit = format!("--nproc={}", threads_of(uid) + 12);
    let as_somebody = ["setpriv", &somebody, "--clear-groups", "prlimit", &limit];
    let runner = &as_somebody[if is_root { 0 } else { 3 }..];
    let mut server = Server::start_without_module(runner, "enable-module-command yes");
    let mut admin = server.connect();
    let module = twofapi_tests_redis::module_path();
    let module = module.to_string_lossy();
    let load = [
        "MODULE",
        "LOADEX",
        &module,
        "CONFIG",
        "2fapi.verify-threads",
        "64",
    ];
    for _ in 0..3 {
        let answer = ask(&mut admin, &load);
        assert!(answer.is_err(), "{answer:?}");
        assert!(server.log().contains("refused one of 64 threads"));
    }
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.is_running());
    assert_eq!(
        ask(&mut admin, &["PING"]),
        Ok(Value::SimpleString("PONG".into()))
    );
    let threads = fs::read_dir(
        Path::new("/proc")
            .join(server.pid().to_string())
            .join("task"),
    )
    .unwrap()
    .filter(|task| {
        let name = task.as_ref().unwrap().path().join("comm");
        fs::read_to_string(name).is_ok_and(|name| name.starts_with("2fapi"))
    })
    .count();
    assert_eq!(threads, 0);
}
