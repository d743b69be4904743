//! Real Redis servers with the module loaded, and clients that authenticate to them.

mod client;
mod readme;
mod server;

pub use client::{Challenge, Client, proof_of};
pub use readme::{printed_client_rule, readme_block};
pub use server::{
    OPERATOR_PASSWORD, REPLICA_PASSWORD, SENTINEL_PASSWORD, Server, module_path, stage, wait_until,
};
