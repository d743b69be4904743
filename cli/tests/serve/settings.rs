//! What an operator says to `2fapi serve`: each way to say it works, and what no client could go by is
//! refused before anything is served.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    client::{CHALLENGE, get, post, raw},
    process::{Process, command, refusal, run, serve, stderr},
};

#[test]
fn an_audience_that_no_client_computes_is_refused_with_the_right_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    for (audience, right) in [
        ("https://auth.example.com/", "here https://auth.example.com"),
        (
            "https://auth.example.com:443",
            "here https://auth.example.com",
        ),
        ("https://Auth.example.com", "here https://auth.example.com"),
        ("auth.example.com", "is https://auth.example.com meant?"),
        ("my service", "such as https://api.example.com"),
    ] {
        let mut by_variable = serve(&store, &[]);
        by_variable.env("TWOFAPI_AUDIENCE", audience);
        for command in [serve(&store, &["--audience", audience]), by_variable] {
            let refused = refusal(command);
            assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
            assert!(stderr(&refused).contains(right), "{}", stderr(&refused));
        }
    }
    // Clients see the proxy's origin, whatever this server listens on.
    for audience in [&[][..], &["--audience", "http://auth.example.com"]] {
        let args = [&["--behind-tls-proxy"], audience].concat();
        let refused = refusal(serve(&store, &args));
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(
            stderr(&refused).contains("--audience https://"),
            "{}",
            stderr(&refused)
        );
    }
    assert!(!store.exists());
}

#[test]
fn localhost_and_a_port_alone_are_where_to_listen() {
    let directory = tempfile::tempdir().unwrap();
    for (listen, begins) in [
        ("localhost:0", "http://localhost:"),
        (":0", "http://127.0.0.1:"),
    ] {
        let mut serve = command(&["serve", "--listen", listen, "--store"]);
        serve.arg(directory.path().join("2fapi.redb"));
        let server = Process::spawn(serve);
        assert!(server.base_url.starts_with(begins), "{}", server.base_url);
        // What a client computes is what the server goes by.
        let challenge = post(
            &server.base_url,
            CHALLENGE,
            None,
            &json!({ "client_id": "a" }),
        );
        let binding = hex::decode(challenge.text("channel_binding")).unwrap();
        assert_eq!(binding, format!("aud:{}", server.base_url).as_bytes());
    }
}

#[test]
fn switches_of_the_environment_are_said_as_people_say_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    for (value, is_on) in [
        ("1", true),
        ("yes", true),
        ("on", true),
        ("true", true),
        ("0", false),
        ("no", false),
        ("off", false),
        ("false", false),
        ("", false),
    ] {
        let mut serve = serve(&store, &[]);
        serve.env("TWOFAPI_JSON_LOGS", value);
        let log = Process::spawn(serve).stop();
        let is_json = serde_json::from_str::<serde_json::Value>(log.lines().next().unwrap());
        assert_eq!(is_json.is_ok(), is_on, "{value:?}: {log}");
    }
    let mut serve = serve(&store, &[]);
    serve.env("TWOFAPI_BEHIND_TLS_PROXY", "perhaps");
    assert_eq!(refusal(serve).status.code(), Some(2));
}

#[test]
fn a_variable_that_is_empty_is_not_set() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let help = run(&["serve", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let variables: BTreeSet<_> = help
        .split("[env:")
        .skip(1)
        .map(|rest| rest.trim_start().split(['=', ']']).next().unwrap())
        .collect();
    assert!(
        variables.len() > 10 && variables.contains("TWOFAPI_AUDIENCE"),
        "{variables:?}"
    );
    let mut command = serve(&store, &[]);
    for variable in variables.iter().copied().chain(["TWOFAPI_LOG"]) {
        command.env(variable, "");
    }
    let server = Process::spawn(command);
    assert_eq!(get(&server.base_url, "/healthz", None).status, 200);
    assert!(store.exists());
}

#[test]
fn a_log_filter_that_makes_no_sense_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut serve = serve(&directory.path().join("2fapi.redb"), &[]);
    serve.env("TWOFAPI_LOG", "twofapi=loud");
    let refused = refusal(serve);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("TWOFAPI_LOG"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn help_is_a_command_too() {
    for (args, says) in [
        (&["help"][..], "2fapi demo"),
        (&["help", "login"], "access token"),
        (&["help", "clients", "revoke"], "for ever"),
    ] {
        let help = run(args);
        assert!(help.status.success(), "{}", stderr(&help));
        assert!(
            String::from_utf8_lossy(&help.stdout).contains(says),
            "{args:?}"
        );
    }
}

#[test]
fn pages_of_named_origins_and_of_no_others_may_call() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let app = "https://app.example.com";
    let exchange = |server: &Process, head: &str, body: &str| {
        let request = format!(
            "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
             content-type: application/json\r\n{body}",
            body.split_once("\r\n\r\n")
                .map_or(0, |(_, body)| body.len())
        );
        raw(&server.base_url, request.as_bytes()).to_ascii_lowercase()
    };
    let preflight = |server: &Process, origin: &str| {
        let fields = format!(
            "origin: {origin}\r\naccess-control-request-method: POST\r\n\
             access-control-request-headers: authorization,content-type\r\n\r\n"
        );
        exchange(server, &format!("OPTIONS {CHALLENGE}"), &fields)
    };
    let call = |server: &Process, path: &str, origin: &str| {
        let fields = format!("origin: {origin}\r\n\r\n{{\"client_id\":\"alice\"}}");
        exchange(server, &format!("POST {path}"), &fields)
    };

    let closed = Process::start(&store, &[]);
    assert!(!preflight(&closed, app).contains("access-control-"));
    assert!(!call(&closed, CHALLENGE, app).contains("access-control-"));
    drop(closed);

    let mut serve = serve(&store, &[]);
    serve.env(
        "TWOFAPI_ALLOW_ORIGIN",
        format!("{app},http://localhost:3000"),
    );
    let server = Process::spawn(serve);
    for origin in [app, "http://localhost:3000"] {
        let allowed = format!("access-control-allow-origin: {origin}\r\n");
        let answer = preflight(&server, origin);
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        assert!(answer.contains(&allowed), "{answer}");
        assert!(
            answer.contains("authorization") && answer.contains("content-type"),
            "{answer}"
        );
        for path in [CHALLENGE, "/nowhere"] {
            let answer = call(&server, path, origin);
            assert!(answer.contains(&allowed), "{answer}");
            assert!(answer.contains("retry-after"), "{answer}");
            assert!(!answer.contains("allow-credentials"), "{answer}");
        }
    }
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
    ] {
        assert!(!preflight(&server, origin).contains("access-control-allow-origin"));
        let answer = call(&server, CHALLENGE, origin);
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
    for wrong in ["*", "null", "https://app.example.com/", "app.example.com"] {
        let refused = refusal(crate::process::serve(&store, &["--allow-origin", wrong]));
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    }
}
