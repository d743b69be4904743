//! Attempts: what was sent goes into a ceremony of the core, one client is looked up, and the step that
//! follows is taken in shared memory and in the table of clients.
//!
//! A challenge is spent when a proof is accepted, and stays spent whatever becomes of the transaction:
//! shared memory knows no rollback.

use core::sync::atomic::Ordering;

use getrandom::SysRng;
use twofapi_crypto_core::{
    Challenge, ClientId, Commitment, Error, Nonce, Record,
    ceremony::{
        Accepted, AuthenticationRequest, Change, Check, Committed, EnrolmentRequest, Expect,
        JoinRequest, LinkRequest, Named, PendingLink, Permission, Refused, RotationRequest, Spend,
        SpentSet, Step, Terms, UnlinkRequest, Wanted,
    },
};

use crate::{
    audit, backend, challenges, clients, clock, definition, known, pending,
    rules::{ClientKey, Row, RowVersion, board::Seen},
    shmem::Shared,
};

/// A client whose proof was accepted, and what a session needs to know of its row.
pub(crate) struct Authenticated {
    pub(crate) accepted: Accepted,
    pub(crate) origin: RowVersion,
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
        origin: found.row.origin,
        seen: found.seen,
    })
}

/// Proofs that the client stands behind its commitment and the one that replaces it.
pub(crate) fn rotation(shared: Shared, request: &RotationRequest<'_>) -> Result<Accepted, Refused> {
    let (keys, now) = challenges::keys(shared)?;
    let wanted = challenges::terms(shared)?.rotate(&keys, now, request)?;
    Ok(conclude(shared, wanted)?.0)
}

/// Proofs that the client wants another credential, by one that it has and by the new one.
pub(crate) fn linking(shared: Shared, request: &LinkRequest<'_>) -> Result<Accepted, Refused> {
    let (keys, now) = challenges::keys(shared)?;
    let wanted = challenges::terms(shared)?.link(&keys, now, request)?;
    Ok(conclude(shared, wanted)?.0)
}

/// A proof that the client wants a credential of its gone.
pub(crate) fn unlinking(shared: Shared, request: &UnlinkRequest<'_>) -> Result<Accepted, Refused> {
    let (keys, now) = challenges::keys(shared)?;
    let wanted = challenges::terms(shared)?.unlink(&keys, now, request)?;
    Ok(conclude(shared, wanted)?.0)
}

/// Offers a challenge of this client to a second device; its session has shown that it is this client.
pub(crate) fn offer(
    shared: Shared,
    client_id: &ClientId,
    challenge_id: &[u8],
) -> Result<(), Refused> {
    let (keys, now) = challenges::keys(shared)?;
    let of = Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id,
    };
    let offered = challenges::terms(shared)?.offer(&keys, now, client_id, &of)?;
    Ok(pending::put(client_id, &offered)?)
}

/// How often a second device looks again at what others have just changed. (A transaction that repeats what
/// it reads may never see it.)
const JOIN_TRIES: u32 = 8;

/// A second device that asks to be added.
pub(crate) fn joining(shared: Shared, request: &JoinRequest<'_>) -> Result<u32, Refused> {
    let mut tries = 0..JOIN_TRIES;
    loop {
        let (keys, now) = challenges::keys(shared)?;
        let joiner = challenges::terms(shared)?.join(&keys, now, request)?;
        let found = pending::find(joiner.client_id())?;
        let join = joiner.found(found)?;
        let replaced = pending::replace(join.client_id(), join.before(), join.after())?;
        if replaced || tries.next().is_none() {
            return join.done(replaced);
        }
        // Another device has joined, or another offer was made, in a few microseconds.
        pgrx::check_for_interrupts!();
    }
}

/// A proof of possession for a client that is to be enrolled. Permitted is whoever may call this.
pub(crate) fn enrolment(
    shared: Shared,
    request: &EnrolmentRequest<'_>,
) -> Result<Accepted, Refused> {
    let asked = challenges::terms(shared)?.enrol(request)?;
    let asked = asked.at(clock::unix_seconds());
    let commit = asked.permitted(Permission::Host).verify().settle()?;
    let step = commit.step();
    let committed = match (&step.spend, &step.change) {
        (None, Change::Insert(record)) => match clients::insert(&step.client_id, record)? {
            true => Committed::Done,
            false => Committed::Exists,
        },
        _ => return Err(unknown_step(step).into()),
    };
    commit.done(committed)
}

/// A proof of possession of the credential that takes the place of all that a client has. Permitted is
/// whoever may call this.
pub(crate) fn reset(shared: Shared, request: &EnrolmentRequest<'_>) -> Result<Accepted, Refused> {
    let asked = challenges::terms(shared)?.enrol(request)?;
    let asked = asked.at(clock::unix_seconds());
    clients::lock(asked.client_id())?;
    let before = clients::find(asked.client_id())?;
    let record = before.as_ref().map(|row| row.record.clone());
    let commit = asked
        .permitted_to_reset(Permission::Host, record)?
        .verify()
        .settle()?;
    let step = commit.step();
    let committed = match (&step.spend, &step.change, &before) {
        (None, Change::Replace(record), Some(before)) => {
            match step
                .expect
                .met_by(Some(&before.record), clock::unix_seconds())
            {
                Committed::Done => replace_locked(&step.client_id, before, record)?,
                otherwise => otherwise,
            }
        }
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
/// work and the same reads, and so does a credential that it does not have.
fn conclude(shared: Shared, wanted: Wanted) -> Result<(Accepted, Found), Refused> {
    let client = ClientKey::new(backend::database(), wanted.client_id());
    let seen = known::seen(shared, &client);
    let known = known::find(seen, &client);
    let row = match &known {
        Some((row, _)) => Some(row.clone()),
        None => clients::find(wanted.client_id())?,
    };
    let wanted = match wanted.wants_pending_link() {
        true => {
            let found = pending::find(wanted.client_id())?;
            wanted.with_pending_link(found)
        }
        false => wanted,
    };
    let wanted = wanted.coming_from(audit::address());
    // Of the one that is proven; which stand-in was decoded is nobody's affair.
    let mut decoded = None;
    let mut saved = false;
    let check = wanted.found(row.as_ref().map(|row| row.record.clone()), |bytes| {
        let kept = known.as_ref().map(|(_, commitment)| *commitment);
        let kept = kept.filter(|kept| kept.as_bytes() == bytes);
        saved = kept.is_some();
        let commitment = kept.map_or_else(|| Commitment::from_bytes(bytes), Ok)?;
        Ok(*decoded.insert(commitment))
    })?;
    let found = row.map(|row| Found { client, row, seen });
    let concluded = carry_out(shared, check, found);
    match (&concluded, decoded) {
        (Ok((_, found)), _) if saved && found.seen == seen => {}
        (Ok((accepted, found)), Some(decoded)) if *accepted.record() == found.row.record => {
            known::keep(client, found.row.clone(), decoded, found.seen);
        }
        (Ok(_), _) => {}
        // What knowing the client saved is made up for: only an accepted proof is quicker.
        (Err(_), decoded) if known.is_some() => {
            let _ = ClientId::from_bytes(client.id_bytes()).and_then(|id| clients::find(&id));
            if let (true, Some(commitment)) = (saved, decoded) {
                let _ = Commitment::from_bytes(commitment.as_bytes());
            }
        }
        (Err(_), _) => {}
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
        (Some(spend), Change::None) => spend_unless_changed(shared, step, spend, &mut found)?,
        (Some(spend), Change::Replace(record)) => {
            spend_and_replace(shared, step, spend, &found, record)?
        }
        _ => return Err(unknown_step(step).into()),
    };
    Ok((commit.done(committed)?, found))
}

/// Locks the client's row, so that whoever else changes it waits until this transaction ends, and what a
/// second device left; spends the challenge if both are as they were, replaces the one and takes the other
/// away.
fn spend_and_replace(
    shared: Shared,
    step: &Step,
    spend: &Spend,
    found: &Found,
    record: &Record,
) -> Result<Committed, Error> {
    let client_id = &step.client_id;
    clients::lock(client_id)?;
    let now = clients::find(client_id)?;
    let Some(before) = now.filter(|row| row.record == found.row.record) else {
        return Ok(Committed::Changed);
    };
    let joined = joined(&step.expect);
    if let Some(joined) = joined
        && !pending::lock(client_id, joined)?
    {
        return Ok(Committed::Changed);
    }
    let committed = shared.with_spent(|set, now| accept(set, step, spend, now));
    if committed != Committed::Done {
        return Ok(committed);
    }
    if let Some(joined) = joined
        && !pending::delete(client_id, joined)?
    {
        return Err(changed_while_locked());
    }
    replace_locked(client_id, &before, record)
}

/// What must be left by a second device.
fn joined(expect: &Expect) -> Option<&PendingLink> {
    match expect {
        Expect::Unchanged { joined, .. } => joined.as_deref(),
        _ => None,
    }
}

/// Under the lock of the spent set, whose clock decides.
fn accept(set: &mut SpentSet<'_>, step: &Step, spend: &Spend, now: u64) -> Committed {
    match step.expect.in_time(now) {
        true => set.accept(spend, now),
        false => Committed::Changed,
    }
}

fn replace_locked(client_id: &ClientId, before: &Row, record: &Record) -> Result<Committed, Error> {
    match clients::replace(client_id, before, record)? {
        true => Ok(Committed::Done),
        false => Err(changed_while_locked()),
    }
}

fn changed_while_locked() -> Error {
    Error::Unavailable {
        reason: "the client's row was locked, and was changed all the same".into(),
    }
}

/// Spends the challenge, if by then nothing was committed that changes the client. Under the lock of the
/// spent set a look at the board tells: it says nothing new, or the row is read again and compared.
fn spend_unless_changed(
    shared: Shared,
    step: &Step,
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
            match clients::find(&step.client_id)? {
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
            unchanged.then(|| accept(set, step, spend, now))
        });
        if let Some(committed) = taken {
            return Ok(committed);
        }
        // Each time round, somebody has committed a change in a few microseconds.
        look = true;
        pgrx::check_for_interrupts!();
    }
}

fn unknown_step(step: &Step) -> Error {
    Error::Unavailable {
        reason: format!("this host cannot take a step with {:?}", step.expect),
    }
}
