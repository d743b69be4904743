//! The two clocks: Unix time for challenges, and one that never goes back for sessions.

use std::{sync::OnceLock, time::Instant};

use rustix::time::{ClockId, clock_gettime};

/// By the clock that the kernel keeps at every tick: of whole seconds it says the same a few
/// milliseconds late, and is read several times faster.
pub(crate) fn unix_seconds() -> u64 {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::RealtimeCoarse;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Realtime;
    u64::try_from(clock_gettime(CLOCK).tv_sec).unwrap_or(0)
}

/// Milliseconds since the module was loaded.
pub(crate) fn steady_millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
