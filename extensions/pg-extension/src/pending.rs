//! The table of links that wait for their second device: at most one for a client, for a short time. A
//! crash may empty it, as it makes every challenge void that was offered.

use pgrx::{
    datum::DatumWithOid,
    pg_sys::{self, Oid},
    prelude::FromDatum,
};
use twofapi_crypto_core::{ClientId, Error, ceremony::PendingLink};

use crate::{
    backend, clock, lookup, members, sql,
    table::{Column, Table, column},
};

const COLUMNS: [Column; 3] = [
    Column {
        bytewise: true,
        ..column("client_id", pg_sys::TEXTOID)
    },
    column("pending", pg_sys::BYTEAOID),
    column("until", pg_sys::TIMESTAMPTZOID),
];

/// How many that are over are taken away with each new one.
const SWEPT: i32 = 16;

fn open(lock: u32) -> Result<(Table, Oid), Error> {
    let members = members::find()?;
    if members.pending_links == pg_sys::InvalidOid {
        return Err(altered());
    }
    let table = Table::open(
        "pending_links",
        members.pending_links,
        members.owner,
        &COLUMNS,
        lock,
    )?;
    match table.primary_key_on_first_column() {
        Some(index) => Ok((table, index)),
        None => {
            table.close(lock);
            Err(altered())
        }
    }
}

fn altered() -> Error {
    Error::Unavailable {
        reason:
            "twofapi.pending_links is missing or was altered; ALTER EXTENSION pg_2fapi UPDATE, or \
                 create the extension again"
                .into(),
    }
}

/// What is pending of a client. On a standby there is nothing.
pub(crate) fn find(client_id: &ClientId) -> Result<Option<PendingLink>, Error> {
    if backend::in_recovery() {
        return Ok(None);
    }
    let (table, index) = open(pg_sys::AccessShareLock)?;
    // SAFETY: the table is open, and its columns were looked over; the arrays have a place for each.
    let found = unsafe {
        lookup::by_text(
            table.relation(),
            index,
            client_id.as_str(),
            |tuple, shape| {
                let columns = usize::try_from((*shape).natts)
                    .unwrap_or(0)
                    .max(COLUMNS.len());
                let mut values = vec![pg_sys::Datum::null(); columns];
                let mut nulls = vec![true; columns];
                pg_sys::heap_deform_tuple(tuple, shape, values.as_mut_ptr(), nulls.as_mut_ptr());
                Vec::<u8>::from_datum(values[1], nulls[1])
            },
        )
    };
    table.close(pg_sys::AccessShareLock);
    let bytes = found.flatten();
    bytes
        .map(|bytes| {
            PendingLink::from_bytes(&bytes).map_err(|_| Error::Unavailable {
                reason: "a row of twofapi.pending_links is damaged; delete it".into(),
            })
        })
        .transpose()
}

/// Puts this in the place of whatever is pending of a client.
pub(crate) fn put(client_id: &ClientId, pending: &PendingLink) -> Result<(), Error> {
    write(
        |table| {
            format!(
                "DELETE FROM {table} WHERE client_id OPERATOR(pg_catalog.=) ANY (ARRAY(\
                     SELECT client_id FROM {table} \
                     WHERE until OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp() \
                     LIMIT $1 FOR UPDATE SKIP LOCKED))"
            )
        },
        &[DatumWithOid::from(SWEPT)],
    )?;
    let written = write(
        |table| {
            format!(
                "INSERT INTO {table} (client_id, pending, until) VALUES ($1, $2, $3) \
                 ON CONFLICT (client_id) DO UPDATE SET pending = $2, until = $3"
            )
        },
        &arguments(client_id, pending),
    );
    written.map(|_| ())
}

/// Puts one in the place of another; false when that is not there.
pub(crate) fn replace(
    client_id: &ClientId,
    before: &PendingLink,
    after: &PendingLink,
) -> Result<bool, Error> {
    let was = before.to_bytes();
    let mut arguments = arguments(client_id, after);
    arguments.push(sql::bytea(&was));
    let written = write(
        |table| {
            format!(
                "UPDATE {table} SET pending = $2, until = $3 \
                 WHERE client_id OPERATOR(pg_catalog.=) $1 AND pending OPERATOR(pg_catalog.=) $4"
            )
        },
        &arguments,
    )?;
    Ok(written == 1)
}

/// Locks what is pending of a client until the end of the transaction; false when it is not this.
pub(crate) fn lock(client_id: &ClientId, pending: &PendingLink) -> Result<bool, Error> {
    of_this(client_id, pending, |table, is_it| {
        format!("SELECT 1 FROM {table} WHERE {is_it} FOR UPDATE")
    })
}

/// Takes it away; false when it is not there.
pub(crate) fn delete(client_id: &ClientId, pending: &PendingLink) -> Result<bool, Error> {
    of_this(client_id, pending, |table, is_it| {
        format!("DELETE FROM {table} WHERE {is_it}")
    })
}

fn of_this(
    client_id: &ClientId,
    pending: &PendingLink,
    statement: impl Fn(&str, &str) -> String,
) -> Result<bool, Error> {
    let is_it = "client_id OPERATOR(pg_catalog.=) $1 AND pending OPERATOR(pg_catalog.=) $2";
    let bytes = pending.to_bytes();
    let found = write(
        |table| statement(table, is_it),
        &[sql::text(client_id.as_str()), sql::bytea(&bytes)],
    )?;
    Ok(found == 1)
}

fn arguments<'a>(client_id: &'a ClientId, pending: &PendingLink) -> Vec<DatumWithOid<'a>> {
    let until = clock::to_number(pending.until());
    // SAFETY: bytes make a bytea, and the server keeps a timestamp as such a number.
    unsafe {
        vec![
            sql::text(client_id.as_str()),
            DatumWithOid::new(pending.to_bytes(), pg_sys::BYTEAOID),
            DatumWithOid::new(until, pg_sys::TIMESTAMPTZOID),
        ]
    }
}

/// Runs a statement on the table, which is locked until the end of the transaction.
fn write(statement: impl Fn(&str) -> String, arguments: &[DatumWithOid<'_>]) -> Result<i64, Error> {
    let (table, _) = open(pg_sys::RowExclusiveLock)?;
    table.must_have_no_policies("pending_links")?;
    let statement = statement(&table.quoted());
    table.close_locked();
    sql::run(&statement, arguments)
}
