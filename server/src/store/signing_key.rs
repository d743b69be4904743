//! Signing keys as they are held in memory: on the heap, and zeroized.

use twofapi_crypto_core::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// By which algorithm a key signs. It is said by the key and never by a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8032, RFC 8037).
    #[default]
    EdDsa,
    /// ECDSA over P-256 with SHA-256 (RFC 7518, section 3.4), for libraries that have no EdDSA.
    Es256,
}

impl SigningAlgorithm {
    /// Its name in token headers and in the JWK set.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// Its number in what stores keep.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::EdDsa => 0,
            Self::Es256 => 1,
        }
    }

    pub(super) const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::EdDsa),
            1 => Some(Self::Es256),
            _ => None,
        }
    }
}

/// The 32 bytes from which a key signs: the seed of an Ed25519 key (RFC 8032) or the private key of P-256,
/// big-endian. On the heap, so that moving it copies nothing, and zeroized on drop.
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

    /// Draws one that is a key of this algorithm.
    ///
    /// # Errors
    /// As [`Seed::generate`].
    pub fn generate_for(algorithm: SigningAlgorithm) -> Result<Self, Error> {
        loop {
            let seed = Self::generate()?;
            // The order of P-256 begins with 32 ones: what does not is below it.
            let fits = match algorithm {
                SigningAlgorithm::EdDsa => true,
                SigningAlgorithm::Es256 => {
                    !matches!(seed.0[..4], [0xff, 0xff, 0xff, 0xff] | [0, 0, 0, 0])
                }
            };
            if fits {
                return Ok(seed);
            }
        }
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
    /// How it signs.
    pub algorithm: SigningAlgorithm,
    /// What it signs with.
    pub seed: Seed,
}

impl SigningKeyRecord {
    /// Draws one, with a name that no other has.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate(algorithm: SigningAlgorithm, activates_at: u64) -> Result<Self, Error> {
        let mut kid = [0; 8];
        getrandom::fill(&mut kid).map_err(|_| Error::Unavailable {
            reason: "the random source of the operating system failed".into(),
        })?;
        Ok(Self {
            kid: hex::encode(kid),
            activates_at,
            algorithm,
            seed: Seed::generate_for(algorithm)?,
        })
    }
}

impl ZeroizeOnDrop for SigningKeyRecord {}

impl std::fmt::Debug for SigningKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SigningKeyRecord({}, {})",
            self.kid,
            self.algorithm.as_str()
        )
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
