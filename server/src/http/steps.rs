//! The routes of a login by several methods.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use twofapi_crypto_core::ClientId;

use super::{
    body::Fields,
    caller::{Peer, Routes},
    problem::Problem,
    shown::Token,
};
use crate::{
    methods::Acr,
    service::{AuthenticatedClient, LoggedIn, LoginStep},
};

/// An answer to the method that a login waits for.
pub(super) async fn step(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Response, Problem> {
    let admitted = routes.admit(peer, &headers).await?;
    let source = admitted.address();
    let mut fields = fields?;
    let pending = fields.text("pending")?;
    let method = fields.text("method")?;
    let answer = fields.any("answer");
    fields.end("pending, method and answer")?;
    let stepped = routes
        .service
        .step(&pending, &method, answer.as_ref(), source)
        .await;
    let (client_id, logged_in) = stepped.map_err(routes.refuse())?;
    Ok(answered(&client_id, &logged_in).into_response())
}

/// A client with a token that has to prove more than the token says.
pub(super) async fn step_up(
    State(routes): State<Routes>,
    peer: Peer,
    headers: HeaderMap,
    token: Token,
    fields: Result<Fields, Problem>,
) -> Result<Response, Problem> {
    let admitted = routes.admit(peer, &headers).await?;
    let source = admitted.address();
    let mut fields = fields?;
    let wanted = fields.text("acr_values")?;
    fields.end("acr_values")?;
    let wanted = Acr::parse(&wanted).ok_or_else(|| {
        Problem::malformed(
            "acr_values must be one name such as urn:2fapi:acr:sigma+knowledge, as the resource said it",
        )
    })?;
    let shown = token.shown(&routes.service)?;
    let begun = routes.service.step_up(shown, &wanted, source).await;
    Ok(held(&begun.map_err(routes.refuse_token())?).into_response())
}

/// What a client is told.
pub(super) struct Told(pub(super) StatusCode, pub(super) Value, Option<u32>);

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let Self(status, body, retry_after) = self;
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Of a client that has logged in, or has more to prove.
pub(super) fn answered(client_id: &ClientId, logged_in: &LoggedIn) -> Told {
    match logged_in {
        LoggedIn::Step(step) => held(step),
        LoggedIn::Token(token) => {
            let body = json!({
                "access_token": token.jwt.as_str(),
                "token_type": token.token_type,
                "expires_in": token.expires_in,
                "client_id": client_id.as_str(),
            });
            Told(StatusCode::OK, body, None)
        }
    }
}

fn held(step: &LoginStep) -> Told {
    let mut body = json!({
        "pending": step.pending,
        "method": step.method,
        "missing": step.missing,
        "expires_at": step.expires_at,
    });
    if let Some(told) = &step.told {
        body["challenge"] = told.clone();
    }
    Told(StatusCode::ACCEPTED, body, step.retry_after)
}

impl AuthenticatedClient {
    /// Sees that the client has proven all methods of this name, such as `urn:2fapi:acr:sigma+knowledge`, at most
    /// so many seconds ago.
    ///
    /// # Errors
    /// An answer with 401, `insufficient_user_authentication`, and what is needed (RFC 9470): the client asks for
    /// more at `/auth/zkp/step-up`, or logs in again.
    pub fn require_acr(&self, acr: &Acr, max_age: Option<u64>) -> Result<(), Problem> {
        let age = self.checked_at.saturating_sub(self.authenticated_at);
        let recent = max_age.is_none_or(|most| age <= most);
        match self.proven().covers(acr) && recent {
            true => Ok(()),
            false => Err(Problem::insufficient_authentication(
                &acr.to_string(),
                max_age,
                &self.audience,
            )),
        }
    }
}
