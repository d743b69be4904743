//! A deterministic simulation of a service of several replicas over a store that fails: one process, one seed,
//! virtual time. The ceremonies are the real ones and so are the proofs; what is simulated is everything around
//! them. See `README.md` for what that covers and what it does not.

mod chance;
mod client;
mod data;
mod env;
mod failures;
mod faults;
mod invariants;
mod messages;
mod node;
mod operator;
mod replica;
mod requests;
mod store;
mod thief;
mod world;

pub use failures::FAILURES;
pub use faults::Fault;
pub use world::{Broken, Summary, run};
