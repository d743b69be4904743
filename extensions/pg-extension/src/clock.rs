//! Two clocks: the day's, which challenges and people go by, and one that nobody sets.

use std::time::{SystemTime, UNIX_EPOCH};

use pgrx::prelude::TimestampWithTimeZone;
use rustix::time::{ClockId, clock_gettime};

/// Seconds since the Unix epoch.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Microseconds since the Unix epoch.
pub(crate) fn unix_micros() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        })
}

/// The server's timestamp of microseconds since the Unix epoch.
pub(crate) fn timestamp(unix_micros: i64) -> Option<TimestampWithTimeZone> {
    // The server counts from 2000-01-01.
    TimestampWithTimeZone::try_from(unix_micros - 946_684_800_000_000).ok()
}

/// Milliseconds that only go forward, the same in every process of the server. By the clock that the
/// kernel keeps at every tick: a few milliseconds late, and cheap enough to be read for every row.
pub(crate) fn steady_millis() -> u64 {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::MonotonicCoarse;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let now = clock_gettime(CLOCK);
    let [seconds, nanoseconds] = [now.tv_sec, now.tv_nsec].map(|n| u64::try_from(n).unwrap_or(0));
    seconds
        .saturating_mul(1000)
        .saturating_add(nanoseconds / 1_000_000)
}
