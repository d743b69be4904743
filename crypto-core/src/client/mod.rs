//! A client as hosts know it: its id, and the record that they keep under it.

mod id;
mod record;

pub use id::{CLIENT_ID_MAX, ClientId};
pub use record::{ClientRecord, ClientStatus, Transition};
