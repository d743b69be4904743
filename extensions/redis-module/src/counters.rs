//! Figures for operators, counted since the server started.

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> i64 {
        i64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }
}

pub(crate) static ISSUED: Counter = Counter::new();
pub(crate) static ACCEPTED: Counter = Counter::new();
pub(crate) static DENIED: Counter = Counter::new();
pub(crate) static THROTTLED: Counter = Counter::new();
/// Attempts whose connection was gone before anybody looked at them.
pub(crate) static ABANDONED: Counter = Counter::new();
pub(crate) static ENROLLED: Counter = Counter::new();
pub(crate) static ROTATED: Counter = Counter::new();
pub(crate) static LINKED: Counter = Counter::new();
pub(crate) static UNLINKED: Counter = Counter::new();
pub(crate) static RESET: Counter = Counter::new();
/// Second devices that asked to be linked, with a good proof and for an open offer.
pub(crate) static JOINED: Counter = Counter::new();
