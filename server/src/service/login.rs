//! Logins: a proof for a challenge, whichever way in it came, and the access token that it gives.

use std::net::IpAddr;

use twofapi_crypto_core::{
    CredentialId, Error, Proof, Scopes,
    ceremony::{Accepted, AuthenticationRequest, Commit},
};

use super::{
    attempts::named,
    challenge_name::{ChallengeName, IssuedChallenge},
    state::Service,
    steps::LoggedIn,
};
use crate::{
    methods::Acr,
    store::{Session, SessionId},
};

/// An attempt to log in.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Which challenge of which client.
    pub challenge: &'a ChallengeName,
    /// The credential that proves; the first one where none is named.
    pub credential: Option<&'a CredentialId>,
    /// Its proof for the authentication statement.
    pub proof: &'a Proof,
    /// What the token is to be good for, of what the client may do; all of it where nothing is said.
    pub scope: Option<&'a Scopes>,
    /// The thumbprint of the key that the token is to be bound to, where the service binds tokens: what the proof is
    /// bound to as well.
    pub key: Option<[u8; 32]>,
    /// Where it comes from, as far as that is known.
    pub source: Option<IpAddr>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// As for every attempt.
    Refused(Error),
    /// The proof holds, and the client may not do what it asks for. Its challenge stays good.
    Scope,
}

impl From<Error> for LoginError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<LoginError> for Error {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused(error) => error,
            LoginError::Scope => Self::Denied,
        }
    }
}

impl Service {
    /// Checks a proof for a challenge, and issues an access token, or says what is to be proven besides.
    ///
    /// # Errors
    /// [`Error::Denied`] for every cause; [`Error::Throttled`] when the proof is good and the set of
    /// spent challenges is full, or the client has used up its requests of this minute; [`Error::Unavailable`]; [`LoginError::Scope`] for who has proven.
    pub async fn log_in(&self, login: &Login<'_>) -> Result<LoggedIn, LoginError> {
        let (accepted, session) = self.accept(login).await?;
        let credential = *accepted.credential_id();
        let (scope, key) = (login.scope, login.key);
        let logged_in = self.concluded(accepted, session, scope, key).await?;
        if let LoggedIn::Token(_) = logged_in {
            tracing::info!(client_id = %login.challenge.client_id, %credential, "authenticated");
        }
        Ok(logged_in)
    }

    /// With the session that the step has opened, unless more is to be proven than this.
    async fn accept(&self, login: &Login<'_>) -> Result<(Accepted, Option<Session>), LoginError> {
        if login.key.is_some() != self.requires_dpop() {
            return Err(Error::Denied.into());
        }
        let client_id = &login.challenge.client_id;
        let (keys, now) = self.keys(client_id).await?;
        let challenge_id = login.challenge.id.to_text();
        let credential = login.credential.map(CredentialId::to_string);
        let request = AuthenticationRequest {
            of: named(login.challenge, &challenge_id),
            credential: credential.as_deref().map(str::as_bytes),
            proof: &login.proof.to_bytes(),
            binding: None,
        };
        let wanted = match &login.key {
            None => self.terms.authenticate(&keys, now, &request),
            Some(key) => self
                .terms
                .with_dpop(key)?
                .authenticate(&keys, now, &request),
        };
        let commit = self.proven(client_id, wanted, login.source).await?;
        let may = commit.scopes();
        if login
            .scope
            .is_some_and(|asked| !asked.iter().all(|scope| may.contain(scope)))
        {
            return Err(LoginError::Scope);
        }
        // Counted for who has proven, and before the challenge is spent: it stays good.
        self.paces.count(client_id, commit.record(), self.now())?;
        let session = match self.methods.of(client_id).is_empty() {
            true => Some(self.opening(&commit, &Acr::sigma(), login.key, login.source)?),
            false => None,
        };
        let accepted = self.commit(client_id, commit, session.as_ref()).await?;
        Ok((accepted, session))
    }

    /// The session that a step opens by which these methods are proven.
    pub(super) fn opening(
        &self,
        commit: &Commit,
        proven: &Acr,
        key: Option<[u8; 32]>,
        source: Option<IpAddr>,
    ) -> Result<Session, Error> {
        let (id, amr) = (SessionId::generate()?, self.methods.amr(proven));
        let session = self.tokens.session(commit, id, amr, source, self.now());
        Ok(Session {
            jkt: key,
            ..session
        })
    }

    /// The challenge that a client is given with its token, for its next login. That this one cannot be had is no
    /// reason to keep the token from it.
    pub async fn next_challenge(&self, name: &ChallengeName) -> Option<IssuedChallenge> {
        self.challenge(&name.client_id).await.ok()
    }
}
