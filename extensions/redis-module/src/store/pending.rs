//! What clients have pending of links from a second device: memory of this node alone, like the challenges that
//! it is about and the sessions that offer it. It is gone after a restart and with a change of role, as those
//! are, and nothing that a stranger sends is written to disk or to replicas.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use twofapi_crypto_core::{
    ClientId,
    ceremony::{Join, PendingLink},
};

use crate::{clock, rules::pending::PendingLinks};

/// So many are forgotten in each tick.
const PER_TICK: usize = 10_000;

static PENDING: LazyLock<Mutex<PendingLinks>> = LazyLock::new(Mutex::default);

fn pending() -> MutexGuard<'static, PendingLinks> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn of(client_id: &ClientId) -> Option<PendingLink> {
    pending().of(client_id).cloned()
}

/// A client offers a link; what it had pending gives way.
pub(crate) fn offer(client_id: ClientId, offered: PendingLink) {
    pending().put(client_id, offered);
}

/// A second device joins, if what it has seen is there still.
pub(crate) fn join(join: &Join) -> bool {
    pending().replace(join.client_id(), join.before(), join.after())
}

/// Whether the client has exactly this pending.
pub(crate) fn is_there(client_id: &ClientId, expected: &PendingLink) -> bool {
    pending().of(client_id) == Some(expected)
}

pub(crate) fn forget(client_id: &ClientId) {
    pending().forget(client_id);
}

pub(crate) fn forget_all() {
    *pending() = PendingLinks::default();
}

pub(crate) fn tick() {
    pending().forget_expired(clock::unix_seconds(), PER_TICK);
}

pub(crate) fn count() -> usize {
    pending().len()
}
