//! Challenges: the nonce is computed again, and what is not live is refused.

use twofapi_crypto_core::{ChallengeId, ChallengeKey, ChallengeTtl, ClientId};

use super::{Report, agree, array, names_are_unique, refusal};
use crate::cases::{ChallengeCase, ChallengeFile, FileError};

pub(super) fn run(file: &ChallengeFile, report: &mut Report) -> Result<(), FileError> {
    let ttl = ChallengeTtl::from_seconds(file.ttl).map_err(|_| FileError::OtherConstants {
        what: "ttl",
        expected: format!("1 to {} seconds", ChallengeTtl::MAX_SECONDS),
    })?;
    names_are_unique(file.live.iter().chain(&file.refused).map(|case| &case.name))?;
    for case in &file.live {
        report.must_be_accepted(&case.name, live_with_its_nonce(case, ttl));
    }
    for case in &file.refused {
        match key(case) {
            Ok(key) => report.must_be_refused(&case.name, recompute(&key, case, ttl).map(drop)),
            Err(why) => report.disagree(&case.name, why),
        }
    }
    Ok(())
}

fn live_with_its_nonce(case: &ChallengeCase, ttl: ChallengeTtl) -> Result<(), String> {
    let nonce = case.nonce.as_deref().ok_or("it gives no nonce")?;
    agree("nonce", Some(nonce), &recompute(&key(case)?, case, ttl)?)
}

fn key(case: &ChallengeCase) -> Result<ChallengeKey, String> {
    array("challenge_key", &case.challenge_key).map(ChallengeKey::from_bytes)
}

fn recompute(
    key: &ChallengeKey,
    case: &ChallengeCase,
    ttl: ChallengeTtl,
) -> Result<Vec<u8>, String> {
    let client_id = ClientId::parse(&case.client_id).map_err(refusal)?;
    let id = ChallengeId::parse(&case.challenge_id).map_err(refusal)?;
    let challenge = key
        .recompute(&client_id, id, case.now, ttl)
        .map_err(refusal)?;
    Ok(challenge.nonce.as_bytes().to_vec())
}
