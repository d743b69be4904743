//! Settings that are wrong are never passed over. The server takes a wrong line of its configuration for
//! a reason to warn and to go on with the default, which may be the weaker setting: here it does not
//! start. Of a role's or a database's settings, stored while this library was not loaded, it is the
//! functions that refuse.

use core::{
    cell::Cell,
    ffi::CStr,
    sync::atomic::{AtomicBool, Ordering},
};
use std::{
    ffi::CString,
    sync::{Mutex, PoisonError},
};

use pgrx::{PgLogLevel, PgSqlErrorCode, Spi, ereport, pg_sys, spi::SpiResult};

static WARNED: AtomicBool = AtomicBool::new(false);
static WARNING: Mutex<String> = Mutex::new(String::new());
static mut PREVIOUS: pg_sys::emit_log_hook_type = None;

/// Defines settings, and ends the server if it warns of one of them. To be called from `_PG_init` while
/// the postmaster preloads libraries.
pub(crate) fn defining(settings: impl FnOnce()) {
    // SAFETY: the postmaster has one thread; both are as they were afterwards.
    unsafe {
        let level = pg_sys::log_min_messages;
        // A server that logs no warnings would not call us either.
        pg_sys::log_min_messages = level.min(PgLogLevel::WARNING as i32);
        PREVIOUS = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(notice);
        settings();
        pg_sys::emit_log_hook = PREVIOUS;
        pg_sys::log_min_messages = level;
    }
    if WARNED.load(Ordering::Relaxed) {
        let warning = WARNING
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        ereport!(
            PgLogLevel::FATAL,
            PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
            format!("pg_2fapi: a setting is wrong: {warning}"),
            "The server does not start with the default in its place. Correct postgresql.conf, \
             postgresql.auto.conf or the command line."
        );
    }
}

/// Not guarded: nothing that is called here raises an error or panics.
unsafe extern "C-unwind" fn notice(error: *mut pg_sys::ErrorData) {
    // SAFETY: the server hands over the message that it is about to report; texts end in zero.
    unsafe {
        if (*error).elevel == PgLogLevel::WARNING as i32 {
            WARNED.store(true, Ordering::Relaxed);
            let text = (*error).message;
            if !text.is_null()
                && let Ok(mut warning) = WARNING.lock()
            {
                *warning = CStr::from_ptr(text).to_string_lossy().into_owned();
            }
        }
        if let Some(previous) = PREVIOUS {
            previous(error);
        }
    }
}

thread_local! {
    static CHECKED: Cell<bool> = const { Cell::new(false) };
}

/// Raises the server's own error about a setting of this database or of the role that connected, if one
/// is wrong: it was in force from the beginning of the connection, or should have been.
pub(crate) fn check_those_of_role_and_database() {
    if CHECKED.get() {
        return;
    }
    for setting in stored() {
        let Some((name, value)) = setting.split_once('=') else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) {
            // SAFETY: the server's own check, as ALTER ROLE does it: changes nothing, raises its error.
            unsafe {
                pg_sys::set_config_option(
                    name.as_ptr(),
                    value.as_ptr(),
                    pg_sys::GucContext::PGC_SUSET,
                    pg_sys::GucSource::PGC_S_TEST,
                    pg_sys::GucAction::GUC_ACTION_SET,
                    false,
                    PgLogLevel::ERROR as i32,
                    false,
                );
            }
        }
    }
    CHECKED.set(true);
}

/// Settings of ours that are stored for this connection, as `name=value`.
fn stored() -> Vec<String> {
    // SAFETY: plain reads of the backend's state.
    let (database, role) = unsafe { (pg_sys::MyDatabaseId, pg_sys::GetAuthenticatedUserId()) };
    let found: SpiResult<Vec<String>> = Spi::connect(|client| {
        let rows = client.select(
            "SELECT setting FROM pg_catalog.pg_db_role_setting, \
                    pg_catalog.unnest(setconfig) AS setting \
             WHERE (setdatabase OPERATOR(pg_catalog.=) 0 OR setdatabase OPERATOR(pg_catalog.=) $1) \
               AND (setrole OPERATOR(pg_catalog.=) 0 OR setrole OPERATOR(pg_catalog.=) $2) \
               AND pg_catalog.starts_with(setting, 'twofapi.')",
            None,
            &[database.into(), role.into()],
        )?;
        let mut found = Vec::new();
        for row in rows {
            found.extend(row.get::<String>(1)?);
        }
        Ok(found)
    });
    found.unwrap_or_else(|error| {
        ereport!(
            PgLogLevel::ERROR,
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            format!("pg_2fapi: stored settings cannot be read: {error}")
        );
        unreachable!("ERROR does not return")
    })
}
