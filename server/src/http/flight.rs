//! Work in flight: so much at once for everybody together, in turns by subnet. There is no rate for
//! everybody together, which strangers would use up for all.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::oneshot;
use twofapi_crypto_core::Error;

/// How many wait for each that is in flight.
const WAITING: usize = 8;
/// How many sources are remembered that a client logged in from; one takes another's slot.
const KNOWN: usize = 1 << 14;
/// For how many seconds.
const KNOWN_FOR: u64 = 24 * 3600;

/// The work of one server.
pub(super) struct Flight {
    at_once: usize,
    inner: Mutex<Inner>,
    known: Known,
}

#[derive(Default)]
struct Inner {
    flying: usize,
    waiting: usize,
    /// Sources that a client logged in from lately, and all others, whose turn comes after them.
    first: Turns,
    others: Turns,
}

/// Who waits, in turns: one of each subnet, however many each sends.
#[derive(Default)]
struct Turns {
    by_subnet: HashMap<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
    order: VecDeque<IpAddr>,
}

/// Some work in flight, which has landed when this is dropped.
pub(super) struct Turn(Arc<Flight>);

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turn")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.land();
    }
}

impl Flight {
    pub(super) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            at_once: at_once.max(1),
            inner: Mutex::default(),
            known: Known::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of this source.
    ///
    /// # Errors
    /// [`Error::Throttled`] when too many wait already, and most of them are of this subnet.
    pub(super) async fn turn(
        self: &Arc<Self>,
        source: IpAddr,
        subnet: IpAddr,
        now: u64,
    ) -> Result<Turn, Error> {
        let is_known = self.known.is_recent(source, now);
        let waits = {
            let mut inner = self.lock();
            if inner.flying < self.at_once {
                inner.flying += 1;
                return Ok(Turn(self.clone()));
            }
            if inner.waiting >= self.at_once.saturating_mul(WAITING) && !inner.make_room(subnet) {
                return Err(too_many());
            }
            inner.waiting += 1;
            let (turn, waits) = oneshot::channel();
            let turns = match is_known {
                true => &mut inner.first,
                false => &mut inner.others,
            };
            turns.push(subnet, turn);
            waits
        };
        waits.await.map_err(|_| too_many())
    }

    /// How much is in flight, and how many wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.flying, inner.waiting)
    }

    /// A client has logged in from this source.
    pub(super) fn logged_in(&self, source: IpAddr, now: u64) {
        self.known.remember(source, now);
    }

    /// Gives the turn to the next who still waits.
    fn land(self: &Arc<Self>) {
        let mut inner = self.lock();
        loop {
            let Some(next) = inner.first.pop().or_else(|| inner.others.pop()) else {
                inner.flying -= 1;
                return;
            };
            inner.waiting -= 1;
            if next.is_closed() {
                continue;
            }
            drop(inner);
            // Who is gone at this moment drops it, and it is the turn of the next.
            let _ = next.send(Turn(self.clone()));
            return;
        }
    }
}

impl Inner {
    /// Has the subnet that most wait of make room for one of another, by its newest.
    fn make_room(&mut self, subnet: IpAddr) -> bool {
        let heaviest = [&mut self.others, &mut self.first]
            .into_iter()
            .filter_map(|turns| Some((turns.heaviest()?, turns)))
            .max_by_key(|((_, count), _)| *count);
        let Some(((heaviest, count), turns)) = heaviest else {
            return false;
        };
        if count <= turns.of(subnet) + 1 {
            return false;
        }
        turns.drop_newest(heaviest);
        self.waiting -= 1;
        true
    }
}

impl Turns {
    fn push(&mut self, subnet: IpAddr, turn: oneshot::Sender<Turn>) {
        let queue = self.by_subnet.entry(subnet).or_default();
        if queue.is_empty() {
            self.order.push_back(subnet);
        }
        queue.push_back(turn);
    }

    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        let subnet = self.order.pop_front()?;
        let queue = self.by_subnet.get_mut(&subnet)?;
        let turn = queue.pop_front();
        match queue.is_empty() {
            true => {
                self.by_subnet.remove(&subnet);
            }
            false => self.order.push_back(subnet),
        }
        turn
    }

    fn of(&self, subnet: IpAddr) -> usize {
        self.by_subnet.get(&subnet).map_or(0, VecDeque::len)
    }

    fn heaviest(&self) -> Option<(IpAddr, usize)> {
        let counts = self
            .by_subnet
            .iter()
            .map(|(subnet, queue)| (*subnet, queue.len()));
        counts.max_by_key(|(_, count)| *count)
    }

    /// At least one stays, so that the order is as it was.
    fn drop_newest(&mut self, subnet: IpAddr) {
        if let Some(queue) = self.by_subnet.get_mut(&subnet) {
            queue.pop_back();
        }
    }
}

fn too_many() -> Error {
    Error::Throttled {
        retry_after_seconds: 1,
    }
}

/// Sources by their hashes, in a table that never grows.
struct Known {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Known {
    fn new() -> Self {
        Self {
            slots: (0..KNOWN).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Its slot, and what is in it but for the second, which has the lower half.
    fn slot(&self, source: IpAddr) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one(source);
        (
            &self.slots[hash as usize % KNOWN],
            hash & !u64::from(u32::MAX),
        )
    }

    fn remember(&self, source: IpAddr, now: u64) {
        let (slot, tag) = self.slot(source);
        slot.store(tag | (now & u64::from(u32::MAX)), Ordering::Relaxed);
    }

    fn is_recent(&self, source: IpAddr, now: u64) -> bool {
        let (slot, tag) = self.slot(source);
        let kept = slot.load(Ordering::Relaxed);
        let at = kept & u64::from(u32::MAX);
        kept & !u64::from(u32::MAX) == tag && at != 0 && now.saturating_sub(at) < KNOWN_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Waits for a turn of this source, in a task of its own, and is in the queue when this returns.
    async fn waits(
        flight: &Arc<Flight>,
        source: &str,
        told: &Arc<Mutex<Vec<String>>>,
    ) -> tokio::task::JoinHandle<bool> {
        let (flight, source, told) = (flight.clone(), source.to_owned(), told.clone());
        let task = tokio::spawn(async move {
            let (subnet, _) = source.rsplit_once('.').unwrap();
            let subnet = address(&format!("{subnet}.0"));
            match flight.turn(address(&source), subnet, 100).await {
                Ok(turn) => {
                    told.lock().unwrap().push(source);
                    drop(turn);
                    true
                }
                Err(_) => false,
            }
        });
        tokio::task::yield_now().await;
        task
    }

    #[tokio::test]
    async fn subnets_take_turns_however_many_each_sends() {
        let flight = Flight::new(1);
        let told = Arc::default();
        let any = address("192.0.2.0");
        let held = flight.turn(any, any, 100).await.unwrap();
        let mut tasks = Vec::new();
        for source in [
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
            "198.51.100.1",
            "203.0.113.1",
        ] {
            tasks.push(waits(&flight, source, &told).await);
        }
        drop(held);
        for task in tasks {
            assert!(task.await.unwrap());
        }
        assert_eq!(
            *told.lock().unwrap(),
            [
                "192.0.2.1",
                "198.51.100.1",
                "203.0.113.1",
                "192.0.2.2",
                "192.0.2.3"
            ]
        );
        assert_eq!(flight.counts(), (0, 0));
    }

    #[tokio::test]
    async fn a_crowd_of_one_subnet_makes_room_for_others_and_is_bounded() {
        let flight = Flight::new(1);
        let told = Arc::default();
        let any = address("192.0.2.0");
        let held = flight.turn(any, any, 100).await.unwrap();
        let mut crowd = Vec::new();
        for _ in 0..3 * WAITING {
            crowd.push(waits(&flight, "192.0.2.1", &told).await);
        }
        assert_eq!(flight.counts(), (1, WAITING), "they are without bounds");
        let other = waits(&flight, "198.51.100.1", &told).await;
        drop(held);
        assert!(other.await.unwrap(), "a crowd keeps another subnet out");
        let mut served = 0;
        for task in crowd {
            served += usize::from(task.await.unwrap());
        }
        assert_eq!(served, WAITING - 1);
        assert_eq!(flight.counts(), (0, 0));
    }

    #[tokio::test]
    async fn who_logged_in_lately_goes_before_a_flood_of_strangers() {
        let flight = Flight::new(1);
        let told = Arc::default();
        let any = address("192.0.2.0");
        flight.logged_in(address("203.0.113.1"), 100);
        let held = flight.turn(any, any, 100).await.unwrap();
        let mut tasks = Vec::new();
        for source in ["192.0.2.1", "198.51.100.1", "203.0.113.1"] {
            tasks.push(waits(&flight, source, &told).await);
        }
        drop(held);
        for task in tasks {
            assert!(task.await.unwrap());
        }
        assert_eq!(told.lock().unwrap()[0], "203.0.113.1");
        assert!(flight.known.is_recent(address("203.0.113.1"), 100));
        assert!(
            !flight
                .known
                .is_recent(address("203.0.113.1"), 100 + KNOWN_FOR)
        );
        assert!(!flight.known.is_recent(address("203.0.113.2"), 100));
    }

    #[tokio::test]
    async fn whoever_gives_up_takes_no_turn_with_it() {
        let flight = Flight::new(1);
        let told = Arc::default();
        let any = address("192.0.2.0");
        let held = flight.turn(any, any, 100).await.unwrap();
        let gone = waits(&flight, "192.0.2.1", &told).await;
        let stays = waits(&flight, "198.51.100.1", &told).await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(held);
        assert!(stays.await.unwrap());
        assert_eq!(flight.counts(), (0, 0), "a turn was lost");
    }
}
