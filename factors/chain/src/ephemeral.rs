//! That whoever posts made the ephemeral key of the seals for this session: nobody can post a key of
//! another provider's, whose seals a report would then open.

use k256::{ProjectivePoint, Scalar, elliptic_curve::ops::MulByGeneratorVartime};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use twofapi_chain_vrf::{Point, Refused, scalar};
use zeroize::Zeroizing;

use crate::{address_of, reduce, seal::EphemeralKey};

/// The proof: the address of the announcement, and the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EphemeralProof {
    /// The address of k·G.
    pub announcement: [u8; 20],
    /// k + c·e.
    pub response: [u8; 32],
}

/// Proves that the key was made for this request by this provider. The nonce is hedged: it is drawn from
/// the random source and from everything that it must differ for.
#[must_use]
pub fn prove<R: CryptoRng + ?Sized>(
    key: &EphemeralKey,
    id: &[u8; 32],
    sip: &[u8; 20],
    random: &mut R,
) -> EphemeralProof {
    let mut fresh = Zeroizing::new([0; 32]);
    random.fill_bytes(&mut *fresh);
    let secret = Zeroizing::new(<[u8; 32]>::from(key.scalar().to_bytes()));
    let hashed = Zeroizing::new(<[u8; 32]>::from(
        Sha256::new_with_prefix(b"2FApi-v1.0-Chain-Ephemeral nonce")
            .chain_update(*fresh)
            .chain_update(*secret)
            .chain_update(id)
            .chain_update(sip)
            .chain_update(key.public().as_bytes())
            .finalize(),
    ));
    let nonce = Zeroizing::new(reduce(&hashed));
    let announcement = address_of(&Point::mul_base(&nonce));
    let c = challenge(id, sip, key.public(), &announcement);
    let response = *nonce + c * key.scalar();
    EphemeralProof {
        announcement,
        response: response.to_bytes().into(),
    }
}

/// Decides as the contract does.
///
/// # Errors
/// [`Refused`], for a response of another form and a proof that does not hold.
pub fn verify(
    key: &Point,
    id: &[u8; 32],
    sip: &[u8; 20],
    proof: &EphemeralProof,
) -> Result<(), Refused> {
    let response = scalar("the response", &proof.response)?;
    let c = challenge(id, sip, key, &proof.announcement);
    let announcement =
        ProjectivePoint::mul_by_generator_and_mul_add_vartime(&response, &-c, &key.projective());
    match Point::from_projective(&announcement) {
        Ok(point) if c != Scalar::ZERO && address_of(&point) == proof.announcement => Ok(()),
        _ => Err(Refused::Equation),
    }
}

fn challenge(id: &[u8; 32], sip: &[u8; 20], key: &Point, announcement: &[u8; 20]) -> Scalar {
    let hash = Sha256::new_with_prefix(b"2FApi-v1.0-Chain-Ephemeral")
        .chain_update(id)
        .chain_update(sip)
        .chain_update(key.as_bytes())
        .chain_update(announcement)
        .finalize();
    reduce(&hash.into())
}
