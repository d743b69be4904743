//! Errors of the OAuth resources, as RFC 6749, section 5.2 has them.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use twofapi_crypto_core::{Audience, Error};

use super::problem::{Problem, quoted};

/// An error on its way to an OAuth client.
#[derive(Debug)]
pub(super) struct OauthProblem {
    status: StatusCode,
    error: &'static str,
    /// For people. It repeats nothing of the request.
    description: String,
    retry_after: Option<u32>,
    authenticate: Option<HeaderValue>,
    nonce: Option<Box<str>>,
}

/// With what nonce the next proof of a key is to be made (RFC 9449, section 8).
pub(super) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

impl OauthProblem {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error,
            description: description.into(),
            retry_after: None,
            authenticate: None,
            nonce: None,
        }
    }

    /// With the nonce that the proof of a key should have had.
    pub(super) fn with_nonce(mut self, nonce: &str) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// An error of 400 by its name.
    pub(super) fn bad(error: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::bad("invalid_request", description)
    }

    /// A client that was not authenticated, for whatever cause.
    pub(super) fn invalid_client(description: impl Into<String>, audience: &Audience) -> Self {
        let scheme = format!("2FApi realm=\"{}\"", quoted(audience));
        Self {
            authenticate: HeaderValue::try_from(scheme).ok(),
            ..Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
        }
    }

    pub(super) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request",
            "send parameters with content-type: application/x-www-form-urlencoded",
        )
    }
}

impl From<Problem> for OauthProblem {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        let error = match status {
            StatusCode::UNAUTHORIZED => "invalid_client",
            StatusCode::FORBIDDEN => "insufficient_scope",
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                "temporarily_unavailable"
            }
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        Self {
            retry_after: problem.retry_after(),
            authenticate: problem.authenticate().cloned(),
            ..Self::new(status, error, problem.detail())
        }
    }
}

impl From<Error> for OauthProblem {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

impl IntoResponse for OauthProblem {
    fn into_response(self) -> Response {
        let body = json!({
            "error": self.error,
            "error_description": in_quotable_ascii(&self.description),
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        let nonce = self.nonce.map(|nonce| HeaderValue::from_str(&nonce));
        if let Some(Ok(nonce)) = nonce {
            headers.insert(DPOP_NONCE, nonce);
        }
        if let Some(scheme) = self.authenticate {
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A description has 0x20 to 0x7e, but for the quotation mark and the backslash (RFC 6749, section 5.2).
fn in_quotable_ascii(text: &str) -> String {
    let permitted = |c| matches!(c, ' '..='~') && c != '"' && c != '\\';
    text.chars()
        .map(|c| if permitted(c) { c } else { '\'' })
        .collect()
}
