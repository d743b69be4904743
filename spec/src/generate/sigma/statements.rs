//! Proofs shown for another statement than their own, and statements that there are not.

use rand_chacha::ChaCha20Rng;
use twofapi_crypto_core::{GENERATOR_G, commit};

use super::{
    super::{lp, scalar},
    AUDIENCE, Refused,
    prover::Proven,
};
use crate::cases::{PurposeName, Reason, SigmaCase};

/// A proof that holds for a statement other than the one it is shown for.
pub(super) fn other_statements(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Proven) {
    let proof = of.proof();
    let shown = |change: &dyn Fn(&mut SigmaCase)| {
        let mut case = of.bare(&proof);
        change(&mut case);
        case
    };
    let cases: [(&str, SigmaCase); 11] = [
        (
            "other-client",
            shown(&|c| c.client_id = "bob@example.com".into()),
        ),
        (
            "client-case",
            shown(&|c| c.client_id = "Alice@example.com".into()),
        ),
        ("client-longer", shown(&|c| c.client_id.push('x'))),
        ("other-nonce", shown(&|c| c.nonce = hex::encode([9; 16]))),
        ("nonce-longer", shown(&|c| c.nonce.push_str("00"))),
        (
            "other-audience",
            shown(&|c| c.channel_binding = hex::encode(b"aud:https://api.example.org")),
        ),
        (
            "audience-as-prefix",
            shown(&|c| {
                c.channel_binding = hex::encode(b"aud:https://api.example.com.evil.example")
            }),
        ),
        ("binding-removed", shown(&|c| c.channel_binding.clear())),
        (
            "binding-with-exporter",
            shown(&|c| c.channel_binding = hex::encode([AUDIENCE, &lp(&[1; 32])].concat())),
        ),
        (
            "commitment-is-generator-G",
            shown(&|c| c.commitment = hex::encode(GENERATOR_G)),
        ),
        (
            "commitment-is-announcement",
            shown(&|c| c.commitment = hex::encode(of.announcement())),
        ),
    ];
    for (name, case) in cases {
        refused.add(of, name, Reason::Equation, case);
    }
    let other = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
    let case = shown(&|c| c.commitment = hex::encode(other));
    refused.add(of, "other-commitment", Reason::Equation, case);
}

/// Values that a syntax or a size refuses, with equations that hold.
pub(super) fn out_of_range(refused: &mut Refused, of: &Proven) {
    for len in [0, 1, 8, 15, 65, 128] {
        let other = of.proving(|p| p.nonce = vec![7; len]);
        let name = format!("nonce-length-{len}-valid-equation");
        refused.add(of, name, Reason::NonceLength, other.bare(&other.proof()));
    }
    let other = of.proving(|p| p.binding = vec![b'x'; 1025]);
    let case = other.bare(&other.proof());
    refused.add(
        of,
        "binding-length-1025-valid-equation",
        Reason::Binding,
        case,
    );
    let too_long = "x".repeat(129);
    for (name, client_id) in [
        ("empty", ""),
        ("too-long", &too_long),
        ("blank", "al ice"),
        ("colon", "al:ice"),
        ("brace", "{alice}"),
        ("nul", "alice\0"),
        ("newline", "alice\n"),
        ("not-ascii", "alicé"),
        ("slash", "../alice"),
        ("leading-dot", ".alice"),
        ("leading-dash", "-alice"),
        ("two-dots", "a..b"),
        ("reserved", "2fapi-admin"),
        ("reserved-in-capitals", "TWOFAPI"),
    ] {
        let other = of.proving(|p| p.client_id = client_id.into());
        let name = format!("client-id-{name}-valid-equation");
        refused.add(of, name, Reason::ClientId, other.bare(&other.proof()));
    }
}

pub(super) fn purposes(
    refused: &mut Refused,
    rng: &mut ChaCha20Rng,
    authentication: &Proven,
    enrolment: &Proven,
    rotation: &Proven,
) {
    let shown_as = |proven: &Proven, purpose: &Proven| SigmaCase {
        commitment: hex::encode(proven.commitment()),
        ..purpose.bare(&proven.proof())
    };
    for (name, proven, purpose) in [
        ("enrolment-as-authentication", enrolment, authentication),
        ("enrolment-as-rotation", enrolment, rotation),
        ("authentication-as-enrolment", authentication, enrolment),
        ("authentication-as-rotation", authentication, rotation),
        ("rotation-as-authentication", rotation, authentication),
        ("rotation-as-enrolment", rotation, enrolment),
    ] {
        refused.add(proven, name, Reason::Equation, shown_as(proven, purpose));
    }
    let new = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
    let to_other = [b"rotation:", &new[..], AUDIENCE].concat();
    let case = SigmaCase {
        channel_binding: hex::encode(to_other),
        ..rotation.bare(&rotation.proof())
    };
    refused.add(
        rotation,
        "rotation-to-another-commitment",
        Reason::Equation,
        case,
    );

    for (name, case) in [
        (
            "enrolment-other-client",
            SigmaCase {
                client_id: "bob".into(),
                ..enrolment.bare(&enrolment.proof())
            },
        ),
        (
            "rotation-other-client",
            SigmaCase {
                client_id: "bob".into(),
                ..rotation.bare(&rotation.proof())
            },
        ),
        (
            "rotation-other-nonce",
            SigmaCase {
                nonce: hex::encode([9; 16]),
                ..rotation.bare(&rotation.proof())
            },
        ),
    ] {
        let of = if name.starts_with("enrolment") {
            enrolment
        } else {
            rotation
        };
        refused.add(of, name, Reason::Equation, case);
    }
    let other = rotation.proving(|p| p.binding.extend(b".evil.example"));
    let case = rotation.bare(&other.proof());
    refused.add(rotation, "rotation-other-audience", Reason::Equation, case);

    // A host expects one purpose and is shown another, with its statement and an equation that holds.
    for (of, expected, reason) in [
        (enrolment, PurposeName::Authentication, Reason::NonceLength),
        (enrolment, PurposeName::Rotation, Reason::NonceLength),
        (authentication, PurposeName::Enrolment, Reason::NonceLength),
        (authentication, PurposeName::Rotation, Reason::Binding),
        (rotation, PurposeName::Enrolment, Reason::NonceLength),
        (rotation, PurposeName::Authentication, Reason::Binding),
    ] {
        let case = SigmaCase {
            purpose: expected,
            ..of.bare(&of.proof())
        };
        let name = format!(
            "{}-where-{}-is-expected-valid-equation",
            of.purpose.as_str(),
            expected.as_str()
        );
        refused.add(of, name, reason, case);
    }

    // New commitments that are none.
    let mut new = [0; 32];
    new.copy_from_slice(&rotation.binding[9..41]);
    for (how, bytes) in super::encodings::no_encodings(&new) {
        let other = rotation.proving(|p| p.binding[9..41].copy_from_slice(&bytes));
        let name = format!("rotation-to-{how}-valid-equation");
        refused.add(
            rotation,
            name,
            Reason::PointEncoding,
            other.bare(&other.proof()),
        );
    }
    for len in [0, 15, 65] {
        let other = rotation.proving(|p| p.nonce = vec![7; len]);
        let name = format!("rotation-nonce-length-{len}-valid-equation");
        refused.add(
            rotation,
            name,
            Reason::NonceLength,
            other.bare(&other.proof()),
        );
    }

    // Purposes that no host has, with equations that hold.
    type Change<'a> = &'a dyn Fn(&mut Proven);
    let cases: [(&str, &Proven, Reason, Change<'_>); 11] = [
        (
            "authentication-bound-to-enrollment",
            authentication,
            Reason::Binding,
            &|p| p.binding = b"enrollment".to_vec(),
        ),
        (
            "authentication-bound-to-rotation",
            authentication,
            Reason::Binding,
            &|p| p.binding = b"rotation:".to_vec(),
        ),
        ("rotation-to-31-bytes", rotation, Reason::Binding, &|p| {
            p.binding.truncate(9 + 31)
        }),
        ("rotation-binding-984", rotation, Reason::Binding, &|p| {
            p.binding.resize(9 + 32 + 984, b'x')
        }),
        (
            "rotation-to-the-identity",
            rotation,
            Reason::Identity,
            &|p| p.binding[9..41].fill(0),
        ),
        (
            "rotation-within-rotation",
            rotation,
            Reason::Binding,
            &|p| p.binding.splice(41..41, *b"rotation:").for_each(drop),
        ),
        (
            "rotation-bound-to-enrollment",
            rotation,
            Reason::Binding,
            &|p| p.binding.splice(41.., *b"enrollment").for_each(drop),
        ),
        (
            "enrolment-with-a-binding",
            enrolment,
            Reason::Binding,
            &|p| p.binding.push(b'!'),
        ),
        (
            "enrolment-without-a-binding",
            enrolment,
            Reason::Binding,
            &|p| p.binding.clear(),
        ),
        (
            "enrolment-with-an-audience",
            enrolment,
            Reason::Binding,
            &|p| p.binding = AUDIENCE.to_vec(),
        ),
        (
            "enrolment-with-a-nonce",
            enrolment,
            Reason::NonceLength,
            &|p| p.nonce = vec![7; 16],
        ),
    ];
    for (name, of, reason, change) in cases {
        let other = of.proving(change);
        let name = format!("{name}-valid-equation");
        refused.add(of, name, reason, other.bare(&other.proof()));
    }
}
