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

/// The server counts from 2000-01-01, in Unix seconds.
const SERVERS_EPOCH: i64 = 946_684_800;
/// The last second that the server can say, in the year 294276.
const LAST_SECOND: u64 = 9_224_318_015_999;
const MICROS: i64 = 1_000_000;

/// The server's timestamp of microseconds since the Unix epoch.
pub(crate) fn timestamp(unix_micros: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(unix_micros - SERVERS_EPOCH * MICROS).ok()
}

/// The server's timestamp of a second since the Unix epoch.
pub(crate) fn second(unix_seconds: u64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(to_number(unix_seconds)).ok()
}

/// The number by which the server keeps this second, or the last one that it can.
pub(crate) fn to_number(unix_seconds: u64) -> i64 {
    let seconds = i64::try_from(unix_seconds.min(LAST_SECOND)).unwrap_or(0);
    (seconds - SERVERS_EPOCH) * MICROS
}

/// The second of the number by which the server keeps a timestamp; 0 for what is before 1970.
pub(crate) fn from_number(number: i64) -> u64 {
    u64::try_from(number.div_euclid(MICROS) + SERVERS_EPOCH).unwrap_or(0)
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
