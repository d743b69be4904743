//! What every SQL function does with what it is given, and how it answers.
//!
//! Text arrives as bytes: what a client id may hold is ASCII, whatever the database's encoding is.

use core::sync::atomic::Ordering;

use twofapi_crypto_core::{
    ClientId, CredentialId, Error,
    ceremony::{Named, Refused},
};

use crate::{
    audit, errors,
    rules::event::{Action, Outcome},
    shmem::Shared,
};

pub(crate) type Bytes<'a> = Option<&'a [u8]>;

pub(crate) fn client_id(bytes: Bytes<'_>) -> Result<ClientId, Error> {
    ClientId::from_bytes(bytes.ok_or(Error::InvalidClientId {
        problem: "it is NULL",
    })?)
}

pub(crate) fn given<'a>(
    bytes: Bytes<'a>,
    what: &'static str,
    expected: &'static str,
) -> Result<&'a [u8], Error> {
    bytes.ok_or(Error::InvalidEncoding { what, expected })
}

pub(crate) fn proof(bytes: Bytes<'_>) -> Result<&[u8], Error> {
    given(bytes, "proof", "96 bytes, not NULL")
}

pub(crate) fn commitment(bytes: Bytes<'_>) -> Result<&[u8], Error> {
    given(bytes, "commitment", "32 bytes, not NULL")
}

pub(crate) fn challenge_id<'a>(bytes: Bytes<'a>) -> Result<&'a [u8], Error> {
    given(
        bytes,
        "challenge id",
        "the text that twofapi.challenge answered, not NULL",
    )
}

/// Whose challenge an attempt names.
pub(crate) fn named<'a>(id: &'a ClientId, challenge: Bytes<'a>) -> Result<Named<'a>, Error> {
    Ok(Named::Apart {
        client_id: id.as_bytes(),
        challenge_id: challenge_id(challenge)?,
    })
}

/// How an attempt ended: what is denied is an answer, and everything else that is not accepted an error.
pub(crate) fn ended<T>(attempt: Result<T, Refused>) -> Result<Result<T, Outcome>, Error> {
    match attempt {
        Ok(accepted) => Ok(Ok(accepted)),
        Err(Refused::Denied(cause)) => Ok(Err(Outcome::of_cause(cause))),
        Err(refused) => Err(refused.into()),
    }
}

pub(crate) fn is_accepted<T>(ended: Result<T, Outcome>) -> (bool, Outcome) {
    match ended {
        Ok(_) => (true, Outcome::Accepted),
        Err(outcome) => (false, outcome),
    }
}

/// Whom and what an action is about, for the audit.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) client: Option<&'a ClientId>,
    pub(crate) credential: Option<CredentialId>,
}

impl<'a> About<'a> {
    /// The credential with this commitment, if that can be one.
    pub(crate) fn with(client: Option<&'a ClientId>, commitment: Bytes<'_>) -> Self {
        let commitment = commitment.and_then(|bytes| bytes.try_into().ok());
        Self {
            client,
            credential: commitment.map(CredentialId::of),
        }
    }
}

impl<'a> From<Option<&'a ClientId>> for About<'a> {
    fn from(client: Option<&'a ClientId>) -> Self {
        Self {
            client,
            credential: None,
        }
    }
}

/// Records how an action ended and answers, or raises.
pub(crate) fn answer<'a, T>(
    shared: Shared,
    action: Action,
    about: impl Into<About<'a>>,
    result: Result<(T, Outcome), Error>,
) -> T {
    let About { client, credential } = about.into();
    let outcome = match &result {
        Ok((_, outcome)) => *outcome,
        Err(error) => Outcome::of_error(error.code()),
    };
    count(shared, outcome);
    audit::record(shared, action, outcome, client, credential);
    match result {
        Ok((answer, _)) => answer,
        Err(error) => errors::raise(&error),
    }
}

fn count(shared: Shared, outcome: Outcome) {
    let counters = shared.counters();
    let counter = match outcome {
        Outcome::Throttled => &counters.throttled,
        outcome if outcome.as_str() == "accepted" => &counters.accepted,
        outcome if outcome.as_str() == "denied" => &counters.denied,
        _ => return,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}
