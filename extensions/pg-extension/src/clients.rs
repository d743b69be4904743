//! The table of clients. Reading goes to the table itself by its primary key, with no SQL in
//! between: nothing that a caller set up (search path, temporary tables, role) has a say in it.
//! Writing is SQL with every name qualified, in functions that are SECURITY DEFINER. Both reach the
//! table as a member of the extension.

use pgrx::{datum::DatumWithOid, pg_sys};
use twofapi_crypto_core::{ClientId, Error, Record};

use crate::{
    columns::{self, Layout, Said},
    guard, lookup, members,
    rules::Row,
    sql,
    table::Table,
};

/// Opens the table of clients, and says which index finds one.
fn open(lock: u32) -> Result<(Table, pg_sys::Oid), Error> {
    let members = members::find()?;
    let table = Table::open(
        "clients",
        members.clients,
        members.owner,
        &columns::FIRST,
        lock,
    )?;
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
    let (table, index) = open(pg_sys::AccessShareLock)?;
    let found = find_in(&table, index, client_id);
    table.close(pg_sys::AccessShareLock);
    found
}

fn find_in(table: &Table, index: pg_sys::Oid, client_id: &ClientId) -> Result<Option<Row>, Error> {
    let layout = Layout::of(table)?;
    // SAFETY: the table is open, and its columns were looked over.
    let found = unsafe {
        guard::tells_of_every_change(table.relation())?;
        lookup::by_text(
            table.relation(),
            index,
            client_id.as_str(),
            |tuple, shape| columns::read(tuple, shape, layout),
        )
    };
    match found {
        None => Ok(None),
        Some(Some(row)) => Ok(Some(row)),
        Some(None) => Err(Error::Unavailable {
            reason: "a row of twofapi.clients is damaged; restore it from a dump".into(),
        }),
    }
}

/// Adds a client; false when the id is taken.
pub(crate) fn insert(client_id: &ClientId, record: &Record) -> Result<bool, Error> {
    let written = write(|clients, layout| {
        let said = columns::say(record, layout)?;
        let names: Vec<_> = said.iter().map(|(name, _)| *name).collect();
        let places: Vec<_> = (0..=said.len()).map(|n| format!("${}", n + 1)).collect();
        let statement = format!(
            "INSERT INTO {clients} (client_id, {}) VALUES ({}) ON CONFLICT DO NOTHING",
            names.join(", "),
            places.join(", "),
        );
        Ok((statement, arguments(client_id, said)))
    })?;
    Ok(written == 1)
}

/// Replaces a client's record unless it was changed since it was read; false if so.
pub(crate) fn replace(client_id: &ClientId, before: &Row, record: &Record) -> Result<bool, Error> {
    let written = write(|clients, layout| {
        let mut said = columns::say(record, layout)?;
        said.extend(columns::say_changed(before, record, layout));
        let set: Vec<_> = said
            .iter()
            .enumerate()
            .map(|(n, (name, _))| format!("{name} = ${}", n + 2))
            .collect();
        let beyond = said.len() + 2;
        let statement = format!(
            "UPDATE {clients} SET {}, changed_at = pg_catalog.clock_timestamp() \
             WHERE client_id OPERATOR(pg_catalog.=) $1 \
               AND commitment_version OPERATOR(pg_catalog.=) ${beyond} \
               AND status OPERATOR(pg_catalog.=) ${}",
            set.join(", "),
            beyond + 1,
        );
        let mut arguments = arguments(client_id, said);
        let version = columns::integer(before.record.version())?;
        arguments.push(DatumWithOid::from(version));
        arguments.push(sql::text(before.record.status().as_str()));
        Ok((statement, arguments))
    })?;
    Ok(written == 1)
}

fn arguments<'a>(client_id: &'a ClientId, said: Said<'a>) -> Vec<DatumWithOid<'a>> {
    let values = said.into_iter().map(|(_, value)| value);
    [sql::text(client_id.as_str())]
        .into_iter()
        .chain(values)
        .collect()
}

/// Locks a client's row until the end of the transaction, so that what is read next stays true.
pub(crate) fn lock(client_id: &ClientId) -> Result<(), Error> {
    let locked = write(|clients, _| {
        let statement =
            format!("SELECT 1 FROM {clients} WHERE client_id OPERATOR(pg_catalog.=) $1 FOR UPDATE");
        Ok((statement, vec![sql::text(client_id.as_str())]))
    });
    locked.map(|_| ())
}

/// Runs a statement on the table of clients, which is locked until the end of the transaction, so that
/// the name stands for it.
fn write<'a>(
    statement: impl FnOnce(&str, Layout) -> Result<(String, Vec<DatumWithOid<'a>>), Error>,
) -> Result<i64, Error> {
    let (table, _) = open(pg_sys::RowExclusiveLock)?;
    table.must_have_no_policies("clients")?;
    let (statement, arguments) = statement(&table.quoted(), Layout::of(&table)?)?;
    table.close_locked();
    sql::run(&statement, &arguments)
}
