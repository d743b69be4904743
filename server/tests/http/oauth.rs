//! The OAuth token endpoint: what RFC 6749 and RFC 7521 say of it, and what an attacker would send.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use twofapi_crypto_core::Scopes;
use twofapi_server::{AttributesChange, Config, RateLimit, RecordChange};

use crate::{
    client::{
        Answer, CHALLENGE, Client, LINK, OAUTH_CHALLENGE, ROTATE, TOKEN, UNLINK, VERIFY, WHOAMI,
        credential, get, proven, raw, send,
    },
    server::{AUDIENCE, Server},
};

const TYPE: &str = "urn:2fapi:params:oauth:client-assertion-type:zkp";

/// Parameters as a form.
pub(crate) fn form(base_url: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
    let encoded: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    send(base_url, "POST", path, &headers, encoded.as_bytes())
}

/// The assertion of a verification that would be accepted.
pub(crate) fn assertion(verification: &Value) -> String {
    let text = |field: &str| verification[field].as_str().unwrap_or_default();
    format!(
        "{}.{}.{}",
        text("credential_id"),
        text("proof"),
        text("challenge_id")
    )
}

pub(crate) fn with<'p>(
    assertion: &'p str,
    others: &[(&'p str, &'p str)],
) -> Vec<(&'p str, &'p str)> {
    let mut parameters = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    parameters.extend(others);
    parameters
}

impl Server {
    fn token(&self, parameters: &[(&str, &str)]) -> Answer {
        form(&self.base_url, TOKEN, parameters)
    }
}

/// Sees to it that this is an error as RFC 6749, section 5.2 has them, and gives its name.
#[track_caller]
fn error(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    let description = answer.text("error_description");
    assert!(description.len() >= 10, "{answer:?}");
    let permitted = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    assert!(description.chars().all(permitted), "{description}");
    let wants = answer.status == 401;
    let scheme = answer.header("www-authenticate");
    assert_eq!(scheme == format!("2FApi realm=\"{AUDIENCE}\""), wants);
    (answer.status, answer.text("error"))
}

#[test]
fn a_proof_as_a_client_assertion_gives_a_token() {
    let server = Server::start();
    let alice = server.enrol("alice.b+c@example.com");
    for verification in [server.proven(&alice), server.proven_by_name(&alice)] {
        let assertion = assertion(&verification);
        let answer = server.token(&with(&assertion, &[("client_id", alice.id.as_str())]));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_eq!(answer.text("token_type"), "Bearer");
        assert_eq!(answer.body["expires_in"], 900);
        let token = answer.text("access_token");
        let who = server.get(WHOAMI, Some(token));
        assert_eq!(who.text("client_id"), alice.id.as_str());
    }
}

#[test]
fn a_challenge_is_had_by_a_query_and_kept_from_the_last_answer() {
    let server = Server::start();
    let alice = server.enrol("alice+b@example.com");
    let path = format!("{OAUTH_CHALLENGE}?x=y&client_id=alice%2Bb%40example.com");
    let mut challenge = get(&server.base_url, &path, None);
    assert_eq!(challenge.status, 200, "{challenge:?}");
    assert_eq!(challenge.header("cache-control"), "no-store");
    let mut fields: Vec<_> = challenge
        .body
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    // One request for each login, whichever way in.
    for _ in 0..2 {
        let verification = proven(&alice, &challenge, server.binding());
        let answer = server.token(&with(&assertion(&verification), &[]));
        assert_eq!(answer.status, 200, "{answer:?}");
        challenge.body = answer.body["next_challenge"].clone();
        let answer = server.verify(&proven(&alice, &challenge, server.binding()));
        assert_eq!(answer.status, 200, "{answer:?}");
        challenge.body = answer.body["next_challenge"].clone();
    }
    let mut kept: Vec<_> = challenge
        .body
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    fields.sort();
    kept.sort();
    assert_eq!(fields, kept);
    // Who was refused is told of none.
    let answer = server.token(&with("..", &[]));
    assert!(answer.body.get("next_challenge").is_none());

    for query in [
        "",
        "?",
        "?client_id=",
        "?client_id=a&client_id=a",
        "?client_id=al%20ice",
    ] {
        let answer = get(&server.base_url, &format!("{OAUTH_CHALLENGE}{query}"), None);
        assert_eq!(error(&answer), (400, "invalid_request"), "{query}");
    }
}

#[test]
fn what_is_wrong_with_a_token_request_has_the_name_that_oauth_clients_know() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let good = assertion(&server.proven(&alice));
    let kind = ("client_assertion_type", TYPE);
    let mine = ("client_assertion", good.as_str());
    let grant = ("grant_type", "client_credentials");
    for (parameters, wanted) in [
        (vec![], (400, "invalid_request")),
        (vec![kind, mine], (400, "invalid_request")),
        (
            vec![("grant_type", ""), kind, mine],
            (400, "invalid_request"),
        ),
        (vec![grant, grant, kind, mine], (400, "invalid_request")),
        (vec![grant, kind, mine, mine], (400, "invalid_request")),
        (
            with(&good, &[("scope", "a"), ("scope", "a")]),
            (400, "invalid_request"),
        ),
        (
            with(&good, &[("client_secret", "x")]),
            (400, "invalid_request"),
        ),
        (
            with(&good, &[("client_id", "bob")]),
            (400, "invalid_request"),
        ),
        (
            vec![("grant_type", "password"), kind, mine],
            (400, "unsupported_grant_type"),
        ),
        (
            vec![("grant_type", "authorization_code")],
            (400, "unsupported_grant_type"),
        ),
        (vec![grant], (401, "invalid_client")),
        (vec![grant, kind], (401, "invalid_client")),
        (vec![grant, mine], (401, "invalid_client")),
        (
            vec![grant, ("client_id", "alice"), ("client_secret", "x")],
            (401, "invalid_client"),
        ),
        (
            vec![
                grant,
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
                mine,
            ],
            (401, "invalid_client"),
        ),
        (with("..", &[]), (401, "invalid_client")),
        (
            with(&good, &[("resource", "https://other.example")]),
            (400, "invalid_target"),
        ),
        (
            with(&good, &[("audience", "https://auth.example.com/")]),
            (400, "invalid_target"),
        ),
        (
            with(
                &good,
                &[
                    ("resource", AUDIENCE),
                    ("resource", "https://other.example"),
                ],
            ),
            (400, "invalid_target"),
        ),
        (with(&good, &[("scope", "reports")]), (400, "invalid_scope")),
        (with(&good, &[("scope", " ")]), (400, "invalid_scope")),
        (with(&good, &[("scope", "a\"b")]), (400, "invalid_scope")),
    ] {
        let answer = server.token(&parameters);
        assert_eq!(error(&answer), wanted, "{parameters:?}");
        assert!(!answer.body.to_string().contains(&good), "{answer:?}");
    }
    let basic = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", "Basic YWxpY2U6eA=="),
    ];
    let body = b"grant_type=client_credentials";
    let answer = send(&server.base_url, "POST", TOKEN, &basic, body);
    assert_eq!(error(&answer), (401, "invalid_client"));
    for media in ["application/json", "text/plain", "multipart/form-data"] {
        let headers = [("content-type", media)];
        let answer = send(&server.base_url, "POST", TOKEN, &headers, body);
        assert_eq!(error(&answer), (415, "invalid_request"), "{media}");
    }
    let headers = [(
        "content-type",
        "application/x-www-form-urlencoded; charset=UTF-8",
    )];
    let big = b"x".repeat(20_000);
    let answer = send(&server.base_url, "POST", TOKEN, &headers, &big);
    assert_eq!(error(&answer), (413, "invalid_request"));
    // None of it has spent the challenge, and what nobody knows is passed over.
    let more = [
        ("resource", AUDIENCE),
        ("audience", AUDIENCE),
        ("x", "y"),
        ("scope", ""),
    ];
    let answer = server.token(&with(&good, &more));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn every_assertion_that_is_not_accepted_has_one_answer() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let sue = server.enrol("sue");
    server.change("sue", RecordChange::Suspend);
    let stranger = Client {
        id: "stranger".parse().unwrap(),
        credential: credential(),
    };
    let expired = server.proven(&alice);
    server.clock.pass(121);
    let used = server.proven(&alice);
    assert_eq!(server.verify(&used).status, 200);
    let mut of_another = server.proven(&alice);
    of_another["challenge_id"] = json!(
        of_another["challenge_id"]
            .as_str()
            .unwrap()
            .replace("alice", "sue")
    );
    let mut of_none = server.proven(&alice);
    of_none["credential_id"] = json!("00112233445566778899aabbccddeeff");
    let good = assertion(&server.proven(&alice));
    let refused = [
        assertion(&expired),
        assertion(&used),
        assertion(&of_another),
        assertion(&of_none),
        assertion(&server.proven(&sue)),
        assertion(&server.proven(&stranger)),
        good.replacen('.', "", 1),
        format!("{good}x"),
        good.to_uppercase(),
        "x".into(),
    ];
    let answers: Vec<_> = refused
        .iter()
        .map(|assertion| server.token(&with(assertion, &[])))
        .collect();
    for answer in &answers {
        assert_eq!(error(answer), (401, "invalid_client"));
        assert_eq!(answer.body, answers[0].body);
    }
    assert_eq!(server.token(&with(&good, &[])).status, 200);
}

#[test]
fn an_assertion_is_good_at_one_endpoint_once_and_for_authentication_alone() {
    let server = Server::start();
    let alice = server.enrol("alice");
    // Whichever of the two comes first, the other is refused.
    let verification = server.proven(&alice);
    let parameters = assertion(&verification);
    assert_eq!(server.token(&with(&parameters, &[])).status, 200);
    assert_eq!(server.verify(&verification).problem(), (401, "denied"));
    let again = server.token(&with(&parameters, &[]));
    assert_eq!(error(&again), (401, "invalid_client"));
    let verification = server.proven(&alice);
    assert_eq!(server.verify(&verification).status, 200);
    let answer = server.token(&with(&assertion(&verification), &[]));
    assert_eq!(error(&answer), (401, "invalid_client"));

    // An assertion opens no other resource, and a proof for another resource is no assertion.
    let new = alice.device();
    let unspent = server.proven(&alice);
    let mut rotation = server.rotation(&alice, &new.credential);
    let (old_proof, rotation_id) = (
        rotation["proof_old"].clone(),
        rotation["challenge_id"].clone(),
    );
    rotation["proof_old"] = unspent["proof"].clone();
    rotation["challenge_id"] = unspent["challenge_id"].clone();
    let mut link = server.link(&alice, &new);
    let (link_proof, link_id) = (link["proof"].clone(), link["challenge_id"].clone());
    link["proof"] = unspent["proof"].clone();
    link["challenge_id"] = unspent["challenge_id"].clone();
    let mut unlink = server.unlinking(&alice, &new);
    let (unlink_proof, unlink_id) = (unlink["proof"].clone(), unlink["challenge_id"].clone());
    unlink["proof"] = unspent["proof"].clone();
    unlink["challenge_id"] = unspent["challenge_id"].clone();
    for (path, body) in [(ROTATE, rotation), (LINK, link), (UNLINK, unlink)] {
        assert_eq!(
            server.post(path, None, &body).problem(),
            (401, "denied"),
            "{path}"
        );
    }
    for (proof, challenge_id) in [
        (old_proof, rotation_id),
        (link_proof, link_id),
        (unlink_proof, unlink_id),
    ] {
        let shown = json!({ "proof": proof, "challenge_id": challenge_id });
        let answer = server.token(&with(&assertion(&shown), &[]));
        assert_eq!(error(&answer), (401, "invalid_client"));
    }
    assert_eq!(server.token(&with(&assertion(&unspent), &[])).status, 200);

    // Nor is one for another host.
    let elsewhere = Server::with(Config::new("https://other.example".parse().unwrap()), None);
    let challenge = server.challenge("alice");
    let foreign = proven(&alice, &challenge, elsewhere.binding());
    let answer = server.token(&with(&assertion(&foreign), &[]));
    assert_eq!(error(&answer), (401, "invalid_client"));
}

#[test]
fn of_one_assertion_at_two_endpoints_at_once_one_is_accepted() {
    let server = Server::start();
    let alice = server.enrol("alice");
    for _ in 0..10 {
        let verification = server.proven(&alice);
        let assertion = assertion(&verification);
        let parameters = with(&assertion, &[]);
        let good = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|n| {
                    let (server, verification, parameters) = (&server, &verification, &parameters);
                    scope.spawn(move || match n % 2 {
                        0 => server.token(parameters).status,
                        _ => server.verify(verification).status,
                    })
                })
                .collect();
            let statuses = tries.into_iter().map(|one| one.join().unwrap());
            statuses.filter(|status| *status == 200).count()
        });
        assert_eq!(good, 1);
    }
}

#[test]
fn a_client_asks_for_some_of_its_scopes_and_for_none_that_it_has_not() {
    let server = Server::start();
    let alice = server.enrol("alice");
    let may = AttributesChange {
        scopes: Some(Scopes::new(["reports", "invoices:read"]).unwrap()),
        ..AttributesChange::default()
    };
    server.change("alice", RecordChange::SetAttributes(Box::new(may)));
    let unspent = assertion(&server.proven(&alice));
    for scope in ["admin", "reports admin", "Reports", "invoices:read,reports"] {
        let answer = server.token(&with(&unspent, &[("scope", scope)]));
        assert_eq!(error(&answer), (400, "invalid_scope"), "{scope}");
    }
    // Only who has proven is told what it may not do.
    let mut wrong = server.proven(&alice);
    wrong["challenge_id"] = server.challenge("alice").body["challenge_id"].clone();
    let answer = server.token(&with(&assertion(&wrong), &[("scope", "admin")]));
    assert_eq!(error(&answer), (401, "invalid_client"));
    // A token has what was asked for, and its holder no more by it.
    for (asked, given) in [
        ("reports reports", "reports"),
        ("", "reports invoices:read"),
    ] {
        let assertion = assertion(&server.proven(&alice));
        let answer = server.token(&with(&assertion, &[("scope", asked)]));
        assert_eq!(answer.text("scope"), given, "{answer:?}");
        let who = server.get(WHOAMI, Some(answer.text("access_token")));
        assert_eq!(who.text("scope"), given, "{who:?}");
    }
    assert_eq!(server.token(&with(&unspent, &[])).status, 200);
}

#[test]
fn attempts_at_the_token_endpoint_count_with_those_elsewhere() {
    let limit = RateLimit {
        per_second: NonZeroU32::new(1).unwrap(),
        burst: NonZeroU32::new(4).unwrap(),
    };
    let server = Server::with(Config::new(AUDIENCE.parse().unwrap()), Some(limit));
    let statuses: Vec<_> = (0..12)
        .map(|n| match n % 2 {
            0 => server.post(VERIFY, None, &json!({})).status,
            _ => server.token(&[]).status,
        })
        .collect();
    assert!(statuses[4..].contains(&429), "{statuses:?}");
    let throttled = (0..8)
        .map(|_| server.token(&[]))
        .find(|answer| answer.status == 429)
        .unwrap();
    assert_eq!(error(&throttled), (429, "temporarily_unavailable"));
    assert!(throttled.header("retry-after").parse::<u32>().unwrap() >= 1);
    let challenge = server.post(CHALLENGE, None, &json!({ "client_id": "alice" }));
    assert_eq!(challenge.status, 200);
}

#[test]
fn a_body_of_any_bytes_is_answered() {
    let server = Server::start();
    for body in [
        "",
        "&",
        "=",
        "%",
        "%zz=%f",
        "a=%ff&b=\u{1f980}",
        "grant_type",
        "&&&=&=",
    ] {
        let length = body.len();
        let answer = raw(
            &server.base_url,
            format!(
                "POST {TOKEN} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 400"), "{body} {answer}");
    }
}
