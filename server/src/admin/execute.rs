//! Does what an operator asks, or answers it from a store that is only looked at.

use twofapi_crypto_core::{ClientId, Error, Record, Scopes, Transition};

use super::{
    request::Request,
    response::{ClientDetails, ClientView, Response, SessionView, SigningKeyView},
};
use crate::{
    service::{
        EnrolmentToken, cancel_invitations, change_record, drop_signing_key, good_sessions,
        invite_as, invite_to_reset, rotate_signing_key,
    },
    store::{ClientsAtRest, RecordChange, SessionId, Store},
};

const PAGE: usize = 500;
/// So many digits of records are in one answer, and those of one more.
const DIGITS: usize = 512 * 1024;

/// Does what the operator asks, at `now` (Unix seconds).
pub async fn execute(store: &dyn Store, request: Request, now: u64) -> Response {
    attempt(store, request, now).await.unwrap_or_else(failed)
}

/// Answers what the operator asks of a store that no server has open, and changes nothing: a request
/// that wants more is refused.
#[must_use]
pub fn look(clients: &ClientsAtRest, request: &Request) -> Response {
    let answer = || match request {
        Request::List { after } => {
            let after = after.as_deref().map(str::parse).transpose()?;
            Ok(page(clients.after(after.as_ref(), PAGE + 1)?))
        }
        Request::Show { client_id } => {
            let id = client_id.parse()?;
            let record = clients.client(&id)?.ok_or(Error::NotEnrolled)?;
            Ok(shown(&id, &record, false))
        }
        _ => Err(Error::Unavailable {
            reason: "the store is open to be looked at and not to be changed".into(),
        }),
    };
    answer().unwrap_or_else(failed)
}

fn failed(error: Error) -> Response {
    Response::Failed {
        code: error.code().as_str().to_owned(),
        message: error.to_string(),
    }
}

/// One page, given one client more than fits if there are more.
fn page(mut clients: Vec<(ClientId, Record)>) -> Response {
    let more = clients.len() > PAGE;
    clients.truncate(PAGE);
    Response::Clients {
        clients: clients
            .iter()
            .map(|(id, record)| ClientView::new(id, record))
            .collect(),
        more,
    }
}

/// As many records as fit into an answer.
fn exported(found: Vec<(ClientId, Record)>) -> Response {
    let mut digits = 0;
    let fits = |(_, record): &(String, String)| {
        let fits = digits < DIGITS;
        digits += record.len();
        fits
    };
    let text =
        |(id, record): (ClientId, Record)| (id.as_str().into(), hex::encode(record.to_bytes()));
    Response::Exported {
        clients: found.into_iter().map(text).take_while(fits).collect(),
    }
}

fn shown(id: &ClientId, record: &Record, changed: bool) -> Response {
    Response::Client {
        client: ClientView::new(id, record),
        details: ClientDetails::new(record),
        changed,
    }
}

async fn signing_keys(store: &dyn Store, now: u64, changed: bool) -> Result<Response, Error> {
    let keys = SigningKeyView::all(&store.signing_keys().await?, now);
    Ok(Response::SigningKeys { keys, changed })
}

async fn attempt(store: &dyn Store, request: Request, now: u64) -> Result<Response, Error> {
    let invited = |token: EnrolmentToken, ttl| Response::Invited {
        token: token.expose().to_owned(),
        expires_at: now.saturating_add(ttl),
    };
    let (client_id, change) = match request {
        Request::Invite {
            client_id,
            ttl,
            said,
        } => {
            let said = said.attributes()?;
            let token = invite_as(store, &client_id.parse()?, &said, now, ttl).await?;
            return Ok(invited(token, ttl));
        }
        Request::InviteToReset { client_id, ttl } => {
            let token = invite_to_reset(store, &client_id.parse()?, now, ttl).await?;
            return Ok(invited(token, ttl));
        }
        Request::CancelInvitations { client_id } => {
            let cancelled = cancel_invitations(store, &client_id.parse()?).await?;
            return Ok(Response::Cancelled { cancelled });
        }
        Request::List { after } => {
            let after = after.map(|id| id.parse()).transpose()?;
            return Ok(page(store.clients_after(after.as_ref(), PAGE + 1).await?));
        }
        Request::Export { after } => {
            let after = after.map(|id| id.parse()).transpose()?;
            return Ok(exported(
                store.clients_after(after.as_ref(), PAGE + 1).await?,
            ));
        }
        Request::Show { client_id } => {
            let id: ClientId = client_id.parse()?;
            let record = store.look_up(&id).await?.ok_or(Error::NotEnrolled)?;
            return Ok(shown(&id, &record, false));
        }
        Request::SigningKeys {} => return signing_keys(store, now, false).await,
        Request::RotateSigningKey { at_once } => {
            rotate_signing_key(store, now, at_once).await?;
            return signing_keys(store, now, true).await;
        }
        Request::DropSigningKey { kid } => {
            let dropped = drop_signing_key(store, &kid).await?;
            return signing_keys(store, now, dropped).await;
        }
        Request::Sessions { client_id } => return sessions(store, &client_id, &[], now).await,
        Request::EndSession {
            client_id,
            session_id,
        } => return sessions(store, &client_id, &[session_id.parse()?], now).await,
        Request::Suspend { client_id } => (client_id, RecordChange::Suspend),
        Request::Resume { client_id } => (client_id, RecordChange::Resume),
        Request::Revoke { client_id } => (client_id, RecordChange::Revoke),
        Request::EndSessions { client_id } => (client_id, RecordChange::EndSessions),
        Request::SetExpiry {
            client_id,
            credential_id,
            expires_at,
        } => {
            let credential = credential_id.parse()?;
            let change = RecordChange::SetExpiry {
                credential,
                expires_at,
            };
            (client_id, change)
        }
        Request::SetScopes {
            client_id,
            credential_id,
            scopes,
        } => {
            let credential = credential_id.parse()?;
            let scopes = scopes.map(|all| Scopes::new(all.iter().map(String::as_str)));
            let scopes = scopes.transpose()?;
            (client_id, RecordChange::SetScopes { credential, scopes })
        }
        Request::SetAttributes { client_id, said } => {
            let change = RecordChange::SetAttributes(Box::new(said.change()?));
            (client_id, change)
        }
    };
    let id: ClientId = client_id.parse()?;
    let (transition, record) = change_record(store, &id, &change).await?;
    Ok(shown(&id, &record, transition == Transition::Changed))
}

/// Ends these sessions of a client, and says which there are then.
async fn sessions(
    store: &dyn Store,
    client_id: &str,
    ids: &[SessionId],
    now: u64,
) -> Result<Response, Error> {
    let id: ClientId = client_id.parse()?;
    store.look_up(&id).await?.ok_or(Error::NotEnrolled)?;
    let ended = match ids.is_empty() {
        true => 0,
        false => store.end_sessions(&id, ids).await?,
    };
    if ended > 0 {
        tracing::info!(client_id = %id, ended, "sessions ended by the operator");
    }
    let good = good_sessions(store, &id, now).await?;
    Ok(Response::Sessions {
        sessions: good.iter().map(SessionView::new).collect(),
        ended,
    })
}
