//! The set of challenges that are spent: a hash table of fixed size over memory that the host
//! lends, so that one set of rules serves process memory and PostgreSQL's shared memory alike.
//!
//! An entry leaves when its challenge has expired, never earlier. Refused attempts may hold at most
//! half of the capacity; beyond that a refused attempt gives its place back, because a refused
//! proof tells nobody anything, while an accepted one always keeps its place.
//!
//! Every operation takes bounded time. Places are counted by the second in which they expire, so
//! that "full" is exact at once; the slots themselves are swept a few per insertion. With twice as
//! many slots as capacity and eight swept per insertion, at most capacity × 5/4 of them are taken.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{
    id::{ShareTag, SpentKey},
    shares::{self, Counter, after, close_gap},
    ttl::ChallengeTtl,
};

/// How many seconds ahead an entry may expire; a power of two beyond the longest TTL.
const RING: usize = 1024;
const _: () = assert!(ChallengeTtl::MAX_SECONDS < RING as u32);

/// The slot where looking for a key begins.
fn home(key: &[u8; SpentKey::LEN], slots: usize) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    ((u128::from(hash) * slots as u128) >> 64) as usize
}

/// Slots looked at for expired entries per insertion.
const SWEEP: usize = 8;

/// Slots looked at before a client is told that its share is used up.
const SWEEP_FOR_SHARE: usize = 4096;

const FREE: u8 = 0;
const HELD: u8 = 1;
const REFUSED: u8 = 2;

/// One place of the table. All bytes zero is a free one.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SpentSlot {
    key: [u8; SpentKey::LEN],
    expires_at: u32,
    state: u8,
    /// Whether it counts for its client's share.
    shared: bool,
    unused: [u8; 2],
    /// Whose it is.
    share: u32,
    /// Whose entries are counted here, and how many they are.
    counted: u32,
    count: u32,
}

impl SpentSlot {
    /// A free place.
    pub const FREE: Self = Self {
        key: [0; SpentKey::LEN],
        expires_at: 0,
        state: FREE,
        shared: false,
        unused: [0; 2],
        share: 0,
        counted: 0,
        count: 0,
    };

    /// Takes the entry of another slot; what is counted here stays.
    fn take(&mut self, entry: &Self) {
        *self = Self {
            counted: self.counted,
            count: self.count,
            ..*entry
        };
    }
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
    /// The newest second that the set was told. It never goes back.
    clock: u32,
    /// Live entries that are pending or accepted.
    held: u32,
    /// Live entries of refused attempts.
    refused: u32,
    /// Live entries by the second in which they expire (modulo [`RING`]): held, refused.
    by_expiry: [[u32; 2]; RING],
}

impl SpentHeader {
    /// The header of an empty set that holds `capacity` live entries (at least two).
    #[must_use]
    pub const fn new(capacity: u32) -> Self {
        let capacity = if capacity < 2 { 2 } else { capacity };
        Self {
            capacity,
            taken: 0,
            cursor: 0,
            clock: 0,
            held: 0,
            refused: 0,
            by_expiry: [[0; 2]; RING],
        }
    }

    /// How many slots a set of this capacity needs.
    #[must_use]
    pub const fn slots_for(capacity: u32) -> usize {
        let capacity = if capacity < 2 { 2 } else { capacity };
        2 * capacity as usize
    }
}

/// The answer to [`SpentSet::spend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Spend {
    /// The challenge was unused and is spent now: look at the equation.
    Fresh,
    /// The challenge was used before: deny.
    Spent,
    /// The challenge has expired by the newest clock the set has seen: deny. A clock that was set
    /// back gives nothing a second life.
    Expired,
    /// Every place is held: throttle. Nothing was forgotten and the challenge is still unused.
    Full {
        /// When the next place falls free, in seconds.
        retry_after: u32,
    },
}

/// How full a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpentStats {
    /// How many live entries it can hold.
    pub capacity: u32,
    /// Live entries that are pending or accepted.
    pub held: u32,
    /// Live entries of refused attempts.
    pub refused: u32,
}

/// The set, over a header and slots that somebody else owns. The owner sees to it that one thread
/// at a time works on them.
pub struct SpentSet<'a> {
    header: &'a mut SpentHeader,
    slots: &'a mut [SpentSlot],
}

impl<'a> SpentSet<'a> {
    /// The set that is kept in `header` and `slots`.
    ///
    /// # Panics
    /// When there are not exactly [`SpentHeader::slots_for`] slots: the host laid its memory out
    /// wrongly.
    #[must_use]
    pub fn over(header: &'a mut SpentHeader, slots: &'a mut [SpentSlot]) -> Self {
        assert_eq!(
            slots.len(),
            SpentHeader::slots_for(header.capacity),
            "slots of a spent set do not fit its header"
        );
        Self { header, slots }
    }

    /// Spends a challenge, before the equation is looked at: of many callers with one challenge,
    /// one is told [`Spend::Fresh`].
    pub fn spend(&mut self, key: &SpentKey, expires_at: u32, now: u64) -> Spend {
        self.spend_of(None, key, expires_at, now)
    }

    /// The same for a set of which each client has a share, so that none can keep the others out: once half
    /// of the places are taken, a client whose pending and accepted attempts hold a 64th of the capacity (but
    /// 16) gets no more.
    pub fn spend_within_share(
        &mut self,
        share: ShareTag,
        key: &SpentKey,
        expires_at: u32,
        now: u64,
    ) -> Spend {
        self.spend_of(Some(share.0), key, expires_at, now)
    }

    fn spend_of(&mut self, share: Option<u32>, key: &SpentKey, expires_at: u32, now: u64) -> Spend {
        self.advance(now);
        let clock = self.header.clock;
        if expires_at <= clock || (expires_at - clock) as usize >= RING {
            return Spend::Expired;
        }
        if self.find(key).is_ok() {
            return Spend::Spent;
        }
        let mut full = self.has_no_place();
        if full {
            // A full table is swept as well, so that it recovers without insertions.
            self.sweep(SWEEP);
        } else if let Some(share) = share {
            full = self.has_used_its_share(share);
            if full {
                self.sweep(SWEEP_FOR_SHARE);
                full = self.has_used_its_share(share);
            }
        }
        if full {
            return Spend::Full {
                retry_after: self.next_expiry(),
            };
        }
        // Sweeping has moved entries.
        let Err(at) = self.find(key) else {
            return Spend::Spent;
        };
        self.slots[at].take(&SpentSlot {
            key: *key.as_bytes(),
            expires_at,
            state: HELD,
            shared: share.is_some(),
            share: share.unwrap_or_default(),
            ..SpentSlot::FREE
        });
        if let Some(share) = share {
            shares::count_one(self.slots, share);
        }
        self.header.taken += 1;
        self.header.held += 1;
        self.header.by_expiry[expires_at as usize % RING][0] += 1;
        self.sweep(SWEEP);
        Spend::Fresh
    }

    /// Says that the attempt which spent this challenge was refused. It keeps its place as long as
    /// refused attempts hold no more than half of the capacity, and gives it back otherwise.
    pub fn refused(&mut self, key: &SpentKey) {
        let Ok(at) = self.find(key) else { return };
        let slot = self.slots[at];
        if slot.state != HELD || slot.expires_at <= self.header.clock {
            return;
        }
        let second = &mut self.header.by_expiry[slot.expires_at as usize % RING];
        second[0] -= 1;
        self.header.held -= 1;
        // A stranger can have attempts refused in a client's name: they are not the client's.
        if slot.shared {
            self.slots[at].shared = false;
            shares::uncount_one(self.slots, slot.share);
        }
        if self.header.refused < self.header.capacity / 2 {
            second[1] += 1;
            self.header.refused += 1;
            self.slots[at].state = REFUSED;
        } else {
            self.free(at);
        }
    }

    /// When the next place falls free, in seconds, if every place is held at `now`: so that a host
    /// can answer an attempt for an unknown client, which spends nothing, as it answers others.
    #[must_use]
    pub fn full(&mut self, now: u64) -> Option<u32> {
        self.advance(now);
        self.has_no_place().then(|| self.next_expiry())
    }

    /// How full the set is at `now`.
    #[must_use]
    pub fn stats(&mut self, now: u64) -> SpentStats {
        self.advance(now);
        SpentStats {
            capacity: self.header.capacity,
            held: self.header.held,
            refused: self.header.refused,
        }
    }

    fn has_used_its_share(&self, share: u32) -> bool {
        let live = self.header.held + self.header.refused;
        shares::is_used_up(self.slots, share, live, self.header.capacity)
    }

    fn has_no_place(&self) -> bool {
        let live = self.header.held + self.header.refused;
        live >= self.header.capacity || self.header.taken as usize + 1 >= self.slots.len()
    }

    /// Moves the clock on and takes out of the counts what has expired by then.
    fn advance(&mut self, now: u64) {
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        let clock = self.header.clock;
        if now <= clock {
            return;
        }
        self.header.clock = now;
        for passed in 1..=(now - clock).min(RING as u32) {
            let second = &mut self.header.by_expiry[clock.wrapping_add(passed) as usize % RING];
            self.header.held -= second[0];
            self.header.refused -= second[1];
            *second = [0; 2];
        }
    }

    /// Seconds until the first live entry expires.
    fn next_expiry(&self) -> u32 {
        let clock = self.header.clock;
        (1..RING as u32)
            .find(|ahead| {
                self.header.by_expiry[clock.wrapping_add(*ahead) as usize % RING] != [0; 2]
            })
            .unwrap_or(1)
    }

    /// Where the key is, or the free slot where it would go.
    fn find(&self, key: &SpentKey) -> Result<usize, usize> {
        let mut at = home(key.as_bytes(), self.slots.len());
        // At least one slot is always free, so this ends.
        loop {
            let slot = &self.slots[at];
            if slot.state == FREE {
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
            if self.header.taken == self.header.held + self.header.refused {
                // Nothing that has expired lies about.
                return;
            }
            let at = self.header.cursor as usize;
            let slot = self.slots[at];
            if slot.state != FREE && slot.expires_at <= self.header.clock {
                // Another entry may have moved here: look again next time.
                self.free(at);
                if slot.shared {
                    shares::uncount_one(self.slots, slot.share);
                }
            } else {
                self.header.cursor = after(at, self.slots.len()) as u32;
            }
        }
    }

    /// Frees a slot and closes the gap, so that looking for a key can stop at the first free slot.
    fn free(&mut self, at: usize) {
        let len = self.slots.len();
        let gap = close_gap(
            self.slots,
            at,
            |slot| (slot.state != FREE).then(|| home(&slot.key, len)),
            SpentSlot::take,
        );
        self.slots[gap].take(&SpentSlot::FREE);
        self.header.taken -= 1;
    }
}

/// A spent set in the memory of the process.
pub struct OwnedSpentSet {
    header: Box<SpentHeader>,
    slots: Vec<SpentSlot>,
}

impl OwnedSpentSet {
    /// An empty set for `capacity` live entries (at least two), of 72 bytes each and 8 KiB once.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        Self {
            header: Box::new(SpentHeader::new(capacity)),
            slots: vec![SpentSlot::FREE; SpentHeader::slots_for(capacity)],
        }
    }

    /// The set.
    #[must_use]
    pub fn set(&mut self) -> SpentSet<'_> {
        SpentSet::over(&mut self.header, &mut self.slots)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const NOW: u64 = 1_795_000_000;

    fn key(n: u64) -> SpentKey {
        use sha2::{Digest, Sha512};
        let digest: [u8; 64] = Sha512::digest(n.to_le_bytes()).into();
        SpentKey::from_bytes(digest[..16].try_into().unwrap())
    }

    fn expiry(seconds: u32) -> u32 {
        NOW as u32 + seconds
    }

    #[test]
    fn a_challenge_is_fresh_once() {
        let mut owned = OwnedSpentSet::new(10);
        let mut set = owned.set();
        assert_eq!(set.spend(&key(1), expiry(120), NOW), Spend::Fresh);
        assert_eq!(set.spend(&key(1), expiry(120), NOW), Spend::Spent);
        set.refused(&key(1));
        assert_eq!(set.spend(&key(1), expiry(120), NOW + 119), Spend::Spent);
        assert_eq!(set.spend(&key(1), expiry(120), NOW + 120), Spend::Expired);
    }

    #[test]
    fn a_set_full_of_accepted_ones_throttles_forgets_nothing_and_recovers() {
        let mut owned = OwnedSpentSet::new(100);
        let mut set = owned.set();
        for n in 0..100 {
            assert_eq!(set.spend(&key(n), expiry(50), NOW), Spend::Fresh);
        }
        for n in 100..1000 {
            assert_eq!(
                set.spend(&key(n), expiry(120), NOW + 20),
                Spend::Full { retry_after: 30 }
            );
        }
        assert_eq!(set.full(NOW + 20), Some(30));
        for n in 0..100 {
            assert_eq!(set.spend(&key(n), expiry(50), NOW + 49), Spend::Spent);
        }
        assert_eq!(set.full(NOW + 50), None);
        for n in 100..200 {
            assert_eq!(set.spend(&key(n), expiry(120), NOW + 50), Spend::Fresh);
        }
    }

    #[test]
    fn a_flood_of_refused_attempts_leaves_half_for_accepted_ones() {
        let mut owned = OwnedSpentSet::new(100);
        let mut set = owned.set();
        for n in 0..10_000 {
            assert_eq!(set.spend(&key(n), expiry(120), NOW), Spend::Fresh);
            set.refused(&key(n));
        }
        assert_eq!(
            set.stats(NOW),
            SpentStats {
                capacity: 100,
                held: 0,
                refused: 50
            }
        );
        for n in 20_000..20_050 {
            assert_eq!(set.spend(&key(n), expiry(120), NOW), Spend::Fresh);
        }
        assert!(matches!(
            set.spend(&key(30_000), expiry(120), NOW),
            Spend::Full { .. }
        ));
        // The first half kept its place, and so is still refused as used.
        for n in 0..50 {
            assert_eq!(set.spend(&key(n), expiry(120), NOW), Spend::Spent);
        }
    }

    #[test]
    fn one_client_fills_its_share_of_a_set_and_keeps_nobody_out() {
        let mut owned = OwnedSpentSet::new(6400);
        let mut set = owned.set();
        let (greedy, other) = (ShareTag(7), ShareTag(8));
        for n in 0..3200 {
            let spent = set.spend_within_share(greedy, &key(n), expiry(120), NOW);
            assert_eq!(spent, Spend::Fresh);
        }
        for n in 3200..5000 {
            let spent = set.spend_within_share(greedy, &key(n), expiry(120), NOW + 10);
            assert!(matches!(spent, Spend::Full { .. }));
        }
        // What strangers have refused in a client's name takes nothing of its share.
        for n in 10_000..10_300 {
            let spent = set.spend_within_share(other, &key(n), expiry(120), NOW + 10);
            assert_eq!(spent, Spend::Fresh);
            set.refused(&key(n));
        }
        for n in 20_000..20_100 {
            let spent = set.spend_within_share(other, &key(n), expiry(120), NOW + 10);
            assert_eq!(spent, Spend::Fresh, "{n}");
        }
        let spent = set.spend_within_share(other, &key(20_100), expiry(120), NOW + 10);
        assert!(matches!(spent, Spend::Full { .. }));
        // Entries expire, and nobody has to come by for that.
        for n in 30_000..33_000 {
            let spent = set.spend_within_share(greedy, &key(n), expiry(300), NOW + 120);
            assert_eq!(spent, Spend::Fresh, "{n}");
        }
    }

    #[test]
    fn a_clock_set_back_revives_nothing() {
        let mut owned = OwnedSpentSet::new(10);
        let mut set = owned.set();
        assert_eq!(set.spend(&key(1), expiry(120), NOW), Spend::Fresh);
        assert_eq!(
            set.stats(NOW + 5000),
            SpentStats {
                capacity: 10,
                held: 0,
                refused: 0
            }
        );
        assert_eq!(set.spend(&key(1), expiry(120), NOW), Spend::Expired);
        assert_eq!(set.spend(&key(2), expiry(120), NOW), Spend::Expired);
    }

    #[test]
    fn an_expiry_beyond_the_ring_is_refused() {
        let mut owned = OwnedSpentSet::new(10);
        let mut set = owned.set();
        assert_eq!(set.spend(&key(1), expiry(RING as u32), NOW), Spend::Expired);
        assert_eq!(
            set.spend(&key(1), expiry(RING as u32 - 1), NOW),
            Spend::Fresh
        );
    }

    #[test]
    fn a_table_never_takes_more_than_its_bound_of_slots() {
        // Fill, let all expire at once, fill again: the worst case for sweeping by insertion.
        let capacity = 1000;
        let mut owned = OwnedSpentSet::new(capacity);
        let mut set = owned.set();
        let mut n = 0;
        for round in 0..5_u64 {
            for _ in 0..capacity {
                n += 1;
                let expires_at = expiry(10 * (round as u32 + 1));
                assert_eq!(
                    set.spend(&key(n), expires_at, NOW + 10 * round),
                    Spend::Fresh
                );
                assert!(set.header.taken <= capacity + capacity / 4 + SWEEP as u32);
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Spend { key: u64, life: u32 },
        Refuse { key: u64 },
        Wait { seconds: u64 },
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            6 => (0_u64..60, 1_u32..40).prop_map(|(key, life)| Op::Spend { key, life }),
            3 => (0_u64..60).prop_map(|key| Op::Refuse { key }),
            1 => (0_u64..15).prop_map(|seconds| Op::Wait { seconds }),
        ];
        proptest::collection::vec(op, 1..400)
    }

    proptest! {
        /// Against a map that forgets nothing by itself.
        #[test]
        fn it_behaves_as_a_plain_map_would(ops in ops(), capacity in 2_u32..24) {
            let mut owned = OwnedSpentSet::new(capacity);
            let mut set = owned.set();
            let mut model: HashMap<(u64, u32), bool> = HashMap::new();
            let mut last: HashMap<u64, u32> = HashMap::new();
            let mut now = NOW;
            for op in ops {
                model.retain(|(_, expires_at), _| u64::from(*expires_at) > now);
                match op {
                    Op::Spend { key: n, life } => {
                        // One key has one expiry for as long as it lives, as challenges do.
                        let expires_at = match last.get(&n) {
                            Some(&e) if u64::from(e) > now => e,
                            _ => now as u32 + life,
                        };
                        last.insert(n, expires_at);
                        let id = (n, expires_at);
                        let unique = key(n << 32 | u64::from(expires_at));
                        let expected = if model.contains_key(&id) {
                            Spend::Spent
                        } else if model.len() as u32 >= capacity {
                            let next = model.keys().map(|(_, e)| *e).min().unwrap();
                            Spend::Full { retry_after: next - now as u32 }
                        } else {
                            model.insert(id, false);
                            Spend::Fresh
                        };
                        prop_assert_eq!(set.spend(&unique, expires_at, now), expected);
                    }
                    Op::Refuse { key: n } => {
                        let Some(&expires_at) = last.get(&n) else { continue };
                        set.refused(&key(n << 32 | u64::from(expires_at)));
                        let refused = model.values().filter(|r| **r).count() as u32;
                        if model.get(&(n, expires_at)) == Some(&false) {
                            if refused < capacity / 2 {
                                model.insert((n, expires_at), true);
                            } else {
                                model.remove(&(n, expires_at));
                            }
                        }
                    }
                    Op::Wait { seconds } => now += seconds,
                }
                model.retain(|(_, expires_at), _| u64::from(*expires_at) > now);
                let stats = set.stats(now);
                let refused = model.values().filter(|r| **r).count() as u32;
                prop_assert_eq!((stats.held, stats.refused), (model.len() as u32 - refused, refused));
            }
        }
    }
}
