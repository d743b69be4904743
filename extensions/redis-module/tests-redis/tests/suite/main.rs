//! What redis-2fapi promises, promise by promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod audience;
mod auth;
mod authority;
mod cluster;
mod commands;
mod conformance;
mod durability;
mod ending;
mod expiry;
mod hardened;
mod in_between;
mod input;
mod keyspace;
mod libraries;
mod links;
mod loading;
mod main_thread;
mod mapping;
mod memory;
mod offers;
mod operate;
mod printed_rules;
mod readme;
mod replication;
mod session;
mod single_use;
mod step;
mod unproved;
mod valgrind;
mod vectors;
mod waiting;

use redis::{ErrorKind, RedisError, RedisResult, Value, cmd};

/// The first word of an error.
fn prefix(answer: &RedisResult<Value>) -> String {
    match answer {
        Ok(value) => panic!("no error: {value:?}"),
        Err(error) => word(error),
    }
}

fn word(error: &RedisError) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        None if error.kind() == ErrorKind::Io => panic!("no answer: {error}"),
        None => "ERR".to_owned(),
    }
}

/// A command's answer.
fn ask(connection: &mut redis::Connection, words: &[&str]) -> RedisResult<Value> {
    let (name, arguments) = words.split_first().expect("a command");
    cmd(name).arg(arguments).query(connection)
}

/// Who the server says is behind a connection.
fn whoami(connection: &mut redis::Connection) -> Option<String> {
    cmd("2FAPI.WHOAMI").query(connection).expect("an answer")
}

/// A figure of `2FAPI.INFO`.
fn figure(connection: &mut redis::Connection, name: &str) -> i64 {
    let report: std::collections::HashMap<String, Value> =
        cmd("2FAPI.INFO").query(connection).expect("a report");
    match report.get(name) {
        Some(Value::Int(number)) => *number,
        other => panic!("{name}: {other:?}"),
    }
}
