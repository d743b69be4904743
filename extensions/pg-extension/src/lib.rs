//! `pg_2fapi`: zero-knowledge sessions inside PostgreSQL. A connection proves who it is with a
//! Sigma proof, and Row-Level Security policies ask `twofapi.current_client()`.
//!
//! Rooms: [`rules`] decides without the server, and the core drives its ceremonies; [`backend`],
//! [`clock`], [`gucs`], [`strict`], [`sql`] and [`errors`] stand between us and the server; [`members`],
//! [`definition`], [`table`] and [`lookup`] find the extension's tables; [`shmem`], [`columns`],
//! [`clients`], [`pending`], [`known`], [`statements`], [`postings`], [`audit`], [`audit_table`], [`spool`]
//! and [`writer`] keep; [`challenges`] and [`attempt`] let clients in, and [`session`] is what they get;
//! [`guard`], [`hooks`], [`executor`] and [`secrecy`] watch; [`surface`], [`links`], [`sessions`] and
//! [`administration`] are the SQL functions, declared in `sql/`, by the manners of [`calls`], and [`row`] the
//! answer of the most frequent one. No room needs one that needs it.
#![cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]

mod administration;
mod attempt;
mod audit;
mod audit_table;
mod backend;
mod calls;
mod challenges;
mod clients;
mod clock;
mod columns;
mod definition;
mod errors;
mod executor;
mod guard;
mod gucs;
mod hooks;
mod known;
mod links;
mod lookup;
mod members;
mod pending;
mod postings;
mod row;
mod rules;
mod scopes;
mod secrecy;
mod session;
mod sessions;
mod shmem;
mod spool;
mod sql;
mod statements;
mod strict;
#[cfg(feature = "for-the-suite")]
mod suite;
mod surface;
mod table;
mod writer;

use pgrx::{pg_guard, pg_sys};
use twofapi_crypto_core::ceremony::Decoys;

::pgrx::pg_module_magic!();

/// Called when the library is loaded. Everything that lasts is set up in the postmaster; loaded
/// later, the functions say what is missing.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // SAFETY: a flag of the server, read in its one thread.
    if !unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        return;
    }
    gucs::define();
    shmem::install();
    hooks::install();
    executor::install();
    secrecy::install();
    definition::install();
    writer::install();
    // Backends are forks of this process.
    twofapi_crypto_core::precompute();
    let _ = Decoys::new([0; 16]);
}
