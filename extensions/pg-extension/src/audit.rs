//! The audit: every event goes to the server log at once, and through shared memory to a background
//! worker that writes it to `twofapi.audit_log` in transactions of its own, so that no rollback
//! takes it away.
//!
//! A writer belongs to one database. The first event asks for it; it goes when it has had nothing
//! to do for a while, so that it stands in no DROP DATABASE's way. In recovery there is only the
//! server log.

use core::{ffi::CStr, sync::atomic::Ordering};

use pgrx::{
    IntoDatum,
    bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime},
    pg_sys,
};
use twofapi_crypto_core::ClientId;

use crate::{
    clock, gucs,
    rules::{
        ClientKey,
        channel::Put,
        event::{Action, Event, Outcome},
    },
    shmem::Shared,
};

/// Records how an attempt ended.
pub(crate) fn record(shared: Shared, action: Action, outcome: Outcome, client: Option<&ClientId>) {
    record_key(
        shared,
        action,
        outcome,
        client.map(|id| ClientKey::new(database(), id)),
    );
}

/// The database of this backend.
pub(crate) fn database() -> u32 {
    // SAFETY: set before the backend runs its first statement.
    unsafe { pg_sys::MyDatabaseId.to_u32() }
}

pub(crate) fn record_key(
    shared: Shared,
    action: Action,
    outcome: Outcome,
    client: Option<ClientKey>,
) {
    if !gucs::audit_log() {
        return;
    }
    // SAFETY: plain reads of the backend's state, inside a transaction.
    let (backend, role, transaction, in_recovery) = unsafe {
        (
            pg_sys::MyProcPid,
            pg_sys::GetSessionUserId().to_u32(),
            pg_sys::GetTopFullTransactionIdIfAny().value,
            pg_sys::RecoveryInProgress(),
        )
    };
    let client = client.unwrap_or_else(|| ClientKey::of(database(), None));
    let event = Event {
        at: clock::unix_micros(),
        transaction,
        backend,
        role,
        action,
        outcome,
        client,
    };
    log(&event);
    if in_recovery {
        return;
    }
    let put = shared.with_channels(|c| c.put(database(), event, clock::steady_millis()));
    if matches!(put, Put::Dropped | Put::DroppedStart) {
        let dropped = &shared.counters().audit_dropped;
        dropped.fetch_add(1, Ordering::Relaxed);
    }
    match put {
        Put::Writer { pid, wake: true } => wake_up(pid),
        Put::Start | Put::DroppedStart => start_writer(shared, database()),
        Put::Writer { .. } | Put::Waiting | Put::Dropped => {}
    }
}

/// To the server log only, and without the statement, which may hold a proof.
fn log(event: &Event) {
    unsafe extern "C-unwind" {
        fn errstart(level: i32, domain: *const core::ffi::c_char) -> bool;
        fn errmsg_internal(format: *const core::ffi::c_char, ...) -> i32;
        fn errhidestmt(hide: bool) -> i32;
        fn errhidecontext(hide: bool) -> i32;
        fn errfinish(file: *const core::ffi::c_char, line: i32, function: *const core::ffi::c_char);
    }
    // SAFETY: the server's own sequence for a message of its log: asked first whether it wants one,
    // then told. All strings end in zero and outlive their calls. Nothing is dropped by a jump: there
    // is nothing to drop while the server's functions run, but for the two strings if memory is out.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            if !errstart(pg_sys::LOG_SERVER_ONLY as i32, core::ptr::null()) {
                return;
            }
            let reason = match event.outcome.reason() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            };
            let line = format!(
                "2fapi: {} {}{reason} client=\"{}\"\0",
                event.action.as_str(),
                event.outcome.as_str(),
                event.client.id_str(),
            );
            let line = CStr::from_bytes_until_nul(line.as_bytes()).unwrap_or_default();
            errmsg_internal(c"%s".as_ptr(), line.as_ptr());
            errhidestmt(true);
            errhidecontext(true);
            errfinish(c"audit".as_ptr(), 0, c"audit".as_ptr());
        });
    }
}

fn wake_up(pid: i32) {
    // SAFETY: looks the process up in the server's own table; a latch may be set by anybody, and
    // stays valid when its owner has gone meanwhile.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        if !process.is_null() {
            pg_sys::SetLatch(&raw mut (*process).procLatch);
        }
    }
}

/// Asks the server for a writer of a database.
pub(crate) fn start_writer(shared: Shared, database: u32) {
    let started = BackgroundWorkerBuilder::new("pg_2fapi audit writer")
        .set_type("pg_2fapi audit writer")
        .set_library("pg_2fapi")
        .set_function("pg_2fapi_audit_writer")
        .set_argument(pg_sys::Oid::from_u32(database).into_datum())
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None)
        .enable_shmem_access(None)
        .enable_spi_access()
        .load_dynamic();
    if started.is_err() {
        // Every worker slot is taken: the next event, or a writer that leaves, tries again.
        shared.with_channels(|c| c.not_started(database, clock::steady_millis()));
    }
}
