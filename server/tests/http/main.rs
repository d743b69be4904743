//! The HTTP service against real sockets: the contract of `spec/openapi.yaml`, and what an attacker
//! would send.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod attacks;
mod client;
mod connections;
mod contract;
mod disk;
mod enrolment;
mod logging;
mod malformed;
mod mounted;
mod operator;
mod process;
mod rotation;
mod server;
mod settings;
mod throttling;
mod tokens;
