//! Lets in who has an access token of a 2FApi service: a tower layer for a service of your own, which needs nothing of that
//! one but its address.
//!
//! ```no_run
//! use axum::{Extension, Router, routing::get};
//! use twofapi_protect::{RequireToken, Token};
//!
//! async fn reports(Extension(token): Extension<Token>) -> String {
//!     format!("reports of {}", token.client_id)
//! }
//!
//! # fn main() -> Result<(), twofapi_protect::Unusable> {
//! let issuer = "https://auth.example.com";
//! let tokens = RequireToken::new(issuer, issuer)?;
//! let app: Router = Router::new()
//!     .route("/reports", get(reports))
//!     .layer(tokens.scope("reports:read"));
//! # Ok(())
//! # }
//! ```
//!
//! The keys are read when the first token comes, again before the time is over for which they may be cached, and when a token
//! names a key that is not among them, at most once a minute. Who is not let in is told why as RFC 6750 says. What is not
//! learnt here before a token expires is said in `docs/protect.md`: a suspension, a revocation, a session that was ended.

mod check;
mod fetch;
mod keys;
mod layer;

use std::{sync::Arc, time::Duration};

use check::Check;
pub use check::Token;
use fetch::{Place, Source};
use keys::Keys;
pub use layer::Required;

/// A setting that cannot be right, and what would be.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Lets a request through that has an access token of this issuer for this audience; a handler finds a [`Token`] in the
/// extensions of the request. Clones have their keys in common, so that one is enough for an application.
#[derive(Clone)]
pub struct RequireToken {
    keys: Arc<Keys>,
    check: Arc<Check>,
}

impl RequireToken {
    /// Tokens of this issuer, a URL whose discovery document (RFC 8414) says where its keys are. The audience is that of the
    /// service, whose issuer it is too unless its operator says otherwise.
    ///
    /// # Errors
    /// For what is no URL, and for plain HTTP to anywhere but this machine: whoever is on the way could change the keys.
    pub fn new(issuer: &str, audience: &str) -> Result<Self, Unusable> {
        let place = Place::Discovered(fetch::discovery_of(issuer)?);
        Ok(Self::over(issuer, audience, place))
    }

    /// As [`new`](Self::new), with the keys at this URL: for an issuer that is a name, or without asking where they are.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_keys_at(issuer: &str, audience: &str, jwks: &str) -> Result<Self, Unusable> {
        let place = Place::Known(fetch::address(jwks)?);
        Ok(Self::over(issuer, audience, place))
    }

    fn over(issuer: &str, audience: &str, place: Place) -> Self {
        Self {
            keys: Arc::new(Keys::new(Source::new(issuer, place))),
            check: Arc::new(Check {
                issuer: issuer.into(),
                audience: audience.into(),
                scopes: Vec::new(),
                leeway: Duration::ZERO,
            }),
        }
    }

    /// Requires this scope as well as those before.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        Arc::make_mut(&mut self.check).scopes.push(scope.into());
        self
    }

    /// How far the clock here may be off from the issuer's: 60 seconds at most, none if it is not said.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        Arc::make_mut(&mut self.check).leeway = leeway.min(Duration::from_secs(60));
        self
    }
}
