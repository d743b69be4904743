//! The two clocks of a server: one that nobody can set back, and the one on the wall.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a [`Service`](crate::Service) gets its time from, in Unix seconds.
pub trait Clock: Send + Sync + 'static {
    /// For challenges: never goes back and never jumps, so that setting the wall clock neither
    /// revives a challenge nor kills one.
    fn steady(&self) -> u64;

    /// For tokens, invitations and keys, which others read or which outlive the process.
    fn wall(&self) -> u64;
}

/// The clocks of the operating system.
#[derive(Debug)]
pub struct SystemClock {
    started_at: Duration,
    started: Instant,
}

impl SystemClock {
    /// Anchors the steady clock at the wall clock of this moment.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started_at: since_epoch(),
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn steady(&self) -> u64 {
        (self.started_at + self.started.elapsed()).as_secs()
    }

    fn wall(&self) -> u64 {
        since_epoch().as_secs()
    }
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
