//! The signing keys of a store: read again now and then and whenever their list has changed, made when one is missing,
//! dropped when their tokens are dead.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Mutex;
use twofapi_crypto_core::Error;

use super::{ring::Ring, schedule::KeySchedule};
use crate::store::{SigningAlgorithm, SigningKeyRecord, Store};

/// How often the keys are looked up in the store again, in seconds, so that servers which share one
/// learn of each other's keys long before these sign.
pub(super) const REFRESH: u64 = 60;

/// How old keys may be that are published, in seconds: whoever asks for them asks the store for nothing else.
const PUBLISHED: u64 = 5;

/// How long a failing store is left alone before it is asked again, in seconds.
pub(super) const RETRY: u64 = 5;

/// How often in a second the store is asked because of tokens of keys that nobody knows.
pub(super) const UNKNOWN_IN_A_SECOND: u32 = 10;

pub(super) struct SigningKeys {
    store: Arc<dyn Store>,
    schedule: KeySchedule,
    algorithm: SigningAlgorithm,
    ring: RwLock<Arc<Ring>>,
    /// Held by whoever reads the keys again; the others go on with those that there are.
    refreshing: Mutex<()>,
    /// When the store failed last.
    failed_at: AtomicU64,
    /// A second, and how often the store was asked in it for a key that nobody knows.
    unknown: std::sync::Mutex<(u64, u32)>,
}

impl SigningKeys {
    /// Reads the keys, and makes the first one if there is none.
    pub(super) async fn new(
        store: Arc<dyn Store>,
        schedule: KeySchedule,
        algorithm: SigningAlgorithm,
        now: u64,
    ) -> Result<Self, Error> {
        let keys = Self {
            store,
            schedule,
            algorithm,
            ring: RwLock::default(),
            refreshing: Mutex::new(()),
            failed_at: AtomicU64::new(0),
            unknown: std::sync::Mutex::default(),
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

    /// Whether the list has changed since the keys were read, by whichever server.
    fn is_outdated(&self, ring: &Ring) -> bool {
        ring.number < self.store.signing_keys_number()
    }

    pub(super) fn is_as_fresh(&self, ring: &Ring, now: u64, within: u64) -> bool {
        let read_lately = now >= ring.read_at && now - ring.read_at < within;
        read_lately
            && !self.is_outdated(ring)
            && self.missing(&ring.times, &ring.algorithms, now).is_none()
    }

    fn missing(&self, times: &[u64], algorithms: &[SigningAlgorithm], now: u64) -> Option<u64> {
        let is_ours = algorithms
            .iter()
            .map(|algorithm| *algorithm == self.algorithm);
        self.schedule
            .missing(times, &is_ours.collect::<Vec<_>>(), now)
    }

    /// The keys, read again if it is time. One request does that; while it does, and while the store
    /// does not work, the others go on with the keys that there are, unless their list has changed.
    pub(super) async fn ring(&self, now: u64) -> Result<Arc<Ring>, Error> {
        self.as_fresh(now, REFRESH).await
    }

    /// The keys that are published.
    pub(super) async fn published(&self, now: u64) -> Result<Arc<Ring>, Error> {
        self.as_fresh(now, PUBLISHED).await
    }

    async fn as_fresh(&self, now: u64, within: u64) -> Result<Arc<Ring>, Error> {
        let ring = self.current();
        if self.is_as_fresh(&ring, now, within) {
            return Ok(ring);
        }
        let is_good = |ring: &Ring| ring.signing(now).is_some() && !self.is_outdated(ring);
        let _turn = if is_good(&ring) {
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
        if self.is_as_fresh(&ring, now, within) {
            return Ok(ring);
        }
        match self.refresh(now).await {
            Err(_) if is_good(&ring) => {
                self.failed_at.store(now, Ordering::Relaxed);
                Ok(ring)
            }
            other => other,
        }
    }

    /// The keys, among them the one of this name if another server has just made it: a token may come here before
    /// anything else has said so. Strangers name keys as well, so the store is not asked any number of times.
    pub(super) async fn ring_with(&self, kid: &str, now: u64) -> Result<Arc<Ring>, Error> {
        let ring = self.ring(now).await?;
        if ring.named(kid).is_some() || !self.may_ask(now) {
            return Ok(ring);
        }
        let _turn = self.refreshing.lock().await;
        // Whoever had the turn before may have read it.
        let ring = self.current();
        match ring.named(kid) {
            Some(_) => Ok(ring),
            None => self.refresh(now).await.or(Ok(ring)),
        }
    }

    fn may_ask(&self, now: u64) -> bool {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.0 != now {
            *unknown = (now, 0);
        }
        unknown.1 = unknown.1.saturating_add(1);
        unknown.1 <= UNKNOWN_IN_A_SECOND
    }

    /// Makes the key that is missing, drops those that have outlived their tokens, reads the rest.
    async fn refresh(&self, now: u64) -> Result<Arc<Ring>, Error> {
        let mut number = self.store.signing_keys_number();
        let mut keys = self.store.signing_keys().await?;
        let algorithms: Vec<_> = keys.iter().map(|key| key.algorithm).collect();
        if let Some(activates_at) = self.missing(&times(&keys), &algorithms, now) {
            let key = SigningKeyRecord::generate(self.algorithm, activates_at)?;
            let others: Vec<_> = keys.iter().map(|key| key.kid.clone()).collect();
            if self.store.add_signing_key(&key, &others).await? {
                let algorithm = self.algorithm.as_str();
                tracing::info!(kid = key.kid, algorithm, activates_at, "made a signing key");
            }
            number = self.store.signing_keys_number();
            keys = self.store.signing_keys().await?;
        }
        let times = times(&keys);
        // Seen for a moment only, it may be the clock that is ahead.
        let before = self.current();
        let first_seen = |kid: &str| {
            let seen = before.outlived.iter().find(|(outlived, _)| outlived == kid);
            seen.map_or(now, |(_, since)| *since)
        };
        let (gone, outlived): (Vec<_>, Vec<_>) = self
            .schedule
            .outlived(&times, now)
            .into_iter()
            .map(|at| (keys[at].kid.clone(), first_seen(&keys[at].kid)))
            .partition(|(_, since)| now.saturating_sub(*since) >= REFRESH);
        let stray = &keys[self.schedule.stray(&times, now)];
        let dropped: Vec<_> = gone
            .into_iter()
            .map(|(kid, _)| kid)
            .chain(stray.iter().map(|key| key.kid.clone()))
            .collect();
        for kid in &dropped {
            self.store.remove_signing_key(kid).await?;
            tracing::info!(kid, "dropped a signing key");
        }
        keys.retain(|key| !dropped.contains(&key.kid));
        let ring = Arc::new(Ring::new(&keys, outlived, number, now)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring.clone();
        Ok(ring)
    }
}

fn times(keys: &[SigningKeyRecord]) -> Vec<u64> {
    keys.iter().map(|key| key.activates_at).collect()
}
