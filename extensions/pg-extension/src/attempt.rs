//! Attempts: what was sent goes into a ceremony of the core, one client is looked up, and the step that
//! follows is taken in shared memory and in the table of clients.
//!
//! A challenge is spent when a proof is accepted, and stays spent whatever becomes of the transaction:
//! shared memory knows no rollback.

use core::sync::atomic::Ordering;

use getrandom::SysRng;
use twofapi_crypto_core::{
    Challenge, ClientId, ClientRecord, Commitment, Error, Nonce, Record,
    ceremony::{
        Accepted, AuthenticationRequest, Change, Check, Committed, EnrolmentRequest, Permission,
        Refused, RotationRequest, Spend, Step, Terms, Wanted,
    },
};

use crate::{
    backend, challenges, clients, definition, known,
    rules::{ClientKey, Row, RowVersion, board::Seen},
    shmem::Shared,
};

/// A client whose proof was accepted, and what a session needs to know of its row.
pub(crate) struct Authenticated {
    pub(crate) accepted: Accepted,
    pub(crate) version: RowVersion,
    pub(crate) seen: Seen,
}

/// Issues a challenge to whoever asks, by the terms that hold now. Nothing is stored.
pub(crate) fn issue(shared: Shared, client_id: &ClientId) -> Result<(Challenge, Terms), Error> {
    let (keys, now) = challenges::keys(shared)?;
    let terms = challenges::terms(shared)?;
    let challenge = terms.challenge(&keys, client_id, now, &mut SysRng)?;
    let issued = &shared.counters().challenges_issued;
    issued.fetch_add(1, Ordering::Relaxed);
    Ok((challenge, terms))
}

/// The nonce of a challenge that is alive.
pub(crate) fn nonce(
    shared: Shared,
    client_id: &ClientId,
    challenge_id: &[u8],
) -> Result<Option<Nonce>, Error> {
    let (keys, now) = challenges::keys(shared)?;
    let terms = challenges::terms(shared)?;
    Ok(terms.nonce(&keys, client_id, challenge_id, now).ok())
}

/// A proof that the client stands behind its commitment.
pub(crate) fn authentication(
    shared: Shared,
    request: &AuthenticationRequest<'_>,
) -> Result<Authenticated, Refused> {
    let (keys, now) = challenges::keys(shared)?;
    let wanted = challenges::terms(shared)?.authenticate(&keys, now, request)?;
    let (accepted, found) = conclude(shared, wanted)?;
    Ok(Authenticated {
        accepted,
        version: found.row.version,
        seen: found.seen,
    })
}

/// Proofs that the client stands behind its commitment and the one that replaces it.
pub(crate) fn rotation(shared: Shared, request: &RotationRequest<'_>) -> Result<Accepted, Refused> {
    let (keys, now) = challenges::keys(shared)?;
    let wanted = challenges::terms(shared)?.rotate(&keys, now, request)?;
    Ok(conclude(shared, wanted)?.0)
}

/// A proof of possession for a client that is to be enrolled. Permitted is whoever may call this.
pub(crate) fn enrolment(
    shared: Shared,
    request: &EnrolmentRequest<'_>,
) -> Result<Accepted, Refused> {
    let asked = challenges::terms(shared)?.enrol(request)?;
    let commit = asked.permitted(Permission::Host).verify().settle()?;
    let step = commit.step();
    let committed = match (&step.spend, &step.change) {
        (None, Change::Insert(record)) => match clients::insert(&step.client_id, &single(record)?)?
        {
            true => Committed::Done,
            false => Committed::Exists,
        },
        _ => return Err(unknown_step(step).into()),
    };
    commit.done(committed)
}

/// A client's row, and what the board said before it was read.
struct Found {
    client: ClientKey,
    row: Row,
    seen: Seen,
}

/// Looks the client up and goes on to the end, whatever it is. A client that is not active costs the same
/// work and the same reads.
fn conclude(shared: Shared, wanted: Wanted) -> Result<(Accepted, Found), Refused> {
    let client = ClientKey::new(backend::database(), wanted.client_id());
    let seen = known::seen(shared, &client);
    let known = known::find(seen, &client);
    let row = match known {
        Some(row) => Some(row),
        None => clients::find_for_attempt(wanted.client_id())?,
    };
    let decode = |decoy: &[u8; Commitment::LEN]| Commitment::from_bytes(decoy);
    let check = wanted.found(row.map(|row| row.record), decode)?;
    let found = row.map(|row| Found { client, row, seen });
    let concluded = carry_out(shared, check, found);
    match &concluded {
        Ok((_, found)) if known.is_some() && found.seen == seen => {}
        Ok((accepted, found)) if single(accepted.record()) == Ok(found.row.record) => {
            known::keep(client, found.row, found.seen);
        }
        Ok(_) => {}
        // What knowing the client saved is made up for: only an accepted proof is quicker.
        Err(_) if known.is_some() => {
            let _ = ClientId::from_bytes(client.id_bytes()).and_then(|id| clients::find(&id));
        }
        Err(_) => {}
    }
    concluded
}

/// Verifies, and takes the step that follows.
fn carry_out(
    shared: Shared,
    check: Check,
    found: Option<Found>,
) -> Result<(Accepted, Found), Refused> {
    let commit = check.verify().settle()?;
    let step = commit.step();
    let Some(mut found) = found else {
        return Err(unknown_step(step).into());
    };
    let committed = match (&step.spend, &step.change) {
        (Some(spend), Change::None) => {
            spend_unless_changed(shared, &step.client_id, spend, &mut found)?
        }
        (Some(spend), Change::Replace(record)) => {
            spend_and_replace(shared, &step.client_id, spend, &found, &single(record)?)?
        }
        _ => return Err(unknown_step(step).into()),
    };
    Ok((commit.done(committed)?, found))
}

/// Locks the client's row, so that whoever else changes it waits until this transaction ends; spends the
/// challenge if the row is as it was, and replaces it.
fn spend_and_replace(
    shared: Shared,
    client_id: &ClientId,
    spend: &Spend,
    found: &Found,
    record: &ClientRecord,
) -> Result<Committed, Error> {
    clients::lock(client_id)?;
    let before = found.row.record;
    if clients::find(client_id)?.map(|row| row.record) != Some(before) {
        return Ok(Committed::Changed);
    }
    let committed = shared.with_spent(|set, now| set.accept(spend, now));
    if committed == Committed::Done && !clients::replace(client_id, &before, record)? {
        return Err(Error::Unavailable {
            reason: "the client's row was locked, and was changed all the same".into(),
        });
    }
    Ok(committed)
}

/// Spends the challenge, if by then nothing was committed that changes the client. Under the lock of the
/// spent set a look at the board tells: it says nothing new, or the row is read again and compared.
fn spend_unless_changed(
    shared: Shared,
    client_id: &ClientId,
    spend: &Spend,
    found: &mut Found,
) -> Result<Committed, Error> {
    // On a standby nothing is posted: there the row is read once more in any case.
    let mut look = backend::in_recovery();
    #[cfg(feature = "for-the-suite")]
    crate::suite::wait_before_the_step();
    loop {
        if look {
            let seen = known::seen(shared, &found.client);
            match clients::find(client_id)? {
                // Another version of the row that says the same: then the session goes by that one.
                Some(row) if row.record == found.row.record => {
                    (found.row, found.seen) = (row, seen);
                }
                _ => return Ok(Committed::Changed),
            }
        }
        let taken = shared.with_spent(|set, now| {
            let unchanged = shared
                .board()
                .unchanged(found.seen, definition::of_clients());
            unchanged.then(|| set.accept(spend, now))
        });
        if let Some(committed) = taken {
            return Ok(committed);
        }
        // Each time round, somebody has committed a change in a few microseconds.
        look = true;
        pgrx::check_for_interrupts!();
    }
}

/// This host keeps one credential of a client.
fn single(record: &Record) -> Result<ClientRecord, Error> {
    ClientRecord::try_from(record)
}

fn unknown_step(step: &Step) -> Error {
    Error::Unavailable {
        reason: format!("this host cannot take a step with {:?}", step.expect),
    }
}
