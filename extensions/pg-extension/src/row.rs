//! The row that `twofapi.challenge` answers at every login: of a type that has a name, so that the
//! server need not work out its columns for every call, with neither the iterator nor the memory
//! context nor the second call that a set of rows takes.

use pgrx::{
    IntoDatum, PgBuiltInOids, pg_sys, prelude::TimestampWithTimeZone, tupdesc::PgTupleDesc,
};
use twofapi_crypto_core::Error;

/// As `sql/` declares `twofapi.issued_challenge`.
const COLUMNS: [(&str, PgBuiltInOids); 4] = [
    ("challenge_id", PgBuiltInOids::TEXTOID),
    ("nonce", PgBuiltInOids::BYTEAOID),
    ("channel_binding", PgBuiltInOids::BYTEAOID),
    ("expires_at", PgBuiltInOids::TIMESTAMPTZOID),
];

/// A challenge as a composite datum of the type that the called function was declared to return, in
/// the memory of the current call.
///
/// # Safety
/// `call` must be that of the running function.
pub(crate) unsafe fn of_challenge(
    call: pg_sys::FunctionCallInfo,
    challenge_id: &str,
    nonce: &[u8],
    channel_binding: &[u8],
    expires_at: Option<TimestampWithTimeZone>,
) -> Result<pg_sys::Datum, Error> {
    // SAFETY: a call has its function's description. The server keeps the type's shape; what it
    // lends is given back on drop, or by the abort of the transaction after an error.
    let shape = unsafe {
        let function = (*call).flinfo;
        let declared = match pg_sys::get_fn_expr_rettype(function) {
            // Called without an expression, as the server's own code may.
            pg_sys::InvalidOid => pg_sys::get_func_rettype((*function).fn_oid),
            declared => declared,
        };
        PgTupleDesc::from_pg(pg_sys::lookup_rowtype_tupdesc(declared, -1))
    };
    // A column that was added and dropped again keeps its place.
    let there = shape.iter().filter(|column| !column.attisdropped);
    let declared = COLUMNS.map(|(name, of)| (name, of.value()));
    if !there
        .map(|column| (column.name(), column.atttypid))
        .eq(declared)
    {
        return Err(Error::Unavailable {
            reason: "the type twofapi.issued_challenge was altered; make it (challenge_id text, \
                     nonce bytea, channel_binding bytea, expires_at timestamptz) again"
                .into(),
        });
    }
    let values = [
        challenge_id.into_datum(),
        nonce.into_datum(),
        channel_binding.into_datum(),
        expires_at.into_datum(),
    ];
    let mut given = values.into_iter();
    let (mut values, mut nulls): (Vec<_>, Vec<_>) = shape
        .iter()
        .map(|column| match column.attisdropped {
            true => None,
            false => given.next().flatten(),
        })
        .map(|value| (value.unwrap_or(pg_sys::Datum::null()), value.is_none()))
        .unzip();
    // SAFETY: both arrays have a place for each column of the shape, and each value is of its
    // column's type. The tuple is the server's own, in memory that outlives the call.
    unsafe {
        let tuple =
            pg_sys::heap_form_tuple(shape.as_ptr(), values.as_mut_ptr(), nulls.as_mut_ptr());
        Ok(pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data))
    }
}
