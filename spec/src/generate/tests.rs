//! What is generated is what is checked in, and is what it says.

use super::{
    files, link_proof, linking, lp,
    sigma::{
        self,
        prover::{ANNOUNCEMENT, COMMITMENT, hash},
    },
};
use crate::{
    cases::{FileError, Reason, SigmaCase},
    check,
};
use std::{collections::HashSet, fs, path::Path};
use twofapi_crypto_core::{
    GENERATOR_G, GENERATOR_H, SUITE,
    curve25519_dalek::{Scalar, ristretto::CompressedRistretto},
    generators,
};

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))
}

#[test]
fn generating_gives_the_files_that_are_checked_in() {
    for (name, text) in files() {
        let checked_in = fs::read_to_string(directory().join(name)).unwrap_or_default();
        assert!(checked_in == text, "{name} is not what generating gives");
    }
}

#[test]
fn every_vector_file_agrees() {
    let mut seen = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let report = match check(&fs::read_to_string(&path).unwrap()) {
                Err(FileError::NeedsChain(_)) if !cfg!(feature = "chain") => continue,
                Err(FileError::UnknownSuite(_)) if !cfg!(feature = "chain-vrf") => continue,
                report => report.unwrap(),
            };
            assert_eq!(report.disagreements, [], "{}", path.display());
            assert!(report.accepted > 0 && report.rejected > 0);
            seen += 1;
        }
    }
    // Those of factors are there where the factor is.
    assert!(seen >= 17, "{seen} files");
}

#[test]
fn every_refused_proof_names_an_accepted_one_that_it_was_made_from() {
    let shown = |case: &SigmaCase| {
        let case = case.clone();
        [
            case.purpose.as_str().to_owned(),
            case.client_id,
            case.nonce,
            case.channel_binding,
            case.commitment,
            case.proof,
        ]
    };
    let (sigma, linking) = (sigma::file(), linking::file());
    originals(
        &sigma.accepted,
        &sigma.rejected,
        |c| (&c.name, &c.of),
        shown,
    );
    originals(
        &linking.accepted,
        &linking.rejected,
        |c| (&c.name, &c.of),
        shown,
    );
    let links = link_proof::file();
    originals(
        &links.accepted,
        &links.rejected,
        |c| (&c.name, &c.of),
        |case| {
            let case = case.clone();
            [
                [
                    case.audience_1,
                    case.client_id_1,
                    case.audience_2,
                    case.client_id_2,
                ],
                [case.nonce, case.commitment_1, case.commitment_2, case.proof],
            ]
        },
    );
}

fn originals<T, S: PartialEq + std::fmt::Debug>(
    accepted: &[T],
    rejected: &[T],
    named: impl Fn(&T) -> (&String, &Option<String>),
    shown: impl Fn(&T) -> S,
) {
    let mut names = HashSet::new();
    for case in rejected {
        let (name, of) = named(case);
        let of = of.as_ref().unwrap();
        let good = accepted.iter().find(|good| named(good).0 == of);
        let good = good.unwrap_or_else(|| panic!("{name} is of {of}"));
        assert_ne!(shown(case), shown(good), "{name} is its own original");
        assert!(names.insert(name), "{name} is there twice");
    }
}

/// Looks at the equation and at nothing else: no size, no range, no purpose. A field may be left
/// out of the hash.
fn lax_equation_holds(case: &SigmaCase, left_out: Option<usize>, with_lengths: bool) -> bool {
    let bytes = |digits: &String| hex::decode(digits).unwrap();
    let (commitment, proof) = (bytes(&case.commitment), bytes(&case.proof));
    let fields = [
        SUITE.to_vec(),
        GENERATOR_G.to_vec(),
        GENERATOR_H.to_vec(),
        commitment.clone(),
        proof[..32].to_vec(),
        case.client_id.clone().into_bytes(),
        bytes(&case.nonce),
        bytes(&case.channel_binding),
    ];
    let kept = fields
        .iter()
        .enumerate()
        .filter(|(i, _)| Some(*i) != left_out);
    let field = |field: &Vec<u8>| {
        if with_lengths {
            lp(field)
        } else {
            field.clone()
        }
    };
    let c = hash(&kept.flat_map(|(_, bytes)| field(bytes)).collect::<Vec<_>>());
    let point = |bytes: &[u8]| CompressedRistretto::from_slice(bytes).unwrap().decompress();
    let scalar = |bytes: &[u8]| Scalar::from_bytes_mod_order(bytes.try_into().unwrap());
    let (Some(announcement), Some(commitment)) = (point(&proof[..32]), point(&commitment)) else {
        return false;
    };
    let (g, h) = generators();
    g * scalar(&proof[32..64]) + h * scalar(&proof[64..]) == announcement + commitment * c
}

#[test]
fn equations_hold_where_a_name_says_so_and_nowhere_else() {
    let mut seen = [0; 4];
    for case in sigma::file()
        .rejected
        .iter()
        .chain(&linking::file().rejected)
    {
        let name = case.name.as_str();
        let forged = [
            ("forged-if-announcement-not-hashed", ANNOUNCEMENT),
            ("forged-if-commitment-not-hashed", COMMITMENT),
        ];
        if let Some((_, field)) = forged.into_iter().find(|(forged, _)| *forged == name) {
            assert!(lax_equation_holds(case, Some(field), true), "{name}");
            seen[0] += 1;
        }
        if name.starts_with("shifted-boundary-") {
            assert!(lax_equation_holds(case, None, false), "{name}");
            seen[3] += 1;
        }
        if name.ends_with("-valid-equation") {
            assert!(lax_equation_holds(case, None, true), "{name}");
            seen[1] += 1;
        } else if case.reason == Some(Reason::Equation) {
            assert!(!lax_equation_holds(case, None, true), "{name}");
            seen[2] += 1;
        }
    }
    assert!(
        seen[0] == 2 && seen[1] > 50 && seen[2] > 40 && seen[3] == 2,
        "{seen:?}"
    );
}
