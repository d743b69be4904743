//! Which connections have a session open: one place for each, in shared memory, so that an operator sees
//! them and can end them. A place is its connection's alone, so nobody can take another's.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{ClientKey, proven::Proven, statement::Identity};

/// A session as others see it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Open {
    pub(crate) number: Identity,
    pub(crate) client: ClientKey,
    /// `None` for a token's client that is not enrolled here.
    pub(crate) proven: Option<Proven>,
    /// The session user's OID.
    pub(crate) role: u32,
    /// Microseconds since the Unix epoch.
    pub(crate) since: i64,
    pub(crate) expires_at: i64,
    /// Milliseconds of a clock that nobody sets.
    pub(crate) deadline: u64,
}

/// One connection's place. Guarded by a lock, but for `ended`.
#[repr(C)]
pub(crate) struct Place {
    /// 0: nobody's.
    pid: i32,
    open: Option<Open>,
}

impl Place {
    pub(crate) const FREE: Self = Self { pid: 0, open: None };
}

/// Up to which of its sessions, by number, somebody else has ended those of a connection.
pub(crate) struct Ended(AtomicU64);

impl Ended {
    pub(crate) const fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn includes(&self, number: Identity) -> bool {
        number <= self.0.load(Ordering::Acquire)
    }
}

/// All places, with the lock held.
pub(crate) struct Roster<'a> {
    pub(crate) places: &'a mut [Place],
    pub(crate) ended: &'a [Ended],
}

impl Roster<'_> {
    /// A place for a connection, which counts its sessions from 1.
    pub(crate) fn claim(&mut self, pid: i32) -> Option<usize> {
        let at = self.places.iter().position(|place| place.pid == 0)?;
        *self.places.get_mut(at)? = Place { pid, open: None };
        self.ended.get(at)?.0.store(0, Ordering::Release);
        Some(at)
    }

    /// The connection has gone.
    pub(crate) fn release(&mut self, at: usize) {
        if let Some(place) = self.places.get_mut(at) {
            *place = Place::FREE;
        }
    }

    /// What the connection at a place has open now.
    pub(crate) fn publish(&mut self, at: usize, open: Option<Open>) {
        if let Some(place) = self.places.get_mut(at) {
            place.open = open;
        }
    }

    /// The sessions of a database that are in time.
    pub(crate) fn of_database(&self, database: u32, now: u64) -> Vec<(i32, Open)> {
        let open = self.places.iter().filter_map(|place| {
            let open = place.open.as_ref()?;
            (open.client.database() == database && now < open.deadline)
                .then_some((place.pid, *open))
        });
        open.collect()
    }

    /// Ends the sessions of a client that are in time, or that of one connection, and says how many.
    pub(crate) fn end(&mut self, client: &ClientKey, pid: Option<i32>, now: u64) -> usize {
        let mut count = 0;
        for (place, ended) in self.places.iter_mut().zip(self.ended) {
            let meant = |open: &Open| {
                open.client == *client
                    && now < open.deadline
                    && pid.is_none_or(|pid| pid == place.pid)
            };
            if let Some(open) = place.open.take_if(|open| meant(open)) {
                ended.0.fetch_max(open.number, Ordering::Release);
                count += 1;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1000;

    fn client(database: u32, id: &str) -> ClientKey {
        ClientKey::new(database, &id.parse().unwrap())
    }

    fn open(client: ClientKey, number: Identity) -> Option<Open> {
        Some(Open {
            number,
            client,
            proven: None,
            role: 10,
            since: 0,
            expires_at: 0,
            deadline: NOW + 1,
        })
    }

    fn with_roster(work: impl FnOnce(&mut Roster<'_>)) {
        let mut places = [Place::FREE, Place::FREE, Place::FREE];
        let ended = [Ended::none(), Ended::none(), Ended::none()];
        work(&mut Roster {
            places: &mut places,
            ended: &ended,
        });
    }

    #[test]
    fn each_connection_has_a_place_until_it_goes() {
        with_roster(|roster| {
            let claimed: Vec<_> = (1..=4).map(|pid| roster.claim(pid)).collect();
            assert_eq!(claimed, [Some(0), Some(1), Some(2), None]);
            roster.release(1);
            assert_eq!(roster.claim(5), Some(1));
        });
    }

    #[test]
    fn only_sessions_of_the_database_that_are_in_time_are_shown() {
        with_roster(|roster| {
            for (pid, key) in [(1, client(1, "alice")), (2, client(2, "alice"))] {
                let at = roster.claim(pid).unwrap();
                roster.publish(at, open(key, 1));
            }
            let shown = |roster: &Roster<'_>, now| -> Vec<i32> {
                let open = roster.of_database(1, now);
                open.into_iter().map(|(pid, _)| pid).collect()
            };
            assert_eq!(shown(roster, NOW), [1]);
            assert!(shown(roster, NOW + 1).is_empty());
            roster.publish(0, None);
            assert!(shown(roster, NOW).is_empty());
        });
    }

    #[test]
    fn ending_reaches_the_sessions_that_are_open_and_no_later_ones() {
        with_roster(|roster| {
            let alice = client(1, "alice");
            for (pid, key) in [(1, alice), (2, client(1, "bob")), (3, alice)] {
                let at = roster.claim(pid).unwrap();
                roster.publish(at, open(key, 7));
            }
            assert_eq!(roster.end(&alice, Some(3), NOW), 1);
            assert!(roster.ended[2].includes(7) && !roster.ended[2].includes(8));
            assert!(!roster.ended[0].includes(7) && !roster.ended[1].includes(7));
            assert_eq!(roster.end(&alice, None, NOW), 1);
            assert_eq!(roster.end(&alice, None, NOW), 0);
            assert!(roster.ended[0].includes(7) && !roster.ended[1].includes(7));
            // The next connection in that place counts from 1 again.
            roster.release(0);
            assert_eq!(roster.claim(9), Some(0));
            assert!(!roster.ended[0].includes(1));
        });
    }
}
