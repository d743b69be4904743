//! DPoP (RFC 9449): tokens that are good with a proof of their key alone, and what a thief of a token or of a proof
//! would do with it.

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use twofapi_server::{Config, EmbeddedStore, OperatorKeys, Sources, Store, router};

use crate::{
    client::{Answer, CREDENTIALS, Client, OFFER, TOKEN, VERIFY, WHOAMI, send},
    oauth::{assertion, with},
    server::{AUDIENCE, NOW, Server},
};

/// A client's key for its tokens.
struct Key {
    algorithm: Algorithm,
    signing: EncodingKey,
    jwk: Value,
}

impl Key {
    fn new(algorithm: Algorithm) -> Self {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let random = SystemRandom::new();
        let signing = match algorithm {
            Algorithm::EdDSA => {
                let document = Ed25519KeyPair::generate_pkcs8v1(&random).unwrap();
                EncodingKey::from_ed_der(document.as_ref())
            }
            _ => {
                let document =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                EncodingKey::from_ec_der(document.unwrap().as_ref())
            }
        };
        let mut jwk = Jwk::from_encoding_key(&signing, algorithm).unwrap();
        jwk.common.key_algorithm = None;
        Self {
            algorithm,
            jwk: serde_json::to_value(jwk).unwrap(),
            signing,
        }
    }

    fn thumbprint(&self) -> [u8; 32] {
        let text = |name: &str| self.jwk[name].as_str().unwrap();
        let members = match self.algorithm {
            Algorithm::EdDSA => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text("x"))
            }
            _ => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                text("x"),
                text("y")
            ),
        };
        Sha256::digest(members).into()
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.typ = Some("dpop+jwt".into());
        header.jwk = serde_json::from_value(self.jwk.clone()).unwrap();
        encode(&header, claims, &self.signing).unwrap()
    }

    /// A proof for a login over this challenge.
    fn for_login(&self, path: &str, challenge: &str) -> String {
        let mut claims = claims("POST", path, NOW);
        claims["nonce"] = json!(challenge);
        self.sign(&claims)
    }

    /// A proof for a request with this token.
    fn for_token(&self, method: &str, path: &str, token: &str, now: u64) -> String {
        self.sign(&with_token(claims(method, path, now), token))
    }
}

fn claims(method: &str, path: &str, now: u64) -> Value {
    let mut jti = [0; 16];
    getrandom::fill(&mut jti).unwrap();
    json!({
        "jti": hex::encode(jti),
        "htm": method,
        "htu": format!("{AUDIENCE}{path}"),
        "iat": now,
    })
}

fn with_token(mut claims: Value, token: &str) -> Value {
    claims["ath"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
    claims
}

fn config() -> Config {
    Config {
        require_dpop: true,
        ..Config::new(AUDIENCE.parse().unwrap())
    }
}

fn start() -> Server {
    Server::with(config(), None)
}

/// The body of a verification that is bound to this key.
fn bound(server: &Server, client: &Client, key: [u8; 32]) -> Value {
    let challenge = server.challenge(client.id.as_str());
    let binding = server.binding().clone().with_dpop(&key).unwrap();
    crate::client::proven(client, &challenge, &binding)
}

fn post(server: &Server, path: &str, body: &Value, dpop: &[&str]) -> Answer {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(dpop.iter().map(|proof| ("dpop", *proof)));
    let body = body.to_string();
    send(&server.base_url, "POST", path, &headers, body.as_bytes())
}

fn log_in(server: &Server, client: &Client, key: &Key) -> String {
    let body = bound(server, client, key.thumbprint());
    let proof = key.for_login(VERIFY, body["challenge_id"].as_str().unwrap());
    let answer = post(server, VERIFY, &body, &[&proof]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text("token_type"), "DPoP");
    answer.text("access_token").to_owned()
}

fn show(
    server: &Server,
    method: &str,
    path: &str,
    scheme: &str,
    token: &str,
    dpop: &[&str],
) -> Answer {
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    headers.extend(dpop.iter().map(|proof| ("dpop", *proof)));
    send(&server.base_url, method, path, &headers, b"")
}

#[test]
fn a_token_is_bound_to_the_key_of_its_login_and_good_with_it_alone() {
    let server = start();
    let alice = server.enrol("alice");
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let (key, other) = (Key::new(algorithm), Key::new(algorithm));
        let token = log_in(&server, &alice, &key);
        let payload = token.split('.').nth(1).unwrap();
        let payload: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let jkt = URL_SAFE_NO_PAD.encode(key.thumbprint());
        assert_eq!(payload["cnf"], json!({ "jkt": jkt }));

        let good = |path| key.for_token("GET", path, &token, NOW);
        for path in [WHOAMI, CREDENTIALS, OFFER] {
            let answer = show(&server, "GET", path, "DPoP", &token, &[&good(path)]);
            assert_eq!(answer.status, 200, "{path} {answer:?}");
        }
        let query = format!("{WHOAMI}?x=y");
        let answer = show(&server, "GET", &query, "dpop", &token, &[&good(WHOAMI)]);
        assert_eq!(answer.status, 200, "{answer:?}");

        // As a bearer token it is none, nor with another's proof, or one for something else.
        let of = |claims: Value| key.sign(&with_token(claims, &token));
        let here = || claims("GET", WHOAMI, NOW);
        let changed = |name: &str, value: Value| {
            let mut claims = here();
            claims[name] = value;
            of(claims)
        };
        let mut unbound = here();
        unbound["ath"] = json!(URL_SAFE_NO_PAD.encode(Sha256::digest("another")));
        let (one, two) = (good(WHOAMI), good(WHOAMI));
        for (n, (scheme, proofs)) in [
            ("Bearer", vec![]),
            ("Bearer", vec![good(WHOAMI)]),
            ("DPoP", vec![]),
            ("DPoP", vec![one, two]),
            ("DPoP", vec![String::new()]),
            ("DPoP", vec!["x".into()]),
            ("DPoP", vec![other.for_token("GET", WHOAMI, &token, NOW)]),
            ("DPoP", vec![key.sign(&here())]),
            ("DPoP", vec![key.sign(&unbound)]),
            ("DPoP", vec![good(CREDENTIALS)]),
            ("DPoP", vec![of(claims("POST", WHOAMI, NOW))]),
            ("DPoP", vec![of(claims("GET", WHOAMI, NOW - 61))]),
            ("DPoP", vec![of(claims("GET", WHOAMI, NOW + 61))]),
            (
                "DPoP",
                vec![changed(
                    "htu",
                    json!(format!("https://other.example{WHOAMI}")),
                )],
            ),
            (
                "DPoP",
                vec![changed(
                    "htu",
                    json!(format!("http://auth.example.com{WHOAMI}")),
                )],
            ),
            ("DPoP", vec![changed("jti", json!(""))]),
            ("DPoP", vec![changed("jti", json!("x".repeat(257)))]),
            ("DPoP", vec![changed("iat", json!("now"))]),
        ]
        .into_iter()
        .enumerate()
        {
            let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
            let answer = show(&server, "GET", WHOAMI, scheme, &token, &proofs);
            assert_eq!(answer.problem(), (401, "denied"), "{n}");
            let scheme = answer.header("www-authenticate");
            assert!(scheme.starts_with("DPoP realm="), "{n} {scheme}");
            assert!(scheme.contains("algs=\"ES256 EdDSA\""), "{n} {scheme}");
        }
    }
}

#[test]
fn a_proof_is_good_once_and_a_strangers_is_not_remembered() {
    let server = start();
    let alice = server.enrol("alice");
    let key = Key::new(Algorithm::ES256);
    let token = log_in(&server, &alice, &key);
    let proof = key.for_token("GET", WHOAMI, &token, NOW);
    // Who has seen the proof, and not the token, cannot use it up.
    let foreign = show(&server, "GET", WHOAMI, "DPoP", "a.b.c", &[&proof]);
    assert_eq!(foreign.problem(), (401, "denied"));
    assert_eq!(
        show(&server, "GET", WHOAMI, "DPoP", &token, &[&proof]).status,
        200
    );
    let again = show(&server, "GET", WHOAMI, "DPoP", &token, &[&proof]);
    assert_eq!(again.problem(), (401, "denied"));
    server.clock.pass(60);
    assert_eq!(
        show(&server, "GET", WHOAMI, "DPoP", &token, &[&proof]).status,
        401
    );
    server.clock.pass(1);
    assert_eq!(
        show(&server, "GET", WHOAMI, "DPoP", &token, &[&proof]).status,
        401
    );
}

#[test]
fn a_key_cannot_be_exchanged_beside_the_proof() {
    let server = start();
    let alice = server.enrol("alice");
    let (key, thief) = (Key::new(Algorithm::ES256), Key::new(Algorithm::ES256));
    let body = bound(&server, &alice, key.thumbprint());
    let challenge = body["challenge_id"].as_str().unwrap();
    // With a key of the thief's the proof is none, whatever else is right.
    let stolen = post(
        &server,
        VERIFY,
        &body,
        &[&thief.for_login(VERIFY, challenge)],
    );
    assert_eq!(stolen.problem(), (401, "denied"));
    // Nor is a login without a key one, or a proof for something else.
    let other = server.challenge("alice");
    let good = key.for_login(VERIFY, challenge);
    for proofs in [
        vec![],
        vec![String::new()],
        vec![good.clone(), good.clone()],
        vec![key.sign(&claims("POST", VERIFY, NOW))],
        vec![key.for_login(VERIFY, other.text("challenge_id"))],
        vec![key.for_login(TOKEN, challenge)],
        vec![key.for_login("/auth/zkp/verify/", challenge)],
    ] {
        let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
        let answer = post(&server, VERIFY, &body, &proofs);
        assert_eq!(answer.problem(), (400, "malformed_request"), "{answer:?}");
    }
    // A proof that is bound to no key is none either.
    let unbound = server.proven(&alice);
    let challenge = unbound["challenge_id"].as_str().unwrap();
    let answer = post(
        &server,
        VERIFY,
        &unbound,
        &[&key.for_login(VERIFY, challenge)],
    );
    assert_eq!(answer.problem(), (401, "denied"));
    assert_eq!(post(&server, VERIFY, &body, &[&good]).status, 200);
}

#[test]
fn an_oauth_client_has_its_token_bound_as_well() {
    let server = start();
    let alice = server.enrol("alice");
    let key = Key::new(Algorithm::ES256);
    let body = bound(&server, &alice, key.thumbprint());
    let challenge = body["challenge_id"].as_str().unwrap();
    let assertion = assertion(&body);
    let encoded: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(with(&assertion, &[]))
        .finish();
    let ask = |dpop: &[&str]| {
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(dpop.iter().map(|proof| ("dpop", *proof)));
        send(
            &server.base_url,
            "POST",
            TOKEN,
            &headers,
            encoded.as_bytes(),
        )
    };
    for proofs in [vec![], vec![key.for_login(VERIFY, challenge)]] {
        let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
        let answer = ask(&proofs);
        assert_eq!(
            (answer.status, answer.text("error")),
            (400, "invalid_dpop_proof")
        );
    }
    // A library that knows no nonce yet is told, as RFC 9449 has it.
    let answer = ask(&[&key.sign(&claims("POST", TOKEN, NOW))]);
    let told = (answer.status, answer.text("error"));
    assert_eq!(told, (400, "use_dpop_nonce"));
    assert_eq!(answer.header("dpop-nonce"), challenge);
    let answer = ask(&[&key.for_login(TOKEN, challenge)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text("token_type"), "DPoP");
    let next = answer.body["next_challenge"]["challenge_id"].as_str();
    assert_eq!(Some(answer.header("dpop-nonce")), next);
    let token = answer.text("access_token");
    let proof = key.for_token("GET", WHOAMI, token, NOW);
    assert_eq!(
        show(&server, "GET", WHOAMI, "DPoP", token, &[&proof]).status,
        200
    );
}

#[test]
fn a_server_without_dpop_takes_no_bound_token_and_makes_none() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let key = Key::new(Algorithm::ES256);
    let body = bound(&server, &alice, key.thumbprint());
    let proof = key.for_login(VERIFY, body["challenge_id"].as_str().unwrap());
    assert_eq!(
        post(&server, VERIFY, &body, &[&proof]).problem(),
        (401, "denied")
    );
    // A field that nobody asked for changes nothing.
    let body = server.proven(&alice);
    let answer = post(&server, VERIFY, &body, &["x"]);
    assert_eq!(answer.text("token_type"), "Bearer", "{answer:?}");
    let token = answer.text("access_token");
    let proof = key.for_token("GET", WHOAMI, token, NOW);
    assert_eq!(
        show(&server, "GET", WHOAMI, "DPoP", token, &[&proof]).status,
        401
    );
    assert_eq!(server.get(WHOAMI, Some(token)).status, 200);
}

#[test]
fn at_another_server_of_the_store_a_login_is_not_replayed_and_a_proof_for_a_minute_only() {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::in_memory(10_000).unwrap());
    let keys = OperatorKeys::generate(0).unwrap();
    let server = |config: Config| {
        let sources = Arc::new(Sources::new(None, 0));
        let config = Config {
            operator_keys: Some(keys.clone()),
            ..config
        };
        Server::over(store.clone(), config, move |service| {
            router(service, sources)
        })
    };
    let (one, two) = (server(config()), server(config()));
    let alice = one.enrol("alice");
    let key = Key::new(Algorithm::ES256);
    let body = bound(&one, &alice, key.thumbprint());
    let proof = key.for_login(VERIFY, body["challenge_id"].as_str().unwrap());
    let answer = post(&one, VERIFY, &body, &[&proof]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        post(&two, VERIFY, &body, &[&proof]).problem(),
        (401, "denied")
    );

    // What was seen at a resource is remembered by the server that saw it; the others go by the time.
    let token = answer.text("access_token");
    let proof = key.for_token("GET", WHOAMI, token, NOW);
    assert_eq!(
        show(&one, "GET", WHOAMI, "DPoP", token, &[&proof]).status,
        200
    );
    assert_eq!(
        show(&one, "GET", WHOAMI, "DPoP", token, &[&proof]).status,
        401
    );
    two.clock.pass(61);
    assert_eq!(
        show(&two, "GET", WHOAMI, "DPoP", token, &[&proof]).status,
        401
    );
    // A server that requires nothing is no way around.
    let lax = server(Config::new(AUDIENCE.parse().unwrap()));
    assert_eq!(lax.get(WHOAMI, Some(token)).status, 401);
    // And a token that is bound to nothing is none where binding is required.
    let unbound = lax.log_in(&alice);
    assert_eq!(lax.get(WHOAMI, Some(&unbound)).status, 200);
    assert_eq!(one.get(WHOAMI, Some(&unbound)).status, 401);
    let proof = key.for_token("GET", WHOAMI, &unbound, NOW);
    assert_eq!(
        show(&one, "GET", WHOAMI, "DPoP", &unbound, &[&proof]).status,
        401
    );
}
