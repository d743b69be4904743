//! Credentials of one phrase at several hosts, and what a client that recovers tries.

use twofapi_crypto_core::{Audience, Credential, RecoveryPhrase};

use super::{Report, agree, array, bytes, names_are_unique, refusal};
use crate::cases::{BlindingCase, BlindingFile, FileError, RecoveryOrder};

pub(super) fn run(file: &BlindingFile, report: &mut Report) -> Result<(), FileError> {
    let lists = [&file.valid, &file.invalid, &file.not_recovered];
    let names = lists.into_iter().flatten().map(|case| &case.name);
    names_are_unique(names.chain(file.recoveries.iter().map(|case| &case.name)))?;
    for case in &file.valid {
        report.must_be_accepted(&case.name, is_blinded(case));
    }
    for case in &file.invalid {
        match bytes("entropy", &case.entropy) {
            Ok(entropy) => report.must_be_refused(&case.name, credential(case, &entropy).map(drop)),
            Err(why) => report.disagree(&case.name, why),
        }
    }
    for case in &file.recoveries {
        report.must_be_accepted(&case.name, is_the_order(case));
    }
    for case in &file.not_recovered {
        match is_tried(case) {
            Ok(tried) => report.must_be_refused(&case.name, tried),
            Err(why) => report.disagree(&case.name, why),
        }
    }
    Ok(())
}

fn credential(case: &BlindingCase, entropy: &[u8]) -> Result<Credential, String> {
    let audience: Audience = case.audience.parse().map_err(refusal)?;
    match case.generation {
        Some(generation) => Credential::from_recovery_entropy_at(entropy, &audience, generation),
        None => Credential::from_recovery_entropy(entropy),
    }
    .map_err(refusal)
}

fn is_blinded(case: &BlindingCase) -> Result<(), String> {
    let credential = credential(case, &bytes("entropy", &case.entropy)?)?;
    let (secret, blinding) = (credential.secret_bytes(), credential.blinding_bytes());
    for (what, theirs, ours) in [
        ("secret", &case.secret, secret.as_ref()),
        ("blinding", &case.blinding, blinding.as_ref()),
        (
            "commitment",
            &case.commitment,
            credential.commitment().as_bytes(),
        ),
    ] {
        let theirs = theirs.as_deref().ok_or(format!("it gives no {what}"))?;
        agree(what, Some(theirs), ours)?;
    }
    Ok(())
}

/// What a client that recovers tries, in order.
fn tried(entropy: &str, audience: &str) -> Result<Vec<[u8; 32]>, String> {
    let phrase = RecoveryPhrase::from_entropy(array("entropy", entropy)?);
    let audience: Audience = audience.parse().map_err(refusal)?;
    let candidates = phrase.candidates(&audience);
    candidates
        .map(|one| Ok(one.map_err(refusal)?.commitment().to_bytes()))
        .collect()
}

fn is_the_order(case: &RecoveryOrder) -> Result<(), String> {
    let ours = tried(&case.entropy, &case.audience)?;
    if ours.len() != case.commitments.len() {
        return Err(format!(
            "it has {} commitments; ours are {}",
            case.commitments.len(),
            ours.len()
        ));
    }
    for (theirs, ours) in case.commitments.iter().zip(&ours) {
        agree("commitments", Some(theirs), ours)?;
    }
    Ok(())
}

/// Whether a client that recovers comes to this commitment.
fn is_tried(case: &BlindingCase) -> Result<Result<(), String>, String> {
    let commitment = case.commitment.as_deref().ok_or("it gives no commitment")?;
    let tried = tried(&case.entropy, &case.audience)?;
    Ok(match tried.contains(&array("commitment", commitment)?) {
        true => Ok(()),
        false => Err("it is not among what is tried".into()),
    })
}
