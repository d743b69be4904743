//! Sessions of clients: what a token says as long as it is good, which sessions there are, and how they end.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use twofapi_crypto_core::{ClientId, Error};

use super::{authenticated::AuthenticatedClient, state::Service};
use crate::{
    store::{Session, SessionId, Store, StoreError},
    tokens::Claims,
};

/// Which of its sessions a client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// This one.
    One(SessionId),
    /// All but the one whose token asks for it.
    Others,
    /// All.
    All,
}

/// What became of a token that was to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It is good no longer, or never was.
    Over,
    /// It is one of before, which has no session: it goes by its client's record until it expires.
    NotPossible,
}

impl Service {
    /// What a token of this service says as long as it is good (RFC 7662), and its client still may; `None` for
    /// whatever is not good, whyever. `source` is where whoever asks has it from: a client with allowed sources is
    /// judged by that.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn introspect(
        &self,
        token: &str,
        source: Option<IpAddr>,
    ) -> Result<Option<Map<String, Value>>, Error> {
        let judged = match self.judged(token, source).await {
            Ok(judged) => judged,
            Err(Error::Denied) => return Ok(None),
            Err(error) => return Err(error),
        };
        match judged.client(self.audience().clone()) {
            Ok(client) => introspected(judged.claims, client).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Has a token be good no longer, for whoever has it; that of an expired one, or of what is none, is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn revoke(&self, token: &str) -> Result<Revoked, Error> {
        let claims = match self.tokens.check(token, self.now()).await {
            Ok(claims) => claims,
            Err(Error::Denied) => return Ok(Revoked::Over),
            Err(error) => return Err(error),
        };
        let (Ok(client), Ok(session)) = (ClientId::parse(&claims.sub), claims.session()) else {
            return Ok(Revoked::Over);
        };
        let Some(session) = session else {
            return Ok(Revoked::NotPossible);
        };
        self.end(&client, &[session]).await?;
        Ok(Revoked::Over)
    }

    /// The sessions of a client that are good, the oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sessions(&self, client: &ClientId) -> Result<Vec<Session>, Error> {
        good_sessions(&*self.store, client, self.now()).await
    }

    /// Ends sessions of this client, and says how many there were.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn end_sessions(
        &self,
        client: &AuthenticatedClient,
        which: Ending,
    ) -> Result<u64, Error> {
        let id = &client.client_id;
        let ids: Vec<SessionId> = match which {
            Ending::One(session) => vec![session],
            Ending::Others | Ending::All => {
                let all = self.store.sessions(id, self.now()).await?;
                let ids = all.into_iter().map(|session| session.id);
                let kept = client.session_id.filter(|_| which == Ending::Others);
                ids.filter(|id| Some(*id) != kept).collect()
            }
        };
        self.end(id, &ids).await
    }

    async fn end(&self, client_id: &ClientId, ids: &[SessionId]) -> Result<u64, Error> {
        let ended = self.store.end_sessions(client_id, ids).await?;
        if ended > 0 {
            tracing::info!(%client_id, ended, "sessions ended");
        }
        Ok(ended)
    }
}

/// The sessions of a client that its record honours, the oldest first.
pub(crate) async fn good_sessions(
    store: &dyn Store,
    client: &ClientId,
    now: u64,
) -> Result<Vec<Session>, Error> {
    let Some(record) = store.look_up(client).await? else {
        return Ok(Vec::new());
    };
    let mut sessions = store.sessions(client, now).await.map_err(named)?;
    sessions.retain(|one| record.honours(Some(&one.credential), one.since, one.generation, now));
    sessions.sort_unstable_by_key(|one| (one.issued_at, one.id));
    Ok(sessions)
}

fn named(error: StoreError) -> Error {
    error.into()
}

/// The claims, under the names that RFC 7662 has, with what the client may do by now. What the service counts for
/// itself is nobody else's matter.
fn introspected(
    mut claims: Claims,
    client: AuthenticatedClient,
) -> Result<Map<String, Value>, Error> {
    let scopes: Vec<_> = client.scopes.iter().collect();
    claims.scope = (!scopes.is_empty()).then(|| scopes.join(" "));
    claims.tenant = client.tenant.map(|tenant| tenant.as_str().to_owned());
    claims.custom = client.claims;
    let unavailable = || Error::Unavailable {
        reason: "the claims of a token cannot be written".into(),
    };
    let said = serde_json::to_value(claims).map_err(|_| unavailable())?;
    let Value::Object(mut said) = said else {
        return Err(unavailable());
    };
    for own in ["ver", "gen", "sid"] {
        said.remove(own);
    }
    let is_bound = said.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
    said.insert("active".into(), json!(true));
    let kind = match is_bound {
        true => "DPoP",
        false => "Bearer",
    };
    said.insert("token_type".into(), json!(kind));
    Ok(said)
}
