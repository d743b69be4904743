//! What every route has at hand: the service, the limits by source, and who asks.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, FromRef, FromRequestParts, Request, State},
    http::{HeaderMap, request::Parts},
    middleware::{Next, from_fn_with_state},
};
use twofapi_crypto_core::Error;

use super::{
    problem::Problem,
    shown::{Token, bearer},
    source::{Admitted, Sources},
};
use crate::service::{AuthenticatedClient, Service};

#[derive(Clone)]
pub(super) struct Routes {
    pub(super) service: Arc<Service>,
    pub(super) sources: Arc<Sources>,
}

/// Where a request comes from, if the application before us hands it on.
pub(super) type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

/// The same, once it is told apart from our proxies.
pub(super) type From = Option<Extension<ClientAddress>>;

pub(super) fn address(from: From) -> Option<IpAddr> {
    from.map(|Extension(ClientAddress(address))| address)
}

impl Routes {
    /// Lets a request in by its source, once its body is there; what it asks is done before this is dropped.
    pub(super) async fn admit(&self, peer: Peer, headers: &HeaderMap) -> Result<Admitted, Problem> {
        let peer = peer.map(|Extension(ConnectInfo(address))| address);
        Ok(self.sources.admit(peer, headers).await?)
    }

    pub(super) fn refuse(&self) -> impl Fn(Error) -> Problem {
        |error| Problem::of_proof(error, self.service.audience())
    }

    /// The enrolment token of a request that may not be without.
    pub(super) fn token<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Problem> {
        let none = || Problem::of_token(Error::Denied, self.service.audience(), false);
        bearer(headers).ok_or_else(none)
    }

    /// Who asks, by the token of the request.
    pub(super) async fn authenticated(
        &self,
        token: &Token,
        from: From,
    ) -> Result<AuthenticatedClient, Problem> {
        let shown = token.shown(&self.service)?;
        let client = self.service.show(shown, address(from)).await;
        client.map_err(self.refuse_token())
    }

    pub(super) fn refuse_token(&self) -> impl Fn(Error) -> Problem {
        |error| of_token(&self.service, error)
    }
}

impl FromRef<Routes> for Arc<Service> {
    fn from_ref(routes: &Routes) -> Self {
        routes.service.clone()
    }
}

/// Where a request comes from. Put into a request's extensions by [`with_addresses`], or by code of an
/// application that knows better.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Has these routes know where requests come from, so that [`AuthenticatedClient`] lets in a client that has
/// allowed sources: without it such a client is refused, for nobody knows where it is. The routes of the
/// service itself have it already.
pub fn with_addresses<S>(routes: Router<S>, sources: Arc<Sources>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let tell = move |State(sources): State<Arc<Sources>>, mut request: Request, next: Next| async move {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(address)| *address);
        if let Some(address) = sources.address(peer, request.headers()) {
            request.extensions_mut().insert(ClientAddress(address));
        }
        next.run(request).await
    };
    routes.layer(from_fn_with_state(sources, tell))
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
        let token = Token::of(parts);
        let shown = token.shown(&service)?;
        let source = parts.extensions.get::<ClientAddress>();
        service
            .show(shown, source.map(|ClientAddress(address)| *address))
            .await
            .map_err(|error| of_token(&service, error))
    }
}

/// A token that was not accepted.
fn of_token(service: &Service, error: Error) -> Problem {
    Problem::of_token(error, service.audience(), true).for_keys(service.requires_dpop())
}
