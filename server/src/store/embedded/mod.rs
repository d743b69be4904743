//! The embedded store: one `redb` file for what must last, process memory for what must not.
//!
//! Clients, invitations and signing keys are in the file and durable before a call returns. The set of
//! spent challenges and its epoch are in memory: after a crash both are gone together, and every
//! challenge from before is dead.

mod at_rest;
mod clients;
mod database;
mod format;
mod invitations;
mod place;
mod signing_keys;
mod spent;
mod steps;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use redb::{Database, DatabaseError, ReadTransaction};
use twofapi_crypto_core::{
    ClientId, ClientRecord, Error, Transition,
    ceremony::{At, Change, Committed, Expect, Step},
};

use super::{
    api::{InvitationKey, LifecycleChange, Store, StoreError, failed},
    signing_key::SigningKeyRecord,
};
use database::Reopened;
use spent::{Spent, locked};
use writer::Writer;

pub use at_rest::ClientsAtRest;
pub use place::{StorePlace, User};

/// Memory for pages of the file, in bytes: those of a few hundred thousand clients.
const CACHE: usize = 64 << 20;

/// The store of a single server.
pub struct EmbeddedStore {
    database: Arc<Reopened>,
    writer: Writer,
    spent: Arc<Mutex<Spent>>,
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
        let file = place
            .open()
            .map_err(|error| unavailable(error.to_string()))?;
        let open = move || {
            // The same file under the same lock, whatever has its name by now.
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
        };
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

    fn over(
        open: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
        spent_capacity: u32,
    ) -> Result<Self, StoreError> {
        let database = open()?;
        let setup = database.begin_write().map_err(failed)?;
        format::set_up(&setup)?;
        clients::set_up(&setup)?;
        invitations::set_up(&setup)?;
        signing_keys::set_up(&setup)?;
        setup.commit().map_err(failed)?;

        let database = Arc::new(Reopened::new(database, open));
        Ok(Self {
            writer: Writer::start(database.clone())?,
            database,
            spent: Arc::new(Mutex::new(Spent::new(spent_capacity)?)),
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

fn unavailable(path: &Path) -> impl Fn(String) -> Error {
    move |reason| Error::Unavailable {
        reason: format!("cannot open the store {}: {reason}", path.display()),
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn look_up(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        self.read(|t| clients::look_up(t, id))
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, ClientRecord)>, StoreError> {
        self.read(|t| clients::after(t, after, limit))
    }

    async fn change_status(
        &self,
        id: &ClientId,
        change: LifecycleChange,
    ) -> Result<Result<(Transition, ClientRecord), Error>, StoreError> {
        let id = id.clone();
        self.writer
            .write(move |t| clients::change_status(t, &id, change))
            .await
    }

    async fn invite(
        &self,
        invitation: &InvitationKey,
        id: &ClientId,
        expires_at: u64,
        now: u64,
    ) -> Result<(), StoreError> {
        let (invitation, id) = (*invitation, id.clone());
        self.writer
            .write(move |t| invitations::add(t, &invitation, &id, expires_at, now))
            .await
    }

    async fn is_invited(
        &self,
        invitation: &InvitationKey,
        id: &ClientId,
        now: u64,
    ) -> Result<bool, StoreError> {
        self.read(|t| invitations::look_up(t, invitation, id, now))
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
        self.writer
            .write(move |t| signing_keys::add(t, &key, &others))
            .await
    }

    async fn remove_signing_key(&self, kid: &str) -> Result<(), StoreError> {
        let kid = kid.to_owned();
        self.writer
            .write(move |t| signing_keys::remove(t, &kid))
            .await
    }

    async fn epoch(&self, now: u64) -> Result<At, StoreError> {
        locked(&self.spent).at(now)
    }

    async fn commit(&self, step: &Step, now: u64) -> Result<Committed, StoreError> {
        if let (Change::None, Expect::Unchanged { version, .. }) = (&step.change, &step.expect) {
            // Nothing that lasts, so nobody waits for the disk. Spent first and looked at after: a client
            // that was suspended before this moment is not let in.
            return match spent::accept(&self.spent, step, now) {
                Committed::Done => self.read(|t| clients::unchanged(t, &step.client_id, *version)),
                refused => Ok(refused),
            };
        }
        let (step, spent) = (step.clone(), Arc::clone(&self.spent));
        self.writer
            .write(move |t| steps::take(t, &step, now, || spent::accept(&spent, &step, now)))
            .await
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
