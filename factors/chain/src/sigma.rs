//! The product's own proof as a signer on the chain: knowledge of (s, r) with C = s·G + r·H on secp256k1.
//! A credential of its own, never the scalars of the first factor.

use k256::{
    ProjectivePoint, Scalar,
    elliptic_curve::ops::{MulByGeneratorVartime, MulVartime},
};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use twofapi_chain_vrf::{Point, Refused, scalar};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{field, reduce};

const DOMAIN: &[u8] = b"2FApi-v1.0-Sigma-secp256k1";

/// H: the first point whose x is a hash of its number, with an even y. Nobody knows its logarithm.
pub static GENERATOR_H: LazyLock<Point> = LazyLock::new(|| {
    (0..=u8::MAX)
        .find_map(|i| {
            let hash = Sha256::new_with_prefix(b"2FApi-v1.0-Chain-GeneratorH")
                .chain_update([i])
                .finalize();
            Point::from_x(&hash.into(), false).ok()
        })
        .unwrap_or_else(|| unreachable!("the first hash is a point's x"))
});

/// A credential: the secret and the blinding. Overwritten when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Credential {
    secret: Scalar,
    blinding: Scalar,
    #[zeroize(skip)]
    commitment: Point,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential of {:?}", self.commitment)
    }
}

/// A proof as the contract takes it: 224 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof([u8; Proof::LEN]);

impl Proof {
    /// The length of a proof in bytes.
    pub const LEN: usize = 224;

    /// # Errors
    /// [`Refused::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        bytes.try_into().map(Self).map_err(|_| Refused::Length {
            what: "a proof",
            expected: Self::LEN,
            got: bytes.len(),
        })
    }

    /// A.x, A.y, z_s, z_r, B.x, B.y, 1/(B.x − A.x), of 32 bytes each.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn words(&self) -> [[u8; 32]; 7] {
        let (words, _) = self.0.as_chunks::<32>();
        std::array::from_fn(|i| words[i])
    }
}

impl Credential {
    /// Reads a secret and a blinding, big-endian.
    ///
    /// # Errors
    /// [`Refused`], for what is no scalar, and where the commitment would be at infinity.
    pub fn from_bytes(secret: &[u8], blinding: &[u8]) -> Result<Self, Refused> {
        let secret = Zeroizing::new(scalar("the secret", secret)?);
        let blinding = Zeroizing::new(scalar("the blinding", blinding)?);
        Ok(Self {
            commitment: commit(&secret, &blinding)?,
            secret: *secret,
            blinding: *blinding,
        })
    }

    /// C, the signer's key.
    #[must_use]
    pub fn commitment(&self) -> &Point {
        &self.commitment
    }

    /// Proves over a digest. The nonces are hedged: drawn from the random source, the credential and the
    /// digest together.
    ///
    /// # Errors
    /// [`Refused::Equation`], with the chance of guessing a key.
    pub fn prove<R: CryptoRng + ?Sized>(
        &self,
        digest: &[u8; 32],
        random: &mut R,
    ) -> Result<Proof, Refused> {
        let mut fresh = Zeroizing::new([0; 32]);
        random.fill_bytes(&mut *fresh);
        let [k_s, k_r] = [1, 2].map(|which| Zeroizing::new(self.nonce(which, &fresh, digest)));
        let announcement = commit(&k_s, &k_r)?;
        let c = challenge(&self.commitment, &announcement, digest);
        let z_s = *k_s + c * self.secret;
        let z_r = *k_r + c * self.blinding;
        let b = Point::from_projective(&self.commitment.projective().mul_vartime(&c))
            .map_err(|_| Refused::Equation)?;
        let inverse =
            field::inverse_of_difference(&b.x(), &announcement.x()).ok_or(Refused::Equation)?;
        let words = [
            announcement.x(),
            announcement.y(),
            z_s.to_bytes().into(),
            z_r.to_bytes().into(),
            b.x(),
            b.y(),
            inverse,
        ];
        let mut bytes = [0; Proof::LEN];
        for (into, word) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(words) {
            *into = word;
        }
        Ok(Proof(bytes))
    }

    fn nonce(&self, which: u8, fresh: &[u8; 32], digest: &[u8; 32]) -> Scalar {
        let secret = Zeroizing::new(<[u8; 32]>::from(self.secret.to_bytes()));
        let blinding = Zeroizing::new(<[u8; 32]>::from(self.blinding.to_bytes()));
        let hashed = Zeroizing::new(<[u8; 32]>::from(
            Sha256::new_with_prefix(b"2FApi-v1.0-Sigma-secp256k1 nonce")
                .chain_update([which])
                .chain_update(fresh)
                .chain_update(*secret)
                .chain_update(*blinding)
                .chain_update(self.commitment.as_bytes())
                .chain_update(digest)
                .finalize(),
        ));
        reduce(&hashed)
    }
}

fn commit(s: &Scalar, r: &Scalar) -> Result<Point, Refused> {
    let sum = ProjectivePoint::GENERATOR * s + GENERATOR_H.projective() * r;
    Point::from_projective(&sum).map_err(|_| Refused::Equation)
}

fn challenge(commitment: &Point, announcement: &Point, digest: &[u8; 32]) -> Scalar {
    let hash = Sha256::new_with_prefix(DOMAIN)
        .chain_update(GENERATOR_H.as_bytes())
        .chain_update(commitment.as_bytes())
        .chain_update(announcement.as_bytes())
        .chain_update(digest)
        .finalize();
    reduce(&hash.into())
}

/// Decides as the contract does, on whole points instead of addresses.
///
/// # Errors
/// [`Refused`], and why.
pub fn verify(commitment: &Point, digest: &[u8; 32], proof: &Proof) -> Result<(), Refused> {
    let [ax, ay, z_s, z_r, bx, by, inverse] = proof.words();
    let z_s = scalar("a response", &z_s)?;
    let z_r = scalar("a response", &z_r)?;
    let a = whole(&ax, &ay)?;
    let b = whole(&bx, &by)?;
    let c = challenge(commitment, &a, digest);
    if field::inverse_of_difference(&bx, &ax) != Some(inverse) {
        return Err(Refused::Equation);
    }
    let left = ProjectivePoint::mul_by_generator_and_mul_add_vartime(
        &z_s,
        &z_r,
        &GENERATOR_H.projective(),
    );
    let holds = commitment.projective().mul_vartime(&c) == b.projective()
        && left == a.projective() + b.projective();
    if holds {
        Ok(())
    } else {
        Err(Refused::Equation)
    }
}

fn whole(x: &[u8; 32], y: &[u8; 32]) -> Result<Point, Refused> {
    let point =
        Point::from_x(x, y[31] & 1 == 1).map_err(|_| Refused::Encoding("a point of the proof"))?;
    if point.y() == *y {
        Ok(point)
    } else {
        Err(Refused::Encoding("a point of the proof"))
    }
}
