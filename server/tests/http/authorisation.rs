//! What a client may do: in its tokens, at protected routes, and never more than its operator said.

use std::{num::NonZeroU32, sync::Arc};

use axum::{Router, extract::FromRef, routing::get};
use serde_json::{Value, json};
use twofapi_crypto_core::{
    Attributes, Claims, ClientId, Record, Scopes, Sources as AllowedSources,
};
use twofapi_server::{
    AttributesChange, AuthenticatedClient, Clock, Config, RecordChange, Service, Sources,
    invite_as, router, with_addresses, with_scopes,
};

use crate::{
    client::{
        Answer, CREDENTIALS, Client, ENROLL, LINK, OFFER, ROTATE, UNLINK, VERIFY, WHOAMI,
        credential, possession, send,
    },
    server::{AUDIENCE, Server},
    tokens::part,
};

#[derive(Clone)]
struct Application(Arc<Service>);

impl FromRef<Application> for Arc<Service> {
    fn from_ref(application: &Application) -> Self {
        application.0.clone()
    }
}

/// A route for who may read reports, and one for clients of a tenant.
fn server() -> Server {
    Server::mounted(Config::new(AUDIENCE.parse().unwrap()), |service| {
        let reports = Router::new().route(
            "/report",
            get(async |client: AuthenticatedClient| format!("\"for {}\"", client.client_id)),
        );
        let scopes = Scopes::new(["reports:read"]).unwrap();
        with_scopes(reports, service.clone(), scopes)
            .route(
                "/acme",
                get(async |client: AuthenticatedClient| {
                    client.require_tenant("acme").map(|()| "\"of acme\"")
                }),
            )
            .with_state(Application(service.clone()))
            .merge(router(service, Arc::new(Sources::new(None, 0))))
    })
}

fn scopes(all: &[&str]) -> Scopes {
    Scopes::new(all.iter().copied()).unwrap()
}

fn said(change: AttributesChange) -> RecordChange {
    RecordChange::SetAttributes(Box::new(change))
}

fn may(all: &[&str]) -> RecordChange {
    said(AttributesChange {
        scopes: Some(scopes(all)),
        ..AttributesChange::default()
    })
}

fn narrow(client: &Client, all: &[&str]) -> RecordChange {
    RecordChange::SetScopes {
        credential: client.credential_id().parse().unwrap(),
        scopes: Some(scopes(all)),
    }
}

fn scope_of(jwt: &str) -> Value {
    part(jwt, 1)["scope"].clone()
}

#[test]
fn a_token_says_what_its_client_may_do_and_whose_it_is() {
    let server = server();
    let alice = server.enrol("alice");
    let before = server.log_in(&alice);
    server.change(
        "alice",
        said(AttributesChange {
            scopes: Some(scopes(&["reports:read", "write"])),
            claims: Some(Claims::parse("{\"role\":\"web_user\",\"team\":{\"id\":7}}").unwrap()),
            tenant: Some(Some("acme".parse().unwrap())),
            ..AttributesChange::default()
        }),
    );
    let jwt = server.log_in(&alice);
    let claims = part(&jwt, 1);
    assert_eq!(claims["scope"], "reports:read write");
    assert_eq!(claims["tenant"], "acme");
    assert_eq!(claims["role"], "web_user");
    assert_eq!(claims["team"], json!({ "id": 7 }));
    assert_eq!(claims["acr"], "urn:2fapi:acr:sigma");
    assert_eq!(claims["auth_time"], claims["iat"]);
    let whoami = server.get(WHOAMI, Some(&jwt));
    assert_eq!(whoami.body["scope"], "reports:read write");
    assert_eq!(whoami.body["tenant"], "acme");
    assert_eq!(server.get("/report", Some(&jwt)).status, 200);
    assert_eq!(server.get("/acme", Some(&jwt)).status, 200);
    // A token of before says nothing of it, and is good for what it was.
    assert_eq!(server.get(WHOAMI, Some(&before)).status, 200);
    assert_eq!(server.get("/report", Some(&before)).status, 403);
    assert_eq!(server.get("/acme", Some(&before)).status, 403);
}

#[test]
fn a_client_without_a_scope_is_told_which_one_is_needed() {
    let server = server();
    let alice = server.enrol("alice");
    let jwt = server.log_in(&alice);
    let answer = server.get("/report", Some(&jwt));
    assert_eq!(answer.problem(), (403, "insufficient_scope"));
    assert_eq!(
        answer.header("www-authenticate"),
        format!(
            "Bearer realm=\"{AUDIENCE}\", error=\"insufficient_scope\", scope=\"reports:read\""
        )
    );
    for token in [None, Some("x"), Some("a.b.c")] {
        assert_eq!(server.get("/report", token).problem(), (401, "denied"));
    }
}

#[test]
fn what_is_taken_from_a_client_is_taken_from_its_tokens_at_once() {
    let server = server();
    let alice = server.enrol("alice");
    server.change("alice", may(&["reports:read"]));
    let jwt = server.log_in(&alice);
    assert_eq!(server.get("/report", Some(&jwt)).status, 200);
    server.change("alice", may(&["other"]));
    let answer = server.get("/report", Some(&jwt));
    assert_eq!(answer.problem(), (403, "insufficient_scope"));
    // What comes back is in the token still; what is new is not.
    server.change("alice", may(&["reports:read", "new"]));
    assert_eq!(server.get("/report", Some(&jwt)).status, 200);
    assert_eq!(server.get(WHOAMI, Some(&jwt)).body["scope"], "reports:read");
}

#[test]
fn a_token_of_another_tenant_is_refused() {
    let server = server();
    let tenant = |id: &str, tenant: &str| {
        let tenant = Some(Some(tenant.parse().unwrap()));
        server.change(
            id,
            said(AttributesChange {
                tenant,
                ..AttributesChange::default()
            }),
        );
    };
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    tenant("alice", "acme");
    tenant("bob", "acme.example");
    let (alices, bobs) = (server.log_in(&alice), server.log_in(&bob));
    assert_eq!(server.get("/acme", Some(&alices)).status, 200);
    let answer = server.get("/acme", Some(&bobs));
    assert_eq!(answer.problem(), (403, "wrong_tenant"));
    // A client that was given to another tenant takes no token along, and one that comes brings none.
    tenant("alice", "other");
    tenant("bob", "acme");
    for jwt in [&alices, &bobs] {
        let answer = server.get("/acme", Some(jwt));
        assert_eq!(answer.problem(), (403, "wrong_tenant"));
    }
    assert_eq!(server.get("/acme", Some(&server.log_in(&bob))).status, 200);
}

#[test]
fn a_narrowed_credential_gets_no_more_by_a_link_or_a_rotation() {
    let server = server();
    let phone = server.enrol("alice");
    server.change("alice", may(&["reports:read", "write"]));
    server.change("alice", narrow(&phone, &["write", "admin"]));
    assert_eq!(scope_of(&server.log_in_by_name(&phone)), "write");

    let laptop = phone.device();
    let answer = server.post(LINK, None, &server.link(&phone, &laptop));
    assert_eq!(answer.status, 200, "{answer:?}");
    let jwt = server.log_in_by_name(&laptop);
    assert_eq!(scope_of(&jwt), "write");
    assert_eq!(server.get("/report", Some(&jwt)).status, 403);

    let new = credential();
    let answer = server.post(ROTATE, None, &server.rotation(&phone, &new));
    assert_eq!(answer.status, 200, "{answer:?}");
    let phone = Client {
        id: phone.id,
        credential: new,
    };
    assert_eq!(scope_of(&server.log_in_by_name(&phone)), "write");
}

#[test]
fn a_claim_of_an_old_record_overrides_nothing_that_a_token_says_itself() {
    let server = server();
    let alice = server.enrol("alice");
    let id = ClientId::parse("alice").unwrap();
    // Such a record was possible before names were looked at.
    let mut record = server.run(server.store.look_up(&id)).unwrap().unwrap();
    let claims = Claims::parse("{\"xub\":\"bob\",\"xcope\":\"admin\",\"role\":\"r\"}").unwrap();
    record
        .set_attributes(Attributes {
            claims,
            ..Attributes::default()
        })
        .unwrap();
    let mut bytes = record.to_bytes();
    for (from, to) in [
        (&b"\"xub\""[..], &b"\"sub\""[..]),
        (b"\"xcope\"", b"\"scope\""),
    ] {
        let at = bytes.windows(from.len()).position(|part| part == from);
        bytes[at.unwrap()..][..to.len()].copy_from_slice(to);
    }
    let old = Record::from_bytes(&bytes).unwrap();
    let claims = old.attributes().unwrap().claims.clone();
    assert!(claims.as_str().contains("\"sub\":\"bob\""));
    server.change(
        "alice",
        said(AttributesChange {
            claims: Some(claims),
            ..AttributesChange::default()
        }),
    );
    let claims = part(&server.log_in(&alice), 1);
    assert_eq!(
        (&claims["sub"], &claims["role"]),
        (&json!("alice"), &json!("r"))
    );
    assert_eq!(claims.get("scope"), None);
}

/// A server behind so many proxies of its own, with the routes of an application.
fn behind(hops: usize) -> Server {
    Server::mounted(Config::new(AUDIENCE.parse().unwrap()), move |service| {
        let sources = Arc::new(Sources::new(None, hops));
        let own = Router::new()
            .route(
                "/own",
                get(async |client: AuthenticatedClient| format!("\"{}\"", client.client_id)),
            )
            .with_state(Application(service.clone()));
        let untold = Router::new()
            .route(
                "/untold",
                get(async |client: AuthenticatedClient| format!("\"{}\"", client.client_id)),
            )
            .with_state(Application(service.clone()));
        with_addresses(own, sources.clone())
            .merge(untold)
            .merge(router(service, sources))
    })
}

fn from(all: &[&str]) -> RecordChange {
    let all = all.iter().map(|source| source.parse().unwrap()).collect();
    said(AttributesChange {
        sources: Some(AllowedSources::new(all).unwrap()),
        ..AttributesChange::default()
    })
}

/// As a client that says of itself, or whose proxies say, where it is.
fn as_from(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    send(&server.base_url, method, path, &all, body.as_bytes())
}

const FORGED: [(&str, &str); 6] = [
    ("x-forwarded-for", "192.0.2.7"),
    ("x-real-ip", "192.0.2.7"),
    ("forwarded", "for=192.0.2.7"),
    ("cf-connecting-ip", "192.0.2.7"),
    ("true-client-ip", "192.0.2.7"),
    ("x-client-ip", "192.0.2.7"),
];

#[test]
fn a_client_cannot_say_itself_that_it_comes_from_where_it_may() {
    let server = behind(0);
    let alice = server.enrol("alice");
    let jwt = server.log_in(&alice);
    server.change("alice", from(&["192.0.2.0/24"]));
    let bearer = format!("Bearer {jwt}");
    for forged in [&FORGED[..0], &FORGED[..1], &FORGED[..]] {
        let body = server.proven(&alice).to_string();
        let answer = as_from(&server, "POST", VERIFY, forged, &body);
        assert_eq!(answer.problem(), (401, "denied"), "{forged:?}");
        for path in [WHOAMI, CREDENTIALS, OFFER, "/own", "/untold"] {
            let mut headers = vec![("authorization", &*bearer)];
            headers.extend(forged);
            let answer = as_from(&server, "GET", path, &headers, "");
            assert_eq!(answer.problem(), (401, "denied"), "{path} {forged:?}");
        }
    }
    // The same from where it may; an application that did not ask to be told lets nobody in.
    server.change("alice", from(&["127.0.0.0/8"]));
    assert_eq!(server.verify(&server.proven(&alice)).status, 200);
    for path in [WHOAMI, CREDENTIALS, "/own"] {
        assert_eq!(server.get(path, Some(&jwt)).status, 200, "{path}");
    }
    assert_eq!(server.get("/untold", Some(&jwt)).status, 401);
}

#[test]
fn behind_a_proxy_a_client_comes_from_where_the_proxy_says() {
    let server = behind(1);
    let alice = server.enrol("alice");
    server.change("alice", from(&["192.0.2.0/24"]));
    let login = |said: &[&str]| {
        let headers: Vec<_> = said.iter().map(|said| ("x-forwarded-for", *said)).collect();
        let body = server.proven(&alice).to_string();
        as_from(&server, "POST", VERIFY, &headers, &body).status
    };
    assert_eq!(login(&["192.0.2.7"]), 200);
    // The proxy adds what it saw behind what the client said, in one field or in another.
    assert_eq!(login(&["192.0.2.7, 198.51.100.1"]), 401);
    assert_eq!(login(&["192.0.2.7", "198.51.100.1"]), 401);
    assert_eq!(login(&["198.51.100.1, 192.0.2.7"]), 200);
    // Whoever comes past the proxy comes from nowhere.
    assert_eq!(login(&[]), 401);
    assert_eq!(login(&["unknown"]), 401);
    server.change("alice", from(&["127.0.0.0/8"]));
    assert_eq!(login(&[]), 401);
}

#[test]
fn who_comes_from_elsewhere_changes_no_credential() {
    let server = behind(0);
    let (phone, laptop) = server.with_two_devices("alice");
    server.change("alice", from(&["192.0.2.0/24"]));
    let new = credential();
    for (path, body) in [
        (ROTATE, server.rotation(&phone, &new)),
        (LINK, server.link(&phone, &phone.device())),
        (UNLINK, server.unlinking(&phone, &laptop)),
    ] {
        let answer = as_from(&server, "POST", path, &FORGED, &body.to_string());
        assert_eq!(answer.problem(), (401, "denied"), "{path}");
    }
}

#[test]
fn a_client_comes_as_often_as_its_operator_says_and_nobody_uses_that_up_for_it() {
    let server = behind(0);
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    server.change(
        "alice",
        said(AttributesChange {
            requests_per_minute: Some(NonZeroU32::new(4)),
            ..AttributesChange::default()
        }),
    );
    let mut wrong = server.proven(&alice);
    wrong["proof"] = server.proven(&bob)["proof"].clone();
    for _ in 0..20 {
        assert_eq!(server.verify(&wrong).problem(), (401, "denied"));
        assert_eq!(server.get(WHOAMI, Some("a.b.c")).problem(), (401, "denied"));
    }
    let jwt = server.log_in(&alice);
    for _ in 0..3 {
        assert_eq!(server.get(WHOAMI, Some(&jwt)).status, 200);
    }
    let answer = server.get(WHOAMI, Some(&jwt));
    assert_eq!(
        (answer.problem(), answer.header("retry-after")),
        ((429, "throttled"), "15")
    );
    // A login is one of them as well. Its challenge stays good, and a wrong proof learns nothing of it.
    let login = server.proven(&alice);
    assert_eq!(server.verify(&login).problem(), (429, "throttled"));
    assert_eq!(server.verify(&wrong).problem(), (401, "denied"));
    server.clock.pass(15);
    assert_eq!(server.verify(&login).status, 200);
    assert_eq!(server.get(WHOAMI, Some(&jwt)).status, 429);
    assert_eq!(server.get(WHOAMI, Some(&server.log_in(&bob))).status, 200);
}

#[test]
fn who_is_invited_with_scopes_has_them_from_the_first_token_on_and_changes_none() {
    let server = server();
    let id = ClientId::parse("alice").unwrap();
    let said = Attributes {
        scopes: scopes(&["reports:read"]),
        tenant: Some("acme".parse().unwrap()),
        ..Attributes::default()
    };
    let more = Attributes {
        scopes: scopes(&["reports:read", "admin"]),
        ..said.clone()
    };
    let invited = |said: &Attributes| {
        let token = invite_as(&*server.store, &id, said, server.clock.wall(), 3600);
        server.run(token).unwrap().expose().to_owned()
    };
    let (token, another) = (invited(&said), invited(&more));
    let (random, _) = token.split_once('.').unwrap();
    let (_, attributes) = another.split_once('.').unwrap();
    let body = possession("alice", &credential());
    for forged in [
        random.to_owned(),
        format!("{random}.{attributes}"),
        format!("{token}."),
    ] {
        let answer = server.post(ENROLL, Some(&forged), &body);
        assert_eq!(answer.problem(), (401, "denied"), "{forged}");
    }
    let credential = credential();
    let body = possession("alice", &credential);
    let answer = server.post(ENROLL, Some(&token), &body);
    assert_eq!(
        (answer.status, &answer.body["commitment_version"]),
        (201, &json!(1))
    );
    let jwt = server.log_in(&Client { id, credential });
    assert_eq!(scope_of(&jwt), "reports:read");
    assert_eq!(server.get("/acme", Some(&jwt)).status, 200);
}
