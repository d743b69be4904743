//! Credentials of one recovery phrase at several hosts, hashed here by themselves.

use sha2::{Digest, Sha512};
use twofapi_crypto_core::{commit, curve25519_dalek::Scalar};

use super::{lp, random, rng};
use crate::cases::{BlindingCase, BlindingFile, RecoveryFile, RecoveryOrder};

/// How many generations a client that recovers tries.
const TRIED: u32 = 32;

fn hashed(pieces: &[&[u8]]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(pieces.concat()).into())
}

/// Without a generation the blinding is of no audience.
fn credential(entropy: &[u8], audience: &str, generation: Option<u32>) -> (Scalar, Scalar) {
    let recovery = |label: &[u8]| hashed(&[RecoveryFile::SUITE.as_bytes(), label, entropy]);
    let blinding = match generation {
        None => recovery(b"r"),
        Some(generation) => hashed(&[
            BlindingFile::SUITE.as_bytes(),
            entropy,
            &lp(audience.as_bytes()),
            &generation.to_be_bytes(),
        ]),
    };
    (recovery(b"s"), blinding)
}

fn commitment((secret, blinding): (Scalar, Scalar)) -> String {
    hex::encode(commit(&secret, &blinding).compress().as_bytes())
}

fn case(
    name: impl Into<String>,
    entropy: &[u8],
    audience: &str,
    generation: Option<u32>,
) -> BlindingCase {
    let (secret, blinding) = credential(entropy, audience, generation);
    BlindingCase {
        name: name.into(),
        reason: None,
        entropy: hex::encode(entropy),
        audience: audience.into(),
        generation,
        secret: Some(hex::encode(secret.as_bytes())),
        blinding: Some(hex::encode(blinding.as_bytes())),
        commitment: Some(commitment((secret, blinding))),
    }
}

pub(super) fn file() -> BlindingFile {
    let rng = &mut rng("audience blinding");
    let longest = "x".repeat(512);
    let audiences = [
        ("origin", "https://api.example.com"),
        ("another-origin", "https://api.example.org"),
        ("a-port", "https://api.example.com:8443"),
        ("loopback", "http://127.0.0.1:8080"),
        ("one-character", "x"),
        ("512-characters", &longest),
        ("no-origin", "db.example/2fapi"),
    ];
    let drawn: [u8; 32] = random(rng);
    let mut valid = Vec::new();
    for (what, audience) in audiences {
        for generation in [0, 1] {
            let name = format!("{what}-generation-{generation}");
            valid.push(case(name, &drawn, audience, Some(generation)));
        }
    }
    let here = audiences[0].1;
    for generation in [2, 31, 256, u32::MAX] {
        let name = format!("origin-generation-{generation}");
        valid.push(case(name, &drawn, here, Some(generation)));
    }
    valid.push(case("origin-of-before", &drawn, here, None));
    for byte in [0x00, 0xff] {
        let name = format!("all-{byte:02x}");
        valid.push(case(name, &[byte; 32], here, Some(0)));
    }

    let bare = |name: &str, reason: &str, entropy: &[u8], audience: &str| BlindingCase {
        name: name.into(),
        reason: Some(reason.into()),
        entropy: hex::encode(entropy),
        audience: audience.into(),
        generation: Some(0),
        ..BlindingCase::default()
    };
    let (too_long, length, audience) = ("x".repeat(513), "entropy length", "audience");
    let invalid = vec![
        bare("no-entropy", length, &[], here),
        bare("31-bytes", length, &drawn[1..], here),
        bare("33-bytes", length, &[7; 33], here),
        bare("64-bytes", length, &[7; 64], here),
        bare("no-audience", audience, &drawn, ""),
        bare("513-characters", audience, &drawn, &too_long),
        bare(
            "audience-blank",
            audience,
            &drawn,
            "https://api.example.com ",
        ),
        bare(
            "audience-newline",
            audience,
            &drawn,
            "https://api.example.com\n",
        ),
        bare(
            "audience-not-ascii",
            audience,
            &drawn,
            "https://bücher.example",
        ),
    ];

    let order = |name: &str, audience: &str| {
        let generations = std::iter::once(None).chain((0..TRIED).map(Some));
        RecoveryOrder {
            name: name.into(),
            entropy: hex::encode(drawn),
            audience: audience.into(),
            commitments: generations
                .map(|generation| commitment(credential(&drawn, audience, generation)))
                .collect(),
        }
    };
    let recoveries = vec![
        order("recovering-at-an-origin", here),
        order("recovering-at-another-origin", audiences[1].1),
    ];

    // The commitment is good, and is none that a client which recovers from this phrase here comes to.
    let other: [u8; 32] = random(rng);
    let not_recovered = [
        ("generation-32", "generation", &drawn, here, Some(TRIED)),
        (
            "of-another-audience",
            "audience",
            &drawn,
            audiences[1].1,
            Some(0),
        ),
        ("of-another-phrase", "entropy", &other, here, Some(0)),
        ("of-another-phrase-of-before", "entropy", &other, here, None),
    ]
    .map(
        |(name, reason, entropy, audience, generation)| BlindingCase {
            reason: Some(reason.into()),
            entropy: hex::encode(drawn),
            audience: here.into(),
            generation: None,
            secret: None,
            blinding: None,
            ..case(name, entropy, audience, generation)
        },
    );
    BlindingFile {
        suite: BlindingFile::SUITE.into(),
        valid,
        invalid,
        recoveries,
        not_recovered: not_recovered.into(),
    }
}
