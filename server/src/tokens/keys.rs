//! The signing keys of a store: read again now and then, made when one is missing, dropped when their
//! tokens are dead.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Mutex;
use twofapi_crypto_core::Error;

use super::{
    ring::{Ring, unavailable},
    schedule::KeySchedule,
};
use crate::store::{Seed, SigningKeyRecord, Store};

/// How often the keys are looked up in the store again, in seconds, so that servers which share one
/// learn of each other's keys long before these sign.
pub(super) const REFRESH: u64 = 60;

/// How long a failing store is left alone before it is asked again, in seconds.
pub(super) const RETRY: u64 = 5;

pub(super) struct SigningKeys {
    store: Arc<dyn Store>,
    schedule: KeySchedule,
    ring: RwLock<Arc<Ring>>,
    /// Held by whoever reads the keys again; the others go on with those that there are.
    refreshing: Mutex<()>,
    /// When the store failed last.
    failed_at: AtomicU64,
}

impl SigningKeys {
    /// Reads the keys, and makes the first one if there is none.
    pub(super) async fn new(
        store: Arc<dyn Store>,
        schedule: KeySchedule,
        now: u64,
    ) -> Result<Self, Error> {
        let keys = Self {
            store,
            schedule,
            ring: RwLock::default(),
            refreshing: Mutex::new(()),
            failed_at: AtomicU64::new(0),
        };
        keys.refresh(now).await?;
        Ok(keys)
    }

    pub(super) fn current(&self) -> Arc<Ring> {
        self.ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn is_fresh(&self, ring: &Ring, now: u64) -> bool {
        let read_lately = now >= ring.read_at && now - ring.read_at < REFRESH;
        read_lately && self.schedule.missing(&ring.times, now).is_none()
    }

    /// The keys, read again if it is time. One request does that; while it does, and while the store
    /// does not work, the others go on with the keys that there are.
    pub(super) async fn ring(&self, now: u64) -> Result<Arc<Ring>, Error> {
        let ring = self.current();
        if self.is_fresh(&ring, now) {
            return Ok(ring);
        }
        let _turn = if ring.signing(now).is_some() {
            let failed_at = self.failed_at.load(Ordering::Relaxed);
            if now >= failed_at && now - failed_at < RETRY {
                return Ok(ring);
            }
            match self.refreshing.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(ring),
            }
        } else {
            self.refreshing.lock().await
        };
        let ring = self.current();
        if self.is_fresh(&ring, now) {
            return Ok(ring);
        }
        match self.refresh(now).await {
            Err(_) if ring.signing(now).is_some() => {
                self.failed_at.store(now, Ordering::Relaxed);
                Ok(ring)
            }
            other => other,
        }
    }

    /// Makes the key that is missing, drops those that have outlived their tokens, reads the rest.
    async fn refresh(&self, now: u64) -> Result<Arc<Ring>, Error> {
        let mut keys = self.store.signing_keys().await?;
        if let Some(activates_at) = self.schedule.missing(&times(&keys), now) {
            let key = new_key(activates_at)?;
            let others: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
            if self.store.add_signing_key(&key, &others).await? {
                tracing::info!(kid = key.kid, activates_at, "made a signing key");
            }
            keys = self.store.signing_keys().await?;
        }
        let times = times(&keys);
        // Seen once only, it may be the clock that is ahead for a moment.
        let before = self.current();
        let seen_before = now.saturating_sub(before.read_at) >= REFRESH;
        let (gone, outlived): (Vec<_>, Vec<_>) = self
            .schedule
            .outlived(&times, now)
            .into_iter()
            .map(|at| keys[at].kid.clone())
            .partition(|kid| seen_before && before.outlived.contains(kid));
        let stray = &keys[self.schedule.stray(&times, now)];
        let dropped: Vec<_> = gone
            .into_iter()
            .chain(stray.iter().map(|key| key.kid.clone()))
            .collect();
        for kid in &dropped {
            self.store.remove_signing_key(kid).await?;
            tracing::info!(kid, "dropped a signing key");
        }
        keys.retain(|key| !dropped.contains(&key.kid));
        let ring = Arc::new(Ring::new(&keys, outlived, now)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring.clone();
        Ok(ring)
    }
}

fn times(keys: &[SigningKeyRecord]) -> Vec<u64> {
    keys.iter().map(|key| key.activates_at).collect()
}

fn new_key(activates_at: u64) -> Result<SigningKeyRecord, Error> {
    let mut kid = [0; 8];
    getrandom::fill(&mut kid)
        .map_err(|_| unavailable("the random source of the operating system failed"))?;
    Ok(SigningKeyRecord {
        kid: hex::encode(kid),
        activates_at,
        seed: Seed::generate()?,
    })
}
