//! Proofs that every host accepts.

use rand_chacha::ChaCha20Rng;
use twofapi_crypto_core::{commit, curve25519_dalek::Scalar};

use super::{
    super::{LONGEST, lp, random, scalar},
    AUDIENCE,
    prover::Proven,
};
use crate::cases::PurposeName::{Authentication, Enrolment, Rotation};

pub(super) fn accepted(rng: &mut ChaCha20Rng) -> Vec<Proven> {
    let mut cases = Vec::new();
    let nonce: [u8; 16] = random(rng);
    let exporter: [u8; 32] = random(rng);
    let with_exporter = [AUDIENCE, &lp(&exporter)].concat();
    let only_exporter = lp(&exporter);
    let longest_binding = [&b"aud:"[..], &[b'x'; 1020]].concat();
    for (name, client_id, binding) in [
        ("authentication-audience", "alice@example.com", AUDIENCE),
        ("authentication-no-binding", "my-service", b""),
        (
            "authentication-audience-and-exporter",
            "alice",
            &with_exporter,
        ),
        ("authentication-exporter", "alice", &only_exporter),
        (
            "authentication-longest-binding",
            "svc_1.prod",
            &longest_binding,
        ),
        ("authentication-binding-like-enrolment", "a", b"enrollment2"),
        ("authentication-binding-like-rotation", "0", b"rotation"),
        ("authentication-binding-of-zeros", "A-b", &[0; 32]),
        ("authentication-longest-client-id", LONGEST, AUDIENCE),
        (
            "authentication-uuid",
            "0190f3a1-7c2e-7b40-9d55-2f6f0c1a77aa",
            AUDIENCE,
        ),
        ("authentication-plus", "user+tag@example.com", b""),
    ] {
        cases.push(Proven::new(
            rng,
            name,
            Authentication,
            client_id,
            &nonce,
            binding,
        ));
    }
    for len in [17, 24, 32, 64] {
        let nonce: [u8; 64] = random(rng);
        let name = format!("authentication-nonce-{len}");
        cases.push(Proven::new(
            rng,
            &name,
            Authentication,
            "alice",
            &nonce[..len],
            AUDIENCE,
        ));
    }
    for (name, value) in [("zeros", 0), ("ones", 0xff)] {
        let name = format!("authentication-nonce-of-{name}");
        cases.push(Proven::new(
            rng,
            &name,
            Authentication,
            "alice",
            &[value; 16],
            AUDIENCE,
        ));
    }
    // Scalars at the ends of their range.
    for (name, value) in [("one", Scalar::ONE), ("minus-one", -Scalar::ONE)] {
        let mut case = Proven::new(
            rng,
            &format!("authentication-secret-{name}"),
            Authentication,
            "alice",
            &nonce,
            AUDIENCE,
        );
        case.secret = value;
        cases.push(case);
    }
    for (name, client_id) in [
        ("enrolment", "alice@example.com"),
        ("enrolment-short-id", "a"),
    ] {
        cases.push(Proven::new(
            rng,
            name,
            Enrolment,
            client_id,
            b"",
            b"enrollment",
        ));
    }
    for (name, binding) in [
        ("rotation-audience", AUDIENCE),
        ("rotation-no-binding", b""),
        ("rotation-longest-binding", &[b'x'; 983]),
    ] {
        let new = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
        let binding = [b"rotation:", &new[..], binding].concat();
        cases.push(Proven::new(
            rng,
            name,
            Rotation,
            "alice@example.com",
            &nonce,
            &binding,
        ));
    }
    let new = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
    let rotation = [b"rotation:", &new[..], AUDIENCE].concat();
    for (purpose, what, nonce, binding) in [
        (Enrolment, "enrolment", &b""[..], &b"enrollment"[..]),
        (Authentication, "authentication", &nonce, AUDIENCE),
        (Rotation, "rotation", &nonce, &rotation),
    ] {
        let name = format!("{what}-hedged");
        cases.push(Proven::new(rng, &name, purpose, "alice", nonce, binding).hedged(rng));
    }
    cases
}
