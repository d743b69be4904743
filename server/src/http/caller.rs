//! What every route has at hand: the service, the limits by source, and who asks.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension,
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use twofapi_crypto_core::Error;

use super::{problem::Problem, source::Sources};
use crate::service::{AuthenticatedClient, Service};

#[derive(Clone)]
pub(super) struct Routes {
    pub(super) service: Arc<Service>,
    pub(super) sources: Arc<Sources>,
}

/// Where a request comes from, if the application before us hands it on.
pub(super) type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

impl Routes {
    pub(super) fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Problem> {
        let peer = peer.map(|Extension(ConnectInfo(address))| address);
        Ok(self.sources.admit(peer, headers)?)
    }

    pub(super) fn refuse(&self) -> impl Fn(Error) -> Problem {
        |error| Problem::of_proof(error, self.service.audience())
    }

    /// The token of a request that may not be without.
    pub(super) fn token<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Problem> {
        needed(&self.service, headers)
    }

    pub(super) fn refuse_token(&self) -> impl Fn(Error) -> Problem {
        |error| Problem::of_token(error, self.service.audience(), true)
    }
}

impl FromRef<Routes> for Arc<Service> {
    fn from_ref(routes: &Routes) -> Self {
        routes.service.clone()
    }
}

/// Protects a route: the request is answered only if it carries an access token of this server whose
/// client is active and whose credential still is there.
impl<S> FromRequestParts<S> for AuthenticatedClient
where
    S: Send + Sync,
    Arc<Service>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Only code of this application can have put it there, after it was seen to be good.
        if let Some(client) = parts.extensions.get::<Self>() {
            return Ok(client.clone());
        }
        let service = <Arc<Service>>::from_ref(state);
        let jwt = needed(&service, &parts.headers)?;
        service
            .authenticate(jwt)
            .await
            .map_err(|error| Problem::of_token(error, service.audience(), true))
    }
}

fn needed<'h>(service: &Service, headers: &'h HeaderMap) -> Result<&'h str, Problem> {
    let none = || Problem::of_token(Error::Denied, service.audience(), false);
    bearer(headers).ok_or_else(none)
}

/// The credentials of `Authorization: Bearer <token>` (RFC 6750), if there is exactly one. (A typed header
/// of axum-extra takes the first of several, and a proxy before us may have gone by the last.)
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
