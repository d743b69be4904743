//! Clients: one key each, of this module's data type, in database 0.

use std::{
    ffi::CStr,
    sync::atomic::{AtomicU64, Ordering},
};

use twofapi_crypto_core::{ClientId, Error, Record};

use super::pending;
use crate::{
    clock,
    host::{
        Ctx, Level,
        acl::User,
        datatype::{DataType, Value},
        ending::By,
        key::{Held, Key},
    },
    rules::{
        client::{Client, ENCODING_VERSION, Kept, Seen},
        failure::Failure,
        key_name::KeyName,
    },
    session, settings,
};

static CLIENT_TYPE: DataType<Kept> = DataType::unregistered();

/// The command by which replicas and the append-only file are told what a client is now.
pub(crate) const APPLY: &CStr = c"2FAPI.APPLY";

/// The name that Redis knows the type by, in RDB files as well: exactly nine characters.
const TYPE_NAME: &CStr = c"2fapi-clt";

impl Value for Kept {
    const ENCODING_VERSION: u8 = ENCODING_VERSION;
    const RESTORE_COMMAND: &'static CStr = APPLY;

    fn encode(&self) -> &[u8] {
        self.as_bytes()
    }

    fn decode(bytes: &[u8], encoding_version: u8) -> Result<Self, &'static str> {
        Self::read(bytes, encoding_version)
    }

    fn heap_bytes(&self) -> usize {
        self.as_bytes().len()
    }

    fn unlinked(&self, key: &[u8]) {
        if let Ok(client_id) = self.client_id()
            && key == KeyName::of(&client_id).as_bytes()
        {
            session::end_client(&client_id, By::Event);
            pending::forget(&client_id);
        }
    }
}

pub(crate) fn register_type(ctx: Ctx<'_>) -> bool {
    CLIENT_TYPE.register(ctx, TYPE_NAME)
}

/// A client, if it is one: a key that was renamed or copied is nobody's.
pub(crate) fn find(ctx: Ctx<'_>, client_id: &ClientId) -> Result<Option<Client>, Failure> {
    with_key(ctx, client_id, Key::read, |key| {
        Ok(match key.held(&CLIENT_TYPE) {
            Held::Nothing => None,
            Held::Ours(kept) if kept.is_of(client_id) => Some(kept.client()?),
            Held::Ours(_) | Held::Foreign => return Err(Failure::WRONG_TYPE),
        })
    })
}

/// What an attempt needs of a client, of whatever status. Whatever else the key holds is no client.
pub(crate) fn see(ctx: Ctx<'_>, client_id: &ClientId) -> Seen {
    with_key(ctx, client_id, Key::read, |key| {
        match key.held(&CLIENT_TYPE) {
            Held::Ours(kept) if kept.is_of(client_id) => kept.seen(),
            _ => Seen::nobody(),
        }
    })
}

/// Enrols a client.
pub(crate) fn create(ctx: Ctx<'_>, client: &Client) -> Result<(), Failure> {
    let name = KeyName::of(&client.client_id);
    ctx.in_database_zero(|| {
        let mut key = Key::write(ctx, name.as_bytes());
        match key.held(&CLIENT_TYPE) {
            Held::Nothing => {}
            Held::Ours(present) if present.is_of(&client.client_id) => {
                return Err(Error::AlreadyEnrolled.into());
            }
            Held::Ours(_) | Held::Foreign => return Err(Failure::WRONG_TYPE),
        }
        let kept = Kept::of(client);
        if !key.set(&CLIENT_TYPE, kept.clone()) {
            return Err(Failure::Internal);
        }
        key.changed(c"2fapi.enroll");
        ctx.replicate(APPLY, name.as_bytes(), kept.as_bytes());
        Ok(())
    })
}

/// Changes a client's record, tells replicas and the append-only file, and ends the sessions that the record
/// honours no longer. What ends all of them takes a pending link away as well, which one of them has offered.
pub(crate) fn update<T>(
    ctx: Ctx<'_>,
    client_id: &ClientId,
    event: &CStr,
    change: impl FnOnce(&mut Record) -> Result<T, Error>,
) -> Result<T, Failure> {
    let name = KeyName::of(client_id);
    let (outcome, record, all_end) = ctx.in_database_zero(|| {
        let mut key = Key::write(ctx, name.as_bytes());
        let (outcome, record, all_end, kept) = match key.held(&CLIENT_TYPE) {
            Held::Nothing => return Err(Error::NotEnrolled.into()),
            Held::Ours(kept) if kept.is_of(client_id) => {
                let mut record = kept.record()?;
                let generation = record.generation();
                let outcome = change(&mut record)?;
                *kept = kept.with(&record);
                let all_end = record.generation() != generation;
                (outcome, record, all_end, kept.clone())
            }
            Held::Ours(_) | Held::Foreign => return Err(Failure::WRONG_TYPE),
        };
        key.changed(event);
        ctx.replicate(APPLY, name.as_bytes(), kept.as_bytes());
        Ok((outcome, record, all_end))
    })?;
    if all_end {
        pending::forget(client_id);
    }
    session::look_again(client_id, &record, By::Command(ctx));
    Ok(outcome)
}

/// Tells those who listen to the keyspace of something about a client that its key does not hold.
pub(crate) fn tell(ctx: Ctx<'_>, client_id: &ClientId, event: &CStr) {
    with_key(ctx, client_id, Key::read, |key| key.tell(event));
}

/// Makes a key what the primary or the append-only file says it is.
pub(crate) fn apply(ctx: Ctx<'_>, name: &[u8], bytes: &[u8]) -> Result<(), Failure> {
    let kept = Kept::read_any(bytes).map_err(|problem| Error::Unavailable {
        reason: format!("the record is refused: {problem}"),
    })?;
    let client = kept.client()?;
    tell_of_a_missing_user(ctx, &client);
    {
        let mut key = Key::write(ctx, name);
        match key.held(&CLIENT_TYPE) {
            Held::Ours(present) => *present = kept,
            Held::Nothing => {
                if !key.set(&CLIENT_TYPE, kept) {
                    return Err(Failure::Internal);
                }
            }
            Held::Foreign => return Err(Failure::WRONG_TYPE),
        }
    }
    if name == KeyName::of(&client.client_id).as_bytes() {
        session::look_again(&client.client_id, &client.record, By::Command(ctx));
    }
    ctx.replicate(APPLY, name, bytes);
    Ok(())
}

/// A replica that lacks a client's ACL user denies the client after a failover: the operator is to hear
/// of it before, once in a while.
fn tell_of_a_missing_user(ctx: Ctx<'_>, client: &Client) {
    const EVERY: u64 = 10_000;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(user) = &client.user else { return };
    let now = clock::steady_millis();
    if ctx.flags().is_loading()
        || !settings::acl_mapping()
        || now < NEXT.load(Ordering::Relaxed)
        || User::named(user.as_bytes()).is_some()
    {
        return;
    }
    NEXT.store(now + EVERY, Ordering::Relaxed);
    let id = &client.client_id;
    ctx.log(
        Level::Warning,
        &format!(
            "2fapi: client {id} becomes the ACL user {user:?}, which this node does not have: it would \
             be denied here. Redis does not replicate users; redis-2fapi-users copies them"
        ),
    );
}

fn with_key<'a, T>(
    ctx: Ctx<'a>,
    client_id: &ClientId,
    open: fn(Ctx<'a>, &[u8]) -> Key<'a>,
    run: impl FnOnce(&mut Key<'_>) -> T,
) -> T {
    let name = KeyName::of(client_id);
    ctx.in_database_zero(|| run(&mut open(ctx, name.as_bytes())))
}
