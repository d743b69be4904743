//! What the file says about itself, and whether it would take a change.

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use crate::store::api::{StoreError, failed};

const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const FORMAT: u64 = 1;

/// Whether the disk has room is tried out here.
const ROOM: TableDefinition<'_, (), &[u8]> = TableDefinition::new("room");
/// More than what fits between the rest.
const ROOM_LEN: usize = 64 * 1024;

/// Writes the format down, or sees that it is this version's.
pub(super) fn set_up(t: &WriteTransaction) -> Result<(), StoreError> {
    let mut about = t.open_table(ABOUT).map_err(failed)?;
    let format = about.get("format").map_err(failed)?.map(|f| f.value());
    match format {
        None => about.insert("format", FORMAT).map(drop).map_err(failed),
        Some(format) => check_format(format),
    }
}

/// Whether a file that is only looked at is one of this version.
pub(super) fn check_file(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    let about = transaction.open_table(ABOUT).map_err(failed)?;
    let format = about.get("format").map_err(failed)?.map(|f| f.value());
    check_format(format.unwrap_or_default())
}

fn check_format(format: u64) -> Result<(), StoreError> {
    if format == FORMAT {
        return Ok(());
    }
    Err(StoreError(format!(
        "it has format {format}, and this version reads format {FORMAT}"
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
