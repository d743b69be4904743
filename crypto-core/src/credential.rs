//! What a client keeps (a credential) and what it enrols (a commitment).

use alloc::boxed::Box;
use core::{fmt, hash};

use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto};
use rand_core::TryCryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Audience, Error,
    group::{self, ELEMENT_LEN},
};

/// Domain of the derivation of a credential from a recovery phrase.
const RECOVERY_DST: &[u8] = b"2FApi-v1.0-RecoveryPhrase";

/// Domain of the derivation of a blinding for one audience.
const AUDIENCE_BLINDING_DST: &[u8] = b"2FApi-v1.0-AudienceBlinding";

/// A Pedersen commitment C = s·G + r·H: public, and all that a host stores of a secret.
///
/// It is canonical and not the identity, and is kept decompressed, so that verifying again costs
/// no second decompression.
#[derive(Clone, Copy)]
pub struct Commitment {
    bytes: CompressedRistretto,
    point: RistrettoPoint,
}

impl Commitment {
    /// Length of an encoded commitment in bytes.
    pub const LEN: usize = ELEMENT_LEN;

    /// Decodes 32 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] for another size; [`Error::InvalidEncoding`] for what RFC 9496
    /// refuses to decode and for the identity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (bytes, point) = group::decode_element("commitment", bytes)?;
        Ok(Self { bytes, point })
    }

    /// The 32 bytes that are enrolled.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ELEMENT_LEN] {
        self.bytes.as_bytes()
    }

    /// The 32 bytes that are enrolled.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; ELEMENT_LEN] {
        self.bytes.to_bytes()
    }

    pub(crate) const fn point(&self) -> &RistrettoPoint {
        &self.point
    }

    /// For a point that is known not to be the identity.
    pub(crate) fn from_point(point: RistrettoPoint) -> Self {
        Self {
            bytes: point.compress(),
            point,
        }
    }
}

impl PartialEq for Commitment {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Commitment {}

impl hash::Hash for Commitment {
    fn hash<S: hash::Hasher>(&self, state: &mut S) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commitment(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// The secret s and the blinding r of a client, with their commitment.
///
/// Not `Copy` and not `Clone`, silent in `Debug`, zeroized on drop. The secrets stay in one place on
/// the heap, so that moving a credential copies none of them, and the stack below is overwritten after
/// they were worked on. Zeroizing cannot reach registers, nor pages that the system swapped out or
/// dumped.
pub struct Credential {
    scalars: Box<Scalars>,
    commitment: Commitment,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Scalars {
    secret: Scalar,
    blinding: Scalar,
}

impl Credential {
    /// Length of an encoded credential in bytes: the secret, then the blinding.
    pub const LEN: usize = 2 * ELEMENT_LEN;

    /// Bytes of entropy that a recovery phrase of 24 words holds.
    pub const RECOVERY_ENTROPY_LEN: usize = 32;

    /// Draws a fresh secret and blinding, uniform and not zero.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        loop {
            let mut wide = Zeroizing::new([0_u8; 128]);
            rng.try_fill_bytes(wide.as_mut())
                .map_err(|_| Error::random_source())?;
            let (secret, blinding) = wide.split_at(64);
            let fill = |scalars: &mut Scalars| {
                scalars.secret = uniform(secret);
                scalars.blinding = uniform(blinding);
                Ok(())
            };
            // Zero and the identity come up once in 2^252 draws; drawing again keeps the rest
            // uniform.
            if let Ok(credential) = Self::filled_by(fill) {
                return Ok(credential);
            }
        }
    }

    /// Decodes a secret and a blinding of 32 bytes each, as [`Credential::secret_bytes`] and
    /// [`Credential::blinding_bytes`] give them.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`], naming the part; the values are not
    /// in the message.
    pub fn from_bytes(secret: &[u8], blinding: &[u8]) -> Result<Self, Error> {
        Self::filled_by(|scalars| {
            scalars.secret = group::decode_scalar("secret", secret)?;
            scalars.blinding = group::decode_scalar("blinding", blinding)?;
            Ok(())
        })
    }

    /// The credential of a recovery phrase: both scalars are hashed from the phrase's 32 bytes of
    /// entropy (`spec/protocol.md`, section 3).
    ///
    /// The entropy must be uniform, as that of 24 random BIP-39 words is: whoever can guess it has the
    /// credential.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] unless there are 32 bytes.
    pub fn from_recovery_entropy(entropy: &[u8]) -> Result<Self, Error> {
        Self::is_entropy(entropy)?;
        Self::filled_by(|scalars| {
            scalars.secret = derived(b's', entropy);
            scalars.blinding = derived(b'r', entropy);
            Ok(())
        })
    }

    /// The credential of a recovery phrase at one audience: the secret is that of
    /// [`Credential::from_recovery_entropy`], the blinding is hashed from the audience and a generation as
    /// well (`spec/protocol.md`, section 3). Commitments of one phrase at two audiences, or of two
    /// generations, are as unrelated as those of two phrases to whoever does not have it, and a credential
    /// that leaks opens no other one's commitment.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] unless there are 32 bytes.
    pub fn from_recovery_entropy_at(
        entropy: &[u8],
        audience: &Audience,
        generation: u32,
    ) -> Result<Self, Error> {
        Self::is_entropy(entropy)?;
        Self::filled_by(|scalars| {
            scalars.secret = derived(b's', entropy);
            scalars.blinding = blinding_at(entropy, audience, generation);
            Ok(())
        })
    }

    fn is_entropy(entropy: &[u8]) -> Result<(), Error> {
        if entropy.len() != Self::RECOVERY_ENTROPY_LEN {
            return Err(Error::InvalidLength {
                what: "entropy of a recovery phrase",
                expected: "32 bytes",
                actual: entropy.len(),
            });
        }
        Ok(())
    }

    /// Has the scalars written where they stay, and commits to them. Not inlined, so that the
    /// evidence for constant time can tell its one branch from the arithmetic.
    #[inline(never)]
    fn filled_by(fill: impl FnOnce(&mut Scalars) -> Result<(), Error>) -> Result<Self, Error> {
        let mut scalars = Box::new(Scalars {
            secret: Scalar::ZERO,
            blinding: Scalar::ZERO,
        });
        let point =
            fill(&mut scalars).map(|()| group::pedersen(&scalars.secret, &scalars.blinding));
        overwrite_stack();
        let commitment = Commitment::from_point(point?);
        let unusable = scalars.secret.ct_eq(&Scalar::ZERO)
            | scalars.blinding.ct_eq(&Scalar::ZERO)
            | commitment.as_bytes().ct_eq(&[0; ELEMENT_LEN]);
        if bool::from(unusable) {
            return Err(Error::InvalidEncoding {
                what: "credential",
                expected: "a secret and a blinding that are not zero and whose commitment is not \
                           the identity",
            });
        }
        Ok(Self {
            scalars,
            commitment,
        })
    }

    /// The commitment, which may be shown to anybody.
    #[must_use]
    pub const fn commitment(&self) -> &Commitment {
        &self.commitment
    }

    /// The secret s, little-endian: for storing it, never for sending it.
    #[must_use]
    pub fn secret_bytes(&self) -> Zeroizing<[u8; ELEMENT_LEN]> {
        Zeroizing::new(*self.scalars.secret.as_bytes())
    }

    /// The blinding r, little-endian: for storing it, never for sending it.
    #[must_use]
    pub fn blinding_bytes(&self) -> Zeroizing<[u8; ELEMENT_LEN]> {
        Zeroizing::new(*self.scalars.blinding.as_bytes())
    }

    /// Whether both have one secret, compared in constant time.
    pub(crate) fn has_secret_of(&self, other: &Self) -> subtle::Choice {
        self.secret().ct_eq(other.secret())
    }

    pub(crate) fn secret(&self) -> &Scalar {
        &self.scalars.secret
    }

    pub(crate) fn blinding(&self) -> &Scalar {
        &self.scalars.blinding
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(secret)")
    }
}

/// Equal secrets and blindings, compared in constant time.
impl ConstantTimeEq for Credential {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.secret().ct_eq(other.secret()) & self.blinding().ct_eq(other.blinding())
    }
}

fn derived(label: u8, entropy: &[u8]) -> Scalar {
    let hash = Sha512::new_with_prefix(RECOVERY_DST)
        .chain_update([label])
        .chain_update(entropy);
    let wide: Zeroizing<[u8; 64]> = Zeroizing::new(hash.finalize().into());
    uniform(wide.as_ref())
}

/// SHA-512(DST ‖ E ‖ LP(audience) ‖ generation), reduced.
fn blinding_at(entropy: &[u8], audience: &Audience, generation: u32) -> Scalar {
    let audience = audience.as_str().as_bytes();
    let hash = Sha512::new_with_prefix(AUDIENCE_BLINDING_DST)
        .chain_update(entropy)
        .chain_update((audience.len() as u32).to_be_bytes())
        .chain_update(audience)
        .chain_update(generation.to_be_bytes());
    let wide: Zeroizing<[u8; 64]> = Zeroizing::new(hash.finalize().into());
    uniform(wide.as_ref())
}

/// A uniform scalar: 64 random bytes reduced, so that no value is favoured measurably.
fn uniform(wide: &[u8]) -> Scalar {
    let mut bytes = Zeroizing::new([0; 64]);
    bytes.copy_from_slice(wide);
    Scalar::from_bytes_mod_order_wide(&bytes)
}

/// Overwrites the part of the stack that a call of this depth has used, where copies of secrets may
/// have been left by arithmetic that passes scalars by value.
#[inline(never)]
pub(crate) fn overwrite_stack() {
    // Words, since what is overwritten for certain is overwritten one element at a time.
    let mut used = [0_u64; 1024];
    used.zeroize();
    core::hint::black_box(&mut used);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rng;
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn debug_shows_a_commitment_and_hides_a_credential() {
        let credential = Credential::generate(&mut rng(1)).unwrap();
        assert_eq!(format!("{credential:?}"), "Credential(secret)");
        assert_eq!(
            format!("{:?}", credential.commitment()),
            format!(
                "Commitment({})",
                hex::encode(credential.commitment().as_bytes())
            )
        );
    }

    #[test]
    fn a_credential_survives_a_round_trip() {
        let credential = Credential::generate(&mut rng(2)).unwrap();
        let again = Credential::from_bytes(
            credential.secret_bytes().as_ref(),
            credential.blinding_bytes().as_ref(),
        )
        .unwrap();
        assert!(bool::from(credential.ct_eq(&again)));
        assert_eq!(credential.commitment(), again.commitment());
    }

    #[test]
    fn zero_and_non_canonical_scalars_are_refused_by_name() {
        let one = Scalar::ONE.to_bytes();
        let order = {
            // The group order itself: -1 plus one, without reduction.
            let mut bytes = (-Scalar::ONE).to_bytes();
            bytes[0] += 1;
            bytes
        };
        for bad in [[0; 32], order, [0xff; 32]] {
            let error = Credential::from_bytes(&bad, &one).unwrap_err();
            assert!(
                matches!(error, Error::InvalidEncoding { what: "secret", .. }),
                "{error}"
            );
            let error = Credential::from_bytes(&one, &bad).unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::InvalidEncoding {
                        what: "blinding",
                        ..
                    }
                ),
                "{error}"
            );
        }
        assert_eq!(
            Credential::from_bytes(&one[..31], &one).unwrap_err(),
            Error::InvalidLength {
                what: "secret",
                expected: "32 bytes",
                actual: 31
            }
        );
    }

    #[test]
    fn a_failing_random_source_is_an_error_and_not_a_weak_key() {
        let error = Credential::generate(&mut crate::testing::Broken).unwrap_err();
        assert_eq!(error.code(), crate::ErrorCode::Unavailable);
    }

    #[test]
    fn a_phrase_has_one_secret_and_a_blinding_for_each_audience_and_generation() {
        let entropy = [9; 32];
        let audience = |text: &str| text.parse::<Audience>().unwrap();
        let at = |name: &str, n| {
            Credential::from_recovery_entropy_at(&entropy, &audience(name), n).unwrap()
        };
        let plain = Credential::from_recovery_entropy(&entropy).unwrap();
        let mut seen = alloc::collections::BTreeSet::from([plain.commitment().to_bytes()]);
        for name in [
            "https://a.example",
            "https://b.example",
            "https://a.example:8443",
        ] {
            for generation in [0, 1, 256] {
                let credential = at(name, generation);
                assert_eq!(*credential.secret_bytes(), *plain.secret_bytes());
                assert!(seen.insert(credential.commitment().to_bytes()));
                let lp = [&(name.len() as u32).to_be_bytes()[..], name.as_bytes()].concat();
                let input = [
                    &b"2FApi-v1.0-AudienceBlinding"[..],
                    &entropy,
                    &lp,
                    &generation.to_be_bytes(),
                ];
                let wide: [u8; 64] = Sha512::digest(input.concat()).into();
                let expected = Scalar::from_bytes_mod_order_wide(&wide);
                assert_eq!(*credential.blinding(), expected);
            }
        }
        let again = at("https://a.example", 0);
        assert!(bool::from(again.ct_eq(&at("https://a.example", 0))));
        for short in [&entropy[..31], &[]] {
            let name = audience("https://a.example");
            assert!(Credential::from_recovery_entropy_at(short, &name, 0).is_err());
        }
    }

    #[test]
    fn a_credential_of_one_host_opens_no_commitment_of_another() {
        let audience = |text: &str| text.parse::<Audience>().unwrap();
        let of = |name: &str| {
            Credential::from_recovery_entropy_at(&[9; 32], &audience(name), 0).unwrap()
        };
        let (here, there) = (of("https://a.example"), of("https://b.example"));
        // Two hosts that compare notes see commitments without a relation that they can name; with what leaked
        // at one, the other's differs from it by a multiple of H that nobody knows.
        assert_ne!(here.commitment(), there.commitment());
        assert_ne!(*here.blinding_bytes(), *there.blinding_bytes());
        let id = crate::ClientId::parse("alice").unwrap();
        let statement = crate::Enrolment { client_id: &id };
        let leaked = crate::prove(&here, &statement, &mut rng(3)).unwrap();
        assert!(crate::verify(here.commitment(), &statement, &leaked).is_ok());
        assert!(crate::verify(there.commitment(), &statement, &leaked).is_err());
    }

    #[test]
    fn the_identity_is_no_commitment() {
        assert!(matches!(
            Commitment::from_bytes(&[0; 32]),
            Err(Error::InvalidEncoding { .. })
        ));
    }

    proptest! {
        #[test]
        fn a_decoded_commitment_encodes_to_the_same_bytes(bytes: [u8; 32]) {
            if let Ok(commitment) = Commitment::from_bytes(&bytes) {
                prop_assert_eq!(commitment.point().compress().to_bytes(), bytes);
                prop_assert_ne!(bytes, [0; 32]);
            }
        }

        #[test]
        fn commitments_add_up(seed: u64) {
            let (a, b) = (
                Credential::generate(&mut rng(seed)).unwrap(),
                Credential::generate(&mut rng(seed.wrapping_add(1))).unwrap(),
            );
            let sum = group::pedersen(&(a.secret() + b.secret()), &(a.blinding() + b.blinding()));
            prop_assert_eq!(sum, a.commitment().point() + b.commitment().point());
        }
    }
}
