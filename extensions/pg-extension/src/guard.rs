//! Whether the table of clients tells of every change, whoever makes it: sessions learn of changes from
//! its triggers, so nobody is let in while those are not there, or do not fire always.

use core::cell::Cell;

use pgrx::{pg_sys, prelude::FromDatum};
use twofapi_crypto_core::Error;

use crate::definition;

/// The function that the triggers call, by its symbol in this library.
const SYMBOL: &str = "clients_changed_wrapper";

// From the server's `catalog/pg_language.dat` and `catalog/pg_trigger.h`.
const C_LANGUAGE: pg_sys::Oid = pg_sys::Oid::from_u32(13);
const FOR_EACH_ROW: i16 = 1 << 0;
const BEFORE: i16 = 1 << 1;
const DELETE: i16 = 1 << 3;
const UPDATE: i16 = 1 << 4;
const TRUNCATE: i16 = 1 << 5;
const INSTEAD: i16 = 1 << 6;

thread_local! {
    /// The table that was found in order, and how often its definition had changed by then.
    static IN_ORDER: Cell<(pg_sys::Oid, u64)> = const { Cell::new((pg_sys::InvalidOid, 0)) };
}

/// An error unless every update, deletion and truncation fires our trigger, also in a session that
/// replicates or restores.
///
/// # Safety
/// The relation must be open.
pub(crate) unsafe fn tells_of_every_change(relation: pg_sys::Relation) -> Result<(), Error> {
    // SAFETY: an open relation has an id; the server keeps its triggers while it is open.
    unsafe {
        let table = ((*relation).rd_id, definition::of_clients());
        if IN_ORDER.get() == table {
            return Ok(());
        }
        let triggers = (*relation).trigdesc;
        let told_of = if triggers.is_null() {
            0
        } else {
            let count = usize::try_from((*triggers).numtriggers).unwrap_or(0);
            core::slice::from_raw_parts((*triggers).triggers, count)
                .iter()
                .filter(|trigger| always_fires(trigger) && calls_us(trigger.tgfoid))
                .map(|trigger| trigger.tgtype)
                .filter(|kind| kind & (BEFORE | INSTEAD) == 0)
                // Only a truncation is told of without its rows.
                .map(|kind| match kind & FOR_EACH_ROW {
                    0 => kind & TRUNCATE,
                    _ => kind & (UPDATE | DELETE),
                })
                .fold(0, |all, kind| all | kind)
        };
        if told_of != UPDATE | DELETE | TRUNCATE {
            return Err(Error::Unavailable {
                reason: "the triggers clients_changed and clients_truncated of twofapi.clients do \
                         not fire always, so that sessions would outlive their clients; ALTER TABLE \
                         twofapi.clients ENABLE ALWAYS TRIGGER each of them, or create the \
                         extension again"
                    .into(),
            });
        }
        IN_ORDER.set(table);
        Ok(())
    }
}

fn always_fires(trigger: &pg_sys::Trigger) -> bool {
    const ALWAYS: u8 = b'A';
    trigger.tgenabled as u8 == ALWAYS && trigger.tgnattr == 0 && trigger.tgqual.is_null()
}

/// Whether a function is the one of this library.
fn calls_us(function: pg_sys::Oid) -> bool {
    const PROCOID: i32 = pg_sys::SysCacheIdentifier::PROCOID as i32;
    // SAFETY: a look-up in the server's cache, given back; attributes are of the types that the
    // catalog declares.
    unsafe {
        let row = pg_sys::SearchSysCache1(PROCOID, function.into());
        if row.is_null() {
            return false;
        }
        let attribute = |number: u32| {
            let mut null = false;
            let value = pg_sys::SysCacheGetAttr(PROCOID, row, number as i16, &raw mut null);
            (value, null)
        };
        let (language, no_language) = attribute(pg_sys::Anum_pg_proc_prolang);
        let (symbol, no_symbol) = attribute(pg_sys::Anum_pg_proc_prosrc);
        let ours = pg_sys::Oid::from_datum(language, no_language) == Some(C_LANGUAGE)
            && String::from_datum(symbol, no_symbol).as_deref() == Some(SYMBOL);
        pg_sys::ReleaseSysCache(row);
        ours
    }
}
