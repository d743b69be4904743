//! What the file says about itself, and whether it would take a change.

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use crate::store::api::{StoreError, failed};

const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
/// Format 1 had records of one credential, which are read as they are, and no invitations to reset a client; format 2
/// had signing keys of one algorithm.
/// It is written with this number as soon as it is opened to be served, so that no older version opens it again
/// and takes what it does not know for damage.
const FORMAT: u64 = 3;
const OLDEST: u64 = 1;

/// Whether the disk has room is tried out here.
const ROOM: TableDefinition<'_, (), &[u8]> = TableDefinition::new("room");
/// More than what fits between the rest.
const ROOM_LEN: usize = 64 * 1024;

/// Writes the format down, if it is one that this version reads.
pub(super) fn set_up(t: &WriteTransaction) -> Result<(), StoreError> {
    let mut about = t.open_table(ABOUT).map_err(failed)?;
    let format = about.get("format").map_err(failed)?.map(|f| f.value());
    format.map_or(Ok(()), check_format)?;
    match format {
        Some(FORMAT) => Ok(()),
        _ => about.insert("format", FORMAT).map(drop).map_err(failed),
    }
}

/// Whether a file that is only looked at is one that this version reads.
pub(super) fn check_file(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    let about = transaction.open_table(ABOUT).map_err(failed)?;
    let format = about.get("format").map_err(failed)?.map(|f| f.value());
    check_format(format.unwrap_or_default())
}

fn check_format(format: u64) -> Result<(), StoreError> {
    if (OLDEST..=FORMAT).contains(&format) {
        return Ok(());
    }
    Err(StoreError(format!(
        "it has format {format}, and this version reads the formats {OLDEST} to {FORMAT}"
    )))
}

/// Whether the file can be read.
pub(super) fn check(t: &ReadTransaction) -> Result<(), StoreError> {
    t.open_table(ABOUT).map(drop).map_err(failed)
}

/// Writes something that is not small.
pub(super) fn fill_room(t: &WriteTransaction) -> Result<(), StoreError> {
    let mut room = t.open_table(ROOM).map_err(failed)?;
    room.insert((), &[0; ROOM_LEN][..])
        .map(drop)
        .map_err(failed)
}

/// Takes it away again.
pub(super) fn empty_room(t: &WriteTransaction) -> Result<(), StoreError> {
    t.delete_table(ROOM).map(drop).map_err(failed)
}
