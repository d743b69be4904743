//! How often a client is let in: the rule by which each host counts for itself, in its memory.

use core::num::NonZeroU32;

/// What one client has used of the requests that it has in a minute. A host counts what it has accepted, logins and
/// uses of tokens, and never what somebody only attempts: so nobody uses up what is another's. As many as there are
/// in a minute may come at once, and the next when that long has passed for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// When nothing is used any longer, in microseconds.
    free_at: u64,
}

const MINUTE: u64 = 60_000_000;

impl Pace {
    /// Counts one, at `now` in seconds by a clock of the host's. A clock that is set back makes nobody wait for
    /// longer than a minute.
    ///
    /// # Errors
    /// In how many seconds there is another.
    pub fn count(&mut self, per_minute: NonZeroU32, now: u64) -> Result<(), u32> {
        let now = now.saturating_mul(1_000_000);
        let one = (MINUTE / u64::from(per_minute.get())).max(1);
        let latest = now.saturating_add(MINUTE);
        self.free_at = self.free_at.clamp(now, latest);
        let free_at = self.free_at.saturating_add(one);
        if free_at > latest {
            let wait = (free_at - latest).div_ceil(1_000_000);
            return Err(u32::try_from(wait).unwrap_or(u32::MAX).max(1));
        }
        self.free_at = free_at;
        Ok(())
    }

    /// Whether nothing is used, so that it need not be kept.
    #[must_use]
    pub const fn is_free(&self, now: u64) -> bool {
        self.free_at <= now.saturating_mul(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn a_client_has_so_many_in_a_minute_and_then_one_at_a_time() {
        let (mut pace, now) = (Pace::default(), 1_795_000_000);
        for _ in 0..6 {
            assert_eq!(pace.count(number(6), now), Ok(()));
        }
        assert_eq!(pace.count(number(6), now), Err(10));
        assert_eq!(pace.count(number(6), now + 9), Err(1));
        assert_eq!(pace.count(number(6), now + 10), Ok(()));
        assert_eq!(pace.count(number(6), now + 10), Err(10));
        assert!(!pace.is_free(now + 69) && pace.is_free(now + 70));
        // After a pause all of them are there again, and no more.
        let later = now + 1000;
        assert_eq!(
            (0..9)
                .filter(|_| pace.count(number(6), later).is_ok())
                .count(),
            6
        );
    }

    #[test]
    fn a_limit_that_is_changed_counts_at_once_and_a_clock_that_goes_back_shuts_nobody_out() {
        let (mut pace, now) = (Pace::default(), 1_795_000_000);
        for _ in 0..2 {
            assert!(pace.count(number(2), now).is_ok());
        }
        assert!(pace.count(number(2), now).is_err());
        // Of more, what was used is a minute's worth still.
        assert_eq!(pace.count(number(60), now), Err(1));
        assert_eq!(pace.count(number(2), now - 86_400), Err(30));
        assert_eq!(pace.count(number(2), now - 86_400 + 30), Ok(()));
        for most in [u32::MAX, 60_000_001] {
            assert_eq!(
                Pace::default().count(number(most), u64::MAX / 1_000_000),
                Ok(())
            );
        }
    }
}
