//! The clients that this connection knows. To find a row in the table takes a tenth of a login; who
//! comes again, as behind a pool, is not looked for again until the board tells of a change.
//!
//! Only a proof makes a client known, so nobody learns from the time of an answer who is enrolled.

use core::cell::{Cell, RefCell};

use pgrx::{pg_guard, pg_sys};

use crate::{
    clients, members,
    rules::{ClientKey, Row, board::Seen, known::Known},
    shmem::Shared,
};

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known::NOBODY) };
    static DEFINITION: Cell<u64> = const { Cell::new(0) };
}

/// How often this backend was told that the table of clients itself was changed: dropped, made again,
/// its triggers turned off or on.
pub(crate) fn definition() -> u64 {
    DEFINITION.get()
}

/// What is known before the client's row is read: what happens after that is noticed.
pub(crate) fn seen(shared: Shared, client: &ClientKey) -> Seen {
    shared.board().seen(client, definition())
}

/// The client's row as the table has it, if it is what it was when `seen` was.
pub(crate) fn find(seen: Seen, client: &ClientKey) -> Option<Row> {
    KNOWN
        .with_borrow(|known| known.find(seen, client))
        .filter(|_| the_board_tells_all())
}

/// Keeps a row that was read after `seen`, and that a proof was accepted for.
pub(crate) fn keep(client: ClientKey, row: Row, seen: Seen) {
    if the_board_tells_all() {
        KNOWN.with_borrow_mut(|known| known.keep(client, row, seen));
    }
}

/// Not of what this transaction itself wrote and may take back, and not on a standby.
fn the_board_tells_all() -> bool {
    // SAFETY: plain reads of the backend's state, inside a transaction.
    unsafe {
        pg_sys::GetTopTransactionIdIfAny() == pg_sys::InvalidTransactionId
            && !pg_sys::RecoveryInProgress()
    }
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
    if relation == pg_sys::InvalidOid || relation == clients::table_read_last() {
        let _ = DEFINITION.try_with(|definition| definition.set(definition.get() + 1));
        // Nothing that borrows it calls the server.
        let _ = KNOWN.try_with(|known| known.try_borrow_mut().map(|mut known| known.clear()));
    }
}
