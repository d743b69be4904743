//! A queue that nobody can use against anybody else: sources take turns, and when it is full, the
//! source that holds most of it gives way to the one that holds less.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
};

/// Where something comes from: an address, or the network of 64 bits that an IPv6 address is in, since
/// one subscriber has as many of those as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source(Ipv6Addr);

impl Source {
    /// Connections without an address, such as those of a Unix socket, are one source.
    pub(crate) fn of(address: &str) -> Self {
        Self(match address.parse() {
            Ok(IpAddr::V4(address)) => address.to_ipv6_mapped(),
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => address,
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)
            }
            Err(_) => Ipv6Addr::UNSPECIFIED,
        })
    }
}

/// Who gives way when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivesWay {
    /// The oldest of the source that holds most, the newcomer's own if that holds as much, and the
    /// oldest of all where everybody holds one: who comes is always let in.
    Oldest,
    /// The newest of the source that holds most, if that is more than the newcomer's would. Otherwise
    /// the newcomer finds no place.
    Newest,
}

/// What became of something that was to be added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added<T> {
    Waits,
    /// It waits, and this one had to give way.
    InPlaceOf(T),
    /// There is no place for it.
    Refused(T),
}

/// The queue. Tickets name what is in it.
pub(crate) struct Fair<T> {
    gives_way: GivesWay,
    by_source: HashMap<Source, Line<T>>,
    by_size: BTreeSet<(usize, Source)>,
    /// Whose turn it is, the next one first.
    turns: BTreeSet<(u64, Source)>,
    last_turn: u64,
    source_of: BTreeMap<u64, Source>,
}

/// What waits of one source, with tickets.
struct Line<T> {
    turn: u64,
    waiting: VecDeque<(u64, T)>,
}

impl<T> Fair<T> {
    pub(crate) fn new(gives_way: GivesWay) -> Self {
        Self {
            gives_way,
            by_source: HashMap::new(),
            by_size: BTreeSet::new(),
            turns: BTreeSet::new(),
            last_turn: 0,
            source_of: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.source_of.len()
    }

    /// Whether something from this source would be added.
    pub(crate) fn has_place(&self, source: Source, capacity: usize) -> bool {
        self.len() < capacity
            || match self.gives_way {
                GivesWay::Oldest => capacity > 0,
                GivesWay::Newest => self.held_by(source) + 1 < self.most().0,
            }
    }

    /// Adds something, if there is a place for it, or somebody who holds more than its source would.
    pub(crate) fn add(
        &mut self,
        ticket: u64,
        source: Source,
        item: T,
        capacity: usize,
    ) -> Added<T> {
        if !self.has_place(source, capacity) {
            return Added::Refused(item);
        }
        let displaced = if self.len() < capacity {
            None
        } else {
            self.give_way_to(source)
        };
        let turn = self.last_turn + 1;
        let line = self.by_source.entry(source).or_insert_with(|| Line {
            turn,
            waiting: VecDeque::new(),
        });
        if line.waiting.is_empty() {
            self.last_turn = turn;
            self.turns.insert((turn, source));
        }
        self.by_size.remove(&(line.waiting.len(), source));
        line.waiting.push_back((ticket, item));
        self.by_size.insert((line.waiting.len(), source));
        self.source_of.insert(ticket, source);
        displaced.map_or(Added::Waits, Added::InPlaceOf)
    }

    /// The next in turn.
    pub(crate) fn next(&mut self) -> Option<T> {
        let (_, source) = *self.turns.first()?;
        let item = self.take(source, 0)?;
        if let Some(line) = self.by_source.get_mut(&source) {
            self.turns.remove(&(line.turn, source));
            self.last_turn += 1;
            line.turn = self.last_turn;
            self.turns.insert((line.turn, source));
        }
        Some(item)
    }

    pub(crate) fn remove(&mut self, ticket: u64) -> Option<T> {
        let source = *self.source_of.get(&ticket)?;
        let waiting = &self.by_source.get(&source)?.waiting;
        let place = waiting.iter().position(|(other, _)| *other == ticket)?;
        self.take(source, place)
    }

    fn held_by(&self, source: Source) -> usize {
        self.by_source
            .get(&source)
            .map_or(0, |line| line.waiting.len())
    }

    /// What the source that holds most holds, and which it is.
    fn most(&self) -> (usize, Option<Source>) {
        self.by_size
            .last()
            .map_or((0, None), |(most, source)| (*most, Some(*source)))
    }

    fn give_way_to(&mut self, newcomer: Source) -> Option<T> {
        let (most, greedy) = self.most();
        match self.gives_way {
            GivesWay::Newest => self.take(greedy?, most.checked_sub(1)?),
            GivesWay::Oldest if self.held_by(newcomer) == most => self.take(newcomer, 0),
            GivesWay::Oldest if most > 1 => self.take(greedy?, 0),
            GivesWay::Oldest => self.remove(*self.source_of.first_key_value()?.0),
        }
    }

    /// At most so many tickets, in their order, from one on, and from the least again.
    pub(crate) fn tickets_from(&self, first: u64, at_most: usize) -> Vec<u64> {
        let (later, earlier) = (self.source_of.range(first..), self.source_of.range(..first));
        let tickets = later.chain(earlier).map(|(ticket, _)| *ticket);
        tickets.take(at_most).collect()
    }

    fn take(&mut self, source: Source, place: usize) -> Option<T> {
        let line = self.by_source.get_mut(&source)?;
        let held = line.waiting.len();
        let (ticket, item) = line.waiting.remove(place)?;
        self.by_size.remove(&(held, source));
        self.source_of.remove(&ticket);
        if held == 1 {
            self.turns.remove(&(line.turn, source));
            self.by_source.remove(&source);
        } else {
            self.by_size.insert((held - 1, source));
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(number: u8) -> Source {
        Source::of(&format!("192.0.2.{number}"))
    }

    #[test]
    fn an_address_is_a_source_and_so_is_a_network_of_ipv6() {
        assert_eq!(Source::of("2001:db8::1"), Source::of("2001:db8::ffff:1"));
        assert_ne!(Source::of("2001:db8::1"), Source::of("2001:db8:0:1::1"));
        assert_eq!(Source::of("::ffff:192.0.2.1"), Source::of("192.0.2.1"));
        assert_ne!(Source::of("192.0.2.1"), Source::of("192.0.2.2"));
        assert_eq!(Source::of("/run/redis.sock"), Source::of(""));
    }

    #[test]
    fn sources_take_turns() {
        let mut queue = Fair::new(GivesWay::Newest);
        for (ticket, from) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 3)] {
            assert_eq!(queue.add(ticket, source(from), ticket, 9), Added::Waits);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(order, [1, 4, 5, 2, 3]);
    }

    #[test]
    fn when_it_is_full_the_source_that_holds_most_gives_way_and_no_other() {
        let mut queue = Fair::new(GivesWay::Newest);
        for ticket in 1..=4 {
            assert_eq!(queue.add(ticket, source(1), ticket, 4), Added::Waits);
        }
        assert_eq!(queue.add(5, source(1), 5, 4), Added::Refused(5));
        assert_eq!(queue.add(6, source(2), 6, 4), Added::InPlaceOf(4));
        assert_eq!(queue.add(7, source(2), 7, 4), Added::InPlaceOf(3));
        // Two and two: nobody holds more than the newcomer would.
        assert_eq!(queue.add(8, source(2), 8, 4), Added::Refused(8));
        assert_eq!(queue.add(9, source(3), 9, 4), Added::InPlaceOf(7));
        assert!(!queue.has_place(source(3), 4));
    }

    #[test]
    fn where_the_oldest_gives_way_everybody_is_let_in() {
        let mut queue = Fair::new(GivesWay::Oldest);
        for ticket in 1..=3 {
            assert_eq!(queue.add(ticket, source(9), ticket, 3), Added::Waits);
        }
        assert_eq!(queue.tickets_from(2, 2), [2, 3]);
        assert_eq!(queue.tickets_from(3, 9), [3, 1, 2]);
        assert_eq!(queue.add(4, source(9), 4, 3), Added::InPlaceOf(1));
        assert_eq!(queue.add(5, source(2), 5, 3), Added::InPlaceOf(2));
        assert_eq!(queue.add(6, source(3), 6, 3), Added::InPlaceOf(3));
        // Each holds one: the oldest of all goes, whatever its address.
        assert_eq!(queue.add(7, source(1), 7, 3), Added::InPlaceOf(4));
        assert_eq!(queue.add(8, source(4), 8, 3), Added::InPlaceOf(5));
        assert_eq!(queue.add(9, source(4), 9, 0), Added::Refused(9));
    }

    #[test]
    fn without_places_nothing_waits() {
        let mut queue = Fair::new(GivesWay::Newest);
        assert_eq!(queue.add(1, source(1), (), 0), Added::Refused(()));
        assert_eq!(queue.next(), None);
    }

    proptest! {
        /// However much others send, a source that holds less than its share is never refused and
        /// never gives way.
        #[test]
        fn whoever_holds_less_than_its_share_is_let_in_and_stays(
            steps in proptest::collection::vec((0_u8..6, 0_u8..8), 1..200),
            capacity in 1_usize..12,
        ) {
            let mut queue = Fair::new(GivesWay::Newest);
            let mut held: Vec<(u64, Source)> = Vec::new();
            for (ticket, (action, from)) in (0_u64..).zip(steps) {
                let from = source(from);
                let count = |held: &[(u64, Source)], of| held.iter().filter(|(_, s)| *s == of).count();
                match action {
                    0 => {
                        if let Some(taken) = queue.next() {
                            held.retain(|(ticket, _)| *ticket != taken);
                        }
                    }
                    1 => {
                        let ticket = held.first().map(|(ticket, _)| *ticket);
                        if let Some(ticket) = ticket {
                            prop_assert_eq!(queue.remove(ticket), Some(ticket));
                            held.remove(0);
                            prop_assert_eq!(queue.remove(ticket), None);
                        }
                    }
                    _ => {
                        let own = count(&held, from);
                        let most = held.iter().map(|(_, s)| count(&held, *s)).max().unwrap_or(0);
                        let expected = held.len() < capacity || own + 1 < most;
                        prop_assert_eq!(queue.has_place(from, capacity), expected);
                        match queue.add(ticket, from, ticket, capacity) {
                            Added::Waits => held.push((ticket, from)),
                            Added::InPlaceOf(other) => {
                                let (_, greedy) = *held.iter().find(|(t, _)| *t == other).unwrap();
                                prop_assert_eq!(count(&held, greedy), most);
                                held.retain(|(t, _)| *t != other);
                                held.push((ticket, from));
                            }
                            Added::Refused(_) => prop_assert!(!expected),
                        }
                    }
                }
                prop_assert_eq!(queue.len(), held.len());
                prop_assert!(queue.len() <= capacity);
                prop_assert_eq!(queue.by_source.values().map(|l| l.waiting.len()).sum::<usize>(), held.len());
                prop_assert_eq!(queue.turns.len(), queue.by_source.len());
                prop_assert_eq!(queue.by_size.len(), queue.by_source.len());
            }
        }
    }
}
