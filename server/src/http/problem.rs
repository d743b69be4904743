//! Errors as `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use twofapi_crypto_core::{Audience, Error, ErrorCode};

/// An error on its way to the client. Boxed, because most answers are none.
#[derive(Clone, Debug)]
pub struct Problem(Box<Contents>);

#[derive(Clone, Debug)]
struct Contents {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    retry_after: Option<u32>,
    authenticate: Option<HeaderValue>,
    allow: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Contents {
            status,
            code,
            title,
            detail: detail.into(),
            retry_after: None,
            authenticate: None,
            allow: None,
        }))
    }

    /// A body that is not what the route takes. The detail says what would be right, and repeats
    /// nothing of the body: a secret may be in the wrong place.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed_request",
            "The request is malformed",
            detail,
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "The request is too large",
            format!("a body may have at most {limit} bytes"),
        )
    }

    pub(super) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(super) fn retry_after(&self) -> Option<u32> {
        self.0.retry_after
    }

    pub(super) fn authenticate(&self) -> Option<&HeaderValue> {
        self.0.authenticate.as_ref()
    }

    #[cfg(feature = "standalone")]
    pub(super) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The request took too long",
            "the request did not come whole, or could not be answered, in the time there is; send it \
             at once. If it was to change something, look whether it did",
        )
    }

    /// A source that has as many connections as one may have.
    #[cfg(feature = "standalone")]
    pub(super) fn too_many_connections() -> Self {
        Self::from(Error::Throttled {
            retry_after_seconds: 1,
        })
    }

    /// There is no place for another connection.
    #[cfg(feature = "standalone")]
    pub(super) fn no_place() -> Self {
        let mut problem = Self::from(Error::Unavailable {
            reason: "all places for connections are taken".into(),
        });
        problem.0.retry_after = Some(1);
        problem
    }

    /// The whole answer as it is sent on a connection that ends with it.
    #[cfg(feature = "standalone")]
    pub(super) fn on_the_wire(&self) -> Vec<u8> {
        let body = self.body();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
            self.0.status,
            body.len()
        )
        .into_bytes()
    }

    fn body(&self) -> String {
        let problem = &self.0;
        json!({
            "type": format!("urn:2fapi:error:{}", problem.code),
            "title": problem.title,
            "status": problem.status.as_u16(),
            "detail": problem.detail,
            "code": problem.code,
        })
        .to_string()
    }

    pub(super) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The content type is not supported",
            "send a JSON object with content-type: application/json",
        )
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "The method is not allowed",
            format!("this resource answers to {allow}"),
        );
        problem.0.allow = Some(allow);
        problem
    }

    #[cfg(feature = "standalone")]
    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is no such resource",
            "the resources are /auth/zkp/enroll, /auth/zkp/challenge, /auth/zkp/verify, \
             /auth/zkp/rotate, /auth/zkp/link, /auth/zkp/link/offer, /auth/zkp/link/join, \
             /auth/zkp/unlink, /auth/zkp/credentials, /auth/zkp/whoami, \
             /auth/zkp/check, /oauth/token, /oauth/challenge, /.well-known/jwks.json, /.well-known/oauth-authorization-server, \
             /.well-known/openid-configuration, /livez and /healthz",
        )
    }

    pub(super) fn no_discovery() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is no such resource",
            "the issuer of this service's tokens is a name and no URL, so that nothing is found by it; the keys are at \
             /.well-known/jwks.json",
        )
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "The server failed",
            "the server met a fault of its own; if the request was to change something, look whether \
             it did",
        )
    }

    /// A proof that was not accepted.
    pub(super) fn of_proof(error: Error, audience: &Audience) -> Self {
        let realm = format!("2FApi realm=\"{}\"", quoted(audience));
        let mut problem = Self::challenging(error, realm);
        if problem.0.status == StatusCode::UNAUTHORIZED {
            problem.0.detail = "the proof is not accepted: it must answer a challenge of this server \
                                that is not expired and was not used, by its challenge_id as it was \
                                issued, with the enrolled secret, and be bound to the audience of this server"
                .into();
        }
        problem
    }

    /// A bearer token that was not accepted (RFC 6750).
    pub(super) fn of_token(error: Error, audience: &Audience, given: bool) -> Self {
        let realm = quoted(audience);
        let mut problem = Self::challenging(
            error,
            if given {
                format!("Bearer realm=\"{realm}\", error=\"invalid_token\"")
            } else {
                format!("Bearer realm=\"{realm}\"")
            },
        );
        if problem.0.status == StatusCode::UNAUTHORIZED {
            problem.0.detail = if given {
                "the bearer token is not accepted: expired, used up, revoked, or not for this use"
            } else {
                "send a token as \"Authorization: Bearer <token>\""
            }
            .into();
        }
        problem
    }

    /// A good token of a client that may not do this (RFC 6750).
    pub(super) fn insufficient_scope(scope: &str, audience: &Audience) -> Self {
        let mut problem = Self::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "The client may not do this",
            "this needs a scope that the access token has not; the operator gives scopes, and a new \
             token says them",
        );
        let realm = quoted(audience);
        let challenge =
            format!("Bearer realm=\"{realm}\", error=\"insufficient_scope\", scope=\"{scope}\"");
        problem.0.authenticate = HeaderValue::try_from(challenge).ok();
        problem
    }

    /// A good token of a client that has not proven enough, or too long ago (RFC 9470).
    pub(super) fn insufficient_authentication(
        acr: &str,
        max_age: Option<u64>,
        audience: &Audience,
    ) -> Self {
        let mut problem = Self::new(
            StatusCode::UNAUTHORIZED,
            "insufficient_user_authentication",
            "More has to be proven",
            "this needs what acr_values in WWW-Authenticate says, as recently as its max_age: ask for it at \
             /auth/zkp/step-up, or log in again",
        );
        let age = max_age.map_or_else(String::new, |seconds| format!(", max_age={seconds}"));
        let challenge = format!(
            "Bearer realm=\"{}\", error=\"insufficient_user_authentication\", acr_values=\"{acr}\"{age}",
            quoted(audience)
        );
        problem.0.authenticate = HeaderValue::try_from(challenge).ok();
        problem
    }

    /// A good token of somebody else's client.
    pub(super) fn wrong_tenant() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "wrong_tenant",
            "The client is of another tenant",
            "this is for clients of one tenant, and the access token is not of one of them",
        )
    }

    /// Where tokens are bound to keys, that scheme is asked for (RFC 9449, section 7.1).
    pub(super) fn for_keys(mut self, bound: bool) -> Self {
        let asked = self.0.authenticate.as_ref().filter(|_| bound);
        let asked = asked.and_then(|asked| asked.to_str().ok()?.strip_prefix("Bearer "));
        if let Some(rest) = asked {
            let asked = format!("DPoP {rest}, algs=\"ES256 EdDSA\"");
            self.0.authenticate = HeaderValue::try_from(asked).ok();
        }
        self
    }

    /// An enrolment that was not accepted: for want of a good token, or of a good proof.
    pub(super) fn of_enrolment(error: Error, audience: &Audience) -> Self {
        let mut problem = Self::of_token(error, audience, true);
        if problem.0.status == StatusCode::UNAUTHORIZED {
            problem.0.detail =
                "the enrolment token or the proof is not accepted: the token may be \
                              expired, used up or for another client id, or the proof not one of \
                              this commitment and client id"
                    .into();
        }
        problem
    }

    /// An offer of a link that was not accepted: for want of a good token, or of a good challenge.
    pub(super) fn of_offer(error: Error, audience: &Audience) -> Self {
        let mut problem = Self::of_token(error, audience, true);
        if problem.0.status == StatusCode::UNAUTHORIZED {
            problem.0.detail =
                "the access token or the challenge is not accepted: the challenge must be one of \
                                this server for the client of the token, and not expired"
                    .into();
        }
        problem
    }

    fn challenging(error: Error, scheme: String) -> Self {
        let mut problem = Self::from(error);
        if problem.0.status == StatusCode::UNAUTHORIZED {
            problem.0.authenticate = HeaderValue::try_from(scheme).ok();
        }
        problem
    }
}

/// An audience within a quoted string (RFC 9110, section 5.6.4).
pub(super) fn quoted(audience: &Audience) -> String {
    let text = audience.as_str();
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, title) = match error.code() {
            ErrorCode::InvalidClientId => (StatusCode::BAD_REQUEST, "The client id is not valid"),
            ErrorCode::InvalidLength => (StatusCode::BAD_REQUEST, "A value has the wrong length"),
            ErrorCode::InvalidEncoding => (StatusCode::BAD_REQUEST, "A value is not well encoded"),
            ErrorCode::AlreadyEnrolled => (StatusCode::CONFLICT, "The client id is taken"),
            ErrorCode::Throttled => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            ErrorCode::Denied => (StatusCode::UNAUTHORIZED, "Not accepted"),
            ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available for now"),
            // Said to operators only; a caller of the routes never sees these.
            _ => return Self::internal(),
        };
        let mut problem = Self::new(status, error.code().as_str(), title, error.to_string());
        if let Error::Throttled {
            retry_after_seconds,
        } = error
        {
            problem.0.retry_after = Some(retry_after_seconds);
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        let problem = *self.0;
        *response.status_mut() = problem.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(scheme) = problem.authenticate {
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(methods) = problem.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}
