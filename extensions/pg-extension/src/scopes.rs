//! What the session's client may do, for policies.

use core::cell::RefCell;

use pgrx::pg_extern;
use twofapi_crypto_core::{ClientId, Error, Scopes};

use crate::{
    calls::Bytes,
    clients, errors, known,
    rules::{ClientKey, board::Seen, proven::Proven},
    session,
    shmem::preloaded,
};

thread_local! {
    /// Of which session, as of which change of its client, what it may do.
    static KEPT: RefCell<Option<(u64, Seen, Scopes)>> = const { RefCell::new(None) };
}

/// False without a session. Called for every row that a policy looks at: the client's row is read again when the
/// board tells of a change.
#[pg_extern]
fn has_scope(scope: Bytes<'_>) -> bool {
    let shared = preloaded();
    let Some(scope) = scope.and_then(|scope| core::str::from_utf8(scope).ok()) else {
        return false;
    };
    let open = session::told(shared, |session| {
        (session.number, session.seen, session.client, session.proven)
    });
    let Some((number, seen, client, proven)) = open else {
        return false;
    };
    let is_told = known::the_board_tells_all();
    let kept = KEPT.with_borrow(|kept| match kept {
        Some((of, at, scopes)) if is_told && (*of, *at) == (number, seen) => {
            Some(scopes.contain(scope))
        }
        _ => None,
    });
    kept.unwrap_or_else(|| {
        let scopes = may(&client, proven).unwrap_or_else(|error| errors::raise(&error));
        let has = scopes.contain(scope);
        if is_told {
            KEPT.set(Some((number, seen, scopes)));
        }
        has
    })
}

/// A client that is not enrolled here came with a token, and has no scopes here.
fn may(client: &ClientKey, proven: Option<Proven>) -> Result<Scopes, Error> {
    let row = clients::find(&ClientId::from_bytes(client.id_bytes())?)?;
    let (Some(row), Some(proven)) = (row, proven) else {
        return Ok(Scopes::default());
    };
    let credential = row.record.credential(Some(&proven.credential()));
    Ok(credential.map_or_else(Scopes::default, |one| row.record.scopes_of(one)))
}
