//! The one set of challenges of this node: memory of it alone, never a key, never saved, never replicated.
//! After a restart it is new, and old challenges are dead.

use std::sync::{Mutex, PoisonError};

use twofapi_crypto_core::{
    Challenge, ClientId, Error,
    ceremony::{Committed, Spend, SpentStats},
};

use crate::{
    clock,
    rules::challenges::{Challenges, Now, Settings},
    settings,
};

static CHALLENGES: Mutex<Option<Challenges>> = Mutex::new(None);

fn with<T>(run: impl FnOnce(&mut Challenges) -> T) -> Result<T, Error> {
    let mut challenges = CHALLENGES.lock().unwrap_or_else(PoisonError::into_inner);
    challenges
        .as_mut()
        .map(run)
        .ok_or_else(|| Error::Unavailable {
            reason: "the module is not loaded completely".into(),
        })
}

fn now_set() -> Settings {
    Settings {
        binding: settings::binding(),
        ttl: settings::challenge_ttl(),
    }
}

pub(crate) fn start(capacity: u32) -> Result<(), Error> {
    let fresh = Challenges::new(capacity, now_set())?;
    *CHALLENGES.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
    Ok(())
}

/// Every challenge from before is dead.
pub(crate) fn begin_epoch() -> Result<(), Error> {
    with(Challenges::begin_epoch)?
}

pub(crate) fn issue(client_id: &ClientId) -> Result<Challenge, Error> {
    with(|challenges| {
        challenges.issue(client_id, clock::unix_seconds(), settings::challenge_ttl())
    })?
}

/// Begins an attempt.
pub(crate) fn begin<T>(run: impl FnOnce(Now<'_>) -> T) -> Result<T, Error> {
    with(|challenges| {
        let now = challenges.now(clock::unix_seconds(), &now_set())?;
        Ok(run(now))
    })?
}

/// Spends a challenge, on the main thread, where the record has been looked at.
pub(crate) fn accept(spend: &Spend) -> Result<Committed, Error> {
    with(|challenges| challenges.accept(spend, clock::unix_seconds()))
}

pub(crate) fn stats() -> Option<SpentStats> {
    with(|challenges| challenges.stats(clock::unix_seconds())).ok()
}
