//! The HTTP service against real sockets: the contract of `spec/openapi.yaml`, and what an attacker
//! would send.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod attacks;
mod authorisation;
#[allow(dead_code, reason = "the tests of the command use the rest")]
mod check;
mod client;
mod contract;
mod discovery;
mod dpop;
mod enrolment;
mod introspection;
mod links;
mod malformed;
mod mounted;
mod oauth;
mod order;
mod reset;
mod rotation;
mod second_device;
mod server;
mod sessions;
mod steps;
mod throttling;
mod tokens;
mod workload;
