//! The set of spent challenges of a server that shares it with no other: in memory, gone with the process
//! and with it every challenge.

use std::sync::{Mutex, MutexGuard, PoisonError};

use twofapi_crypto_core::{
    Error,
    ceremony::{At, Committed, Epoch, OwnedSpentSet, SpentStats, Step},
};

use crate::store::api::{StoreError, failed};

pub(super) struct Spent(OwnedSpentSet);

impl Spent {
    pub(super) fn new(capacity: u32) -> Result<Self, StoreError> {
        let epoch = draw().map_err(failed)?;
        Ok(Self(OwnedSpentSet::new(capacity, epoch)))
    }

    pub(super) fn stats(&mut self, clock: u64) -> SpentStats {
        self.0.set().stats(clock)
    }

    pub(super) fn at(&mut self, clock: u64) -> Result<At, StoreError> {
        let begin = || {
            tracing::warn!("the clock was set back: every challenge that was issued is void");
            draw()
        };
        self.0.set().at(clock, begin).map_err(failed)
    }
}

fn draw() -> Result<Epoch, Error> {
    Epoch::generate(&mut getrandom::SysRng)
}

pub(super) fn locked(spent: &Mutex<Spent>) -> MutexGuard<'_, Spent> {
    spent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spends the challenge of a step; an enrolment has none.
pub(super) fn accept(spent: &Mutex<Spent>, step: &Step, now: u64) -> Committed {
    step.spend.as_ref().map_or(Committed::Done, |spend| {
        locked(spent).0.set().accept(spend, now)
    })
}
