//! The board on which committed changes to clients are posted, so that a session learns from a
//! memory read that its client may have been suspended, revoked or rotated elsewhere.
//!
//! Clients share buckets, and a bucket counts its postings. Whoever finds that one was added reads
//! the client's row again: a neighbour's change costs a look and nothing else. Who shares a bucket
//! with whom is a secret of the server, so that nobody picks his neighbours.

use core::{
    hash::Hasher as _,
    sync::atomic::{AtomicU64, Ordering},
};

use siphasher::sip::SipHasher24;

use super::ClientKey;

/// How many buckets a board has.
pub(crate) const BUCKETS: usize = 4096;

/// The board in shared memory.
#[repr(C)]
pub(crate) struct Board {
    /// Under which clients are put into buckets. Written once, before anybody asks.
    key: [u8; Self::KEY_LEN],
    generations: [AtomicU64; BUCKETS],
}

/// What was known before a client's row was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    bucket: usize,
    generation: u64,
    definition: u64,
}

impl Seen {
    /// Which bucket the client is in.
    pub(crate) const fn bucket(self) -> usize {
        self.bucket
    }
}

impl Board {
    /// Length of the key in bytes.
    pub(crate) const KEY_LEN: usize = 16;

    pub(crate) const fn new(key: [u8; Self::KEY_LEN]) -> Self {
        Self {
            key,
            generations: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }

    /// To be called before the client's row is read: what is committed after that shows later.
    /// `definition` counts how often the caller was told that the table itself had changed.
    pub(crate) fn seen(&self, client: &ClientKey, definition: u64) -> Seen {
        let bucket = self.bucket_of(client);
        Seen {
            bucket,
            generation: self.generation(bucket),
            definition,
        }
    }

    /// Whether nothing was posted in this bucket since, and the table is what it was: all that most
    /// calls ever do.
    pub(crate) fn unchanged(&self, seen: Seen, definition: u64) -> bool {
        self.generation(seen.bucket) == seen.generation && seen.definition == definition
    }

    /// Posts a change of one client.
    pub(crate) fn post(&self, client: &ClientKey) {
        self.advance(self.bucket_of(client));
    }

    /// Posts a change of every client.
    pub(crate) fn post_everyone(&self) {
        (0..BUCKETS).for_each(|bucket| self.advance(bucket));
    }

    fn advance(&self, bucket: usize) {
        if let Some(generation) = self.generations.get(bucket) {
            generation.fetch_add(1, Ordering::Release);
        }
    }

    fn generation(&self, bucket: usize) -> u64 {
        self.generations
            .get(bucket)
            .map_or(u64::MAX, |generation| generation.load(Ordering::Acquire))
    }

    fn bucket_of(&self, client: &ClientKey) -> usize {
        let mut hash = SipHasher24::new_with_key(&self.key);
        hash.write(&client.database().to_le_bytes());
        hash.write(client.id_bytes());
        (hash.finish() % BUCKETS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new([7; Board::KEY_LEN])
    }

    fn client(database: u32, id: &str) -> ClientKey {
        ClientKey::new(database, &id.parse().unwrap())
    }

    #[test]
    fn a_posting_about_the_client_is_found() {
        let board = board();
        let alice = client(1, "alice");
        let seen = board.seen(&alice, 0);
        assert!(board.unchanged(seen, 0));
        board.post(&alice);
        assert!(!board.unchanged(seen, 0));
        assert!(board.unchanged(board.seen(&alice, 0), 0));
    }

    #[test]
    fn a_changed_definition_of_the_table_is_found() {
        let board = board();
        let seen = board.seen(&client(1, "alice"), 3);
        assert!(board.unchanged(seen, 3) && !board.unchanged(seen, 4));
    }

    #[test]
    fn a_change_of_everyone_reaches_everyone() {
        let board = board();
        for id in ["alice", "bob", "carol"] {
            let seen = board.seen(&client(1, id), 0);
            board.post_everyone();
            assert!(!board.unchanged(seen, 0));
        }
    }

    #[test]
    fn who_shares_a_bucket_depends_on_the_key_and_the_database() {
        let others = |board: &Board, database| -> Vec<usize> {
            (0..500)
                .map(|n| client(database, &format!("client-{n}")))
                .map(|client| board.bucket_of(&client))
                .collect()
        };
        let with_one_key = others(&board(), 1);
        let with_another = others(&Board::new([8; Board::KEY_LEN]), 1);
        let elsewhere = others(&board(), 2);
        for other in [with_another, elsewhere] {
            let same = with_one_key
                .iter()
                .zip(&other)
                .filter(|(a, b)| a == b)
                .count();
            assert!(same < 10, "{same} of 500 are in the same bucket");
        }
    }
}
