//! The routes of a client's own sessions: listed, and ended.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{
    body::Fields,
    caller::{From, Routes},
    problem::Problem,
    shown::Token,
};
use crate::{
    service::{AuthenticatedClient, Ending},
    store::Session,
};

pub(super) async fn sessions(
    State(routes): State<Routes>,
    client: AuthenticatedClient,
) -> Result<Json<Value>, Problem> {
    let sessions = routes.service.sessions(&client.client_id).await?;
    let shown: Vec<_> = sessions
        .iter()
        .map(|session| shown(session, client.session_id == Some(session.id)))
        .collect();
    Ok(Json(json!({
        "client_id": client.client_id.as_str(),
        "sessions": shown,
    })))
}

fn shown(session: &Session, is_current: bool) -> Value {
    let mut shown = json!({
        "session_id": session.id.to_string(),
        "credential_id": session.credential.to_string(),
        "amr": session.amr,
        "issued_at": session.issued_at,
        "expires_at": session.expires_at,
        "current": is_current,
    });
    if let Some(source) = session.source {
        shown["source"] = source.to_string().into();
    }
    shown
}

pub(super) async fn end_sessions(
    State(routes): State<Routes>,
    from: From,
    token: Token,
    fields: Result<Fields, Problem>,
) -> Result<Json<Value>, Problem> {
    let mut fields = fields?;
    let one = fields.text_if_any("session_id")?;
    let which = fields.text_if_any("which")?;
    let which = match (one, which.as_deref()) {
        (Some(id), None) => Ending::One(id.parse()?),
        (None, Some("others")) => Ending::Others,
        (None, Some("all")) => Ending::All,
        _ => {
            return Err(Problem::malformed(
                "send session_id, or which as \"others\" or \"all\", and not both",
            ));
        }
    };
    fields.end("session_id and which")?;
    let client = routes.authenticated(&token, from).await?;
    let ended = routes.service.end_sessions(&client, which).await?;
    Ok(Json(json!({
        "client_id": client.client_id.as_str(),
        "ended": ended,
    })))
}
