//! The session of this connection, in the memory of its backend and nowhere else.

use core::{
    cell::{Cell, RefCell},
    sync::atomic::Ordering,
};

use pgrx::{pg_guard, pg_sys};
use twofapi_crypto_core::{ClientId, Error, Record};

use crate::{
    attempt::Authenticated,
    audit, backend, clients, clock, definition, gucs, known,
    rules::{
        ClientKey, Row,
        board::Seen,
        proven::Proven,
        roster::Open,
        session::{Keeper, Session},
        statement::{Identity, NOBODY},
    },
    shmem::{self, Shared},
    statements,
};

/// How often a server in recovery, which gets no postings, reads the client's row again.
const RECHECK_MILLIS: u64 = 500;

thread_local! {
    static KEEPER: RefCell<Keeper> = const { RefCell::new(Keeper::EMPTY) };
    /// How many sessions this connection has opened.
    static OPENED: Cell<u64> = const { Cell::new(0) };
    /// Its place in the roster, once it has had a session.
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
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
pub(crate) fn open(shared: Shared, by: Authenticated) -> Result<(), Error> {
    let accepted = &by.accepted;
    let client = ClientKey::new(backend::database(), accepted.client_id());
    let proven = Proven::new(
        accepted.credential_id(),
        accepted.since(),
        accepted.generation(),
        by.origin,
    );
    let expires_at = proven.expires_at(accepted.record());
    begin(
        shared,
        client,
        Some(proven),
        by.seen,
        seconds_until(expires_at),
    )
}

/// Opens a session for a client whose token was just accepted. `row` was read after `seen`, and `proven` is
/// in it; the session lasts for `seconds` at most.
pub(crate) fn open_by_token(
    shared: Shared,
    client: ClientKey,
    proven: Option<(Proven, Row)>,
    seen: Seen,
    seconds: u32,
) -> Result<(), Error> {
    let expires_at = proven
        .as_ref()
        .and_then(|(proven, row)| proven.expires_at(&row.record));
    let seconds = seconds.min(seconds_until(expires_at));
    begin(
        shared,
        client,
        proven.map(|(proven, _)| proven),
        seen,
        seconds,
    )
}

fn seconds_until(expires_at: Option<u64>) -> u32 {
    let left = expires_at.map(|at| at.saturating_sub(clock::unix_seconds()));
    left.and_then(|left| u32::try_from(left).ok())
        .unwrap_or(u32::MAX)
}

fn begin(
    shared: Shared,
    client: ClientKey,
    proven: Option<Proven>,
    seen: Seen,
    seconds: u32,
) -> Result<(), Error> {
    let place = place(shared)?;
    let ttl = gucs::session_ttl().min(seconds);
    let now = clock::steady_millis();
    let since = clock::unix_micros();
    // SAFETY: a plain read of the backend's state, inside a transaction.
    let subtransaction = unsafe { pg_sys::GetCurrentSubTransactionId() };
    let session = Session {
        client,
        number: OPENED.replace(OPENED.get() + 1) + 1,
        proven,
        place,
        scope: gucs::session_scope(),
        since,
        expires_at: since.saturating_add(i64::from(ttl) * 1_000_000),
        deadline: now.saturating_add(u64::from(ttl) * 1000),
        role: GetSessionUserId().to_u32(),
        seen,
        checked_at: backend::in_recovery().then_some(now),
    };
    changes(|keeper| keeper.open(session, subtransaction));
    let opened = &shared.counters().sessions_opened;
    opened.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// This connection's place in the roster.
fn place(shared: Shared) -> Result<usize, Error> {
    if let Some(place) = PLACE.get() {
        return Ok(place);
    }
    // SAFETY: set for the life of the process.
    let pid = unsafe { pg_sys::MyProcPid };
    // There are as many places as there can be connections.
    let place = shared
        .with_roster(|roster| roster.claim(pid))
        .ok_or_else(|| Error::Unavailable {
            reason: "there are more sessions than connections".into(),
        })?;
    PLACE.set(Some(place));
    // SAFETY: the callback fits the server's signature.
    unsafe { pg_sys::before_shmem_exit(Some(connection_ends), pg_sys::Datum::from(place)) };
    Ok(place)
}

#[pg_guard]
unsafe extern "C-unwind" fn connection_ends(_code: i32, place: pg_sys::Datum) {
    if let Some(shared) = shmem::shared() {
        shared.with_roster(|roster| roster.release(place.value()));
    }
}

/// Shows others what is open now.
fn publish(open: Option<&Session>) {
    if let (Some(place), Some(shared)) = (PLACE.get(), shmem::shared()) {
        let open = open.map(|session| Open {
            number: session.number,
            client: session.client,
            proven: session.proven,
            role: session.role,
            since: session.since,
            expires_at: session.expires_at,
            deadline: session.deadline,
        });
        shared.with_roster(|roster| roster.publish(place, open));
    }
}

/// Ends the session; says whose it was if one was open and good.
pub(crate) fn end(shared: Shared) -> Option<ClientKey> {
    let whose = current(shared, |session| session.client);
    leave();
    whose
}

/// Ends the session without asking whether it was still good.
pub(crate) fn leave() {
    changes(|keeper| {
        keeper.end();
    });
}

/// Lets this connection itself do something that may open or end the session, and lets its functions
/// ask again if it did.
fn changes(work: impl FnOnce(&mut Keeper)) {
    let now = with(|keeper| {
        let number = |session: Option<&Session>| session.map(|session| session.number);
        let before = number(keeper.session());
        work(keeper);
        let now = keeper.session();
        (number(now) != before).then(|| now.copied())
    });
    if let Some(Some(now)) = now {
        statements::client_changed_itself();
        publish(now.as_ref());
    }
}

/// As [`current`], for whoever asks in a statement: it is told one thing throughout, or fails.
pub(crate) fn told<R>(shared: Shared, answer: impl FnOnce(&Session) -> R) -> Option<R> {
    let found = current(shared, |session| (session.number, answer(session)));
    statements::tell(found.as_ref().map_or(NOBODY, |(number, _)| *number));
    found.map(|(_, answer)| answer)
}

/// Which session is open and good.
pub(crate) fn identity(shared: Shared) -> Identity {
    current(shared, |session| session.number).unwrap_or(NOBODY)
}

/// Whether a session that a statement was told of ended otherwise than by this connection's own doing.
pub(crate) fn was_ended(shared: Shared, told: Identity) -> bool {
    let open = with(|keeper| keeper.session().map(|session| session.number)).flatten();
    open == Some(told) && identity(shared) == NOBODY
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
            && !ended_by_others(session)
            && shared
                .board()
                .unchanged(session.seen, definition::of_clients());
        if good {
            Ok(Some(answer(session)))
        } else {
            Err(answer)
        }
    })
}

fn after_a_closer_look<R>(shared: Shared, answer: impl FnOnce(&Session) -> R) -> Option<R> {
    let session = with(|keeper| keeper.session().copied()).flatten()?;
    let now = clock::steady_millis();
    // Before the row is read: what happens while it is being read is noticed the next time.
    let seen = known::seen(shared, &session.client);
    let look = seen != session.seen
        || session
            .checked_at
            .is_some_and(|at| now.saturating_sub(at) >= RECHECK_MILLIS);
    let in_time = now < session.deadline
        && GetSessionUserId().to_u32() == session.role
        && !ended_by_others(&session);
    // Reading a table can fail with an error of the server: not while the keeper is borrowed.
    let stands = match (in_time, look) {
        (true, true) => {
            let here = |record: &Record| record.permits_source(audit::address());
            stands(&session.client, session.proven, here)
        }
        (true, false) => Some(u32::MAX),
        (false, _) => None,
    };
    let Some(seconds) = stands else {
        with(Keeper::end);
        publish(None);
        return None;
    };
    let answer = with(|keeper| {
        let session = keeper.session_mut()?;
        let sooner = now.saturating_add(u64::from(seconds) * 1000) < session.deadline;
        if look {
            session.seen = seen;
            session.checked_at = session.checked_at.map(|_| now);
        }
        if sooner {
            session.deadline = now + u64::from(seconds) * 1000;
            session.expires_at = clock::unix_micros() + i64::from(seconds) * 1_000_000;
        }
        Some((answer(session), sooner.then_some(*session)))
    });
    let (answer, changed) = answer.flatten()?;
    if changed.is_some() {
        publish(changed.as_ref());
    }
    Some(answer)
}

/// Whether the client's row still stands for a session, and for how many seconds at most: a client that was
/// not enrolled here must not be, and of another what was proven must hold, and its row permit the connection.
fn stands(
    client: &ClientKey,
    proven: Option<Proven>,
    permits: impl FnOnce(&Record) -> bool,
) -> Option<u32> {
    let found = ClientId::from_bytes(client.id_bytes()).and_then(|id| clients::find(&id));
    match (found, proven) {
        (Ok(None), None) => Some(u32::MAX),
        (Ok(Some(row)), Some(proven))
            if proven.holds(&row, clock::unix_seconds()) && permits(&row.record) =>
        {
            Some(seconds_until(proven.expires_at(&row.record)))
        }
        _ => None,
    }
}

/// Whether an operator ended this session.
fn ended_by_others(session: &Session) -> bool {
    shmem::ended()
        .get(session.place)
        .is_none_or(|ended| ended.includes(session.number))
}

/// The open sessions of this database that are good.
pub(crate) fn of_all_connections(shared: Shared) -> Vec<(i32, Open)> {
    let mut open =
        shared.with_roster(|r| r.of_database(backend::database(), clock::steady_millis()));
    // Whoever was changed since has not looked yet.
    open.retain(|(_, open)| stands(&open.client, open.proven, |_| true).is_some());
    open
}

pub(crate) fn subtransaction_committed(id: u32, parent: u32) {
    with(|keeper| keeper.subtransaction_committed(id, parent));
}

pub(crate) fn subtransaction_aborted(id: u32) {
    changes(|keeper| keeper.subtransaction_aborted(id));
}

pub(crate) fn transaction_committed() {
    changes(Keeper::transaction_committed);
}

pub(crate) fn transaction_aborted() {
    changes(Keeper::transaction_aborted);
}
