//! Logins by several methods, with methods that there are in tests only: one that is answered at once, and one whose
//! answer comes from elsewhere, later.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use async_trait::async_trait;
use axum::{Router, extract::FromRef, routing::get};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use twofapi_crypto_core::{ClientId, Error, Scopes};
use twofapi_server::{
    Acr, Answered, AttributesChange, AuthenticatedClient, Begun, Config, HeldLogin, Method,
    Methods, RecordChange, Service, Sources, router,
};

use crate::{
    client::{Answer, Client},
    server::{AUDIENCE, Server},
    tokens::part,
};

const STEP: &str = "/auth/zkp/step";
const STEP_UP: &str = "/auth/zkp/step-up";

/// Each client has a PIN of its own, and shows that it knows it for this login.
struct Pin;

fn pin_of(client_id: &str) -> String {
    format!("pin of {client_id}")
}

fn pin_answer(nonce: &[u8], client_id: &str, pin: &str) -> String {
    hex::encode(Sha256::digest(
        [nonce, client_id.as_bytes(), pin.as_bytes()].concat(),
    ))
}

#[async_trait]
impl Method for Pin {
    fn name(&self) -> &'static str {
        "pin"
    }

    fn amr(&self) -> &'static [&'static str] {
        &["pin", "kba"]
    }

    fn longest_answer(&self) -> usize {
        200_000
    }

    async fn begin(&self, login: &HeldLogin<'_>) -> Result<Begun, Error> {
        Ok(Begun {
            told: json!({ "nonce": hex::encode(login.nonce.as_bytes()) }),
            kept: Vec::new(),
        })
    }

    async fn answer(
        &self,
        login: &HeldLogin<'_>,
        _: &[u8],
        answer: Option<&Value>,
    ) -> Result<Answered, Error> {
        let id = login.client_id.as_str();
        let right = pin_answer(login.nonce.as_bytes(), id, &pin_of(id));
        let given = answer.and_then(|answer| answer["proof"].as_str());
        Ok(match given == Some(&right) {
            true => Answered::Proven,
            false => Answered::Refused,
        })
    }
}

/// Somebody else says yes in a while.
#[derive(Default)]
struct Chain {
    said: AtomicBool,
    asked: AtomicU32,
}

#[async_trait]
impl Method for Chain {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn amr(&self) -> &'static [&'static str] {
        &["chain"]
    }

    fn seconds(&self) -> u32 {
        900
    }

    async fn begin(&self, _: &HeldLogin<'_>) -> Result<Begun, Error> {
        Ok(Begun {
            told: json!({ "digits": 123 }),
            kept: b"request 7, asked 0 times".to_vec(),
        })
    }

    async fn answer(
        &self,
        _: &HeldLogin<'_>,
        kept: &[u8],
        _: Option<&Value>,
    ) -> Result<Answered, Error> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        assert_eq!(kept, format!("request 7, asked {asked} times").as_bytes());
        Ok(match self.said.load(Ordering::SeqCst) {
            true => Answered::Proven,
            false => Answered::Waiting {
                kept: format!("request 7, asked {} times", asked + 1).into_bytes(),
                retry_after: 5,
            },
        })
    }
}

#[derive(Clone)]
struct Application(Arc<Service>);

impl FromRef<Application> for Arc<Service> {
    fn from_ref(application: &Application) -> Self {
        application.0.clone()
    }
}

/// A service with both, where nobody needs more than `sigma` unless it is said; and a route for who has shown its PIN
/// in the last minute.
fn server(needed: impl FnOnce(Methods) -> Methods) -> (Server, Arc<Chain>) {
    let chain = Arc::new(Chain::default());
    let methods = Methods::new().with(Arc::new(Pin)).unwrap();
    let methods = methods.with(chain.clone()).unwrap();
    let config = Config {
        methods: needed(methods),
        ..Config::new(AUDIENCE.parse().unwrap())
    };
    let server = Server::mounted(config, |service| {
        Router::new()
            .route(
                "/vault",
                get(async |client: AuthenticatedClient| {
                    let needed = Acr::parse("urn:2fapi:acr:sigma+pin").unwrap();
                    client.require_acr(&needed, Some(60)).map(|()| "\"open\"")
                }),
            )
            .with_state(Application(service.clone()))
            .merge(router(service, Arc::new(Sources::new(None, 0))))
    });
    (server, chain)
}

fn everybody(methods: &'static [&'static str]) -> impl FnOnce(Methods) -> Methods {
    move |all| all.needed(methods).unwrap()
}

/// The answer to a held login that waits for the PIN.
fn pin(held: &Answer, client_id: &str, pin: &str) -> Value {
    let nonce = hex::decode(held.body["challenge"]["nonce"].as_str().unwrap()).unwrap();
    json!({
        "pending": held.body["pending"],
        "method": "pin",
        "answer": { "proof": pin_answer(&nonce, client_id, pin) },
    })
}

fn right(held: &Answer, client: &Client) -> Value {
    pin(held, client.id.as_str(), &pin_of(client.id.as_str()))
}

impl Server {
    fn begin(&self, client: &Client) -> Answer {
        let held = self.verify(&self.proven(client));
        assert_eq!(held.status, 202, "{held:?}");
        assert_eq!(held.body.get("access_token"), None);
        held
    }
}

#[test]
fn a_client_that_needs_more_gets_a_token_when_it_has_proven_all_of_it() {
    let (server, _) = server(everybody(&["pin"]));
    let alice = server.enrol("alice");
    let held = server.begin(&alice);
    assert_eq!(held.body["method"], "pin");
    assert_eq!(held.body["missing"], json!(["pin"]));
    assert_eq!(held.body["expires_at"], crate::server::NOW + 300);
    let done = server.post(STEP, None, &right(&held, &alice));
    assert_eq!((done.status, done.text("client_id")), (200, "alice"));
    let jwt = done.text("access_token");
    let claims = part(jwt, 1);
    assert_eq!(claims["amr"], json!(["zkp", "pin", "kba"]));
    assert_eq!(claims["acr"], "urn:2fapi:acr:sigma+pin");
    assert_eq!(server.get("/vault", Some(jwt)).status, 200);
}

#[test]
fn a_policy_is_for_everybody_or_for_one_client() {
    let (server, _) = server(|all| {
        let bob: ClientId = "bob".parse().unwrap();
        let all = all.needed(&["pin"]).unwrap();
        assert!(all.clone().needed(&["sigma"]).is_err());
        assert!(all.clone().needed(&["pin", "pin"]).is_err());
        assert!(all.clone().with(Arc::new(Pin)).is_err());
        all.needed_by(bob, &[]).unwrap()
    });
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    server.begin(&alice);
    let jwt = server.log_in(&bob);
    assert_eq!(part(&jwt, 1)["amr"], json!(["zkp"]));
}

#[test]
fn a_held_login_is_finished_once_however_many_try() {
    let (server, _) = server(everybody(&["pin"]));
    let alice = server.enrol("alice");
    let held = server.begin(&alice);
    let answer = right(&held, &alice);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| server.post(STEP, None, &answer).status))
            .collect();
        tries.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(200), count(401)), (1, 15), "{statuses:?}");
    assert_eq!(server.post(STEP, None, &answer).problem(), (401, "denied"));
}

#[test]
fn a_held_login_is_not_finished_by_what_another_client_proves() {
    let (server, _) = server(everybody(&["pin"]));
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    let (of_alice, of_bob) = (server.begin(&alice), server.begin(&bob));
    for wrong in [
        pin(&of_alice, "bob", &pin_of("bob")),
        pin(&of_alice, "alice", &pin_of("bob")),
        // What bob has proven for his login, shown for that of alice, and the other way round.
        json!({ "pending": of_alice.body["pending"], "method": "pin", "answer": right(&of_bob, &bob)["answer"] }),
        json!({ "pending": of_bob.body["pending"], "method": "pin", "answer": right(&of_alice, &alice)["answer"] }),
    ] {
        assert_eq!(server.post(STEP, None, &wrong).problem(), (401, "denied"));
    }
    // A wrong answer takes nothing from who has the right one.
    assert_eq!(
        server.post(STEP, None, &right(&of_alice, &alice)).status,
        200
    );
    assert_eq!(server.post(STEP, None, &right(&of_bob, &bob)).status, 200);
}

#[test]
fn a_held_login_that_was_changed_or_is_over_is_none() {
    let (server, _) = server(everybody(&["pin"]));
    let alice = server.enrol("alice");
    let held = server.begin(&alice);
    let answer = right(&held, &alice);
    let pending = held.text("pending").to_owned();
    let refused = |pending: &str, method: &str| {
        let body = json!({ "pending": pending, "method": method, "answer": answer["answer"] });
        assert_eq!(
            server.post(STEP, None, &body).problem(),
            (401, "denied"),
            "{pending}"
        );
    };
    for at in (0..pending.len()).step_by(7) {
        let mut other = pending.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        refused(&String::from_utf8(other).unwrap(), "pin");
    }
    for bad in ["", "x", "AAAA", &pending[..pending.len() - 2], "a.b.c", "é"] {
        refused(bad, "pin");
    }
    for method in ["sigma", "chain", "", "knowledge"] {
        refused(&pending, method);
    }
    server.clock.pass(300);
    refused(&pending, "pin");
}

#[test]
fn what_happens_to_a_client_meanwhile_ends_its_held_logins() {
    for change in [
        RecordChange::Suspend,
        RecordChange::Revoke,
        RecordChange::EndSessions,
    ] {
        let (server, _) = server(everybody(&["pin"]));
        let alice = server.enrol("alice");
        let held = server.begin(&alice);
        server.change("alice", change);
        let answer = server.post(STEP, None, &right(&held, &alice));
        assert_eq!(answer.problem(), (401, "denied"));
    }
}

#[test]
fn a_resource_that_needs_more_says_so_and_a_client_steps_up_to_it() {
    let (server, _) = server(|all| all);
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    let jwt = server.log_in(&alice);
    let refused = server.get("/vault", Some(&jwt));
    assert_eq!(refused.problem(), (401, "insufficient_user_authentication"));
    assert_eq!(
        refused.header("www-authenticate"),
        format!(
            "Bearer realm=\"{AUDIENCE}\", error=\"insufficient_user_authentication\", \
             acr_values=\"urn:2fapi:acr:sigma+pin\", max_age=60"
        )
    );
    let wanted = json!({ "acr_values": "urn:2fapi:acr:sigma+pin" });
    let held = server.post(STEP_UP, Some(&jwt), &wanted);
    assert_eq!(held.status, 202, "{held:?}");
    // Another's proof does not finish it.
    let of_bob = server.post(STEP_UP, Some(&server.log_in(&bob)), &wanted);
    let crossed = json!({
        "pending": held.body["pending"], "method": "pin", "answer": right(&of_bob, &bob)["answer"],
    });
    assert_eq!(server.post(STEP, None, &crossed).problem(), (401, "denied"));
    let done = server.post(STEP, None, &right(&held, &alice));
    assert_eq!(done.status, 200, "{done:?}");
    let more = done.text("access_token").to_owned();
    assert_eq!(server.get("/vault", Some(&more)).status, 200);
    assert_eq!(server.get("/vault", Some(&jwt)).status, 401);
    assert_eq!(
        server.post(STEP, None, &right(&held, &alice)).problem(),
        (401, "denied")
    );
    // What it says already is proven anew by logging in.
    server.clock.pass(61);
    assert_eq!(server.get("/vault", Some(&more)).status, 401);
    let again = server.post(STEP_UP, Some(&more), &wanted);
    assert_eq!(again.problem(), (400, "invalid_encoding"));
}

#[test]
fn a_step_up_gives_no_scope_that_the_token_has_not() {
    let (server, _) = server(|all| all);
    let alice = server.enrol("alice");
    let may = |all: &[&str]| {
        let scopes = Scopes::new(all.iter().copied()).ok();
        let change = AttributesChange {
            scopes,
            ..AttributesChange::default()
        };
        server.change("alice", RecordChange::SetAttributes(Box::new(change)));
    };
    may(&["read"]);
    let jwt = server.log_in(&alice);
    may(&["read", "write"]);
    let wanted = json!({ "acr_values": "urn:2fapi:acr:sigma+pin" });
    let held = server.post(STEP_UP, Some(&jwt), &wanted);
    let done = server.post(STEP, None, &right(&held, &alice));
    assert_eq!(part(done.text("access_token"), 1)["scope"], "read");
}

#[test]
fn nobody_steps_up_without_a_good_token_nor_to_what_there_is_not() {
    let (server, _) = server(|all| all);
    let alice = server.enrol("alice");
    let jwt = server.log_in(&alice);
    let wanted = json!({ "acr_values": "urn:2fapi:acr:sigma+pin" });
    for token in [None, Some("x")] {
        assert_eq!(
            server.post(STEP_UP, token, &wanted).problem(),
            (401, "denied")
        );
    }
    for (bad, code) in [
        ("pin", "malformed_request"),
        ("urn:2fapi:acr:", "malformed_request"),
        ("urn:2fapi:acr:sigma+knowledge", "invalid_encoding"),
        ("urn:2fapi:acr:sigma", "invalid_encoding"),
    ] {
        let answer = server.post(STEP_UP, Some(&jwt), &json!({ "acr_values": bad }));
        assert_eq!(answer.problem(), (400, code), "{bad}");
    }
    let held = server.post(STEP_UP, Some(&jwt), &wanted);
    server.change("alice", RecordChange::EndSessions);
    assert_eq!(
        server.post(STEP_UP, Some(&jwt), &wanted).problem(),
        (401, "denied")
    );
    assert_eq!(
        server.post(STEP, None, &right(&held, &alice)).problem(),
        (401, "denied")
    );
}

#[test]
fn a_method_whose_answer_comes_later_is_asked_again() {
    let (server, chain) = server(everybody(&["pin", "chain"]));
    let alice = server.enrol("alice");
    let held = server.begin(&alice);
    assert_eq!(held.body["missing"], json!(["pin", "chain"]));
    let mut held = server.post(STEP, None, &right(&held, &alice));
    assert_eq!(
        (held.status, &held.body["missing"]),
        (202, &json!(["chain"]))
    );
    assert_eq!(held.body["challenge"], json!({ "digits": 123 }));
    let poll = |held: &Answer| {
        let body = json!({ "pending": held.body["pending"], "method": "chain" });
        server.post(STEP, None, &body)
    };
    let ends = held.body["expires_at"].clone();
    for _ in 0..3 {
        held = poll(&held);
        assert_eq!((held.status, held.header("retry-after")), (202, "5"));
        assert_eq!(
            held.body["expires_at"], ends,
            "asking makes it last no longer"
        );
    }
    chain.said.store(true, Ordering::SeqCst);
    let done = poll(&held);
    assert_eq!(done.status, 200, "{done:?}");
    let claims = part(done.text("access_token"), 1);
    assert_eq!(claims["amr"], json!(["zkp", "pin", "kba", "chain"]));
    assert_eq!(claims["acr"], "urn:2fapi:acr:sigma+pin+chain");
}

#[test]
fn an_answer_is_as_long_as_its_method_says() {
    let (server, _) = server(everybody(&["pin"]));
    let alice = server.enrol("alice");
    let held = server.begin(&alice);
    let mut answer = right(&held, &alice);
    answer["answer"]["proof_of_73_kb"] = "ab".repeat(73_000).into();
    assert_eq!(server.post(STEP, None, &answer).status, 200);
    answer["answer"]["proof_of_73_kb"] = "ab".repeat(100_001).into();
    let answer = server.post(STEP, None, &answer);
    assert_eq!(answer.problem(), (413, "payload_too_large"));
}
