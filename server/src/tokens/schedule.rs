//! When signing keys are made, sign, and are dropped: rules over the times at which they activate.

use std::ops::Range;

/// How many keys that a clock far ahead has left behind are kept.
pub(super) const STRAY_MAX: usize = 8;

/// When keys are made and dropped. All in seconds; the times at which keys activate are in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeySchedule {
    /// How long a key signs.
    pub(crate) rotate_after: u64,
    /// How long before it signs a key is published; longer than [`JWKS_MAX_AGE`](super::JWKS_MAX_AGE).
    pub(crate) publish_ahead: u64,
    /// How long a token lives.
    pub(crate) token_ttl: u64,
}

impl KeySchedule {
    /// Which key signs at `now`: the last one that has activated, or the first one while the wall
    /// clock is set to before all of them.
    pub(crate) fn signing(times: &[u64], now: u64) -> Option<usize> {
        let activated = times.partition_point(|activates_at| *activates_at <= now);
        (!times.is_empty()).then(|| activated.saturating_sub(1))
    }

    /// The latest that a key activates which this clock has planned. One beyond was made while the
    /// clock was far ahead, or is a good one while the clock is far behind: such keys are neither
    /// counted on nor dropped.
    const fn horizon(&self, now: u64) -> u64 {
        now.saturating_add(self.publish_ahead)
            .saturating_add(self.rotate_after)
    }

    /// When a key that is still missing has to activate, or `None` when none is missing. One is missing as well where
    /// neither the key that signs nor one that will sign is of the algorithm that is wanted. (Servers that want several
    /// take turns then, each for as long as a key is published ahead, and do not make keys without end.)
    pub(super) fn missing(&self, times: &[u64], is_wanted: &[bool], now: u64) -> Option<u64> {
        let horizon = self.horizon(now);
        let planned = times.iter().rev().find(|time| **time <= horizon);
        let ahead = now.saturating_add(self.publish_ahead);
        let newest = match planned {
            None if times.is_empty() => return Some(now),
            None => return Some(ahead),
            Some(newest) => *newest,
        };
        let from = Self::signing(times, now).unwrap_or_default();
        if !is_wanted.iter().skip(from).any(|wanted| *wanted) {
            return Some(ahead);
        }
        let next = newest.saturating_add(self.rotate_after);
        (now >= next.saturating_sub(self.publish_ahead)).then(|| next.max(ahead))
    }

    /// Keys beyond the horizon, if there are too many of them: the farthest.
    pub(super) fn stray(&self, times: &[u64], now: u64) -> Range<usize> {
        let horizon = self.horizon(now);
        let first = times.partition_point(|time| *time <= horizon);
        times.len().min(first + STRAY_MAX)..times.len()
    }

    /// Keys whose successor has been signing for longer than a token lives.
    pub(super) fn outlived(&self, times: &[u64], now: u64) -> Vec<usize> {
        let successors = times.iter().skip(1).enumerate();
        successors
            .filter(|(_, successor)| now > successor.saturating_add(self.token_ttl))
            .map(|(key, _)| key)
            .collect()
    }
}
