//! What the tests that need real processes share: building and starting `2fapi serve`, a client that
//! speaks its HTTP, and reading a process's memory. A test that fails shows the server's own log.

mod client;
pub mod figures;
pub mod http_host;
mod server;
pub mod vectors;

pub use client::{Answer, Api, Enrolled};
pub use server::{Server, ServerOptions, memory_kib, run_2fapi};
