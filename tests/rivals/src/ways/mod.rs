//! The ways, each with its clients.

mod assertion;
mod opaque;
mod ours;
mod password;
mod scram;
mod webauthn;

pub(crate) use assertion::{Signed, private_key_jwt};
pub(crate) use opaque::opaque;
pub(crate) use ours::ours;
pub(crate) use password::argon2;
pub(crate) use scram::scram;
pub(crate) use webauthn::webauthn;

/// So many clients each has.
const CLIENTS: usize = 1000;

fn client(number: usize) -> String {
    format!("client-{number:08}")
}
