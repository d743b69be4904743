//! What a recovery phrase gives at a host: the credential of a new phrase, the one that follows at a rotation, and
//! the one that a host knows when everything else was lost. The phrase itself is kept nowhere.

use std::path::PathBuf;

use twofapi_crypto_core::{Audience, ClientId, Commitment, Credential, RecoveryPhrase};

use crate::{Failure, FailureKind, credential::OpenedCredential, exchange::Exchange};

/// What a host knows of a phrase.
pub struct Recovered {
    /// The credential.
    pub credential: Credential,
    /// Whether requests have to name it.
    pub linked: bool,
}

/// The credential that follows this commitment under the phrase: the next generation, or the first one after a
/// credential of no audience.
///
/// # Errors
/// Bad input when the commitment is none of the phrase at this audience, or the last one that who recovers tries.
pub fn next(
    phrase: &RecoveryPhrase,
    audience: &Audience,
    current: &Commitment,
) -> Result<Credential, Failure> {
    let mut candidates = phrase.candidates(audience);
    for candidate in candidates.by_ref() {
        if candidate?.commitment() == current {
            return match candidates.next() {
                Some(next) => Ok(next?),
                None => Err(Failure::bad_input(
                    "this recovery phrase has been rotated under as often as one that recovers tries: \
                     rotate without it, or begin with a new phrase",
                )),
            };
        }
    }
    Err(Failure::bad_input(format!(
        "the credential is none that this recovery phrase gives at {audience}"
    )))
}

/// Finds the credential of a phrase that a host knows under this client id, by logging in: as those of before
/// first, then by generation.
///
/// # Errors
/// Denied when the host knows none of them; as the server says or the way there fails.
pub fn find(
    exchange: &Exchange,
    client_id: &ClientId,
    phrase: &RecoveryPhrase,
) -> Result<Recovered, Failure> {
    let mut tried = Candidate {
        exchange,
        client_id,
        linked: true,
    };
    for credential in phrase.candidates(exchange.audience()) {
        if let Some(recovered) = tried.by(credential?)? {
            return Ok(recovered);
        }
    }
    Err(Failure::denied(format!(
        "{} knows no credential of this recovery phrase for {client_id}",
        exchange.http().url()
    )))
}

struct Candidate<'a> {
    exchange: &'a Exchange,
    client_id: &'a ClientId,
    /// Whether credentials are named: a host of before refuses that, and knows the first one alone.
    linked: bool,
}

impl Candidate<'_> {
    fn by(&mut self, credential: Credential) -> Result<Option<Recovered>, Failure> {
        let mut candidate = OpenedCredential {
            path: PathBuf::new(),
            client_id: self.client_id.clone(),
            credential,
            linked: self.linked,
            passphrase: None,
        };
        let mut outcome = self.exchange.login(&candidate);
        if let Err(failure) = &outcome
            && self.linked
            && failure.code() == "malformed_request"
        {
            (self.linked, candidate.linked) = (false, false);
            outcome = self.exchange.login(&candidate);
        }
        match outcome {
            Err(failure) if failure.kind() == FailureKind::Denied => return Ok(None),
            Err(failure) => return Err(failure),
            Ok(_) => {}
        }
        if candidate.linked {
            // The first one is not named, so that its file is good at hosts of before as well.
            candidate.linked = false;
            match self.exchange.login(&candidate) {
                Ok(_) => {}
                Err(failure) if failure.kind() == FailureKind::Denied => candidate.linked = true,
                Err(failure) => return Err(failure),
            }
        }
        Ok(Some(Recovered {
            credential: candidate.credential,
            linked: candidate.linked,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rotation_goes_to_the_next_generation_and_comes_to_an_end() {
        let phrase = RecoveryPhrase::from_entropy([7; 32]);
        let audience: Audience = "https://a.example".parse().unwrap();
        let mut current = *phrase.credential().unwrap().commitment();
        for generation in 0..RecoveryPhrase::GENERATIONS_TRIED {
            let next = next(&phrase, &audience, &current).unwrap();
            let expected = phrase.credential_at(&audience, generation).unwrap();
            assert_eq!(next.commitment(), expected.commitment());
            current = *next.commitment();
        }
        let failure = next(&phrase, &audience, &current).unwrap_err();
        assert!(failure.to_string().contains("new phrase"), "{failure}");
        let elsewhere = phrase
            .credential_at(&"https://b.example".parse().unwrap(), 0)
            .unwrap();
        let failure = next(&phrase, &audience, elsewhere.commitment()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::BadInput);
    }
}
