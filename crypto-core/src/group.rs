//! The group: Ristretto255 with its two generators G and H, and their tables.

use alloc::boxed::Box;

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::{RISTRETTO_BASEPOINT_COMPRESSED, RISTRETTO_BASEPOINT_POINT},
    ristretto::{CompressedRistretto, RistrettoBasepointTable, VartimeRistrettoPrecomputation},
    traits::{VartimeMultiscalarMul, VartimePrecomputedMultiscalarMul},
};
use once_cell::race::OnceBox;

#[cfg(not(target_family = "wasm"))]
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;

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

/// H itself. What is made of the generators is made once per process, on first use, and each for
/// itself: a verifier never multiplies by a secret.
pub(crate) fn generator_h() -> &'static RistrettoPoint {
    static CELL: OnceBox<RistrettoPoint> = OnceBox::new();
    CELL.get_or_init(|| {
        // The checked-in bytes decompress: a test derives H again and compares.
        let h = CompressedRistretto(GENERATOR_H).decompress();
        Box::new(h.unwrap_or_default())
    })
}

/// Multiples of H for constant-time multiplication by a secret: 30 KiB that take 256 inversions.
fn h_multiples() -> &'static RistrettoBasepointTable {
    static CELL: OnceBox<RistrettoBasepointTable> = OnceBox::new();
    CELL.get_or_init(|| Box::new(RistrettoBasepointTable::create(generator_h())))
}

/// Multiples of G likewise.
#[cfg(not(target_family = "wasm"))]
fn g_multiples() -> &'static RistrettoBasepointTable {
    RISTRETTO_BASEPOINT_TABLE
}

/// Multiples of G likewise, but computed: a browser computes 30 KiB of incompressible table sooner
/// than it loads them.
#[cfg(target_family = "wasm")]
fn g_multiples() -> &'static RistrettoBasepointTable {
    static CELL: OnceBox<RistrettoBasepointTable> = OnceBox::new();
    CELL.get_or_init(|| Box::new(RistrettoBasepointTable::create(&RISTRETTO_BASEPOINT_POINT)))
}

/// Odd multiples of G and H up to 127 for variable-time verification: 20 KiB.
pub(crate) fn g_h_odd_multiples() -> &'static VartimeRistrettoPrecomputation {
    static CELL: OnceBox<VartimeRistrettoPrecomputation> = OnceBox::new();
    CELL.get_or_init(|| {
        let generators = [&RISTRETTO_BASEPOINT_POINT, generator_h()];
        Box::new(VartimeRistrettoPrecomputation::new(generators))
    })
}

/// secret·G + blinding·H in constant time.
#[inline(never)]
pub(crate) fn pedersen(secret: &Scalar, blinding: &Scalar) -> RistrettoPoint {
    g_multiples() * secret + h_multiples() * blinding
}

/// of_g·G + of_h·H + of_point·point in one variable-time multiplication, for public data only.
pub(crate) fn vartime_g_h_and(
    of_g: &Scalar,
    of_h: &Scalar,
    of_point: &Scalar,
    point: &RistrettoPoint,
) -> RistrettoPoint {
    g_h_odd_multiples().vartime_mixed_multiscalar_mul([of_g, of_h], [of_point], [point])
}

/// From here on Pippenger's method (which the library takes for 190 points, here G, H and these)
/// saves more than the precomputed multiples do.
const MANY: usize = 188;

/// of_g·G + of_h·H + Σ scalarᵢ·pointᵢ in variable time, for public data only.
pub(crate) fn vartime_g_h_and_many(
    of_g: &Scalar,
    of_h: &Scalar,
    scalars: &[Scalar],
    points: &[RistrettoPoint],
) -> RistrettoPoint {
    if points.len() < MANY {
        return g_h_odd_multiples().vartime_mixed_multiscalar_mul([of_g, of_h], scalars, points);
    }
    RistrettoPoint::vartime_multiscalar_mul(
        scalars.iter().chain([of_g, of_h]),
        points
            .iter()
            .chain([&RISTRETTO_BASEPOINT_POINT, generator_h()]),
    )
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
    use alloc::vec;
    use sha2::{Digest, Sha512};

    #[test]
    fn generator_h_is_what_its_derivation_gives() {
        let uniform: [u8; 64] = Sha512::digest(GENERATOR_H_DST).into();
        let derived = RistrettoPoint::from_uniform_bytes(&uniform);
        assert_eq!(derived.compress().to_bytes(), GENERATOR_H);
        assert_eq!(*generator_h(), derived);
    }

    #[test]
    fn tables_multiply_as_points_do() {
        let (a, b) = (Scalar::from(7_u64), -Scalar::from(11_u64));
        let (g, h) = crate::generators();
        assert_eq!(pedersen(&a, &b), g * a + h * b);
        let point = g + h;
        assert_eq!(
            vartime_g_h_and(&a, &b, &(a * b), &point),
            g * a + h * b + point * (a * b)
        );
        for count in [0, 1, MANY - 1, MANY] {
            let sum = g * a + h * b + point * (b * Scalar::from(count as u64));
            let (scalars, points) = (vec![b; count], vec![point; count]);
            assert_eq!(vartime_g_h_and_many(&a, &b, &scalars, &points), sum);
        }
    }
}
