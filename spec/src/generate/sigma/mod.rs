//! Proofs that every host accepts, and proofs that every host refuses.

mod accepted;
mod encodings;
mod forgeries;
pub(super) mod prover;
mod statements;

use twofapi_crypto_core::{GENERATOR_G, GENERATOR_H, GENERATOR_H_DST, TRANSCRIPT_DST};

use super::rng;
use crate::cases::{Generators, Reason, SigmaCase, SigmaFile};
use accepted::accepted;
use encodings::{degenerate, encodings, sizes};
pub(super) use encodings::{no_encodings, plus_order};
use forgeries::{forgeries, shifted_boundaries, weak_transcripts};
use prover::Proven;
use statements::{other_statements, out_of_range, purposes};

/// Refused cases, collected with what each was made from.
#[derive(Default)]
pub(super) struct Refused(Vec<SigmaCase>);

impl Refused {
    pub(super) fn add(
        &mut self,
        of: &Proven,
        name: impl Into<String>,
        reason: Reason,
        case: SigmaCase,
    ) {
        self.0.push(SigmaCase {
            name: name.into(),
            reason: Some(reason),
            of: Some(of.name.clone()),
            ..case
        });
    }

    pub(super) fn into_cases(self) -> Vec<SigmaCase> {
        self.0
    }

    fn proof(&mut self, of: &Proven, name: impl Into<String>, reason: Reason, proof: &[u8]) {
        self.add(of, name, reason, of.bare(proof));
    }
}

pub(super) fn file() -> SigmaFile {
    let rng = &mut rng("sigma");
    let accepted = accepted(rng);
    let mut refused = Refused::default();
    let of = |name: &str| {
        let index = accepted.iter().position(|case| case.name == name);
        &accepted[index.unwrap_or_default()]
    };
    let authentication = of("authentication-audience");
    sizes(&mut refused, authentication);
    encodings(&mut refused, authentication);
    degenerate(&mut refused, authentication);
    other_statements(&mut refused, rng, authentication);
    out_of_range(&mut refused, authentication);
    weak_transcripts(&mut refused, authentication);
    shifted_boundaries(&mut refused, authentication);
    forgeries(&mut refused, rng, authentication);
    purposes(
        &mut refused,
        rng,
        authentication,
        of("enrolment"),
        of("rotation-audience"),
    );
    SigmaFile {
        suite: SigmaFile::SUITE.into(),
        transcript_dst: Some(String::from_utf8_lossy(TRANSCRIPT_DST).into_owned()),
        generator_h_dst: Some(String::from_utf8_lossy(GENERATOR_H_DST).into_owned()),
        generators: Some(Generators {
            G: hex::encode(GENERATOR_G),
            H: hex::encode(GENERATOR_H),
        }),
        accepted: accepted.iter().map(Proven::accepted).collect(),
        rejected: refused.0,
    }
}

pub(super) const AUDIENCE: &[u8] = b"aud:https://api.example.com";
