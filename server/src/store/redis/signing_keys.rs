//! Signing keys in Redis: a hash from their ids to when they activate and what is sealed.

use std::collections::HashMap;

use super::said::unexpected;
use crate::{
    operator_keys::{OperatorKeys, Sealed},
    store::{
        api::{StoreError, failed},
        signing_key::{Seed, SigningKeyRecord},
    },
};

/// A signing key as it is kept.
pub(super) struct Kept {
    pub(super) kid: String,
    activates_at: u64,
    sealed: Vec<u8>,
}

/// All of them, by when they activate.
pub(super) fn all(hash: redis::Value) -> Result<Vec<Kept>, StoreError> {
    let hash: HashMap<String, Vec<u8>> = redis::from_redis_value(hash).map_err(|_| unexpected())?;
    let mut all = Vec::new();
    for (kid, kept) in hash {
        let damaged = || StoreError("a signing key is damaged".into());
        let (activates_at, sealed) = kept.split_first_chunk().ok_or_else(damaged)?;
        all.push(Kept {
            kid,
            activates_at: u64::from_be_bytes(*activates_at),
            sealed: sealed.to_vec(),
        });
    }
    all.sort_by(|one, other| (one.activates_at, &one.kid).cmp(&(other.activates_at, &other.kid)));
    Ok(all)
}

impl Kept {
    /// A key, sealed under the current key of the operator.
    pub(super) fn sealed(
        key: &SigningKeyRecord,
        keys: &OperatorKeys,
        store: &[u8],
    ) -> Result<Self, StoreError> {
        let mut kept = Self {
            kid: key.kid.clone(),
            activates_at: key.activates_at,
            sealed: Vec::new(),
        };
        let sealed = keys.seal(&kept.of(store), key.seed.as_bytes());
        kept.sealed = sealed.map_err(failed)?;
        Ok(kept)
    }

    fn of<'a>(&'a self, store: &'a [u8]) -> Sealed<'a> {
        Sealed {
            kind: "signing key",
            store,
            name: &self.kid,
            number: self.activates_at,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.activates_at.to_be_bytes().to_vec();
        bytes.extend(&self.sealed);
        bytes
    }

    pub(super) fn unsealed(
        self,
        keys: &OperatorKeys,
        store: &[u8],
    ) -> Result<SigningKeyRecord, StoreError> {
        let unsealed = keys.unseal(&self.of(store), &self.sealed).map_err(failed)?;
        let seed = Seed::from_bytes(&unsealed.secret)
            .ok_or_else(|| StoreError("a signing key is damaged".into()))?;
        Ok(SigningKeyRecord {
            kid: self.kid,
            activates_at: self.activates_at,
            seed,
        })
    }

    /// The same under the current key, if it is sealed under another one.
    pub(super) fn rewrapped(
        &self,
        keys: &OperatorKeys,
        store: &[u8],
    ) -> Result<Option<Self>, StoreError> {
        let of = self.of(store);
        let unsealed = keys.unseal(&of, &self.sealed).map_err(failed)?;
        if !unsealed.outdated {
            return Ok(None);
        }
        Ok(Some(Self {
            kid: self.kid.clone(),
            activates_at: self.activates_at,
            sealed: keys.seal(&of, &unsealed.secret).map_err(failed)?,
        }))
    }
}
