//! What challenges are computed from and the set of those that are spent, as one: a challenge is good
//! only in the set under whose key it was issued.
//!
//! The *mark* is the newest second that was acted on. A clock that falls a little behind it is waited
//! for; one that falls far behind it has been set, and then nothing that was said before can be told
//! from what is to come: a new key is drawn and the set begins empty, so that nothing is revived and
//! nothing stays shut.

use std::sync::Arc;

use twofapi_crypto_core::{Challenge, ChallengeKey, OwnedSpentSet, Spend};

use super::{ChallengeEpoch, StoreError};

/// How far the clock may fall behind the mark, in seconds, before it counts as set back.
const BEHIND_MAX: u64 = 60;

pub(super) struct Challenges {
    capacity: u32,
    number: u64,
    key: Arc<ChallengeKey>,
    mark: u64,
    spent: OwnedSpentSet,
}

impl Challenges {
    pub(super) fn new(capacity: u32) -> Result<Self, StoreError> {
        Self::begin(capacity, 0)
    }

    fn begin(capacity: u32, number: u64) -> Result<Self, StoreError> {
        let key = ChallengeKey::generate(&mut getrandom::SysRng)
            .map_err(|error| StoreError(error.to_string()))?;
        Ok(Self {
            capacity,
            number,
            key: Arc::new(key),
            mark: 0,
            spent: OwnedSpentSet::new(capacity),
        })
    }

    /// Takes note of the clock, and gives the time that counts.
    fn advance(&mut self, clock: u64) -> Result<u64, StoreError> {
        if clock.saturating_add(BEHIND_MAX) < self.mark {
            tracing::warn!(
                seconds = self.mark - clock,
                "the clock was set back: every challenge that was issued is void"
            );
            *self = Self::begin(self.capacity, self.number + 1)?;
        }
        self.mark = self.mark.max(clock);
        Ok(self.mark)
    }

    pub(super) fn epoch(&mut self, clock: u64) -> Result<ChallengeEpoch, StoreError> {
        let now = self.advance(clock)?;
        Ok(ChallengeEpoch {
            number: self.number,
            key: self.key.clone(),
            now,
        })
    }

    pub(super) fn spend(
        &mut self,
        epoch: u64,
        challenge: &Challenge,
        clock: u64,
    ) -> Result<Spend, StoreError> {
        let now = self.advance(clock)?;
        if epoch != self.number {
            return Ok(Spend::Expired);
        }
        let expires_at = challenge.id.expires_at();
        Ok(self
            .spent
            .set()
            .spend(&challenge.spent_key, expires_at, now))
    }

    pub(super) fn full(&mut self, clock: u64) -> Result<Option<u32>, StoreError> {
        let now = self.advance(clock)?;
        Ok(self.spent.set().full(now))
    }

    pub(super) fn refused(&mut self, challenge: &Challenge) {
        self.spent.set().refused(&challenge.spent_key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofapi_crypto_core::{ChallengeTtl, ClientId};

    const NOW: u64 = 1_795_000_000;
    const YEARS: u64 = 10 * 365 * 86_400;

    fn issue(challenges: &mut Challenges, clock: u64) -> (u64, Challenge) {
        let epoch = challenges.epoch(clock).unwrap();
        let alice = ClientId::parse("alice").unwrap();
        let ttl = ChallengeTtl::default();
        let issued = epoch
            .key
            .issue(&alice, epoch.now, ttl, &mut getrandom::SysRng);
        (epoch.number, issued.unwrap())
    }

    fn spend(challenges: &mut Challenges, (epoch, challenge): &(u64, Challenge), at: u64) -> Spend {
        challenges.spend(*epoch, challenge, at).unwrap()
    }

    #[test]
    fn a_clock_that_was_ahead_for_a_moment_shuts_nobody_out_and_revives_nothing() {
        let mut challenges = Challenges::new(10).unwrap();
        let (used, unused) = (issue(&mut challenges, NOW), issue(&mut challenges, NOW));
        assert_eq!(spend(&mut challenges, &used, NOW), Spend::Fresh);
        let ahead = issue(&mut challenges, NOW + YEARS);
        assert_eq!(spend(&mut challenges, &ahead, NOW + YEARS), Spend::Fresh);
        for before in [&used, &unused, &ahead] {
            assert_eq!(spend(&mut challenges, before, NOW + 1), Spend::Expired);
        }
        let after = issue(&mut challenges, NOW + 1);
        assert_eq!(spend(&mut challenges, &after, NOW + 2), Spend::Fresh);
        assert_eq!(spend(&mut challenges, &after, NOW + 2), Spend::Spent);
    }

    #[test]
    fn an_attempt_that_began_before_the_clock_was_set_back_does_not_spend_after() {
        let mut challenges = Challenges::new(10).unwrap();
        let used = issue(&mut challenges, NOW);
        assert_eq!(spend(&mut challenges, &used, NOW), Spend::Fresh);
        // Its client looks it up again, is held up, and meanwhile another request sees the clock.
        let _ = issue(&mut challenges, NOW - 1000);
        assert_eq!(spend(&mut challenges, &used, NOW), Spend::Expired);
    }

    #[test]
    fn a_clock_a_little_behind_neither_voids_nor_revives_and_new_challenges_live() {
        let mut challenges = Challenges::new(10).unwrap();
        let first = issue(&mut challenges, NOW);
        assert_eq!(spend(&mut challenges, &first, NOW), Spend::Fresh);
        let second = issue(&mut challenges, NOW - 60);
        assert!(u64::from(second.1.id.expires_at()) >= NOW + 120);
        assert_eq!(spend(&mut challenges, &first, NOW - 60), Spend::Spent);
        assert_eq!(spend(&mut challenges, &second, NOW - 60), Spend::Fresh);
    }

    #[test]
    fn what_slept_past_its_expiry_is_dead_and_what_is_issued_then_lives() {
        let mut challenges = Challenges::new(10).unwrap();
        let before = issue(&mut challenges, NOW);
        let woken = NOW + 8 * 3600;
        assert_eq!(spend(&mut challenges, &before, woken), Spend::Expired);
        let after = issue(&mut challenges, woken);
        assert_eq!(spend(&mut challenges, &after, woken + 119), Spend::Fresh);
    }

    #[test]
    fn a_clock_beyond_what_an_expiry_can_say_is_left_again() {
        let mut challenges = Challenges::new(10).unwrap();
        assert!(challenges.full(u64::MAX).unwrap().is_none());
        let after = issue(&mut challenges, NOW);
        assert_eq!(spend(&mut challenges, &after, NOW), Spend::Fresh);
    }
}
