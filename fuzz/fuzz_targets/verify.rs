//! Our verification and the plain one agree on every input: decode everything, two multiplications,
//! compare points.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twofapi_crypto_core::{
    GENERATOR_G, GENERATOR_H,
    curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto, traits::IsIdentity},
    generators, verify_equation_raw,
};

fuzz_target!(|input: [u8; 161]| {
    // The last byte says which parts are made to fit, so that true equations are met as well.
    let (parts, mode) = input.split_at(160);
    let mut parts: Vec<[u8; 32]> = parts
        .chunks_exact(32)
        .map(|part| part.try_into().expect("32 bytes"))
        .collect();
    let reduced = |part: &[u8; 32]| Scalar::from_bytes_mod_order(*part);
    let (g, h) = generators();
    if mode[0] & 1 == 1 {
        let commitment = g * reduced(&parts[0]) + h;
        parts[0] = commitment.compress().to_bytes();
        for i in 2..5 {
            parts[i] = reduced(&parts[i]).to_bytes();
        }
        let [c, s, r] = [2, 3, 4].map(|i| reduced(&parts[i]));
        parts[1] = (g * s + h * r - commitment * c).compress().to_bytes();
    }
    if mode[0] & 2 == 2 {
        let part = usize::from(mode[0] >> 4) % 5;
        parts[part][usize::from(mode[0] >> 2) % 32] ^= mode[0];
    }
    let [commitment, announcement, c, s, r] = parts[..] else {
        return;
    };
    let ours = verify_equation_raw(&GENERATOR_G, &GENERATOR_H, &commitment, &announcement, &c, &s, &r);
    assert_eq!(ours, plainly(&commitment, &announcement, &c, &s, &r));
});

fn plainly(commitment: &[u8; 32], announcement: &[u8; 32], c: &[u8; 32], s: &[u8; 32], r: &[u8; 32]) -> bool {
    let point = |bytes: &[u8; 32]| -> Option<RistrettoPoint> {
        CompressedRistretto(*bytes).decompress().filter(|point| !point.is_identity())
    };
    let scalar = |bytes: &[u8; 32]| -> Option<Scalar> {
        Option::from(Scalar::from_canonical_bytes(*bytes)).filter(|scalar| *scalar != Scalar::ZERO)
    };
    let (g, h) = generators();
    let equation = || {
        let (commitment, announcement) = (point(commitment)?, point(announcement)?);
        let (c, s, r) = (scalar(c)?, scalar(s)?, scalar(r)?);
        Some(g * s + h * r == announcement + commitment * c)
    };
    equation().unwrap_or(false)
}
