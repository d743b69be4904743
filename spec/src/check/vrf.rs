//! Proofs of the verifiable random function.

use twofapi_chain_vrf::{Proof, PublicKey, Refused, SecretKey};

use super::{Report, agree, bytes, names_are_unique, refusal};
use crate::cases::{FileError, VrfCase, VrfFile};

pub(super) fn run(file: &VrfFile, report: &mut Report) -> Result<(), FileError> {
    let accepted = file.accepted.iter().map(|case| &case.name);
    names_are_unique(accepted.chain(file.rejected.iter().map(|case| &case.name)))?;
    for case in &file.accepted {
        report.must_be_accepted(&case.name, accept(case));
    }
    for case in &file.rejected {
        match (verify(case), case.reason.as_deref()) {
            (Ok(Err(refused)), Some(theirs @ ("length" | "encoding" | "equation")))
                if theirs != reason(refused) =>
            {
                let ours = reason(refused);
                report.disagree(&case.name, format!("refused for {ours}, not for {theirs}"));
            }
            (outcome, _) => report.must_be_refused(
                &case.name,
                outcome.and_then(|verified| verified.map(drop).map_err(refusal)),
            ),
        }
    }
    Ok(())
}

/// What the first check that fails is called in a file.
fn reason(refused: Refused) -> &'static str {
    match refused {
        Refused::Length { .. } => "length",
        Refused::Encoding(_) => "encoding",
        Refused::Equation => "equation",
    }
}

/// Decodes and verifies, and answers the output.
fn verify(case: &VrfCase) -> Result<Result<[u8; 32], Refused>, String> {
    let public = bytes("public", &case.public)?;
    let alpha = bytes("alpha", &case.alpha)?;
    let proof = bytes("proof", &case.proof)?;
    Ok(PublicKey::from_bytes(&public)
        .and_then(|key| key.verify(&alpha, &Proof::from_bytes(&proof)?)))
}

/// Verifies, and compares every value that the file gives with our own. Γ and the output are fixed by key and
/// input; the rest of a proof depends on its maker's nonce.
fn accept(case: &VrfCase) -> Result<(), String> {
    let output = verify(case)?.map_err(refusal)?;
    agree("output", case.output.as_deref(), &output)?;
    let Some(secret) = &case.secret else {
        return Ok(());
    };
    let key = SecretKey::from_bytes(&bytes("secret", secret)?).map_err(refusal)?;
    let public = key.public().point().as_bytes();
    agree("public", Some(&case.public), public)?;
    let alpha = bytes("alpha", &case.alpha)?;
    let ours = key.prove(&alpha);
    agree("output", Some(&hex::encode(output)), &ours.output())?;
    let verified = key.public().verify(&alpha, &ours);
    verified
        .map(drop)
        .map_err(|error| format!("a fresh proof of ours is refused: {error}"))
}
