//! The keys of an issuer as they were read last, and when they are read again.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::Instant,
};

use crate::fetch::{Fetched, Source};

/// How long after the last time the keys are read again for a token of a key that is not among them: strangers name keys
/// as well.
const UNKNOWN_EVERY: Duration = Duration::from_secs(60);
/// How long after a failure they are tried again.
const FAILED_EVERY: Duration = Duration::from_secs(1);

/// A key, and the one algorithm that its tokens are checked by.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) checking: Arc<DecodingKey>,
}

/// What was read.
struct Set {
    keys: HashMap<String, Key>,
    at: Instant,
    max_age: Duration,
}

impl Set {
    fn is_good(&self) -> bool {
        self.at.elapsed() < self.max_age
    }

    /// From half of its time on it is read again, so that a service which is away for a moment is waited for by nobody.
    fn is_aging(&self) -> bool {
        self.at.elapsed() >= self.max_age / 2
    }
}

/// The keys cannot be had for now.
#[derive(Debug)]
pub(crate) struct Away;

pub(crate) struct Keys {
    source: Arc<Source>,
    set: RwLock<Option<Arc<Set>>>,
    last: Arc<Mutex<Option<Tried>>>,
}

/// When the keys were read or tried last, and whether that failed; held by whoever reads them.
#[derive(Clone, Copy)]
struct Tried {
    at: Instant,
    failed: bool,
}

impl Keys {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source: Arc::new(source),
            set: RwLock::new(None),
            last: Arc::new(Mutex::new(None)),
        }
    }

    fn current(&self) -> Option<Arc<Set>> {
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        set.clone().filter(|set| set.is_good())
    }

    /// The key of this name. `None` if the issuer has none, as far as is known.
    pub(crate) async fn named(self: &Arc<Self>, kid: &str) -> Result<Option<Key>, Away> {
        let find = |set: &Set| set.keys.get(kid).cloned();
        let current = self.current();
        if let Some(set) = &current
            && let Some(key) = find(set)
        {
            if set.is_aging() {
                self.read_behind();
            }
            return Ok(Some(key));
        }
        let last = Arc::clone(&self.last).lock_owned().await;
        // Whoever had the turn before may have read it.
        let current = self.current();
        if let Some(key) = current.as_deref().and_then(find) {
            return Ok(Some(key));
        }
        let every = match current {
            Some(_) => UNKNOWN_EVERY,
            None => FAILED_EVERY,
        };
        if last.is_some_and(|tried| tried.at.elapsed() < every) {
            return current.map(|_| None).ok_or(Away);
        }
        // In a task of its own: whoever asks may leave, and would have the issuer asked as often as it comes and leaves.
        let keys = Arc::clone(self);
        let reading = tokio::spawn(async move { keys.read(last).await });
        reading.await.map_err(|_| Away)?;
        let current = self.current().ok_or(Away)?;
        Ok(find(&current))
    }

    /// Reads the keys while requests go on with those that there are.
    fn read_behind(self: &Arc<Self>) {
        let Ok(last) = Arc::clone(&self.last).try_lock_owned() else {
            return;
        };
        let is_aging = self.current().is_none_or(|set| set.is_aging());
        let may = |tried: Tried| !tried.failed || tried.at.elapsed() >= UNKNOWN_EVERY;
        if is_aging && last.is_none_or(may) {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.read(last).await });
        }
    }

    async fn read(&self, mut last: OwnedMutexGuard<Option<Tried>>) {
        let source = Arc::clone(&self.source);
        // What is known is as old as the question.
        let at = Instant::now();
        let fetched = tokio::task::spawn_blocking(move || source.fetch()).await;
        let fetched = fetched.unwrap_or_else(|error| Err(error.to_string()));
        *last = Some(Tried {
            at: Instant::now(),
            failed: fetched.is_err(),
        });
        match fetched {
            Ok(Fetched { keys, max_age }) => {
                let keys = usable(&keys);
                let set = Arc::new(Set { keys, at, max_age });
                *self.set.write().unwrap_or_else(PoisonError::into_inner) = Some(set);
            }
            Err(reason) => tracing::warn!(reason, "the keys of the issuer cannot be read"),
        }
    }
}

/// Of the keys of a set (RFC 7517), those that tokens of the service are signed with. What is of another kind is passed over.
fn usable(keys: &[Value]) -> HashMap<String, Key> {
    let named = |key: &Value| Some((key["kid"].as_str()?.to_owned(), key_of(key)?));
    keys.iter().filter_map(named).collect()
}

fn key_of(key: &Value) -> Option<Key> {
    let text = |name: &str| key[name].as_str();
    if !matches!(text("use"), None | Some("sig")) {
        return None;
    }
    let x = text("x")?;
    let (algorithm, checking) = match (text("kty")?, text("crv")?, text("alg")) {
        ("OKP", "Ed25519", None | Some("EdDSA" | "Ed25519")) => {
            (Algorithm::EdDSA, DecodingKey::from_ed_components(x))
        }
        ("EC", "P-256", None | Some("ES256")) => (
            Algorithm::ES256,
            DecodingKey::from_ec_components(x, text("y")?),
        ),
        _ => return None,
    };
    Some(Key {
        algorithm,
        checking: Arc::new(checking.ok()?),
    })
}
