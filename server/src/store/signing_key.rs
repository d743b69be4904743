//! Signing keys as they are held in memory: on the heap, and zeroized.

use twofapi_crypto_core::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The seed of an Ed25519 key (RFC 8032): on the heap, so that moving it copies nothing, and zeroized
/// on drop.
#[derive(Clone)]
pub struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    pub(super) const LEN: usize = 32;

    /// Draws one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate() -> Result<Self, Error> {
        let mut seed = Zeroizing::new(vec![0; Self::LEN]);
        getrandom::fill(&mut seed).map_err(|_| Error::Unavailable {
            reason: "the random source of the operating system failed".into(),
        })?;
        Ok(Self(seed))
    }

    /// One that was kept, if these are as many bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == Self::LEN).then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    /// The bytes, for keeping or signing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A key that signs access tokens. The seed is zeroized on drop and never printed.
#[derive(Clone)]
pub struct SigningKeyRecord {
    /// Its name in the JWKS and in token headers.
    pub kid: String,
    /// From when it signs, in Unix seconds; it is published before.
    pub activates_at: u64,
    /// What it signs with.
    pub seed: Seed,
}

impl ZeroizeOnDrop for SigningKeyRecord {}

impl std::fmt::Debug for SigningKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKeyRecord({})", self.kid)
    }
}

/// Overwrites the part of the stack that a call of this depth has used, where signing and deriving
/// leave copies of the seed.
#[inline(never)]
pub(crate) fn overwrite_stack() {
    // Words, since what is overwritten for certain is overwritten one element at a time.
    let mut used = [0_u64; 2048];
    used.zeroize();
    std::hint::black_box(&mut used);
}
