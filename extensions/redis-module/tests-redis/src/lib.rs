//! Real Redis servers with the module loaded, and clients that authenticate to them.

mod client;
mod server;

pub use client::{Challenge, Client, proof_of};
pub use server::{Server, module_path, wait_until};
