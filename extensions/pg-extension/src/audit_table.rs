//! The table of the audit, and how its writer adds rows: by the server's executor, with no SQL in
//! between. Constraints and indexes are kept as ever; no trigger, rule or policy is asked.

use core::ffi::CStr;

use pgrx::{
    IntoDatum,
    datum::{DatumWithOid, Inet},
    pg_sys::{self, Datum, Oid},
};
use twofapi_crypto_core::Error;

use crate::{
    clock, members,
    rules::event::Event,
    sql,
    table::{Column, Table, column},
};

/// Columns of `twofapi.audit_log`; later versions only add columns behind these.
const COLUMNS: [Column; 12] = [
    column("id", pg_sys::INT8OID),
    column("at", pg_sys::TIMESTAMPTZOID),
    column("action", pg_sys::TEXTOID),
    column("outcome", pg_sys::TEXTOID),
    column("reason", pg_sys::TEXTOID),
    column("client_id", pg_sys::TEXTOID),
    column("role", pg_sys::TEXTOID),
    column("backend", pg_sys::INT4OID),
    column("transaction", pg_sys::XID8OID),
    column("address", pg_sys::INETOID),
    column("application_name", pg_sys::TEXTOID),
    column("run", pg_sys::INT8OID),
];

/// Behind them since version 1.1, wherever an upgrade put it.
const CREDENTIAL: Column = column("credential_id", pg_sys::TEXTOID);

unsafe extern "C-unwind" {
    /// Not among pgrx's bindings.
    fn nextval_internal(sequence: Oid, check_permissions: bool) -> i64;
}

/// # Safety
/// Inside a transaction that may write, and of a sequence.
unsafe fn nextval(sequence: Oid) -> i64 {
    // SAFETY: the caller's; there is nothing to drop if the server raises an error.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| nextval_internal(sequence, false)) }
}

/// Opens the table.
pub(crate) fn open(lock: u32) -> Result<Table, Error> {
    let members = members::find()?;
    if members.audit_log == pg_sys::InvalidOid {
        return Err(missing());
    }
    Table::open(
        "audit_log",
        members.audit_log,
        members.owner,
        &COLUMNS,
        lock,
    )
}

fn missing() -> Error {
    Error::Unavailable {
        reason: "twofapi.audit_log or its sequence is missing; give them their names back, or \
                 create the extension again"
            .into(),
    }
}

/// Adds a row for each event, inside a transaction.
pub(crate) fn insert(events: &[Event], run: i64) -> Result<(), Error> {
    let table = open(pg_sys::RowExclusiveLock)?;
    let sequence = members::find()?.audit_log_id;
    // SAFETY: a look-up in the catalogue, of an oid that it gave, or none.
    let kind = unsafe { pg_sys::get_rel_relkind(sequence) };
    if kind as u8 != pg_sys::RELKIND_SEQUENCE {
        return Err(missing());
    }
    let relation = table.relation();
    let credential_at = table.place_of(&CREDENTIAL);
    // SAFETY: the executor's own sequence for adding rows to an open table: state, result relation
    // and slot live from here to the end of this block, and the slot has a place for each column of
    // the table, of which the first are those of `COLUMNS`. Without trigger descriptions no trigger
    // is run. An error in between is cleaned up by the transaction's abort.
    unsafe {
        let state = pg_sys::CreateExecutorState();
        let result =
            pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()).cast::<pg_sys::ResultRelInfo>();
        // Of its type, for whoever looks at it as a node.
        (*result).type_ = pg_sys::NodeTag::T_ResultRelInfo;
        pg_sys::InitResultRelInfo(result, relation, 0, core::ptr::null_mut(), 0);
        (*result).ri_TrigDesc = core::ptr::null_mut();
        pg_sys::ExecOpenIndices(result, false);
        let slot = pg_sys::table_slot_create(relation, core::ptr::null_mut());
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        for event in events {
            clear(slot);
            let columns = usize::try_from((*(*slot).tts_tupleDescriptor).natts).unwrap_or(0);
            let values = core::slice::from_raw_parts_mut((*slot).tts_values, columns);
            let nulls = core::slice::from_raw_parts_mut((*slot).tts_isnull, columns);
            values.fill(Datum::null());
            nulls.fill(true);
            let row = row(event, nextval(sequence), run).into_iter().enumerate();
            let credential = event.credential.and_then(|id| id.to_string().into_datum());
            for (at, given) in row.chain(credential_at.map(|at| (at, credential))) {
                if let (Some(value), Some(null)) = (values.get_mut(at), nulls.get_mut(at)) {
                    (*value, *null) = (given.unwrap_or(Datum::null()), given.is_none());
                }
            }
            pg_sys::ExecStoreVirtualTuple(slot);
            pg_sys::ExecSimpleRelationInsert(result, state, slot);
        }
        pg_sys::PopActiveSnapshot();
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::ExecCloseIndices(result);
        pg_sys::FreeExecutorState(state);
    }
    table.close_locked();
    Ok(())
}

/// Deletes rows older than so many days of 24 hours, and says how many they were.
pub(crate) fn delete_before(days: i32) -> Result<i64, Error> {
    let table = open(pg_sys::RowExclusiveLock)?;
    table.must_have_no_policies("audit_log")?;
    let statement = format!(
        "DELETE FROM {} WHERE at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) \
         pg_catalog.make_interval(hours => 24 OPERATOR(pg_catalog.*) $1))",
        table.quoted()
    );
    table.close_locked();
    sql::run(&statement, &[DatumWithOid::from(days)])
}

/// # Safety
/// A slot that the server made.
unsafe fn clear(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: every kind of slot has this operation; it raises no error.
    unsafe {
        if let Some(clear) = (*(*slot).tts_ops).clear {
            clear(slot);
        }
    }
}

fn row(event: &Event, id: i64, run: i64) -> [Option<Datum>; COLUMNS.len()] {
    [
        id.into_datum(),
        clock::timestamp(event.at).into_datum(),
        event.action.as_str().into_datum(),
        event.outcome.as_str().into_datum(),
        text(event.outcome.reason().as_bytes()),
        text(event.client.id_bytes()),
        role_name(event.role),
        event.backend.into_datum(),
        (event.transaction != 0).then(|| Datum::from(event.transaction)),
        event
            .address
            .and_then(|address| Inet(address.to_string()).into_datum()),
        text(event.application.as_bytes()),
        run.into_datum(),
    ]
}

/// Bytes in the server's encoding as a text: NULL when there are none. Bytes and text are laid out
/// alike.
fn text(bytes: &[u8]) -> Option<Datum> {
    (!bytes.is_empty()).then(|| bytes.into_datum()).flatten()
}

/// `None` when the role was dropped meanwhile.
fn role_name(role: u32) -> Option<Datum> {
    // SAFETY: the server answers null or a string that ends in zero, in the transaction's memory.
    unsafe {
        let name = pg_sys::GetUserNameFromId(Oid::from_u32(role), true);
        (!name.is_null())
            .then(|| text(CStr::from_ptr(name).to_bytes()))
            .flatten()
    }
}
