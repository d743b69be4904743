//! The table of clients. Reading goes to the table itself by its primary key, with no SQL in
//! between: nothing that a caller set up (search path, temporary tables, role) has a say in it.
//! Writing is SQL with every name qualified, in functions that are SECURITY DEFINER.

use core::{cell::Cell, ffi::CStr};

use pgrx::{
    IntoDatum, PgBuiltInOids, Spi, datum::DatumWithOid, pg_sys, prelude::FromDatum, spi::SpiResult,
};
use twofapi_crypto_core::{ClientId, ClientRecord, ClientStatus, Commitment, Error};

use crate::{
    guard,
    rules::{Row, RowVersion},
};

const SCHEMA: &CStr = c"twofapi";
const TABLE: &CStr = c"clients";
const PRIMARY_KEY: &CStr = c"clients_pkey";

/// Columns of `twofapi.clients`, from 1; later versions only add columns behind these.
const COLUMNS: usize = 4;
const CLIENT_ID: i16 = 1;

thread_local! {
    static READ_LAST: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// Which table [`find`] looked into last.
pub(crate) fn table_read_last() -> pg_sys::Oid {
    READ_LAST.get()
}

/// The client as the newest committed transactions and this one's own commands left it.
pub(crate) fn find(client_id: &ClientId) -> Result<Option<Row>, Error> {
    let missing = || Error::Unavailable {
        reason: "twofapi.clients is missing; create the extension pg_2fapi in this database".into(),
    };
    // SAFETY: a systable scan as the server's own code does it, on the table that the extension
    // made: opened, scanned and closed in this order, the tuple copied from before the scan ends.
    // An error in between is cleaned up by the transaction's abort.
    unsafe {
        let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
        let table = pg_sys::get_relname_relid(TABLE.as_ptr(), schema);
        let index = pg_sys::get_relname_relid(PRIMARY_KEY.as_ptr(), schema);
        if [schema, table, index].contains(&pg_sys::InvalidOid) {
            return Err(missing());
        }
        READ_LAST.set(table);
        let key = client_id.as_str().into_datum().ok_or_else(missing)?;
        let mut scan_key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &raw mut scan_key,
            CLIENT_ID,
            pg_sys::BTEqualStrategyNumber as u16,
            pg_sys::Oid::from_u32(pg_sys::F_TEXTEQ),
            key,
        );
        let relation = pg_sys::table_open(table, pg_sys::AccessShareLock as i32);
        if let Err(error) = guard::tells_of_every_change(relation) {
            pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
            return Err(error);
        }
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
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
        pg_sys::pfree(key.cast_mut_ptr());
        row.map(Columns::parse).transpose()
    }
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
        // those that `COLUMNS` counts; types are those of the table's definition.
        unsafe {
            let columns = usize::try_from((*descriptor).natts)
                .unwrap_or(0)
                .max(COLUMNS);
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

    fn parse(self) -> Result<Row, Error> {
        Ok(Row {
            record: record(self.commitment, self.commitment_version, self.status)?,
            version: self.version,
        })
    }
}

fn record(
    commitment: Option<Vec<u8>>,
    version: Option<i32>,
    status: Option<String>,
) -> Result<ClientRecord, Error> {
    let damaged = || Error::Unavailable {
        reason: "a row of twofapi.clients is damaged; restore it from a dump".into(),
    };
    Ok(ClientRecord {
        commitment: Commitment::from_bytes(&commitment.ok_or_else(damaged)?)
            .map_err(|_| damaged())?,
        commitment_version: version
            .and_then(|version| u32::try_from(version).ok())
            .ok_or_else(damaged)?,
        status: status
            .as_deref()
            .ok_or_else(damaged)?
            .parse::<ClientStatus>()
            .map_err(|_| damaged())?,
    })
}

/// Adds a client; false when the id is taken.
pub(crate) fn insert(client_id: &ClientId, record: &ClientRecord) -> bool {
    let written = write(
        "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status) \
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[
            text(client_id.as_str()),
            bytea(record.commitment.as_bytes()),
            int(record.commitment_version),
            text(record.status.as_str()),
        ],
    );
    written == 1
}

/// Replaces a client's record unless it was changed since it was read; false if so.
pub(crate) fn replace(client_id: &ClientId, old: &ClientRecord, new: &ClientRecord) -> bool {
    let written = write(
        "UPDATE twofapi.clients SET commitment = $2, commitment_version = $3, status = $4, \
                changed_at = pg_catalog.clock_timestamp() \
         WHERE client_id OPERATOR(pg_catalog.=) $1 \
           AND commitment_version OPERATOR(pg_catalog.=) $5 \
           AND status OPERATOR(pg_catalog.=) $6",
        &[
            text(client_id.as_str()),
            bytea(new.commitment.as_bytes()),
            int(new.commitment_version),
            text(new.status.as_str()),
            int(old.commitment_version),
            text(old.status.as_str()),
        ],
    );
    written == 1
}

/// Locks a client's row until the end of the transaction, so that what is read next stays true.
pub(crate) fn lock(client_id: &ClientId) {
    write(
        "SELECT 1 FROM twofapi.clients WHERE client_id OPERATOR(pg_catalog.=) $1 FOR UPDATE",
        &[text(client_id.as_str())],
    );
}

/// Deletes audit rows older than so many days, and says how many they were.
pub(crate) fn delete_audit_before(days: i32) -> i64 {
    write(
        "DELETE FROM twofapi.audit_log WHERE at OPERATOR(pg_catalog.<) \
         (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days => $1))",
        &[DatumWithOid::from(days)],
    )
}

/// Runs a statement that may write and says how many rows it touched.
fn write(statement: &str, arguments: &[DatumWithOid<'_>]) -> i64 {
    let touched: SpiResult<usize> =
        Spi::connect_mut(|client| Ok(client.update(statement, None, arguments)?.len()));
    match touched {
        Ok(rows) => i64::try_from(rows).unwrap_or(i64::MAX),
        // The server's own errors are raised as they are; this is one of the interface.
        Err(error) => crate::errors::raise(&Error::Unavailable {
            reason: format!("twofapi.clients cannot be written: {error}"),
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
