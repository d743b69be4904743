//! The epoch of a spent set and the clock of its store, as a server knows them between two answers.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use twofapi_crypto_core::ceremony::{At, Epoch};

/// So long an epoch is taken for what it was. A server whose challenges all go to others is not told that it is another.
const KNOWN_FOR: Duration = Duration::from_secs(5);

/// What the last answers said.
#[derive(Default)]
pub(in crate::store) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    epoch: Option<(Epoch, Instant)>,
    clock: Option<(u64, Instant)>,
}

impl Known {
    /// The epoch and the time, unless they have to be asked for.
    pub(in crate::store) fn at(&self) -> Option<At> {
        let state = self.locked();
        let (said, when) = state.clock?;
        let (epoch, learnt) = state.epoch?;
        if learnt.elapsed() >= KNOWN_FOR {
            return None;
        }
        Some(At {
            epoch,
            now: said.saturating_add(when.elapsed().as_secs()),
        })
    }

    /// What the store said just now.
    pub(in crate::store) fn learn(&self, at: At) {
        let mut state = self.locked();
        let now = Instant::now();
        state.epoch = Some((at.epoch, now));
        state.clock = Some((at.now, now));
    }

    /// What its clock said just now.
    pub(in crate::store) fn learn_clock(&self, now: u64) {
        self.locked().clock = Some((now, Instant::now()));
    }

    /// The time by the clock of the store, for a server whose own says `now`.
    pub(in crate::store) fn time(&self, now: u64) -> u64 {
        match self.locked().clock {
            Some((said, when)) => said.saturating_add(when.elapsed().as_secs()),
            None => now,
        }
    }

    /// The set has begun another epoch.
    pub(in crate::store) fn forget(&self) {
        self.locked().epoch = None;
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
