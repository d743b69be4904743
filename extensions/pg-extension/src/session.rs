//! The session of this connection, in the memory of its backend and nowhere else.

use core::cell::RefCell;

use pgrx::pg_sys;
use twofapi_crypto_core::ClientId;

use crate::{
    clients, clock, gucs,
    rules::{
        ClientKey,
        board::{Found, Seen},
        session::{Keeper, Session},
    },
    shmem::Shared,
};

/// How often a server in recovery, which gets no postings, reads the client's row again.
const RECHECK_MILLIS: u64 = 500;

thread_local! {
    static KEEPER: RefCell<Keeper> = const { RefCell::new(Keeper::EMPTY) };
}

/// Lets `work` at the keeper. Nothing it calls comes back here, so it is never borrowed already; if
/// it were, doing nothing would be the safe thing in a callback that must not fail.
fn with<R>(work: impl FnOnce(&mut Keeper) -> R) -> Option<R> {
    KEEPER.with(|keeper| {
        keeper
            .try_borrow_mut()
            .ok()
            .map(|mut keeper| work(&mut keeper))
    })
}

/// Opens a session for a client whose proof was just accepted.
pub(crate) fn open(client: ClientKey, commitment_version: u32, seen: Seen) {
    let ttl = gucs::session_ttl();
    let now = clock::steady_millis();
    let since = clock::unix_micros();
    // SAFETY: plain reads of the backend's state, inside a transaction.
    let (role, in_recovery, subtransaction) = unsafe {
        (
            pg_sys::GetSessionUserId().to_u32(),
            pg_sys::RecoveryInProgress(),
            pg_sys::GetCurrentSubTransactionId(),
        )
    };
    let session = Session {
        client,
        commitment_version,
        scope: gucs::session_scope(),
        since,
        expires_at: since.saturating_add(i64::from(ttl) * 1_000_000),
        deadline: now.saturating_add(u64::from(ttl) * 1000),
        role,
        seen,
        checked_at: in_recovery.then_some(now),
    };
    with(|keeper| keeper.open(session, subtransaction));
}

/// Ends the session; says whose it was if one was open and good.
pub(crate) fn end(shared: Shared) -> Option<ClientKey> {
    let whose = current(shared, |session| session.client);
    forget();
    whose
}

/// Ends the session without asking whether it was still good.
pub(crate) fn forget() {
    with(Keeper::end);
}

unsafe extern "C-unwind" {
    /// As the server exports it: pgrx's own would set a jump for errors that this never raises.
    safe fn GetSessionUserId() -> pg_sys::Oid;
}

/// The open session, if it is good: in time, of this session user, its client as it was.
pub(crate) fn current<R>(shared: Shared, answer: impl FnOnce(&Session) -> R) -> Option<R> {
    match at_a_glance(shared, answer) {
        Ok(answer) => answer,
        Err(answer) => after_a_closer_look(shared, answer),
    }
}

/// What nearly every call comes to, for every row that a policy looks at: nothing has happened since
/// the last one. Otherwise gives `answer` back.
fn at_a_glance<R, A: FnOnce(&Session) -> R>(shared: Shared, answer: A) -> Result<Option<R>, A> {
    KEEPER.with(|keeper| {
        let Ok(keeper) = keeper.try_borrow() else {
            return Err(answer);
        };
        let Some(session) = keeper.session() else {
            return Ok(None);
        };
        let good = session.checked_at.is_none()
            && clock::steady_millis() < session.deadline
            && GetSessionUserId().to_u32() == session.role
            && shared.board().unchanged(session.seen);
        if good {
            Ok(Some(answer(session)))
        } else {
            Err(answer)
        }
    })
}

fn after_a_closer_look<R>(shared: Shared, answer: impl FnOnce(&Session) -> R) -> Option<R> {
    let (good, recheck) = with(|keeper| {
        let session = keeper.session()?;
        let now = clock::steady_millis();
        let good = now < session.deadline
            && GetSessionUserId().to_u32() == session.role
            && (shared.board().unchanged(session.seen) || look_closer(shared, keeper));
        let recheck = keeper
            .session()
            .filter(|session| {
                session
                    .checked_at
                    .is_some_and(|at| now.saturating_sub(at) >= RECHECK_MILLIS)
            })
            .copied();
        Some((good, recheck))
    })
    .flatten()?;
    // Reading a table can fail with an error of the server: not while the keeper is borrowed.
    let good = good && recheck.is_none_or(|session| still_as_proven(&session));
    if !good {
        forget();
        return None;
    }
    with(|keeper| {
        let session = keeper.session_mut()?;
        if recheck.is_some() {
            session.checked_at = Some(clock::steady_millis());
        }
        Some(answer(session))
    })
    .flatten()
}

fn look_closer(shared: Shared, keeper: &mut Keeper) -> bool {
    let Some(session) = keeper.session_mut() else {
        return false;
    };
    match shared.with_last_posted(|last| shared.board().look(last, session.seen, &session.client)) {
        Found::Nothing(seen) => {
            session.seen = seen;
            true
        }
        Found::Changed => false,
    }
}

fn still_as_proven(session: &Session) -> bool {
    let found = ClientId::from_bytes(session.client.id_bytes()).and_then(|id| clients::find(&id));
    matches!(found, Ok(Some(record))
        if record.is_active() && record.commitment_version == session.commitment_version)
}

pub(crate) fn subtransaction_committed(id: u32, parent: u32) {
    with(|keeper| keeper.subtransaction_committed(id, parent));
}

pub(crate) fn subtransaction_aborted(id: u32) {
    with(|keeper| keeper.subtransaction_aborted(id));
}

pub(crate) fn transaction_committed() {
    with(Keeper::transaction_committed);
}

pub(crate) fn transaction_aborted() {
    with(Keeper::transaction_aborted);
}
