//! A real server in a directory of its own, and clients that prove: what the tests and the
//! benchmarks of `pg_2fapi` share.
//!
//! `TWOFAPI_PG_CONFIG` names the `pg_config` of the server, `TWOFAPI_PG_WORK` a directory that the
//! server's user may write; `scripts/run` sets both, and ends and removes what is left there.

mod client;
mod server;

pub use client::{Challenge, Client};
pub use server::{
    Database, Server, bin_dir, library_for_the_suite, run_as_server, server_user_owns,
};
