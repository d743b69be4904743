//! What keeps the module from being loaded: settings that would not be what was meant.

use redis::Value;
use twofapi_tests_redis::{Server, module_path};

use crate::ask;

#[test]
fn settings_given_as_arguments_of_loadmodule_stop_the_start() {
    for arguments in [
        "require-proof yes",
        "2fapi.require-proof yes",
        "--2fapi.acl-mapping yes",
        "x",
        "\"\"",
    ] {
        let log = Server::refused(arguments, "");
        assert!(log.contains("takes no arguments"), "{arguments}: {log}");
        assert!(log.contains("2fapi.require-proof yes"), "{log}");
    }
}

#[test]
fn a_setting_that_is_misspelt_or_out_of_range_stops_the_start() {
    for line in [
        "2fapi.requireproof yes",
        "2fapi.require-proof maybe",
        "2fapi.session-ttl 0",
        "2fapi.session-ttl 15m",
        "2fapi.audience a b",
        "2fapi.acl-users *",
        "2fapi.acl-users default",
        "2fa.require-proof yes",
    ] {
        let log = Server::refused("", line);
        assert!(
            !log.contains("Ready to accept connections"),
            "{line}: {log}"
        );
    }
}

#[test]
fn settings_given_while_the_server_runs_are_checked_too() {
    let server = Server::start("enable-module-command yes");
    let mut connection = server.connect();
    // It is loaded already; a second one with arguments is refused for them, by its own words.
    let path = module_path();
    let path = path.to_str().unwrap();
    let loaded = ask(
        &mut connection,
        &["MODULE", "LOADEX", path, "ARGS", "require-proof", "yes"],
    );
    assert!(loaded.is_err());
    for (name, value) in [
        ("2fapi.acl-users", "*"),
        ("2fapi.acl-users", "a*b"),
        ("2fapi.audience", "a b"),
        ("2fapi.session-ttl", "0"),
        ("2fapi.require-proof", "maybe"),
    ] {
        let answer = ask(&mut connection, &["CONFIG", "SET", name, value]);
        assert!(answer.is_err(), "{name} {value}");
    }
    let users = ask(&mut connection, &["CONFIG", "GET", "2fapi.acl-users"]).unwrap();
    assert!(format!("{users:?}").contains("client-*"), "{users:?}");
    assert_eq!(
        ask(&mut connection, &["CONFIG", "SET", "2fapi.acl-users", ""]),
        Ok(Value::Okay)
    );
}
