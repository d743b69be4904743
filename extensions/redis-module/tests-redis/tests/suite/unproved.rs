//! Connections that have proved nothing take little of the hardened server, and never somebody's place.

use std::{io::Write as _, net::TcpStream, thread, time::Duration};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, OPERATOR_PASSWORD, Server, wait_until};

use crate::{ask, figure, in_between::line};

fn operator(server: &Server) -> Connection {
    let mut connection = server.connect();
    ask(&mut connection, &["AUTH", "operator", OPERATOR_PASSWORD]).unwrap();
    connection
}

/// How many connections are the default user.
fn strangers(operator: &mut Connection) -> usize {
    let list: String = cmd("CLIENT").arg("LIST").query(operator).unwrap();
    list.lines()
        .filter(|line| line.contains(" user=default "))
        .count()
}

fn is_closed(stream: &mut TcpStream) -> bool {
    stream.write_all(&line(&["PING"])).is_err()
        || std::io::Read::read(stream, &mut [0; 64]).is_ok_and(|read| read == 0)
        || stream.write_all(&line(&["PING"])).is_err()
}

/// An enrolled client that becomes a user of its own.
fn enrolled(operator: &mut Connection) -> Client {
    let rules = [
        "on",
        "resetpass",
        "~client:alice:*",
        "-@all",
        "+set",
        "+2fapi.whoami",
    ];
    ask(
        operator,
        &[&["ACL", "SETUSER", "client-alice"][..], &rules].concat(),
    )
    .unwrap();
    let alice = Client::new("alice");
    let possession = alice.possession();
    alice
        .enroll(operator, &["PROOF", &possession, "USER", "client-alice"])
        .unwrap();
    alice
}

#[test]
fn connections_that_prove_nothing_leave_places_for_those_that_do() {
    let server =
        Server::start_hardened(&["--maxclients", "150", "--2fapi.unproved-connections", "20"]);
    let mut admin = operator(&server);
    let alice = enrolled(&mut admin);
    let mut proved = server.connect();
    assert_eq!(alice.log_in(&mut proved), Ok(Value::Okay));
    // More than there are places for connections of any kind.
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.extend((0..100).map(|_| server.connect_raw()));
        wait_until("most have given way", || strangers(&mut admin) <= 20);
    }
    assert!(is_closed(&mut crowd[0]), "the oldest went first");
    assert!(!is_closed(&mut crowd[299]));
    assert_eq!(alice.log_in(&mut server.connect()), Ok(Value::Okay));
    let _second = operator(&server);
    assert_eq!(
        ask(&mut proved, &["SET", "client:alice:k", "v"]),
        Ok(Value::Okay)
    );
    assert!(figure(&mut admin, "unproved_connections") <= 20);
}

#[test]
fn a_connection_that_proves_nothing_is_closed_after_its_time() {
    let server = Server::start_hardened(&["--2fapi.unproved-seconds", "1"]);
    let mut admin = operator(&server);
    let alice = enrolled(&mut admin);
    let mut proved = server.connect();
    assert_eq!(alice.log_in(&mut proved), Ok(Value::Okay));
    let mut idle = server.connect_raw();
    wait_until("the idle one is closed", || strangers(&mut admin) == 0);
    assert!(is_closed(&mut idle));
    assert_eq!(
        ask(&mut proved, &["SET", "client:alice:k", "v"]),
        Ok(Value::Okay)
    );
    assert_eq!(figure(&mut admin, "unproved_connections"), 0);
}

#[test]
fn a_connection_that_proves_nothing_takes_little_memory() {
    let server = Server::start_hardened(&["--2fapi.unproved-seconds", "3600"]);
    let mut admin = operator(&server);
    let used = |admin: &mut Connection| -> u64 {
        let info: String = cmd("INFO").arg("memory").query(admin).unwrap();
        let (_, rest) = info.split_once("used_memory:").unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    let before = used(&mut admin);
    // Arguments that never end, and answers that nobody reads.
    let crowd: Vec<_> = (0..20)
        .map(|number| {
            let mut stream = server.connect_raw();
            stream
                .set_write_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            thread::spawn(move || {
                let part = vec![b'x'; 1 << 20];
                if number % 2 == 0 {
                    let _ = stream.write_all(b"*2\r\n$4\r\nPING\r\n$60000000\r\n");
                    for _ in 0..20 {
                        if stream.write_all(&part).is_err() {
                            break;
                        }
                        thread::sleep(Duration::from_millis(50));
                    }
                } else {
                    let ping = line(&["PING", &String::from_utf8(part).unwrap()]);
                    for _ in 0..20 {
                        if stream.write_all(&ping).is_err() {
                            break;
                        }
                        thread::sleep(Duration::from_millis(50));
                    }
                }
                stream
            })
        })
        .collect();
    let mut streams: Vec<_> = crowd.into_iter().map(|one| one.join().unwrap()).collect();
    wait_until("all are closed", || strangers(&mut admin) == 0);
    assert!(streams.iter_mut().all(is_closed));
    wait_until("the memory is free", || {
        used(&mut admin) < before + (8 << 20)
    });
    assert_eq!(
        ask(&mut admin, &["PING"]),
        Ok(Value::SimpleString("PONG".into()))
    );
}

#[test]
fn without_the_setting_the_default_user_stays_who_it_is() {
    let server = Server::start("2fapi.unproved-seconds 1");
    let mut connection = server.connect();
    thread::sleep(Duration::from_millis(1600));
    assert_eq!(ask(&mut connection, &["SET", "x", "y"]), Ok(Value::Okay));
}
