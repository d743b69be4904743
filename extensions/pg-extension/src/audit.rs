//! The audit: every event goes to the server log at once, and through shared memory to a background
//! worker that writes it to `twofapi.audit_log` in transactions of its own, so that no rollback
//! takes it away.
//!
//! A writer belongs to one database. The first event asks for it; it goes when it has had nothing
//! to do for a while, so that it stands in no DROP DATABASE's way. In recovery there is only the
//! server log.

use core::{cell::OnceCell, ffi::CStr, net::IpAddr};

use pgrx::{datum::Inet, direct_function_call, pg_sys};
use twofapi_crypto_core::{ClientId, CredentialId};

use crate::{
    backend, clock, gucs,
    rules::{
        ClientKey,
        event::{Action, Event, Outcome, ShortText},
    },
    shmem::{self, Shared},
    writer,
};

/// Records how an attempt ended.
pub(crate) fn record(
    shared: Shared,
    action: Action,
    outcome: Outcome,
    client: Option<&ClientId>,
    credential: Option<CredentialId>,
) {
    let client = client.map(|id| ClientKey::new(backend::database(), id));
    record_key(shared, action, outcome, client, credential);
}

pub(crate) fn record_key(
    shared: Shared,
    action: Action,
    outcome: Outcome,
    client: Option<ClientKey>,
    credential: Option<CredentialId>,
) {
    let (as_row, as_line) = (gucs::audit_log(), gucs::log_events());
    if !as_row && !as_line {
        return;
    }
    // SAFETY: plain reads of the backend's state, inside a transaction.
    let (process, role, transaction) = unsafe {
        (
            pg_sys::MyProcPid,
            pg_sys::GetSessionUserId().to_u32(),
            pg_sys::GetTopFullTransactionIdIfAny().value,
        )
    };
    let client = client.unwrap_or_else(|| ClientKey::of(backend::database(), None));
    let event = Event {
        at: clock::unix_micros(),
        transaction,
        backend: process,
        role,
        action,
        outcome,
        client,
        address: address(),
        application: application(),
        credential,
    };
    if as_line {
        log(&event);
    }
    if backend::in_recovery() || !as_row {
        return;
    }
    let now = clock::steady_millis();
    let (put, due) = shared.with_channels(|c| {
        let put = c.put(backend::database(), event.encode(), now);
        shared.count_events(0, usize::from(!put.kept));
        (put, c.any_due(now))
    });
    if let Some(pid) = put.wake {
        wake_up(pid);
    }
    if due {
        writer::start_due(shared);
    }
}

/// Where this connection comes from, if over IP. It does not change.
pub(crate) fn address() -> Option<IpAddr> {
    thread_local! {
        static ADDRESS: OnceCell<Option<IpAddr>> = const { OnceCell::new() };
    }
    if let Some(address) = ADDRESS.with(|kept| kept.get().copied()) {
        return address;
    }
    // SAFETY: a function of SQL without arguments, which looks at the process's own connection.
    let told = unsafe { direct_function_call::<Inet>(pg_sys::inet_client_addr, &[]) };
    let address = told.and_then(|Inet(text)| text.parse::<IpAddr>().ok());
    let address = address.map(|address| address.to_canonical());
    ADDRESS.with(|kept| *kept.get_or_init(|| address))
}

/// What this connection calls itself.
fn application() -> ShortText {
    // SAFETY: null, or a setting of the server, which ends in zero.
    unsafe {
        let name = pg_sys::application_name;
        if name.is_null() {
            return ShortText::new(b"");
        }
        ShortText::new(CStr::from_ptr(name).to_bytes())
    }
}

/// What was on its way from a database that was dropped is nobody's.
pub(crate) fn database_dropped(database: u32) {
    if let Some(shared) = shmem::shared() {
        shared.forget_events(database);
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
    // is nothing to drop while the server's functions run, but for three strings if memory is out.
    unsafe {
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            if !errstart(pg_sys::LOG_SERVER_ONLY as i32, core::ptr::null()) {
                return;
            }
            let reason = match event.outcome.reason() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            };
            let credential = match event.credential {
                None => String::new(),
                Some(id) => format!(" credential={id}"),
            };
            let line = format!(
                "2fapi: {} {}{reason} client=\"{}\"{credential}\0",
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
