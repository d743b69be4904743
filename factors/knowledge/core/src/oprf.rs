//! RFC 9497, VOPRF(ristretto255, SHA-512): the client learns the function of its answer under the host's
//! key, the host learns nothing, and the client sees that the key was the right one.
//!
//! The verifiable mode, with one proof for each element: a host of the base mode that answers one
//! element wrongly would learn whether that question was used.

use std::fmt;

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::RISTRETTO_BASEPOINT_POINT,
    ristretto::CompressedRistretto,
    traits::{Identity as _, VartimeMultiscalarMul as _},
};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;

/// Length of an element, and of a scalar.
pub const ELEMENT_LEN: usize = 32;
/// Length of a proof.
pub const PROOF_LEN: usize = 64;
/// Length of the output.
pub const OUTPUT_LEN: usize = 64;

const CONTEXT: &[u8] = b"OPRFV1-\x01-ristretto255-SHA512";

/// A key of the host.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key {
    secret: Scalar,
    #[zeroize(skip)]
    public: PublicKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.public).finish()
    }
}

/// What the client knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    point: RistrettoPoint,
    bytes: [u8; ELEMENT_LEN],
}

/// An element that is not the identity, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    point: RistrettoPoint,
    bytes: [u8; ELEMENT_LEN],
}

/// An element that the host has multiplied by its key, with the proof that it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The element.
    pub element: [u8; ELEMENT_LEN],
    /// The proof.
    pub proof: [u8; PROOF_LEN],
}

/// What the client keeps between blinding and the host's answer.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Blinded {
    input: Zeroizing<Vec<u8>>,
    blind: Scalar,
    #[zeroize(skip)]
    element: Element,
}

impl fmt::Debug for Blinded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blinded").field(&self.element).finish()
    }
}

impl Element {
    /// Decodes an element.
    ///
    /// # Errors
    /// [`Error::Encoding`] for what is no canonical encoding, and for the identity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.try_into().map_err(|_| Error::Encoding)?;
        let point = CompressedRistretto(bytes).decompress();
        match point {
            Some(point) if point != RistrettoPoint::identity() => Ok(Self { point, bytes }),
            _ => Err(Error::Encoding),
        }
    }

    /// A random element, for a question that is not used.
    pub fn random(random: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 64];
        random.fill_bytes(&mut bytes);
        Self::of(RistrettoPoint::from_uniform_bytes(&bytes))
    }

    fn of(point: RistrettoPoint) -> Self {
        let bytes = point.compress().to_bytes();
        Self { point, bytes }
    }

    /// Its encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ELEMENT_LEN] {
        &self.bytes
    }
}

impl PublicKey {
    /// Decodes a key.
    ///
    /// # Errors
    /// As [`Element::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let Element { point, bytes } = Element::from_bytes(bytes)?;
        Ok(Self { point, bytes })
    }

    /// Its encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ELEMENT_LEN] {
        &self.bytes
    }
}

impl Key {
    /// `DeriveKeyPair` of the RFC.
    ///
    /// # Errors
    /// [`Error::Length`] for an info of more than 65,535 bytes; nothing else can come of it but by a
    /// chance of 2^-252 to the power of 256.
    pub fn derive(seed: &[u8; 32], info: &[u8]) -> Result<Self, Error> {
        let mut input = Zeroizing::new(seed.to_vec());
        input.extend_from_slice(&length(info)?);
        input.extend_from_slice(info);
        let domain = [b"DeriveKeyPair", CONTEXT].concat();
        (0..=u8::MAX)
            .map(|counter| hash_to_scalar(&[&input, &[counter]], &domain))
            .find(|secret| *secret != Scalar::ZERO)
            .map(Self::of)
            .ok_or(Error::Length)
    }

    fn of(secret: Scalar) -> Self {
        let Element { point, bytes } = Element::of(RistrettoPoint::mul_base(&secret));
        let public = PublicKey { point, bytes };
        Self { secret, public }
    }

    /// Its public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The secret scalar, for vectors.
    #[must_use]
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// `BlindEvaluate` of the RFC, for one element.
    pub fn evaluate(&self, blinded: &Element, random: &mut impl CryptoRng) -> Evaluation {
        let r = Zeroizing::new(random_scalar(random));
        self.evaluate_with(blinded, &r)
    }

    pub(crate) fn evaluate_with(&self, blinded: &Element, r: &Scalar) -> Evaluation {
        let evaluated = Element::of(self.secret * blinded.point);
        let weight = weight(&self.public, blinded, &evaluated);
        let m = weight * blinded.point;
        let z = self.secret * m;
        let c = challenge(&self.public, &[m, z, RistrettoPoint::mul_base(r), r * m]);
        let mut proof = [0; PROOF_LEN];
        proof[..32].copy_from_slice(c.as_bytes());
        proof[32..].copy_from_slice((r - c * self.secret).as_bytes());
        Evaluation {
            element: evaluated.bytes,
            proof,
        }
    }
}

impl Blinded {
    /// `Blind` of the RFC, with a fresh blind.
    ///
    /// # Errors
    /// [`Error::Length`] for an input of more than 65,535 bytes.
    pub fn new(input: &[u8], random: &mut impl CryptoRng) -> Result<Self, Error> {
        Self::with(input, random_scalar(random))
    }

    pub(crate) fn with(input: &[u8], blind: Scalar) -> Result<Self, Error> {
        length(input)?;
        let point = hash_to_group(input);
        if point == RistrettoPoint::identity() || blind == Scalar::ZERO {
            return Err(Error::Length);
        }
        Ok(Self {
            input: Zeroizing::new(input.to_vec()),
            blind,
            element: Element::of(blind * point),
        })
    }

    /// What the host is sent.
    #[must_use]
    pub const fn element(&self) -> &Element {
        &self.element
    }

    /// `Finalize` of the RFC.
    ///
    /// # Errors
    /// [`Error::Encoding`] for what is no evaluation, [`Error::Evaluation`] for one under another key.
    pub fn finish(
        &self,
        evaluation: &Evaluation,
        key: &PublicKey,
    ) -> Result<Zeroizing<[u8; OUTPUT_LEN]>, Error> {
        let evaluated = Element::from_bytes(&evaluation.element)?;
        check(key, &self.element, &evaluated, &evaluation.proof)?;
        Ok(self.unblind(&evaluated))
    }

    fn unblind(&self, evaluated: &Element) -> Zeroizing<[u8; OUTPUT_LEN]> {
        let inverse = Zeroizing::new(self.blind.invert());
        let unblinded = Zeroizing::new((*inverse * evaluated.point).compress().to_bytes());
        // `with` has seen that the input is short enough.
        let input_len = length(&self.input).unwrap_or_default();
        let hash = Sha512::new()
            .chain_update(input_len)
            .chain_update(&*self.input)
            .chain_update([0, 32])
            .chain_update(*unblinded)
            .chain_update(b"Finalize");
        Zeroizing::new(hash.finalize().into())
    }
}

/// `VerifyProof` of the RFC, for one element.
fn check(
    key: &PublicKey,
    blinded: &Element,
    evaluated: &Element,
    proof: &[u8; PROOF_LEN],
) -> Result<(), Error> {
    let scalar = |bytes: &[u8]| {
        let bytes = bytes.try_into().map_err(|_| Error::Encoding)?;
        Option::<Scalar>::from(Scalar::from_canonical_bytes(bytes)).ok_or(Error::Encoding)
    };
    let (c, s) = (scalar(&proof[..32])?, scalar(&proof[32..])?);
    let weight = weight(key, blinded, evaluated);
    let (m, z) = (weight * blinded.point, weight * evaluated.point);
    let both = |first, second| RistrettoPoint::vartime_multiscalar_mul([s, c], [first, second]);
    let t2 = both(RISTRETTO_BASEPOINT_POINT, key.point);
    let t3 = both(m, z);
    if challenge(key, &[m, z, t2, t3]) == c {
        Ok(())
    } else {
        Err(Error::Evaluation)
    }
}

/// The coefficient of the only element of a batch.
fn weight(key: &PublicKey, blinded: &Element, evaluated: &Element) -> Scalar {
    let domain = [b"Seed-", CONTEXT].concat();
    let seed = Sha512::new()
        .chain_update([0, 32])
        .chain_update(key.bytes)
        .chain_update(u16::to_be_bytes(domain.len() as u16))
        .chain_update(&domain)
        .finalize();
    let parts: [&[u8]; 8] = [
        &[0, 64],
        &seed,
        &[0, 0],
        &[0, 32],
        &blinded.bytes,
        &[0, 32],
        &evaluated.bytes,
        b"Composite",
    ];
    hash_to_scalar(&parts, &[b"HashToScalar-", CONTEXT].concat())
}

fn challenge(key: &PublicKey, points: &[RistrettoPoint; 4]) -> Scalar {
    let mut input = [&[0, 32], &key.bytes[..]].concat();
    for point in points {
        input.extend_from_slice(&[0, 32]);
        input.extend_from_slice(point.compress().as_bytes());
    }
    hash_to_scalar(
        &[&input, b"Challenge"],
        &[b"HashToScalar-", CONTEXT].concat(),
    )
}

fn random_scalar(random: &mut impl CryptoRng) -> Scalar {
    loop {
        let mut bytes = Zeroizing::new([0; 64]);
        random.fill_bytes(&mut *bytes);
        let scalar = Scalar::from_bytes_mod_order_wide(&bytes);
        if scalar != Scalar::ZERO {
            return scalar;
        }
    }
}

fn length(bytes: &[u8]) -> Result<[u8; 2], Error> {
    let length = u16::try_from(bytes.len()).map_err(|_| Error::Length)?;
    Ok(length.to_be_bytes())
}

/// `expand_message_xmd` of RFC 9380 with SHA-512, for the one block that is 64 bytes.
fn expand(parts: &[&[u8]], domain: &[u8]) -> Zeroizing<[u8; 64]> {
    let domain_len = [domain.len() as u8];
    let mut first = Sha512::new().chain_update([0; 128]);
    for part in parts {
        first.update(part);
    }
    let first = first
        .chain_update([0, 64, 0])
        .chain_update(domain)
        .chain_update(domain_len)
        .finalize();
    let block = Sha512::new()
        .chain_update(first)
        .chain_update([1])
        .chain_update(domain)
        .chain_update(domain_len)
        .finalize();
    Zeroizing::new(block.into())
}

fn hash_to_group(input: &[u8]) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&expand(&[input], &[b"HashToGroup-", CONTEXT].concat()))
}

fn hash_to_scalar(parts: &[&[u8]], domain: &[u8]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&expand(parts, domain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    fn bytes<const N: usize>(digits: &str) -> [u8; N] {
        hex::decode(digits).unwrap().try_into().unwrap()
    }

    fn key() -> Key {
        Key::derive(&[0xa3; 32], b"test key").unwrap()
    }

    #[test]
    fn the_vectors_of_rfc_9497_for_single_elements_agree() {
        let key = key();
        assert_eq!(
            hex::encode(key.secret_bytes()),
            "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909"
        );
        assert_eq!(
            hex::encode(key.public().as_bytes()),
            "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e"
        );
        let blind = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706";
        let r = "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e";
        for (input, blinded, evaluated, proof, output) in [
            (
                vec![0],
                "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
                "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
                "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06\
                 6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
                "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d\
                 a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
            ),
            (
                vec![0x5a; 17],
                "cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c",
                "60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468",
                "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a\
                 67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
                "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60\
                 356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
            ),
        ] {
            let scalar = |digits| Scalar::from_canonical_bytes(bytes(digits)).unwrap();
            let client = Blinded::with(&input, scalar(blind)).unwrap();
            assert_eq!(hex::encode(client.element().as_bytes()), blinded);
            let evaluation = key.evaluate_with(client.element(), &scalar(r));
            assert_eq!(hex::encode(evaluation.element), evaluated);
            assert_eq!(hex::encode(evaluation.proof), proof);
            let out = client.finish(&evaluation, key.public()).unwrap();
            assert_eq!(hex::encode(out), output);
        }
    }

    #[test]
    fn two_blinds_of_one_input_show_nothing_and_come_to_one_output() {
        let (key, mut random) = (key(), UnwrapErr(SysRng));
        let [a, b] = [(); 2].map(|()| Blinded::new(b"rex", &mut random).unwrap());
        assert_ne!(a.element(), b.element());
        let outputs = [a, b].map(|client| {
            let evaluation = key.evaluate(client.element(), &mut random);
            client.finish(&evaluation, key.public()).unwrap()
        });
        assert_eq!(outputs[0], outputs[1]);
    }

    #[test]
    fn an_evaluation_under_another_key_is_refused() {
        let mut random = UnwrapErr(SysRng);
        let client = Blinded::new(b"rex", &mut random).unwrap();
        let other = Key::derive(&[0xa3; 32], b"another key").unwrap();
        let wrong = other.evaluate(client.element(), &mut random);
        let finish = |evaluation: &Evaluation| client.finish(evaluation, key().public());
        assert_eq!(finish(&wrong), Err(Error::Evaluation));
        let good = key().evaluate(client.element(), &mut random);
        assert!(finish(&good).is_ok());
        let mixed = Evaluation {
            element: wrong.element,
            proof: good.proof,
        };
        assert_eq!(finish(&mixed), Err(Error::Evaluation));
        for i in 0..PROOF_LEN {
            let mut changed = good;
            changed.proof[i] ^= 1;
            assert!(finish(&changed).is_err(), "byte {i}");
        }
    }

    #[test]
    fn neither_the_identity_nor_a_second_encoding_is_an_element() {
        let mut negative = *key().public().as_bytes();
        negative[0] ^= 1;
        for bad in [&[0; 32][..], &[0xff; 32], &negative, &[0; 31], &[]] {
            assert_eq!(Element::from_bytes(bad), Err(Error::Encoding));
            assert_eq!(PublicKey::from_bytes(bad), Err(Error::Encoding));
        }
        let client = Blinded::with(b"rex", Scalar::ONE).unwrap();
        let identity = Evaluation {
            element: [0; 32],
            proof: [0; 64],
        };
        assert_eq!(
            client.finish(&identity, key().public()),
            Err(Error::Encoding)
        );
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let client = Blinded::with(b"rex", Scalar::from(7u64)).unwrap();
        assert!(!format!("{client:?}").contains("blind:"));
        assert!(!format!("{:?}", key()).contains("secret"));
    }
}
