//! What a proxy is told of who makes a request.

use twofapi_server::{AttributesChange, RecordChange};

use crate::{
    client::{CHECK, send},
    server::Server,
};

fn permit(server: &Server, client_id: &str, scopes: &[&str]) {
    let change = AttributesChange {
        scopes: Some(twofapi_crypto_core::Scopes::new(scopes.iter().copied()).unwrap()),
        tenant: Some(Some("acme".parse().unwrap())),
        ..AttributesChange::default()
    };
    server.change(client_id, RecordChange::SetAttributes(Box::new(change)));
}

#[test]
fn a_proxy_is_told_who_it_is_and_every_field_is_there() {
    let server = Server::start();
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    permit(&server, "alice", &["reports:read", "other"]);
    let (alice, bob) = (server.log_in(&alice), server.log_in(&bob));
    for (token, expected) in [
        (&alice, ["alice", "reports:read other", "acme"]),
        (&bob, ["bob", "", ""]),
    ] {
        let answer = server.get(CHECK, Some(token));
        assert_eq!(answer.status, 200, "{answer:?}");
        let fields = ["x-2fapi-client-id", "x-2fapi-scope", "x-2fapi-tenant"];
        for (field, expected) in fields.into_iter().zip(expected) {
            assert!(answer.headers.contains_key(field), "{field}: {answer:?}");
            assert_eq!(answer.header(field), expected, "{field}");
        }
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[test]
fn a_scope_that_is_required_is_had_or_the_answer_says_which_is_not() {
    let server = Server::start();
    let alice = server.enrol("alice");
    permit(&server, "alice", &["a", "b"]);
    let token = server.log_in(&alice);
    let check = |query: &str| server.get(&format!("{CHECK}?{query}"), Some(&token));
    for query in ["scope=a", "scope=a+b", "scope=a&scope=b"] {
        assert_eq!(check(query).status, 200, "{query}");
    }
    for query in ["scope=c", "scope=a+c", "scope=a&scope=c", "scope=c&scope=a"] {
        let answer = check(query);
        assert_eq!(answer.problem(), (403, "insufficient_scope"), "{query}");
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.ends_with("error=\"insufficient_scope\", scope=\"c\""),
            "{challenge}"
        );
    }
    // A mistake of the operator lets nobody in.
    for query in ["scope=", "role=admin", "scope=a&b"] {
        assert_eq!(
            check(query).problem(),
            (400, "malformed_request"),
            "{query}"
        );
    }
    assert_eq!(
        server.get(&format!("{CHECK}?scope=a"), None).problem(),
        (401, "denied")
    );
}

#[test]
fn envoy_asks_with_the_method_the_path_and_the_query_of_the_request() {
    let server = Server::start();
    let token = server.log_in(&server.enrol("alice"));
    let bearer = format!("Bearer {token}");
    for method in ["GET", "POST", "DELETE", "PROPFIND"] {
        let path = format!("{CHECK}/reports/1?scope=admin&role=x");
        let ask = |headers: &[_]| send(&server.base_url, method, &path, headers, b"");
        let answer = ask(&[("authorization", &bearer)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-2fapi-client-id"), "alice");
        assert_eq!(ask(&[]).problem(), (401, "denied"));
    }
    server.change("alice", RecordChange::Suspend);
    let answer = server.get(&format!("{CHECK}/"), Some(&token));
    assert_eq!(answer.problem(), (401, "denied"));
}
