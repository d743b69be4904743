//! Proofs by somebody who does not know the secret, and what a laxer transcript would let through.

use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{
    TRANSCRIPT_DST, commit,
    curve25519_dalek::{RistrettoPoint, Scalar},
    generators,
};

use super::{
    super::{lp, scalar},
    Refused,
    prover::{ANNOUNCEMENT, COMMITMENT, Proven, hash, join},
};
use crate::cases::{Reason, SigmaCase};

/// What a prover could forge if the transcript were hashed less strictly.
pub(super) fn weak_transcripts(refused: &mut Refused, of: &Proven) {
    let fields = of.fields();
    let with = |lengths: &dyn Fn(&[u8]) -> Vec<u8>| -> Vec<u8> {
        fields.iter().flat_map(|field| lengths(field)).collect()
    };
    let mut weak = |name: &str, c: Scalar| {
        let case = SigmaCase {
            note: Some("a good proof, but for how its challenge was hashed".into()),
            ..of.bare(&of.proof_for(&c))
        };
        refused.add(of, format!("weak-{name}"), Reason::Equation, case);
    };
    let names = ["suite", "G", "H", "C", "A", "client", "nonce", "binding"];
    for (i, name) in names.into_iter().enumerate() {
        weak(&format!("without-{name}"), hash(&of.transcript_without(i)));
    }
    let little = |f: &[u8]| [&(f.len() as u32).to_le_bytes()[..], f].concat();
    let short = |f: &[u8]| [&(f.len() as u16).to_be_bytes()[..], f].concat();
    let none = |f: &[u8]| f.to_vec();
    weak("little-endian-lengths", hash(&with(&little)));
    weak("two-byte-lengths", hash(&with(&short)));
    weak("no-lengths", hash(&with(&none)));
    let whole = with(&lp);
    let no_dst: [u8; 64] = Sha512::digest(&whole).into();
    weak("no-dst", Scalar::from_bytes_mod_order_wide(&no_dst));
    let digest: [u8; 64] = Sha512::new_with_prefix(TRANSCRIPT_DST)
        .chain_update(&whole)
        .finalize()
        .into();
    let mut big_endian = digest;
    big_endian.reverse();
    weak(
        "big-endian-digest",
        Scalar::from_bytes_mod_order_wide(&big_endian),
    );
    let mut half = [0; 32];
    half.copy_from_slice(&digest[..32]);
    weak("half-digest", Scalar::from_bytes_mod_order(half));
    weak("negated-challenge", -hash(&whole));
}

/// Proofs for one statement shown for another that has the same bytes in another division: without
/// lengths they would be good for both.
pub(super) fn shifted_boundaries(refused: &mut Refused, of: &Proven) {
    let shifted = [
        (
            "client-nonce",
            of.proving(|p| {
                let last = p.client_id.pop().unwrap_or_default();
                p.nonce.insert(0, last as u8);
            }),
        ),
        (
            "nonce-binding",
            of.proving(|p| p.nonce.push(p.binding.remove(0))),
        ),
    ];
    for (name, other) in shifted {
        let c = hash(&other.fields().concat());
        let mut case = of.bare(&other.proof_for(&c));
        case.note = Some(
            "made for the fields divided in another place: a verifier without lengths accepts it"
                .into(),
        );
        refused.add(
            of,
            format!("shifted-boundary-{name}"),
            Reason::Equation,
            case,
        );
    }
}

/// Proofs by somebody who does not know the secret.
pub(super) fn forgeries(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Proven) {
    let (g, h) = generators();
    let proof = of.proof();
    let c = hash(&of.transcript());
    let (z_s, z_r) = (of.k_s + c * of.secret, of.k_r + c * of.blinding);
    for (name, s, r) in [
        ("swapped-responses", z_r, z_s),
        ("negated-responses", -z_s, -z_r),
        ("response-s-plus-one", z_s + Scalar::ONE, z_r),
        ("response-r-plus-one", z_s, z_r + Scalar::ONE),
    ] {
        refused.proof(of, name, Reason::Equation, &join(&proof[..32], &s, &r));
    }
    for (name, secret, blinding) in [
        ("proof-of-other-secret", scalar(rng), of.blinding),
        ("proof-of-other-blinding", of.secret, scalar(rng)),
        ("proof-of-swapped-secrets", of.blinding, of.secret),
    ] {
        let responses = join(
            &proof[..32],
            &(of.k_s + c * secret),
            &(of.k_r + c * blinding),
        );
        refused.proof(of, name, Reason::Equation, &responses);
    }
    // If A were not hashed: choose the responses, and A = z_s·G + z_r·H − c·C to fit.
    let commitment = commit(&of.secret, &of.blinding);
    let (s, r) = (scalar(rng), scalar(rng));
    let blind = hash(&of.transcript_without(ANNOUNCEMENT));
    let fitting: RistrettoPoint = g * s + h * r - commitment * blind;
    let forged = join(fitting.compress().as_bytes(), &s, &r);
    let name = "forged-if-announcement-not-hashed";
    let case = SigmaCase {
        note: Some("A is made to fit a challenge that was hashed without A".into()),
        ..of.bare(&forged)
    };
    refused.add(of, name, Reason::Equation, case);
    // If C were not hashed: choose A and the responses, and C = (z_s·G + z_r·H − A)/c to fit.
    let blind = hash(&of.transcript_without(COMMITMENT));
    let fitting = (g * s + h * r - commit(&of.k_s, &of.k_r)) * blind.invert();
    let case = SigmaCase {
        commitment: hex::encode(fitting.compress().as_bytes()),
        note: Some("C is made to fit a challenge that was hashed without C".into()),
        ..of.bare(&join(&proof[..32], &s, &r))
    };
    let name = "forged-if-commitment-not-hashed";
    refused.add(of, name, Reason::Equation, case);
    // The secret of C + G is s + 1, so that z_s + c would answer the challenge of C.
    let related = commitment + g;
    let case = SigmaCase {
        commitment: hex::encode(related.compress().as_bytes()),
        note: Some("a good proof for C, z_s shifted by c, shown for the commitment C + G".into()),
        ..of.bare(&join(&proof[..32], &(z_s + c), &z_r))
    };
    refused.add(of, "commitment-plus-G", Reason::Equation, case);
}
