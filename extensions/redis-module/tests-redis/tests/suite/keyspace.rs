//! A client's key is nobody's string or hash, and what was moved or copied makes nobody else of it.

use redis::Value;
use twofapi_tests_redis::{Client, Server};

use crate::{ask, prefix};

#[test]
fn other_types_commands_answer_wrongtype() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let key = "2fapi:{alice}";
    for words in [
        &["HSET", key, "f", "v"][..],
        &["GET", key],
        &["HGETALL", key],
        &["APPEND", key, "x"],
        &["LPUSH", key, "x"],
        &["INCR", key],
        &["SETRANGE", key, "0", "x"],
    ] {
        assert_eq!(
            prefix(&ask(&mut connection, words)),
            "WRONGTYPE",
            "{words:?}"
        );
    }
    assert_eq!(
        ask(&mut connection, &["TYPE", key]),
        Ok(Value::SimpleString("2fapi-clt".into()))
    );
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn a_foreign_value_under_a_clients_name_is_no_client() {
    let server = Server::start("");
    let mut connection = server.connect();
    ask(&mut connection, &["SET", "2fapi:{alice}", "v"]).unwrap();
    let alice = Client::new("alice");
    assert_eq!(prefix(&alice.enroll(&mut connection, &[])), "WRONGTYPE");
    for command in ["2FAPI.STATUS", "2FAPI.REVOKE"] {
        assert_eq!(
            prefix(&ask(&mut connection, &[command, "alice"])),
            "WRONGTYPE"
        );
    }
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
    assert_eq!(
        ask(&mut connection, &["GET", "2fapi:{alice}"]),
        Ok(Value::BulkString(b"v".to_vec()))
    );
}

#[test]
fn a_renamed_copied_or_restored_record_makes_nobody_else_of_it() {
    let server = Server::start("");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let as_bob = Client {
        credential: alice.credential,
        ..Client::new("bob")
    };
    ask(&mut connection, &["COPY", "2fapi:{alice}", "2fapi:{bob}"]).unwrap();
    assert_eq!(prefix(&as_bob.log_in(&mut connection)), "DENIED");
    ask(&mut connection, &["DEL", "2fapi:{bob}"]).unwrap();
    let dump: Vec<u8> = redis::cmd("DUMP")
        .arg("2fapi:{alice}")
        .query(&mut connection)
        .unwrap();
    let _: Value = redis::cmd("RESTORE")
        .arg("2fapi:{bob}")
        .arg(0)
        .arg(dump)
        .query(&mut connection)
        .unwrap();
    assert_eq!(prefix(&as_bob.log_in(&mut connection)), "DENIED");
    ask(&mut connection, &["RENAME", "2fapi:{alice}", "2fapi:{bob}"]).unwrap();
    assert_eq!(prefix(&as_bob.log_in(&mut connection)), "DENIED");
    assert_eq!(
        prefix(&ask(&mut connection, &["2FAPI.STATUS", "bob"])),
        "WRONGTYPE"
    );
    assert_eq!(prefix(&as_bob.enroll(&mut connection, &[])), "WRONGTYPE");
}

#[test]
fn a_copy_under_another_name_brings_nothing_back_after_a_rewrite() {
    let mut server = Server::start("appendonly yes\nappendfsync always\naof-use-rdb-preamble no");
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    ask(&mut connection, &["COPY", "2fapi:{alice}", "old-alice"]).unwrap();
    ask(&mut connection, &["2FAPI.REVOKE", "alice"]).unwrap();
    ask(&mut connection, &["BGREWRITEAOF"]).unwrap();
    twofapi_tests_redis::wait_until("the rewrite is done", || {
        let info: String = redis::cmd("INFO")
            .arg("persistence")
            .query(&mut connection)
            .unwrap();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    });
    server.kill();
    server.launch();
    let mut connection = server.connect();
    assert_eq!(
        ask(&mut connection, &["EXISTS", "old-alice"]),
        Ok(Value::Int(1))
    );
    assert_eq!(
        ask(&mut connection, &["2FAPI.STATUS", "alice"]),
        Ok(Value::SimpleString("revoked".into()))
    );
    assert_eq!(prefix(&alice.log_in(&mut connection)), "DENIED");
}

#[test]
fn clients_live_in_database_zero_whichever_is_selected() {
    let server = Server::start("");
    let mut connection = server.connect();
    ask(&mut connection, &["SELECT", "5"]).unwrap();
    let alice = Client::enrolled("alice", &mut connection);
    assert_eq!(ask(&mut connection, &["DBSIZE"]), Ok(Value::Int(0)));
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    ask(&mut connection, &["SET", "here", "v"]).unwrap();
    let mut zero = server.connect();
    assert_eq!(
        ask(&mut zero, &["EXISTS", "2fapi:{alice}", "here"]),
        Ok(Value::Int(1))
    );
    assert_eq!(prefix(&alice.enroll(&mut zero, &[])), "EXISTS");
}

#[test]
fn a_change_of_a_client_is_seen_by_those_who_watch_its_key() {
    let server = Server::start("");
    let (mut connection, mut other) = (server.connect(), server.connect());
    let _ = Client::enrolled("alice", &mut connection);
    ask(&mut connection, &["WATCH", "2fapi:{alice}"]).unwrap();
    ask(&mut other, &["2FAPI.SUSPEND", "alice"]).unwrap();
    ask(&mut connection, &["MULTI"]).unwrap();
    ask(&mut connection, &["PING"]).unwrap();
    assert_eq!(ask(&mut connection, &["EXEC"]), Ok(Value::Nil));
}
