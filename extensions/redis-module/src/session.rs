//! The session of a connection: opened by an accepted proof, ended by whatever ends the trust in it.

use std::{
    collections::HashMap,
    ffi::c_void,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use twofapi_crypto_core::{ClientId, CredentialId, Record, ceremony::Accepted};

use crate::{
    clock,
    host::{
        Ctx, Level,
        acl::User,
        address_of,
        ending::{self, By},
        guard, timer,
    },
    mapping,
    rules::{
        acl_user::AclUser,
        sessions::{Basis, Ended, Now, Sessions, Until},
    },
    settings, unproved,
};

/// So many sessions that expire at one time are ended in one go; the next ones are, after the server
/// has looked after others for a moment.
const EXPIRED_AT_ONCE: usize = 10_000;

/// Of so many ACL users it is asked at each tick whether they are off.
const USERS_PER_TICK: usize = 128;

static SESSIONS: LazyLock<Mutex<Sessions>> = LazyLock::new(Mutex::default);

/// Never held while the server is called: it may call back.
fn sessions() -> MutexGuard<'static, Sessions> {
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Now {
    Now {
        steady: clock::steady_millis(),
        unix: clock::unix_seconds(),
    }
}

/// When a credential of a client is let in no longer, by itself or with the client.
fn expiry_of(record: &Record, id: &CredentialId) -> Option<u64> {
    let credential = record.credential(Some(id))?;
    record.expiry_of(credential)
}

/// Opens a session of an accepted client for the calling connection. With `acl-mapping`, the connection becomes the ACL
/// user that was named at enrolment; otherwise it stays who it is. False when the server refuses:
/// the user does not exist, is off, or the caller is no connection of its own.
pub(crate) fn open(ctx: Ctx<'_>, accepted: Accepted, user: Option<&AclUser>) -> bool {
    let client_id = accepted.client_id();
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
        None => ctx
            .user_of(ctx.connection())
            .is_some_and(|user| ctx.act_as(&user, Some(stopped_being))),
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
    let basis = Basis {
        credential: *accepted.credential_id(),
        since: accepted.since(),
        generation: accepted.generation(),
    };
    let until = Until {
        steady: clock::steady_millis().saturating_add(settings::session_ttl_millis()),
        unix: expiry_of(accepted.record(), &basis.credential),
    };
    let connection = ctx.connection();
    sessions().open(
        connection,
        client_id.as_str(),
        basis,
        until,
        mapped_to.map(AclUser::as_bytes),
    );
    unproved::settled(connection);
    wake_for_the_next_expiry();
    true
}

/// Who is behind a connection.
pub(crate) fn client_of(connection: u64) -> Option<String> {
    sessions().client_of(connection, now()).map(String::from)
}

/// Who is behind a connection, and by which credential.
pub(crate) fn proven_of(connection: u64) -> Option<(ClientId, CredentialId)> {
    let sessions = sessions();
    let (client, basis) = sessions.proven_of(connection, now())?;
    Some((ClientId::parse(client).ok()?, basis.credential))
}

/// Seconds that a connection's session still lasts, rounded up.
pub(crate) fn seconds_left(connection: u64) -> Option<u64> {
    let left = sessions().left(connection, now())?;
    Some(left.div_ceil(1000))
}

/// The sessions of one client or of all: whose, on which connection, and for how many seconds still.
pub(crate) fn list(client_id: Option<&ClientId>) -> Vec<(Arc<str>, u64, u64)> {
    let listed = sessions().list(client_id.map(ClientId::as_str), now());
    let seconds =
        |(client, connection, left): (_, _, u64)| (client, connection, left.div_ceil(1000));
    listed.into_iter().map(seconds).collect()
}

/// Ends the calling connection's session.
pub(crate) fn end(ctx: Ctx<'_>) {
    let ended = sessions().end(ctx.connection());
    close(ended, By::Command(ctx));
}

/// Ends every session of a client, and says how many there were.
pub(crate) fn end_client(client_id: &ClientId, by: By<'_>) -> usize {
    let ended = sessions().end_client(client_id.as_str());
    let count = ended.len();
    close(ended, by);
    count
}

/// A client's record has become this one: ends the sessions that it does not honour.
pub(crate) fn look_again(client_id: &ClientId, record: &Record, by: By<'_>) {
    let now = clock::unix_seconds();
    // Sessions are many, and what they rest on is one of a few.
    let mut judged: HashMap<Basis, Option<Option<u64>>> = HashMap::new();
    let ended = sessions().look_again(client_id.as_str(), |basis| {
        *judged.entry(*basis).or_insert_with(|| {
            let Basis {
                credential,
                since,
                generation,
            } = basis;
            record
                .honours(Some(credential), *since, *generation, now)
                .then(|| expiry_of(record, credential))
        })
    });
    close(ended, by);
    // Nor do sessions stay from where the client is not let in.
    if record.permits_source(None) {
        return;
    }
    let elsewhere: Vec<u64> = list(Some(client_id))
        .into_iter()
        .map(|(_, connection, _)| connection)
        .filter(|connection| !record.permits_source(address_of(*connection)))
        .collect();
    for connection in elsewhere {
        let ended = sessions().end(connection);
        close(ended, by);
    }
}

pub(crate) fn end_all() {
    let ended = sessions().end_all();
    close(ended, By::Event);
}

/// Ten times a second: ends what nobody tells of.
pub(crate) fn tick() {
    end_expired();
    end_those_whose_user_is_off();
    ending::close_those_that_have_their_answers();
}

fn end_expired() {
    let ended = sessions().end_expired(now(), EXPIRED_AT_ONCE);
    close(ended, By::Clock);
}

/// A session is to end in the millisecond in which it expires, however many do.
fn wake_for_the_next_expiry() {
    static NEXT: Mutex<Option<u64>> = Mutex::new(None);
    let Some(next) = sessions().next_expiry() else {
        return;
    };
    let mut planned = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    if planned.is_some_and(|planned| planned <= next) {
        return;
    }
    *planned = Some(next);
    drop(planned);
    let wait = next.saturating_sub(clock::steady_millis()).max(1);
    timer::after_millis(wait, || {
        *NEXT.lock().unwrap_or_else(PoisonError::into_inner) = None;
        end_expired();
        wake_for_the_next_expiry();
    });
}

/// The server leaves connections alone whose user the operator has turned off.
fn end_those_whose_user_is_off() {
    static NEXT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let names: Vec<Arc<[u8]>> = sessions().users_from(&next, USERS_PER_TICK);
    for name in &names {
        if User::named(name).is_none_or(|user| user.is_off()) {
            let ended = sessions().end_user(name);
            close(ended, By::Clock);
        }
    }
    if let Some(last) = names.last() {
        *next = [last, &b"\0"[..]].concat();
    }
}

pub(crate) fn count() -> usize {
    sessions().len()
}

/// A connection that had become an ACL user is closed: it must not act as that user any longer.
fn close(ended: impl IntoIterator<Item = Ended>, by: By<'_>) {
    for session in ended.into_iter().filter(|session| session.mapped) {
        ending::close(session.connection, by);
    }
}

/// The server says that a connection authenticated anew, was reset, or is gone.
unsafe extern "C" fn stopped_being(connection: u64, _: *mut c_void) {
    guard((), || {
        sessions().end(connection);
    });
}
