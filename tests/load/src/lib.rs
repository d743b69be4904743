//! Load for `2fapi serve`: clients with credentials of their own, over connections that stay open, and what the
//! processes of service and store have spent on them meanwhile.

mod connection;
mod drive;
mod people;
mod place;
mod processes;
mod service;

pub use connection::{Connection, Failure, Outcome, Proven};
pub use drive::{Run, as_fast_as_may_be, at_a_rate};
pub use people::People;
pub use place::{Engine, Fault, Place, open};
pub use processes::{Cpus, Spent, descriptors, memory_of};
pub use service::Service;
