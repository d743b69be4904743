//! What a request shows of itself: its access token, by whichever scheme, and the proof of a key (RFC 9449).

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{HeaderMap, header, request::Parts},
};
use twofapi_crypto_core::Error;
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::{
    dpop::DpopRequest,
    service::{Service, ShownToken},
};

/// The `DPoP` field of a request, and what a proof in it has to be about.
pub(super) struct DpopField {
    /// The one there is; of several none counts.
    proof: Option<Zeroizing<String>>,
    method: String,
    path: String,
}

impl DpopField {
    fn of(parts: &Parts) -> Self {
        let proof = one(&parts.headers, "dpop").filter(|proof| !proof.is_empty());
        // Of an application that has nested the routes, as its clients see it.
        let uri = parts.extensions.get::<OriginalUri>();
        let path = uri.map_or(parts.uri.path(), |OriginalUri(uri)| uri.path());
        Self {
            proof: proof.map(|proof| Zeroizing::new(proof.to_owned())),
            method: parts.method.as_str().to_owned(),
            path: path.to_owned(),
        }
    }

    /// The key that the token of a login over this challenge is to be bound to; none where tokens are bound to
    /// none. `Err` where it is needed and its proof does not hold.
    pub(super) fn key(
        &self,
        service: &Service,
        challenge: &str,
    ) -> Result<Option<[u8; 32]>, NoKey> {
        match &self.proof {
            _ if !service.requires_dpop() => Ok(None),
            None => Err(NoKey::Proof),
            Some(proof) => {
                let request = DpopRequest {
                    proof,
                    method: &self.method,
                    path: &self.path,
                };
                match service.login_key(request, challenge) {
                    Some((key, true)) => Ok(Some(key)),
                    Some((_, false)) => Err(NoKey::Nonce),
                    None => Err(NoKey::Proof),
                }
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DpopField {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// A login came without the proof of a key, or with one that does not hold.
pub(super) enum NoKey {
    /// There is none, or it is none.
    Proof,
    /// It is not for this challenge.
    Nonce,
}

impl NoKey {
    pub(super) const WHAT_TO_DO: &'static str = "this server binds tokens to a key: send one DPoP field, a proof \
         (RFC 9449) for this request with the challenge_id as its nonce";
}

impl From<NoKey> for Problem {
    fn from(_: NoKey) -> Self {
        Self::malformed(NoKey::WHAT_TO_DO)
    }
}

/// The access token of a request, if it shows one.
pub(super) struct Token {
    given: Option<Given>,
    field: DpopField,
}

struct Given {
    jwt: Zeroizing<String>,
    is_dpop: bool,
}

impl Token {
    pub(super) fn of(parts: &Parts) -> Self {
        let given = credentials(&parts.headers).and_then(|(scheme, token)| {
            let is_dpop = scheme.eq_ignore_ascii_case("dpop");
            let known = is_dpop || scheme.eq_ignore_ascii_case("bearer");
            known.then(|| Given {
                jwt: Zeroizing::new(token.to_owned()),
                is_dpop,
            })
        });
        Self {
            given,
            field: DpopField::of(parts),
        }
    }

    /// The token, which has to be there.
    pub(super) fn shown(&self, service: &Service) -> Result<ShownToken<'_>, Problem> {
        let refused = |given| {
            Problem::of_token(Error::Denied, service.audience(), given)
                .for_keys(service.requires_dpop())
        };
        let given = self.given.as_ref().ok_or_else(|| refused(false))?;
        let DpopField {
            proof,
            method,
            path,
        } = &self.field;
        match (given.is_dpop, proof) {
            (false, _) => Ok(ShownToken::bearer(&given.jwt)),
            (true, Some(proof)) => Ok(ShownToken::dpop(&given.jwt, proof, method, path)),
            (true, None) => Err(refused(true)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// The credentials of `Authorization: Bearer <token>` (RFC 6750), if there is exactly one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = credentials(headers)?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Scheme and token of the one `Authorization` field. (A typed header of axum-extra takes the first of several, and a
/// proxy before us may have gone by the last.)
fn credentials(headers: &HeaderMap) -> Option<(&str, &str)> {
    let (scheme, token) = one(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    let token = token.trim();
    (!token.is_empty()).then_some((scheme, token))
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
