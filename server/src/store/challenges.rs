//! The set of spent challenges of a server that shares it with no other: in memory, gone with the process
//! and with it every challenge.

use twofapi_crypto_core::{
    Error,
    ceremony::{At, Committed, Epoch, OwnedSpentSet, Spend},
};

use super::StoreError;

pub(super) struct Challenges {
    spent: OwnedSpentSet,
}

impl Challenges {
    pub(super) fn new(capacity: u32) -> Result<Self, StoreError> {
        let epoch = draw().map_err(super::failed)?;
        Ok(Self {
            spent: OwnedSpentSet::new(capacity, epoch),
        })
    }

    pub(super) fn at(&mut self, clock: u64) -> Result<At, StoreError> {
        let begin = || {
            tracing::warn!("the clock was set back: every challenge that was issued is void");
            draw()
        };
        self.spent.set().at(clock, begin).map_err(super::failed)
    }

    pub(super) fn accept(&mut self, spend: &Spend, clock: u64) -> Committed {
        self.spent.set().accept(spend, clock)
    }
}

fn draw() -> Result<Epoch, Error> {
    Epoch::generate(&mut getrandom::SysRng)
}
