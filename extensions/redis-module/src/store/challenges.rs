//! The challenge key and the set of challenges that are spent: memory of this node alone, never a
//! key, never saved, never replicated. After a restart both are new, and old challenges are dead.

use std::sync::{Mutex, MutexGuard, PoisonError};

use getrandom::{SysRng, rand_core::UnwrapErr};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use twofapi_crypto_core::{
    Challenge, ChallengeId, ChallengeKey, ChallengeTtl, ClientId, Denied, Error, OwnedSpentSet,
    Spend, SpentKey, SpentStats,
};

use crate::clock;

struct Challenges {
    key: ChallengeKey,
    /// Draws the random part of challenge ids, which nobody has to keep secret, without a system
    /// call for each.
    rng: ChaCha20Rng,
    spent: OwnedSpentSet,
}

static CHALLENGES: Mutex<Option<Challenges>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Challenges>> {
    CHALLENGES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T>(run: impl FnOnce(&mut Challenges) -> T) -> Result<T, Error> {
    lock().as_mut().map(run).ok_or_else(|| Error::Unavailable {
        reason: "the module is not loaded completely".into(),
    })
}

/// A fresh key, and an empty set of this capacity.
pub(crate) fn start(capacity: u32) -> Result<(), Error> {
    let fresh = Challenges {
        key: ChallengeKey::generate(&mut SysRng)?,
        rng: ChaCha20Rng::from_rng(&mut UnwrapErr(SysRng)),
        spent: OwnedSpentSet::new(capacity),
    };
    *lock() = Some(fresh);
    Ok(())
}

/// A fresh key: every challenge that was issued before is dead, so what was spent can be forgotten
/// by and by, as it expires.
pub(crate) fn renew_key() -> Result<(), Error> {
    let key = ChallengeKey::generate(&mut SysRng)?;
    with(|challenges| challenges.key = key)
}

pub(crate) fn issue(client_id: &ClientId, ttl: ChallengeTtl) -> Result<Challenge, Error> {
    let now = clock::unix_seconds();
    with(|challenges| {
        challenges
            .key
            .issue(client_id, now, ttl, &mut challenges.rng)
    })?
}

/// Computes a challenge again that a client claims to have been issued.
pub(crate) fn recompute(
    client_id: &ClientId,
    challenge_id: &[u8],
    ttl: ChallengeTtl,
) -> Result<Result<Challenge, Denied>, Error> {
    let now = clock::unix_seconds();
    with(|challenges| {
        let id = ChallengeId::from_text_bytes(challenge_id)?;
        challenges.key.recompute(client_id, id, now, ttl)
    })
}

/// Uses a challenge of this client's up, before the proof is looked at.
pub(crate) fn spend(client_id: &ClientId, challenge: &Challenge) -> Result<Spend, Error> {
    let (now, expires_at) = (clock::unix_seconds(), challenge.id.expires_at());
    with(|challenges| {
        let share = challenges.key.share_tag(client_id);
        let mut spent = challenges.spent.set();
        spent.spend_within_share(share, &challenge.spent_key, expires_at, now)
    })
}

/// The proof for a challenge that was used up was not accepted.
pub(crate) fn refused(spent_key: &SpentKey) {
    let _ = with(|challenges| challenges.spent.set().refused(spent_key));
}

/// When a place falls free, in seconds, if there is none.
pub(crate) fn full() -> Option<u32> {
    with(|challenges| challenges.spent.set().full(clock::unix_seconds())).ok()?
}

pub(crate) fn stats() -> Option<SpentStats> {
    with(|challenges| challenges.spent.set().stats(clock::unix_seconds())).ok()
}
