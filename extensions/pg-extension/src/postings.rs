//! Changes to clients that this transaction made, posted to every backend when it commits.

use core::cell::RefCell;

use pgrx::pg_sys;

use crate::{rules::ClientKey, shmem};

/// A change, and the (sub)transaction that made it. `None`: of every client.
struct Pending {
    client: Option<ClientKey>,
    made_in: u32,
}

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

fn with<R>(work: impl FnOnce(&mut Vec<Pending>) -> R) -> Option<R> {
    PENDING.with(|pending| {
        pending
            .try_borrow_mut()
            .ok()
            .map(|mut pending| work(&mut pending))
    })
}

/// Notes a change of a client, or of every client.
pub(crate) fn note(client: Option<ClientKey>) {
    // SAFETY: a plain read of the backend's state, inside a transaction.
    let made_in = unsafe { pg_sys::GetCurrentSubTransactionId() };
    with(|pending| pending.push(Pending { client, made_in }));
}

/// Whether this transaction changed a client.
pub(crate) fn any() -> bool {
    with(|pending| !pending.is_empty()).unwrap_or(false)
}

pub(crate) fn subtransaction_committed(id: u32, parent: u32) {
    with(|pending| {
        for change in pending.iter_mut().filter(|change| change.made_in == id) {
            change.made_in = parent;
        }
    });
}

pub(crate) fn subtransaction_aborted(id: u32) {
    with(|pending| pending.retain(|change| change.made_in != id));
}

/// Posts what was noted. Called when the commit is seen by others and before the caller is told.
pub(crate) fn transaction_committed() {
    if !any() {
        return;
    }
    let changes = with(core::mem::take).unwrap_or_default();
    if let Some(shared) = shmem::shared() {
        shared.with_last_posted(|last| {
            for change in &changes {
                match &change.client {
                    Some(client) => shared.board().post(last, client),
                    None => shared.board().post_everyone(),
                }
            }
        });
    }
}

pub(crate) fn transaction_aborted() {
    with(Vec::clear);
}
