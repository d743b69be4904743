//! The session of a connection: opened by an accepted proof, ended by whatever ends the trust in it.

use std::{
    ffi::c_void,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use twofapi_crypto_core::ClientId;

use crate::{
    clock,
    host::{self, Ctx, Level, guard},
    mapping,
    rules::{
        acl_user::AclUser,
        sessions::{Ended, Sessions},
    },
    settings,
};

/// Sessions that expire at one tick of the server's clock are ended so many at a time.
const EXPIRED_PER_TICK: usize = 256;

static SESSIONS: LazyLock<Mutex<Sessions>> = LazyLock::new(Mutex::default);

/// Never held while the server is called: it may call back.
fn sessions() -> MutexGuard<'static, Sessions> {
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a session for the calling connection. With `acl-mapping`, the connection becomes the ACL
/// user that was named at enrolment; otherwise it stays who it is. False when the server refuses:
/// the user does not exist, is off, or the caller is no connection of its own.
pub(crate) fn open(ctx: Ctx<'_>, client_id: &ClientId, user: Option<&AclUser>) -> bool {
    let mapped_to = user.filter(|_| settings::acl_mapping());
    if let Some(user) = mapped_to
        && let Err(barred) = mapping::check(ctx, client_id, user)
    {
        let reason = barred.reason();
        ctx.log(
            Level::Warning,
            &format!(
                "2fapi: client {client_id} proved itself, but does not become the ACL user {user:?}, \
                 which {reason}"
            ),
        );
        return false;
    }
    // Even a connection that stays who it is says so anew, because with that comes the promise to be
    // told of AUTH, RESET and its end. This tells of the end of the session before, too.
    let taken = match mapped_to {
        Some(user) => ctx.act_as(user.as_bytes(), Some(stopped_being)),
        None => ctx.act_as(&ctx.user_name(), Some(stopped_being)),
    };
    if !taken {
        let who = mapped_to.map_or("the connection's own ACL user".into(), |user| {
            format!("the ACL user {user:?}")
        });
        let message =
            format!("2fapi: client {client_id} proved itself, but {who} is not there or off");
        ctx.log(Level::Warning, &message);
        return false;
    }
    let expires_at = clock::steady_millis().saturating_add(settings::session_ttl_millis());
    let connection = ctx.connection();
    sessions().open(
        connection,
        client_id.as_str(),
        expires_at,
        mapped_to.is_some(),
    );
    true
}

/// Who is behind a connection.
pub(crate) fn client_of(connection: u64) -> Option<String> {
    sessions()
        .client_of(connection, clock::steady_millis())
        .map(String::from)
}

/// Seconds that a connection's session still lasts, rounded up.
pub(crate) fn seconds_left(connection: u64) -> Option<u64> {
    let left = sessions().left(connection, clock::steady_millis())?;
    Some(left.div_ceil(1000))
}

/// The sessions of one client or of all: whose, on which connection, and for how many seconds still.
pub(crate) fn list(client_id: Option<&ClientId>) -> Vec<(Arc<str>, u64, u64)> {
    let listed = sessions().list(client_id.map(ClientId::as_str), clock::steady_millis());
    let seconds =
        |(client, connection, left): (_, _, u64)| (client, connection, left.div_ceil(1000));
    listed.into_iter().map(seconds).collect()
}

pub(crate) fn end(connection: u64) {
    let ended = sessions().end(connection);
    close(ended);
}

/// Ends every session of a client, and says how many there were.
pub(crate) fn end_client(client_id: &ClientId) -> usize {
    let ended = sessions().end_client(client_id.as_str());
    let count = ended.len();
    close(ended);
    count
}

pub(crate) fn end_all() {
    let ended = sessions().end_all();
    close(ended);
}

pub(crate) fn end_expired() {
    let ended = sessions().end_expired(clock::steady_millis(), EXPIRED_PER_TICK);
    close(ended);
}

pub(crate) fn count() -> usize {
    sessions().len()
}

/// A connection that had become an ACL user is closed: it must not act as that user any longer.
fn close(ended: impl IntoIterator<Item = Ended>) {
    for session in ended.into_iter().filter(|session| session.mapped) {
        host::close_connection(session.connection);
    }
}

/// The server says that a connection authenticated anew, was reset, or is gone.
unsafe extern "C" fn stopped_being(connection: u64, _: *mut c_void) {
    guard((), || {
        sessions().end(connection);
    });
}
