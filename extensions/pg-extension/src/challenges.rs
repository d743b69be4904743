//! By what challenges are issued and judged here: the keys of this database, the clock of the spent set,
//! and the terms that the settings say. Each backend keeps the newest of each; the postmaster never asks,
//! so no backend inherits one by fork.

use core::cell::RefCell;
use std::{ffi::CString, sync::Arc};

use getrandom::SysRng;
use twofapi_crypto_core::{
    Audience, AuthenticationBinding, ChallengeTtl, Error,
    ceremony::{At, Decoys, Epoch, Keys, Terms},
};

use crate::{backend, gucs, rules::key, shmem::Shared};

thread_local! {
    static KEYS: RefCell<Option<Arc<Keys>>> = const { RefCell::new(None) };
    static TERMS: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

struct Kept {
    audience: CString,
    ttl: ChallengeTtl,
    terms: Terms,
}

/// The keys of this database in the epoch of the spent set, and the time by the set's clock.
pub(crate) fn keys(shared: Shared) -> Result<(Arc<Keys>, u64), Error> {
    let At { epoch, now } = at(shared)?;
    KEYS.with_borrow_mut(|kept| {
        if let Some(keys) = kept.as_ref().filter(|keys| keys.epoch() == epoch) {
            return Ok((Arc::clone(keys), now));
        }
        let root = key::of_database(shared.root(), backend::database());
        let keys = Arc::new(Keys::derive(&[root], epoch)?);
        Ok((Arc::clone(kept.insert(keys)), now))
    })
}

/// If the day's clock was set back, nobody can say any more what is spent: the set draws another epoch,
/// and every challenge of before is void.
fn at(shared: Shared) -> Result<At, Error> {
    let mut anew = false;
    let at = shared.with_spent(|set, now| {
        set.at(now, || {
            anew = true;
            Epoch::generate(&mut SysRng)
        })
    });
    if anew && at.is_ok() {
        pgrx::log!(
            "2fapi: the clock was set back by more than a minute; challenges issued before are void"
        );
    }
    at
}

/// The terms by the settings that are in force.
pub(crate) fn terms(shared: Shared) -> Result<Terms, Error> {
    let (audience, ttl) = (gucs::audience(), gucs::challenge_ttl());
    TERMS.with_borrow_mut(|kept| {
        let same = |kept: &&Kept| kept.audience == audience && kept.ttl == ttl;
        if let Some(kept) = kept.as_ref().filter(same) {
            return Ok(kept.terms.clone());
        }
        let binding = match &*audience.to_string_lossy() {
            "" => AuthenticationBinding::none(),
            audience => AuthenticationBinding::for_audience(&Audience::parse(audience)?),
        };
        let decoys = Decoys::new(*shared.decoy_key());
        let terms = Terms::new(binding, decoys).with_ttl(ttl);
        let kept = kept.insert(Kept {
            audience,
            ttl,
            terms,
        });
        Ok(kept.terms.clone())
    })
}
