//! What the server says of the process that this is.

use pgrx::pg_sys;

/// The database that it is connected to.
pub(crate) fn database() -> u32 {
    // SAFETY: set before the backend runs its first statement.
    unsafe { pg_sys::MyDatabaseId.to_u32() }
}

/// Whether the server is a standby, or has not finished its recovery.
pub(crate) fn in_recovery() -> bool {
    // SAFETY: a plain read of the server's state.
    unsafe { pg_sys::RecoveryInProgress() }
}
