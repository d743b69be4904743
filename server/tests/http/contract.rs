//! `spec/openapi.yaml` and the server say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use twofapi_crypto_core::ErrorCode;
use twofapi_server::RecordChange;

use crate::{
    client::{
        Answer, CHALLENGE, CHECK, CREDENTIALS, END_SESSIONS, ENROLL, INTROSPECT, JOIN, JWKS, LINK,
        METADATA, OAUTH_CHALLENGE, OFFER, OPENID, REVOKE, ROTATE, SESSIONS, TOKEN, UNLINK, VERIFY,
        WHOAMI, credential, possession, send,
    },
    oauth::{assertion, form, with},
    server::Server,
};

fn document() -> Value {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/openapi.yaml"))
            .unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// What a reference within the document points to.
fn resolve<'d>(document: &'d Value, mut value: &'d Value) -> &'d Value {
    while let Some(reference) = value["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        value = document
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{reference} is not there"));
    }
    value
}

/// As far as the document uses JSON Schema.
fn conforms(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(document, schema);
    let wrong = |what: &str| Err(format!("{value} is not {what} of {schema}"));
    if !schema["const"].is_null() && schema["const"] != *value {
        return wrong("the const");
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|known| !known.contains(value))
    {
        return wrong("in the enum");
    }
    match schema["type"].as_str() {
        Some("string") if !value.is_string() => wrong("a string"),
        Some("integer") if !value.is_u64() => wrong("an integer"),
        Some("array") => {
            let Some(items) = value.as_array() else {
                return wrong("an array");
            };
            items
                .iter()
                .try_for_each(|item| conforms(document, &schema["items"], item))
        }
        Some("object") => {
            let Some(fields) = value.as_object() else {
                return wrong("an object");
            };
            for required in schema["required"].as_array().into_iter().flatten() {
                if !fields.contains_key(required.as_str().unwrap()) {
                    return Err(format!("{value} lacks {required}"));
                }
            }
            fields
                .iter()
                .try_for_each(|(name, field)| match schema["properties"].get(name) {
                    Some(schema) => conforms(document, schema, field),
                    None => Err(format!("{value} has {name}, which is not in the document")),
                })
        }
        _ => Ok(()),
    }
}

/// What the document says of one answer; an error says where the two differ.
fn documented(document: &Value, method: &str, path: &str, answer: &Answer) -> Result<(), String> {
    let operation = &document["paths"][path][method.to_lowercase()];
    let status = answer.status.to_string();
    let response = resolve(document, &operation["responses"][&status]);
    if response.is_null() {
        return Err(format!("{method} {path} answered {status}"));
    }
    let media = answer.header("content-type");
    let schema = &response["content"][media]["schema"];
    if schema.is_null() {
        return Err(format!("{method} {path} {status} has content type {media}"));
    }
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let value = answer.header(name);
        let schema = &resolve(document, header)["schema"];
        let value = match schema["type"].as_str() {
            Some("integer") => value.parse().map(|n: u64| json!(n)).unwrap_or_default(),
            _ => json!(value),
        };
        if value == json!("") {
            return Err(format!("{method} {path} {status} lacks {name}"));
        }
        conforms(document, schema, &value)?;
    }
    conforms(document, schema, &answer.body)
}

/// One request for each answer that can be had without breaking the server.
fn every_answer(server: &Server) -> Vec<(&'static str, &'static str, Answer)> {
    let mut answers = Vec::new();
    let alice = server.enrol("alice");
    let json = [("content-type", "application/json")];
    let big = b" ".repeat(20_000);
    for path in [
        ENROLL,
        CHALLENGE,
        VERIFY,
        ROTATE,
        LINK,
        OFFER,
        JOIN,
        UNLINK,
        END_SESSIONS,
    ] {
        let mut ask = |headers: &[_], body: &[u8]| {
            answers.push((
                "POST",
                path,
                send(&server.base_url, "POST", path, headers, body),
            ));
        };
        ask(&json, b"{}");
        ask(&[("content-type", "text/plain")], b"{}");
        ask(&json, &big);
    }
    let asserted = assertion(&server.proven(&alice));
    for parameters in [vec![], with(&asserted, &[]), with(&asserted, &[])] {
        let answer = form(&server.base_url, TOKEN, &parameters);
        answers.push(("POST", TOKEN, answer));
    }
    let encoded = [("content-type", "application/x-www-form-urlencoded")];
    for path in [TOKEN, INTROSPECT, REVOKE] {
        for (headers, body) in [(&json, &b"{}"[..]), (&encoded, &big)] {
            let answer = send(&server.base_url, "POST", path, headers, body);
            answers.push(("POST", path, answer));
        }
    }
    let resource = server.resource("resource");
    let logged_in = server.log_in(&alice);
    let of_alice = [("token", logged_in.as_str())];
    for (path, bearer, parameters) in [
        (INTROSPECT, Some(&resource), &of_alice[..]),
        (INTROSPECT, Some(&resource), &[("token", "none")]),
        (INTROSPECT, Some(&resource), &[]),
        (INTROSPECT, Some(&logged_in), &of_alice),
        (INTROSPECT, None, &of_alice),
        (REVOKE, None, &[]),
        (REVOKE, None, &of_alice),
        (
            REVOKE,
            Some(&logged_in),
            &[("token", "0123456789abcdef0123456789abcdef")],
        ),
    ] {
        let answer = server.form(path, bearer.map(String::as_str), parameters);
        answers.push(("POST", path, answer));
    }
    for query in ["", "?client_id=alice"] {
        let answer = server.get(&format!("{OAUTH_CHALLENGE}{query}"), None);
        answers.push(("GET", OAUTH_CHALLENGE, answer));
    }
    let token = server.invite("bob");
    let taken = server.invite("carol");
    server.enrol("carol");
    let mut bad = server.proven(&alice);
    bad["challenge_id"] = json!("ch-000000000000000000000000.alice");
    let new = credential();
    let rotation = server.rotation(&alice, &new);
    for (path, token, body) in [
        (ENROLL, Some(&token), possession("bob", &credential())),
        (ENROLL, Some(&token), possession("bob", &credential())),
        (ENROLL, None, possession("bob", &credential())),
        (ENROLL, Some(&taken), possession("carol", &credential())),
        (CHALLENGE, None, json!({ "client_id": "alice" })),
        (VERIFY, None, server.proven(&alice)),
        (VERIFY, None, bad),
        (ROTATE, None, rotation.clone()),
        (ROTATE, None, rotation),
    ] {
        let answer = server.post(path, token.map(String::as_str), &body);
        answers.push(("POST", path, answer));
    }
    let dave = server.enrol("dave");
    let token = server.log_in(&dave);
    let laptop = dave.device();
    let offer = server.challenge("dave");
    let offered = json!({ "challenge_id": offer.body["challenge_id"] });
    let joins = server.joining(&laptop, &offer);
    let link = server.link(&dave, &laptop);
    for (path, bearer, body) in [
        (OFFER, None, &offered),
        (JOIN, None, &joins),
        (OFFER, Some(token.as_str()), &offered),
        (JOIN, None, &joins),
        (LINK, None, &link),
        (LINK, None, &link),
    ] {
        let before = server.get(OFFER, Some(&token));
        answers.push(("GET", OFFER, before));
        let answer = server.post(path, bearer, body);
        answers.push(("POST", path, answer));
    }
    answers.push(("GET", OFFER, server.get(OFFER, Some(&token))));
    answers.push(("GET", OFFER, server.get(OFFER, None)));
    let by_expiry = RecordChange::SetExpiry {
        credential: laptop.credential_id().parse().unwrap(),
        expires_at: Some(u64::MAX),
    };
    server.change("dave", by_expiry);
    let unlink = server.unlinking(&dave, &laptop);
    for path in [SESSIONS, CREDENTIALS] {
        for token in [Some(token.as_str()), None] {
            answers.push(("GET", path, server.get(path, token)));
        }
    }
    let others = json!({ "which": "others" });
    for token in [Some(token.as_str()), None] {
        let answer = server.post(END_SESSIONS, token, &others);
        answers.push(("POST", END_SESSIONS, answer));
    }
    for _ in 0..2 {
        answers.push(("POST", UNLINK, server.post(UNLINK, None, &unlink)));
    }
    let lost = server.enrol("erin");
    let resets = server.invite_to_reset("erin");
    server.change("erin", RecordChange::Suspend);
    let anew = possession("erin", &lost.device().credential);
    answers.push(("POST", ENROLL, server.post(ENROLL, Some(&resets), &anew)));
    for (path, token) in [
        (WHOAMI, Some(&token)),
        (WHOAMI, None),
        (JWKS, None),
        (METADATA, None),
        (CHECK, Some(&token)),
        (CHECK, None),
        (OPENID, None),
        ("/livez", None),
        ("/healthz", None),
    ] {
        answers.push(("GET", path, server.get(path, token.map(String::as_str))));
    }
    for query in ["?scope=reports:read", "?role=admin"] {
        let answer = server.get(&format!("{CHECK}{query}"), Some(&token));
        answers.push(("GET", CHECK, answer));
    }
    server.change("dave", RecordChange::Suspend);
    answers.push(("GET", WHOAMI, server.get(WHOAMI, Some(&token))));
    answers
}

#[test]
fn every_answer_is_in_the_document_and_every_answer_of_the_document_is_given() {
    let document = document();
    let server = Server::start();
    let mut given: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for (method, path, answer) in every_answer(&server) {
        documented(&document, method, path, &answer).unwrap();
        let statuses = given.entry((path, method)).or_default();
        statuses.insert(answer.status.to_string());
    }
    // Had by other means: a slow sender, a flood, a broken store.
    let elsewhere = ["408", "429", "500", "503"];
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if method == "head" {
                // As GET, without a body: a test of its own.
                continue;
            }
            let method = method.to_uppercase();
            let given = &given[&(path.as_str(), method.as_str())];
            let promised = operation["responses"].as_object().unwrap().keys();
            let promised: BTreeSet<String> = promised
                .filter(|status| !elsewhere.contains(&status.as_str()))
                .cloned()
                .collect();
            assert_eq!(given, &promised, "{method} {path}");
        }
    }
}

#[test]
fn another_method_is_refused_with_the_right_ones() {
    let document = document();
    let server = Server::start();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let allowed: Vec<_> = operations
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
        ] {
            if allowed.iter().any(|known| known == method) {
                continue;
            }
            let answer = send(&server.base_url, method, path, &[], b"");
            assert_eq!(
                answer.problem(),
                (405, "method_not_allowed"),
                "{method} {path}"
            );
            let right = answer.header("allow");
            let named: BTreeSet<_> = right.split(", ").map(str::to_owned).collect();
            assert_eq!(named, allowed.iter().cloned().collect(), "{path}");
            assert!(answer.text("detail").contains(right), "{answer:?}");
        }
    }
}

#[test]
fn codes_of_the_document_are_those_of_the_core_and_of_http() {
    let document = document();
    let known = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
        .as_array()
        .unwrap();
    for code in ErrorCode::ALL {
        // The last two are said to operators only.
        let shown = !matches!(code, ErrorCode::NotEnrolled | ErrorCode::NotActive);
        assert_eq!(known.contains(&json!(code.as_str())), shown, "{code}");
    }
}

#[test]
fn a_challenge_is_what_the_protocol_says() {
    let server = Server::start();
    let answer = server.challenge("alice.b@example.com");
    let id = answer.text("challenge_id");
    let (handle, client_id) = id.split_once('.').unwrap();
    assert_eq!(client_id, "alice.b@example.com");
    let expiry = u64::from_str_radix(&handle[3..11], 16).unwrap();
    assert_eq!(answer.body["expires_at"], expiry);
    assert_eq!(expiry, crate::server::NOW + 120);
    let binding = hex::decode(answer.text("channel_binding")).unwrap();
    assert_eq!(
        binding,
        format!("aud:{}", crate::server::AUDIENCE).into_bytes()
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_ne!(
        server.challenge("alice.b@example.com").text("nonce"),
        answer.text("nonce")
    );
}
