//! What operators ask at an address of its own: whether the server lives, whether it is ready, what it measures.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use twofapi_client::Failure;
use twofapi_server::{Connections, Problem, Service, Sources};
#[cfg(feature = "metrics")]
use twofapi_server::{Metrics, Serving};

use super::{
    ending::accept_all,
    listen::{Listen, Listener},
    network::LimitArgs,
};

/// What is looked at.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) service: Arc<Service>,
    #[cfg_attr(
        not(feature = "metrics"),
        expect(dead_code, reason = "they are measured")
    )]
    pub(crate) sources: Arc<Sources>,
    #[cfg_attr(
        not(feature = "metrics"),
        expect(dead_code, reason = "they are measured")
    )]
    pub(crate) connections: Connections,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: Metrics,
    #[cfg(all(feature = "metrics", feature = "tls"))]
    pub(crate) tls: Option<twofapi_server::Tls>,
}

pub(crate) struct Operations {
    listener: Listener,
    connections: Connections,
}

impl Operations {
    pub(crate) async fn listen(
        at: &Listen,
        limits: &LimitArgs,
        view: View,
    ) -> Result<Self, Failure> {
        let listener = at.settled(false).bind("http").await.map_err(|error| {
            Failure::unavailable(format!("cannot listen on {at} for operations: {error}"))
        })?;
        tracing::info!(at = listener.origin(), "operations");
        let routes = Router::new()
            .route("/livez", get(async || Json(json!({ "status": "ok" }))))
            .route("/readyz", get(ready))
            .route("/healthz", get(ready));
        #[cfg(feature = "metrics")]
        let routes = routes.route("/metrics", get(measured));
        let connections = Connections::new(routes.with_state(view), limits.of_operations());
        Ok(Self {
            listener,
            connections,
        })
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn serve(operations: Option<Self>) {
        match operations {
            Some(it) => accept_all(&it.listener, &it.connections).await,
            None => std::future::pending().await,
        }
    }
}

async fn ready(State(view): State<View>) -> Result<Response, Problem> {
    view.service.check().await?;
    Ok(Json(json!({ "status": "ok" })).into_response())
}

#[cfg(feature = "metrics")]
async fn measured(State(view): State<View>) -> Response {
    #[cfg(feature = "tls")]
    let certificate_until = view.tls.as_ref().map(|tls| tls.life().not_after);
    #[cfg(not(feature = "tls"))]
    let certificate_until = None;
    let serving = Serving {
        connections: view.connections.count(),
        attempts: view.sources.in_flight(),
        certificate_until,
    };
    let text = view.metrics.text(&view.service, serving).await;
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([("content-type", media)], text).into_response()
}
