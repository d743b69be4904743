//! The table of clients. Reading goes to the table itself by its primary key, with no SQL in
//! between: nothing that a caller set up (search path, temporary tables, role) has a say in it.
//! Writing is SQL with every name qualified, in functions that are SECURITY DEFINER. Both reach the
//! table as a member of the extension.

use std::sync::OnceLock;

use pgrx::{
    IntoDatum, PgBuiltInOids, Spi, datum::DatumWithOid, pg_sys, prelude::FromDatum, spi::SpiResult,
};
use twofapi_crypto_core::{ClientId, ClientRecord, ClientStatus, Commitment, Error, GENERATOR_H};

use crate::{
    audit_table, definition, guard, members,
    rules::{Row, RowVersion},
    table::{Column, Table, column},
};

/// Columns of `twofapi.clients`; later versions only add columns behind these.
const COLUMNS: [Column; 4] = [
    Column {
        bytewise: true,
        ..column("client_id", pg_sys::TEXTOID)
    },
    column("commitment", pg_sys::BYTEAOID),
    column("commitment_version", pg_sys::INT4OID),
    column("status", pg_sys::TEXTOID),
];
const CLIENT_ID: i16 = 1;

/// Opens the table of clients, and says which index finds one.
fn open(lock: u32) -> Result<(Table, pg_sys::Oid), Error> {
    let members = members::find()?;
    let table = Table::open("clients", members.clients, members.owner, &COLUMNS, lock)?;
    match table.primary_key_on_first_column() {
        Some(index) => Ok((table, index)),
        None => {
            table.close(lock);
            Err(Error::Unavailable {
                reason: "twofapi.clients was altered: its primary key is not client_id; make it \
                         again as the extension makes it"
                    .into(),
            })
        }
    }
}

/// The client as the newest committed transactions and this one's own commands left it.
pub(crate) fn find(client_id: &ClientId) -> Result<Option<Row>, Error> {
    read(client_id)?
        .map(|columns| columns.parse(|_| true))
        .transpose()
}

/// As [`find`], for an attempt, in which a decoy stands in for the commitment of a client that is not
/// active: then the decoy is decoded, and the commitment is not. One is, whoever the client is.
pub(crate) fn find_for_attempt(client_id: &ClientId) -> Result<Option<Row>, Error> {
    read(client_id)?
        .map(|columns| columns.parse(|status| status == ClientStatus::Active))
        .transpose()
}

fn read(client_id: &ClientId) -> Result<Option<Columns>, Error> {
    let (table, index) = open(pg_sys::AccessShareLock)?;
    let relation = table.relation();
    // SAFETY: the table is open.
    if let Err(error) = unsafe { guard::tells_of_every_change(relation) } {
        table.close(pg_sys::AccessShareLock);
        return Err(error);
    }
    // SAFETY: a systable scan as the server's own code does it, on a table whose columns were just
    // looked over: opened, scanned and closed in this order, the tuple copied from before the scan
    // ends. An error in between is cleaned up by the transaction's abort.
    let row = unsafe {
        definition::clients_are_read_from((*relation).rd_id);
        let key = client_id
            .as_str()
            .into_datum()
            .unwrap_or(pg_sys::Datum::null());
        let mut scan_key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &raw mut scan_key,
            CLIENT_ID,
            pg_sys::BTEqualStrategyNumber as u16,
            pg_sys::Oid::from_u32(pg_sys::F_TEXTEQ),
            key,
        );
        // While a parallel plan runs, no new snapshot may be taken; what is committed now can be read
        // without one.
        let parallel = pg_sys::IsInParallelMode();
        let snapshot = if parallel {
            &raw mut pg_sys::SnapshotSelfData
        } else {
            pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot())
        };
        let scan =
            pg_sys::systable_beginscan(relation, index, true, snapshot, 1, &raw mut scan_key);
        let tuple = pg_sys::systable_getnext(scan);
        let row = if tuple.is_null() {
            None
        } else {
            Some(Columns::read(tuple, (*relation).rd_att))
        };
        pg_sys::systable_endscan(scan);
        if !parallel {
            pg_sys::UnregisterSnapshot(snapshot);
        }
        pg_sys::pfree(key.cast_mut_ptr());
        row
    };
    table.close(pg_sys::AccessShareLock);
    Ok(row)
}

/// A row, copied out of the table.
struct Columns {
    version: RowVersion,
    commitment: Option<Vec<u8>>,
    commitment_version: Option<i32>,
    status: Option<String>,
}

impl Columns {
    /// # Safety
    /// The tuple must be one of the table that the descriptor describes.
    unsafe fn read(tuple: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc) -> Self {
        // SAFETY: both arrays have as many places as the table has columns, which are at least
        // `COLUMNS`, of those types.
        unsafe {
            let columns = usize::try_from((*descriptor).natts)
                .unwrap_or(0)
                .max(COLUMNS.len());
            let mut values = vec![pg_sys::Datum::null(); columns];
            let mut nulls = vec![true; columns];
            pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            let at = (*tuple).t_self;
            Self {
                version: RowVersion {
                    written_by: (*(*tuple).t_data).t_choice.t_heap.t_xmin.into_inner(),
                    block: u32::from(at.ip_blkid.bi_hi) << 16 | u32::from(at.ip_blkid.bi_lo),
                    place: at.ip_posid,
                },
                commitment: FromDatum::from_datum(values[1], nulls[1]),
                commitment_version: FromDatum::from_datum(values[2], nulls[2]),
                status: FromDatum::from_datum(values[3], nulls[3]),
            }
        }
    }

    /// Whether the commitment is decoded depends on the status; another one stands in for it otherwise.
    fn parse(self, decoded: impl Fn(ClientStatus) -> bool) -> Result<Row, Error> {
        let damaged = || Error::Unavailable {
            reason: "a row of twofapi.clients is damaged; restore it from a dump".into(),
        };
        let status = self.status.as_deref().ok_or_else(damaged)?;
        let status = status.parse().map_err(|_| damaged())?;
        let commitment = self.commitment.ok_or_else(damaged)?;
        let commitment = if decoded(status) {
            Commitment::from_bytes(&commitment).map_err(|_| damaged())?
        } else {
            stand_in()?
        };
        let commitment_version = self
            .commitment_version
            .and_then(|version| u32::try_from(version).ok())
            .ok_or_else(damaged)?;
        Ok(Row {
            record: ClientRecord {
                commitment,
                commitment_version,
                status,
            },
            version: self.version,
        })
    }
}

/// A commitment that is nobody's, decoded once.
fn stand_in() -> Result<Commitment, Error> {
    static DECODED: OnceLock<Commitment> = OnceLock::new();
    if let Some(commitment) = DECODED.get() {
        return Ok(*commitment);
    }
    let commitment = Commitment::from_bytes(&GENERATOR_H)?;
    Ok(*DECODED.get_or_init(|| commitment))
}

/// Adds a client; false when the id is taken.
pub(crate) fn insert(client_id: &ClientId, record: &ClientRecord) -> Result<bool, Error> {
    let written = write(
        |clients| {
            format!(
                "INSERT INTO {clients} (client_id, commitment, commitment_version, status) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
            )
        },
        &[
            text(client_id.as_str()),
            bytea(record.commitment.as_bytes()),
            int(record.commitment_version),
            text(record.status.as_str()),
        ],
    )?;
    Ok(written == 1)
}

/// Replaces a client's record unless it was changed since it was read; false if so.
pub(crate) fn replace(
    client_id: &ClientId,
    old: &ClientRecord,
    new: &ClientRecord,
) -> Result<bool, Error> {
    let written = write(
        |clients| {
            format!(
                "UPDATE {clients} SET commitment = $2, commitment_version = $3, status = $4, \
                        changed_at = pg_catalog.clock_timestamp() \
                 WHERE client_id OPERATOR(pg_catalog.=) $1 \
                   AND commitment_version OPERATOR(pg_catalog.=) $5 \
                   AND status OPERATOR(pg_catalog.=) $6"
            )
        },
        &[
            text(client_id.as_str()),
            bytea(new.commitment.as_bytes()),
            int(new.commitment_version),
            text(new.status.as_str()),
            int(old.commitment_version),
            text(old.status.as_str()),
        ],
    )?;
    Ok(written == 1)
}

/// Locks a client's row until the end of the transaction, so that what is read next stays true.
pub(crate) fn lock(client_id: &ClientId) -> Result<(), Error> {
    let locked = write(
        |clients| {
            format!("SELECT 1 FROM {clients} WHERE client_id OPERATOR(pg_catalog.=) $1 FOR UPDATE")
        },
        &[text(client_id.as_str())],
    );
    locked.map(|_| ())
}

/// Deletes audit rows older than so many days of 24 hours, and says how many they were.
pub(crate) fn delete_audit_before(days: i32) -> Result<i64, Error> {
    let table = audit_table::open(pg_sys::RowExclusiveLock)?;
    table.must_have_no_policies("audit_log")?;
    let statement = format!(
        "DELETE FROM {} WHERE at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) \
         pg_catalog.make_interval(hours => 24 OPERATOR(pg_catalog.*) $1))",
        table.quoted()
    );
    table.close_locked();
    run(&statement, &[DatumWithOid::from(days)])
}

/// Runs a statement on the table of clients, which is locked until the end of the transaction, so that
/// the name stands for it.
fn write(statement: impl Fn(&str) -> String, arguments: &[DatumWithOid<'_>]) -> Result<i64, Error> {
    let (table, _) = open(pg_sys::RowExclusiveLock)?;
    table.must_have_no_policies("clients")?;
    let statement = statement(&table.quoted());
    table.close_locked();
    run(&statement, arguments)
}

/// Runs a statement that may write and says how many rows it touched. The server's own errors are
/// raised as they are.
fn run(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<i64, Error> {
    let touched: SpiResult<usize> =
        Spi::connect_mut(|client| Ok(client.update(statement, None, arguments)?.len()));
    match touched {
        Ok(rows) => Ok(i64::try_from(rows).unwrap_or(i64::MAX)),
        Err(error) => Err(Error::Unavailable {
            reason: format!("this cannot be written: {error}"),
        }),
    }
}

fn text(text: &str) -> DatumWithOid<'_> {
    DatumWithOid::from(text)
}

fn bytea(bytes: &[u8]) -> DatumWithOid<'_> {
    // SAFETY: a byte slice makes a bytea.
    unsafe { DatumWithOid::new(bytes, PgBuiltInOids::BYTEAOID.value()) }
}

fn int(number: u32) -> DatumWithOid<'static> {
    // Versions come from an integer column and go up by one; the column refuses what is beyond.
    DatumWithOid::from(i32::try_from(number).unwrap_or(i32::MAX))
}
