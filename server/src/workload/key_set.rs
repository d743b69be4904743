//! The keys of an issuer: read when one is missing, but seldom, and kept while its source does not answer.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

/// After how many seconds keys are read again.
const READ_AGAIN: u64 = 600;
/// And how seldom, in seconds, because of a key that is not among them: strangers can name any.
const AT_MOST_EVERY: u64 = 30;
/// How long keys count whose source does not answer, in seconds.
const KEPT: u64 = 24 * 3600;
/// The largest set in bytes.
const MAX_LEN: usize = 256 * 1024;

/// Where the JWK set of an issuer is.
#[async_trait]
pub trait KeySetSource: Send + Sync + 'static {
    /// The set as JSON. What went wrong is for the operator's log.
    async fn read(&self) -> Result<Vec<u8>, String>;
}

/// A JWK set in a file.
pub struct KeySetFile(pub PathBuf);

#[async_trait]
impl KeySetSource for KeySetFile {
    async fn read(&self) -> Result<Vec<u8>, String> {
        let path = self.0.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        read.map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }
}

pub(super) struct KeySet {
    source: Arc<dyn KeySetSource>,
    known: RwLock<Arc<Known>>,
    /// When the source was asked last, in Unix seconds. Held by who asks it.
    asked: Mutex<Option<u64>>,
}

#[derive(Default)]
struct Known {
    keys: Vec<Jwk>,
    read_at: u64,
}

impl KeySet {
    pub(super) fn new(source: Arc<dyn KeySetSource>) -> Self {
        Self {
            source,
            known: RwLock::default(),
            asked: Mutex::new(None),
        }
    }

    /// The key of this id for this algorithm; without an id the one there is.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: u64,
    ) -> Option<DecodingKey> {
        let found = self.known().find(kid, algorithm, READ_AGAIN, now);
        if found.is_some() {
            return found;
        }
        let mut asked = self.asked.lock().await;
        // Somebody may have asked meanwhile.
        let found = self.known().find(kid, algorithm, READ_AGAIN, now);
        if found.is_none() && asked.is_none_or(|at| now.abs_diff(at) >= AT_MOST_EVERY) {
            *asked = Some(now);
            self.read(now).await;
        }
        drop(asked);
        self.known().find(kid, algorithm, KEPT, now)
    }

    fn known(&self) -> Arc<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    async fn read(&self, now: u64) {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let read = self.source.read().await.and_then(|set| {
            if set.len() > MAX_LEN {
                return Err("it is too large".into());
            }
            serde_json::from_slice(&set).map_err(|_| "it is no JWK set".into())
        });
        match read {
            Ok(Set { keys }) => {
                // Of kinds that are not known here nothing is wanted.
                let keys = keys
                    .into_iter()
                    .filter_map(|key| serde_json::from_value(key).ok());
                let known = Known {
                    keys: keys.collect(),
                    read_at: now,
                };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
            }
            Err(why) => tracing::warn!(why, "the keys of an issuer could not be read"),
        }
    }
}

impl Known {
    fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        for_seconds: u64,
        now: u64,
    ) -> Option<DecodingKey> {
        if now.abs_diff(self.read_at) >= for_seconds {
            return None;
        }
        let named = |key: &&Jwk| kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid));
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| fits(key, algorithm))
            .filter(named);
        let (one, None) = (fitting.next()?, fitting.next()) else {
            return None;
        };
        DecodingKey::from_jwk(one).ok()
    }
}

/// Whether a key is a public one that signs so. A secret in a set is nobody's.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let signs = match &key.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        // SPIFFE has a name of its own.
        Some(PublicKeyUse::Other(named)) => named == "jwt-svid",
        Some(_) => false,
    };
    let named = key.common.key_algorithm;
    let named = named.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
    let family = match &key.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa,
        AlgorithmParameters::EllipticCurve(_) => AlgorithmFamily::Ec,
        AlgorithmParameters::OctetKeyPair(_) => AlgorithmFamily::Ed,
        _ => return false,
    };
    signs && named && family == algorithm.family()
}
