//! The statements of this connection that run or wait, and what each was told of who the client is.

use core::cell::{Cell, RefCell};

use pgrx::pg_sys;

use crate::{
    errors,
    rules::statement::{Identity, Statements},
};

thread_local! {
    static STATEMENTS: RefCell<Statements> = const { RefCell::new(Statements::NONE) };
    /// What the innermost one was told for good: beside the list, since it is asked for every row.
    static TOLD: Cell<Option<Identity>> = const { Cell::new(None) };
}

/// Lets `work` at the statements. Nothing that it calls comes back here.
pub(crate) fn with<R>(work: impl FnOnce(&mut Statements) -> R) -> Option<R> {
    STATEMENTS.with(|statements| {
        let mut statements = statements.try_borrow_mut().ok()?;
        // Should `work` panic, the list is asked again.
        TOLD.set(None);
        let result = work(&mut statements);
        TOLD.set(statements.told_for_good());
        Some(result)
    })
}

/// Tells the running statements who the client is, or fails them: they were told something else.
pub(crate) fn tell(identity: Identity) {
    if TOLD.get() == Some(identity) {
        return;
    }
    // SAFETY: plain reads of the backend's state, inside a transaction.
    let snapshot = unsafe {
        if pg_sys::ActiveSnapshotSet() {
            pg_sys::GetActiveSnapshot() as usize
        } else {
            0
        }
    };
    if with(|statements| statements.tell(identity, snapshot)) != Some(Ok(())) {
        errors::session_ended_meanwhile()
    }
}

pub(crate) fn client_changed_itself() {
    with(Statements::client_changed_itself);
}

pub(crate) fn subtransaction_aborted(id: u32) {
    with(|statements| statements.subtransaction_aborted(id));
}

pub(crate) fn transaction_committed() {
    with(Statements::transaction_committed);
}

pub(crate) fn transaction_aborted() {
    with(Statements::transaction_aborted);
}
