//! Changes to clients that this transaction made, posted to every backend when it commits.

use core::cell::RefCell;

use pgrx::pg_sys;

use crate::{
    rules::{
        ClientKey,
        postings::{Postings, Whom},
    },
    shmem,
};

thread_local! {
    static POSTINGS: RefCell<Postings<ClientKey>> = const { RefCell::new(Postings::NONE) };
}

fn with<R>(work: impl FnOnce(&mut Postings<ClientKey>) -> R) -> Option<R> {
    POSTINGS.with(|postings| {
        postings
            .try_borrow_mut()
            .ok()
            .map(|mut postings| work(&mut postings))
    })
}

/// Notes a change.
pub(crate) fn note(of: Whom<ClientKey>) {
    // SAFETY: a plain read of the backend's state, inside a transaction.
    let made_in = unsafe { pg_sys::GetCurrentSubTransactionId() };
    with(|postings| postings.note(of, made_in));
}

/// Whether this transaction changed a client.
pub(crate) fn any() -> bool {
    with(|postings| !postings.is_empty()).unwrap_or(false)
}

pub(crate) fn subtransaction_committed(id: u32, parent: u32) {
    with(|postings| postings.subtransaction_committed(id, parent));
}

pub(crate) fn subtransaction_aborted(id: u32) {
    with(|postings| postings.subtransaction_aborted(id));
}

/// Posts what was noted. Called when the commit is seen by others and before the caller is told.
pub(crate) fn transaction_committed() {
    if !any() {
        return;
    }
    let changes = with(Postings::transaction_committed);
    if let (Some(shared), Some(changes)) = (shmem::shared(), changes) {
        for of in changes {
            match of {
                Whom::One(client) => shared.board().post(&client),
                Whom::Everyone => shared.board().post_everyone(),
            }
        }
    }
}

pub(crate) fn transaction_aborted() {
    with(Postings::transaction_aborted);
}
