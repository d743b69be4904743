//! Every decision that is left to chance, from the seed of the run.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

pub(crate) struct Chance(ChaCha20Rng);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    pub(crate) const fn source(&mut self) -> &mut ChaCha20Rng {
        &mut self.0
    }

    /// A number below `end`, which is not 0. That small ends make some a little likelier is no matter here.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn in_hundred(&mut self, chances: u64) -> bool {
        self.below(100) < chances
    }
}
