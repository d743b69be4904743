//! The core's errors in PostgreSQL's manner: SQLSTATE, message, detail and hint.

use core::ffi::CStr;

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, function_name, pg_sys};
use twofapi_crypto_core::{Error, ErrorCode};

/// Whether errors that the server says were raised in this file are ours.
pub(crate) fn are_raised_in(file: &CStr) -> bool {
    // The server keeps the last part of the path only.
    file!().rsplit('/').next().map(str::as_bytes) == Some(file.to_bytes())
}

const fn sqlstate(code: ErrorCode) -> PgSqlErrorCode {
    match code {
        ErrorCode::AlreadyEnrolled => PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION,
        ErrorCode::NotEnrolled => PgSqlErrorCode::ERRCODE_NO_DATA,
        ErrorCode::NotActive | ErrorCode::Unavailable => {
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE
        }
        ErrorCode::Throttled => PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        _ => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
    }
}

const fn hint(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidClientId => "A UUID or a name such as alice@example.com is a client id.",
        ErrorCode::InvalidLength | ErrorCode::InvalidEncoding => {
            "Pass what a 2FApi client made, as bytea: decode('...', 'hex') or a bound parameter."
        }
        ErrorCode::AlreadyEnrolled => {
            "To replace the commitment of a client, use twofapi.rotate_commitment."
        }
        ErrorCode::NotEnrolled => "Enrol the client with twofapi.enroll first.",
        ErrorCode::NotActive => "twofapi.client_status shows the status of a client.",
        ErrorCode::Throttled => {
            "The challenge is still unused. If this happens often, raise twofapi.spent_capacity."
        }
        _ => "See the server log.",
    }
}

/// Raises an error. Never for [`Error::Denied`], which is an answer.
pub(crate) fn raise(error: &Error) -> ! {
    let code = error.code();
    raise_with(sqlstate(code), error.to_string(), code.as_str(), hint(code))
}

/// Fails whatever needs the shared memory of a server that was started without this library.
pub(crate) fn not_preloaded() -> ! {
    raise_with(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "pg_2fapi must be loaded when the server starts".into(),
        ErrorCode::Unavailable.as_str(),
        "Add pg_2fapi to shared_preload_libraries in postgresql.conf and restart the server.",
    )
}

/// Lets only transactions go on that may write: none on a standby.
pub(crate) fn must_be_writable(function: &CStr) {
    // SAFETY: the server's own check, which raises its own error.
    unsafe { pg_sys::PreventCommandIfReadOnly(function.as_ptr()) }
}

/// Fails a statement that was told of one session and would now be told of another, or of none.
pub(crate) fn session_ended_meanwhile() -> ! {
    raise_with(
        PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
        "the 2FApi session ended while the statement ran".into(),
        ErrorCode::Denied.as_str(),
        "A statement sees one client throughout. Log in again, and run it again.",
    )
}

fn raise_with(sqlstate: PgSqlErrorCode, message: String, code: &str, hint: &str) -> ! {
    ErrorReport::new(sqlstate, message, function_name!())
        .set_detail(format!("2FApi error code: {code}."))
        .set_hint(hint.to_owned())
        .report(PgLogLevel::ERROR);
    unreachable!("an error report does not return")
}
