//! The conformance battery: behaviours that every host shows, over the trait [`HostUnderTest`]. A new host
//! is done when its adapter passes [`run`].
//!
//! Each behaviour is a sentence about the protocol and knows nothing of the host's surface. The results are
//! kept under `target/conformance`, from where `cargo run -p twofapi-conformance` prints host × behaviour.

mod behaviours;
mod devices;
mod host;
mod person;
mod report;

pub use behaviours::names;
pub use host::{Act, Answer, By, Devices, HostUnderTest, Issued};
pub use person::Person;
pub use report::{Report, run, table};
