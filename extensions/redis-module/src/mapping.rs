//! Becoming an ACL user: which ones a client may become, and never one that administers the server.

use std::{
    ffi::CStr,
    sync::{LazyLock, Mutex, PoisonError},
};

use twofapi_crypto_core::ClientId;

use crate::{
    host::{
        Ctx,
        acl::{CommandLine, User, administrative_right},
    },
    rules::{acl_user::AclUser, key_name::KeyName},
    settings,
};

/// Why a client may not become an ACL user.
#[derive(Debug)]
pub(crate) enum Barred {
    /// The operator has not allowed it.
    NotAllowed,
    /// The user may give this command, which administers the server.
    Administers(String),
    /// The user may give this command, which takes the clients along with everything else.
    EmptiesDatabases(&'static str),
    /// The user may change what is kept of clients.
    ChangesClients,
}

impl Barred {
    /// The reason, as the rest of a sentence about the user.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::NotAllowed => "is not among those that 2fapi.acl-users allows".into(),
            Self::Administers(command) => {
                format!("administers the server: it may give {command}")
            }
            Self::EmptiesDatabases(command) => {
                format!("may give {command}, which takes the clients along: add -@dangerous")
            }
            Self::ChangesClients => "may change the keys that clients are kept under".into(),
        }
    }
}

/// Commands that empty or exchange databases, whatever keys a user is limited to.
static WHOLE_DATABASES: LazyLock<Mutex<Vec<(&str, CommandLine)>>> = LazyLock::new(|| {
    Mutex::new(vec![
        ("FLUSHALL", CommandLine::new(&[b"FLUSHALL"])),
        ("FLUSHDB", CommandLine::new(&[b"FLUSHDB"])),
        ("SWAPDB", CommandLine::new(&[b"SWAPDB", b"0", b"1"])),
    ])
});

/// Whether a client may become an ACL user. A user that is not there has no rights yet, and is looked
/// at when the client logs in.
pub(crate) fn check(ctx: Ctx<'_>, client_id: &ClientId, name: &AclUser) -> Result<(), Barred> {
    if !settings::acl_users_allow(name) {
        return Err(Barred::NotAllowed);
    }
    let Some(user) = User::named(name.as_bytes()) else {
        return Ok(());
    };
    if let Some(command) = administrative_right(ctx, &user) {
        return Err(Barred::Administers(command));
    }
    let lines = WHOLE_DATABASES
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some((command, _)) = lines.iter().find(|(_, line)| user.may(line)) {
        return Err(Barred::EmptiesDatabases(command));
    }
    if changes_clients(&user, client_id) {
        return Err(Barred::ChangesClients);
    }
    Ok(())
}

/// Whoever can delete or overwrite a client's key decides who is enrolled. Looked at are the client's
/// own key and one that no pattern would be written for.
fn changes_clients(user: &User, client_id: &ClientId) -> bool {
    [KeyName::of(client_id).as_bytes(), b"2fapi:{}"]
        .into_iter()
        .filter(|key| user.may_change(key))
        .any(|key| {
            [
                &[b"DEL", key][..],
                &[b"UNLINK", key],
                &[b"SET", key, b""],
                &[b"MSET", key, b""],
                &[b"SETEX", key, b"1", b""],
                &[b"EXPIRE", key, b"1"],
                &[b"PEXPIRE", key, b"1"],
                &[b"EXPIREAT", key, b"1"],
                &[b"PEXPIREAT", key, b"1"],
                &[b"RENAME", key, key],
                &[b"RENAMENX", key, key],
                &[b"COPY", key, key],
                &[b"MOVE", key, b"1"],
                &[b"RESTORE", key, b"0", b""],
                &[b"SUNIONSTORE", key, key],
                &[b"SINTERSTORE", key, key],
                &[b"SDIFFSTORE", key, key],
                &[b"ZUNIONSTORE", key, b"1", key],
                &[b"BITOP", b"NOT", key, key],
                &[b"SORT", key, b"STORE", key],
            ]
            .into_iter()
            .any(|words| user.may(&CommandLine::new(words)))
        })
}

/// A command that nobody is ever given by name, like operators' commands in every other respect: who
/// may give it has its rights by category.
pub(crate) const BY_CATEGORY: &CStr = c"2FAPI.BYCATEGORY";

/// Whether the caller may give operators' commands: one that can give itself any right, or to whom
/// the command was given by name. A right that comes with a category, as in `+@all -@dangerous`, is
/// none: before Redis 7.4 a module's commands are in every such rule, whatever they do.
pub(crate) fn is_given_by_name(ctx: Ctx<'_>) -> bool {
    let Some(user) = ctx.caller() else {
        // No user at all: the server itself, or another module.
        return true;
    };
    let Some(user) = User::named(&user) else {
        return false;
    };
    let may = |words: &[&[u8]]| user.may(&CommandLine::new(words));
    may(&[b"ACL", b"SETUSER", b"x"])
        || may(&[b"CONFIG", b"SET", b"x", b"x"])
        || !may(&[BY_CATEGORY.to_bytes()])
}
