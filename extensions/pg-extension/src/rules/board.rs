//! The board on which committed changes to clients are posted, so that a session learns from a
//! memory read that its client was suspended, revoked or rotated elsewhere.
//!
//! Clients share buckets. A bucket counts its postings and remembers whom the last one was about:
//! a session that missed exactly one posting knows whether it was meant; one that missed more ends,
//! because it cannot know.

use core::sync::atomic::{AtomicU64, Ordering};

use super::ClientKey;

/// How many buckets a board has.
pub(crate) const BUCKETS: usize = 4096;

/// The board in shared memory.
#[repr(C)]
pub(crate) struct Board {
    generations: [AtomicU64; BUCKETS],
}

/// Whom the last posting of each bucket was about. Guarded by a lock, as the generations are for
/// those who write them.
#[repr(C)]
pub(crate) struct LastPosted([Option<ClientKey>; BUCKETS]);

impl LastPosted {
    pub(crate) const EMPTY: Self = Self([None; BUCKETS]);
}

/// What is remembered of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    bucket: usize,
    generation: u64,
}

impl Seen {
    /// Which bucket the client is in.
    pub(crate) const fn bucket(self) -> usize {
        self.bucket
    }
}

/// What a session finds on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing about this client; remember this from now on.
    Nothing(Seen),
    /// This client was changed, or too much was missed to tell.
    Changed,
}

impl Board {
    pub(crate) const fn empty() -> Self {
        Self {
            generations: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }

    /// To be called before the client's row is read: what is committed after that shows later.
    pub(crate) fn seen(&self, client: &ClientKey) -> Seen {
        let bucket = bucket_of(client);
        Seen {
            bucket,
            generation: self.generation(bucket),
        }
    }

    /// Whether nothing was posted in this bucket since: all that most calls ever do.
    pub(crate) fn unchanged(&self, seen: Seen) -> bool {
        self.generation(seen.bucket) == seen.generation
    }

    /// Looks closer, with the lock held.
    pub(crate) fn look(&self, last: &LastPosted, seen: Seen, client: &ClientKey) -> Found {
        let generation = self.generation(seen.bucket);
        let missed = generation.wrapping_sub(seen.generation);
        let about_another = || {
            last.0
                .get(seen.bucket)
                .and_then(Option::as_ref)
                .is_some_and(|posted| posted != client)
        };
        if missed == 0 || (missed == 1 && about_another()) {
            Found::Nothing(Seen { generation, ..seen })
        } else {
            Found::Changed
        }
    }

    /// Posts a change of one client, with the lock held.
    pub(crate) fn post(&self, last: &mut LastPosted, client: &ClientKey) {
        let bucket = bucket_of(client);
        if let Some(place) = last.0.get_mut(bucket) {
            *place = Some(*client);
        }
        self.advance(bucket, 1);
    }

    /// Posts a change of every client, with the lock held.
    pub(crate) fn post_everyone(&self) {
        // Two at once: nobody can take it for one about somebody else.
        (0..BUCKETS).for_each(|bucket| self.advance(bucket, 2));
    }

    fn advance(&self, bucket: usize, by: u64) {
        if let Some(generation) = self.generations.get(bucket) {
            generation.fetch_add(by, Ordering::Release);
        }
    }

    fn generation(&self, bucket: usize) -> u64 {
        self.generations
            .get(bucket)
            .map_or(u64::MAX, |generation| generation.load(Ordering::Acquire))
    }
}

/// FNV-1a, which needs no key: only an operator's changes are ever posted.
fn bucket_of(client: &ClientKey) -> usize {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let database = client.database().to_le_bytes();
    let hash = database
        .iter()
        .chain(client.id_bytes())
        .fold(0xcbf2_9ce4_8422_2325, step);
    (hash % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (Board, Box<LastPosted>) {
        (Board::empty(), Box::new(LastPosted::EMPTY))
    }

    fn client(database: u32, id: &str) -> ClientKey {
        ClientKey::new(database, &id.parse().unwrap())
    }

    /// Another client of the same bucket.
    fn neighbour(of: &ClientKey) -> ClientKey {
        (0..)
            .map(|n| client(1, &format!("neighbour-{n}")))
            .find(|other| bucket_of(other) == bucket_of(of))
            .unwrap()
    }

    #[test]
    fn a_posting_about_the_client_is_found() {
        let (board, mut last) = board();
        let alice = client(1, "alice");
        let seen = board.seen(&alice);
        assert!(board.unchanged(seen));
        board.post(&mut last, &alice);
        assert!(!board.unchanged(seen));
        assert_eq!(board.look(&last, seen, &alice), Found::Changed);
    }

    #[test]
    fn one_posting_about_a_neighbour_ends_nothing_and_two_cannot_be_told_apart() {
        let (board, mut last) = board();
        let alice = client(1, "alice");
        let other = neighbour(&alice);
        let seen = board.seen(&alice);
        board.post(&mut last, &other);
        let Found::Nothing(seen) = board.look(&last, seen, &alice) else {
            panic!("a neighbour's change ended the session")
        };
        assert!(board.unchanged(seen));
        board.post(&mut last, &alice);
        board.post(&mut last, &other);
        assert_eq!(board.look(&last, seen, &alice), Found::Changed);
    }

    #[test]
    fn the_same_id_in_another_database_is_another_client() {
        let (board, mut last) = board();
        let here = client(1, "alice");
        let seen = board.seen(&here);
        board.post(&mut last, &client(2, "alice"));
        assert!(matches!(board.look(&last, seen, &here), Found::Nothing(_)));
    }

    #[test]
    fn a_change_of_everyone_reaches_everyone() {
        let (board, last) = board();
        for id in ["alice", "bob", "carol"] {
            let seen = board.seen(&client(1, id));
            board.post_everyone();
            assert_eq!(board.look(&last, seen, &client(1, id)), Found::Changed);
        }
    }
}
