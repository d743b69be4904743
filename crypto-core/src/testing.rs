//! What the unit tests of several modules share.

use core::convert::Infallible;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_core::{TryCryptoRng, TryRng};

extern crate std;

std::thread_local! {
    static EQUATIONS: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

/// How many equations this thread has looked at one by one.
pub(crate) fn equations() -> usize {
    EQUATIONS.get()
}

pub(crate) fn count_equation() {
    EQUATIONS.set(EQUATIONS.get() + 1);
}

/// A reproducible random source.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A random source that is out of order.
pub(crate) struct Broken;

#[derive(Debug)]
pub(crate) struct OutOfOrder;
impl core::fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("out of order")
    }
}
impl core::error::Error for OutOfOrder {}

impl TryRng for Broken {
    type Error = OutOfOrder;
    fn try_next_u32(&mut self) -> Result<u32, OutOfOrder> {
        Err(OutOfOrder)
    }
    fn try_next_u64(&mut self) -> Result<u64, OutOfOrder> {
        Err(OutOfOrder)
    }
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), OutOfOrder> {
        Err(OutOfOrder)
    }
}
impl TryCryptoRng for Broken {}

/// A random source that gives the same byte for ever, as a broken virtual machine would.
pub(crate) struct Constant(pub(crate) u8);

impl TryRng for Constant {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes([self.0; 4]))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes([self.0; 8]))
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        dst.fill(self.0);
        Ok(())
    }
}
impl TryCryptoRng for Constant {}
