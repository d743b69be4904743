//! What a proxy asks before it passes a request on: nginx's `auth_request`, Caddy's `forward_auth`, Envoy's `ext_authz`.

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
    routing::{any, get},
};

use serde_json::json;

use super::{caller::Routes, problem::Problem, routes::only};
use crate::service::AuthenticatedClient;

const CLIENT_ID: HeaderName = HeaderName::from_static("x-2fapi-client-id");
const SCOPE: HeaderName = HeaderName::from_static("x-2fapi-scope");
const TENANT: HeaderName = HeaderName::from_static("x-2fapi-tenant");

pub(super) fn routes() -> Router<Routes> {
    Router::new()
        .route("/auth/zkp/check", only("GET, HEAD", get(check)))
        // Envoy asks with the method and the path of the request. Its query is whoever's it is, and names no scopes.
        .route("/auth/zkp/check/", any(check_path))
        .route("/auth/zkp/check/{*path}", any(check_path))
}

async fn check(
    State(_): State<Routes>,
    client: AuthenticatedClient,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    for scope in required(query.as_deref().unwrap_or_default())? {
        client.require_scope(&scope)?;
    }
    Ok(said(&client))
}

async fn check_path(State(_): State<Routes>, client: AuthenticatedClient) -> Response {
    said(&client)
}

/// Who it is. Each field is there, also where it says nothing: a proxy that copies them puts them in the place of what the
/// client itself has sent.
fn said(client: &AuthenticatedClient) -> Response {
    let scopes: Vec<&str> = client.scopes.iter().collect();
    let tenant = client.tenant.as_ref().map(|tenant| tenant.as_str());
    // All of it is printable ASCII.
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    let fields = [
        (CLIENT_ID, value(client.client_id.as_str())),
        (SCOPE, value(&scopes.join(" "))),
        (TENANT, value(tenant.unwrap_or_default())),
    ];
    let body = json!({ "client_id": client.client_id.as_str() });
    (fields, Json(body)).into_response()
}

/// The scopes that a query requires: `scope=`, as often as there are, or with blanks (`+`, `%20`) between. Whatever else is
/// in it, or is no scope, is a mistake of the operator, and lets nobody in.
fn required(query: &str) -> Result<Vec<String>, Problem> {
    let mistaken = || Problem::malformed("the query may have scope=NAME, and more than once");
    let mut scopes = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let named = pair.strip_prefix("scope=").ok_or_else(mistaken)?;
        let named = unescaped(named).ok_or_else(mistaken)?;
        let before = scopes.len();
        scopes.extend(
            named
                .split(' ')
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        );
        if scopes.len() == before {
            return Err(mistaken());
        }
    }
    Ok(scopes)
}

/// Text of a query as it was before it was escaped; `None` for what is no scope's.
fn unescaped(text: &str) -> Option<String> {
    let mut rest = text.bytes();
    let mut unescaped = String::new();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let [byte] = hex::decode(digits).ok()?.try_into().ok()?;
                byte
            }
            byte => byte,
        };
        // RFC 6749, section 3.3.
        let fits = matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        unescaped.push(fits.then_some(char::from(byte))?);
    }
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_scopes_and_nothing_else() {
        for (query, scopes) in [
            ("", &[][..]),
            ("scope=reports:read", &["reports:read"]),
            ("scope=reports%3aread", &["reports:read"]),
            ("scope=a&scope=b", &["a", "b"]),
            ("scope=a+b%20c", &["a", "b", "c"]),
        ] {
            assert_eq!(required(query).unwrap(), scopes, "{query}");
        }
        for query in [
            "scope=",
            "scope",
            "scopes=a",
            "Scope=a",
            "a=b",
            "scope=a&role=b",
            "scope=%",
            "scope=%2",
            "scope=%zz",
            "scope=a%0ab",
            "scope=a%22b",
            "scope=%c3%a9",
        ] {
            assert!(required(query).is_err(), "{query}");
        }
    }
}
