//! Seals: the session id to the user, the proof of its randomness to the validator.
//!
//! There is no MAC. The user checks the session id against the posted hash, the validator checks the proof.

use hmac::Mac;
use k256::Scalar;
use sha2::{Digest, Sha256};
use twofapi_chain_vrf::{Point, Proof, PublicKey, Refused, SecretKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{alpha, keccak256, reduce, tag::keyed};

const TO_USER: u8 = 1;
const TO_VALIDATOR: u8 = 2;

/// What a provider posts: the hash of the session id, the ephemeral key, and both seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// keccak256 of the session id.
    pub session_hash: [u8; 32],
    /// E.
    pub ephemeral: Point,
    /// The session id under the user's pad.
    pub user: [u8; 32],
    /// The proof and 15 zero bytes under the validator's pads.
    pub validator: [[u8; 32]; 3],
}

/// The ephemeral key of one session. It follows from the provider's key, so that a provider that was restarted
/// makes the same offer again.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EphemeralKey {
    scalar: Scalar,
    #[zeroize(skip)]
    public: Point,
}

impl EphemeralKey {
    /// The key for this request and seed.
    #[must_use]
    pub fn derive(provider: &SecretKey, id: &[u8; 32], seed: &[u8; 32]) -> Self {
        let secret = Zeroizing::new(<[u8; 32]>::from(provider.scalar().to_bytes()));
        let mut mac = keyed(&secret);
        mac.update(b"2FApi-v1.0-Chain-SealNonce");
        mac.update(id);
        mac.update(seed);
        let bytes = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        let scalar = reduce(&bytes);
        Self {
            scalar,
            public: Point::mul_base(&scalar),
        }
    }

    /// E.
    #[must_use]
    pub fn public(&self) -> &Point {
        &self.public
    }

    pub(crate) fn scalar(&self) -> &Scalar {
        &self.scalar
    }
}

/// Seals the proof for this session, and the session id that comes of it.
#[must_use]
pub fn seal(
    ephemeral: &EphemeralKey,
    id: &[u8; 32],
    proof: &Proof,
    user: &Point,
    validator: &Point,
) -> Sealed {
    let session_id = Zeroizing::new(proof.output());
    let e = ephemeral.public();
    let shared = Zeroizing::new(user.mul(ephemeral.scalar()).x());
    let user = xor(&session_id, &pad(TO_USER, 0, id, e, &shared));
    let shared = Zeroizing::new(validator.mul(ephemeral.scalar()).x());
    let mut padded = [0; 96];
    padded[..Proof::LEN].copy_from_slice(&proof.to_bytes());
    let mut sealed = [[0; 32]; 3];
    for ((i, part), sealed) in (0..).zip(padded.as_chunks::<32>().0).zip(&mut sealed) {
        *sealed = xor(part, &pad(TO_VALIDATOR, i, id, e, &shared));
    }
    Sealed {
        session_hash: keccak256(&*session_id),
        ephemeral: *e,
        user,
        validator: sealed,
    }
}

/// Unseals the session id and checks it against the posted hash. A user whose check fails reports the
/// seal and answers nothing.
///
/// # Errors
/// [`Refused::Equation`], if another session id was sealed than was promised.
pub fn unseal_session_id(
    key: &SecretKey,
    id: &[u8; 32],
    sealed: &Sealed,
) -> Result<Zeroizing<[u8; 32]>, Refused> {
    let shared = Zeroizing::new(sealed.ephemeral.mul(key.scalar()).x());
    let pad = pad(TO_USER, 0, id, &sealed.ephemeral, &shared);
    let session_id = Zeroizing::new(xor(&sealed.user, &pad));
    if keccak256(&*session_id) == sealed.session_hash {
        Ok(session_id)
    } else {
        Err(Refused::Equation)
    }
}

/// Unseals the proof and checks everything that the contract will. A validator whose check fails reports the seal.
///
/// # Errors
/// [`Refused`], if what was sealed is no valid proof of the posted session id.
pub fn unseal_proof(
    key: &SecretKey,
    provider: &PublicKey,
    id: &[u8; 32],
    seed: &[u8; 32],
    sealed: &Sealed,
) -> Result<Proof, Refused> {
    let shared = Zeroizing::new(sealed.ephemeral.mul(key.scalar()).x());
    let mut bytes = [0; 96];
    for ((i, part), into) in (0..)
        .zip(&sealed.validator)
        .zip(bytes.as_chunks_mut::<32>().0)
    {
        *into = xor(part, &pad(TO_VALIDATOR, i, id, &sealed.ephemeral, &shared));
    }
    let (proof, filler) = bytes.split_at(Proof::LEN);
    if filler.iter().any(|byte| *byte != 0) {
        return Err(Refused::Encoding("what was sealed"));
    }
    let proof = Proof::from_bytes(proof)?;
    let session_id = Zeroizing::new(provider.verify(&alpha(id, seed), &proof)?);
    if keccak256(&*session_id) == sealed.session_hash {
        Ok(proof)
    } else {
        Err(Refused::Equation)
    }
}

fn pad(to: u8, i: u8, id: &[u8; 32], ephemeral: &Point, shared_x: &[u8; 32]) -> [u8; 32] {
    Sha256::new_with_prefix(b"2FApi-v1.0-Chain-Seal")
        .chain_update([to, i])
        .chain_update(id)
        .chain_update(ephemeral.as_bytes())
        .chain_update(shared_x)
        .finalize()
        .into()
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| a[i] ^ b[i])
}
