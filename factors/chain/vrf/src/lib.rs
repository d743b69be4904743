//! The verifiable random function of the on-chain second factor: ECVRF of RFC 9381 with
//! try-and-increment on secp256k1 and SHA-256, suite string `0xfe`.
//!
//! It is a crate of its own because whoever checks vectors needs it and nothing else of the factor.
//!
//! ```
//! use twofapi_chain_vrf::SecretKey;
//!
//! let key = SecretKey::from_bytes(&[7; 32])?;
//! let proof = key.prove(b"input");
//! assert_eq!(key.public().verify(b"input", &proof)?, proof.output());
//! assert!(key.public().verify(b"another", &proof).is_err());
//! # Ok::<(), twofapi_chain_vrf::Refused>(())
//! ```

#![no_std]

mod point;

use core::fmt;

use k256::{
    ProjectivePoint, Scalar, U256,
    elliptic_curve::{
        Curve,
        ops::{MulByGeneratorVartime, MulVartime},
    },
};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use point::{InvalidPoint, Point};

/// The suite string, of those that RFC 9381 leaves to experiments.
const SUITE: u8 = 0xfe;

/// Why a proof or key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has another length than it should.
    #[error("{what} must be {expected} bytes, got {got}")]
    Length {
        /// What was read.
        what: &'static str,
        /// The right length.
        expected: usize,
        /// The length that it has.
        got: usize,
    },
    /// Its bytes are no point, or a scalar that is zero or not below the group's order.
    #[error("{0} is not encoded as it should be")]
    Encoding(&'static str),
    /// It is well-formed and does not hold.
    #[error("the proof does not hold for this key and input")]
    Equation,
}

/// A key that proves. Overwritten when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey {
    scalar: Scalar,
    #[zeroize(skip)]
    public: PublicKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {:?}", self.public)
    }
}

impl SecretKey {
    /// Reads a key: a scalar, big-endian, neither zero nor above the group's order.
    ///
    /// # Errors
    /// [`Refused`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        let scalar = Zeroizing::new(scalar("the secret key", bytes)?);
        let public = PublicKey(Point::mul_base(&scalar));
        Ok(Self {
            scalar: *scalar,
            public,
        })
    }

    /// The key that verifies.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The scalar. Whoever takes a copy overwrites it.
    #[must_use]
    pub fn scalar(&self) -> &Scalar {
        &self.scalar
    }

    /// Proves what the output for `alpha` is. The same key and input give the same proof.
    #[must_use]
    pub fn prove(&self, alpha: &[u8]) -> Proof {
        let h = self.public.hash_to_curve(alpha);
        let gamma = h.mul(&self.scalar);
        let nonce = self.nonce(&h);
        let c = challenge(
            &[SUITE, 2],
            [&self.public.0, &h, &gamma],
            [&Point::mul_base(&nonce), &h.mul(&nonce)],
        );
        let s = *nonce + widened(c) * self.scalar;
        Proof { gamma, c, s }
    }

    /// RFC 9381, 5.4.2.1: the nonce of RFC 6979 for the message H.
    fn nonce(&self, h: &Point) -> Zeroizing<Scalar> {
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&self.scalar.to_bytes());
        let hashed = Sha256::digest(h.as_bytes());
        let mut bytes = Zeroizing::new([0; 32]);
        rfc6979::KGenerator::<Sha256, U256>::new(&*key, &hashed, &[], &k256::Secp256k1::ORDER)
            .fill_next_k(&mut *bytes);
        // It is neither zero nor above the order, as RFC 6979 wants it.
        Zeroizing::new(scalar("a nonce", &*bytes).unwrap_or(Scalar::ONE))
    }
}

/// A key that verifies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(Point);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Point> for PublicKey {
    fn from(point: Point) -> Self {
        Self(point)
    }
}

impl PublicKey {
    /// The length of a key in bytes.
    pub const LEN: usize = 33;

    /// Reads a compressed point.
    ///
    /// # Errors
    /// [`Refused`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| Refused::Length {
            what: "a public key",
            expected: Self::LEN,
            got: bytes.len(),
        })?;
        Point::from_bytes(bytes)
            .map(Self)
            .map_err(|InvalidPoint| Refused::Encoding("the public key"))
    }

    /// The point.
    #[must_use]
    pub fn point(&self) -> &Point {
        &self.0
    }

    /// Verifies a proof, and says what the output is.
    ///
    /// # Errors
    /// [`Refused::Equation`], if it does not hold.
    pub fn verify(&self, alpha: &[u8], proof: &Proof) -> Result<[u8; 32], Refused> {
        let h = self.hash_to_curve(alpha);
        let c = widened(proof.c);
        // Everything here is public.
        let u = ProjectivePoint::mul_by_generator_and_mul_add_vartime(
            &proof.s,
            &-c,
            &self.0.projective(),
        );
        let v = h.projective().mul_vartime(&proof.s) - proof.gamma.projective().mul_vartime(&c);
        let (Ok(u), Ok(v)) = (Point::from_projective(&u), Point::from_projective(&v)) else {
            return Err(Refused::Equation);
        };
        let again = challenge(&[SUITE, 2], [&self.0, &h, &proof.gamma], [&u, &v]);
        if again == proof.c && proof.c != [0; 16] {
            Ok(proof.output())
        } else {
            Err(Refused::Equation)
        }
    }

    /// H, as section 5.4.1.1 of RFC 9381 makes it of the key and the input.
    #[must_use]
    pub fn hash_to_curve(&self, alpha: &[u8]) -> Point {
        self.tries(alpha)
            .find_map(|x| Point::from_x(&x, false).ok())
            .unwrap_or(self.0) // after 256 tries, each of which is a point in one of two cases
    }

    /// The coordinates that the hash to the curve tries, one after the other.
    pub fn tries(&self, alpha: &[u8]) -> impl Iterator<Item = [u8; 32]> {
        (0..=u8::MAX).map(move |i| {
            Sha256::new()
                .chain_update([SUITE, 1])
                .chain_update(self.0.as_bytes())
                .chain_update(alpha)
                .chain_update([i, 0])
                .finalize()
                .into()
        })
    }
}

/// A proof: Γ, the challenge and the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    gamma: Point,
    c: [u8; 16],
    s: Scalar,
}

impl Proof {
    /// The length of a proof in bytes.
    pub const LEN: usize = 81;

    /// Reads a proof. That it is well-formed does not say that it holds.
    ///
    /// # Errors
    /// [`Refused`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| Refused::Length {
            what: "a proof",
            expected: Self::LEN,
            got: bytes.len(),
        })?;
        let (gamma, rest) = bytes.split_first_chunk::<33>().ok_or(Refused::Equation)?;
        let (c, s) = rest.split_first_chunk::<16>().ok_or(Refused::Equation)?;
        Ok(Self {
            gamma: Point::from_bytes(gamma).map_err(|InvalidPoint| Refused::Encoding("Γ"))?,
            c: *c,
            s: scalar("the response", s)?,
        })
    }

    /// The proof as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..33].copy_from_slice(self.gamma.as_bytes());
        bytes[33..49].copy_from_slice(&self.c);
        bytes[49..].copy_from_slice(&self.s.to_bytes());
        bytes
    }

    /// What the key's holder alone could tell for the input. Only as good as the proof.
    #[must_use]
    pub fn output(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update([SUITE, 3])
            .chain_update(self.gamma.as_bytes())
            .chain_update([0])
            .finalize()
            .into()
    }

    /// Γ.
    #[must_use]
    pub fn gamma(&self) -> &Point {
        &self.gamma
    }

    /// The challenge, 16 bytes of a hash.
    #[must_use]
    pub fn challenge(&self) -> [u8; 16] {
        self.c
    }

    /// The response.
    #[must_use]
    pub fn response(&self) -> &Scalar {
        &self.s
    }
}

/// The first 16 bytes of the hash of `domain` and five points: what a proof that two logarithms are equal answers.
#[must_use]
pub fn challenge(domain: &[u8], statement: [&Point; 3], announcements: [&Point; 2]) -> [u8; 16] {
    let mut hash = Sha256::new_with_prefix(domain);
    for point in statement.into_iter().chain(announcements) {
        hash.update(point.as_bytes());
    }
    hash.update([0]);
    let mut c = [0; 16];
    c.copy_from_slice(&hash.finalize()[..16]);
    c
}

/// A challenge as a scalar.
#[must_use]
pub fn widened(c: [u8; 16]) -> Scalar {
    Scalar::from(u128::from_be_bytes(c))
}

/// Reads a scalar that is neither zero nor above the group's order.
///
/// # Errors
/// [`Refused`], for anything else.
pub fn scalar(what: &'static str, bytes: &[u8]) -> Result<Scalar, Refused> {
    use k256::elliptic_curve::ff::{Field, PrimeField};
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| Refused::Length {
        what,
        expected: 32,
        got: bytes.len(),
    })?;
    let scalar: Option<Scalar> = Scalar::from_repr(bytes.into()).into();
    scalar
        .filter(|scalar| !bool::from(Field::is_zero(scalar)))
        .ok_or(Refused::Encoding(what))
}
