//! The clients that this connection knows. To find a row in the table takes a tenth of a login; who
//! comes again, as behind a pool, is not looked for again until the board tells of a change.
//!
//! Only a proof makes a client known, so nobody learns from the time of an answer who is enrolled.

use core::cell::RefCell;

use pgrx::{pg_guard, pg_sys};
use twofapi_crypto_core::ClientRecord;

use crate::{
    clients,
    rules::{ClientKey, board::Seen, known::Known},
    shmem::Shared,
};

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known::NOBODY) };
}

/// The client's row as the table has it, and what the board said before it was read.
pub(crate) fn find(shared: Shared, client: &ClientKey) -> Option<(ClientRecord, Seen)> {
    KNOWN
        .with_borrow(|known| known.find(shared.board(), client))
        .filter(|_| the_board_tells_all())
}

/// Keeps a row that was read after the board had said `seen`, and that a proof was accepted for.
pub(crate) fn keep(client: ClientKey, record: ClientRecord, seen: Seen) {
    if the_board_tells_all() {
        KNOWN.with_borrow_mut(|known| known.keep(client, record, seen));
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

/// Nothing is known of a table that was dropped, replaced or altered.
#[pg_guard]
unsafe extern "C-unwind" fn relation_changed(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    if relation == pg_sys::InvalidOid || relation == clients::table_read_last() {
        // Nothing that borrows it calls the server.
        let _ = KNOWN.try_with(|known| known.try_borrow_mut().map(|mut known| known.clear()));
    }
}
