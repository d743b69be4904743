//! What a shared store keeps of secrets: the seeds that sign tokens, and a value by which a server sees that its key file is
//! the store's. Both are sealed under the operator's keys, and bound to the store.

use super::{
    api::{StoreError, failed},
    signing_key::{Seed, SigningAlgorithm, SigningKeyRecord},
};
use crate::operator_keys::{OperatorKeys, Sealed};

/// The value by which a key file is known.
const fn check_of(store: &[u8]) -> Sealed<'_> {
    Sealed {
        kind: "check value",
        store,
        name: "",
        number: 0,
    }
}

/// Seals the check value of a store under the current key.
pub(super) fn seal_check(keys: &OperatorKeys, store: &[u8]) -> Result<Vec<u8>, StoreError> {
    keys.seal(&check_of(store), store).map_err(failed)
}

/// Sees that the check value of a store is sealed under these keys.
pub(super) fn see_check(
    keys: &OperatorKeys,
    store: &[u8],
    sealed: &[u8],
) -> Result<(), StoreError> {
    let unsealed = keys.unseal(&check_of(store), sealed);
    unsealed.map(drop).map_err(failed)
}

/// A signing key as it is kept.
pub(super) struct SealedKey {
    pub(super) kid: String,
    pub(super) activates_at: u64,
    pub(super) algorithm: SigningAlgorithm,
    pub(super) sealed: Vec<u8>,
}

impl SealedKey {
    /// A key, sealed under the current key of the operator.
    pub(super) fn sealed(
        key: &SigningKeyRecord,
        keys: &OperatorKeys,
        store: &[u8],
    ) -> Result<Self, StoreError> {
        let mut kept = Self {
            kid: key.kid.clone(),
            activates_at: key.activates_at,
            algorithm: key.algorithm,
            sealed: Vec::new(),
        };
        let sealed = keys.seal(&kept.of(store), key.seed.as_bytes());
        kept.sealed = sealed.map_err(failed)?;
        Ok(kept)
    }

    fn of<'a>(&'a self, store: &'a [u8]) -> Sealed<'a> {
        Sealed {
            // So that no seed can be made one of another algorithm where it is kept.
            kind: match self.algorithm {
                SigningAlgorithm::EdDsa => "signing key",
                SigningAlgorithm::Es256 => "signing key ES256",
            },
            store,
            name: &self.kid,
            number: self.activates_at,
        }
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
            algorithm: self.algorithm,
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
            algorithm: self.algorithm,
            sealed: keys.seal(&of, &unsealed.secret).map_err(failed)?,
        }))
    }
}
