//! TLS, a Unix socket, proxies, limits by subnet, and the address of the operators.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use ureq::tls::TlsConfig;

use crate::{
    client::{CHALLENGE, VERIFY, post, raw},
    process::{Process, command, refusal, serve, stderr},
};

/// What is answered on a socket file.
fn asked(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[track_caller]
fn refused(mut command: Command, says: &str) {
    command.env("TWOFAPI_AUDIENCE", "");
    let refused = refusal(command);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains(says),
        "no {says:?} in {}",
        stderr(&refused)
    );
}

/// A certificate for localhost and its key, good or over.
pub(crate) fn certificate(directory: &Path, until: i32) -> [String; 2] {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let paths = ["certificate.pem", "key.pem"].map(|name| directory.join(name));
    fs::write(&paths[0], certificate.pem()).unwrap();
    fs::write(&paths[1], key.serialize_pem()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&paths[1], private).unwrap();
    paths.map(|path| path.to_str().unwrap().to_owned())
}

/// A client over TLS that takes any certificate.
fn agent() -> ureq::Agent {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .disable_verification(true)
        .build();
    ureq::Agent::config_builder().tls_config(tls).build().into()
}

#[test]
fn tls_is_spoken_with_the_certificate_that_was_named() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let [certificate, key] = certificate(directory.path(), 2090);
    let args = ["--tls-certificate", &certificate, "--tls-key", &key];
    let server = Process::start(&store, &args);
    assert!(
        server.base_url.starts_with("https://127.0.0.1:"),
        "{}",
        server.base_url
    );
    let agent = agent();
    let mut answer = agent
        .post(format!("{}{CHALLENGE}", server.base_url))
        .content_type("application/json")
        .send(r#"{"client_id":"alice"}"#)
        .unwrap();
    let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    let binding = hex::decode(answer["channel_binding"].as_str().unwrap()).unwrap();
    assert_eq!(binding, format!("aud:{}", server.base_url).as_bytes());
}

#[test]
fn a_certificate_that_is_over_is_said_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let [certificate, key] = certificate(directory.path(), 2001);
    let mut server = Process::start(
        &store,
        &["--tls-certificate", &certificate, "--tls-key", &key],
    );
    // It is looked at as soon as the server runs, and the first answer comes after that.
    let agent = agent();
    for _ in 0..3 {
        assert_eq!(
            agent
                .get(format!("{}/healthz", server.base_url))
                .call()
                .unwrap()
                .status(),
            200
        );
    }
    let log = server.stop();
    assert!(log.contains("the certificate has expired"), "{log}");
}

#[test]
fn settings_of_the_network_that_do_not_fit_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let [certificate, key] = certificate(directory.path(), 2090);
    let tls = ["--tls-certificate", &certificate, "--tls-key", &key];
    refused(serve(&store, &tls[..2]), "TLS needs both");
    refused(
        serve(&store, &[&tls[..], &["--audience", "http://a"]].concat()),
        "begins with https://",
    );
    let both = [&tls[..], &["--behind-tls-proxy", "--audience", "https://a"]].concat();
    refused(serve(&store, &both), "or by the proxy");
    refused(
        serve(&store, &["--tls-certificate", &key, "--tls-key", &key]),
        "no certificate in it",
    );
    refused(serve(&store, &["--proxy-protocol"]), "--trusted-proxies");
    let twice = ["--trusted-hops", "1", "--trusted-proxies", "10.0.0.0/8"];
    refused(serve(&store, &twice), "leave out --trusted-proxies");
    refused(
        serve(&store, &["--trusted-proxies", "10.0.0.1/8"]),
        "no bit beyond it",
    );
    refused(
        serve(&store, &["--trusted-proxies", "everybody"]),
        "invalid value",
    );
    refused(
        serve(&store, &["--forwarded-by", "x-real-ip"]),
        "say x-forwarded-for or forwarded",
    );
    let mut unix = command(&["serve", "--listen", "unix:/nowhere/x", "--store"]);
    unix.arg(&store);
    refused(unix, "say what it is known as with --audience");
    assert!(!store.exists());
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("http");
    let listen = format!("unix:{}", socket.display());
    let mut serve = command(&[
        "serve",
        "--audience",
        "https://a.example",
        "--listen",
        &listen,
    ]);
    serve
        .arg("--store")
        .arg(directory.path().join("2fapi.redb"));
    let mut server = Process::spawn(serve);
    assert_eq!(server.base_url, listen);
    assert!(asked(&socket, "GET /healthz").starts_with("HTTP/1.1 200"));
    server.stop();
    assert!(!socket.exists());
}

/// The status of an attempt that says it is forwarded.
fn forwarded(server: &Process, fields: &str) -> String {
    let request = format!(
        "POST {VERIFY} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {fields}\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    raw(&server.base_url, request.as_bytes())[9..12].to_owned()
}

#[test]
fn limits_go_by_what_trusted_proxies_say_and_by_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("2fapi.redb");
    let limits = [
        "--rate-limit",
        "1",
        "--rate-burst",
        "1",
        "--subnet-rate-burst",
        "2",
    ];
    let by = |more: &[&str]| Process::start(&store, &[&limits[..], more].concat());

    let server = by(&[
        "--trusted-proxies",
        "127.0.0.1,10.0.0.0/8",
        "--subnet-rate-limit",
        "1",
    ]);
    assert_eq!(forwarded(&server, "x-forwarded-for: 203.0.113.1"), "400");
    assert_eq!(forwarded(&server, "x-forwarded-for: 203.0.113.1"), "429");
    // What stands before the nearest address was written by anybody.
    assert_eq!(
        forwarded(&server, "x-forwarded-for: 192.0.2.9, 203.0.113.1, 10.1.2.3"),
        "429"
    );
    assert_eq!(
        forwarded(
            &server,
            "x-forwarded-for: 192.0.2.9\r\nx-forwarded-for: 203.0.113.1"
        ),
        "429"
    );
    assert_eq!(forwarded(&server, "x-forwarded-for: 203.0.113.2"), "400");
    // The subnet has had its two.
    assert_eq!(forwarded(&server, "x-forwarded-for: 203.0.113.3"), "429");
    assert_eq!(
        forwarded(&server, "x-forwarded-for: [2001:db8::1]:443"),
        "400"
    );
    drop(server);

    let server = by(&[
        "--trusted-proxies",
        "127.0.0.1",
        "--forwarded-by",
        "forwarded",
    ]);
    assert_eq!(
        forwarded(&server, "forwarded: for=203.0.113.1;proto=https"),
        "400"
    );
    assert_eq!(
        forwarded(
            &server,
            "forwarded: for=\"x, for=203.0.113.1\r\nx-forwarded-for: 192.0.2.1"
        ),
        "429"
    );
    drop(server);

    let server = by(&["--trusted-proxies", "10.0.0.0/8"]);
    assert_eq!(forwarded(&server, "x-forwarded-for: 203.0.113.1"), "400");
    assert_eq!(
        forwarded(&server, "x-forwarded-for: 203.0.113.2"),
        "429",
        "strangers say who they are"
    );
}

#[test]
fn readiness_goes_before_the_server_and_what_is_in_flight_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("operations");
    let at = format!("unix:{}", socket.display());
    let store = directory.path().join("2fapi.redb");
    let mut server = Process::start(&store, &["--operations-listen", &at, "--drain", "300"]);
    assert!(asked(&socket, "GET /livez").starts_with("HTTP/1.1 200"));
    assert!(asked(&socket, "GET /readyz").starts_with("HTTP/1.1 200"));
    let id = server.child.id().to_string();
    let signal = || {
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        )
    };
    signal();
    let patience = Instant::now() + Duration::from_secs(30);
    while asked(&socket, "GET /readyz").starts_with("HTTP/1.1 200") {
        assert!(Instant::now() < patience, "it is ready still");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(asked(&socket, "GET /readyz").starts_with("HTTP/1.1 503"));
    assert!(asked(&socket, "GET /livez").starts_with("HTTP/1.1 200"));
    let challenge = post(
        &server.base_url,
        CHALLENGE,
        None,
        &serde_json::json!({ "client_id": "a" }),
    );
    assert_eq!(
        challenge.status, 200,
        "who came before the load balancer noticed is turned away"
    );
    signal();
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_the_dashboard_and_the_alerts_ask_for_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("operations");
    let at = format!("unix:{}", socket.display());
    let store = directory.path().join("2fapi.redb");
    let server = Process::start(&store, &["--operations-listen", &at]);
    let (client, _) = server.enrol("alice-the-client", &store);
    server.log_in(&client);
    let denied = post(&server.base_url, VERIFY, None, &serde_json::json!({}));
    assert_eq!(denied.status, 400);
    post(&server.base_url, "/nowhere", None, &serde_json::json!({}));
    let measured = asked(&socket, "GET /metrics");
    for line in [
        "twofapi_logins_total{outcome=\"accepted\"} 1\n",
        "twofapi_logins_total{outcome=\"denied\"} 0\n",
        "twofapi_logins_total{outcome=\"malformed\"} 1\n",
        "twofapi_challenges_total 1\n",
        "twofapi_spent_challenges 1\n",
        "twofapi_store_up 1\n",
        "twofapi_ready 1\n",
        "route=\"other\",status=\"404\"",
        "twofapi_http_request_seconds_bucket{le=\"0.5\",route=\"/auth/zkp/verify\"} 2\n",
    ] {
        assert!(measured.contains(line), "no {line:?} in {measured}");
    }
    assert!(!measured.contains("alice"), "a client is named");
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    for file in ["grafana/2fapi.json", "prometheus/2fapi.rules.yml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../packaging")
            .join(file);
        let text = fs::read_to_string(path).unwrap();
        let asked_for = text
            .split(|char| !is_part(char))
            .filter(|word| word.starts_with("twofapi_"));
        let mut count = 0;
        for name in asked_for {
            count += 1;
            let is_there = measured
                .lines()
                .any(|line| line.split(['{', ' ']).next() == Some(name));
            assert!(is_there, "{file} asks for {name}, which is not measured");
        }
        assert!(count > 8, "{file}");
    }
}
