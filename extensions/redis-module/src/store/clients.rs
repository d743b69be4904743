//! Clients: one key each, of this module's data type, in database 0.

use std::{
    ffi::CStr,
    sync::atomic::{AtomicU64, Ordering},
};

use twofapi_crypto_core::{ClientId, ClientRecord, ClientStatus, Commitment, Error};

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
        failure::Failure,
        key_name::KeyName,
        record::{ENCODING_VERSION, Record},
    },
    session, settings,
};

static CLIENT_TYPE: DataType<Record> = DataType::unregistered();

/// The command by which replicas and the append-only file are told what a client is now.
pub(crate) const APPLY: &CStr = c"2FAPI.APPLY";

/// The name that Redis knows the type by, in RDB files as well: exactly nine characters.
const TYPE_NAME: &CStr = c"2fapi-clt";

impl Value for Record {
    const ENCODING_VERSION: u8 = ENCODING_VERSION;
    const RESTORE_COMMAND: &'static CStr = APPLY;

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn decode(bytes: &[u8], encoding_version: u8) -> Result<Self, &'static str> {
        Self::decode(bytes, encoding_version)
    }

    fn heap_bytes(&self) -> usize {
        self.heap_bytes()
    }

    fn unlinked(&self, key: &[u8]) {
        if key == KeyName::of(&self.client_id).as_bytes() {
            session::end_client(&self.client_id, By::Event);
        }
    }
}

pub(crate) fn register_type(ctx: Ctx<'_>) -> bool {
    CLIENT_TYPE.register(ctx, TYPE_NAME)
}

/// A client's record, if it is one: a key that was renamed or copied is nobody's.
pub(crate) fn find(ctx: Ctx<'_>, client_id: &ClientId) -> Result<Option<Record>, Failure> {
    with_key(ctx, client_id, Key::read, |key| {
        Ok(match key.held(&CLIENT_TYPE) {
            Held::Nothing => None,
            Held::Ours(record) if record.client_id == *client_id => Some(record.clone()),
            Held::Ours(_) | Held::Foreign => return Err(Failure::WRONG_TYPE),
        })
    })
}

/// The least that verifying needs of an active client.
pub(crate) struct Active {
    pub(crate) commitment: [u8; Commitment::LEN],
    pub(crate) commitment_version: u32,
}

impl Active {
    /// Its record, with the commitment decoded.
    pub(crate) const fn record(&self, commitment: Commitment) -> ClientRecord {
        ClientRecord {
            commitment,
            commitment_version: self.commitment_version,
            status: ClientStatus::Active,
        }
    }
}

/// A client that may authenticate. Whatever else the key holds is no client.
pub(crate) fn find_active(ctx: Ctx<'_>, client_id: &ClientId) -> Option<Active> {
    with_key(ctx, client_id, Key::read, |key| {
        match key.held(&CLIENT_TYPE) {
            Held::Ours(record) if record.client_id == *client_id && record.is_active() => {
                Some(Active {
                    commitment: record.commitment,
                    commitment_version: record.commitment_version,
                })
            }
            _ => None,
        }
    })
}

/// Enrols a client.
pub(crate) fn create(ctx: Ctx<'_>, record: Record) -> Result<(), Failure> {
    let name = KeyName::of(&record.client_id);
    ctx.in_database_zero(|| {
        let mut key = Key::write(ctx, name.as_bytes());
        match key.held(&CLIENT_TYPE) {
            Held::Nothing => {}
            Held::Ours(present) if present.client_id == record.client_id => {
                return Err(Error::AlreadyEnrolled.into());
            }
            Held::Ours(_) | Held::Foreign => return Err(Failure::WRONG_TYPE),
        }
        let bytes = record.encode();
        if !key.set(&CLIENT_TYPE, record) {
            return Err(Failure::Internal);
        }
        key.changed(c"2fapi.enroll");
        ctx.replicate(APPLY, name.as_bytes(), &bytes);
        Ok(())
    })
}

/// Changes a client, and tells replicas and the append-only file.
pub(crate) fn update<T>(
    ctx: Ctx<'_>,
    client_id: &ClientId,
    event: &CStr,
    change: impl FnOnce(&mut Record) -> Result<T, Error>,
) -> Result<T, Failure> {
    let name = KeyName::of(client_id);
    ctx.in_database_zero(|| {
        let mut key = Key::write(ctx, name.as_bytes());
        let (outcome, bytes) = match key.held(&CLIENT_TYPE) {
            Held::Nothing => return Err(Error::NotEnrolled.into()),
            Held::Ours(record) if record.client_id == *client_id => {
                let outcome = change(record)?;
                (outcome, record.encode())
            }
            Held::Ours(_) | Held::Foreign => return Err(Failure::WRONG_TYPE),
        };
        key.changed(event);
        ctx.replicate(APPLY, name.as_bytes(), &bytes);
        Ok(outcome)
    })
}

/// Makes a key what the primary or the append-only file says it is.
pub(crate) fn apply(ctx: Ctx<'_>, name: &[u8], bytes: &[u8]) -> Result<(), Failure> {
    let record = Record::decode(bytes, ENCODING_VERSION).map_err(|problem| Error::Unavailable {
        reason: format!("the record is refused: {problem}"),
    })?;
    tell_of_a_missing_user(ctx, &record);
    let is_clients_own = name == KeyName::of(&record.client_id).as_bytes();
    let client_id = record.client_id.clone();
    let keeps_sessions = {
        let mut key = Key::write(ctx, name);
        match key.held(&CLIENT_TYPE) {
            Held::Ours(present) => {
                let same = present.commitment == record.commitment && record.is_active();
                *present = record;
                same
            }
            Held::Nothing => {
                if !key.set(&CLIENT_TYPE, record) {
                    return Err(Failure::Internal);
                }
                false
            }
            Held::Foreign => return Err(Failure::WRONG_TYPE),
        }
    };
    if is_clients_own && !keeps_sessions {
        session::end_client(&client_id, By::Command(ctx));
    }
    ctx.replicate(APPLY, name, bytes);
    Ok(())
}

/// A replica that lacks a client's ACL user denies the client after a failover: the operator is to hear
/// of it before, once in a while.
fn tell_of_a_missing_user(ctx: Ctx<'_>, record: &Record) {
    const EVERY: u64 = 10_000;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(user) = &record.user else { return };
    let now = clock::steady_millis();
    if ctx.flags().is_loading()
        || !settings::acl_mapping()
        || now < NEXT.load(Ordering::Relaxed)
        || User::named(user.as_bytes()).is_some()
    {
        return;
    }
    NEXT.store(now + EVERY, Ordering::Relaxed);
    let id = &record.client_id;
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
