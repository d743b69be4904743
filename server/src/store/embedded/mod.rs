//! The embedded store: one `redb` file for what must last, process memory for what must not.
//!
//! Clients, invitations and signing keys are in the file and durable before a call returns. The set of
//! spent challenges and its epoch are in memory, and so are links from a second device: after a crash they are
//! gone together, and every challenge from before is dead. Sessions are in memory as well, and outlive an orderly
//! restart.

mod at_rest;
mod clients;
mod contents;
mod database;
mod format;
mod invitations;
mod pending;
mod place;
mod sessions;
mod signing_keys;
mod spent;
mod steps;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use redb::{Database, DatabaseError, ReadTransaction};
use twofapi_crypto_core::{
    ClientId, Error, Record, Transition,
    ceremony::{At, Change, Committed, Expect, PendingLink, SpentStats, Step},
};

use super::{
    api::{Invitation, InvitationKey, InvitationKind, Store, StoreError, failed},
    changes::RecordChange,
    session::{Session, SessionId},
    signing_key::SigningKeyRecord,
};
use database::Reopened;
use pending::Pending;
use sessions::Sessions;
use spent::{Spent, locked};
use writer::Writer;

pub use at_rest::ClientsAtRest;
pub use contents::EmbeddedContents;
pub use place::{StorePlace, User};

/// Memory for pages of the file, in bytes: those of a few hundred thousand clients.
const CACHE: usize = 64 << 20;

/// The store of a single server.
pub struct EmbeddedStore {
    database: Arc<Reopened>,
    writer: Writer,
    memory: Arc<Memory>,
    #[cfg(test)]
    as_if_shared: bool,
}

/// What is gone with the process.
struct Memory {
    spent: Mutex<Spent>,
    pending: Mutex<Pending>,
    /// Of the list of signing keys, which nobody else changes while it is open.
    signing_keys_number: AtomicU64,
    sessions: Mutex<Sessions>,
}

impl Memory {
    /// Spends the challenge of a step, and takes away what a second device left for it; neither if one is not
    /// there.
    fn use_up(&self, step: &Step, now: u64) -> Committed {
        let Expect::Unchanged {
            joined: Some(joined),
            ..
        } = &step.expect
        else {
            return spent::accept(&self.spent, step, now);
        };
        let mut pending = pending::locked(&self.pending);
        if pending.look_up(&step.client_id, now) != Some(joined) {
            return Committed::Changed;
        }
        let accepted = spent::accept(&self.spent, step, now);
        if accepted == Committed::Done {
            pending.use_up(&step.client_id);
        }
        accepted
    }
}

impl EmbeddedStore {
    /// Opens the file, or makes it (mode 0600, in a directory of mode 0700 if that has to be made).
    /// Draws a new epoch; at most `spent_capacity` challenges can be spent at a time.
    ///
    /// # Errors
    /// [`Error::Unavailable`], saying what the operator can do: the file is in use, can be read by
    /// others, is of another format, or cannot be opened.
    pub fn open(path: &Path, spent_capacity: u32) -> Result<Self, Error> {
        let place = StorePlace::make(path).map_err(|error| unavailable(path)(error.to_string()))?;
        Self::open_at(&place, spent_capacity)
    }

    /// As [`EmbeddedStore::open`], at a place that was found before.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn open_at(place: &StorePlace, spent_capacity: u32) -> Result<Self, Error> {
        let unavailable = unavailable(place.path());
        let open = opener(place).map_err(|error| unavailable(error.0))?;
        Self::over(open, spent_capacity).map_err(|error| unavailable(error.0))
    }

    /// A store that is gone with the process, for trying things out and for tests.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn in_memory(spent_capacity: u32) -> Result<Self, Error> {
        let open = || {
            let backend = redb::backends::InMemoryBackend::new();
            Database::builder()
                .create_with_backend(backend)
                .map_err(failed)
        };
        Ok(Self::over(open, spent_capacity)?)
    }

    /// As [`EmbeddedStore::in_memory`], for what a service does over a store that it shares.
    #[cfg(test)]
    pub(crate) fn as_if_shared(spent_capacity: u32) -> Result<Self, Error> {
        let mut store = Self::in_memory(spent_capacity)?;
        store.as_if_shared = true;
        Ok(store)
    }

    fn over(
        open: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
        spent_capacity: u32,
    ) -> Result<Self, StoreError> {
        let database = open()?;
        set_up(&database)?;
        format::check_unmarked(&database)?;
        let taking = database.begin_write().map_err(failed)?;
        let sessions = Sessions::take(&taking)?;
        taking.commit().map_err(failed)?;

        let database = Arc::new(Reopened::new(database, open));
        Ok(Self {
            writer: Writer::start(database.clone())?,
            database,
            memory: Arc::new(Memory {
                spent: Mutex::new(Spent::new(spent_capacity)?),
                pending: Mutex::default(),
                signing_keys_number: AtomicU64::new(0),
                sessions: Mutex::new(sessions),
            }),
            #[cfg(test)]
            as_if_shared: false,
        })
    }

    fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // A few microseconds from the page cache: not worth handing to another thread.
        let looked = self.database.read(look);
        if looked.is_err() && self.database.fails() {
            self.writer.look_after();
        }
        looked
    }
}

impl Drop for EmbeddedStore {
    /// An orderly end keeps the sessions. The writer does it before it ends; nobody waits for more than that.
    fn drop(&mut self) {
        let sessions = std::mem::take(&mut *sessions::locked(&self.memory.sessions));
        if !sessions.is_empty() {
            self.writer.write_last(|t| sessions.save(t));
        }
    }
}

/// Opens the database of a place, over and over: the same file under the same lock, whatever has its name by now.
fn opener(
    place: &StorePlace,
) -> Result<impl Fn() -> Result<Database, StoreError> + use<>, StoreError> {
    let file = place.open().map_err(failed)?;
    Ok(move || {
        let file = file.try_clone().map_err(failed)?;
        Database::builder()
            .set_cache_size(CACHE)
            .create_file(file)
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => StoreError(
                    "another process has it open; is a server running on it already?".into(),
                ),
                error => failed(error),
            })
    })
}

/// Makes what is not there of tables.
fn set_up(database: &Database) -> Result<(), StoreError> {
    let setup = database.begin_write().map_err(failed)?;
    format::set_up(&setup)?;
    clients::set_up(&setup)?;
    invitations::set_up(&setup)?;
    signing_keys::set_up(&setup)?;
    setup.commit().map_err(failed)
}

fn unavailable(path: &Path) -> impl Fn(String) -> Error {
    move |reason| Error::Unavailable {
        reason: format!("cannot open the store {}: {reason}", path.display()),
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    #[cfg(test)]
    fn is_shared(&self) -> bool {
        self.as_if_shared
    }

    async fn look_up(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        self.read(|t| clients::look_up(t, id))
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        self.read(|t| clients::after(t, after, limit))
    }

    async fn change_record(
        &self,
        id: &ClientId,
        change: &RecordChange,
    ) -> Result<Result<(Transition, Record), Error>, StoreError> {
        let (id, change) = (id.clone(), change.clone());
        self.writer
            .write(move |t| clients::change(t, &id, &change))
            .await
    }

    async fn invite(&self, invitation: &Invitation, now: u64) -> Result<(), StoreError> {
        let invitation = invitation.clone();
        self.writer
            .write(move |t| invitations::add(t, &invitation, now))
            .await
    }

    async fn invited_to(
        &self,
        key: &InvitationKey,
        id: &ClientId,
        now: u64,
    ) -> Result<Option<InvitationKind>, StoreError> {
        self.read(|t| invitations::look_up(t, key, id, now))
    }

    async fn cancel_invitations(&self, id: &ClientId) -> Result<u64, StoreError> {
        let id = id.clone();
        self.writer
            .write(move |t| invitations::cancel(t, &id))
            .await
    }

    async fn pending_link(
        &self,
        id: &ClientId,
        now: u64,
    ) -> Result<Option<PendingLink>, StoreError> {
        let pending = pending::locked(&self.memory.pending);
        Ok(pending.look_up(id, now).cloned())
    }

    async fn offer_link(
        &self,
        id: &ClientId,
        offer: &PendingLink,
        now: u64,
    ) -> Result<(), StoreError> {
        pending::locked(&self.memory.pending).put(id, offer.clone(), now);
        Ok(())
    }

    async fn replace_pending_link(
        &self,
        id: &ClientId,
        before: &PendingLink,
        after: &PendingLink,
        now: u64,
    ) -> Result<bool, StoreError> {
        let mut pending = pending::locked(&self.memory.pending);
        Ok(pending.replace(id, before, after.clone(), now))
    }

    fn signing_keys_number(&self) -> u64 {
        self.memory.signing_keys_number.load(Ordering::Acquire)
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.read(signing_keys::all)
    }

    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        others: &[String],
    ) -> Result<bool, StoreError> {
        let (key, others) = (key.clone(), others.to_owned());
        let added = self
            .writer
            .write(move |t| signing_keys::add(t, &key, &others))
            .await?;
        if added {
            self.memory
                .signing_keys_number
                .fetch_add(1, Ordering::AcqRel);
        }
        Ok(added)
    }

    async fn remove_signing_key(&self, kid: &str) -> Result<(), StoreError> {
        let kid = kid.to_owned();
        self.writer
            .write(move |t| signing_keys::remove(t, &kid))
            .await?;
        self.memory
            .signing_keys_number
            .fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    async fn epoch(&self, _id: &ClientId, now: u64) -> Result<At, StoreError> {
        locked(&self.memory.spent).at(now)
    }

    fn spent(&self, now: u64) -> Option<SpentStats> {
        Some(locked(&self.memory.spent).stats(now))
    }

    async fn commit(
        &self,
        step: &Step,
        session: Option<&Session>,
        now: u64,
    ) -> Result<Committed, StoreError> {
        Session::check_opens(step, session)?;
        if let (Change::None, Expect::Unchanged { .. }) = (&step.change, &step.expect) {
            // Nothing that lasts, so nobody waits for the disk. Spent first and looked at after: a client
            // that was suspended before this moment is not let in.
            let committed = match self.memory.use_up(step, now) {
                Committed::Done => self.read(|t| clients::met(t, step, now))?,
                refused => refused,
            };
            if let (Committed::Done, Some(session)) = (committed, session) {
                sessions::locked(&self.memory.sessions).open(session.clone(), now);
            }
            return Ok(committed);
        }
        let (step, memory) = (step.clone(), Arc::clone(&self.memory));
        self.writer
            .write(move |t| steps::take(t, &step, now, || memory.use_up(&step, now)))
            .await
    }

    async fn session(
        &self,
        client: &ClientId,
        id: &SessionId,
        now: u64,
    ) -> Result<Option<Session>, StoreError> {
        let sessions = sessions::locked(&self.memory.sessions);
        Ok(sessions.one(client, id, now).cloned())
    }

    async fn sessions(&self, client: &ClientId, now: u64) -> Result<Vec<Session>, StoreError> {
        Ok(sessions::locked(&self.memory.sessions).all_of(client, now))
    }

    async fn end_sessions(&self, client: &ClientId, ids: &[SessionId]) -> Result<u64, StoreError> {
        let mut sessions = sessions::locked(&self.memory.sessions);
        let ended = ids.iter().filter(|id| sessions.end(client, id));
        Ok(ended.count() as u64)
    }

    async fn check(&self) -> Result<(), StoreError> {
        if self.writer.is_gone() || self.database.is_failing() {
            // Only then is it worth two commits to find out whether the disk has room again.
            self.writer.write(format::fill_room).await?;
            return self.writer.write(format::empty_room).await;
        }
        self.read(format::check)
    }
}
