//! What an operator sees of clients and sessions, and does about them.

use std::collections::BTreeMap;

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, readme_block, wait_until};

use crate::{ask, prefix, whoami};

/// Every client that `2FAPI.CLIENTS` shows, cursor by cursor.
fn all_clients(
    connection: &mut Connection,
    count: &str,
) -> BTreeMap<String, (String, Option<String>)> {
    let mut all = BTreeMap::new();
    let mut cursor = "0".to_owned();
    loop {
        let (next, clients): (String, Vec<(String, String, Option<String>)>) = cmd("2FAPI.CLIENTS")
            .arg(&cursor)
            .arg(&["COUNT", count])
            .query(connection)
            .unwrap();
        all.extend(
            clients
                .into_iter()
                .map(|(id, status, user)| (id, (status, user))),
        );
        if next == "0" {
            return all;
        }
        cursor = next;
    }
}

#[test]
fn clients_are_listed_step_by_step_with_status_and_user() {
    let server = Server::start("");
    let mut connection = server.connect();
    for number in 0..50 {
        let _ = Client::enrolled(&format!("client{number}"), &mut connection);
        let _: Value = ask(&mut connection, &["SET", &format!("key{number}"), "v"]).unwrap();
    }
    let alice = Client::new("alice");
    alice
        .enroll(&mut connection, &["USER", "client-alice"])
        .unwrap();
    ask(&mut connection, &["2FAPI.SUSPEND", "client7"]).unwrap();
    ask(&mut connection, &["2FAPI.REVOKE", "client8"]).unwrap();
    // None of these is a client.
    ask(&mut connection, &["COPY", "2fapi:{alice}", "2fapi:{eve}"]).unwrap();
    ask(&mut connection, &["SET", "2fapi:{mallory}", "x"]).unwrap();
    ask(&mut connection, &["SELECT", "3"]).unwrap();
    for count in ["1", "7", "1000"] {
        let all = all_clients(&mut connection, count);
        assert_eq!(all.len(), 51, "{all:?}");
        assert_eq!(all["client7"], ("suspended".to_owned(), None));
        assert_eq!(all["client8"].0, "revoked");
        assert_eq!(
            all["alice"],
            ("active".to_owned(), Some("client-alice".to_owned()))
        );
    }
    // The connection stays where it was.
    assert_eq!(ask(&mut connection, &["DBSIZE"]), Ok(Value::Int(0)));
    for bad in [
        &["2FAPI.CLIENTS", "x"][..],
        &["2FAPI.CLIENTS", "0", "COUNT", "0"],
        &["2FAPI.CLIENTS", "0", "COUNT", "x"],
        &["2FAPI.CLIENTS", "0", "LIMIT", "1"],
        &["2FAPI.CLIENTS", "0", "COUNT"],
    ] {
        assert_eq!(prefix(&ask(&mut connection, bad)), "ERR", "{bad:?}");
    }
}

#[test]
fn sessions_are_listed_with_their_connection_their_user_and_their_time() {
    let server = Server::start("2fapi.session-ttl 100");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    let bob = Client::enrolled("bob", &mut admin);
    let mut connections = [server.connect(), server.connect(), server.connect()];
    alice.log_in(&mut connections[0]).unwrap();
    alice.log_in(&mut connections[1]).unwrap();
    bob.log_in(&mut connections[2]).unwrap();
    let ids: Vec<u64> = connections
        .iter_mut()
        .map(|connection| cmd("CLIENT").arg("ID").query(connection).unwrap())
        .collect();
    type Row = (String, u64, String, u64);
    let all: Vec<Row> = cmd("2FAPI.SESSIONS").query(&mut admin).unwrap();
    let shown: Vec<_> = all.iter().map(|row| (row.0.as_str(), row.1)).collect();
    assert_eq!(
        shown,
        [("alice", ids[0]), ("alice", ids[1]), ("bob", ids[2])]
    );
    assert!(
        all.iter()
            .all(|row| row.2 == "default" && (60..=100).contains(&row.3)),
        "{all:?}"
    );
    let of_bob: Vec<Row> = cmd("2FAPI.SESSIONS").arg("bob").query(&mut admin).unwrap();
    assert_eq!(of_bob.len(), 1);
    let of_nobody: Vec<Row> = cmd("2FAPI.SESSIONS").arg("bo").query(&mut admin).unwrap();
    assert_eq!(of_nobody, []);
    assert_eq!(prefix(&ask(&mut admin, &["2FAPI.SESSIONS", "a b"])), "ERR");

    let (client, left): (String, u64) = cmd("2FAPI.WHOAMI")
        .arg("TTL")
        .query(&mut connections[2])
        .unwrap();
    assert!(
        client == "bob" && (60..=100).contains(&left),
        "{client} {left}"
    );
    assert_eq!(ask(&mut admin, &["2FAPI.WHOAMI", "TTL"]), Ok(Value::Nil));
    assert_eq!(prefix(&ask(&mut admin, &["2FAPI.WHOAMI", "x"])), "ERR");
}

#[test]
fn kicking_a_client_ends_its_sessions_and_leaves_it_enrolled() {
    let server = Server::start("2fapi.acl-mapping yes");
    let mut admin = server.connect();
    let user = [
        "ACL",
        "SETUSER",
        "client-alice",
        "on",
        "~client:alice:*",
        "+get",
        "+2fapi.whoami",
    ];
    ask(&mut admin, &user).unwrap();
    let alice = Client::new("alice");
    alice.enroll(&mut admin, &["USER", "client-alice"]).unwrap();
    let bob = Client::enrolled("bob", &mut admin);
    let mut first = server.connect();
    let mut second = server.connect();
    let mut bobs = server.connect();
    alice.log_in(&mut first).unwrap();
    alice.log_in(&mut second).unwrap();
    bob.log_in(&mut bobs).unwrap();
    assert_eq!(ask(&mut admin, &["2FAPI.KICK", "alice"]), Ok(Value::Int(2)));
    assert_eq!(ask(&mut admin, &["2FAPI.KICK", "alice"]), Ok(Value::Int(0)));
    assert_eq!(
        ask(&mut admin, &["2FAPI.KICK", "nobody"]),
        Ok(Value::Int(0))
    );
    for connection in [&mut first, &mut second] {
        assert!(ask(connection, &["GET", "client:alice:k"]).is_err());
    }
    assert_eq!(whoami(&mut bobs).as_deref(), Some("bob"));
    assert_eq!(alice.log_in(&mut server.connect()), Ok(Value::Okay));
}

#[test]
fn help_shows_every_command_that_is_for_somebody() {
    let server = Server::start("");
    let mut connection = server.connect();
    let help: Vec<String> = cmd("2FAPI.HELP").query(&mut connection).unwrap();
    let help = help.join("\n");
    for line in [
        "2FAPI.ENROLL client commitment [PROOF proof] [USER acl-user]",
        "2FAPI.WHOAMI [TTL]",
        "2FAPI.SESSIONS [client]",
        "2FAPI.CLIENTS cursor [COUNT count]",
        "2FAPI.VERIFY client challenge-id proof",
    ] {
        assert!(help.contains(line), "{help}");
    }
    assert!(
        !help.contains("APPLY") && !help.contains("BYCATEGORY"),
        "{help}"
    );
    // The README has them all.
    let readme = include_str!("../../../README.md");
    for line in help.lines().filter(|line| !line.starts_with(' ')) {
        let name = line.split(' ').next().unwrap().trim_start_matches("2FAPI.");
        assert!(readme.contains(name), "{name}");
    }
}

#[test]
fn what_happens_to_clients_is_told_to_those_who_listen_to_the_keyspace() {
    let server = Server::start("notify-keyspace-events Kd");
    let mut admin = server.connect();
    let mut listener = server.connect();
    let mut heard = listener.as_pubsub();
    heard.psubscribe("*").unwrap();
    let mut alice = Client::enrolled("alice", &mut admin);
    ask(&mut admin, &["2FAPI.SUSPEND", "alice"]).unwrap();
    ask(&mut admin, &["2FAPI.RESUME", "alice"]).unwrap();
    alice.rotate(&mut admin).unwrap();
    ask(&mut admin, &["2FAPI.REVOKE", "alice"]).unwrap();
    for event in ["enroll", "suspend", "resume", "rotate", "revoke"] {
        let message = heard.get_message().unwrap();
        assert_eq!(message.get_channel_name(), "__keyspace@0__:2fapi:{alice}");
        let name: String = message.get_payload().unwrap();
        assert_eq!(name, format!("2fapi.{event}"));
        assert!(include_str!("../../../README.md").contains(&name), "{name}");
    }
}

#[test]
fn a_server_goes_on_without_the_module_once_its_clients_are_gone() {
    let mut server = Server::start("appendonly yes");
    let mut connection = server.connect();
    for number in 0..30 {
        let _ = Client::enrolled(&format!("client{number}"), &mut connection);
    }
    ask(&mut connection, &["SET", "kept", "value"]).unwrap();
    let steps = readme_block("sh uninstall");
    let done = std::process::Command::new("bash")
        .args([
            "-euo",
            "pipefail",
            "-c",
            &steps.replace("redis-cli", "redis-cli -p $PORT"),
        ])
        .env("PORT", server.port().to_string())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    wait_until("the append-only file is rewritten", || {
        let info: String = cmd("INFO")
            .arg("persistence")
            .query(&mut connection)
            .unwrap();
        info.contains("aof_rewrite_in_progress:0")
            && info.contains("aof_rewrite_scheduled:0")
            && info.contains("aof_last_bgrewrite_status:ok")
    });
    server.shut_down();
    server.configure_without_module("appendonly yes");
    server.launch();
    let mut connection = server.connect();
    assert_eq!(
        ask(&mut connection, &["GET", "kept"]),
        Ok(Value::BulkString(b"value".to_vec()))
    );
    assert_eq!(ask(&mut connection, &["DBSIZE"]), Ok(Value::Int(1)));
    assert!(ask(&mut connection, &["2FAPI.HELP"]).is_err());
}
