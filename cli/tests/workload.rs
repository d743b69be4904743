//! A workload enrols by the token of an issuer: the rules of `2fapi serve`, and `2fapi enroll`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use support::{Home, Server};

const AUDIENCE: &str = "https://api.example.com";

/// An issuer that shows its key to whoever asks.
struct Issuer {
    key: SigningKey,
    url: String,
}

impl Issuer {
    fn start() -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let body = keys(&key).to_string();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                }
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { key, url }
    }

    fn token(&self, service: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "EdDSA", "kid": "1" }));
        let claims = part(json!({
            "iss": self.url,
            "aud": [AUDIENCE],
            "iat": now.as_secs(),
            "exp": now.as_secs() + 600,
            "kubernetes.io": { "namespace": "prod", "serviceaccount": { "name": service } },
        }));
        let message = format!("{header}.{claims}");
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn rules(&self, keys: &str) -> String {
        format!(
            "[[issuer]]\nissuer = '{}'\naudience = '{AUDIENCE}'\nalgorithms = ['EdDSA']\n{keys}\n\
             [[issuer.rule]]\nclaims = {{ '/kubernetes.io/namespace' = 'prod' }}\n\
             client_id = 'k8s.{{/kubernetes.io/namespace}}.{{/kubernetes.io/serviceaccount/name}}'\n\
             scopes = ['reports']\nexpires_after = 3600\n",
            self.url
        )
    }
}

fn keys(key: &SigningKey) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] })
}

fn written(home: &Home, name: &str, text: &str) -> String {
    let path = home.path(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_workload_enrols_by_the_token_that_it_has_and_logs_in() {
    let home = Home::new();
    let issuer = Issuer::start();
    fs::write(home.path("keys.json"), keys(&issuer.key).to_string()).unwrap();
    // The keys over HTTP, and from a file beside the rules.
    for (service, source) in [
        ("web", format!("jwks_url = '{}/keys'", issuer.url)),
        ("worker", "jwks_file = 'keys.json'".into()),
    ] {
        let rules = written(&home, "rules.toml", &issuer.rules(&source));
        let server = Server::start_with(&home, &["--workload-rules", &rules]);
        let url = server.url.as_str();
        let client_id = format!("k8s.prod.{service}");
        let token = written(&home, "token", &format!("{}\n", issuer.token(service)));
        let enroll = |id: &str| {
            let arguments = ["enroll", id, "--server", url, "--oidc-token-file", &token];
            home.run(arguments)
        };
        home.run(["keygen", &client_id]).succeeds();
        let other = format!("k8s.prod.{service}-2");
        home.run(["keygen", &other]).succeeds();
        enroll(&other).fails(1, "not accepted");
        enroll(&client_id).succeeds();
        enroll(&client_id).fails(2, "enrolled already");
        home.run(["login", &client_id, "--server", url]).succeeds();
        let shown = server.operator(&home, ["--json", "clients", "show", &client_id]);
        assert!(shown.succeeds().stdout.contains("reports"));
        fs::remove_file(home.path("token")).unwrap();
    }
}

#[test]
fn rules_that_cannot_be_meant_keep_the_server_from_starting() {
    let home = Home::new();
    let issuer = Issuer::start();
    let file = "jwks_file = 'keys.json'";
    for (rules, says) in [
        (
            issuer.rules("jwks_url = 'http://issuer.example/keys'"),
            "jwks_url",
        ),
        (issuer.rules(""), "jwks_url or jwks_file"),
        (issuer.rules(file).replace("EdDSA", "HS256"), "HS256"),
        (
            issuer.rules(file).replace("prod", "").replace("''", "[]"),
            "claim",
        ),
        (issuer.rules(file).replace("k8s.", ""), "begin with a text"),
        (issuer.rules(file).replace("scopes", "scope"), "scope"),
        ("[[issuer]".into(), "rules.toml"),
    ] {
        let path = written(&home, "rules.toml", &rules);
        let store = home.path("store.redb");
        let mut serve = home.command(["serve", "--listen", "127.0.0.1:0", "--workload-rules"]);
        serve.arg(&path).arg("--store").arg(&store);
        home.run_command(serve).fails(2, says);
        assert!(!store.exists());
    }
}
