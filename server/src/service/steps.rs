//! Logins by several methods: held until each method that is needed was proven, and accepted in one step.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twofapi_crypto_core::{
    ChallengeTtl, ClientId, Error, Scopes,
    ceremony::{Accepted, Held, Holder, Keys},
};

use super::{attempts::refuse, shown::ShownToken, state::Service};
use crate::{
    methods::{Acr, Answered, HeldLogin, Method},
    store::Session,
    tokens::{AccessToken, thumbprint},
};

/// What has come of a login.
#[derive(Debug)]
pub enum LoggedIn {
    /// Everything that is needed was proven.
    Token(AccessToken),
    /// Another method is to be proven.
    Step(LoginStep),
}

/// A login that is held, and what it waits for.
pub struct LoginStep {
    /// The login, for the client to give back with its answer. Whoever has it may prove the rest.
    pub pending: String,
    /// The method that is to be proven.
    pub method: &'static str,
    /// What the client is told to answer it; none where it has answered and waits.
    pub told: Option<Value>,
    /// The methods that are missing, this one first.
    pub missing: Vec<String>,
    /// Until when it is held, in Unix seconds.
    pub expires_at: u32,
    /// In how many seconds it makes sense to ask, where the client waits.
    pub retry_after: Option<u32>,
}

impl std::fmt::Debug for LoginStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoginStep({} is missing)", self.missing.join(", "))
    }
}

/// What stands within a held login.
#[derive(Serialize, Deserialize)]
struct State {
    proven: String,
    missing: Vec<String>,
    /// What the token is to be good for at most; for all that the client may do where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Vec<String>>,
    /// The key that the token is to be bound to, as its thumbprint in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kept: String,
}

impl State {
    fn new(
        proven: &Acr,
        missing: Vec<String>,
        asked: Option<&Scopes>,
        key: Option<[u8; 32]>,
    ) -> Self {
        Self {
            proven: proven.to_string(),
            missing,
            asked: asked.map(|scopes| scopes.iter().map(str::to_owned).collect()),
            key: key.map(|key| URL_SAFE_NO_PAD.encode(key)),
            kept: String::new(),
        }
    }

    fn read(held: &Held) -> Result<Self, Error> {
        serde_json::from_slice(held.more()).map_err(|_| Error::Denied)
    }

    fn proven(&self) -> Result<Acr, Error> {
        Acr::parse(&self.proven).ok_or(Error::Denied)
    }

    fn kept(&self) -> Result<Vec<u8>, Error> {
        let kept = URL_SAFE_NO_PAD.decode(&self.kept);
        kept.map_err(|_| Error::Denied)
    }

    fn key(&self) -> Result<Option<[u8; 32]>, Error> {
        self.key.as_deref().map(thumbprint).transpose()
    }

    fn asked(&self) -> Result<Option<Scopes>, Error> {
        let scopes = |all: &Vec<String>| Scopes::new(all.iter().map(String::as_str));
        self.asked.as_ref().map(scopes).transpose()
    }
}

impl Service {
    /// What follows when a client has proven `sigma`: a token, or a login that is held.
    pub(super) async fn concluded(
        &self,
        accepted: Accepted,
        session: Option<Session>,
        asked: Option<&Scopes>,
        key: Option<[u8; 32]>,
    ) -> Result<LoggedIn, Error> {
        let sigma = Acr::sigma();
        if let Some(session) = session {
            let acr = sigma.to_string();
            let token = self.tokens.issue(accepted, asked, acr, &session).await?;
            return Ok(LoggedIn::Token(token));
        }
        let needed = self.methods.of(accepted.client_id());
        let missing = needed.iter().map(|name| (*name).to_owned()).collect();
        let state = State::new(&sigma, missing, asked, key);
        let step = self.hold(&Holder::accepted(accepted), state).await?;
        Ok(LoggedIn::Step(step))
    }

    /// Begins to prove more than a token says: the client gets another token for it.
    ///
    /// # Errors
    /// [`Error::Denied`] for a token that is not good; [`Error::InvalidEncoding`] for methods that this service does
    /// not have, or that the token says already; [`Error::Unavailable`].
    pub async fn step_up(
        &self,
        shown: ShownToken<'_>,
        wanted: &Acr,
        source: Option<IpAddr>,
    ) -> Result<LoginStep, Error> {
        let (client, _) = self.holder(shown, source).await?;
        let proven = client.proven();
        let missing: Vec<String> = wanted
            .methods()
            .filter(|method| !proven.has(method))
            .map(str::to_owned)
            .collect();
        let known = missing
            .iter()
            .all(|method| self.methods.named(method).is_some());
        if missing.is_empty() || !known {
            return Err(Error::InvalidEncoding {
                what: "acr_values",
                expected: "methods that this service has, and at least one that the token does not say; to \
                           prove again what it says, log in again",
            });
        }
        // The other token is good for what this one is.
        let state = State::new(&proven, missing, Some(&client.scopes), client.key);
        self.hold(&client.holder(), state).await
    }

    /// An answer to the method that a held login waits for, or the question what has become of one.
    ///
    /// # Errors
    /// [`Error::Denied`] when the method is not proven, it is another's turn, or the login is over, or has been
    /// accepted; [`Error::Throttled`]; [`Error::Unavailable`].
    pub async fn step(
        &self,
        pending: &str,
        method: &str,
        answer: Option<&Value>,
        source: Option<IpAddr>,
    ) -> Result<(ClientId, LoggedIn), Error> {
        let bytes = URL_SAFE_NO_PAD.decode(pending).map_err(|_| Error::Denied)?;
        let client_id = Held::said_client(&bytes).ok_or(Error::Denied)?;
        let (keys, now) = self.keys(&client_id).await?;
        let held = self.terms.held(&keys, now, &bytes);
        let held = held.map_err(|refused| refuse(&client_id, refused))?;
        let mut state = State::read(&held)?;
        let next = state.missing.first().filter(|next| *next == method);
        let method = next.and_then(|next| self.methods.named(next));
        let method = method.ok_or(Error::Denied)?;
        let kept = state.kept()?;
        match method.answer(&login(&held, now), &kept, answer).await? {
            Answered::Refused => {
                tracing::info!(%client_id, method = method.name(), "not proven");
                return Err(Error::Denied);
            }
            Answered::Waiting { kept, retry_after } => {
                let step = self.held_on(&keys, &held, state, &kept)?;
                let step = LoginStep {
                    retry_after: Some(retry_after.max(1)),
                    ..step
                };
                return Ok((client_id, LoggedIn::Step(step)));
            }
            Answered::Proven => {}
        }
        let proven = state.proven()?.and(method.name()).ok_or(Error::Denied)?;
        state.proven = proven.to_string();
        state.missing.remove(0);
        if !state.missing.is_empty() {
            let step = self.begin(&keys, now, &held, state).await?;
            return Ok((client_id, LoggedIn::Step(step)));
        }
        // More may be needed than when it began.
        if !self
            .methods
            .of(&client_id)
            .iter()
            .all(|name| proven.has(name))
        {
            return Err(Error::Denied);
        }
        let (asked, key) = (state.asked()?, state.key()?);
        let record = self.store.look_up(&client_id).await?;
        let commit = held.found(record, source);
        let commit = commit.map_err(|refused| refuse(&client_id, refused))?;
        let session = self.opening(&commit, &proven, key, source)?;
        let accepted = self.commit(&client_id, commit, Some(&session)).await?;
        let acr = proven.to_string();
        let issued = self.tokens.issue(accepted, asked.as_ref(), acr, &session);
        let token = issued.await?;
        tracing::info!(%client_id, acr = %proven, "authenticated");
        Ok((client_id, LoggedIn::Token(token)))
    }

    async fn hold(&self, holder: &Holder, state: State) -> Result<LoginStep, Error> {
        let client_id = &holder.client_id;
        let (keys, now) = self.keys(client_id).await?;
        let seconds = state
            .missing
            .iter()
            .filter_map(|name| self.methods.named(name));
        let seconds = seconds.map(|method| method.seconds()).sum::<u32>();
        let ttl = ChallengeTtl::from_seconds(seconds.clamp(1, ChallengeTtl::MAX_SECONDS))?;
        let bytes = self
            .terms
            .hold(&keys, now, ttl, holder, &[], &mut getrandom::SysRng)?;
        let held = self.terms.held(&keys, now, &bytes);
        let held = held.map_err(|refused| refuse(client_id, refused))?;
        let step = self.begin(&keys, now, &held, state).await?;
        tracing::info!(%client_id, missing = step.method, "held");
        Ok(step)
    }

    /// Begins the next method.
    async fn begin(
        &self,
        keys: &Keys,
        now: u64,
        held: &Held,
        state: State,
    ) -> Result<LoginStep, Error> {
        let method = self.first_of(&state.missing)?;
        let begun = method.begin(&login(held, now)).await?;
        let step = self.held_on(keys, held, state, &begun.kept)?;
        Ok(LoginStep {
            told: Some(begun.told),
            ..step
        })
    }

    fn held_on(
        &self,
        keys: &Keys,
        held: &Held,
        mut state: State,
        kept: &[u8],
    ) -> Result<LoginStep, Error> {
        let method = self.first_of(&state.missing)?.name();
        state.kept = URL_SAFE_NO_PAD.encode(kept);
        let more = serde_json::to_vec(&state).map_err(|_| cannot("a login could not be held"))?;
        let bytes = self.terms.hold_on(keys, held, &more);
        let bytes = bytes.ok_or_else(|| cannot("a method keeps more than a login has room for"))?;
        Ok(LoginStep {
            pending: URL_SAFE_NO_PAD.encode(bytes),
            method,
            told: None,
            missing: state.missing,
            expires_at: held.expires_at(),
            retry_after: None,
        })
    }

    fn first_of(&self, missing: &[String]) -> Result<&dyn Method, Error> {
        let method = missing.first().and_then(|name| self.methods.named(name));
        let method = method.ok_or_else(|| cannot("a method is needed that this server has not"))?;
        Ok(&**method)
    }
}

fn login(held: &Held, now: u64) -> HeldLogin<'_> {
    let holder = held.holder();
    HeldLogin {
        client_id: &holder.client_id,
        credential_id: &holder.credential,
        nonce: &held.challenge().nonce,
        expires_at: held.expires_at(),
        now,
    }
}

fn cannot(reason: &str) -> Error {
    tracing::error!(reason, "a login cannot be held");
    Error::Unavailable {
        reason: reason.into(),
    }
}
