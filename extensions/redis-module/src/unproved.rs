//! Connections that have proved nothing yet: how many there may be, for how long, and how much of the
//! server's memory each may take. The server has limits for connections that are nobody; as soon as
//! `default` needs no password, everybody is somebody to it, and these are for that case.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::{
    host::{self, ending},
    rules::fair::{Added, Fair, GivesWay, Source},
    settings,
};

/// So many are looked at in each tick.
const PER_TICK: usize = 250;

/// Bytes that a proof, its challenge and what libraries say at first fit into many times over.
const MEMORY_OF_ONE: u64 = 256 * 1024;

struct Unproved {
    connections: Fair<u64>,
    /// Which one is looked at next.
    next: u64,
}

static UNPROVED: LazyLock<Mutex<Unproved>> = LazyLock::new(|| {
    Mutex::new(Unproved {
        connections: Fair::new(GivesWay::Oldest),
        next: 0,
    })
});

/// Never held while the server is called.
fn unproved() -> MutexGuard<'static, Unproved> {
    UNPROVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection has come.
pub(crate) fn connected(connection: u64, source: Source) {
    let Some(most) = settings::unproved_connections() else {
        return;
    };
    let added = unproved()
        .connections
        .add(connection, source, connection, most);
    if let Added::InPlaceOf(other) | Added::Refused(other) = added
        && is_nobody(other)
    {
        ending::close_stranger(other);
    }
}

/// A connection has gone, or has proved something.
pub(crate) fn settled(connection: u64) {
    unproved().connections.remove(connection);
}

pub(crate) fn count() -> usize {
    unproved().connections.len()
}

/// Ten times a second: closes those that took too long or too much.
pub(crate) fn tick() {
    let looked_at = {
        let mut unproved = unproved();
        let some = unproved.connections.tickets_from(unproved.next, PER_TICK);
        unproved.next = some.last().map_or(0, |last| last + 1);
        some
    };
    if looked_at.is_empty() {
        return;
    }
    let seconds = settings::unproved_seconds();
    for seen in host::clients::describe(&looked_at) {
        let is_default = seen.user == "default";
        if is_default && (seen.memory > MEMORY_OF_ONE || seen.age >= seconds) {
            ending::close_stranger(seen.connection);
        } else if is_default {
            continue;
        }
        settled(seen.connection);
    }
}

/// Whether a connection is still the default user.
fn is_nobody(connection: u64) -> bool {
    host::clients::describe(&[connection])
        .iter()
        .any(|seen| seen.user == "default")
}
