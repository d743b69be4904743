//! Who made a request, and what it may do.

use serde_json::{Map, Value};
use twofapi_crypto_core::{
    Audience, Claims as CustomClaims, ClientId, CredentialId, Error, Record, Scopes, Tenant,
    ceremony::Holder,
};

use crate::{methods::Acr, store::SessionId, tokens::Claims};

/// Who made a request, according to its access token, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedClient {
    /// The client.
    pub client_id: ClientId,
    /// When the token expires, in Unix seconds.
    pub expires_at: u64,
    /// The version of the client's record.
    pub commitment_version: u32,
    /// The credential that was proven.
    pub credential_id: CredentialId,
    /// The session of the token; one of before has none.
    pub session_id: Option<SessionId>,
    /// What it may do: what the token says, as far as the client and its credential still may.
    pub scopes: Scopes,
    /// What the operator has its tokens say besides.
    pub claims: Map<String, Value>,
    /// Whose client it is; `None` also where that has changed since.
    pub tenant: Option<Tenant>,
    /// By what it authenticated: `zkp`, and what else it has proven.
    pub amr: Vec<String>,
    /// The same as one name; a token of before has none.
    pub acr: Option<String>,
    /// When it authenticated, in Unix seconds.
    pub authenticated_at: u64,
    /// For whom its token is, which refusals name.
    pub(crate) audience: Audience,
    /// When the token was looked at.
    pub(crate) checked_at: u64,
    /// The key that its token is bound to.
    pub(super) key: Option<[u8; 32]>,
    since: u32,
    generation: u32,
}

impl AuthenticatedClient {
    /// Who that is, by claims that were checked and the client's record of now.
    ///
    /// # Errors
    /// [`Error::Denied`] for claims of no form, or of a credential that is not there.
    pub(super) fn new(
        client_id: ClientId,
        claims: Claims,
        record: &Record,
        audience: Audience,
        now: u64,
    ) -> Result<Self, Error> {
        let (named, key) = (claims.credential()?, claims.key()?);
        let credential = record.credential(named.as_ref()).ok_or(Error::Denied)?;
        let said = Scopes::new(claims.scopes()).map_err(|_| Error::Denied)?;
        let tenant = record.attributes().and_then(|said| said.tenant.clone());
        let same = |now: &Tenant| claims.tenant.as_deref() == Some(now.as_str());
        let session_id = claims.session()?;
        let mut custom = claims.custom;
        custom.retain(|name, _| !CustomClaims::is_reserved(name));
        Ok(Self {
            client_id,
            expires_at: claims.exp,
            commitment_version: record.version(),
            credential_id: credential.id(),
            session_id,
            scopes: said.within(&record.scopes_of(credential)),
            claims: custom,
            tenant: tenant.filter(same),
            amr: claims.amr,
            acr: claims.acr,
            authenticated_at: claims.auth_time.unwrap_or(claims.iat),
            audience,
            checked_at: now,
            key,
            since: credential.since(),
            generation: record.generation(),
        })
    }

    /// What it has proven. A token of before says `amr` alone, and that is the one proof that there was.
    pub(crate) fn proven(&self) -> Acr {
        let said = self.acr.as_deref().and_then(Acr::parse);
        said.unwrap_or_else(Acr::sigma)
    }

    /// The same client, for a login that goes on from here.
    pub(super) fn holder(&self) -> Holder {
        Holder {
            client_id: self.client_id.clone(),
            credential: self.credential_id,
            since: self.since,
            generation: self.generation,
        }
    }
}
