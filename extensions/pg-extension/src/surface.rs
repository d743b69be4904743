//! The SQL functions of clients: parse, call, answer. Declared in `sql/`, each under the name of its symbol
//! here. A function that got further arguments has a symbol for each shape: a library may be newer than the
//! SQL of a database.

#![allow(
    clippy::type_complexity,
    reason = "the shape of an answer is its documentation"
)]

use core::sync::atomic::Ordering;

use pgrx::{
    AnyElement, IntoDatum, PgTrigger, WhoAllocated,
    heap_tuple::PgHeapTuple,
    iter::TableIterator,
    name, pg_extern, pg_sys, pg_trigger,
    prelude::{FromDatum, TimestampWithTimeZone},
};
use twofapi_crypto_core::{
    ClientId, CredentialId, Error,
    ceremony::{AuthenticationRequest, RotationRequest},
};

use crate::{
    attempt::{self, Authenticated},
    audit, backend,
    calls::{
        About, Bytes, answer, challenge_id, client_id, commitment, ended, is_accepted, named, proof,
    },
    clock, errors,
    errors::must_be_writable,
    postings, row,
    rules::{
        ClientKey,
        event::{Action, Outcome},
        postings::Whom,
    },
    session,
    shmem::{Shared, preloaded},
    strict,
};

#[pg_extern]
fn issue_challenge(id: Bytes<'_>) -> String {
    let shared = preloaded();
    client_id(id)
        .and_then(|id| attempt::issue(shared, &id))
        .map_or_else(
            |error| errors::raise(&error),
            |(issued, _)| issued.id.to_string(),
        )
}

#[pg_extern]
fn get_challenge_nonce(id: Bytes<'_>, challenge: Bytes<'_>) -> Option<Vec<u8>> {
    let shared = preloaded();
    let nonce = || {
        let (id, challenge) = (client_id(id)?, challenge_id(challenge)?);
        let nonce = attempt::nonce(shared, &id, challenge)?;
        Ok(nonce.map(|nonce| nonce.as_bytes().to_vec()))
    };
    nonce().unwrap_or_else(|error: Error| errors::raise(&error))
}

#[pg_extern]
fn challenge(id: Bytes<'_>, call: pg_sys::FunctionCallInfo) -> Option<AnyElement> {
    let shared = preloaded();
    let issue = || {
        let (issued, terms) = attempt::issue(shared, &client_id(id)?)?;
        // SAFETY: this very call.
        unsafe {
            row::of_challenge(
                call,
                &issued.id.to_string(),
                issued.nonce.as_bytes(),
                terms.binding().as_bytes(),
                clock::timestamp(i64::from(issued.id.expires_at()) * 1_000_000),
            )
        }
    };
    let row = issue().unwrap_or_else(|error: Error| errors::raise(&error));
    // SAFETY: a composite datum is a record.
    unsafe { AnyElement::from_polymorphic_datum(row, false, pg_sys::RECORDOID) }
}

#[pg_extern]
fn authenticate_by(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    p: Bytes<'_>,
    binding: Bytes<'_>,
    credential: Bytes<'_>,
) -> bool {
    let shared = preloaded();
    // Whoever tries to be somebody is nobody until that is proven.
    session::leave();
    let open = |accepted| session::open(shared, accepted);
    let attempt = Attempt {
        action: Action::Authenticate,
        id,
        challenge,
        proof: p,
        binding,
        credential,
    };
    attempt.made(shared, open)
}

#[pg_extern]
fn verify_by(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    p: Bytes<'_>,
    binding: Bytes<'_>,
    credential: Bytes<'_>,
) -> bool {
    let attempt = Attempt {
        action: Action::Verify,
        id,
        challenge,
        proof: p,
        binding,
        credential,
    };
    attempt.made(preloaded(), |_| Ok(()))
}

/// As version 1.0 declares it.
#[pg_extern]
fn authenticate(id: Bytes<'_>, challenge: Bytes<'_>, p: Bytes<'_>, binding: Bytes<'_>) -> bool {
    authenticate_by(id, challenge, p, binding, None)
}

/// As version 1.0 declares it.
#[pg_extern]
fn verify(id: Bytes<'_>, challenge: Bytes<'_>, p: Bytes<'_>, binding: Bytes<'_>) -> bool {
    verify_by(id, challenge, p, binding, None)
}

/// What a caller sends to show who it is.
struct Attempt<'a> {
    action: Action,
    id: Bytes<'a>,
    challenge: Bytes<'a>,
    proof: Bytes<'a>,
    binding: Bytes<'a>,
    credential: Bytes<'a>,
}

impl Attempt<'_> {
    fn made(
        self,
        shared: Shared,
        accepted: impl FnOnce(Authenticated) -> Result<(), Error>,
    ) -> bool {
        strict::check_those_of_role_and_database();
        let id = client_id(self.id);
        let mut credential = self.credential.and_then(|id| CredentialId::parse(id).ok());
        let attempt = || {
            let request = AuthenticationRequest {
                of: named(id.as_ref().map_err(Clone::clone)?, self.challenge)?,
                credential: self.credential,
                proof: proof(self.proof)?,
                binding: self.binding,
            };
            let opened = match ended(attempt::authentication(shared, &request))? {
                Ok(proven) => {
                    credential = Some(*proven.accepted.credential_id());
                    Ok(accepted(proven)?)
                }
                Err(outcome) => Err(outcome),
            };
            Ok(is_accepted(opened))
        };
        let result = attempt();
        let about = About {
            client: id.as_ref().ok(),
            credential,
        };
        answer(shared, self.action, about, result)
    }
}

#[pg_extern]
fn rotate_commitment_by(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    proof_old: Bytes<'_>,
    commitment_new: Bytes<'_>,
    proof_new: Bytes<'_>,
    credential: Bytes<'_>,
) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.rotate_commitment()");
    strict::check_those_of_role_and_database();
    let id = client_id(id);
    let rotate = || {
        let request = RotationRequest {
            of: named(id.as_ref().map_err(Clone::clone)?, challenge)?,
            credential,
            proof_old: proof(proof_old)?,
            commitment_new: commitment(commitment_new)?,
            proof_new: proof(proof_new)?,
        };
        ended(attempt::rotation(shared, &request)).map(is_accepted)
    };
    let about = About::with(id.as_ref().ok(), commitment_new);
    answer(shared, Action::Rotate, about, rotate())
}

/// As version 1.0 declares it.
#[pg_extern]
fn rotate_commitment(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    proof_old: Bytes<'_>,
    commitment_new: Bytes<'_>,
    proof_new: Bytes<'_>,
) -> bool {
    rotate_commitment_by(id, challenge, proof_old, commitment_new, proof_new, None)
}

/// NULL without a session. Called for every row that a policy looks at.
#[pg_extern]
fn current_client() -> Option<AnyElement> {
    let datum = session::told(preloaded(), |session| {
        session.client.id_bytes().into_datum()
    })??;
    // SAFETY: bytes and text are laid out alike, and a client id is ASCII, which is text in every
    // encoding of a server.
    unsafe { AnyElement::from_polymorphic_datum(datum, false, pg_sys::TEXTOID) }
}

#[pg_extern]
fn logout() -> bool {
    let shared = preloaded();
    let whose = session::end(shared);
    if whose.is_some() {
        audit::record_key(shared, Action::Logout, Outcome::Accepted, whose, None);
    }
    whose.is_some()
}

#[pg_extern(name = "session")]
fn session_of_this_connection() -> TableIterator<
    'static,
    (
        name!(client_id, String),
        name!(since, Option<TimestampWithTimeZone>),
        name!(expires_at, Option<TimestampWithTimeZone>),
        name!(scope, &'static str),
    ),
> {
    let row = session::told(preloaded(), |session| {
        (
            session.client.id_str().to_owned(),
            clock::timestamp(session.since),
            clock::timestamp(session.expires_at),
            session.scope.as_str(),
        )
    });
    TableIterator::new(row)
}

#[pg_extern]
fn version() -> &'static str {
    preloaded();
    env!("CARGO_PKG_VERSION")
}

#[pg_extern]
fn statistics() -> TableIterator<
    'static,
    (
        name!(challenges_issued, i64),
        name!(accepted, i64),
        name!(denied, i64),
        name!(throttled, i64),
        name!(sessions_opened, i64),
        name!(spent_capacity, i64),
        name!(spent_held, i64),
        name!(audit_written, i64),
        name!(audit_dropped, i64),
        name!(audit_waiting, i64),
    ),
> {
    let shared = preloaded();
    let spent = shared.with_spent(|set, now| set.stats(now));
    let counters = shared.counters();
    // With the lock held: nothing is between waiting and written then.
    let (waiting, written, dropped) = shared.with_channels(|c| {
        let load = |counter: &core::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (
            c.waiting(),
            load(&counters.audit_written),
            load(&counters.audit_dropped),
        )
    });
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let read = |counter: &core::sync::atomic::AtomicU64| number(counter.load(Ordering::Relaxed));
    TableIterator::once((
        read(&counters.challenges_issued),
        read(&counters.accepted),
        read(&counters.denied),
        read(&counters.throttled),
        read(&counters.sessions_opened),
        i64::from(spent.capacity),
        i64::from(spent.held),
        number(written),
        number(dropped),
        number(waiting),
    ))
}

/// Notes every changed or deleted row of `twofapi.clients`, whoever changed it and how, so that
/// sessions end when the change is committed.
#[pg_trigger]
fn clients_changed<'a>(
    trigger: &'a PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, Error> {
    if crate::shmem::shared().is_some() {
        // The first column of the table is the client id, a text.
        let id = trigger
            .old()
            .and_then(|row| ClientId::parse(row.get_by_name::<&str>("client_id").ok()??).ok());
        let client = id.map(|id| ClientKey::new(backend::database(), &id));
        postings::note(client.map_or(Whom::Everyone, Whom::One));
    }
    Ok(trigger.old())
}
