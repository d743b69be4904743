//! The group: Ristretto255 with its two generators G and H, and their tables.

use alloc::boxed::Box;

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::{RISTRETTO_BASEPOINT_COMPRESSED, RISTRETTO_BASEPOINT_TABLE},
    ristretto::{CompressedRistretto, RistrettoBasepointTable},
};
use once_cell::race::OnceBox;

use crate::Error;

/// Length of an encoded group element, and of an encoded scalar.
pub const ELEMENT_LEN: usize = 32;

/// Domain of the derivation of H.
pub const GENERATOR_H_DST: &[u8] = b"2FApi-Pedersen-GeneratorH-v1";

/// G, the base point of RFC 9496, encoded.
pub const GENERATOR_G: [u8; ELEMENT_LEN] = RISTRETTO_BASEPOINT_COMPRESSED.to_bytes();

/// H, encoded: the RFC 9496 element derivation of `SHA-512(`[`GENERATOR_H_DST`]`)`, checked in so
/// that a reader can compare it with other implementations; a test derives it again.
pub const GENERATOR_H: [u8; ELEMENT_LEN] = [
    0x10, 0x8d, 0x53, 0x1f, 0xa5, 0xf8, 0x18, 0xc6, 0xca, 0x35, 0x5d, 0x78, 0x5f, 0xd7, 0xda, 0x88,
    0x05, 0x52, 0x91, 0x4e, 0x1b, 0x55, 0x0b, 0xd0, 0xc3, 0x84, 0x6f, 0x3e, 0x55, 0x18, 0x14, 0x2f,
];

/// H and what is computed from it, once per process.
pub(crate) struct GeneratorH {
    pub(crate) point: RistrettoPoint,
    /// For constant-time multiplication by a secret.
    pub(crate) table: RistrettoBasepointTable,
}

pub(crate) fn generator_h() -> &'static GeneratorH {
    static CELL: OnceBox<GeneratorH> = OnceBox::new();
    CELL.get_or_init(|| {
        // The checked-in bytes decompress: a test derives H again and compares.
        let point = CompressedRistretto(GENERATOR_H)
            .decompress()
            .unwrap_or_default();
        Box::new(GeneratorH {
            point,
            table: RistrettoBasepointTable::create(&point),
        })
    })
}

/// secret·G + blinding·H in constant time.
pub(crate) fn pedersen(secret: &Scalar, blinding: &Scalar) -> RistrettoPoint {
    RISTRETTO_BASEPOINT_TABLE * secret + &generator_h().table * blinding
}

/// Decodes a group element that must not be the identity.
pub(crate) fn decode_element(
    what: &'static str,
    bytes: &[u8],
) -> Result<(CompressedRistretto, RistrettoPoint), Error> {
    let bytes: [u8; ELEMENT_LEN] = bytes.try_into().map_err(|_| Error::InvalidLength {
        what,
        expected: "32 bytes",
        actual: bytes.len(),
    })?;
    let compressed = CompressedRistretto(bytes);
    match compressed.decompress() {
        Some(point) if bytes != [0; ELEMENT_LEN] => Ok((compressed, point)),
        _ => Err(Error::InvalidEncoding {
            what,
            expected: "the canonical encoding of a Ristretto255 element other than the identity",
        }),
    }
}

/// Decodes a scalar that must be canonical and not zero.
pub(crate) fn decode_scalar(what: &'static str, bytes: &[u8]) -> Result<Scalar, Error> {
    let bytes: [u8; ELEMENT_LEN] = bytes.try_into().map_err(|_| Error::InvalidLength {
        what,
        expected: "32 bytes",
        actual: bytes.len(),
    })?;
    // Whether a secret is usable may be seen in the time this takes; its value may not.
    match Option::<Scalar>::from(Scalar::from_canonical_bytes(bytes)) {
        Some(scalar) if scalar != Scalar::ZERO => Ok(scalar),
        _ => Err(Error::InvalidEncoding {
            what,
            expected: "a canonical scalar, little-endian, below the group order and not zero",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha512};

    #[test]
    fn generator_h_is_what_its_derivation_gives() {
        let uniform: [u8; 64] = Sha512::digest(GENERATOR_H_DST).into();
        let derived = RistrettoPoint::from_uniform_bytes(&uniform);
        assert_eq!(derived.compress().to_bytes(), GENERATOR_H);
        assert_eq!(generator_h().point, derived);
    }

    #[test]
    fn tables_multiply_as_points_do() {
        let (a, b) = (Scalar::from(7_u64), -Scalar::from(11_u64));
        let (g, h) = crate::generators();
        assert_eq!(pedersen(&a, &b), g * a + h * b);
    }
}
