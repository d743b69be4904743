//! The command as processes: several servers over one store behind nginx, and people who log in at them all the while.

mod host;
mod load;
mod nginx;
mod people;
mod service;

pub use host::Host;
pub use load::{Load, come_and_go, under_load};
pub use nginx::Nginx;
pub use people::{Login, Person, Proven};
pub use service::{Replica, Store};
