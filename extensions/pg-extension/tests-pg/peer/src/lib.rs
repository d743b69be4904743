//! What the benchmark measures beside `pg_2fapi`, and nothing else has a use for.

mod equation;
mod jwt;

use pgrx::pg_guard;

::pgrx::pg_module_magic!();

/// Preloaded as `pg_2fapi` is, so that backends share the multiples of G and H.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    twofapi_crypto_core::precompute();
}
