//! Statements that the extension writes its tables with, and their parameters. Every name in them is
//! qualified; they run in functions that are SECURITY DEFINER.

use pgrx::{PgBuiltInOids, Spi, datum::DatumWithOid, spi::SpiResult};
use twofapi_crypto_core::Error;

/// Runs a statement that may write and says how many rows it touched. The server's own errors are
/// raised as they are.
pub(crate) fn run(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<i64, Error> {
    let touched: SpiResult<usize> =
        Spi::connect_mut(|client| Ok(client.update(statement, None, arguments)?.len()));
    match touched {
        Ok(rows) => Ok(i64::try_from(rows).unwrap_or(i64::MAX)),
        Err(error) => Err(Error::Unavailable {
            reason: format!("this cannot be written: {error}"),
        }),
    }
}

pub(crate) fn text(text: &str) -> DatumWithOid<'_> {
    DatumWithOid::from(text)
}

pub(crate) fn bytea(bytes: &[u8]) -> DatumWithOid<'_> {
    // SAFETY: a byte slice makes a bytea.
    unsafe { DatumWithOid::new(bytes, PgBuiltInOids::BYTEAOID.value()) }
}
