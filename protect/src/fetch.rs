//! Reads the keys of an issuer, and where they are: bounded, without redirects, and never in the clear from elsewhere.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use ureq::{
    Agent,
    http::{Uri, header},
    tls::{RootCerts, TlsConfig},
};

use crate::Unusable;

const WITHIN: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const LONGEST: u64 = 256 * 1024;
/// How long keys may be cached where the answer does not say it, and at least and at most where it does.
const CACHED: Duration = Duration::from_secs(3600);
const CACHED_LEAST: Duration = Duration::from_secs(60);

/// Where the keys are.
pub(crate) enum Place {
    /// In what this document says.
    Discovered(String),
    Known(String),
}

pub(crate) struct Source {
    issuer: String,
    place: Place,
    agent: Agent,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// What has no list of keys is no set, and takes the place of none.
#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// What was read, and for how long it may be cached.
pub(crate) struct Fetched {
    pub(crate) keys: Vec<Value>,
    pub(crate) max_age: Duration,
}

impl Source {
    pub(crate) fn new(issuer: &str, place: Place) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .build();
        let agent = Agent::config_builder()
            .max_redirects(0)
            .tls_config(tls)
            .timeout_global(Some(WITHIN))
            .user_agent(concat!("2fapi-protect/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self {
            issuer: issuer.into(),
            place,
            agent,
        }
    }

    /// Blocks the thread.
    pub(crate) fn fetch(&self) -> Result<Fetched, String> {
        let found;
        let jwks = match &self.place {
            Place::Known(jwks) => jwks,
            Place::Discovered(at) => {
                let (body, _) = self.get(at)?;
                let said: Discovery =
                    serde_json::from_slice(&body).map_err(|error| format!("{at}: {error}"))?;
                // Or the document of one issuer would have another's tokens taken (RFC 8414, section 3.3).
                if said.issuer != self.issuer {
                    return Err(format!("{at} is of the issuer {:?}", said.issuer));
                }
                found = address(&said.jwks_uri).map_err(|error| error.to_string())?;
                &found
            }
        };
        let (body, max_age) = self.get(jwks)?;
        let set: Set = serde_json::from_slice(&body).map_err(|error| format!("{jwks}: {error}"))?;
        Ok(Fetched {
            keys: set.keys,
            max_age,
        })
    }

    fn get(&self, url: &str) -> Result<(Vec<u8>, Duration), String> {
        let failed = |error: ureq::Error| format!("{url}: {error}");
        let mut request = self.agent.get(url);
        if url.starts_with("http:") {
            // What stays on this machine goes by no proxy, which would be elsewhere.
            request = request.config().proxy(None).build();
        }
        let mut answer = request.call().map_err(failed)?;
        if !answer.status().is_success() {
            return Err(format!("{url}: {}", answer.status()));
        }
        let said = answer.headers().get(header::CACHE_CONTROL);
        let max_age = said
            .and_then(|said| said.to_str().ok())
            .and_then(max_age)
            .unwrap_or(CACHED);
        let body = answer.body_mut().with_config().limit(LONGEST);
        let body = body.read_to_vec().map_err(failed)?;
        Ok((body, max_age.clamp(CACHED_LEAST, CACHED)))
    }
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let directives = cache_control.split(',').map(str::trim);
    let seconds = directives
        .filter_map(|directive| directive.strip_prefix("max-age="))
        .next()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// Where the discovery document of an issuer is: what RFC 8414 puts between the origin and the path.
pub(crate) fn discovery_of(issuer: &str) -> Result<String, Unusable> {
    let issuer = address(issuer)?;
    let unusable = || Unusable("an issuer has neither a query nor a fragment".into());
    if issuer.contains(['?', '#']) {
        return Err(unusable());
    }
    let authority = issuer.find("://").ok_or_else(unusable)? + 3;
    let path = issuer[authority..]
        .find('/')
        .map_or(issuer.len(), |at| authority + at);
    let (origin, path) = issuer.split_at(path);
    let path = path.trim_end_matches('/');
    Ok(format!(
        "{origin}/.well-known/oauth-authorization-server{path}"
    ))
}

/// An address that keys may be read from.
pub(crate) fn address(url: &str) -> Result<String, Unusable> {
    let unusable = |why: &str| Unusable(format!("{url:?} {why}"));
    let uri: Uri = url
        .parse()
        .map_err(|_| unusable("is no URL, such as https://auth.example.com"))?;
    let host = uri.host().unwrap_or_default();
    let is_here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(url.into()),
        Some("http") if is_here => Ok(url.into()),
        Some("http") => Err(unusable(
            "is plain HTTP, and whoever is on the way could change the keys: use https",
        )),
        _ => Err(unusable("is no URL, such as https://auth.example.com")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_of_an_issuer_is_where_rfc_8414_puts_it() {
        for (issuer, at) in [
            (
                "https://a.example",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/x/y",
                "https://a.example/.well-known/oauth-authorization-server/x/y",
            ),
            (
                "http://127.0.0.1:7250",
                "http://127.0.0.1:7250/.well-known/oauth-authorization-server",
            ),
        ] {
            assert_eq!(discovery_of(issuer).unwrap(), at);
        }
    }

    #[test]
    fn keys_are_read_from_where_nobody_can_change_them_on_the_way() {
        for url in [
            "",
            "name",
            "auth.example.com",
            "http://auth.example.com",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example/",
            "file:///etc/passwd",
            "https://",
        ] {
            assert!(address(url).is_err(), "{url}");
            assert!(discovery_of(url).is_err(), "{url}");
        }
        assert!(discovery_of("https://a.example?x").is_err());
    }

    #[test]
    fn an_answer_says_how_long_it_may_be_cached() {
        assert_eq!(
            max_age("public, max-age=600"),
            Some(Duration::from_secs(600))
        );
        for nothing in ["", "no-store", "s-maxage=5", "max-age=", "max-age=-1"] {
            assert_eq!(max_age(nothing), None, "{nothing}");
        }
    }
}
