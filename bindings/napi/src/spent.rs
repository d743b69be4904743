//! The core's set of spent challenges, in the memory of the process.

use napi_derive::napi;
use twofapi_crypto_core::{OwnedSpentSet, Spend, SpentKey};

use crate::error::{Fault, invalid_encoding, invalid_length};

/// The most places a set may have: 720 MB of memory.
const CAPACITY_MAX: u32 = 10_000_000;

/// A set of spent challenges of fixed memory.
#[napi]
pub struct SpentSet(OwnedSpentSet);

fn key(bytes: &[u8]) -> Result<SpentKey, Fault> {
    let bytes = bytes
        .try_into()
        .map_err(|_| invalid_length("spentKey must be 16 bytes"))?;
    Ok(SpentKey::from_bytes(bytes))
}

fn seconds(now: i64) -> Result<u64, Fault> {
    now.try_into()
        .map_err(|_| invalid_encoding("now must be in Unix seconds, not negative"))
}

#[napi]
impl SpentSet {
    /// An empty set for `capacity` live entries, of 72 bytes each.
    #[napi(constructor, catch_unwind)]
    pub fn new(capacity: u32) -> Result<Self, Fault> {
        if !(2..=CAPACITY_MAX).contains(&capacity) {
            return Err(invalid_encoding("capacity must be 2 to 10000000 entries"));
        }
        Ok(Self(OwnedSpentSet::new(capacity)))
    }

    /// `fresh`, `spent`, `expired`, or, if every place is held, the seconds until one falls free.
    #[napi(
        catch_unwind,
        ts_return_type = "'fresh' | 'spent' | 'expired' | number"
    )]
    pub fn spend(
        &mut self,
        spent_key: &[u8],
        expires_at: u32,
        now: i64,
    ) -> Result<napi::Either<&'static str, u32>, Fault> {
        let spend = self
            .0
            .set()
            .spend(&key(spent_key)?, expires_at, seconds(now)?);
        Ok(match spend {
            Spend::Fresh => napi::Either::A("fresh"),
            Spend::Spent => napi::Either::A("spent"),
            Spend::Expired => napi::Either::A("expired"),
            Spend::Full { retry_after } => napi::Either::B(retry_after),
        })
    }

    /// Says that the attempt which spent this challenge was refused.
    #[napi(catch_unwind)]
    pub fn mark_refused(&mut self, spent_key: &[u8]) -> Result<(), Fault> {
        self.0.set().refused(&key(spent_key)?);
        Ok(())
    }

    /// The seconds until a place falls free, if every place is held.
    #[napi(catch_unwind)]
    pub fn retry_after_seconds(&mut self, now: i64) -> Result<Option<u32>, Fault> {
        Ok(self.0.set().full(seconds(now)?))
    }
}
