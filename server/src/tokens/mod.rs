//! Access tokens: JWTs signed with EdDSA or ES256 (RFC 7519, RFC 8037, RFC 7518, RFC 9068), and the keys that sign them.
//!
//! The next key is published before it signs, and a key stays published until the last token that
//! it signed has expired, so that services which cache the key set never meet an unknown key.

mod claims;
mod keys;
mod ring;
mod schedule;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use jsonwebtoken::{Validation, crypto::aws_lc, decode, decode_header};
use twofapi_crypto_core::{
    Attributes, Error, Scopes,
    ceremony::{Accepted, Commit},
};
use zeroize::Zeroizing;

use crate::{
    clock::SKEW,
    store::{Session, SessionId, SigningAlgorithm, Store},
};
use claims::Confirmation;
pub(crate) use claims::{Claims, thumbprint};
use keys::SigningKeys;
use ring::{Key, unavailable};
pub(crate) use schedule::KeySchedule;

/// How long a service may cache the key set, in seconds.
pub const JWKS_MAX_AGE: u64 = 3600;

/// What a token is of, and what its client may do.
struct Proven<'a> {
    session: &'a Session,
    scopes: Scopes,
    attributes: Option<&'a Attributes>,
    acr: String,
}

/// A token that was issued.
#[derive(Clone)]
pub struct AccessToken {
    /// The JWT in compact form. A bearer token: whoever has it is taken for the client.
    pub jwt: Zeroizing<String>,
    /// For how long it is good, in seconds.
    pub expires_in: u64,
    /// What it is good for, separated by blanks; `None` for nothing in particular.
    pub scope: Option<String>,
    /// How it is shown: `Bearer`, or `DPoP` where it is bound to a key.
    pub token_type: &'static str,
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessToken(secret, good for {} s)", self.expires_in)
    }
}

/// Issues and checks access tokens with the keys of a store.
pub(crate) struct Tokens {
    keys: SigningKeys,
    issuer: String,
    audience: String,
    token_ttl: u64,
    /// How far a server that has issued a token may have been ahead of this one, in seconds.
    skew: u64,
}

impl Tokens {
    pub(crate) async fn new(
        store: Arc<dyn Store>,
        issuer: String,
        audience: String,
        schedule: KeySchedule,
        algorithm: SigningAlgorithm,
        now: u64,
    ) -> Result<Self, Error> {
        // What checks signatures. A host application that installed a provider before keeps it; it
        // covers both algorithms as well.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        let skew = match store.is_shared() {
            true => SKEW.into(),
            false => 0,
        };
        Ok(Self {
            keys: SigningKeys::new(store, schedule, algorithm, now).await?,
            issuer,
            audience,
            token_ttl: schedule.token_ttl,
            skew,
        })
    }

    /// Since when the key signs that signs at `now`.
    pub(crate) async fn signing_since(&self, now: u64) -> Result<u64, Error> {
        let ring = self.keys.ring(now).await?;
        KeySchedule::signing(&ring.times, now)
            .and_then(|at| ring.times.get(at).copied())
            .ok_or_else(|| unavailable("no signing key is active"))
    }

    /// What a step opens that accepts a client at `now`: the session of the token that is issued then.
    pub(crate) fn session(
        &self,
        commit: &Commit,
        id: SessionId,
        amr: Vec<String>,
        source: Option<IpAddr>,
        now: u64,
    ) -> Session {
        Session {
            id,
            client_id: commit.step().client_id.clone(),
            credential: *commit.credential_id(),
            since: commit.since(),
            generation: commit.generation(),
            amr,
            source,
            issued_at: now,
            expires_at: now.saturating_add(self.token_ttl),
            jkt: None,
        }
    }

    /// A token for a client that was accepted by the step that opened this session and has proven this, with no more
    /// scopes than it asks for.
    pub(crate) async fn issue(
        &self,
        accepted: Accepted,
        asked: Option<&Scopes>,
        acr: String,
        session: &Session,
    ) -> Result<AccessToken, Error> {
        if *accepted.client_id() != session.client_id {
            return Err(unavailable("the session is another client's"));
        }
        let may = accepted.scopes();
        let proven = Proven {
            session,
            scopes: asked.map_or_else(|| may.clone(), |asked| may.within(asked)),
            attributes: accepted.record().attributes(),
            acr,
        };
        self.issue_to(proven).await
    }

    async fn issue_to(&self, proven: Proven<'_>) -> Result<AccessToken, Error> {
        let session = proven.session;
        let now = session.issued_at;
        let ring = self.keys.ring(now).await?;
        let key = ring
            .signing(now)
            .ok_or_else(|| unavailable("no signing key is active"))?;
        let said = proven.attributes;
        let scopes: Vec<&str> = proven.scopes.iter().collect();
        let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        let client_id = session.client_id.as_str();
        let jti = session.id.to_string();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: client_id.to_owned(),
            client_id: client_id.to_owned(),
            aud: self.audience.clone(),
            iat: now,
            nbf: now,
            exp: session.expires_at,
            sid: Some(jti.clone()),
            jti,
            amr: session.amr.clone(),
            acr: Some(proven.acr),
            auth_time: Some(now),
            ver: session.since,
            cred: Some(session.credential.to_string()),
            generation: session.generation,
            scope: scope.clone(),
            tenant: said
                .and_then(|said| said.tenant.as_ref())
                .map(|tenant| tenant.as_str().to_owned()),
            cnf: session.jkt.map(Confirmation::by),
            custom: said.map(|said| said.claims.members()).unwrap_or_default(),
        };
        Ok(AccessToken {
            jwt: key.sign(&claims)?,
            expires_in: session.expires_at.saturating_sub(now),
            scope,
            token_type: match claims.cnf {
                Some(_) => "DPoP",
                None => "Bearer",
            },
        })
    }

    /// The claims of a token of ours that is good at `now`, whatever has become of its client since.
    pub(crate) async fn check(&self, jwt: &str, now: u64) -> Result<Claims, Error> {
        let header = decode_header(jwt).map_err(|_| Error::Denied)?;
        // Whoever does not understand what a token calls critical must refuse it (RFC 7515, section
        // 4.1.11), and we understand no extension.
        if header.crit.is_some() {
            return Err(Error::Denied);
        }
        // Of all that a header can say of keys, only the name of one of ours is looked at.
        let kid = header.kid.as_deref().ok_or(Error::Denied)?;
        let ring = self.keys.ring_with(kid, now).await?;
        let key = ring.named(kid).ok_or(Error::Denied)?;
        // The algorithm is the key's, never the token's.
        let mut validation = Validation::new(key.algorithm());
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp", "nbf"]);
        // The times are checked below, by the clock of this server.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Claims>(jwt, key.checking(), &validation)
            .map_err(|_| Error::Denied)?
            .claims;
        if header.typ.as_deref() != Some("at+jwt")
            || now.saturating_add(self.skew) < claims.nbf
            || now >= claims.exp
        {
            return Err(Error::Denied);
        }
        Ok(claims)
    }

    /// Whether the key of a token that was checked still is one, by what the store has said since: to be asked after
    /// the look-up that every use of a token makes, so that a key which was dropped is refused at once.
    pub(crate) async fn still_ours(&self, jwt: &str, now: u64) -> Result<(), Error> {
        let header = decode_header(jwt).map_err(|_| Error::Denied)?;
        let ring = self.keys.ring(now).await?;
        let ours = header.kid.as_deref().and_then(|kid| ring.named(kid));
        ours.map(drop).ok_or(Error::Denied)
    }

    /// The public keys (RFC 7517, RFC 8037): those that sign, will sign, or have signed tokens that
    /// are still good.
    pub(crate) async fn jwks(&self, now: u64) -> Result<serde_json::Value, Error> {
        let ring = self.keys.published(now).await?;
        let keys: Vec<_> = ring.keys().iter().map(Key::published).collect();
        Ok(serde_json::json!({ "keys": keys }))
    }
}
