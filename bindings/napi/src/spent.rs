//! The core's set of accepted challenges, in the memory of the process, with its epoch.

use napi::{Env, bindgen_prelude::Uint8ArraySlice};
use napi_derive::napi;
use twofapi_crypto_core::{
    Error,
    ceremony::{self, Committed, Epoch, OwnedSpentSet},
};

use crate::{
    error::{Fault, fault, invalid_encoding},
    low_level::bytes,
};

/// The most places a set may have: 720 MB of memory.
const CAPACITY_MAX: u32 = 10_000_000;

pub(crate) fn seconds(now: i64) -> Result<u64, Fault> {
    now.try_into()
        .map_err(|_| invalid_encoding("now must be in Unix seconds, not negative"))
}

/// As a number that JavaScript can hold.
pub(crate) fn shown_seconds(seconds: u64) -> i64 {
    const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
    seconds.min(MAX_SAFE_INTEGER).cast_signed()
}

/// A challenge that is spent by being accepted.
#[napi]
pub struct Spend(ceremony::Spend);

#[napi]
impl Spend {
    pub(crate) const fn of(spend: ceremony::Spend) -> Self {
        Self(spend)
    }

    /// Under what it goes into the set, 16 bytes.
    #[napi(getter, catch_unwind)]
    pub fn key<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Fault> {
        bytes(env, self.0.key.as_bytes())
    }

    /// In Unix seconds: it may leave the set then, never earlier.
    #[napi(getter)]
    pub fn expires_at(&self) -> u32 {
        self.0.expires_at
    }

    /// The epoch that it was issued in, 16 bytes.
    #[napi(getter, catch_unwind)]
    pub fn epoch<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Fault> {
        bytes(env, self.0.epoch.as_bytes())
    }
}

/// The epoch and the clock of a set.
#[napi(object, object_from_js = false)]
pub struct At<'env> {
    /// 16 bytes.
    pub epoch: Uint8ArraySlice<'env>,
    /// Unix seconds.
    pub now: i64,
}

/// A set of spent challenges of fixed memory.
#[napi]
pub struct SpentSet(OwnedSpentSet);

#[napi]
impl SpentSet {
    /// An empty set for `capacity` live entries, of 72 bytes each.
    #[napi(constructor, catch_unwind)]
    pub fn new(capacity: u32) -> Result<Self, Fault> {
        if !(2..=CAPACITY_MAX).contains(&capacity) {
            return Err(invalid_encoding("capacity must be 2 to 10000000 entries"));
        }
        Ok(Self(OwnedSpentSet::new(capacity, drawn().map_err(fault)?)))
    }

    /// The epoch and the time to go by when the clock says `now`.
    #[napi(catch_unwind)]
    pub fn at<'env>(&mut self, env: &'env Env, now: i64) -> Result<At<'env>, Fault> {
        let at = self.0.set().at(seconds(now)?, drawn).map_err(fault)?;
        Ok(At {
            epoch: bytes(env, at.epoch.as_bytes())?,
            now: i64::try_from(at.now).map_err(|_| invalid_encoding("now is too late"))?,
        })
    }

    /// Spends a challenge in the step that accepts; if there is no place, the seconds until one falls free.
    #[napi(
        catch_unwind,
        ts_return_type = "'done' | 'spent' | 'expired' | 'stale_epoch' | number"
    )]
    pub fn accept(
        &mut self,
        spend: &Spend,
        now: i64,
    ) -> Result<napi::Either<&'static str, u32>, Fault> {
        Ok(match self.0.set().accept(&spend.0, seconds(now)?) {
            Committed::Done => napi::Either::A("done"),
            Committed::Spent => napi::Either::A("spent"),
            Committed::Expired => napi::Either::A("expired"),
            Committed::Full { retry_after } => napi::Either::B(retry_after),
            // What else a store may answer is not a set's to say.
            _ => napi::Either::A("stale_epoch"),
        })
    }
}

fn drawn() -> Result<Epoch, Error> {
    Epoch::generate(&mut getrandom::SysRng)
}
