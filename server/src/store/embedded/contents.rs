//! What of a store's file lasts, for who moves it or fills it. It holds the file's lock meanwhile, so that no server has it
//! open.

use async_trait::async_trait;
use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};
use twofapi_crypto_core::{ClientId, Error, Record};

use super::{
    clients, format, invitations, opener, place::StorePlace, sessions, set_up, signing_keys,
};
use crate::store::{
    api::{Invitation, StoreError, failed},
    contents::{Clear, Contents, Cursor, interrupted},
    mark::Mark,
    signing_key::SigningKeyRecord,
};

/// The contents of a store's file.
pub struct EmbeddedContents(Database);

impl EmbeddedContents {
    /// Opens the file, or makes it, whatever its mark.
    ///
    /// # Errors
    /// [`Error::Unavailable`], saying what the operator can do: another process has it open, it can be read by others, or
    /// is of another format.
    pub fn open(place: &StorePlace) -> Result<Self, Error> {
        let opened = || {
            let database = opener(place)?()?;
            set_up(&database)?;
            Ok(Self(database))
        };
        opened().map_err(|error: StoreError| super::unavailable(place.path())(error.0))
    }

    /// In memory, gone when it is dropped.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        let backend = redb::backends::InMemoryBackend::new();
        let database = Database::builder().create_with_backend(backend);
        let database = database.expect("memory");
        set_up(&database).expect("memory");
        Self(database)
    }

    fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        look(&self.0.begin_read().map_err(failed)?)
    }

    fn write(
        &self,
        under: Option<&Mark>,
        change: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        // Nobody else has the file: it does not change between looking and writing.
        if format::mark(&self.0)?.as_ref() != under {
            return Err(interrupted());
        }
        let mut transaction = self.0.begin_write().map_err(failed)?;
        transaction.set_quick_repair(true);
        change(&transaction)?;
        transaction.commit().map_err(failed)
    }
}

#[async_trait]
impl Contents for EmbeddedContents {
    async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        format::mark(&self.0)
    }

    async fn change_mark(
        &self,
        before: Option<&Mark>,
        after: Option<&Mark>,
    ) -> Result<(), StoreError> {
        self.write(before, |t| format::set_mark(t, after))
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        self.read(|t| clients::look_up(t, id))
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        self.read(|t| clients::after(t, after, limit))
    }

    async fn invitations(
        &self,
        _from: Cursor,
    ) -> Result<(Vec<Invitation>, Option<Cursor>), StoreError> {
        Ok((self.read(invitations::all)?, None))
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.read(signing_keys::all)
    }

    async fn clear(&self, under: &Mark, what: Clear) -> Result<(), StoreError> {
        self.write(Some(under), |t| {
            if what == Clear::Everything {
                clients::clear(t)?;
            }
            invitations::clear(t)?;
            t.delete_table(sessions::SESSIONS).map_err(failed)?;
            signing_keys::clear(t)
        })
    }

    async fn put_clients(
        &self,
        under: &Mark,
        clients: &[(ClientId, Record)],
    ) -> Result<(), StoreError> {
        self.write(Some(under), |t| {
            let mut table = t.open_table(clients::CLIENTS).map_err(failed)?;
            let mut put = |(id, record): &(ClientId, Record)| clients::put(&mut table, id, record);
            clients.iter().try_for_each(&mut put)
        })
    }

    async fn put_invitations(
        &self,
        under: &Mark,
        invitations: &[Invitation],
    ) -> Result<(), StoreError> {
        self.write(Some(under), |t| {
            let mut put = |invitation| invitations::add(t, invitation, 0);
            invitations.iter().try_for_each(&mut put)
        })
    }

    async fn put_signing_keys(
        &self,
        under: &Mark,
        keys: &[SigningKeyRecord],
    ) -> Result<(), StoreError> {
        self.write(Some(under), |t| {
            let mut others: Vec<String> = Vec::new();
            for key in keys {
                if !signing_keys::add(t, key, &others)? {
                    return Err(interrupted());
                }
                others.push(key.kid.clone());
            }
            Ok(())
        })
    }
}
