//! The places for connections: so many in all, and so many for one source. Who is idle makes room for
//! who comes; where nobody is, the newcomer waits in the lobby, where only health is answered.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::stage::Stage;
use crate::http::source::network;

/// How many connections the lobby holds. The oldest makes room, and whoever sends its request at once
/// is gone long before.
const LOBBY: usize = 64;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The source has all that one may have.
    Source,
    /// Everybody together has all that there are.
    Everywhere,
}

struct Held {
    source: IpAddr,
    stage: Arc<Stage>,
    /// Dropped to tell the connection to end.
    _evict: oneshot::Sender<()>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    held: HashMap<u64, Held>,
    by_source: HashMap<IpAddr, usize>,
    lobby: VecDeque<oneshot::Sender<()>>,
}

pub(super) struct Places {
    total: usize,
    per_source: usize,
    inner: Mutex<Inner>,
}

/// A place, free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    /// Resolves when the place goes to somebody else.
    pub(super) evicted: oneshot::Receiver<()>,
}

impl Places {
    pub(super) fn new(total: usize, per_source: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_source,
            inner: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection of this source.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr, stage: &Arc<Stage>) -> Result<Place, Full> {
        let source = network(peer);
        let mut inner = self.lock();
        let of_source = inner.by_source.get(&source).copied().unwrap_or(0);
        if of_source >= self.per_source && !inner.evict_idle(Some(source)) {
            return Err(Full::Source);
        }
        if inner.held.len() >= self.total {
            // Whoever has most gives first, so that nobody can push others out by coming often.
            let heaviest = inner.by_source.iter().max_by_key(|(_, count)| **count);
            let heaviest = heaviest.map(|(source, _)| *source);
            if !inner.evict_idle(heaviest) && !inner.evict_idle(None) {
                return Err(Full::Everywhere);
            }
        }
        let id = inner.next;
        inner.next += 1;
        let (evict, evicted) = oneshot::channel();
        let held = Held {
            source,
            stage: stage.clone(),
            _evict: evict,
        };
        inner.held.insert(id, held);
        *inner.by_source.entry(source).or_default() += 1;
        Ok(Place {
            places: self.clone(),
            id,
            evicted,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.lock().held.len()
    }

    /// Room in the lobby until so many others have come; resolves when that is so.
    pub(super) fn lobby(&self) -> oneshot::Receiver<()> {
        let (evict, evicted) = oneshot::channel();
        let mut inner = self.lock();
        if inner.lobby.len() == LOBBY {
            inner.lobby.pop_front();
        }
        inner.lobby.push_back(evict);
        evicted
    }
}

impl Inner {
    /// Ends the connection that has been idle for longest, of one source or of all.
    fn evict_idle(&mut self, source: Option<IpAddr>) -> bool {
        let idle = self
            .held
            .iter()
            .filter(|(_, held)| source.is_none_or(|source| held.source == source))
            .filter_map(|(id, held)| Some((held.stage.idle_since()?, *id)))
            .min();
        idle.is_some_and(|(_, id)| self.release(id))
    }

    fn release(&mut self, id: u64) -> bool {
        let Some(held) = self.held.remove(&id) else {
            return false;
        };
        if let Some(count) = self.by_source.get_mut(&held.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&held.source);
            }
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().release(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Arc<Stage> {
        let stage = Arc::new(Stage::new());
        stage.begins();
        stage
    }

    fn idle() -> Arc<Stage> {
        let stage = Arc::new(Stage::new());
        stage.begins();
        stage.ends();
        stage
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_source_has_its_share_and_others_have_theirs() {
        let places = Places::new(10, 2);
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let held: Vec<_> = (0..2).map(|_| places.take(one, &busy()).unwrap()).collect();
        assert_eq!(places.take(one, &busy()).err(), Some(Full::Source));
        let mapped = address("::ffff:192.0.2.1");
        assert_eq!(places.take(mapped, &busy()).err(), Some(Full::Source));
        assert!(places.take(other, &busy()).is_ok());
        drop(held);
        assert!(places.take(one, &busy()).is_ok());
        assert!(places.lock().by_source.is_empty(), "sources are remembered");
    }

    #[tokio::test]
    async fn who_is_idle_makes_room_and_who_is_busy_does_not() {
        let places = Places::new(2, 2);
        let one = address("192.0.2.1");
        let mut first = places.take(one, &idle()).unwrap();
        let mut second = places.take(one, &busy()).unwrap();
        let _third = places.take(one, &busy()).unwrap();
        assert!((&mut first.evicted).await.is_err());
        assert!(second.evicted.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(places.take(one, &busy()).err(), Some(Full::Source));
        drop(first);
        assert_eq!(places.lock().held.len(), 2, "a place was freed twice");
    }

    #[tokio::test]
    async fn who_has_most_connections_gives_the_first_one_back() {
        let places = Places::new(3, 3);
        let (greedy, modest) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut modest_one = places.take(modest, &idle()).unwrap();
        let greedy_ones: Vec<_> = (0..2)
            .map(|_| places.take(greedy, &idle()).unwrap())
            .collect();
        let _newcomer = places.take(address("192.0.2.3"), &busy()).unwrap();
        assert!(modest_one.evicted.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        drop(greedy_ones);
    }

    #[tokio::test]
    async fn the_lobby_holds_the_newest() {
        let places = Places::new(1, 1);
        let mut waiting: Vec<_> = (0..=LOBBY).map(|_| places.lobby()).collect();
        use oneshot::error::TryRecvError::{Closed, Empty};
        assert_eq!(waiting[0].try_recv(), Err(Closed));
        assert_eq!(waiting[1].try_recv(), Err(Empty));
        assert_eq!(waiting[LOBBY].try_recv(), Err(Empty));
    }
}
