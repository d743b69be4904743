//! The row that `twofapi.challenge` answers at every login. Its shape is made once per backend, with
//! neither the iterator nor the memory context nor the second call that a set of rows takes.

use core::{cell::Cell, ffi::CStr};

use pgrx::{IntoDatum, PgBuiltInOids, PgMemoryContexts, pg_sys, prelude::TimestampWithTimeZone};

/// As `sql/pg_2fapi--1.0.sql` declares them; the server compares types before it looks into a row.
const COLUMNS: [(&CStr, PgBuiltInOids); 4] = [
    (c"challenge_id", PgBuiltInOids::TEXTOID),
    (c"nonce", PgBuiltInOids::BYTEAOID),
    (c"channel_binding", PgBuiltInOids::BYTEAOID),
    (c"expires_at", PgBuiltInOids::TIMESTAMPTZOID),
];

thread_local! {
    static SHAPE: Cell<pg_sys::TupleDesc> = const { Cell::new(core::ptr::null_mut()) };
}

/// A challenge as a composite datum in the memory of the current call.
pub(crate) fn of_challenge(
    challenge_id: &str,
    nonce: &[u8],
    channel_binding: &[u8],
    expires_at: Option<TimestampWithTimeZone>,
) -> pg_sys::Datum {
    let values = [
        challenge_id.into_datum(),
        nonce.into_datum(),
        channel_binding.into_datum(),
        expires_at.into_datum(),
    ];
    let mut nulls = values.map(|value| value.is_none());
    let mut values = values.map(|value| value.unwrap_or(pg_sys::Datum::null()));
    // SAFETY: both arrays have a place for each column of the shape, and each value is of its
    // column's type. The tuple is the server's own, in memory that outlives the call.
    unsafe {
        let tuple = pg_sys::heap_form_tuple(shape(), values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data)
    }
}

/// The row's shape, registered with the server for the life of this backend.
fn shape() -> pg_sys::TupleDesc {
    SHAPE.with(|known| {
        if known.get().is_null() {
            // SAFETY: a descriptor with as many columns as are initialized, in memory that is never
            // reset. An error leaves nothing behind but that memory.
            let made = unsafe {
                PgMemoryContexts::TopMemoryContext.switch_to(|_| {
                    let made = pg_sys::CreateTemplateTupleDesc(COLUMNS.len() as i32);
                    for (number, (name, of)) in (1..).zip(COLUMNS) {
                        pg_sys::TupleDescInitEntry(made, number, name.as_ptr(), of.value(), -1, 0);
                    }
                    pg_sys::BlessTupleDesc(made)
                })
            };
            known.set(made);
        }
        known.get()
    })
}
