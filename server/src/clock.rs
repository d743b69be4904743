//! The clocks of a server.

use std::time::{SystemTime, UNIX_EPOCH};

/// By how many seconds what two servers take for the time of a shared store may differ.
pub(crate) const SKEW: u32 = 2;

/// Where a [`Service`](crate::Service) gets the time of day from, in Unix seconds. It may be set
/// while the server runs, and jumps when the machine wakes up: whoever goes by it is ready for both.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn wall(&self) -> u64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The clock of the operating system.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
    }
}
