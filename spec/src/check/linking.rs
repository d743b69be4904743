//! Links of credentials: proofs of every purpose, ids, numbers, codes and names.

use twofapi_crypto_core::{
    ChallengeId, CredentialId, CredentialName,
    ceremony::{LinkCode, link_number},
};

use super::{Report, agree, array, names_are_unique, refusal, shortened, sigma};
use crate::cases::{CredentialIdCase, FileError, LinkCodeCase, LinkNumberCase, LinkingFile};

pub(super) fn run(file: &LinkingFile, report: &mut Report) -> Result<(), FileError> {
    let ids = file.credential_ids.iter().map(|case| &case.name);
    let numbers = file.link_numbers.iter().map(|case| &case.name);
    let codes = file.link_codes.iter().map(|case| &case.name);
    let none = file.no_link_codes.iter().map(|case| &case.name);
    let proofs = file.accepted.iter().chain(&file.rejected);
    let names = proofs.map(|case| &case.name).chain(ids).chain(numbers);
    names_are_unique(names.chain(codes).chain(none))?;
    sigma::proofs(&file.accepted, &file.rejected, report)?;
    for case in &file.credential_ids {
        report.must_be_accepted(&case.name, is_its_id(case));
    }
    for text in &file.no_credential_ids {
        let parsed = text.parse::<CredentialId>();
        report.must_be_refused(&shortened(text), parsed.map(drop).map_err(refusal));
    }
    for case in &file.link_numbers {
        report.must_be_accepted(&case.name, is_the_number(case));
    }
    for case in &file.link_codes {
        report.must_be_accepted(&case.name, says(case));
    }
    for case in &file.no_link_codes {
        let parsed = LinkCode::parse(&case.code);
        report.must_be_refused(&case.name, parsed.map(drop).map_err(refusal));
    }
    let name = |text: &str| text.parse::<CredentialName>().map(drop).map_err(refusal);
    for text in &file.credential_names {
        report.must_be_accepted(&shortened(text), name(text));
    }
    for text in &file.no_credential_names {
        report.must_be_refused(&shortened(text), name(text));
    }
    Ok(())
}

fn is_its_id(case: &CredentialIdCase) -> Result<(), String> {
    let id = CredentialId::of(&array("commitment", &case.commitment)?);
    // Compared as text: it has one spelling.
    same("credential_id", &case.credential_id, &id.to_string())?;
    let parsed: CredentialId = case.credential_id.parse().map_err(refusal)?;
    agree(
        "credential_id",
        Some(&case.credential_id),
        parsed.as_bytes(),
    )
}

fn is_the_number(case: &LinkNumberCase) -> Result<(), String> {
    let challenge_id = ChallengeId::parse(&case.challenge_id).map_err(refusal)?;
    let number = link_number(challenge_id, &array("commitment", &case.commitment)?);
    same("number", &case.number, &format!("{number:06}"))
}

fn says(case: &LinkCodeCase) -> Result<(), String> {
    let code = LinkCode::parse(&case.code).map_err(refusal)?;
    same("code", &case.code, &code.to_text())?;
    let challenge_id = code.challenge_id.to_string();
    same("challenge_id", &case.challenge_id, &challenge_id)?;
    same("client_id", &case.client_id, code.client_id.as_str())?;
    same("audience", &case.audience, code.audience.as_str())?;
    agree("nonce", Some(&case.nonce), code.nonce.as_bytes())
}

fn same(what: &str, theirs: &str, ours: &str) -> Result<(), String> {
    match theirs == ours {
        true => Ok(()),
        false => Err(format!("its {what} is another; ours is {ours}")),
    }
}
