//! The database beneath the embedded store, opened again when it has met an error of the disk: the
//! library refuses everything from then on, though the disk may soon have room again.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::store::api::{StoreError, failed};

type Open = Box<dyn Fn() -> Result<Database, StoreError> + Send + Sync>;

pub(super) struct Reopened {
    /// `None` while it could not be opened again. Nobody keeps a transaction beyond the lock, so that
    /// there are never two of them over one file.
    current: RwLock<Option<Database>>,
    open: Open,
    failing: AtomicBool,
}

impl Reopened {
    /// What opens the database, which is called once now, and again after each error.
    pub(super) fn new(
        first: Database,
        open: impl Fn() -> Result<Database, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            current: RwLock::new(Some(first)),
            open: Box::new(open),
            failing: AtomicBool::new(false),
        }
    }

    /// Whether something has failed since the last change that was made durable.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Notes that something failed; true for whoever notes it first.
    pub(super) fn fails(&self) -> bool {
        !self.failing.swap(true, Ordering::Relaxed)
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let away = || StoreError("its file could not be opened again after an error".into());
        work(current.as_ref().ok_or_else(away)?)
    }

    pub(super) fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|database| look(&database.begin_read().map_err(failed)?))
    }

    /// Runs changes in one transaction, and makes them durable if they say so.
    pub(super) fn write(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let written = self.with(|database| {
            let mut transaction = database.begin_write().map_err(failed)?;
            // Opening the file after a crash takes no longer than after an orderly end.
            transaction.set_quick_repair(true);
            match change(&transaction) {
                Ok(()) => transaction.commit().map_err(failed),
                Err(error) => {
                    transaction.abort().map_err(failed)?;
                    Err(error)
                }
            }
        });
        self.failing.store(written.is_err(), Ordering::Relaxed);
        written
    }

    /// Closes the database and opens it again.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = current.take();
        drop(current);
        // Its last words go to the file, so it ends before the next one begins.
        drop(old);
        let new = (self.open)()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(new);
        Ok(())
    }
}
