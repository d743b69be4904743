//! The layer, and the service that it makes.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    RequireToken,
    check::{Check, Refused},
};

impl<S> Layer<S> for RequireToken {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required {
            inner,
            tokens: self.clone(),
        }
    }
}

/// A service behind [`RequireToken`].
#[derive(Clone)]
pub struct Required<S> {
    inner: S,
    tokens: RequireToken,
}

impl<S, B, R> Service<Request<B>> for Required<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that was found ready is called, and its clone is left for the next.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let RequireToken { keys, check } = self.tokens.clone();
        // Taken out, for a body need not be one that threads share.
        let headers = std::mem::take(request.headers_mut());
        Box::pin(async move {
            let checked = check.of(&headers, &keys).await;
            *request.headers_mut() = headers;
            match checked {
                Ok(token) => {
                    request.extensions_mut().insert(token);
                    inner.call(request).await
                }
                Err(refused) => Ok(answer(&check, refused)),
            }
        })
    }
}

/// As RFC 6750 says, with a problem (RFC 9457) for people.
fn answer<R: From<String>>(check: &Arc<Check>, refused: Refused) -> Response<R> {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let realm = quoted(&check.audience);
    let (status, code, detail, challenge) = match refused {
        Refused::Missing => (
            StatusCode::UNAUTHORIZED,
            "denied",
            "send an access token as \"Authorization: Bearer <token>\"",
            format!("Bearer realm=\"{realm}\""),
        ),
        Refused::Invalid => (
            StatusCode::UNAUTHORIZED,
            "denied",
            "the access token is not accepted: expired, or not of the issuer for this audience",
            format!("Bearer realm=\"{realm}\", error=\"invalid_token\""),
        ),
        Refused::Scope(scope) => (
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "the access token is good, and its client may not do this",
            format!(
                "Bearer realm=\"{realm}\", error=\"insufficient_scope\", scope=\"{}\"",
                quoted(&scope)
            ),
        ),
        Refused::Away => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "access tokens cannot be checked for now; try again",
            String::new(),
        ),
    };
    let problem = serde_json::json!({
        "type": format!("urn:2fapi:error:{code}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    let mut response = Response::new(R::from(problem.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let text = HeaderValue::from_static;
    headers.insert(header::CONTENT_TYPE, text("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, text("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, text("1"));
    } else if let Ok(challenge) = HeaderValue::try_from(challenge) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
