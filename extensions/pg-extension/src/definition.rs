//! Whether the tables of the extension are still what they were: the server tells each backend when one is
//! dropped, replaced or altered.

use core::cell::Cell;

use pgrx::{pg_guard, pg_sys};

use crate::members;

thread_local! {
    static READ_LAST: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
    static DEFINITION: Cell<u64> = const { Cell::new(0) };
}

/// How often this backend was told that the table of clients itself was changed: dropped, made again,
/// its triggers turned off or on.
pub(crate) fn of_clients() -> u64 {
    DEFINITION.get()
}

/// The table that clients are read from.
pub(crate) fn clients_are_read_from(table: pg_sys::Oid) {
    READ_LAST.set(table);
}

/// To be called once, from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn install() {
    // SAFETY: the postmaster has one thread; backends inherit what is set here.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::null());
    }
}

/// Nothing is known of a table that was dropped, replaced or altered, and sessions look at it again.
#[pg_guard]
unsafe extern "C-unwind" fn relation_changed(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    members::relation_changed(relation);
    if relation == pg_sys::InvalidOid || relation == READ_LAST.get() {
        DEFINITION.set(DEFINITION.get() + 1);
    }
}
