//! What the file says about itself, which mark it has, and whether it would take a change.

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use crate::store::{
    api::{StoreError, failed},
    mark::Mark,
};

const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
/// Format 1 had records of one credential, which are read as they are, and no invitations to reset a client; format 2
/// had signing keys of one algorithm.
/// It is written with this number as soon as it is opened to be served, so that no older version opens it again
/// and takes what it does not know for damage.
const FORMAT: u64 = 3;
const OLDEST: u64 = 1;
/// Added to the number of a file with a mark, so that no version opens it that knows of none.
const MARKED: u64 = 1 << 32;

/// Why no server may use the file.
const MARK: TableDefinition<'_, (), &str> = TableDefinition::new("mark");

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
        Some(marked) if marked >= MARKED => Ok(()),
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
    if (OLDEST..=FORMAT).contains(&(format & !MARKED)) {
        return Ok(());
    }
    Err(StoreError(format!(
        "it has format {format}, and this version reads the formats {OLDEST} to {FORMAT}"
    )))
}

/// Refuses a file with a mark.
pub(super) fn check_unmarked(database: &Database) -> Result<(), StoreError> {
    match mark(database)? {
        Some(mark) => Err(mark.into()),
        None => Ok(()),
    }
}

/// The mark, if there is one.
pub(super) fn mark(database: &Database) -> Result<Option<Mark>, StoreError> {
    match database.begin_read().map_err(failed)?.open_table(MARK) {
        Ok(table) => {
            let text = table.get(()).map_err(failed)?;
            Ok(text.map(|text| Mark::parse(text.value())))
        }
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Puts a mark there, or takes it away, with the number that goes with it.
pub(super) fn set_mark(t: &WriteTransaction, mark: Option<&Mark>) -> Result<(), StoreError> {
    let mut about = t.open_table(ABOUT).map_err(failed)?;
    match mark {
        Some(mark) => {
            let mut table = t.open_table(MARK).map_err(failed)?;
            table.insert((), mark.to_text().as_str()).map_err(failed)?;
            about.insert("format", FORMAT | MARKED).map_err(failed)?;
        }
        None => {
            t.delete_table(MARK).map_err(failed)?;
            about.insert("format", FORMAT).map_err(failed)?;
        }
    }
    Ok(())
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
