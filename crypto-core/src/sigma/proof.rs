//! The proof on the wire: A ‖ z_s ‖ z_r.

use core::fmt;

use curve25519_dalek::Scalar;

use crate::{
    Error,
    group::{self, ELEMENT_LEN},
};

/// A Schnorr/Sigma proof: announcement A, responses z_s and z_r.
///
/// The responses are canonical and not zero. The announcement is below the field prime, not
/// negative and not the identity. Whether it is an element at all is left to the equation: it is
/// compared with an encoding that was computed, and an encoding of nothing equals none. So a proof
/// that is accepted has a canonical announcement, and none is ever decompressed for a single
/// verification.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    announcement: [u8; ELEMENT_LEN],
    response_s: Scalar,
    response_r: Scalar,
}

impl Proof {
    /// Length of an encoded proof in bytes.
    pub const LEN: usize = 3 * ELEMENT_LEN;

    /// Decodes 96 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] for another size; [`Error::InvalidEncoding`], naming the part that
    /// is not canonical, the identity or zero.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let Ok(bytes) = <&[u8; Self::LEN]>::try_from(bytes) else {
            return Err(Error::InvalidLength {
                what: "proof",
                expected: "96 bytes",
                actual: bytes.len(),
            });
        };
        let mut announcement = [0; ELEMENT_LEN];
        announcement.copy_from_slice(&bytes[..ELEMENT_LEN]);
        if !is_nonnegative_field_element(&announcement) || announcement == [0; ELEMENT_LEN] {
            return Err(Error::InvalidEncoding {
                what: "announcement",
                expected: "the canonical encoding of a Ristretto255 element other than the identity",
            });
        }
        Ok(Self {
            announcement,
            response_s: group::decode_scalar("response z_s", &bytes[ELEMENT_LEN..2 * ELEMENT_LEN])?,
            response_r: group::decode_scalar("response z_r", &bytes[2 * ELEMENT_LEN..])?,
        })
    }

    /// The 96 bytes that are sent.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..ELEMENT_LEN].copy_from_slice(&self.announcement);
        bytes[ELEMENT_LEN..2 * ELEMENT_LEN].copy_from_slice(self.response_s.as_bytes());
        bytes[2 * ELEMENT_LEN..].copy_from_slice(self.response_r.as_bytes());
        bytes
    }

    /// `None` when a part is one that a verifier refuses.
    pub(crate) fn from_parts(
        announcement: [u8; ELEMENT_LEN],
        response_s: Scalar,
        response_r: Scalar,
    ) -> Option<Self> {
        let refused = announcement == [0; ELEMENT_LEN]
            || response_s == Scalar::ZERO
            || response_r == Scalar::ZERO;
        (!refused).then_some(Self {
            announcement,
            response_s,
            response_r,
        })
    }

    /// The announcement A, encoded.
    #[must_use]
    pub const fn announcement(&self) -> &[u8; ELEMENT_LEN] {
        &self.announcement
    }

    pub(crate) const fn response_s(&self) -> &Scalar {
        &self.response_s
    }

    pub(crate) const fn response_r(&self) -> &Scalar {
        &self.response_r
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proof that was not used yet would let its reader in.
        f.write_str("Proof(96 bytes)")
    }
}

/// The cheap part of RFC 9496 decoding: below p = 2^255 - 19, and even.
pub(crate) fn is_nonnegative_field_element(bytes: &[u8; ELEMENT_LEN]) -> bool {
    let below_p = bytes[31] < 0x7f
        || (bytes[31] == 0x7f && (bytes[1..31].iter().any(|&b| b != 0xff) || bytes[0] < 0xed));
    below_p && bytes[0] & 1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::ristretto::CompressedRistretto;
    use proptest::prelude::*;

    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        p
    };

    fn with_first_byte(byte: u8) -> [u8; 32] {
        let mut bytes = P;
        bytes[0] = byte;
        bytes
    }

    #[test]
    fn the_field_boundary_is_exact() {
        assert!(!is_nonnegative_field_element(&P));
        assert!(is_nonnegative_field_element(&with_first_byte(0xec)));
        assert!(!is_nonnegative_field_element(&with_first_byte(0xeb)));
        assert!(!is_nonnegative_field_element(&with_first_byte(0xee)));
        let mut high = [0; 32];
        high[31] = 0x80;
        assert!(!is_nonnegative_field_element(&high));
    }

    #[test]
    fn a_wrong_size_is_named_with_the_right_one() {
        for len in [0, 32, 64, 95, 97, 192] {
            assert_eq!(
                Proof::from_bytes(&[1; 192][..len]).unwrap_err(),
                Error::InvalidLength {
                    what: "proof",
                    expected: "96 bytes",
                    actual: len
                }
            );
        }
    }

    proptest! {
        #[test]
        fn what_decompresses_passes_the_cheap_check(bytes: [u8; 32]) {
            if CompressedRistretto(bytes).decompress().is_some() {
                prop_assert!(is_nonnegative_field_element(&bytes));
            }
        }

        #[test]
        fn a_decoded_proof_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 96)) {
            // Make decoding likely: clear the top bits of each part and the sign of the first.
            let mut bytes = bytes;
            bytes[0] &= 0xfe;
            for top in [31, 63, 95] { bytes[top] &= 0x0f; }
            if let Ok(proof) = Proof::from_bytes(&bytes) {
                prop_assert_eq!(proof.to_bytes().to_vec(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Proof::from_bytes(&bytes);
        }
    }
}
