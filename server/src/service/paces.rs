//! How often clients come that may not come as often as they like, counted by this server alone: with several, each
//! counts for itself, and a client has as many times more.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use twofapi_crypto_core::{ClientId, Error, Pace, Record};

/// From so many on, those are forgotten that have nothing used.
const CLEAN_FROM: usize = 10_000;

/// Of clients that have a limit and were accepted lately. Nobody else takes room here.
#[derive(Default)]
pub(super) struct Paces(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    paces: HashMap<ClientId, Pace>,
    clean_at: usize,
}

impl Paces {
    /// Counts a login that is accepted, or the use of a token.
    ///
    /// # Errors
    /// [`Error::Throttled`] where the client has used its requests up.
    pub(super) fn count(&self, id: &ClientId, record: &Record, now: u64) -> Result<(), Error> {
        let limit = record
            .attributes()
            .and_then(|said| said.requests_per_minute);
        let Some(per_minute) = limit else {
            return Ok(());
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.paces.len() >= kept.clean_at.max(CLEAN_FROM) {
            kept.paces.retain(|_, pace| !pace.is_free(now));
            // Where most of them are used it is looked at seldom.
            kept.clean_at = 2 * kept.paces.len();
        }
        let pace = kept.paces.entry(id.clone()).or_default();
        pace.count(per_minute, now)
            .map_err(|retry_after_seconds| Error::Throttled {
                retry_after_seconds,
            })
    }
}
