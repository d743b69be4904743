//! Around the executor: each statement sees one identity throughout, or fails. A session that ends by
//! itself or by somebody else's doing fails the statements that were told of it; what they saw of it is
//! never a part.

use pgrx::{pg_guard, pg_sys};

use crate::{
    errors,
    rules::statement::{Identity, NOBODY, Query},
    secrecy, session, shmem, statements,
};

static mut PREVIOUS_START: pg_sys::ExecutorStart_hook_type = None;
static mut PREVIOUS_RUN: pg_sys::ExecutorRun_hook_type = None;
static mut PREVIOUS_FINISH: pg_sys::ExecutorFinish_hook_type = None;
static mut PREVIOUS_END: pg_sys::ExecutorEnd_hook_type = None;

/// To be called once, from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn install() {
    // SAFETY: the postmaster has one thread; backends inherit what is set here.
    unsafe {
        PREVIOUS_START = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(start);
        PREVIOUS_RUN = pg_sys::ExecutorRun_hook;
        pg_sys::ExecutorRun_hook = Some(run);
        PREVIOUS_FINISH = pg_sys::ExecutorFinish_hook;
        pg_sys::ExecutorFinish_hook = Some(finish);
        PREVIOUS_END = pg_sys::ExecutorEnd_hook;
        pg_sys::ExecutorEnd_hook = Some(end);
    }
}

/// A statement begins, or goes on. Answers how many were running, for [`leave`], and what this one was told.
fn enter(query: Query, snapshot: usize) -> (usize, Option<Identity>) {
    if statements::with(|statements| statements.is_outermost()) == Some(true) {
        secrecy::hide_proofs_of_the_statement();
    }
    // SAFETY: a plain read of the backend's state.
    let made_in = unsafe { pg_sys::GetCurrentSubTransactionId() };
    statements::with(|statements| statements.enter(query, snapshot, made_in)).unwrap_or_default()
}

unsafe fn enter_query(query: *mut pg_sys::QueryDesc) -> (usize, Option<Identity>) {
    // SAFETY: the caller's query was started.
    let snapshot = unsafe { (*query).snapshot } as usize;
    enter(Some(query as usize), snapshot)
}

/// The query runs, or goes on, as that of a cursor does: not with another session than before.
#[pg_guard]
unsafe extern "C-unwind" fn run_begins(query: *mut pg_sys::QueryDesc) -> usize {
    // SAFETY: the server hands over a query that was started.
    let (depth, told) = unsafe { enter_query(query) };
    if let (Some(told), Some(shared)) = (told, shmem::shared())
        && session::identity(shared) != told
    {
        errors::session_ended_meanwhile()
    }
    depth
}

/// The triggers of a query that has run are about to fire. Whoever closes a cursor comes here as well,
/// and may do so whatever became of the session.
#[pg_guard]
unsafe extern "C-unwind" fn finish_begins(query: *mut pg_sys::QueryDesc) -> usize {
    // SAFETY: the server hands over a query that was started.
    unsafe { enter_query(query).0 }
}

/// As `enter`, for a utility statement, which reads by no snapshot of its own.
#[pg_guard]
pub(crate) unsafe extern "C-unwind" fn enter_utility() -> usize {
    enter(None, 0).0
}

/// A statement stops. If it was told of a session that has ended meanwhile, it fails: what was asked
/// once and for all, as `(SELECT twofapi.current_client())` does, is looked at again here.
#[pg_guard]
pub(crate) unsafe extern "C-unwind" fn leave(depth: usize) {
    let told = statements::with(|statements| statements.innermost()).flatten();
    if let (Some(told), Some(shared)) = (told, shmem::shared())
        && told != NOBODY
        && session::was_ended(shared, told)
    {
        errors::session_ended_meanwhile()
    }
    statements::with(|statements| statements.leave(depth));
}

#[pg_guard]
unsafe extern "C-unwind" fn finish_ends(depth: usize) {
    statements::with(|statements| statements.leave(depth));
}

#[pg_guard]
unsafe extern "C-unwind" fn is_over(query: *mut pg_sys::QueryDesc) {
    statements::with(|statements| statements.is_over(query as usize));
}

// The hooks are not guarded: what runs inside may leave by the server's own jump, which crosses their
// frames. They hold nothing then that would have to be dropped, and nothing in them panics. The
// server's functions are declared as it exports them: pgrx would catch their errors and raise them
// again, without their position and other fields.
unsafe extern "C-unwind" {
    fn standard_ExecutorStart(query: *mut pg_sys::QueryDesc, flags: i32);
    #[cfg(not(feature = "pg18"))]
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
        once: bool,
    );
    #[cfg(feature = "pg18")]
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
    );
    fn standard_ExecutorFinish(query: *mut pg_sys::QueryDesc);
    fn standard_ExecutorEnd(query: *mut pg_sys::QueryDesc);
}

unsafe extern "C-unwind" fn start(query: *mut pg_sys::QueryDesc, flags: i32) {
    // SAFETY: the server hands over a query; the hooks were set once.
    unsafe {
        is_over(query);
        PREVIOUS_START.unwrap_or(standard_ExecutorStart)(query, flags);
    }
}

#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" fn run(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    once: bool,
) {
    // SAFETY: as in `start`.
    unsafe {
        let depth = run_begins(query);
        PREVIOUS_RUN.unwrap_or(standard_ExecutorRun)(query, direction, count, once);
        leave(depth);
    }
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" fn run(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: as in `start`.
    unsafe {
        let depth = run_begins(query);
        PREVIOUS_RUN.unwrap_or(standard_ExecutorRun)(query, direction, count);
        leave(depth);
    }
}

/// Triggers that fire after the statement ask within it.
unsafe extern "C-unwind" fn finish(query: *mut pg_sys::QueryDesc) {
    // SAFETY: as in `start`.
    unsafe {
        let depth = finish_begins(query);
        PREVIOUS_FINISH.unwrap_or(standard_ExecutorFinish)(query);
        finish_ends(depth);
    }
}

unsafe extern "C-unwind" fn end(query: *mut pg_sys::QueryDesc) {
    // SAFETY: as in `start`.
    unsafe {
        is_over(query);
        PREVIOUS_END.unwrap_or(standard_ExecutorEnd)(query);
    }
}
