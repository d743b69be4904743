//! What a client may do, at routes of the application around the service.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use twofapi_crypto_core::Scopes;

use super::problem::Problem;
use crate::service::{AuthenticatedClient, Service};

impl AuthenticatedClient {
    /// Sees that the client has this scope.
    ///
    /// # Errors
    /// An answer with 403, `insufficient_scope` and the scope that is needed (RFC 6750, section 3.1).
    pub fn require_scope(&self, scope: &str) -> Result<(), Problem> {
        match self.scopes.contain(scope) {
            true => Ok(()),
            false => Err(Problem::insufficient_scope(scope, &self.audience)),
        }
    }

    /// Sees that it is a client of this tenant.
    ///
    /// # Errors
    /// An answer with 403 and `wrong_tenant`.
    pub fn require_tenant(&self, tenant: &str) -> Result<(), Problem> {
        match &self.tenant {
            Some(own) if own.as_str() == tenant => Ok(()),
            _ => Err(Problem::wrong_tenant()),
        }
    }
}

/// Has these routes answer only to clients that have each of the scopes; a handler then takes the
/// [`AuthenticatedClient`] without another check of its token:
///
/// ```
/// # use std::sync::Arc;
/// # use axum::{Router, extract::FromRef, routing::get};
/// # use twofapi_crypto_core::Scopes;
/// # use twofapi_server::{AuthenticatedClient, Service, with_scopes};
/// # #[derive(Clone)]
/// # struct App { authentication: Arc<Service> }
/// # impl FromRef<App> for Arc<Service> {
/// #     fn from_ref(app: &App) -> Self { app.authentication.clone() }
/// # }
/// fn reports(service: Arc<Service>) -> Result<Router<App>, twofapi_crypto_core::Error> {
///     let routes = Router::new().route("/reports", get(async |client: AuthenticatedClient| {
///         format!("reports of {}", client.client_id)
///     }));
///     Ok(with_scopes(routes, service, Scopes::new(["reports:read"])?))
/// }
/// ```
pub fn with_scopes<S>(routes: Router<S>, service: Arc<Service>, scopes: Scopes) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.route_layer(from_fn_with_state((service, Arc::new(scopes)), let_through))
}

async fn let_through(
    State((service, scopes)): State<(Arc<Service>, Arc<Scopes>)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let client = AuthenticatedClient::from_request_parts(&mut parts, &service).await;
    let permitted = client.and_then(|client| {
        scopes
            .iter()
            .try_for_each(|scope| client.require_scope(scope))
            .map(|()| client)
    });
    match permitted {
        Ok(client) => {
            parts.extensions.insert(client);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}
