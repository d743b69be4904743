//! Finding one row of an open table by its primary key, with no SQL in between: nothing that a caller set
//! up (search path, temporary tables, role) has a say in it.

use pgrx::{IntoDatum, pg_sys};

/// The column that both tables of clients are found by.
const KEY: i16 = 1;

/// What `read` makes of the row with this text in its first column, as the newest committed transactions
/// and this one's own commands left it.
///
/// # Safety
/// The relation must be open, its first column a text, and the index one over that column alone. `read` is
/// given a row of that relation and its descriptor, and keeps neither.
pub(crate) unsafe fn by_text<R>(
    relation: pg_sys::Relation,
    index: pg_sys::Oid,
    text: &str,
    read: impl FnOnce(pg_sys::HeapTuple, pg_sys::TupleDesc) -> R,
) -> Option<R> {
    // SAFETY: a systable scan as the server's own code does it: opened, scanned and closed in this
    // order, the tuple read before the scan ends. An error in between is cleaned up by the transaction's
    // abort.
    unsafe {
        let key = text.into_datum().unwrap_or(pg_sys::Datum::null());
        let mut scan_key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &raw mut scan_key,
            KEY,
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
        let found = (!tuple.is_null()).then(|| read(tuple, (*relation).rd_att));
        pg_sys::systable_endscan(scan);
        if !parallel {
            pg_sys::UnregisterSnapshot(snapshot);
        }
        pg_sys::pfree(key.cast_mut_ptr());
        found
    }
}
