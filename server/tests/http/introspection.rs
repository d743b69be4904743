//! Introspection and revocation: what RFC 7662 and RFC 7009 say of them, and what an attacker would ask.

use serde_json::{Value, json};
use twofapi_crypto_core::{Claims, Scopes, Sources as AllowedSources};
use twofapi_server::{AttributesChange, RecordChange};

use crate::{
    client::{Answer, INTROSPECT, REVOKE, SESSIONS, WHOAMI, send},
    server::{AUDIENCE, NOW, Server},
    tokens::{encode, part, signed},
};

fn said(change: AttributesChange) -> RecordChange {
    RecordChange::SetAttributes(Box::new(change))
}

fn may(scopes: &[&str]) -> RecordChange {
    said(AttributesChange {
        scopes: Some(Scopes::new(scopes.iter().copied()).unwrap()),
        ..AttributesChange::default()
    })
}

impl Server {
    /// Parameters as a form, with a bearer token or none.
    pub(crate) fn form(
        &self,
        path: &str,
        token: Option<&str>,
        parameters: &[(&str, &str)],
    ) -> Answer {
        let encoded: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        send(&self.base_url, "POST", path, &headers, encoded.as_bytes())
    }

    /// The token of who may introspect.
    pub(crate) fn resource(&self, id: &str) -> String {
        let resource = self.enrol(id);
        self.change(id, may(&["2fapi:introspect"]));
        self.log_in(&resource)
    }

    #[track_caller]
    fn introspected(&self, by: &str, token: &str) -> Value {
        let answer = self.form(INTROSPECT, Some(by), &[("token", token)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.body
    }

    #[track_caller]
    fn revoked(&self, token: &str) {
        let answer = self.form(REVOKE, None, &[("token", token)]);
        assert_eq!((answer.status, answer.body), (200, json!({})));
    }
}

#[test]
fn introspection_says_what_a_good_token_says() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let change = AttributesChange {
        scopes: Some(Scopes::new(["reports:read", "reports:write"]).unwrap()),
        claims: Some(Claims::parse(r#"{"role":"auditor"}"#).unwrap()),
        tenant: Some(Some("acme".parse().unwrap())),
        ..AttributesChange::default()
    };
    server.change("alice", said(change));
    let token = server.log_in(&alice);
    let resource = server.resource("resource");
    let claims = part(&token, 1);
    let expected = |scope: &str| {
        json!({
            "active": true, "token_type": "Bearer", "iss": AUDIENCE, "aud": AUDIENCE, "sub": "alice",
            "client_id": "alice", "iat": NOW, "nbf": NOW, "exp": NOW + 900, "auth_time": NOW,
            "jti": claims["jti"], "amr": ["zkp"], "acr": "urn:2fapi:acr:sigma",
            "cred": alice.credential_id(), "scope": scope, "tenant": "acme", "role": "auditor",
        })
    };
    let said_now = server.introspected(&resource, &token);
    assert_eq!(said_now, expected("reports:read reports:write"));
    // What its client may not do any longer, it does not say.
    server.change("alice", may(&["reports:read"]));
    assert_eq!(
        server.introspected(&resource, &token),
        expected("reports:read")
    );
}

#[test]
fn whatever_is_not_good_is_answered_alike() {
    let server = Server::start();
    let (phone, laptop) = server.with_two_devices("alice");
    let resource = server.resource("resource");
    let inactive = json!({ "active": false });
    let is_active = |token: &str| {
        let body = server.introspected(&resource, token);
        let active = body["active"] == true;
        assert!(active || body == inactive, "{body}");
        active
    };
    let good = server.log_in(&phone);
    assert!(is_active(&good));
    let (claims, header) = (part(&good, 1), good.split('.').next().unwrap());
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let other = server.log_in_by_name(&laptop);
    let mut bad = vec![
        "none".to_owned(),
        "a.b.c".into(),
        "x".repeat(8000),
        good.replace('.', "%"),
        format!("{header}.{}.{}", encode(&claims), "A".repeat(86)),
    ];
    for (name, value) in [
        ("aud", json!("https://other.example")),
        ("iss", json!("https://other.example")),
        ("exp", json!(NOW)),
        ("nbf", json!(NOW + 60)),
        ("gen", json!(1)),
        ("ver", json!(9)),
        ("sid", json!("0".repeat(32))),
        ("jti", json!("0".repeat(32))),
        ("sub", json!("bob")),
    ] {
        bad.push(signed(&server, &good, &with(name, value)));
    }
    let forged = json!("00112233445566778899aabbccddeeff");
    let mut listed_nowhere = with("sid", forged.clone());
    listed_nowhere["jti"] = forged;
    bad.push(signed(&server, &good, &listed_nowhere));
    for token in &bad {
        assert!(!is_active(token), "{token}");
    }
    // A live token of a credential that has expired, or of one that is gone.
    let expires = |at| RecordChange::SetExpiry {
        credential: laptop.credential_id().parse().unwrap(),
        expires_at: at,
    };
    assert!(is_active(&other));
    server.change("alice", expires(Some(NOW)));
    assert!(!is_active(&other));
    server.change("alice", expires(None));
    assert!(is_active(&other));
    // Of a client that may come from elsewhere alone, as far as the resource says.
    let sources = ["192.0.2.0/24".parse().unwrap()];
    let change = AttributesChange {
        sources: Some(AllowedSources::new(sources.to_vec()).unwrap()),
        ..AttributesChange::default()
    };
    server.change("alice", said(change));
    assert!(!is_active(&other));
    for (source, expected) in [("192.0.2.9", true), ("198.51.100.1", false)] {
        let parameters = [("token", other.as_str()), ("source", source)];
        let answer = server.form(INTROSPECT, Some(&resource), &parameters);
        assert_eq!(answer.body["active"], expected, "{source}");
    }
    let change = AttributesChange {
        sources: Some(AllowedSources::default()),
        ..AttributesChange::default()
    };
    server.change("alice", said(change));
    assert!(is_active(&other));
    server.change("alice", RecordChange::Suspend);
    assert!(!is_active(&other));
    server.clock.pass(899);
    let fresh = server.resource("another");
    server.clock.pass(1);
    let body = server.introspected(&fresh, &good);
    assert_eq!(body, inactive);
}

#[test]
fn only_who_has_the_scope_may_introspect() {
    let server = Server::start();
    let mallory = server.log_in(&server.enrol("mallory"));
    let alice = server.log_in(&server.enrol("alice"));
    // Not even of its own tokens.
    for token in [&alice, &mallory] {
        let answer = server.form(INTROSPECT, Some(&mallory), &[("token", token)]);
        assert_eq!(
            (answer.status, answer.text("error")),
            (403, "insufficient_scope")
        );
        assert!(
            answer
                .header("www-authenticate")
                .contains("2fapi:introspect")
        );
        assert!(answer.body.get("active").is_none());
    }
    for bearer in [None, Some("none"), Some("a.b.c")] {
        let answer = server.form(INTROSPECT, bearer, &[("token", &alice)]);
        assert_eq!(
            (answer.status, answer.text("error")),
            (401, "invalid_client")
        );
        assert!(answer.header("www-authenticate").starts_with("Bearer "));
    }
    // Whoever was given it and lost it is asked at once.
    let resource = server.resource("resource");
    assert_eq!(server.introspected(&resource, &alice)["active"], true);
    server.change("resource", may(&[]));
    let answer = server.form(INTROSPECT, Some(&resource), &[("token", &alice)]);
    assert_eq!(answer.status, 403);
    let resource = server.resource("third");
    for parameters in [
        &[][..],
        &[("token", "")],
        &[("token", "a"), ("token", "b")],
        &[("token", "a"), ("source", "here")],
    ] {
        let answer = server.form(INTROSPECT, Some(&resource), parameters);
        assert_eq!(
            (answer.status, answer.text("error")),
            (400, "invalid_request")
        );
    }
}

#[test]
fn a_revoked_token_is_good_no_longer_and_the_others_of_its_client_are() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let [one, other] = [server.log_in(&alice), server.log_in(&alice)];
    let bob = server.log_in(&server.enrol("bob"));
    server.revoked(&one);
    assert_eq!(server.get(WHOAMI, Some(&one)).problem(), (401, "denied"));
    let resource = server.resource("resource");
    assert_eq!(
        server.introspected(&resource, &one),
        json!({ "active": false })
    );
    for token in [&other, &bob] {
        assert_eq!(server.get(WHOAMI, Some(token)).status, 200);
    }
    // Again, and what never was a token: nothing is told of either.
    for token in [&one, "none", "a.b.c"] {
        server.revoked(token);
    }
}

#[test]
fn nobody_revokes_what_it_has_not() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let [one, other] = [server.log_in(&alice), server.log_in(&alice)];
    let bob = server.log_in(&server.enrol("bob"));
    let session = part(&one, 1)["jti"].as_str().unwrap().to_owned();
    // The id of a session is no secret: alone it ends nothing, nor does a token that is changed.
    let claims = part(&one, 1);
    let header = one.split('.').next().unwrap();
    let changed = format!("{header}.{}.{}", encode(&claims), "A".repeat(86));
    for token in [&session, &changed] {
        server.revoked(token);
    }
    let by_bob = server.form(REVOKE, Some(&bob), &[("token", &session)]);
    assert_eq!((by_bob.status, by_bob.body), (200, json!({})));
    let by_nobody = server.form(REVOKE, Some("none"), &[("token", &session)]);
    assert_eq!(
        (by_nobody.status, by_nobody.text("error")),
        (401, "invalid_client")
    );
    assert_eq!(server.get(WHOAMI, Some(&one)).status, 200);
    // Another session of the same client may.
    let by_other = server.form(REVOKE, Some(&other), &[("token", &session)]);
    assert_eq!((by_other.status, by_other.body), (200, json!({})));
    assert_eq!(server.get(WHOAMI, Some(&one)).status, 401);
    let left = server.get(SESSIONS, Some(&other));
    assert_eq!(left.body["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_token_of_before_is_not_revoked_and_says_so() {
    let server = Server::start();
    let token = server.log_in(&server.enrol("alice"));
    let mut claims = part(&token, 1);
    claims.as_object_mut().unwrap().remove("sid");
    let before = signed(&server, &token, &claims);
    let answer = server.form(REVOKE, None, &[("token", &before)]);
    assert_eq!(
        (answer.status, answer.text("error")),
        (400, "unsupported_token_type")
    );
    assert_eq!(server.get(WHOAMI, Some(&before)).status, 200);
}
