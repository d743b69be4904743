//! Where announcement nonces come from: hedged (in the manner of draft-irtf-cfrg-det-sigs-with-noise), hashed
//! from the secrets, everything that is proven and 32 fresh random bytes, so that neither a random source that
//! repeats itself nor one that is known to an attacker gives the secrets away.

use curve25519_dalek::Scalar;
use rand_core::TryCryptoRng;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::{Commitment, Error};

/// By which prefixes the nonces of one kind of proof are told from those of every other.
pub(super) struct Domains {
    pub(super) seed: &'static [u8],
    pub(super) nonce: &'static [u8],
}

/// What the nonces of one proof are expanded from.
pub(super) struct Hedge {
    seed: Zeroizing<[u8; 64]>,
    nonce: &'static [u8],
}

impl Hedge {
    /// Secrets, randomness and commitments have fixed sizes and are of a fixed number for a domain, and `proven`
    /// writes its parts with their lengths: no two inputs collide.
    pub(super) fn draw<R: TryCryptoRng + ?Sized>(
        domains: &Domains,
        secrets: &[&Scalar],
        commitments: &[&Commitment],
        proven: impl FnOnce(&mut Sha512),
        rng: &mut R,
    ) -> Result<Self, Error> {
        let mut fresh = Zeroizing::new([0_u8; 32]);
        rng.try_fill_bytes(fresh.as_mut())
            .map_err(|_| Error::random_source())?;
        let mut seed = Sha512::new_with_prefix(domains.seed);
        for secret in secrets {
            seed.update(secret.as_bytes());
        }
        seed.update(fresh.as_ref());
        for commitment in commitments {
            seed.update(commitment.as_bytes());
        }
        proven(&mut seed);
        Ok(Self {
            seed: Zeroizing::new(seed.finalize().into()),
            nonce: domains.nonce,
        })
    }

    /// The nonce of this label. Each is used for one proof: two proofs from one nonce reveal the secret.
    pub(super) fn nonce(&self, label: u8) -> Scalar {
        let hash = Sha512::new_with_prefix(self.nonce)
            .chain_update([label])
            .chain_update(self.seed.as_ref());
        let wide: Zeroizing<[u8; 64]> = Zeroizing::new(hash.finalize().into());
        Scalar::from_bytes_mod_order_wide(&wide)
    }
}
