//! What the client reads of its passkey: the public key, and signatures.

use p256::{
    AffinePoint, FieldBytes, ProjectivePoint, PublicKey, Scalar,
    ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _},
    elliptic_curve::{
        PrimeField as _,
        ops::{LinearCombination as _, Reduce},
        sec1::ToSec1Point as _,
    },
    pkcs8::DecodePublicKey as _,
};

use crate::{
    Error,
    field::{Fe, decode},
};

/// Length of a `SubjectPublicKeyInfo` of P-256 with an uncompressed point.
pub const SPKI_LEN: usize = 91;

/// The public key of a passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyPublicKey {
    key: PublicKey,
    x: Fe,
    y: Fe,
}

/// A signature, with the point that it is made of.
#[derive(Clone)]
pub struct PasskeySignature {
    pub(crate) r: [u8; 32],
    pub(crate) s: [u8; 32],
    pub(crate) point: (Fe, Fe),
}

impl std::fmt::Debug for PasskeySignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasskeySignature(..)")
    }
}

fn coordinates(point: &AffinePoint) -> Result<(Fe, Fe), Error> {
    let point = point.to_sec1_point(false);
    match point.as_bytes().split_first() {
        Some((4, both)) if both.len() == 64 => Ok((decode(&both[..32])?, decode(&both[32..])?)),
        _ => Err(Error::Encoding),
    }
}

impl PasskeyPublicKey {
    /// Reads what `getPublicKey()` gives.
    ///
    /// # Errors
    /// [`Error::Length`] if it is not [`SPKI_LEN`] bytes, [`Error::Encoding`] for another curve or
    /// algorithm, and for a point that is not on the curve.
    pub fn from_spki(der: &[u8]) -> Result<Self, Error> {
        if der.len() != SPKI_LEN {
            return Err(Error::Length);
        }
        Self::of(PublicKey::from_public_key_der(der).map_err(|_| Error::Encoding)?)
    }

    /// The key with these coordinates.
    ///
    /// # Errors
    /// [`Error::Encoding`] for a point that is not on the curve.
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, Error> {
        let bytes = [&[4][..], x, y].concat();
        Self::of(PublicKey::from_sec1_bytes(&bytes).map_err(|_| Error::Encoding)?)
    }

    fn of(key: PublicKey) -> Result<Self, Error> {
        let (x, y) = coordinates(key.as_affine())?;
        Ok(Self { key, x, y })
    }

    /// The coordinates.
    #[must_use]
    pub const fn coordinates(&self) -> (&Fe, &Fe) {
        (&self.x, &self.y)
    }

    /// Reads a signature of this key over a hash: DER, of which there is one encoding.
    ///
    /// # Errors
    /// [`Error::Encoding`] for what is no such signature. Also for one whose point has an x of n or more,
    /// which is one in 2^128.
    pub fn signature(&self, hash: &[u8; 32], der: &[u8]) -> Result<PasskeySignature, Error> {
        let signature = Signature::from_der(der).map_err(|_| Error::Encoding)?;
        VerifyingKey::from(&self.key)
            .verify_prehash(hash, &signature)
            .map_err(|_| Error::Encoding)?;
        let (r, s) = signature.split_scalars();
        let inverse = Scalar::invert(&s).into_option().ok_or(Error::Encoding)?;
        let e = <Scalar as Reduce<FieldBytes>>::reduce(&(*hash).into());
        let point = ProjectivePoint::lincomb(&[
            (ProjectivePoint::GENERATOR, e * inverse),
            (self.key.to_projective(), *r * inverse),
        ]);
        let point = coordinates(&point.to_affine())?;
        let r: [u8; 32] = r.to_repr().into();
        if crate::field::encode(&point.0) != r {
            return Err(Error::Encoding);
        }
        Ok(PasskeySignature {
            r,
            s: s.to_repr().into(),
            point,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::{
        ecdsa::{SigningKey, signature::hazmat::PrehashSigner as _},
        pkcs8::EncodePublicKey as _,
    };

    const HASH: [u8; 32] = [0x17; 32];

    #[test]
    fn a_key_or_a_signature_has_one_encoding() {
        let signing = SigningKey::from_slice(&[5; 32]).unwrap();
        let spki = PublicKey::from(signing.verifying_key())
            .to_public_key_der()
            .unwrap()
            .into_vec();
        let key = PasskeyPublicKey::from_spki(&spki).unwrap();
        let (x, y) = key.coordinates();
        let [x, y] = [x, y].map(crate::field::encode);
        assert_eq!(
            PasskeyPublicKey::from_coordinates(&x, &y).as_ref(),
            Ok(&key)
        );
        for i in 0..spki.len() {
            let mut changed = spki.clone();
            changed[i] ^= 1;
            assert_ne!(
                PasskeyPublicKey::from_spki(&changed).as_ref(),
                Ok(&key),
                "byte {i}"
            );
        }
        for bad in [&spki[..90], &[&spki[..], &[0]].concat(), &[]] {
            assert_eq!(PasskeyPublicKey::from_spki(bad), Err(Error::Length));
        }
        let mut beside = y;
        beside[31] ^= 1;
        assert_eq!(
            PasskeyPublicKey::from_coordinates(&x, &beside),
            Err(Error::Encoding)
        );

        let signature: Signature = signing.sign_prehash(&HASH).unwrap();
        let der = signature.to_der().as_bytes().to_vec();
        let read = |der: &[u8]| key.signature(&HASH, der);
        assert!(read(&der).is_ok());
        let mut other_hash = HASH;
        other_hash[0] ^= 1;
        assert!(key.signature(&other_hash, &der).is_err());
        for i in 0..der.len() {
            let mut changed = der.clone();
            changed[i] ^= 1;
            assert!(read(&changed).is_err(), "byte {i}");
        }
        let len = der.len() as u8;
        for bad in [
            [&der[..], &[0]].concat(),
            der[..der.len() - 1].to_vec(),
            // The length in two bytes, though one is enough.
            [&[0x30, 0x81, len - 2], &der[2..]].concat(),
            // A nought before r that it does not need, or one more.
            [&[0x30, len - 1, 0x02, der[3] + 1, 0x00], &der[4..]].concat(),
            // Raw r and s.
            signature.to_bytes().to_vec(),
            vec![],
        ] {
            assert!(read(&bad).is_err(), "{bad:02x?}");
        }
    }
}
