//! Enrolment by the token of an OpenID Connect issuer, against an issuer that this test runs.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use twofapi_crypto_core::ClientId;
use twofapi_server::{
    Config, KeySetSource, RecordChange, RuleError, WorkloadRules, Workloads, router,
};

use crate::{
    client::{Answer, Client, ENROLL, WHOAMI, credential, possession},
    server::{AUDIENCE, NOW, Server},
};

const ISSUER: &str = "https://issuer.example";

/// A key of an issuer.
struct Key {
    kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
}

impl Key {
    fn new(kid: &str, algorithm: Algorithm) -> Self {
        let random = SystemRandom::new();
        let signing = match algorithm {
            Algorithm::ES256 => {
                let document =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
                EncodingKey::from_ec_der(document.unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                let document = Ed25519KeyPair::generate_pkcs8v1(&random).unwrap();
                EncodingKey::from_ed_der(document.as_ref())
            }
            _ => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
                let document: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                // The key itself begins behind the 26 bytes which say that it is one.
                EncodingKey::from_rsa_der(&document.as_ref()[26..])
            }
        };
        Self {
            kid: kid.into(),
            algorithm,
            signing,
        }
    }

    fn published(&self) -> Value {
        let mut key = Jwk::from_encoding_key(&self.signing, self.algorithm).unwrap();
        key.common.key_id = Some(self.kid.clone());
        serde_json::to_value(key).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.clone());
        self.sign_under(&header, claims)
    }

    fn sign_under(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.signing).unwrap()
    }
}

/// What an issuer shows to whoever asks.
#[derive(Clone, Default)]
struct Published {
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
}

/// An issuer that serves its keys over HTTP.
struct Issuer {
    published: Published,
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Issuer {
    fn start(keys: &[&Key]) -> Self {
        // What signs; the service brings the same.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let published = Published::default();
        let serve = get(async |State(published): State<Published>| {
            published.asked.fetch_add(1, Ordering::SeqCst);
            Json(json!({ "keys": *published.keys.lock().unwrap() }))
        });
        let app = Router::new()
            .route("/keys", serve)
            .with_state(published.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let issuer = Self {
            published,
            url,
            _runtime: runtime,
        };
        issuer.publish(keys);
        issuer
    }

    fn publish(&self, keys: &[&Key]) {
        *self.published.keys.lock().unwrap() = keys.iter().map(|key| key.published()).collect();
    }

    fn asked(&self) -> usize {
        self.published.asked.load(Ordering::SeqCst)
    }
}

struct Http(String);

#[async_trait]
impl KeySetSource for Http {
    async fn read(&self) -> Result<Vec<u8>, String> {
        let url = self.0.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut answer = ureq::get(&url).call().map_err(|error| error.to_string())?;
            answer
                .body_mut()
                .read_to_vec()
                .map_err(|error| error.to_string())
        });
        read.await.unwrap()
    }
}

fn rules(more: Value) -> Value {
    let mut rule = json!({
        "claims": { "repository_owner": "octo-org", "ref": ["refs/heads/main", "refs/heads/next"] },
        "client_id": "ci.{repository}",
        "scopes": ["deploy"],
        "tenant": "octo",
        "expires_after": 3600,
    });
    let members = rule.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    json!({ "issuer": [{
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ["ES256", "RS256", "EdDSA"],
        "jwks_url": "https://issuer.example/keys",
        "rule": [rule],
    }] })
}

fn read(rules: &Value, url: &str) -> Result<Workloads, RuleError> {
    let rules: WorkloadRules = serde_json::from_value(rules.clone()).unwrap();
    Workloads::new(rules, |_| Ok(Arc::new(Http(url.into()))))
}

fn server(rules: &Value, issuer: &Issuer) -> Server {
    let config = Config {
        workloads: Some(Arc::new(read(rules, &issuer.url).unwrap())),
        ..Config::new(AUDIENCE.parse().unwrap())
    };
    let sources = Arc::new(twofapi_server::Sources::new(None, 0));
    Server::mounted(config, move |service| router(service, sources))
}

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "repo:octo-org/app:ref:refs/heads/main",
        "repository": "app",
        "repository_owner": "octo-org",
        "ref": "refs/heads/main",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 300,
        "jti": "1",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn enrol(server: &Server, token: &str, client_id: &str) -> (Answer, Client) {
    let client = Client {
        id: ClientId::parse(client_id).unwrap(),
        credential: credential(),
    };
    let body = possession(client_id, &client.credential);
    (server.post(ENROLL, Some(token), &body), client)
}

#[test]
fn a_workload_enrols_by_a_token_of_an_issuer_that_is_trusted() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA] {
        let key = Key::new("1", algorithm);
        let issuer = Issuer::start(&[&key]);
        let server = server(&rules(json!({})), &issuer);
        let token = key.sign(&claims());
        let (answer, client) = enrol(&server, &token, "ci.app");
        assert_eq!(answer.status, 201, "{algorithm:?} {answer:?}");
        assert_eq!(answer.body["commitment_version"], 1);
        let who = server.get(WHOAMI, Some(&server.log_in(&client)));
        assert_eq!((who.text("scope"), who.text("tenant")), ("deploy", "octo"));
        // As often as it likes afterwards it finds that the id is taken, and so does a thief of the token.
        for _ in 0..2 {
            let (again, _) = enrol(&server, &token, "ci.app");
            assert_eq!(again.problem(), (409, "already_enrolled"));
        }
        server.clock.pass(3600);
        let late = server.verify(&server.proven(&client));
        assert_eq!(late.problem(), (401, "denied"));
    }
}

#[test]
fn a_token_that_is_not_of_this_issuer_for_us_and_of_now_enrols_nobody() {
    let key = Key::new("1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    let server = server(&rules(json!({})), &issuer);
    let foreign = Key::new("1", Algorithm::ES256);
    let good = key.sign(&claims());
    let cut = |n: usize| good[..good.len() - n].to_owned();
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("1".into());
    let header = |change: fn(&mut Header)| {
        let mut changed = header.clone();
        change(&mut changed);
        key.sign_under(&changed, &claims())
    };
    let embedded = {
        let mut header = Header::new(Algorithm::ES256);
        header.jwk = Some(Jwk::from_encoding_key(&foreign.signing, Algorithm::ES256).unwrap());
        header.kid = Some("1".into());
        foreign.sign_under(&header, &claims())
    };
    let missing = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        key.sign(&claims)
    };
    let refused = [
        foreign.sign(&claims()),
        embedded,
        key.sign(&with("iss", json!("https://other.example"))),
        key.sign(&with("iss", json!("https://issuer.example/"))),
        key.sign(&with("iss", json!(["https://issuer.example"]))),
        key.sign(&with("aud", json!("https://other.example"))),
        key.sign(&with("aud", json!([AUDIENCE, "https://other.example"]))),
        key.sign(&with("aud", json!([]))),
        key.sign(&with("exp", json!(NOW))),
        key.sign(&with("exp", json!("never"))),
        key.sign(&with("iat", json!(NOW + 31))),
        key.sign(&with("iat", json!(NOW - 601))),
        key.sign(&with("nbf", json!(NOW + 31))),
        key.sign(&with("ref", json!("refs/heads/evil"))),
        key.sign(&with("ref", json!(["refs/heads/main"]))),
        key.sign(&with("repository_owner", json!("octo-org2"))),
        key.sign(&with("repository_owner", json!("Octo-org"))),
        key.sign(&with("repository", json!("app2"))),
        key.sign(&with("repository", json!("octo-org/app"))),
        missing("iss"),
        missing("aud"),
        missing("exp"),
        missing("iat"),
        missing("ref"),
        missing("repository"),
        header(|header| header.kid = Some("2".into())),
        header(|header| header.typ = Some("at+jwt".into())),
        header(|header| header.typ = Some("dpop+jwt".into())),
        header(|header| header.crit = Some(vec!["exp".into()])),
        cut(1),
        cut(86),
        format!("{good}."),
        format!(".{good}"),
        "..".into(),
        "a.b.c".into(),
        format!("a.{}.c", "A".repeat(9000)),
    ];
    let unknown = server.post(ENROLL, Some("x"), &possession("ci.app", &credential()));
    assert_eq!(unknown.problem(), (401, "denied"));
    for (n, token) in refused.iter().enumerate() {
        let (answer, _) = enrol(&server, token, "ci.app");
        assert_eq!(answer.problem(), (401, "denied"), "{n}");
        // Nothing tells it from an enrolment token that was never given.
        assert_eq!(answer.body, unknown.body, "{n}");
        let scheme = "www-authenticate";
        assert_eq!(answer.header(scheme), unknown.header(scheme));
    }
    // It permits its own client id, and that with a proof.
    let (answer, _) = enrol(&server, &good, "ci.other");
    assert_eq!(answer.problem(), (401, "denied"));
    let mut body = possession("ci.app", &credential());
    body["commitment"] = possession("ci.app", &credential())["commitment"].clone();
    let answer = server.post(ENROLL, Some(&good), &body);
    assert_eq!(answer.problem(), (401, "denied"));
    assert_eq!(enrol(&server, &good, "ci.app").0.status, 201);
}

#[test]
fn an_issuers_public_key_taken_for_a_secret_signs_nothing_and_neither_does_none() {
    let key = Key::new("1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    let server = server(&rules(json!({})), &issuer);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "1", "typ": "JWT" });
        format!("{}.{}.", part(&header), part(&claims()))
    };
    let public = key.published();
    let secrets = [
        public.to_string().into_bytes(),
        URL_SAFE_NO_PAD
            .decode(public["x"].as_str().unwrap())
            .unwrap(),
        b"shared".to_vec(),
    ];
    let mut forged: Vec<_> = ["none", "None", "", "ES512", "ES256"].map(none).into();
    for secret in &secrets {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("1".into());
        forged.push(encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap());
    }
    // Not even a secret that stands in the set is a key, nor an encryption key.
    let mut shared = json!({ "kty": "oct", "kid": "1", "k": URL_SAFE_NO_PAD.encode(b"shared") });
    issuer.published.keys.lock().unwrap()[0] = shared.take();
    let by = key.sign(&claims());
    for token in &forged {
        assert_eq!(
            enrol(&server, token, "ci.app").0.problem(),
            (401, "denied"),
            "{token}"
        );
    }
    let mut encrypts = key.published();
    encrypts["use"] = json!("enc");
    *issuer.published.keys.lock().unwrap() = vec![encrypts];
    server.clock.pass(60);
    assert_eq!(enrol(&server, &by, "ci.app").0.problem(), (401, "denied"));
    // And an algorithm that the operator has not named is none.
    let mut only = rules(json!({}));
    only["issuer"][0]["algorithms"] = json!(["RS256"]);
    issuer.publish(&[&key]);
    let strict = self::server(&only, &issuer);
    assert_eq!(enrol(&strict, &by, "ci.app").0.problem(), (401, "denied"));
    let lax = self::server(&rules(json!({})), &issuer);
    assert_eq!(enrol(&lax, &by, "ci.app").0.status, 201);
}

#[test]
fn odd_claims_make_no_client_id_of_somebody_else() {
    let key = Key::new("1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    let rule = json!({ "client_id": "ci.{repository}.{environment}" });
    let server = server(&rules(rule), &issuer);
    let token = |repository: Value, environment: Value| {
        let mut claims = with("repository", repository);
        claims["environment"] = environment;
        key.sign(&claims)
    };
    for (repository, environment) in [
        (json!("app.prod"), json!("x")),
        (json!("app"), json!("prod.x")),
        (json!("app"), json!("")),
        (json!("app"), json!(null)),
        (json!("app"), json!(["prod"])),
        (json!("app"), json!("prod\n")),
        (json!("app"), json!("prod\u{0}")),
        (json!("app"), json!("Prod")),
        (json!("../app"), json!("prod")),
        (json!("app"), json!("{ref}")),
    ] {
        let token = token(repository.clone(), environment.clone());
        for victim in ["ci.app.prod", "ci.app.prod.x", "ci.app"] {
            let (answer, _) = enrol(&server, &token, victim);
            assert_eq!(
                answer.problem(),
                (401, "denied"),
                "{repository} {environment}"
            );
        }
    }
    let good = token(json!("app"), json!("prod"));
    assert_eq!(enrol(&server, &good, "ci.app.prod").0.status, 201);
    let dotted = token(json!("app.x"), json!("prod"));
    assert_eq!(enrol(&server, &dotted, "ci.app+2ex.prod").0.status, 201);
}

#[test]
fn an_issuer_that_takes_another_key_is_asked_again_and_strangers_make_it_be_asked_seldom() {
    let (old, new) = (
        Key::new("1", Algorithm::ES256),
        Key::new("2", Algorithm::ES256),
    );
    let issuer = Issuer::start(&[&old]);
    let server = server(&rules(json!({})), &issuer);
    let of = |key: &Key, repository: &str| {
        let mut claims = with("repository", json!(repository));
        claims["iat"] = json!(NOW + 60);
        claims["exp"] = json!(NOW + 6000);
        claims["nbf"] = json!(NOW);
        key.sign(&claims)
    };
    server.clock.pass(60);
    assert_eq!(enrol(&server, &of(&old, "a"), "ci.a").0.status, 201);
    assert_eq!(issuer.asked(), 1);
    issuer.publish(&[&new]);
    // Strangers name keys that are none.
    let stranger = Key::new("99", Algorithm::ES256);
    for _ in 0..20 {
        assert_eq!(enrol(&server, &of(&stranger, "b"), "ci.b").0.status, 401);
    }
    assert_eq!(issuer.asked(), 1);
    assert_eq!(enrol(&server, &of(&new, "b"), "ci.b").0.status, 401);
    server.clock.pass(30);
    assert_eq!(enrol(&server, &of(&new, "b"), "ci.b").0.status, 201);
    assert_eq!(issuer.asked(), 2);
    // The old key is gone with its set.
    server.clock.pass(30);
    assert_eq!(enrol(&server, &of(&old, "c"), "ci.c").0.status, 401);
    assert_eq!(issuer.asked(), 3);

    // While the issuer is away its keys count for a while.
    drop(issuer);
    server.clock.pass(400);
    let mut late = with("repository", json!("d"));
    late["iat"] = json!(NOW + 500);
    late["exp"] = json!(NOW + 800_000);
    assert_eq!(enrol(&server, &new.sign(&late), "ci.d").0.status, 201);
    server.clock.pass(600);
    late["repository"] = json!("e");
    late["iat"] = json!(NOW + 1100);
    assert_eq!(enrol(&server, &new.sign(&late), "ci.e").0.status, 201);
    server.clock.pass(24 * 3600);
    late["iat"] = json!(NOW + 1100 + 24 * 3600);
    late["repository"] = json!("f");
    assert_eq!(enrol(&server, &new.sign(&late), "ci.f").0.status, 401);
}

#[test]
fn a_workload_that_lost_its_key_is_reset_where_the_rule_says_so_once_for_each_token() {
    let key = Key::new("1", Algorithm::ES256);
    let issuer = Issuer::start(&[&key]);
    let server = server(&rules(json!({ "reset": true })), &issuer);
    let token = |at: u64| {
        let mut claims = with("iat", json!(at));
        claims["exp"] = json!(at + 300);
        key.sign(&claims)
    };
    let first = token(NOW);
    let (answer, lost) = enrol(&server, &first, "ci.app");
    assert_eq!(answer.status, 201, "{answer:?}");
    let session = server.log_in(&lost);
    // Neither the token that enrolled it nor one of the same second resets it, nor one of the future, which would
    // be good twice.
    for at in [NOW, NOW - 1, NOW + 1] {
        assert_eq!(
            enrol(&server, &token(at), "ci.app").0.problem(),
            (401, "denied")
        );
    }
    server.clock.pass(10);
    let anew = token(NOW + 5);
    let (answer, found) = enrol(&server, &anew, "ci.app");
    assert_eq!((answer.status, answer.text("status")), (201, "active"));
    assert_eq!(server.get(WHOAMI, Some(&session)).status, 401);
    assert_eq!(server.verify(&server.proven(&lost)).status, 401);
    // Its lifetime begins again.
    server.clock.pass(3595);
    let who = server.get(WHOAMI, Some(&server.log_in(&found)));
    assert_eq!(who.text("scope"), "deploy");
    server.clock.set_wall(NOW + 11);
    assert_eq!(enrol(&server, &anew, "ci.app").0.problem(), (401, "denied"));

    // Of many resets by one token at once one is done.
    server.clock.set_wall(NOW + 20);
    let once = token(NOW + 15);
    let done = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| enrol(&server, &once, "ci.app").0.status))
            .collect();
        let statuses = tries.into_iter().map(|one| one.join().unwrap());
        statuses.filter(|status| *status == 201).count()
    });
    assert_eq!(done, 1);

    server.change("ci.app", RecordChange::Revoke);
    server.clock.set_wall(NOW + 30);
    assert_eq!(
        enrol(&server, &token(NOW + 25), "ci.app").0.problem(),
        (401, "denied")
    );
}

#[test]
fn without_rules_an_issuers_token_is_an_enrolment_token_that_nobody_gave() {
    let key = Key::new("1", Algorithm::ES256);
    let _issuer = Issuer::start(&[&key]);
    let server = Server::start();
    let (answer, _) = enrol(&server, &key.sign(&claims()), "ci.app");
    assert_eq!(answer.problem(), (401, "denied"));
    // And with them those that the operator gives go on.
    let issuer = Issuer::start(&[&key]);
    let server = self::server(&rules(json!({})), &issuer);
    server.enrol("alice");
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    let url = "http://127.0.0.1:1/";
    assert!(read(&rules(json!({})), url).is_ok());
    for bad in [
        json!({ "claims": {} }),
        json!({ "claims": { "ref": [] } }),
        json!({ "claims": { "ref": { "a": 1 } } }),
        json!({ "claims": { "ref": null } }),
        json!({ "client_id": "{repository}" }),
        json!({ "client_id": "ci.{a}{b}" }),
        json!({ "scopes": ["2fapi:introspect"] }),
        json!({ "scopes": ["a b"] }),
        json!({ "tenant": "" }),
    ] {
        assert!(read(&rules(bad.clone()), url).is_err(), "{bad}");
    }
    for (name, value) in [
        ("algorithms", json!([])),
        ("max_age", json!(0)),
        ("max_age", json!(100_000)),
        ("rule", json!([])),
        ("issuer", json!("")),
        ("audience", json!("")),
        ("jwks_url", json!(null)),
        ("jwks_file", json!("keys.json")),
    ] {
        let mut bad = rules(json!({}));
        bad["issuer"][0][name] = value;
        assert!(read(&bad, url).is_err(), "{name}");
    }
    for (algorithm, more) in [
        ("HS256", json!({})),
        ("none", json!({})),
        ("ES256", json!({ "x": 1 })),
    ] {
        let mut bad = rules(more);
        bad["issuer"][0]["algorithms"] = json!([algorithm]);
        assert!(serde_json::from_value::<WorkloadRules>(bad).is_err());
    }
    // One issuer vouches for nobody of another.
    for (id, good) in [
        ("ci.app", false),
        ("ci.{sub}", false),
        ("c", true),
        ("k8s.{sub}", true),
    ] {
        let mut both = rules(json!({}));
        let mut other = both["issuer"][0].clone();
        other["issuer"] = json!("https://other.example");
        other["rule"][0]["client_id"] = json!(id);
        both["issuer"].as_array_mut().unwrap().push(other);
        assert_eq!(read(&both, url).is_ok(), good, "{id}");
    }
}
