//! Signing keys in Redis: a hash from their ids to when they activate and what is sealed.

use std::collections::HashMap;

use super::said::unexpected;
use crate::store::{api::StoreError, sealed::SealedKey};

/// All of them, by when they activate.
pub(super) fn all(hash: redis::Value) -> Result<Vec<SealedKey>, StoreError> {
    let hash: HashMap<String, Vec<u8>> = redis::from_redis_value(hash).map_err(|_| unexpected())?;
    let mut all = Vec::new();
    for (kid, kept) in hash {
        let damaged = || StoreError("a signing key is damaged".into());
        let (activates_at, sealed) = kept.split_first_chunk().ok_or_else(damaged)?;
        all.push(SealedKey {
            kid,
            activates_at: u64::from_be_bytes(*activates_at),
            sealed: sealed.to_vec(),
        });
    }
    all.sort_by(|one, other| (one.activates_at, &one.kid).cmp(&(other.activates_at, &other.kid)));
    Ok(all)
}

/// What a key has in the hash.
pub(super) fn to_bytes(key: &SealedKey) -> Vec<u8> {
    let mut bytes = key.activates_at.to_be_bytes().to_vec();
    bytes.extend(&key.sealed);
    bytes
}
