//! The SQL functions: parse, call, answer. Declared in `sql/pg_2fapi--1.0.sql`, each under the name
//! of its symbol here.
//!
//! Text arrives as bytes: what a client id may hold is ASCII, whatever the database's encoding is.

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
    ClientId, ClientRecord, Commitment, Error, Transition,
    ceremony::{AuthenticationRequest, EnrolmentRequest, Named, Refused, RotationRequest},
};

use crate::{
    attempt::{self, Authenticated},
    audit, backend, clients, clock, errors,
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

pub(crate) type Bytes<'a> = Option<&'a [u8]>;

pub(crate) fn client_id(bytes: Bytes<'_>) -> Result<ClientId, Error> {
    ClientId::from_bytes(bytes.ok_or(Error::InvalidClientId {
        problem: "it is NULL",
    })?)
}

fn given<'a>(
    bytes: Bytes<'a>,
    what: &'static str,
    expected: &'static str,
) -> Result<&'a [u8], Error> {
    bytes.ok_or(Error::InvalidEncoding { what, expected })
}

fn proof(bytes: Bytes<'_>) -> Result<&[u8], Error> {
    given(bytes, "proof", "96 bytes, not NULL")
}

fn commitment(bytes: Bytes<'_>) -> Result<&[u8], Error> {
    given(bytes, "commitment", "32 bytes, not NULL")
}

fn challenge_id<'a>(bytes: Bytes<'a>) -> Result<&'a [u8], Error> {
    given(
        bytes,
        "challenge id",
        "the text that twofapi.challenge answered, not NULL",
    )
}

/// Whose challenge an attempt names.
fn named<'a>(id: &'a ClientId, challenge: Bytes<'a>) -> Result<Named<'a>, Error> {
    Ok(Named::Apart {
        client_id: id.as_bytes(),
        challenge_id: challenge_id(challenge)?,
    })
}

/// How an attempt ended: what is denied is an answer, and everything else that is not accepted an error.
fn ended<T>(attempt: Result<T, Refused>) -> Result<Result<T, Outcome>, Error> {
    match attempt {
        Ok(accepted) => Ok(Ok(accepted)),
        Err(Refused::Denied(cause)) => Ok(Err(Outcome::of_cause(cause))),
        Err(refused) => Err(refused.into()),
    }
}

fn is_accepted<T>(ended: Result<T, Outcome>) -> (bool, Outcome) {
    match ended {
        Ok(_) => (true, Outcome::Accepted),
        Err(outcome) => (false, outcome),
    }
}

/// Records how an action ended and answers, or raises.
pub(crate) fn answer<T>(
    shared: Shared,
    action: Action,
    client: Option<&ClientId>,
    result: Result<(T, Outcome), Error>,
) -> T {
    match result {
        Ok((answer, outcome)) => {
            count(shared, outcome);
            audit::record(shared, action, outcome, client);
            answer
        }
        Err(error) => {
            let outcome = Outcome::of_error(error.code());
            count(shared, outcome);
            audit::record(shared, action, outcome, client);
            errors::raise(&error)
        }
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

#[pg_extern]
fn enroll(id: Bytes<'_>, c: Bytes<'_>, p: Bytes<'_>) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.enroll()");
    let id = client_id(id);
    let enrol = || {
        let request = EnrolmentRequest {
            client_id: id.as_ref().map_err(Clone::clone)?.as_bytes(),
            commitment: commitment(c)?,
            proof: proof(p)?,
        };
        ended(attempt::enrolment(shared, &request)).map(is_accepted)
    };
    answer(shared, Action::Enrol, id.as_ref().ok(), enrol())
}

#[pg_extern]
fn import_client(id: Bytes<'_>, c: Bytes<'_>, version: Option<i32>, status: Bytes<'_>) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.import_client()");
    let id = client_id(id);
    let import = || {
        let id = id.as_ref().map_err(Clone::clone)?;
        let invalid = |what, expected| Error::InvalidEncoding { what, expected };
        let record = ClientRecord {
            commitment: Commitment::from_bytes(commitment(c)?)?,
            commitment_version: version
                .and_then(|version| u32::try_from(version).ok())
                .filter(|version| *version >= 1)
                .ok_or_else(|| invalid("commitment version", "1 or more"))?,
            status: status
                .and_then(|status| core::str::from_utf8(status).ok()?.parse().ok())
                .ok_or_else(|| invalid("status", "active, suspended or revoked"))?,
        };
        match clients::insert(id, &record)? {
            true => Ok((true, Outcome::Accepted)),
            false => Err(Error::AlreadyEnrolled),
        }
    };
    answer(shared, Action::Import, id.as_ref().ok(), import())
}

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
fn authenticate(id: Bytes<'_>, challenge: Bytes<'_>, p: Bytes<'_>, binding: Bytes<'_>) -> bool {
    let shared = preloaded();
    // Whoever tries to be somebody is nobody until that is proven.
    session::leave();
    attempted(
        shared,
        Action::Authenticate,
        id,
        challenge,
        p,
        binding,
        |accepted| session::open(shared, accepted),
    )
}

#[pg_extern]
fn verify(id: Bytes<'_>, challenge: Bytes<'_>, p: Bytes<'_>, binding: Bytes<'_>) -> bool {
    attempted(
        preloaded(),
        Action::Verify,
        id,
        challenge,
        p,
        binding,
        |_| Ok(()),
    )
}

fn attempted(
    shared: Shared,
    action: Action,
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    p: Bytes<'_>,
    binding: Bytes<'_>,
    accepted: impl FnOnce(Authenticated) -> Result<(), Error>,
) -> bool {
    strict::check_those_of_role_and_database();
    let id = client_id(id);
    let attempt = || {
        let request = AuthenticationRequest {
            of: named(id.as_ref().map_err(Clone::clone)?, challenge)?,
            credential: None,
            proof: proof(p)?,
            binding,
        };
        let opened = match ended(attempt::authentication(shared, &request))? {
            Ok(proven) => Ok(accepted(proven)?),
            Err(outcome) => Err(outcome),
        };
        Ok(is_accepted(opened))
    };
    let result = attempt();
    answer(shared, action, id.as_ref().ok(), result)
}

#[pg_extern]
fn rotate_commitment(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    proof_old: Bytes<'_>,
    commitment_new: Bytes<'_>,
    proof_new: Bytes<'_>,
) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.rotate_commitment()");
    strict::check_those_of_role_and_database();
    let id = client_id(id);
    let rotate = || {
        let request = RotationRequest {
            of: named(id.as_ref().map_err(Clone::clone)?, challenge)?,
            credential: None,
            proof_old: proof(proof_old)?,
            commitment_new: commitment(commitment_new)?,
            proof_new: proof(proof_new)?,
        };
        ended(attempt::rotation(shared, &request)).map(is_accepted)
    };
    answer(shared, Action::Rotate, id.as_ref().ok(), rotate())
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
        audit::record_key(shared, Action::Logout, Outcome::Accepted, whose);
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
fn suspend_client(id: Bytes<'_>) -> bool {
    change(id, Action::Suspend, ClientRecord::suspend)
}

#[pg_extern]
fn resume_client(id: Bytes<'_>) -> bool {
    change(id, Action::Resume, ClientRecord::resume)
}

#[pg_extern]
fn revoke_client(id: Bytes<'_>) -> bool {
    change(id, Action::Revoke, |record| Ok(record.revoke()))
}

/// Changes the status of a client; true when it was another one before.
fn change(
    id: Bytes<'_>,
    action: Action,
    step: fn(&mut ClientRecord) -> Result<Transition, Error>,
) -> bool {
    let shared = preloaded();
    must_be_writable(c"a change of a 2FApi client");
    let id = client_id(id);
    let change = || {
        let id = id.as_ref().map_err(Clone::clone)?;
        clients::lock(id)?;
        let record = clients::find(id)?.ok_or(Error::NotEnrolled)?.record;
        let mut changed = record;
        let transition = step(&mut changed)?;
        match transition {
            Transition::Unchanged => Ok((false, Outcome::Accepted)),
            Transition::Changed if clients::replace(id, &record, &changed)? => {
                Ok((true, Outcome::Accepted))
            }
            Transition::Changed => Err(Error::Unavailable {
                reason: "the client was changed by another transaction meanwhile; try again".into(),
            }),
        }
    };
    answer(shared, action, id.as_ref().ok(), change())
}

#[pg_extern]
fn client_status(id: Bytes<'_>) -> &'static str {
    preloaded();
    let status = || {
        let row = clients::find(&client_id(id)?)?;
        Ok(row.ok_or(Error::NotEnrolled)?.record.status.as_str())
    };
    status().unwrap_or_else(|error: Error| errors::raise(&error))
}

#[pg_extern]
fn cleanup(retention_days: Option<i32>) -> TableIterator<'static, (name!(audit_rows, i64),)> {
    let shared = preloaded();
    must_be_writable(c"twofapi.cleanup()");
    let purge = || match retention_days {
        // What happened within a day is nobody's to erase who is not a superuser.
        Some(days @ 1..=36_500) => Ok((clients::delete_audit_before(days)?, Outcome::Accepted)),
        _ => Err(Error::InvalidEncoding {
            what: "retention_days",
            expected: "1 to 36500 days",
        }),
    };
    TableIterator::once((answer(shared, Action::Cleanup, None, purge()),))
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
