//! What a token says, and its end, as OAuth has them: introspection (RFC 7662) and revocation (RFC 7009).

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
};
use serde_json::{Value, json};

use super::{
    caller::{From, Routes},
    form::Form,
    oauth_problem::OauthProblem,
    shown::Token,
};
use crate::service::{Ending, Revoked};

/// The scope of who may ask what a token says.
const INTROSPECT: &str = "2fapi:introspect";

pub(super) async fn introspect(
    State(routes): State<Routes>,
    from: From,
    shown: Token,
    form: Result<Form, OauthProblem>,
) -> Result<Json<Value>, OauthProblem> {
    let mut form = form?;
    let token = form.need("token")?;
    form.take("token_type_hint")?;
    let source = form.take("source")?;
    let source = source.as_deref().map(|text| text.parse()).transpose();
    let source = source.map_err(|_| OauthProblem::invalid_request("source is no IP address"))?;
    let caller = routes.authenticated(&shown, from).await?;
    caller.require_scope(INTROSPECT)?;
    let said = routes.service.introspect(&token, source).await?;
    Ok(Json(match said {
        Some(said) => said.into(),
        None => json!({ "active": false }),
    }))
}

pub(super) async fn revoke(
    State(routes): State<Routes>,
    from: From,
    headers: HeaderMap,
    shown: Token,
    form: Result<Form, OauthProblem>,
) -> Result<Json<Value>, OauthProblem> {
    let mut form = form?;
    let token = form.need("token")?;
    form.take("token_type_hint")?;
    // Another session of the client names it, and need not have it.
    if let Ok(session) = token.parse()
        && headers.contains_key(header::AUTHORIZATION)
    {
        let client = routes.authenticated(&shown, from).await?;
        let ending = Ending::One(session);
        routes.service.end_sessions(&client, ending).await?;
        return Ok(Json(json!({})));
    }
    match routes.service.revoke(&token).await? {
        Revoked::Over => Ok(Json(json!({}))),
        Revoked::NotPossible => Err(OauthProblem::bad(
            "unsupported_token_type",
            "this token was issued before tokens could be revoked one by one; it is good until it expires, and its \
             operator can end all of the client's",
        )),
    }
}
