//! The clients that this connection knows. To find a row in the table takes a tenth of a login; who
//! comes again, as behind a pool, is not looked for again until the board tells of a change.
//!
//! Only a proof makes a client known, so nobody learns from the time of an answer who is enrolled.

use core::cell::RefCell;

use pgrx::pg_sys;
use twofapi_crypto_core::Commitment;

use crate::{
    backend, definition,
    rules::{ClientKey, Row, board::Seen, known::Known},
    shmem::Shared,
};

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known::NOBODY) };
}

/// What is known before the client's row is read: what happens after that is noticed, and so is a change
/// of the table itself.
pub(crate) fn seen(shared: Shared, client: &ClientKey) -> Seen {
    shared.board().seen(client, definition::of_clients())
}

/// The client's row as the table has it, if it is what it was when `seen` was, and the commitment that was
/// proven last.
pub(crate) fn find(seen: Seen, client: &ClientKey) -> Option<(Row, Commitment)> {
    KNOWN
        .with_borrow(|known| known.find(seen, client))
        .filter(|_| the_board_tells_all())
}

/// Keeps a row that was read after `seen`, and that a proof was accepted for.
pub(crate) fn keep(client: ClientKey, row: Row, commitment: Commitment, seen: Seen) {
    if the_board_tells_all() {
        KNOWN.with_borrow_mut(|known| known.keep(client, row, commitment, seen));
    }
}

/// Not of what this transaction itself wrote and may take back, and not on a standby.
pub(crate) fn the_board_tells_all() -> bool {
    // SAFETY: a plain read of the backend's state, inside a transaction.
    let has_written = unsafe { pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId };
    !has_written && !backend::in_recovery()
}
