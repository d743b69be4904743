//! Sizes and encodings that are refused, whatever the equation says.

use twofapi_crypto_core::curve25519_dalek::Scalar;

use super::{Refused, prover::Proven};
use crate::cases::{Reason, SigmaCase};

pub(super) fn sizes(refused: &mut Refused, of: &Proven) {
    let proof = of.proof();
    let long = [&proof[..], &proof[..]].concat();
    for len in [0, 1, 32, 64, 95, 97, 192] {
        refused.proof(
            of,
            format!("proof-length-{len}"),
            Reason::Length,
            &long[..len],
        );
    }
    let commitment = of.commitment();
    let long = [&commitment[..], &[0]].concat();
    for len in [0, 31, 33] {
        let case = SigmaCase {
            commitment: hex::encode(&long[..len]),
            ..of.bare(&proof)
        };
        refused.add(of, format!("commitment-length-{len}"), Reason::Length, case);
    }
}

/// The group order ℓ, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The field prime p, little-endian.
const PRIME: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// a + times · b, or `None` beyond 256 bits.
fn plus(a: &[u8; 32], b: &[u8; 32], times: u8) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    let mut carry = 0_u32;
    for i in 0..32 {
        carry += u32::from(a[i]) + u32::from(times) * u32::from(b[i]);
        sum[i] = carry as u8;
        carry >>= 8;
    }
    (carry == 0).then_some(sum)
}

/// The other encoding of a scalar that is not canonical.
pub(crate) fn plus_order(scalar: &[u8]) -> Option<[u8; 32]> {
    plus(scalar.try_into().ok()?, &ORDER, 1)
}

pub(super) fn encodings(refused: &mut Refused, of: &Proven) {
    let proof = of.proof();
    let part = |at: usize| -> [u8; 32] {
        let mut part = [0; 32];
        part.copy_from_slice(&proof[at..at + 32]);
        part
    };
    for (name, at) in [("s", 32), ("r", 64)] {
        for times in [1, 2, 7] {
            if let Some(other) = plus(&part(at), &ORDER, times) {
                let mut bytes = proof;
                bytes[at..at + 32].copy_from_slice(&other);
                let name = format!("response-{name}-plus-{times}l");
                refused.proof(of, name, Reason::ScalarEncoding, &bytes);
            }
        }
        for (what, value) in [("equals-l", ORDER), ("all-ff", [0xff; 32])] {
            let mut bytes = proof;
            bytes[at..at + 32].copy_from_slice(&value);
            let name = format!("response-{name}-{what}");
            refused.proof(of, name, Reason::ScalarEncoding, &bytes);
        }
        let mut bytes = proof;
        bytes[at + 31] |= 0x80;
        let name = format!("response-{name}-high-bit");
        refused.proof(of, name, Reason::ScalarEncoding, &bytes);
    }

    for (what, element) in [
        ("announcement", of.announcement()),
        ("commitment", of.commitment()),
    ] {
        for (how, bytes) in no_encodings(&element) {
            let mut case = of.bare(&proof);
            if what == "commitment" {
                case.commitment = hex::encode(bytes);
            } else {
                case.proof = hex::encode([&bytes[..], &proof[32..]].concat());
            }
            let reason = if (what, how) == ("announcement", "no-element") {
                case.note = Some("below p and even, but no element: A is never decoded".into());
                Reason::Equation
            } else {
                Reason::PointEncoding
            };
            refused.add(of, format!("{what}-{how}"), reason, case);
        }
    }
    for byte in (0..96).step_by(3) {
        let mut bytes = proof;
        bytes[byte] ^= 1 << (byte % 8);
        refused.proof(of, format!("bit-flip-byte-{byte}"), Reason::Any, &bytes);
    }
}

/// What no element has for its encoding, by what is wrong with it; where it can, made from an encoding.
pub(crate) fn no_encodings(element: &[u8; 32]) -> Vec<(&'static str, [u8; 32])> {
    let mut negative = PRIME;
    let mut borrow = 0_i32;
    for i in 0..32 {
        borrow += i32::from(PRIME[i]) - i32::from(element[i]);
        negative[i] = borrow as u8;
        borrow >>= 8;
    }
    let mut high_bit = *element;
    high_bit[31] |= 0x80;
    let first = |byte: u8| {
        let mut bytes = [0; 32];
        bytes[0] = byte;
        bytes
    };
    let even = (1..=u8::MAX / 2).map(|half| first(2 * half));
    let no_element =
        { even }.find(|bytes| twofapi_crypto_core::Commitment::from_bytes(bytes).is_err());
    [
        ("negative", Some(negative)),
        ("plus-p", plus(element, &PRIME, 1)),
        ("high-bit", Some(high_bit)),
        ("equals-p", Some(PRIME)),
        ("one-plus-p", plus(&first(1), &PRIME, 1)),
        ("two-plus-p", plus(&first(2), &PRIME, 1)),
        ("all-ff", Some([0xff; 32])),
        ("no-element", no_element),
    ]
    .into_iter()
    .filter_map(|(how, bytes)| Some((how, bytes?)))
    .collect()
}

/// Identity and zero, with equations that hold.
pub(super) fn degenerate(refused: &mut Refused, of: &Proven) {
    let identity = of.proving(|p| (p.k_s, p.k_r) = (Scalar::ZERO, Scalar::ZERO));
    let case = identity.bare(&identity.proof());
    refused.add(
        of,
        "identity-announcement-valid-equation",
        Reason::Identity,
        case,
    );

    let identity = of.proving(|p| (p.secret, p.blinding) = (Scalar::ZERO, Scalar::ZERO));
    let case = identity.bare(&identity.proof());
    refused.add(
        of,
        "identity-commitment-valid-equation",
        Reason::Identity,
        case,
    );

    // With s = k_s = 0 the response z_s is zero for every challenge, and C = r·H is an element.
    for which in ["s", "r"] {
        let zero = of.proving(|p| {
            if which == "s" {
                (p.secret, p.k_s) = (Scalar::ZERO, Scalar::ZERO);
            } else {
                (p.blinding, p.k_r) = (Scalar::ZERO, Scalar::ZERO);
            }
        });
        let case = zero.bare(&zero.proof());
        let name = format!("zero-response-{which}-valid-equation");
        refused.add(of, name, Reason::ZeroResponse, case);
    }
}
