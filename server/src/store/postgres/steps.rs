//! A step, as one statement, and what its answer means.

use tokio_postgres::{Row, types::Type};
use twofapi_crypto_core::{
    Record,
    ceremony::{Change, Committed, Expect, Permission, Spend, SpentSet, Step},
};

use super::{
    connection::{Typed, failed},
    statements::Statements,
};
use crate::store::{api::StoreError, session::Session};

/// How many challenges can be spent at a time, and how many of these can be one client's where they are many.
#[derive(Clone, Copy)]
pub(super) struct Capacity {
    pub(super) all: i64,
    pub(super) of_one: i64,
}

impl Capacity {
    pub(super) fn of(capacity: u32) -> Self {
        Self {
            all: i64::from(capacity.max(2)),
            of_one: SpentSet::share_of_one(capacity).into(),
        }
    }
}

/// What the columns beside a record say.
pub(super) struct Columns {
    bytes: Vec<u8>,
    status: i16,
    version: i64,
    generation: i64,
    credential_ids: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn of(record: &Record) -> Self {
        let ids = record.credentials().iter();
        Self {
            bytes: record.to_bytes(),
            status: record.status().number().into(),
            version: record.version().into(),
            generation: record.generation().into(),
            credential_ids: ids.map(|one| one.id().as_bytes().to_vec()).collect(),
        }
    }

    pub(super) fn typed(&self) -> [Typed<'_>; 5] {
        [
            (&self.bytes, Type::BYTEA),
            (&self.status, Type::INT2),
            (&self.version, Type::INT8),
            (&self.generation, Type::INT8),
            (&self.credential_ids, Type::BYTEA_ARRAY),
        ]
    }
}

/// The columns of several records, for one statement: of each client, the ids of its credentials in a row.
#[derive(Default)]
pub(super) struct ManyColumns {
    bytes: Vec<Vec<u8>>,
    status: Vec<i16>,
    version: Vec<i64>,
    generation: Vec<i64>,
    credential_ids: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn together(all: impl Iterator<Item = Self>) -> ManyColumns {
        let mut together = ManyColumns::default();
        for one in all {
            together.bytes.push(one.bytes);
            together.status.push(one.status);
            together.version.push(one.version);
            together.generation.push(one.generation);
            together.credential_ids.push(one.credential_ids.concat());
        }
        together
    }
}

impl ManyColumns {
    pub(super) fn typed(&self) -> [Typed<'_>; 5] {
        [
            (&self.bytes, Type::BYTEA_ARRAY),
            (&self.status, Type::INT2_ARRAY),
            (&self.version, Type::INT8_ARRAY),
            (&self.generation, Type::INT8_ARRAY),
            (&self.credential_ids, Type::BYTEA_ARRAY),
        ]
    }
}

/// A statement with its parameters, which it owns.
pub(super) struct Said<'a> {
    pub(super) statement: &'a str,
    client_id: &'a str,
    rest: Rest,
}

enum Rest {
    Permitted {
        invitation: Option<Vec<u8>>,
        read: Option<(i64, i64, i16)>,
        becomes: Columns,
    },
    Proven {
        read: (i64, i64),
        credential: Vec<u8>,
        expires_at: Option<i64>,
        spend: (Vec<u8>, i64, Vec<u8>, i64),
        becomes: Option<Columns>,
        joined: Option<Vec<u8>>,
        session: Opened,
    },
}

/// Id, expiry and bytes of a session that is opened, or none.
type Opened = (Option<Vec<u8>>, Option<i64>, Option<Vec<u8>>);

fn opened(session: Option<&Session>) -> Opened {
    let id = session.map(|session| session.id.as_bytes().to_vec());
    let expires_at = session.map(|session| session.expires_at.try_into().unwrap_or(i64::MAX));
    (id, expires_at, session.map(Session::to_bytes))
}

impl<'a> Said<'a> {
    /// What a step says. `None` for one that no ceremony makes: a proven one that spends nothing, or changes what it
    /// does not expect.
    pub(super) fn of(
        step: &'a Step,
        session: Option<&Session>,
        statements: &'a Statements,
    ) -> Option<Self> {
        let invitation = |permission: &Permission| match permission {
            Permission::Invitation(key) => Some(key.to_vec()),
            Permission::Host => None,
        };
        let (statement, rest) = match (&step.expect, &step.change, &step.spend) {
            (Expect::Absent(permission), Change::Insert(record), None) => (
                &statements.enrol,
                Rest::Permitted {
                    invitation: invitation(permission),
                    read: None,
                    becomes: Columns::of(record),
                },
            ),
            (
                Expect::Unrevoked {
                    permission,
                    version,
                    generation,
                    status,
                },
                Change::Replace(record),
                None,
            ) => (
                &statements.reset,
                Rest::Permitted {
                    invitation: invitation(permission),
                    read: Some((
                        (*version).into(),
                        (*generation).into(),
                        status.number().into(),
                    )),
                    becomes: Columns::of(record),
                },
            ),
            (
                Expect::Unchanged {
                    version,
                    generation,
                    credential,
                    expires_at,
                    joined,
                },
                change @ (Change::None | Change::Replace(_)),
                Some(spend),
            ) => {
                let becomes = match change {
                    Change::Replace(record) => Some(Columns::of(record)),
                    _ => None,
                };
                let statement = match (&becomes, joined) {
                    (None, None) => &statements.login,
                    (Some(_), None) => &statements.change,
                    (Some(_), Some(_)) => &statements.link_joined,
                    (None, Some(_)) => return None,
                };
                let rest = Rest::Proven {
                    read: ((*version).into(), (*generation).into()),
                    credential: credential.as_bytes().to_vec(),
                    // Later than any clock is the same as never.
                    expires_at: expires_at.and_then(|at| at.try_into().ok()),
                    spend: spent(spend),
                    becomes,
                    joined: joined.as_ref().map(|joined| joined.to_bytes()),
                    session: opened(session),
                };
                (statement, rest)
            }
            _ => return None,
        };
        Some(Self {
            statement,
            client_id: step.client_id.as_str(),
            rest,
        })
    }

    pub(super) fn parameters(&self, capacity: &'a Capacity) -> Vec<Typed<'_>> {
        let mut typed: Vec<Typed<'_>> = vec![(&self.client_id, Type::TEXT)];
        match &self.rest {
            Rest::Permitted {
                invitation,
                read,
                becomes,
            } => {
                typed.push((invitation, Type::BYTEA));
                if let Some((version, generation, status)) = read {
                    typed.push((version, Type::INT8));
                    typed.push((generation, Type::INT8));
                    typed.push((status, Type::INT2));
                }
                typed.extend(becomes.typed());
            }
            Rest::Proven {
                read: (version, generation),
                credential,
                expires_at,
                spend: (key, spent_until, epoch, share),
                becomes,
                joined,
                session: (session, session_expires_at, bytes),
            } => {
                typed.push((version, Type::INT8));
                typed.push((generation, Type::INT8));
                typed.push((credential, Type::BYTEA));
                typed.push((expires_at, Type::INT8));
                typed.push((key, Type::BYTEA));
                typed.push((spent_until, Type::INT8));
                typed.push((epoch, Type::BYTEA));
                typed.push((share, Type::INT8));
                typed.push((&capacity.all, Type::INT8));
                typed.push((&capacity.of_one, Type::INT8));
                if let Some(becomes) = becomes {
                    typed.extend(becomes.typed());
                }
                if becomes.is_none() {
                    typed.push((session, Type::BYTEA));
                    typed.push((session_expires_at, Type::INT8));
                    typed.push((bytes, Type::BYTEA));
                }
                if joined.is_some() {
                    typed.push((joined, Type::BYTEA));
                }
            }
        }
        typed
    }

    /// What the answer means, and what the clock said in it.
    pub(super) fn outcome(&self, row: &Row) -> Result<(Committed, Option<u64>), StoreError> {
        match &self.rest {
            Rest::Permitted { read, .. } => {
                let exists = match read {
                    None => Committed::Exists,
                    Some(_) => Committed::Changed,
                };
                permitted(row, exists).map(|committed| (committed, None))
            }
            Rest::Proven { .. } => proven(row),
        }
    }
}

/// Whether the client has so many sessions by now that some are to be taken away.
pub(super) fn has_many_sessions(row: &Row) -> bool {
    row.try_get(9).unwrap_or(None).unwrap_or(false)
}

/// Key, expiry, epoch and share. The share 0 is of the row with the epoch.
fn spent(spend: &Spend) -> (Vec<u8>, i64, Vec<u8>, i64) {
    (
        spend.key.as_bytes().to_vec(),
        spend.expires_at.into(),
        spend.epoch.as_bytes().to_vec(),
        i64::from(spend.share.number()) + 1,
    )
}

fn permitted(row: &Row, exists: Committed) -> Result<Committed, StoreError> {
    let (invited, made, serves): (bool, bool, bool) = (
        row.try_get(0).map_err(failed)?,
        row.try_get(1).map_err(failed)?,
        row.try_get(2).map_err(failed)?,
    );
    match (serves, invited, made) {
        (_, true, true) => Ok(Committed::Done),
        (false, ..) => Err(moved()),
        (true, false, _) => Ok(Committed::NotInvited),
        (true, true, false) => Ok(exists),
    }
}

fn proven(row: &Row) -> Result<(Committed, Option<u64>), StoreError> {
    let said = |column| row.try_get::<_, bool>(column).map_err(failed);
    let (met, of_epoch, passed, there, done) = (said(0)?, said(1)?, said(3)?, said(4)?, said(8)?);
    let live: Option<bool> = row.try_get(2).map_err(failed)?;
    let free: Option<bool> = row.try_get(5).map_err(failed)?;
    let first_expiry: Option<i64> = row.try_get(6).map_err(failed)?;
    let now: i64 = row.try_get(7).map_err(failed)?;
    let committed = match live {
        _ if !met => Committed::Changed,
        _ if !of_epoch => Committed::StaleEpoch,
        Some(true) if done => Committed::Done,
        Some(true) => {
            return Err(StoreError(
                "the row of a client was locked and not changed".into(),
            ));
        }
        Some(false) => Committed::Expired,
        None if passed => Committed::Expired,
        None if there => Committed::Spent,
        None if free == Some(false) => Committed::Full {
            retry_after: first_expiry
                .map_or(1, |at| (at - now).clamp(1, i64::from(u32::MAX)) as u32),
        },
        // By somebody who was faster, in a moment that this statement did not see.
        None => Committed::Spent,
    };
    Ok((committed, now.try_into().ok()))
}

pub(super) fn moved() -> StoreError {
    StoreError(
        "it was moved, or is being put in order; a server that starts on it is told which".into(),
    )
}
