//! A setting that is wrong is refused, wherever it is made: nothing goes on with a default that may be
//! weaker.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use postgres::NoTls;
use twofapi_tests_pg::{Client, Server, bin_dir, run_as_server};

use crate::{database, eventually, refusal};

const WRONG: [(&str, &str); 12] = [
    ("twofapi.session_scope", "transactions"),
    ("twofapi.sesion_scope", "transaction"),
    ("twofapi.session_ttl", "15 minutes"),
    ("twofapi.session_ttl", "0"),
    ("twofapi.challenge_ttl", "901"),
    ("twofapi.audience", "https://db example"),
    ("twofapi.audiance", "db.example"),
    ("twofapi.audit_log", "maybe"),
    ("twofapi.spent_capacity", "1"),
    ("twofapi.token_keys", "{\"keys\": []}"),
    ("twofapi.token_issuer", "an issuer"),
    ("twofapi.token_audience", "an audience"),
];

/// What a server says that is started with other arguments, if it does not stay.
fn says(server: &Server, arguments: &[&str]) -> Option<String> {
    let mut child = run_as_server(bin_dir().join("postgres"))
        .arg("-D")
        .arg(server.dir())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            return Some(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let answers = server.config("postgres").connect(NoTls).is_ok();
        if answers || Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_does_not_start_with_a_setting_that_is_wrong() {
    let mut server = Server::start("log_min_messages = fatal");
    server.end("INT");
    for (name, value) in WRONG {
        let set = format!("{name}={value}");
        let said = says(&server, &["-c", &set]).unwrap_or_else(|| panic!("started with {set}"));
        assert!(
            said.contains("pg_2fapi: a setting is wrong"),
            "{set}: {said}"
        );
        assert!(said.contains(name), "{set}: {said}");
    }
    server.configure("twofapi.session_scope = 'transactions'");
    assert!(
        says(&server, &[]).is_some(),
        "started with a wrong line in postgresql.conf"
    );
    server.configure("twofapi.session_scope = 'transaction'");
    server.launch();
}

#[test]
fn nobody_sets_or_stores_a_setting_that_is_wrong() {
    let database = database();
    let role = database.role("app");
    let mut connection = database.connect();
    for (name, value) in WRONG {
        for statement in [
            format!("SET {name} = '{value}'"),
            format!("ALTER ROLE {role} SET {name} = '{value}'"),
            format!("ALTER DATABASE {} SET {name} = '{value}'", database.name),
            format!("ALTER SYSTEM SET {name} = '{value}'"),
        ] {
            let result = connection.batch_execute(&statement);
            assert!(result.is_err(), "{statement}");
        }
    }
}

#[test]
fn a_wrong_line_changes_nothing_when_the_configuration_is_read_again() {
    let server = Server::start("twofapi.session_scope = transaction\ntwofapi.session_ttl = 5");
    let mut connection = server.database().connect();
    server.configure("twofapi.session_scope = 'sessions'\ntwofapi.session_ttl = 7");
    connection.batch_execute("SELECT pg_reload_conf()").unwrap();
    eventually("the server says what is wrong", || {
        server.log().contains("twofapi.session_scope")
    });
    let scope = connection.query_one("SHOW twofapi.session_scope", &[]);
    assert_eq!(scope.unwrap().get::<_, String>(0), "transaction");
}

/// The server lets anybody of power store anything under a name that no library has claimed.
#[test]
fn settings_that_were_stored_without_the_library_are_not_passed_over() {
    let mut server = Server::start("");
    let database = server.database();
    let alice = Client::enrolled(&mut database.connect(), "alice");
    let role = database.role("app");
    server.end("INT");
    let plain = "shared_preload_libraries = ''";
    let again = "shared_preload_libraries = 'pg_2fapi'";
    for (name, value) in [
        ("twofapi.session_scope", "transactions"),
        ("twofapi.session_ttl", "1 minutes"),
        ("twofapi.sesion_ttl", "60"),
    ] {
        server.configure(plain);
        server.launch();
        database
            .connect()
            .batch_execute(&format!("ALTER ROLE {role} SET {name} = '{value}'"))
            .unwrap();
        server.end("INT");
        server.configure(again);
        server.launch();
        let mut app = database.connect_as(&role);
        let challenge = alice.challenge(&mut app);
        let proof = alice.proof(&challenge);
        for _ in 0..2 {
            let (_, message) = refusal(alice.authenticate(&mut app, &challenge, &proof));
            assert!(message.contains(name), "{message}");
        }
        assert_eq!(crate::current_client(&mut app), None);
        // Nobody else is kept out.
        assert!(alice.log_in(&mut database.connect()));
        database
            .connect()
            .batch_execute(&format!("ALTER ROLE {role} RESET ALL"))
            .unwrap();
        assert!(alice.log_in(&mut database.connect_as(&role)));
        server.end("INT");
    }
}
