//! Recovery phrases: what each restores, and what is none.

use twofapi_crypto_core::RecoveryPhrase;

use super::{Report, agree, names_are_unique, refusal};
use crate::cases::{FileError, RecoveryCase, RecoveryFile};

pub(super) fn run(file: &RecoveryFile, report: &mut Report) -> Result<(), FileError> {
    if let Some(given) = file.recovery_dst.as_deref()
        && given != RecoveryFile::SUITE
    {
        return Err(FileError::OtherConstants {
            what: "recovery_dst",
            expected: RecoveryFile::SUITE.into(),
        });
    }
    let valid = file.valid.iter().map(|case| &case.name);
    names_are_unique(valid.chain(file.invalid.iter().map(|case| &case.name)))?;
    for case in &file.valid {
        report.must_be_accepted(&case.name, restores(case));
    }
    for case in &file.invalid {
        let recovered = RecoveryPhrase::parse(&case.phrase);
        report.must_be_refused(&case.name, recovered.map(drop).map_err(refusal));
    }
    Ok(())
}

fn restores(case: &RecoveryCase) -> Result<(), String> {
    let phrase = RecoveryPhrase::parse(&case.phrase).map_err(refusal)?;
    agree("entropy", Some(&case.entropy), phrase.entropy())?;
    let credential = phrase.credential().map_err(refusal)?;
    let (secret, blinding) = (credential.secret_bytes(), credential.blinding_bytes());
    agree("secret", Some(&case.secret), secret.as_ref())?;
    agree("blinding", Some(&case.blinding), blinding.as_ref())?;
    agree(
        "commitment",
        Some(&case.commitment),
        credential.commitment().as_bytes(),
    )
}
