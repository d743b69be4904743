//! Where libraries find out about the service: its metadata as an authorization server (RFC 8414), at that RFC's path and
//! at OpenID's.

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{caller::Routes, oauth::ASSERTION_TYPE, problem::Problem, routes::only};
use crate::{service::Service, tokens::JWKS_MAX_AGE};

/// The path of RFC 8414. Where the issuer has a path, that stands behind it.
const OAUTH: &str = "/.well-known/oauth-authorization-server";
/// The path of OpenID Connect Discovery. Where the issuer has a path, that stands before it.
const OPENID: &str = "/.well-known/openid-configuration";

/// The routes, at the paths where the issuer's clients look.
pub(super) fn routes(service: &Service) -> Router<Routes> {
    let mut paths = vec![OAUTH.to_owned(), OPENID.to_owned()];
    if let Some(path) = Issuer::parse(service.issuer()).and_then(|issuer| issuer.path) {
        paths.push(format!("{OAUTH}{path}"));
        paths.push(format!("{path}{OPENID}"));
    }
    let mut routes = Router::new();
    for path in paths {
        routes = routes.route(&path, only("GET, HEAD", get(metadata)));
    }
    routes
}

async fn metadata(State(routes): State<Routes>) -> Result<Response, Problem> {
    let document = document(&routes.service).ok_or_else(Problem::no_discovery)?;
    let cache = [(
        header::CACHE_CONTROL,
        format!("public, max-age={JWKS_MAX_AGE}"),
    )];
    Ok((cache, Json(document)).into_response())
}

/// `None` where the issuer is a name and no URL, by which nothing can be found.
fn document(service: &Service) -> Option<Value> {
    let issuer = service.issuer();
    Issuer::parse(issuer)?;
    let base = service.base_url();
    let base = base.strip_suffix('/').unwrap_or(base);
    let mut document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "token_endpoint": format!("{base}/oauth/token"),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": [ASSERTION_TYPE],
        "introspection_endpoint": format!("{base}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": ["none"],
        // There is no authorization endpoint, and this has to be said.
        "response_types_supported": ["none"],
        // Of an OpenID provider, and read by libraries that want access tokens alone: there are no ID tokens.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [service.signing_algorithm().as_str()],
    });
    if service.requires_dpop() {
        document["dpop_signing_alg_values_supported"] = json!(["ES256", "EdDSA"]);
    }
    Some(document)
}

/// An issuer that is a URL.
struct Issuer<'a> {
    /// Without a slash at its end; `None` for an origin.
    path: Option<&'a str>,
}

impl<'a> Issuer<'a> {
    fn parse(issuer: &'a str) -> Option<Self> {
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| issuer.strip_prefix(scheme))?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        let of_host = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(of_host) || !path.chars().all(fits) {
            return None;
        }
        let path = path.trim_end_matches('/');
        Some(Self {
            path: (!path.is_empty()).then_some(path),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_found_by_its_url_and_not_by_a_name() {
        for (issuer, path) in [
            ("https://auth.example.com", None),
            ("https://auth.example.com/", None),
            ("http://127.0.0.1:7250", None),
            ("http://[::1]:7250", None),
            ("https://example.com/auth/one/", Some("/auth/one")),
        ] {
            let parsed = Issuer::parse(issuer).map(|issuer| issuer.path);
            assert_eq!(parsed, Some(path), "{issuer}");
        }
        for name in [
            "",
            "our company",
            "auth.example.com",
            "ftp://auth.example.com",
            "https://",
            "https:///path",
            "https://user@auth.example.com",
            "https://auth.example.com?tenant=1",
            "https://auth.example.com/#top",
            "https://auth.example.com/{path}",
        ] {
            assert!(Issuer::parse(name).is_none(), "{name}");
        }
    }
}
