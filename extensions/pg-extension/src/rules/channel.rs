//! The way of audit events from backends to the writer of their database: a ring of fixed size that
//! never makes a backend wait. What finds no place is counted; what found one leaves it when it was
//! written, or is counted then.

/// How many databases can have events on their way at once.
pub(crate) const CHANNELS: usize = 16;
/// How many events a channel holds.
pub(crate) const EVENTS: usize = 4096;

/// How long a writer that was asked for may take to come, in milliseconds.
const PATIENCE: u64 = 5_000;
/// After how many milliseconds a writer that could not be started is asked for again.
const RETRY: u64 = 1_000;
/// How long the next writer waits after one that failed, doubled for each further one up to 64 times.
const PAUSE: u64 = 1_000;

/// One channel. Database 0 is nobody's: the channel is free.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Channel<E> {
    database: u32,
    writer: Writer,
    /// Events that were ever put in, and ever taken out.
    put: u64,
    taken: u64,
    /// Since when events wait.
    since: u64,
    events: [Option<E>; EVENTS],
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Writer {
    /// 0: nobody asked for one yet.
    asked_at: u64,
    /// 0: none is running.
    pid: i32,
    /// How many have failed, one after the other.
    failures: u32,
    /// When the next one may begin.
    not_before: u64,
    /// There was no place for another process.
    starved: bool,
}

const NOBODY: Writer = Writer {
    asked_at: 0,
    pid: 0,
    failures: 0,
    not_before: 0,
    starved: false,
};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    /// Whether there was a place. It is to be counted if not.
    pub(crate) kept: bool,
    /// A writer that may be asleep and should not be.
    pub(crate) wake: Option<i32>,
}

/// What a process is told that has come to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// When it may begin.
    pub(crate) not_before: u64,
    /// How many have failed before it.
    pub(crate) failures: u32,
}

/// The channels of all databases.
#[repr(transparent)]
pub(crate) struct Channels<E>([Channel<E>; CHANNELS]);

impl<E: Copy> Channels<E> {
    /// Puts an event of a database. `now` is in milliseconds of any clock that goes forward.
    pub(crate) fn put(&mut self, database: u32, event: E, now: u64) -> Put {
        let none = Put {
            kept: false,
            wake: None,
        };
        let Some(channel) = self.claim(database) else {
            return none;
        };
        let waiting = channel.waiting();
        if waiting >= EVENTS as u64 {
            return none;
        }
        let Some(place) = channel.events.get_mut(channel.put as usize % EVENTS) else {
            return none;
        };
        *place = Some(event);
        channel.put += 1;
        if waiting == 0 {
            channel.since = now;
        }
        Put {
            kept: true,
            // It looks by itself every now and then: being woken for each event would cost more than
            // the event.
            wake: (channel.writer.pid != 0 && waiting == EVENTS as u64 / 4)
                .then_some(channel.writer.pid),
        }
    }

    /// Whether any events wait that nobody writes: a quick look before [`Channels::due`].
    pub(crate) fn any_due(&self, now: u64) -> bool {
        self.0.iter().any(|channel| channel.is_due(now))
    }

    /// Whether any events wait whose writer has not come yet.
    pub(crate) fn any_without_a_writer(&self) -> bool {
        self.0
            .iter()
            .any(|channel| channel.waiting() > 0 && channel.writer.pid == 0)
    }

    /// The databases whose events wait although nobody writes them, the longest wait first. Whoever
    /// asks must start a writer for each.
    pub(crate) fn due(&mut self, now: u64) -> Vec<u32> {
        let mut due: Vec<_> = self
            .0
            .iter_mut()
            .filter(|channel| channel.is_due(now))
            .map(|channel| {
                channel.writer.asked_at = now.max(1);
                (channel.since, channel.database)
            })
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, database)| database).collect()
    }

    /// A writer could not be started: ask again in a second.
    pub(crate) fn not_started(&mut self, database: u32, now: u64) {
        if let Some(channel) = self.find(database)
            && channel.writer.pid == 0
        {
            channel.writer.asked_at = (now + RETRY).saturating_sub(PATIENCE).max(1);
            channel.writer.starved = true;
        }
    }

    /// A writer has come. `None` when another is at work already or nothing is on its way.
    pub(crate) fn writer_came(&mut self, database: u32, pid: i32) -> Option<Turn> {
        let channel = self.find(database)?;
        if channel.writer.pid != 0 {
            return None;
        }
        channel.writer.pid = pid;
        channel.writer.starved = false;
        Some(Turn {
            not_before: channel.writer.not_before,
            failures: channel.writer.failures,
        })
    }

    /// Whether events of another database wait for the place of a process that this writer has.
    pub(crate) fn others_starve(&self) -> bool {
        self.0.iter().any(|channel| {
            channel.writer.starved && channel.writer.pid == 0 && channel.waiting() > 0
        })
    }

    /// A writer has gone without having said so, whatever the cause. What it left waits for the next
    /// one, who is to begin later each time: true if that one is to be started.
    pub(crate) fn writer_gone(&mut self, database: u32, pid: i32, now: u64) -> bool {
        let Some(channel) = self.writers(database, pid) else {
            return false;
        };
        let failures = channel.writer.failures.saturating_add(1);
        channel.writer = Writer {
            failures,
            not_before: now + (PAUSE << (failures - 1).min(6)),
            ..NOBODY
        };
        if channel.waiting() == 0 {
            channel.release();
            return false;
        }
        channel.writer.asked_at = channel.writer.not_before;
        true
    }

    /// Gives the channel back if nothing is on its way; then the writer must go.
    pub(crate) fn give_back(&mut self, database: u32, pid: i32) -> bool {
        let Some(channel) = self.writers(database, pid) else {
            return true;
        };
        if channel.waiting() > 0 {
            return false;
        }
        channel.release();
        self.a_place_is_free();
        true
    }

    /// The writer goes for another's sake, and what it leaves waits behind what waits already.
    pub(crate) fn give_way(&mut self, database: u32, pid: i32, now: u64) {
        if let Some(channel) = self.writers(database, pid) {
            channel.writer = NOBODY;
            channel.since = now;
            if channel.waiting() == 0 {
                channel.release();
            }
        }
        self.a_place_is_free();
    }

    /// Whoever had none may ask again at once.
    fn a_place_is_free(&mut self) {
        for channel in self.0.iter_mut().filter(|c| c.writer.starved) {
            channel.writer.asked_at = 0;
        }
    }

    /// Copies the oldest events behind those that `into` holds already, at most `most`, without
    /// taking them.
    pub(crate) fn peek(&mut self, database: u32, most: usize, into: &mut Vec<E>) {
        if let Some(channel) = self.find(database) {
            let from = channel.put.min(channel.taken + into.len() as u64);
            let copied = (channel.put - from).min(most as u64);
            into.extend(channel.from(from).take(copied as usize));
        }
    }

    /// Takes the oldest events, after they were written or counted, and says how many are left.
    pub(crate) fn take(&mut self, database: u32, count: usize) -> usize {
        self.find(database).map_or(0, |channel| {
            channel.taken = channel.put.min(channel.taken + count as u64);
            channel.writer.failures = 0;
            // No more than a channel holds.
            channel.waiting() as usize
        })
    }

    /// Forgets the events of a database that is gone, and says how many they were.
    pub(crate) fn forget(&mut self, database: u32) -> u64 {
        self.find(database).map_or(0, |channel| {
            let waiting = channel.waiting();
            channel.release();
            waiting
        })
    }

    /// How many events wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.0.iter().map(Channel::waiting).sum()
    }

    /// Everything that waits, with its database.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, E)> {
        self.0
            .iter()
            .filter(|channel| channel.database != 0 && channel.waiting() <= EVENTS as u64)
            .flat_map(|channel| {
                channel
                    .from(channel.taken)
                    .map(|event| (channel.database, event))
            })
    }

    fn find(&mut self, database: u32) -> Option<&mut Channel<E>> {
        self.0
            .iter_mut()
            .find(|channel| channel.database == database && database != 0)
    }

    fn writers(&mut self, database: u32, pid: i32) -> Option<&mut Channel<E>> {
        self.find(database)
            .filter(|channel| channel.writer.pid == pid)
    }

    /// The channel of a database: its own or a free one.
    fn claim(&mut self, database: u32) -> Option<&mut Channel<E>> {
        let place = |wanted: u32| move |channel: &Channel<E>| channel.database == wanted;
        let at = self
            .0
            .iter()
            .position(place(database))
            .or_else(|| self.0.iter().position(place(0)))?;
        let channel = self.0.get_mut(at)?;
        channel.database = database;
        Some(channel)
    }
}

impl<E: Copy> Channel<E> {
    /// A free one, for the host to lay out its memory with.
    pub(crate) const FREE: Self = Self {
        database: 0,
        writer: NOBODY,
        put: 0,
        taken: 0,
        since: 0,
        events: [None; EVENTS],
    };

    const fn waiting(&self) -> u64 {
        self.put.wrapping_sub(self.taken)
    }

    fn from(&self, first: u64) -> impl Iterator<Item = E> {
        (first..self.put).filter_map(|n| self.events.get(n as usize % EVENTS).copied().flatten())
    }

    const fn is_due(&self, now: u64) -> bool {
        let asked = self.writer.asked_at;
        self.database != 0
            && self.waiting() > 0
            && self.writer.pid == 0
            && now >= self.writer.not_before
            && (asked == 0 || now.saturating_sub(asked) > PATIENCE)
    }

    const fn release(&mut self) {
        self.database = 0;
        self.writer = NOBODY;
        self.taken = self.put;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, VecDeque};

    fn channels() -> Box<Channels<u32>> {
        Box::new(Channels([Channel::FREE; CHANNELS]))
    }

    fn waiting(channels: &mut Channels<u32>, database: u32) -> Vec<u32> {
        let mut events = Vec::new();
        // Piece by piece, as the writer does.
        while {
            let before = events.len();
            channels.peek(database, 3, &mut events);
            events.len() > before
        } {}
        events
    }

    fn is_kept(put: Put) -> bool {
        put.kept
    }

    #[test]
    fn the_first_event_asks_for_a_writer_and_the_next_do_not() {
        let mut c = channels();
        assert!(is_kept(c.put(1, 10, 7)));
        assert_eq!(c.due(7), [1]);
        assert!(is_kept(c.put(1, 11, 8)));
        assert!(!c.any_due(8));
        assert!(c.writer_came(1, 77).is_some());
        assert!(c.writer_came(1, 78).is_none());
        for n in 2..EVENTS as u64 {
            let wake = (n == EVENTS as u64 / 4).then_some(77);
            assert_eq!(c.put(1, 13, 9), Put { kept: true, wake });
        }
    }

    #[test]
    fn a_writer_that_does_not_come_or_dies_is_asked_for_again_and_nothing_is_lost() {
        let mut c = channels();
        c.put(1, 10, 1);
        assert_eq!(c.due(1), [1]);
        c.put(1, 11, PATIENCE + 2);
        assert_eq!(c.due(PATIENCE + 2), [1]);
        assert!(c.writer_came(1, 77).is_some());
        assert!(c.writer_gone(1, 77, PATIENCE + 3));
        c.put(1, 12, PATIENCE + 3);
        assert_eq!(waiting(&mut c, 1), [10, 11, 12]);
    }

    #[test]
    fn writers_that_fail_come_more_and_more_seldom_until_one_succeeds() {
        let mut c = channels();
        c.put(1, 10, 1);
        let mut now = 1;
        for failures in 0..10_u32 {
            let turn = c.writer_came(1, 77).unwrap();
            assert_eq!(
                (turn.failures, turn.not_before),
                (failures, if failures == 0 { 0 } else { now })
            );
            assert!(c.writer_gone(1, 77, now));
            // Asked for by the one that failed; nobody else asks before it had time to come.
            let pause = PAUSE << failures.min(6);
            assert!(!c.any_due(now + pause + PATIENCE));
            assert!(c.any_due(now + pause + PATIENCE + 1));
            now += pause;
        }
        c.writer_came(1, 77).unwrap();
        c.put(1, 11, now);
        assert_eq!(c.take(1, 1), 1);
        assert!(c.writer_gone(1, 77, now));
        assert_eq!(c.writer_came(1, 78).unwrap().not_before, now + PAUSE);
    }

    #[test]
    fn a_full_channel_drops_the_newest_and_still_asks_for_a_writer() {
        let mut c = channels();
        for n in 0..EVENTS as u32 {
            assert!(is_kept(c.put(1, n, 1)));
        }
        assert_eq!(c.due(1), [1]);
        assert!(!is_kept(c.put(1, 1_000_000, 1)));
        assert_eq!(c.due(2 * PATIENCE), [1]);
        assert_eq!(waiting(&mut c, 1), (0..EVENTS as u32).collect::<Vec<_>>());
    }

    #[test]
    fn what_waits_without_a_writer_is_found_and_asked_for_again_the_longest_wait_first() {
        let mut c = channels();
        let now = 10 * PATIENCE;
        c.put(2, 10, now);
        c.put(1, 10, now + 1);
        assert_eq!(c.due(now + 1), [2, 1]);
        for database in [1, 2] {
            c.not_started(database, now + 1);
        }
        c.put(1, 11, now + 2);
        assert!(c.due(now + 1 + RETRY).is_empty());
        assert_eq!(c.due(now + 2 + RETRY), [2, 1]);
        assert!(c.due(now + 3 + RETRY).is_empty());
        assert_eq!(waiting(&mut c, 1), [10, 11]);
    }

    #[test]
    fn a_writer_hears_that_others_starve_and_goes_behind_them() {
        let mut c = channels();
        c.put(1, 10, 1);
        assert_eq!(c.due(1), [1]);
        c.writer_came(1, 77);
        assert!(!c.others_starve());
        c.put(2, 20, 2);
        assert_eq!(c.due(2), [2]);
        c.not_started(2, 2);
        assert!(c.others_starve());
        assert!(!c.any_due(3));
        c.give_way(1, 77, 3);
        assert_eq!(c.due(3), [2, 1]);
        c.writer_came(2, 78);
        assert!(!c.others_starve());
        assert_eq!(waiting(&mut c, 1), [10]);
    }

    #[test]
    fn a_channel_is_given_back_only_when_nothing_is_on_its_way() {
        let mut c = channels();
        c.put(1, 10, 0);
        c.writer_came(1, 77);
        assert!(!c.give_back(1, 77));
        c.take(1, 1);
        assert!(c.give_back(1, 77));
        c.put(1, 11, 1);
        assert_eq!(c.due(1), [1]);
    }

    #[test]
    fn databases_do_not_get_in_each_others_way() {
        let mut c = channels();
        for database in 1..=CHANNELS as u32 {
            assert!(is_kept(c.put(database, database, 0)));
        }
        assert_eq!(c.due(1).len(), CHANNELS);
        // However long they have waited, nobody's events make room for another's.
        assert!(!is_kept(c.put(99, 1, 100 * PATIENCE)));
        assert!(c.writer_came(3, 3).is_some());
        c.take(3, 1);
        assert!(c.give_back(3, 3));
        assert!(is_kept(c.put(99, 1, 100 * PATIENCE)));
        assert_eq!(waiting(&mut c, 4), [4]);
    }

    proptest! {
        #[test]
        fn events_come_out_once_and_in_order(steps in proptest::collection::vec(0_usize..9, 0..400)) {
            let mut c = channels();
            let mut model = VecDeque::new();
            for (n, step) in steps.into_iter().enumerate() {
                if step < 6 {
                    c.put(1, n as u32, n as u64);
                    model.push_back(n as u32);
                } else {
                    let left = c.take(1, step);
                    model.drain(..step.min(model.len()));
                    prop_assert_eq!(left, model.len());
                }
                prop_assert_eq!(&waiting(&mut c, 1), &model.iter().copied().collect::<Vec<_>>());
            }
        }

        /// Whatever databases come and go and however writers fare.
        #[test]
        fn every_event_is_waiting_or_taken_or_was_counted(
            steps in proptest::collection::vec((0_u8..12, 1_u32..24), 0..300)
        ) {
            let mut c = channels();
            let (mut put, mut refused, mut taken, mut forgotten) = (0_u64, 0_u64, 0_u64, 0_u64);
            let mut writers: HashMap<u32, i32> = HashMap::new();
            for (now, (step, database)) in steps.into_iter().enumerate() {
                let now = now as u64 * 700;
                let pid = writers.get(&database).copied().unwrap_or(-1);
                match step {
                    0..=4 => {
                        put += 1;
                        refused += u64::from(!c.put(database, 1, now).kept);
                    }
                    5 => {
                        for due in c.due(now) {
                            if c.writer_came(due, due as i32).is_some() {
                                writers.insert(due, due as i32);
                            }
                        }
                    }
                    6 => c.not_started(database, now),
                    7 => { c.writer_gone(database, pid, now); }
                    8 => { c.give_back(database, pid); }
                    9 => c.give_way(database, pid, now),
                    10 => {
                        let before = waiting(&mut c, database).len();
                        taken += (before - c.take(database, 2)) as u64;
                    }
                    _ => forgotten += c.forget(database),
                }
            }
            prop_assert_eq!(put, refused + taken + forgotten + c.waiting());
            prop_assert_eq!(c.all().count() as u64, c.waiting());
        }
    }
}
