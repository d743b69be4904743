//! The way of audit events from backends to the writer of their database: a ring of fixed size that
//! never makes a backend wait. What finds no place is counted.

/// How many databases can have events on their way at once.
pub(crate) const CHANNELS: usize = 16;
/// How many events a channel holds.
pub(crate) const EVENTS: usize = 4096;

/// How long a writer that was asked for may take to come, in milliseconds.
const PATIENCE: u64 = 5_000;
/// After how many milliseconds a writer that could not be started is asked for again.
const RETRY: u64 = 1_000;

/// One channel. Database 0 is nobody's: the channel is free.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Channel<E> {
    database: u32,
    writer: Writer,
    /// Events that were ever put in, and ever taken out.
    put: u64,
    taken: u64,
    events: [Option<E>; EVENTS],
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Writer {
    /// 0: nobody asked for one yet.
    asked_at: u64,
    /// 0: none is running.
    pid: i32,
}

const NOBODY: Writer = Writer {
    asked_at: 0,
    pid: 0,
};

/// What is to be done after an event was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// A writer is at work; `wake` says whether it may be asleep.
    Writer { pid: i32, wake: bool },
    /// A writer was asked for and has not come yet.
    Waiting,
    /// No writer is at work: start one.
    Start,
    /// There was no place, and no writer is at work: start one.
    DroppedStart,
    /// There was no place. Nothing was kept, and the writer is as it was.
    Dropped,
}

/// The channels of all databases.
#[repr(transparent)]
pub(crate) struct Channels<E>([Channel<E>; CHANNELS]);

impl<E: Copy> Channels<E> {
    /// Puts an event of a database. `now` is in milliseconds of any clock that goes forward.
    pub(crate) fn put(&mut self, database: u32, event: E, now: u64) -> Put {
        let Some(channel) = self.claim(database, now) else {
            return Put::Dropped;
        };
        let waiting = channel.put - channel.taken;
        let starting = channel.must_start(now);
        if waiting >= EVENTS as u64 && !starting {
            return Put::Dropped;
        }
        if waiting < EVENTS as u64
            && let Some(place) = channel.events.get_mut(channel.put as usize % EVENTS)
        {
            *place = Some(event);
            channel.put += 1;
        }
        if starting {
            channel.writer.asked_at = now.max(1);
            return if waiting < EVENTS as u64 {
                Put::Start
            } else {
                Put::DroppedStart
            };
        }
        match channel.writer.pid {
            0 => Put::Waiting,
            pid => Put::Writer {
                pid,
                // It looks by itself every now and then: being woken for each event would cost more
                // than the event.
                wake: waiting == EVENTS as u64 / 4,
            },
        }
    }

    /// A writer has come. False when another is at work already or nothing is on its way.
    pub(crate) fn writer_came(&mut self, database: u32, pid: i32) -> bool {
        match self.find(database) {
            Some(channel) if channel.writer.pid == 0 => {
                channel.writer.pid = pid;
                true
            }
            _ => false,
        }
    }

    /// A writer has gone, whatever the cause. What it left waits for the next one.
    pub(crate) fn writer_gone(&mut self, database: u32, pid: i32) {
        if let Some(channel) = self.find(database)
            && channel.writer.pid == pid
        {
            channel.writer = NOBODY;
        }
    }

    /// Gives the channel back if nothing is on its way; then the writer must go.
    pub(crate) fn give_back(&mut self, database: u32, pid: i32) -> bool {
        match self.find(database) {
            Some(channel) if channel.writer.pid == pid && channel.put == channel.taken => {
                channel.release();
                true
            }
            Some(_) => false,
            None => true,
        }
    }

    /// Copies the oldest events behind those that `into` holds already, at most `most`, without
    /// taking them.
    pub(crate) fn peek(&mut self, database: u32, most: usize, into: &mut Vec<E>) {
        if let Some(channel) = self.find(database) {
            let from = channel.put.min(channel.taken + into.len() as u64);
            let copied = (channel.put - from).min(most as u64);
            into.extend(
                (from..from + copied)
                    .filter_map(|n| channel.events.get(n as usize % EVENTS).copied().flatten()),
            );
        }
    }

    /// Takes the oldest events, after they were written, and says how many are left.
    pub(crate) fn take(&mut self, database: u32, count: usize) -> usize {
        self.find(database).map_or(0, |channel| {
            channel.taken = channel.put.min(channel.taken + count as u64);
            // No more than a channel holds.
            (channel.put - channel.taken) as usize
        })
    }

    /// The databases whose events wait although nobody writes them: a writer could not be started.
    /// Whoever asks must start one for each.
    pub(crate) fn forsaken(&mut self, now: u64) -> Vec<u32> {
        let forsaken = self.0.iter_mut().filter(|channel| {
            channel.database != 0 && channel.must_start(now) && channel.put > channel.taken
        });
        forsaken
            .map(|channel| {
                channel.writer.asked_at = now.max(1);
                channel.database
            })
            .collect()
    }

    /// A writer could not be started: ask again in a second.
    pub(crate) fn not_started(&mut self, database: u32, now: u64) {
        if let Some(channel) = self.find(database)
            && channel.writer.pid == 0
        {
            channel.writer.asked_at = (now + RETRY).saturating_sub(PATIENCE).max(1);
        }
    }

    fn find(&mut self, database: u32) -> Option<&mut Channel<E>> {
        self.0
            .iter_mut()
            .find(|channel| channel.database == database && database != 0)
    }

    /// The channel of a database: its own, a free one, or one that a vanished database left.
    fn claim(&mut self, database: u32, now: u64) -> Option<&mut Channel<E>> {
        let at = self
            .0
            .iter()
            .position(|channel| channel.database == database)
            .or_else(|| self.0.iter().position(|channel| channel.database == 0))
            .or_else(|| self.0.iter().position(|channel| channel.must_start(now)))?;
        let channel = self.0.get_mut(at)?;
        if channel.database != database {
            channel.release();
            channel.database = database;
        }
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
        events: [None; EVENTS],
    };

    fn must_start(&self, now: u64) -> bool {
        self.writer.pid == 0
            && (self.writer.asked_at == 0 || now.saturating_sub(self.writer.asked_at) > PATIENCE)
    }

    fn release(&mut self) {
        self.database = 0;
        self.writer = NOBODY;
        self.taken = self.put;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

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

    #[test]
    fn the_first_event_asks_for_a_writer_and_the_next_do_not() {
        let mut c = channels();
        assert_eq!(c.put(1, 10, 0), Put::Start);
        assert_eq!(c.put(1, 11, 1), Put::Waiting);
        assert!(c.writer_came(1, 77));
        assert!(!c.writer_came(1, 78));
        assert_eq!(
            c.put(1, 12, 2),
            Put::Writer {
                pid: 77,
                wake: false
            }
        );
        for n in 3..EVENTS as u64 {
            let wake = n == EVENTS as u64 / 4;
            assert_eq!(c.put(1, 13, 2), Put::Writer { pid: 77, wake });
        }
    }

    #[test]
    fn a_writer_that_does_not_come_or_dies_is_asked_for_again_and_nothing_is_lost() {
        let mut c = channels();
        assert_eq!(c.put(1, 10, 0), Put::Start);
        assert_eq!(c.put(1, 11, PATIENCE + 2), Put::Start);
        assert!(c.writer_came(1, 77));
        c.writer_gone(1, 77);
        assert_eq!(c.put(1, 12, PATIENCE + 3), Put::Start);
        assert_eq!(waiting(&mut c, 1), [10, 11, 12]);
    }

    #[test]
    fn a_full_channel_drops_the_newest_and_still_asks_for_a_writer() {
        let mut c = channels();
        for n in 0..EVENTS as u32 {
            assert_ne!(c.put(1, n, 0), Put::Dropped);
        }
        assert_eq!(c.put(1, 1_000_000, 0), Put::Dropped);
        assert_eq!(c.put(1, 1_000_001, 2 * PATIENCE), Put::DroppedStart);
        assert_eq!(waiting(&mut c, 1), (0..EVENTS as u32).collect::<Vec<_>>());
    }

    #[test]
    fn what_waits_without_a_writer_is_found_and_asked_for_again() {
        let mut c = channels();
        let now = 10 * PATIENCE;
        assert_eq!(c.put(1, 10, now), Put::Start);
        c.not_started(1, now);
        assert_eq!(c.put(1, 11, now + 1), Put::Waiting);
        assert!(c.forsaken(now + RETRY).is_empty());
        assert_eq!(c.forsaken(now + RETRY + 1), [1]);
        assert!(c.forsaken(now + RETRY + 2).is_empty());
        assert_eq!(waiting(&mut c, 1), [10, 11]);
    }

    #[test]
    fn a_channel_is_given_back_only_when_nothing_is_on_its_way() {
        let mut c = channels();
        c.put(1, 10, 0);
        c.writer_came(1, 77);
        assert!(!c.give_back(1, 77));
        c.take(1, 1);
        assert!(c.give_back(1, 77));
        assert_eq!(c.put(1, 11, 1), Put::Start);
    }

    #[test]
    fn databases_do_not_get_in_each_others_way() {
        let mut c = channels();
        for database in 1..=CHANNELS as u32 {
            assert_eq!(c.put(database, database, 0), Put::Start);
            assert!(c.writer_came(database, database as i32));
        }
        assert_eq!(c.put(99, 1, 0), Put::Dropped);
        c.take(3, 1);
        assert!(c.give_back(3, 3));
        assert_eq!(c.put(99, 1, 0), Put::Start);
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
    }
}
