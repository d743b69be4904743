//! A store that no server has open, looked at without being written to: what its file needs to be put
//! in order after a crash is done in memory.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{
    BackendError, Builder, Database, DatabaseError, ReadableDatabase, StorageBackend,
    backends::FileBackend,
};
use twofapi_crypto_core::{ClientId, Error, Record};

use super::{
    clients,
    format::{check_file, mark},
    place::StorePlace,
};
use crate::store::{
    api::{StoreError, failed},
    mark::Mark,
};

/// The clients of a store that no server has open, to be looked at. The file is only read, so that a
/// file system that cannot be written to does as well.
pub struct ClientsAtRest(Database);

impl ClientsAtRest {
    /// Opens the file to read.
    ///
    /// # Errors
    /// [`Error::Unavailable`], saying what the operator can do.
    pub fn open(place: &StorePlace) -> Result<Self, Error> {
        let (opened, mark) = Self::open_whatever_its_mark(place)?;
        match mark {
            Some(mark) => Err(unavailable(place, mark.refusal())),
            None => Ok(opened),
        }
    }

    /// Opens a backup to read. Gives when it was begun, in Unix seconds.
    ///
    /// # Errors
    /// [`Error::Unavailable`], as well for what is no backup.
    pub fn open_backup(place: &StorePlace) -> Result<(Self, u64), Error> {
        match Self::open_whatever_its_mark(place)? {
            (opened, Some(Mark::Backup { made_at })) => Ok((opened, made_at)),
            (_, Some(Mark::Filling { .. })) => Err(unavailable(
                place,
                "it is a backup that is not whole, as making it was cut off; take another one".into(),
            )),
            (_, mark) => Err(unavailable(
                place,
                mark.map_or_else(
                    || "it is no backup: 2fapi store backup makes them; a store itself is moved by 2fapi store copy"
                        .into(),
                    |mark| mark.refusal(),
                ),
            )),
        }
    }

    fn open_whatever_its_mark(place: &StorePlace) -> Result<(Self, Option<Mark>), Error> {
        let file = place
            .open_to_read()
            .map_err(|error| unavailable(place, error.to_string()))?;
        let database = Self::over(file).map_err(|error| {
            unavailable(
                place,
                match error {
                    DatabaseError::DatabaseAlreadyOpen => {
                        "another process has it open; is a server running on it already?".into()
                    }
                    error => error.to_string(),
                },
            )
        })?;
        let mark = check_file(&database).and_then(|()| mark(&database));
        let mark = mark.map_err(|error| unavailable(place, error.0))?;
        Ok((Self(database), mark))
    }

    fn over(file: File) -> Result<Database, DatabaseError> {
        let backend = Untouched::new(FileBackend::new(file)?)?;
        if backend.len()? == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty").into());
        }
        Builder::new().create_with_backend(backend)
    }

    /// The record of a client.
    ///
    /// # Errors
    /// What the file system says, or that the record is damaged.
    pub fn client(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        clients::look_up(&self.0.begin_read().map_err(failed)?, id)
    }

    /// Up to `limit` clients whose ids come after this one, in the order of their ids.
    ///
    /// # Errors
    /// As [`ClientsAtRest::client`].
    pub fn after(
        &self,
        id: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        clients::after(&self.0.begin_read().map_err(failed)?, id, limit)
    }
}

fn unavailable(place: &StorePlace, reason: String) -> Error {
    Error::Unavailable {
        reason: format!("cannot open the store {}: {reason}", place.path().display()),
    }
}

const BLOCK: usize = 4096;

/// A file that is read and never written: changes are blocks in memory before it.
#[derive(Debug)]
struct Untouched {
    file: FileBackend,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// So much of the file still counts; what comes after it is zero unless it was written.
    of_file: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

impl Untouched {
    fn new(file: FileBackend) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self {
            file,
            changes: Mutex::new(Changes {
                len,
                of_file: len,
                blocks: BTreeMap::new(),
            }),
        })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as it is now.
    fn block(&self, changes: &Changes, number: u64) -> io::Result<Box<[u8; BLOCK]>> {
        if let Some(block) = changes.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = Box::new([0; BLOCK]);
        let start = number * BLOCK as u64;
        let there = changes.of_file.saturating_sub(start);
        let there = usize::try_from(there).unwrap_or(BLOCK).min(BLOCK);
        if there > 0 {
            self.file.read(start, &mut block[..there])?;
        }
        Ok(block)
    }
}

/// The parts of a range that lie in one block each: its number, where in it, and how many bytes.
fn blocks(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut position, end) = (offset, offset + len as u64);
    std::iter::from_fn(move || {
        let (number, within) = (position / BLOCK as u64, position % BLOCK as u64);
        let size = (BLOCK as u64 - within).min(end - position);
        position += size;
        // Both are less than a block.
        (size > 0).then_some((number, within as usize, size as usize))
    })
}

impl StorageBackend for Untouched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        let len = out.len();
        if offset
            .checked_add(len as u64)
            .is_none_or(|end| end > changes.len)
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (number, within, size) in blocks(offset, len) {
            let (part, after) = rest.split_at_mut(size);
            part.copy_from_slice(&self.block(&changes, number)?[within..within + size]);
            rest = after;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        let mut rest = data;
        for (number, within, size) in blocks(offset, data.len()) {
            let (part, after) = rest.split_at(size);
            let mut block = self.block(&changes, number)?;
            block[within..within + size].copy_from_slice(part);
            changes.blocks.insert(number, block);
            rest = after;
        }
        changes.len = changes.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        if len < changes.len {
            changes.of_file = changes.of_file.min(len);
            let (number, within) = (len / BLOCK as u64, (len % BLOCK as u64) as usize);
            changes.blocks.split_off(&(number + u64::from(within > 0)));
            if let Some(last) = changes.blocks.get_mut(&number) {
                last[within..].fill(0);
            }
        }
        changes.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    /// Shared, for a file that is open to read takes no other lock; a server's keeps it out.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = prop::collection::vec(any::<u8>(), 0..6000);
        prop_oneof![
            (0..20_000_u64, bytes).prop_map(|(offset, bytes)| Step::Write(offset, bytes)),
            (0..20_000_u64).prop_map(Step::SetLen),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_the_file_stays_as_it_was(
            before in prop::collection::vec(any::<u8>(), 0..12_000),
            steps in prop::collection::vec(step(), 0..12),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            std::fs::write(&path, &before).unwrap();
            let file = FileBackend::new(File::open(&path).unwrap()).unwrap();
            let untouched = Untouched::new(file).unwrap();
            let mut model = before.clone();
            for step in steps {
                match step {
                    Step::Write(offset, bytes) => {
                        let end = offset as usize + bytes.len();
                        model.resize(model.len().max(end), 0);
                        model[offset as usize..end].copy_from_slice(&bytes);
                        untouched.write(offset, &bytes).unwrap();
                    }
                    Step::SetLen(len) => {
                        model.resize(len as usize, 0);
                        untouched.set_len(len).unwrap();
                    }
                }
                let mut read = vec![0; untouched.len().unwrap() as usize];
                untouched.read(0, &mut read).unwrap();
                prop_assert!(read == model);
            }
            let mut beyond = [0];
            prop_assert!(untouched.read(model.len() as u64, &mut beyond).is_err());
            prop_assert!(std::fs::read(&path).unwrap() == before);
        }
    }
}
