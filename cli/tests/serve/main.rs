//! `2fapi serve` as a process, with what its operator says to it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod apply;
mod audit;
#[allow(dead_code, reason = "the tests of the library use the rest")]
#[path = "../../../server/tests/http/client.rs"]
mod client;
mod clients;
mod configuration;
mod connections;
mod disk;
mod doctor;
mod logging;
mod moving;
#[cfg(all(feature = "tls", feature = "metrics"))]
mod network;
mod operator;
mod process;
mod settings;
mod signing_keys;
