//! The set of challenges that were accepted, with the epoch and the mark that make it exact: a hash
//! table of fixed size over memory that the host lends, so that one set of rules serves process memory
//! and PostgreSQL's shared memory alike.
//!
//! An entry is added by the step that accepts, and leaves when its challenge has expired, never earlier.
//! Once half of the places are taken, one client gets no more than a 64th of them, so that none can keep the
//! others out.
//!
//! Every operation takes bounded time. Places are counted by the second in which they expire, so that
//! "full" is exact at once; the slots themselves are swept a few per insertion. With twice as many slots
//! as capacity and eight swept per insertion, at most capacity × 5/4 of them are taken.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{Committed, Epoch, Spend};
use crate::{
    ChallengeTtl, Error, SpentKey,
    challenge::shares::{self, Counter, after, close_gap},
};

/// How many seconds ahead an entry may expire; a power of two beyond the longest TTL and skew.
const RING: usize = 1024;
const _: () = assert!(ChallengeTtl::MAX_SECONDS + super::Terms::MAX_SKEW < RING as u32);

/// Slots looked at for expired entries per insertion.
const SWEEP: usize = 8;

/// Slots looked at before a client is told that its share is used up.
const SWEEP_FOR_SHARE: usize = 4096;

/// A clock that is further behind the mark than this many seconds was set back.
const SET_BACK: u32 = 60;

/// One place of the table. All bytes zero is a free one.
///
/// Two tables lie side by side in the slots: the entries, by their key, and the counts of entries, by
/// their client's tag.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SpentSlot {
    key: [u8; SpentKey::LEN],
    /// 0 is free.
    expires_at: u32,
    /// Whose entry it is.
    share: u32,
    /// Whose entries are counted here.
    counted: u32,
    /// How many they are; 0 is free.
    count: u32,
}

impl SpentSlot {
    /// A free place.
    pub const FREE: Self = Self {
        key: [0; SpentKey::LEN],
        expires_at: 0,
        share: 0,
        counted: 0,
        count: 0,
    };
}

impl Counter for SpentSlot {
    fn counter(&self) -> (u32, u32) {
        (self.counted, self.count)
    }
    fn set_counter(&mut self, share: u32, count: u32) {
        (self.counted, self.count) = (share, count);
    }
}

/// The counters of the table, kept beside the slots.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SpentHeader {
    capacity: u32,
    /// Slots that are not free, entries that have expired but were not swept yet among them.
    taken: u32,
    /// Where sweeping goes on.
    cursor: u32,
    /// The newest second that the set has acted on.
    mark: u32,
    /// Entries that have not expired.
    held: u32,
    epoch: [u8; Epoch::LEN],
    /// Entries that have not expired by the second in which they will (modulo [`RING`]).
    by_expiry: [u32; RING],
}

impl SpentHeader {
    /// The header of an empty set that holds `capacity` entries (at least two).
    #[must_use]
    pub const fn new(capacity: u32, epoch: Epoch) -> Self {
        Self {
            capacity: at_least_two(capacity),
            taken: 0,
            cursor: 0,
            mark: 0,
            held: 0,
            epoch: *epoch.as_bytes(),
            by_expiry: [0; RING],
        }
    }

    /// How many slots a set of this capacity needs.
    #[must_use]
    pub const fn slots_for(capacity: u32) -> usize {
        2 * at_least_two(capacity) as usize
    }
}

const fn at_least_two(capacity: u32) -> u32 {
    if capacity < 2 { 2 } else { capacity }
}

/// The epoch and the clock of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Challenges of another one are dead.
    pub epoch: Epoch,
    /// By what challenges are issued and judged, in Unix seconds.
    pub now: u64,
}

/// How full a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpentStats {
    /// How many entries it can hold.
    pub capacity: u32,
    /// How many it holds that have not expired.
    pub held: u32,
}

/// The set, over a header and slots that somebody else owns. The owner sees to it that one thread at a
/// time works on them.
pub struct SpentSet<'a> {
    header: &'a mut SpentHeader,
    slots: &'a mut [SpentSlot],
}

impl<'a> SpentSet<'a> {
    /// How many of a set's places one client may have once half of them are taken, for stores that keep a set
    /// of their own.
    #[must_use]
    pub const fn share_of_one(capacity: u32) -> u32 {
        shares::of_one(capacity)
    }

    /// The set that is kept in `header` and `slots`.
    ///
    /// # Panics
    /// When there are not exactly [`SpentHeader::slots_for`] slots: the host laid its memory out wrongly.
    #[must_use]
    pub fn over(header: &'a mut SpentHeader, slots: &'a mut [SpentSlot]) -> Self {
        assert_eq!(
            slots.len(),
            SpentHeader::slots_for(header.capacity),
            "slots of a spent set do not fit its header"
        );
        Self { header, slots }
    }

    /// The epoch and the time to go by when the host's clock says `now`: the mark, where the clock is behind
    /// it by no more than 60 seconds. A clock that is further behind was set back, or had been ahead: then
    /// every entry is forgotten under a new epoch that `draw` gives, so that nothing is revived and nobody
    /// locked out.
    ///
    /// # Errors
    /// What `draw` gives; nothing has changed then.
    pub fn at(
        &mut self,
        now: u64,
        draw: impl FnOnce() -> Result<Epoch, Error>,
    ) -> Result<At, Error> {
        if self.was_set_back(now) {
            let epoch = draw()?;
            self.renew(epoch);
        }
        self.advance(now);
        Ok(At {
            epoch: Epoch::from_bytes(self.header.epoch),
            // Beyond 2106 there are no challenges, and nobody is told of a time before.
            now: now.max(u64::from(self.header.mark)),
        })
    }

    /// Begins a new epoch: every challenge that was issued is dead, and every entry forgotten.
    pub fn renew(&mut self, epoch: Epoch) {
        *self.header = SpentHeader::new(self.header.capacity, epoch);
        self.slots.fill(SpentSlot::FREE);
    }

    /// Spends a challenge in the step that accepts: of many callers with one challenge, one is told
    /// [`Committed::Done`].
    pub fn accept(&mut self, spend: &Spend, now: u64) -> Committed {
        if *spend.epoch.as_bytes() != self.header.epoch || self.was_set_back(now) {
            return Committed::StaleEpoch;
        }
        self.advance(now);
        let mark = self.header.mark;
        if spend.expires_at <= mark || (spend.expires_at - mark) as usize >= RING {
            return Committed::Expired;
        }
        if self.find(&spend.key).is_ok() {
            return Committed::Spent;
        }
        if self.header.held >= self.header.capacity
            || self.header.taken as usize + 1 >= self.slots.len()
        {
            // A full table is swept as well, so that it recovers without insertions.
            self.sweep(SWEEP);
            return self.full();
        }
        if self.has_used_its_share(spend) {
            self.sweep(SWEEP_FOR_SHARE);
            if self.has_used_its_share(spend) {
                return self.full();
            }
        }
        // Sweeping has moved entries.
        let Err(at) = self.find(&spend.key) else {
            return Committed::Spent;
        };
        let slot = &mut self.slots[at];
        slot.key = *spend.key.as_bytes();
        slot.expires_at = spend.expires_at;
        slot.share = spend.share.0;
        shares::count_one(self.slots, spend.share.0);
        self.header.taken += 1;
        self.header.held += 1;
        self.header.by_expiry[spend.expires_at as usize % RING] += 1;
        self.sweep(SWEEP);
        Committed::Done
    }

    /// How full the set is at `now`. Looking changes neither mark nor epoch.
    #[must_use]
    pub fn stats(&self, now: u64) -> SpentStats {
        let mark = self.header.mark;
        let passed = u32::try_from(now)
            .unwrap_or(u32::MAX)
            .saturating_sub(mark)
            .min(RING as u32);
        let expired: u32 = (1..=passed)
            .map(|ahead| self.header.by_expiry[mark.wrapping_add(ahead) as usize % RING])
            .sum();
        SpentStats {
            capacity: self.header.capacity,
            held: self.header.held - expired,
        }
    }

    /// There is no place: told when the next one falls free, which only then is looked for.
    fn full(&self) -> Committed {
        Committed::Full {
            retry_after: self.next_expiry(),
        }
    }

    fn has_used_its_share(&self, spend: &Spend) -> bool {
        let SpentHeader { held, capacity, .. } = *self.header;
        shares::is_used_up(self.slots, spend.share.0, held, capacity)
    }

    fn was_set_back(&self, now: u64) -> bool {
        now.saturating_add(u64::from(SET_BACK)) < u64::from(self.header.mark)
    }

    /// Moves the mark on and takes out of the counts what has expired by then.
    fn advance(&mut self, now: u64) {
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        let mark = self.header.mark;
        if now <= mark {
            return;
        }
        self.header.mark = now;
        for passed in 1..=(now - mark).min(RING as u32) {
            let second = &mut self.header.by_expiry[mark.wrapping_add(passed) as usize % RING];
            self.header.held -= *second;
            *second = 0;
        }
    }

    /// Seconds until the first entry expires.
    fn next_expiry(&self) -> u32 {
        let mark = self.header.mark;
        (1..RING as u32)
            .find(|ahead| self.header.by_expiry[mark.wrapping_add(*ahead) as usize % RING] != 0)
            .unwrap_or(1)
    }

    /// Where the key is, or the free slot where it would go.
    fn find(&self, key: &SpentKey) -> Result<usize, usize> {
        let mut at = home(key.as_bytes(), self.slots.len());
        // At least one slot is always free, so this ends.
        loop {
            let slot = &self.slots[at];
            if slot.expires_at == 0 {
                return Err(at);
            }
            if slot.key == *key.as_bytes() {
                return Ok(at);
            }
            at = after(at, self.slots.len());
        }
    }

    /// Looks at some slots and frees those whose entries have expired.
    fn sweep(&mut self, slots: usize) {
        for _ in 0..slots.min(self.slots.len()) {
            if self.header.taken == self.header.held {
                // Nothing that has expired lies about.
                return;
            }
            let at = self.header.cursor as usize;
            let slot = self.slots[at];
            if slot.expires_at != 0 && slot.expires_at <= self.header.mark {
                // Another entry may have moved here: look again next time.
                self.free(at);
                shares::uncount_one(self.slots, slot.share);
            } else {
                self.header.cursor = after(at, self.slots.len()) as u32;
            }
        }
    }

    /// Frees a slot, so that looking for a key can stop at the first free one.
    fn free(&mut self, at: usize) {
        let len = self.slots.len();
        let gap = close_gap(
            self.slots,
            at,
            |slot| (slot.expires_at != 0).then(|| home(&slot.key, len)),
            |gap, slot| {
                gap.key = slot.key;
                gap.expires_at = slot.expires_at;
                gap.share = slot.share;
            },
        );
        let gap = &mut self.slots[gap];
        gap.key = [0; SpentKey::LEN];
        gap.expires_at = 0;
        gap.share = 0;
        self.header.taken -= 1;
    }
}

fn home(key: &[u8; SpentKey::LEN], slots: usize) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    ((u128::from(hash) * slots as u128) >> 64) as usize
}

/// A set with memory of its own.
pub struct OwnedSpentSet {
    header: Box<SpentHeader>,
    slots: Vec<SpentSlot>,
}

impl OwnedSpentSet {
    /// An empty set that holds `capacity` entries (at least two).
    #[must_use]
    pub fn new(capacity: u32, epoch: Epoch) -> Self {
        Self {
            header: Box::new(SpentHeader::new(capacity, epoch)),
            slots: vec![SpentSlot::FREE; SpentHeader::slots_for(capacity)],
        }
    }

    /// The set, to work on.
    #[must_use]
    pub fn set(&mut self) -> SpentSet<'_> {
        SpentSet::over(&mut self.header, &mut self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ShareTag, testing::rng};
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_000_000;

    fn epoch(seed: u64) -> Epoch {
        Epoch::generate(&mut rng(seed)).unwrap()
    }

    fn never() -> Result<Epoch, Error> {
        panic!("no new epoch is called for")
    }

    /// The spending of challenge `n` of client `share`.
    fn spend(n: u64, share: u32, expires_in: u32) -> Spend {
        let mut key = [0; SpentKey::LEN];
        // Spread over the table as keys are, which come from an HMAC.
        key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        key[8..].copy_from_slice(&n.to_le_bytes());
        Spend {
            key: SpentKey::from_bytes(key),
            expires_at: NOW as u32 + expires_in,
            epoch: epoch(1),
            share: ShareTag(share),
        }
    }

    #[test]
    fn a_challenge_is_accepted_once_and_never_after_it_expired() {
        let mut owned = OwnedSpentSet::new(100, epoch(1));
        let mut set = owned.set();
        let challenge = spend(1, 1, 50);
        assert_eq!(set.accept(&challenge, NOW), Committed::Done);
        for ahead in [0, 49] {
            assert_eq!(set.accept(&challenge, NOW + ahead), Committed::Spent);
        }
        assert_eq!(set.accept(&challenge, NOW + 50), Committed::Expired);
        assert_eq!(set.accept(&spend(2, 1, 50), NOW + 50), Committed::Expired);
        assert_eq!(set.accept(&spend(3, 1, 1200), NOW), Committed::Expired);
    }

    #[test]
    fn of_another_epoch_nothing_is_accepted() {
        let mut owned = OwnedSpentSet::new(100, epoch(2));
        assert_eq!(
            owned.set().accept(&spend(1, 1, 50), NOW),
            Committed::StaleEpoch
        );
    }

    #[test]
    fn a_new_epoch_empties_the_set_and_takes_nothing_of_the_old_one() {
        let mut owned = OwnedSpentSet::new(2, epoch(1));
        let mut set = owned.set();
        for n in 1..=2 {
            assert_eq!(set.accept(&spend(n, n as u32, 50), NOW), Committed::Done);
        }
        set.renew(epoch(2));
        assert_eq!(set.stats(NOW).held, 0);
        assert_eq!(set.accept(&spend(1, 1, 50), NOW), Committed::StaleEpoch);
        for n in 1..=2 {
            let of_now = Spend {
                epoch: epoch(2),
                ..spend(n, n as u32, 50)
            };
            assert_eq!(set.accept(&of_now, NOW), Committed::Done);
        }
    }

    #[test]
    fn a_full_set_throttles_forgets_nothing_and_recovers() {
        let mut owned = OwnedSpentSet::new(100, epoch(1));
        let mut set = owned.set();
        let share = |n: u64| n as u32;
        for n in 0..100 {
            assert_eq!(set.accept(&spend(n, share(n), 50), NOW), Committed::Done);
        }
        for n in 100..1000 {
            let full = Committed::Full { retry_after: 30 };
            assert_eq!(set.accept(&spend(n, share(n), 120), NOW + 20), full);
        }
        for n in 0..100 {
            let again = set.accept(&spend(n, share(n), 50), NOW + 49);
            assert_eq!(again, Committed::Spent);
        }
        for n in 100..200 {
            let later = set.accept(&spend(n, share(n), 120), NOW + 50);
            assert_eq!(later, Committed::Done);
        }
    }

    #[test]
    fn one_client_fills_its_share_and_keeps_nobody_out() {
        let mut owned = OwnedSpentSet::new(6400, epoch(1));
        let mut set = owned.set();
        for n in 0..3200 {
            assert_eq!(set.accept(&spend(n, 7, 120), NOW), Committed::Done);
        }
        for n in 3200..5000 {
            assert!(matches!(
                set.accept(&spend(n, 7, 120), NOW + 10),
                Committed::Full { .. }
            ));
        }
        assert_eq!(set.stats(NOW).held, 3200);
        for n in 0..1000 {
            let other = spend(10_000 + n, n as u32 % 10 + 100, 120);
            assert_eq!(set.accept(&other, NOW + 10), Committed::Done);
        }
        let of_the_share = spend(20_000, 100, 120);
        assert!(matches!(
            set.accept(&of_the_share, NOW + 10),
            Committed::Full { .. }
        ));
        // Entries expire, and nobody has to come by for that.
        for n in 30_000..33_000 {
            let later = set.accept(&spend(n, 7, 300), NOW + 120);
            assert_eq!(later, Committed::Done, "{n}");
        }
    }

    #[test]
    fn a_clock_that_is_a_little_behind_revives_nothing() {
        let mut owned = OwnedSpentSet::new(100, epoch(1));
        let mut set = owned.set();
        assert_eq!(set.at(NOW + 60, never).unwrap().now, NOW + 60);
        assert_eq!(set.accept(&spend(1, 1, 61), NOW + 60), Committed::Done);
        let behind = set.at(NOW, never).unwrap();
        assert_eq!((behind.now, behind.epoch), (NOW + 60, epoch(1)));
        assert_eq!(set.accept(&spend(1, 1, 61), NOW), Committed::Spent);
        assert_eq!(set.accept(&spend(2, 1, 60), NOW), Committed::Expired);
    }

    #[test]
    fn a_clock_that_was_a_day_ahead_for_a_moment_latches_nothing() {
        let mut owned = OwnedSpentSet::new(100, epoch(1));
        let mut set = owned.set();
        assert_eq!(set.accept(&spend(1, 1, 50), NOW), Committed::Done);
        let day = 86_400;
        assert_eq!(set.stats(NOW + day).held, 0);
        assert_eq!(set.stats(NOW).held, 1, "looking changes nothing");
        assert_eq!(set.at(NOW + day, never).unwrap().now, NOW + day);
        // Back again: what was good then is dead, and everything begins anew.
        assert_eq!(set.accept(&spend(2, 1, 50), NOW), Committed::StaleEpoch);
        let back = set.at(NOW, || Ok(epoch(2))).unwrap();
        assert_eq!((back.now, back.epoch), (NOW, epoch(2)));
        assert_eq!(set.accept(&spend(1, 1, 50), NOW), Committed::StaleEpoch);
        let anew = Spend {
            epoch: epoch(2),
            ..spend(1, 1, 50)
        };
        assert_eq!(set.accept(&anew, NOW), Committed::Done);
        assert_eq!(set.stats(NOW).held, 1);
    }

    #[test]
    fn without_a_new_epoch_a_clock_that_was_set_back_changes_nothing() {
        let mut owned = OwnedSpentSet::new(100, epoch(1));
        let mut set = owned.set();
        assert_eq!(set.accept(&spend(1, 1, 50), NOW), Committed::Done);
        assert!(set.at(NOW - 1000, || Err(Error::random_source())).is_err());
        assert_eq!(set.at(NOW, never).unwrap().epoch, epoch(1));
        assert_eq!(set.accept(&spend(1, 1, 50), NOW), Committed::Spent);
    }

    #[test]
    fn a_table_never_takes_more_than_its_bound_of_slots() {
        // Fill, let all expire at once, fill again: the worst case for sweeping by insertion.
        let capacity = 1000;
        let mut owned = OwnedSpentSet::new(capacity, epoch(1));
        let mut set = owned.set();
        let mut n = 0;
        for round in 0..5 {
            for _ in 0..capacity {
                n += 1;
                let challenge = spend(n, n as u32, 10 * (round + 1));
                let now = NOW + 10 * u64::from(round);
                assert_eq!(set.accept(&challenge, now), Committed::Done);
                assert!(set.header.taken <= capacity + capacity / 4 + SWEEP as u32);
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Accept {
            n: u64,
            client: u32,
            expires_in: u32,
        },
        Wait {
            seconds: u64,
        },
        SetBack {
            seconds: u64,
        },
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let accept =
            (0_u64..60, 0_u32..4, 0_u32..200).prop_map(|(n, client, expires_in)| Op::Accept {
                n,
                client,
                expires_in,
            });
        let op = prop_oneof![
            20 => accept,
            3 => (0_u64..80).prop_map(|seconds| Op::Wait { seconds }),
            1 => (0_u64..200).prop_map(|seconds| Op::SetBack { seconds }),
        ];
        proptest::collection::vec(op, 0..300)
    }

    proptest! {
        /// Against a map without bounds: one acceptance a challenge in the life of an epoch, whatever the
        /// clock does; full exactly when it is; a share for every client.
        #[test]
        fn it_does_what_a_map_does(ops in ops(), capacity in 2_u32..40) {
            let mut owned = OwnedSpentSet::new(capacity, epoch(0));
            let mut set = owned.set();
            let (mut now, mut epochs) = (NOW, 0);
            let mut mark = 0;
            // Key and client to expiry, in this epoch.
            let mut model: BTreeMap<(u64, u32, u32), u32> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Wait { seconds } => now += seconds,
                    Op::SetBack { seconds } => now -= seconds,
                    Op::Accept { n, client, expires_in } => {
                        let at = set.at(now, || {
                            epochs += 1;
                            model.clear();
                            mark = 0;
                            Ok(epoch(epochs))
                        }).unwrap();
                        mark = mark.max(now);
                        prop_assert_eq!((at.epoch, at.now), (epoch(epochs), mark));
                        model.retain(|_, expires_at| u64::from(*expires_at) > mark);
                        let expires_at = (now as u32).wrapping_add(expires_in);
                        let id = (n, client, expires_at);
                        let challenge = Spend {
                            expires_at,
                            epoch: at.epoch,
                            ..spend(n << 40 | u64::from(client) << 32 | u64::from(expires_at), client, 0)
                        };
                        let live = model.len() as u32;
                        let used = model.contains_key(&id);
                        let of_client = model.keys().filter(|(_, c, _)| *c == client).count();
                        let expected = if u64::from(expires_at) <= mark {
                            Committed::Expired
                        } else if used {
                            Committed::Spent
                        } else if live >= capacity || (live >= capacity / 2 && of_client >= 16) {
                            let next = model.values().min().unwrap();
                            Committed::Full { retry_after: *next - mark as u32 }
                        } else {
                            model.insert(id, expires_at);
                            Committed::Done
                        };
                        prop_assert_eq!(set.accept(&challenge, now), expected);
                        prop_assert_eq!(set.stats(mark).held as usize, model.len());
                    }
                }
            }
        }
    }
}
