//! Two clocks: the day's, which challenges and people go by, and one that nobody sets.

use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use pgrx::prelude::TimestampWithTimeZone;

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

/// Milliseconds that only go forward, the same in every process of the server.
pub(crate) fn steady_millis() -> u64 {
    // The origin is taken when the postmaster loads the library, and inherited by fork.
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = ORIGIN.get_or_init(Instant::now);
    u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX)
}
