//! A store in PostgreSQL, for any number of servers: what must last in tables, and in UNLOGGED ones the spent set with
//! its epoch and what second devices leave.
//!
//! Each call is one statement in one transaction, by which PostgreSQL decides everything. It works through a pool in
//! transaction mode.

mod connection;
mod contents;
mod schema;
mod statements;
mod steps;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_postgres::{Row, types::Type};
use twofapi_crypto_core::{
    ClientId, Error, Record, Transition,
    ceremony::{At, Committed, Epoch, PendingLink, Spend, Step},
};

use super::{
    api::{Invitation, InvitationKey, InvitationKind, Store, StoreError},
    changes::RecordChange,
    known::Known,
    mark::Mark,
    sealed::SealedKey,
    session::{Session, SessionId},
    signing_key::{SigningAlgorithm, SigningKeyRecord},
};
use crate::operator_keys::OperatorKeys;
use connection::{Connections, Typed, failed};
use schema::StoreId;
use statements::Statements;
use steps::{Capacity, Columns, Said, has_many_sessions, moved};

pub use contents::PostgresContents;

/// After so many accepted challenges a server takes away what has expired.
const PURGED_EVERY: u32 = 64;
/// So often a change is tried whose record somebody else changes meanwhile.
const TRIES: usize = 16;

/// The store in PostgreSQL that servers share.
pub struct PostgresStore {
    shared: Arc<Shared>,
    keys: OperatorKeys,
    id: StoreId,
    capacity: Capacity,
    known: Known,
    accepted: AtomicU32,
    signing_keys_number: AtomicU64,
}

/// What taking away needs, which nobody waits for.
struct Shared {
    connections: Connections,
    statements: Statements,
    purging: AtomicBool,
}

impl PostgresStore {
    /// Connects to the store that is there, of this version and under these keys.
    ///
    /// # Errors
    /// [`StoreError`], saying what the operator can do.
    pub async fn open(
        url: &str,
        keys: OperatorKeys,
        spent_capacity: u32,
    ) -> Result<Self, StoreError> {
        let connections = Connections::to(url)?;
        let id = schema::check_store(&connections, &keys).await?;
        Ok(Self {
            id,
            shared: Arc::new(Shared {
                statements: Statements::of(connections.schema()),
                connections,
                purging: AtomicBool::new(false),
            }),
            keys,
            capacity: Capacity::of(spent_capacity),
            known: Known::default(),
            accepted: AtomicU32::new(0),
            signing_keys_number: AtomicU64::new(0),
        })
    }

    /// Makes a store, or brings one of before up to date. Gives the version that was there, 0 for none, and the one
    /// that is.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn migrate(url: &str, keys: &OperatorKeys) -> Result<(i32, i32), StoreError> {
        schema::migrate(&Connections::to(url)?, keys).await
    }

    /// Seals under the current key what is sealed under another one, and says how many seeds that were.
    ///
    /// # Errors
    /// [`StoreError`]; what was not sealed anew stays under its key.
    pub async fn rewrap(&self) -> Result<usize, StoreError> {
        let mut rewrapped = 0;
        for row in self.rows(&self.said().signing_keys, &[]).await? {
            let before = sealed_key(&row)?;
            let Some(after) = before.rewrapped(&self.keys, &self.id)? else {
                continue;
            };
            let parameters: [Typed<'_>; 3] = [
                (&before.kid, Type::TEXT),
                (&before.sealed, Type::BYTEA),
                (&after.sealed, Type::BYTEA),
            ];
            let resealed = self.row(&self.said().seal_signing_key, &parameters).await?;
            rewrapped += usize::from(resealed.is_some());
        }
        schema::seal_check(&self.shared.connections, &self.keys, &self.id).await?;
        Ok(rewrapped)
    }

    fn said(&self) -> &Statements {
        &self.shared.statements
    }

    async fn rows(&self, said: &str, parameters: &[Typed<'_>]) -> Result<Vec<Row>, StoreError> {
        self.shared.connections.rows(said, parameters).await
    }

    async fn row(&self, said: &str, parameters: &[Typed<'_>]) -> Result<Option<Row>, StoreError> {
        self.shared.connections.row(said, parameters).await
    }

    /// What is kept of a client. The answer says as well of which number the signing keys are.
    async fn kept_record(&self, id: &ClientId) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self
            .row(&self.said().look_up, &[(&id.as_str(), Type::TEXT)])
            .await?;
        let row = self.with_number(row).await?;
        row.try_get(0).map_err(failed)
    }

    /// A look-up's one row, which is there unless the store has a mark, and says of which number the signing keys are.
    async fn with_number(&self, row: Option<Row>) -> Result<Row, StoreError> {
        let Some(row) = row else {
            self.check_mark().await?;
            return Err(moved());
        };
        let number: i64 = row.try_get(1).map_err(failed)?;
        self.signing_keys_number
            .fetch_max(number.unsigned_abs(), Ordering::AcqRel);
        Ok(row)
    }

    /// That the store has no mark; and whether it takes changes.
    async fn check_mark(&self) -> Result<bool, StoreError> {
        let row = self.row(&self.said().check, &[]).await?;
        let row = row.ok_or_else(moved)?;
        let mark: Option<String> = row.try_get(1).map_err(failed)?;
        if let Some(mark) = mark {
            return Err(Mark::parse(&mark).into());
        }
        let takes_none: bool = row.try_get(0).map_err(failed)?;
        Ok(!takes_none)
    }

    /// The row that is there of every store without a mark.
    async fn unmarked(&self, said: &str, parameters: &[Typed<'_>]) -> Result<Row, StoreError> {
        match self.row(said, parameters).await? {
            Some(row) => Ok(row),
            None => {
                self.check().await?;
                Err(moved())
            }
        }
    }

    /// Takes away what has expired, now and then, and lets nobody wait for it.
    fn purge_now_and_then(&self) {
        let count = self.accepted.fetch_add(1, Ordering::Relaxed);
        if count % PURGED_EVERY == PURGED_EVERY - 1 {
            drop(self.purge());
        }
    }

    /// Goes on to its end whoever stops waiting for it.
    fn purge(&self) -> JoinHandle<()> {
        tokio::spawn(purge(Arc::clone(&self.shared), self.capacity.all))
    }

    async fn take(&self, step: &Step, said: &Said<'_>) -> Result<Committed, StoreError> {
        let answer = self
            .row(said.statement, &said.parameters(&self.capacity))
            .await?
            .ok_or_else(|| StoreError("a step was not answered".into()))?;
        let (committed, clock) = said.outcome(&answer)?;
        match (committed, clock, &step.spend) {
            (Committed::StaleEpoch, ..) => self.known.forget(),
            (Committed::Changed, Some(now), _) => self.known.learn_clock(now),
            // Of every other answer the epoch was the set's.
            (_, Some(now), Some(Spend { epoch, .. })) => {
                self.known.learn(At { epoch: *epoch, now })
            }
            _ => {}
        }
        if committed == Committed::Done && has_many_sessions(&answer) {
            let id: [Typed<'_>; 1] = [(&step.client_id.as_str(), Type::TEXT)];
            // The client is let in whether this is done now or by its next login.
            let _ = self.rows(&self.said().trim_sessions, &id).await;
        }
        Ok(committed)
    }
}

/// One at a time for each server.
async fn purge(shared: Arc<Shared>, capacity: i64) {
    if shared.purging.swap(true, Ordering::AcqRel) {
        return;
    }
    let gone = shared
        .connections
        .rows(&shared.statements.purge, &[(&capacity, Type::INT8)])
        .await;
    // The next one tries again; that the store does not work is told by what needs it.
    if let Err(error) = gone {
        tracing::debug!(reason = error.0, "expired challenges were not taken away");
    }
    shared.purging.store(false, Ordering::Release);
}

/// Times of the protocol are far below what `bigint` holds; later is as good as never.
fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn kept(error: Error) -> StoreError {
    StoreError(error.to_string())
}

fn record(bytes: &[u8]) -> Result<Record, StoreError> {
    Record::from_bytes(bytes).map_err(kept)
}

fn session(of: &ClientId, bytes: &[u8]) -> Result<Session, StoreError> {
    Session::from_bytes(of, bytes)
}

const fn kind(is_reset: bool) -> InvitationKind {
    match is_reset {
        true => InvitationKind::Reset,
        false => InvitationKind::Enrol,
    }
}

fn client(row: &Row) -> Result<(ClientId, Record), StoreError> {
    let id: &str = row.try_get(0).map_err(failed)?;
    let id = ClientId::parse(id).map_err(kept)?;
    Ok((id, record(row.try_get(1).map_err(failed)?)?))
}

fn sealed_key(row: &Row) -> Result<SealedKey, StoreError> {
    let damaged = || StoreError("a signing key is damaged".into());
    let activates_at: i64 = row.try_get(1).map_err(failed)?;
    let algorithm: i16 = row.try_get(3).map_err(failed)?;
    let algorithm = u8::try_from(algorithm).ok();
    Ok(SealedKey {
        kid: row.try_get(0).map_err(failed)?,
        activates_at: u64::try_from(activates_at).map_err(|_| damaged())?,
        algorithm: algorithm
            .and_then(SigningAlgorithm::of_number)
            .ok_or_else(damaged)?,
        sealed: row.try_get(2).map_err(failed)?,
    })
}

#[async_trait]
impl Store for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn time(&self, now: u64) -> u64 {
        self.known.time(now)
    }

    async fn look_up(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        let kept = self.kept_record(id).await?;
        kept.map(|kept| record(&kept)).transpose()
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        let (after, limit) = (
            after.map_or("", ClientId::as_str),
            i64::try_from(limit).unwrap_or(i64::MAX),
        );
        let parameters: [Typed<'_>; 2] = [(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = self.rows(&self.said().clients_after, &parameters).await?;
        // Asked after it, for a store with a mark has no more clients to say.
        self.check_mark().await?;
        rows.iter().map(client).collect()
    }

    async fn change_record(
        &self,
        id: &ClientId,
        change: &RecordChange,
    ) -> Result<Result<(Transition, Record), Error>, StoreError> {
        for _ in 0..TRIES {
            let Some(before) = self.kept_record(id).await? else {
                return Ok(Err(Error::NotEnrolled));
            };
            let mut record = record(&before)?;
            let transition = match change.apply(&mut record) {
                Ok(transition) => transition,
                Err(error) => return Ok(Err(error)),
            };
            if transition == Transition::Unchanged {
                return Ok(Ok((transition, record)));
            }
            let columns = Columns::of(&record);
            let id = id.as_str();
            let mut parameters: Vec<Typed<'_>> = vec![(&id, Type::TEXT), (&before, Type::BYTEA)];
            parameters.extend(columns.typed());
            let changed = self.row(&self.said().replace_record, &parameters).await?;
            if changed.is_some() {
                return Ok(Ok((transition, record)));
            }
            // Somebody else changed it in between, or the store was moved.
            self.check().await?;
        }
        Err(StoreError(
            "the record of a client is being changed all the time".into(),
        ))
    }

    async fn invite(&self, invitation: &Invitation, now: u64) -> Result<(), StoreError> {
        let (key, id) = (&invitation.key[..], invitation.client_id.as_str());
        let is_reset = invitation.kind == InvitationKind::Reset;
        let (expires_at, now) = (seconds(invitation.expires_at), seconds(now));
        let (key, id, is_reset): (Typed<'_>, Typed<'_>, Typed<'_>) = (
            (&key, Type::BYTEA),
            (&id, Type::TEXT),
            (&is_reset, Type::BOOL),
        );
        let said = self.said();
        let rows = self
            .shared
            .connections
            .in_turn(&[
                (&said.turn, &[]),
                (
                    &said.make_room_for_invitation,
                    &[
                        key.clone(),
                        id.clone(),
                        is_reset.clone(),
                        (&now, Type::INT8),
                    ],
                ),
                (
                    &said.invite,
                    &[key, id, is_reset, (&expires_at, Type::INT8)],
                ),
            ])
            .await?;
        match rows.is_empty() {
            false => Ok(()),
            true => self.check_mark().await.and(Err(moved())),
        }
    }

    async fn invited_to(
        &self,
        key: &InvitationKey,
        id: &ClientId,
        _now: u64,
    ) -> Result<Option<InvitationKind>, StoreError> {
        let (key, id) = (&key[..], id.as_str());
        let parameters: [Typed<'_>; 2] = [(&key, Type::BYTEA), (&id, Type::TEXT)];
        let row = self.unmarked(&self.said().invited_to, &parameters).await?;
        let is_reset: Option<bool> = row.try_get(0).map_err(failed)?;
        Ok(is_reset.map(kind))
    }

    async fn cancel_invitations(&self, id: &ClientId) -> Result<u64, StoreError> {
        let parameters: [Typed<'_>; 1] = [(&id.as_str(), Type::TEXT)];
        let row = self
            .unmarked(&self.said().cancel_invitations, &parameters)
            .await?;
        let count: i64 = row.try_get(0).map_err(failed)?;
        Ok(count.unsigned_abs())
    }

    async fn pending_link(
        &self,
        id: &ClientId,
        _now: u64,
    ) -> Result<Option<PendingLink>, StoreError> {
        let row = self
            .row(&self.said().pending_link, &[(&id.as_str(), Type::TEXT)])
            .await?;
        let read = |row: Row| {
            let bytes: &[u8] = row.try_get(0).map_err(failed)?;
            PendingLink::from_bytes(bytes).map_err(kept)
        };
        row.map(read).transpose()
    }

    async fn offer_link(
        &self,
        id: &ClientId,
        offer: &PendingLink,
        _now: u64,
    ) -> Result<(), StoreError> {
        let (id, bytes, until) = (id.as_str(), offer.to_bytes(), seconds(offer.until()));
        let parameters: [Typed<'_>; 3] = [
            (&id, Type::TEXT),
            (&bytes, Type::BYTEA),
            (&until, Type::INT8),
        ];
        self.rows(&self.said().offer_link, &parameters)
            .await
            .map(drop)
    }

    async fn replace_pending_link(
        &self,
        id: &ClientId,
        before: &PendingLink,
        after: &PendingLink,
        _now: u64,
    ) -> Result<bool, StoreError> {
        let (id, until) = (id.as_str(), seconds(after.until()));
        let (before, after) = (before.to_bytes(), after.to_bytes());
        let parameters: [Typed<'_>; 4] = [
            (&id, Type::TEXT),
            (&before, Type::BYTEA),
            (&after, Type::BYTEA),
            (&until, Type::INT8),
        ];
        let replaced = self
            .row(&self.said().replace_pending_link, &parameters)
            .await?;
        Ok(replaced.is_some())
    }

    fn signing_keys_number(&self) -> u64 {
        self.signing_keys_number.load(Ordering::Acquire)
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let rows = self.rows(&self.said().signing_keys, &[]).await?;
        self.check_mark().await?;
        let read = |row: &Row| sealed_key(row)?.unsealed(&self.keys, &self.id);
        rows.iter().map(read).collect()
    }

    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        others: &[String],
    ) -> Result<bool, StoreError> {
        let kept = SealedKey::sealed(key, &self.keys, &self.id)?;
        let activates_at = seconds(key.activates_at);
        let mut others = others.to_vec();
        others.sort_unstable();
        let algorithm = i16::from(kept.algorithm.number());
        let parameters: [Typed<'_>; 5] = [
            (&key.kid, Type::TEXT),
            (&activates_at, Type::INT8),
            (&kept.sealed, Type::BYTEA),
            (&algorithm, Type::INT2),
            (&others, Type::TEXT_ARRAY),
        ];
        let said = self.said();
        let added = self
            .shared
            .connections
            .in_turn(&[(&said.turn, &[]), (&said.add_signing_key, &parameters)])
            .await?;
        Ok(!added.is_empty())
    }

    async fn remove_signing_key(&self, kid: &str) -> Result<(), StoreError> {
        let said = self.said();
        let parameters: [Typed<'_>; 1] = [(&kid, Type::TEXT)];
        self.shared
            .connections
            .in_turn(&[(&said.turn, &[]), (&said.remove_signing_key, &parameters)])
            .await
            .map(drop)
    }

    async fn epoch(&self, _id: &ClientId, _now: u64) -> Result<At, StoreError> {
        if let Some(at) = self.known.at() {
            return Ok(at);
        }
        let read = |row: Row| -> Result<At, StoreError> {
            let (epoch, now): (&[u8], i64) = (
                row.try_get(0).map_err(failed)?,
                row.try_get(1).map_err(failed)?,
            );
            let damaged = || StoreError("the epoch of the spent set is damaged".into());
            let epoch = epoch.try_into().map_err(|_| damaged())?;
            Ok(At {
                epoch: Epoch::from_bytes(epoch),
                now: now.try_into().map_err(|_| damaged())?,
            })
        };
        let mut row = self.row(&self.said().epoch, &[]).await?;
        if row.is_none() {
            let drawn = Epoch::generate(&mut getrandom::SysRng).map_err(kept)?;
            let drawn = &drawn.as_bytes()[..];
            self.rows(&self.said().begin_epoch, &[(&drawn, Type::BYTEA)])
                .await?;
            row = self.row(&self.said().epoch, &[]).await?;
        }
        let row = row.ok_or_else(|| {
            StoreError("the spent set keeps no epoch; does somebody delete from it?".into())
        })?;
        let at = read(row)?;
        self.known.learn(at);
        Ok(at)
    }

    async fn commit(
        &self,
        step: &Step,
        session: Option<&Session>,
        _now: u64,
    ) -> Result<Committed, StoreError> {
        Session::check_opens(step, session)?;
        let said = Said::of(step, session, self.said())
            .ok_or_else(|| StoreError("no ceremony makes such a step".into()))?;
        let mut committed = self.take(step, &said).await?;
        if matches!(committed, Committed::Full { .. }) {
            // Nobody was accepted, so nobody has taken away what expired.
            let _ = self.purge().await;
            committed = self.take(step, &said).await?;
        }
        if committed == Committed::Done && step.spend.is_some() {
            self.purge_now_and_then();
        }
        Ok(committed)
    }

    async fn session(
        &self,
        client: &ClientId,
        id: &SessionId,
        _now: u64,
    ) -> Result<Option<Session>, StoreError> {
        let (of, id) = (client.as_str(), &id.as_bytes()[..]);
        let parameters: [Typed<'_>; 2] = [(&of, Type::TEXT), (&id, Type::BYTEA)];
        let row = self.row(&self.said().session, &parameters).await?;
        let row = row.map(|row| session(client, row.try_get(0).map_err(failed)?));
        row.transpose()
    }

    async fn sessions(&self, client: &ClientId, _now: u64) -> Result<Vec<Session>, StoreError> {
        let parameters: [Typed<'_>; 1] = [(&client.as_str(), Type::TEXT)];
        let rows = self.rows(&self.said().sessions, &parameters).await?;
        let read = |row: &Row| session(client, row.try_get(0).map_err(failed)?);
        rows.iter().map(read).collect()
    }

    async fn end_sessions(&self, client: &ClientId, ids: &[SessionId]) -> Result<u64, StoreError> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
        let of = client.as_str();
        let parameters: [Typed<'_>; 2] = [(&of, Type::TEXT), (&ids, Type::BYTEA_ARRAY)];
        let row = self.row(&self.said().end_sessions, &parameters).await?;
        let ended: i64 = match row {
            Some(row) => row.try_get(0).map_err(failed)?,
            None => 0,
        };
        Ok(ended.unsigned_abs())
    }

    async fn look_up_with_session(
        &self,
        client: &ClientId,
        id: &SessionId,
        _now: u64,
    ) -> Result<(Option<Record>, Option<Session>), StoreError> {
        let (of, id) = (client.as_str(), &id.as_bytes()[..]);
        let parameters: [Typed<'_>; 2] = [(&of, Type::TEXT), (&id, Type::BYTEA)];
        let row = self.row(&self.said().look_up_with_session, &parameters);
        let row = self.with_number(row.await?).await?;
        let (kept, listed): (Option<&[u8]>, Option<&[u8]>) = (
            row.try_get(0).map_err(failed)?,
            row.try_get(2).map_err(failed)?,
        );
        let listed = listed.map(|bytes| session(client, bytes));
        Ok((kept.map(record).transpose()?, listed.transpose()?))
    }

    async fn check(&self) -> Result<(), StoreError> {
        match self.check_mark().await? {
            true => Ok(()),
            false => Err(StoreError("PostgreSQL takes no changes here".into())),
        }
    }
}
