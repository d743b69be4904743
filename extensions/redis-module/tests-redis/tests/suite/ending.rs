//! What a connection may and gets when its session ends in the middle of something.

use std::{
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{
    ask, figure,
    in_between::{at_once, heard, line},
    prefix, whoami,
};

/// A server on which `default` may do everything and alice becomes a user who may do little.
fn scene(more: &str) -> (Server, Connection, Client) {
    let server = Server::start(&format!(
        "2fapi.acl-mapping yes\nenable-debug-command yes\n{more}"
    ));
    let mut admin = server.connect();
    let rules = [
        "ACL",
        "SETUSER",
        "client-alice",
        "on",
        "resetpass",
        "resetchannels",
        "~client:alice:*",
        "-@all",
        "+@read",
        "+@write",
        "+@connection",
        "+@transaction",
        "+@scripting",
        "-@dangerous",
        "-@admin",
        "+2fapi.challenge",
        "+2fapi.verify",
        "+2fapi.rotate",
        "+2fapi.whoami",
        "+2fapi.logout",
    ];
    ask(&mut admin, &rules).unwrap();
    let alice = Client::new("alice");
    alice.enroll(&mut admin, &["USER", "client-alice"]).unwrap();
    ask(&mut admin, &["SET", "client:bob:k", "bob's"]).unwrap();
    (server, admin, alice)
}

fn logged_in(server: &Server, alice: &Client) -> Connection {
    let mut connection = server.connect();
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    connection
}

/// Gives commands in one transaction; what EXEC answers to each, and nothing when it is cut off.
fn in_a_transaction(connection: &mut Connection, commands: &[Vec<String>]) -> Vec<String> {
    ask(connection, &["MULTI"]).unwrap();
    for command in commands {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        ask(connection, &words).unwrap();
    }
    connection.send_packed_command(&line(&["EXEC"])).unwrap();
    match connection.recv_response() {
        Ok(Value::Array(answers)) => answers.iter().map(|a| format!("{a:?}")).collect(),
        other => panic!("{other:?}"),
    }
}

fn words(line: &str) -> Vec<String> {
    line.split('|').map(str::to_owned).collect()
}

#[test]
fn in_the_rest_of_a_transaction_nobody_acts_as_the_default_user() {
    let (server, mut admin, mut alice) = scene("");
    let theft = "redis.call('SET', 'client:alice:stolen', redis.call('GET', 'client:bob:k'))";
    let is_refused = |answer: &String| {
        ["NOPERM", "permissions", "can't run", "can't access"]
            .iter()
            .any(|word| answer.contains(word))
    };
    let rest = [
        words(&format!("EVAL|{theft}|0")),
        words("GET|client:alice:own"),
        words("EVAL|return redis.call('FLUSHALL')|0"),
    ];
    // She ends her session herself.
    for end in ["2FAPI.LOGOUT", "2FAPI.ROTATE"] {
        let mut connection = logged_in(&server, &alice);
        let next = Client::new("alice");
        let command = if end == "2FAPI.LOGOUT" {
            words(end)
        } else {
            let challenge = alice.challenge(&mut connection).unwrap();
            let old = alice.rotation_proof(&challenge, next.credential.commitment());
            let (commitment, possession) = (next.commitment(), next.possession());
            words(&format!(
                "{end}|alice|{}|{old}|{commitment}|{possession}",
                challenge.id
            ))
        };
        let answers = in_a_transaction(
            &mut connection,
            &[&[command, words("2FAPI.WHOAMI")][..], &rest].concat(),
        );
        assert_eq!(answers[0], "ok", "{end}");
        for refused in &answers[2..] {
            assert!(is_refused(refused), "{end}: {refused}");
        }
        wait_until("the connection is closed", || {
            ask(&mut connection, &["PING"])
                .is_err_and(|e| e.is_io_error() || e.is_connection_dropped())
        });
        if end == "2FAPI.ROTATE" {
            alice = next;
        }
    }
    // Something ends it that happens to the key.
    for end in [
        "DEL|2fapi:{alice}",
        "EVAL|return redis.call('DEL', '2fapi:{alice}')|0",
    ] {
        let mut connection = logged_in(&server, &alice);
        ask(
            &mut admin,
            &["ACL", "SETUSER", "client-alice", "~2fapi:{alice}"],
        )
        .unwrap();
        let answers = in_a_transaction(&mut connection, &[&[words(end)][..], &rest].concat());
        assert!(
            is_refused(&answers[1]) && is_refused(&answers[3]),
            "{answers:?}"
        );
        wait_until("the connection is closed", || {
            ask(&mut connection, &["PING"]).is_err()
        });
        let keys = [
            "ACL",
            "SETUSER",
            "client-alice",
            "resetkeys",
            "~client:alice:*",
        ];
        ask(&mut admin, &keys).unwrap();
        alice.enroll(&mut admin, &["USER", "client-alice"]).unwrap();
    }
    // In a script alone as well.
    let mut connection = logged_in(&server, &alice);
    ask(
        &mut admin,
        &["ACL", "SETUSER", "client-alice", "~2fapi:{alice}"],
    )
    .unwrap();
    let script = "redis.call('DEL', '2fapi:{alice}'); return redis.pcall('GET', 'client:bob:k')";
    let answer = ask(&mut connection, &["EVAL", script, "0"]);
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(
        ask(&mut admin, &["EXISTS", "client:alice:stolen"]),
        Ok(Value::Int(0))
    );
    assert_eq!(
        ask(&mut admin, &["EXISTS", "client:bob:k"]),
        Ok(Value::Int(1))
    );
    wait_until("no session is left", || figure(&mut admin, "sessions") == 0);
}

#[test]
fn a_rotation_on_a_mapped_connection_is_answered_and_then_the_connection_is_closed() {
    let (server, mut admin, mut alice) = scene("");
    let mut connection = logged_in(&server, &alice);
    assert_eq!(alice.rotate(&mut connection), Ok(Value::Okay));
    wait_until("the connection is closed", || {
        ask(&mut connection, &["PING"]).is_err_and(|error| error.is_io_error())
    });
    let mut connection = logged_in(&server, &alice);

    // Also behind answers that are still to be read.
    let value = "x".repeat(8 << 20);
    ask(&mut admin, &["SET", "client:alice:large", &value]).unwrap();
    let challenge = alice.challenge(&mut connection).unwrap();
    let next = Client::new("alice");
    let old = alice.rotation_proof(&challenge, next.credential.commitment());
    drop(connection);
    let mut raw = server.connect_raw();
    let login = alice.challenge(&mut admin).unwrap();
    let proof = alice.proof(&login);
    for command in [
        line(&["2FAPI.VERIFY", "alice", &login.id, &proof]),
        line(&["GET", "client:alice:large"]),
        line(&[
            "2FAPI.ROTATE",
            "alice",
            &challenge.id,
            &old,
            &next.commitment(),
            &next.possession(),
        ]),
    ] {
        raw.write_all(&command).unwrap();
    }
    thread::sleep(Duration::from_millis(800));
    let all = heard(&mut raw);
    assert!(all.starts_with("+OK\r\n$8388608\r\n") && all.ends_with("x\r\n+OK\r\n"));
    assert_eq!(next.log_in(&mut server.connect()), Ok(Value::Okay));
}

#[test]
fn a_suspended_client_takes_nothing_out_of_a_list_that_it_waited_for() {
    for blocked in [
        &["BLPOP", "client:alice:q", "0"][..],
        &[
            "BLMOVE",
            "client:alice:q",
            "client:alice:p",
            "LEFT",
            "LEFT",
            "0",
        ],
    ] {
        let (server, mut admin, alice) = scene("");
        let mut connection = logged_in(&server, &alice);
        connection.send_packed_command(&line(blocked)).unwrap();
        wait_until("it waits", || {
            let info: String = cmd("INFO").arg("clients").query(&mut admin).unwrap();
            info.contains("blocked_clients:1")
        });
        let mut raw = server.connect_raw();
        let both = [
            line(&["2FAPI.SUSPEND", "alice"]),
            line(&["RPUSH", "client:alice:q", "x"]),
        ];
        raw.write_all(&both.concat()).unwrap();
        wait_until("it is closed", || figure(&mut admin, "sessions") == 0);
        assert_eq!(
            ask(&mut admin, &["LLEN", "client:alice:q"]),
            Ok(Value::Int(1))
        );
    }
}

#[test]
fn turning_an_acl_user_off_ends_the_sessions_of_those_who_became_it() {
    let (server, mut admin, alice) = scene("");
    let mut connection = logged_in(&server, &alice);
    let bob = Client::enrolled("bob", &mut admin);
    let mut bobs = server.connect();
    assert_eq!(bob.log_in(&mut bobs), Ok(Value::Okay));
    ask(&mut admin, &["ACL", "SETUSER", "client-alice", "off"]).unwrap();
    wait_until("the session ends", || figure(&mut admin, "sessions") == 1);
    assert!(ask(&mut connection, &["GET", "client:alice:k"]).is_err());
    assert_eq!(whoami(&mut bobs).as_deref(), Some("bob"));
    ask(&mut admin, &["ACL", "SETUSER", "client-alice", "on"]).unwrap();
    let mut connection = logged_in(&server, &alice);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(whoami(&mut connection).as_deref(), Some("alice"));
}

#[test]
fn sessions_that_expire_together_end_together() {
    const MANY: usize = 800;
    let (server, mut admin, alice) = scene("2fapi.session-ttl 2\nhz 1\ndynamic-hz no");
    let mut ready: Vec<_> = (0..MANY)
        .map(|_| {
            let mut connection = server.connect();
            let challenge = alice.challenge(&mut connection).unwrap();
            let proof = alice.proof(&challenge);
            (
                connection,
                line(&["2FAPI.VERIFY", "alice", &challenge.id, &proof]),
            )
        })
        .collect();
    for (connection, attempt) in &mut ready {
        connection.send_packed_command(attempt).unwrap();
    }
    let last = {
        let (connection, _) = ready.last_mut().unwrap();
        let answer = connection.recv_response();
        assert_eq!(answer, Ok(Value::Okay));
        Instant::now()
    };
    // Some may still be looked at; the clock of the last one starts when all are in.
    let open = |admin: &mut Connection| figure(admin, "sessions");
    thread::sleep(Duration::from_secs(2).saturating_sub(last.elapsed()));
    // The server is asked a few times: what is due goes before it can be asked often.
    let mut asked = 0;
    while open(&mut admin) > 0 {
        asked += 1;
        assert!(asked < 8, "{} are left", open(&mut admin));
        thread::sleep(Duration::from_millis(30));
    }
}

#[test]
fn a_transaction_of_others_ends_sessions_as_a_command_does() {
    let (server, mut admin, alice) = scene("");
    for end in ["2FAPI.SUSPEND|alice", "FLUSHALL"] {
        let mut connection = logged_in(&server, &alice);
        in_a_transaction(&mut admin, &[words(end)]);
        assert!(
            ask(&mut connection, &["SET", "client:alice:k", "v"]).is_err(),
            "{end}"
        );
        assert_eq!(figure(&mut admin, "sessions"), 0, "{end}");
        drop(ask(&mut admin, &["2FAPI.RESUME", "alice"]));
    }
}

#[test]
fn what_comes_from_the_append_only_file_is_no_connection() {
    let server = Server::start("enable-debug-command yes\nappendonly yes\nappendfsync always");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    let challenge = alice.challenge(&mut admin).unwrap();
    let proof = alice.proof(&challenge);
    let folder = server.dir().join("appendonlydir");
    let file = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    file.write_all(&line(&["2FAPI.VERIFY", "alice", &challenge.id, &proof]))
        .unwrap();
    drop(file);
    // The server reads its file again, with the key that the challenge was issued by.
    assert_eq!(ask(&mut admin, &["DEBUG", "LOADAOF"]), Ok(Value::Okay));
    assert_eq!(figure(&mut admin, "sessions"), 0);
    assert_eq!(figure(&mut admin, "proofs_accepted"), 0);
    assert_eq!(alice.log_in(&mut admin), Ok(Value::Okay));
}

#[test]
fn logging_out_in_the_middle_of_a_pipeline_stops_what_comes_after() {
    let (server, mut admin, alice) = scene("");
    let login = alice.challenge(&mut admin).unwrap();
    let proof = alice.proof(&login);
    let mut raw = server.connect_raw();
    let commands = [
        line(&["2FAPI.VERIFY", "alice", &login.id, &proof]),
        line(&["2FAPI.LOGOUT"]),
        line(&["SET", "client:bob:k", "overwritten"]),
    ];
    at_once(&server, &[(&raw, commands.concat())]);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(heard(&mut raw), "+OK\r\n+OK\r\n");
    assert_eq!(
        ask(&mut admin, &["GET", "client:bob:k"]),
        Ok(Value::BulkString(b"bob's".to_vec()))
    );
    assert_eq!(
        prefix(&ask(
            &mut admin,
            &["2FAPI.VERIFY", "alice", &login.id, &proof]
        )),
        "DENIED"
    );
}
