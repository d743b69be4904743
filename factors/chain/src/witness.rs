//! What the contract has brought to it so that it multiplies nothing: products of points, roots, inverses.
//! All of it is public.

use k256::{ProjectivePoint, Scalar, elliptic_curve::ops::MulByGeneratorVartime};
use twofapi_chain_vrf::{Point, Proof, PublicKey, Refused, SecretKey, challenge, widened};
use zeroize::Zeroizing;

use crate::{alpha, field, reduce};

/// The points beside a proof that two logarithms are equal, and an inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// s·G − c·Y.
    pub u: Point,
    /// s·H.
    pub a: Point,
    /// c·Γ.
    pub b: Point,
    /// 1 / (B.x − A.x).
    pub inverse: [u8; 32],
}

impl Witness {
    /// For a proof (c, s) that log_G(y) = log_h(gamma).
    ///
    /// # Errors
    /// [`Refused::Equation`], where U is at infinity or A and B share an x; the contract decides
    /// these without a witness.
    pub fn new(
        y: &Point,
        h: &Point,
        gamma: &Point,
        c: [u8; 16],
        s: &Scalar,
    ) -> Result<Self, Refused> {
        let c = widened(c);
        let u = ProjectivePoint::mul_by_generator_and_mul_add_vartime(s, &-c, &y.projective());
        let [u, a, b] = [u, h.projective() * s, gamma.projective() * c]
            .map(|point| Point::from_projective(&point).map_err(|_| Refused::Equation));
        let (u, a, b) = (u?, a?, b?);
        let inverse = field::inverse_of_difference(&b.x(), &a.x()).ok_or(Refused::Equation)?;
        Ok(Self { u, a, b, inverse })
    }
}

/// A VRF proof as the contract takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The proof.
    pub proof: Proof,
    /// A root for each try of the hash to the curve.
    pub roots: Vec<[u8; 32]>,
    /// The products.
    pub witness: Witness,
}

impl Opened {
    /// For a proof that holds.
    ///
    /// # Errors
    /// [`Refused`], for one that does not.
    pub fn new(
        provider: &PublicKey,
        id: &[u8; 32],
        seed: &[u8; 32],
        proof: &Proof,
    ) -> Result<Self, Refused> {
        let alpha = alpha(id, seed);
        provider.verify(&alpha, proof)?;
        let mut roots = Vec::new();
        for x in provider.tries(&alpha) {
            roots.push(field::root_for(&x));
            if Point::from_x(&x, false).is_ok() {
                break;
            }
        }
        let h = provider.hash_to_curve(&alpha);
        Ok(Self {
            proof: *proof,
            roots,
            witness: Witness::new(
                provider.point(),
                &h,
                proof.gamma(),
                proof.challenge(),
                proof.response(),
            )?,
        })
    }
}

/// Shows what a key's holder and a provider share, to whoever decides about a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealProof {
    /// The key times E.
    pub shared: Point,
    /// The challenge.
    pub c: [u8; 16],
    /// The response.
    pub s: [u8; 32],
    /// The products.
    pub witness: Witness,
}

impl SealProof {
    /// Made by the key that something was sealed to, for the address that will report it.
    ///
    /// # Errors
    /// [`Refused::Equation`], with the chance of guessing a key.
    pub fn new(
        key: &SecretKey,
        id: &[u8; 32],
        reporter: &[u8; 20],
        ephemeral: &Point,
    ) -> Result<Self, Refused> {
        let domain = [b"2FApi-v1.0-Chain-SealProof".as_slice(), id, reporter].concat();
        let y = key.public().point();
        let shared = ephemeral.mul(key.scalar());
        let nonce = Zeroizing::new(nonce(key, &domain, ephemeral));
        let announcements = [Point::mul_base(&nonce), ephemeral.mul(&nonce)];
        let c = challenge(
            &domain,
            [y, ephemeral, &shared],
            [&announcements[0], &announcements[1]],
        );
        let s = *nonce + widened(c) * key.scalar();
        Ok(Self {
            witness: Witness::new(y, ephemeral, &shared, c, &s)?,
            shared,
            c,
            s: s.to_bytes().into(),
        })
    }
}

/// From the key and everything that is proven, so that no two proofs share one.
fn nonce(key: &SecretKey, domain: &[u8], ephemeral: &Point) -> Scalar {
    use sha2::{Digest, Sha256};
    let secret = Zeroizing::new(<[u8; 32]>::from(key.scalar().to_bytes()));
    let hashed = Zeroizing::new(<[u8; 32]>::from(
        Sha256::new_with_prefix(b"2FApi-v1.0-Chain-SealProof nonce")
            .chain_update(*secret)
            .chain_update(domain)
            .chain_update(ephemeral.as_bytes())
            .finalize(),
    ));
    reduce(&hashed)
}
