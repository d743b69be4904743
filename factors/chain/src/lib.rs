//! The on-chain second factor, as far as it needs no chain: what nodes, users and services compute.
//! `spec/chain.md` is normative; the contracts decide the same things.
//!
//! A session in the order of its steps: a service's [`Request`] has an id; a session id provider draws the
//! session id with the VRF and makes a [`seal::Sealed`] for the user and the validator; the user unseals it,
//! signs the [`typed_data`] and makes a [`tag()`]; the validator opens the session with an [`witness::Opened`].

pub mod ephemeral;
mod field;
pub mod seal;
pub mod sigma;
mod tag;
pub mod typed_data;
pub mod vectors;
pub mod witness;

pub use tag::tag;
pub use twofapi_chain_vrf as vrf;
pub use typed_data::{Deployment, Request};

use k256::{Scalar, elliptic_curve::ops::Reduce};
use sha3::{Digest, Keccak256};

/// The hash of the chain.
#[must_use]
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// What the session id of a request is the VRF's output for: `seed` is the hash of the block after the request's.
#[must_use]
pub fn alpha(id: &[u8; 32], seed: &[u8; 32]) -> Vec<u8> {
    [b"2FApi-v1.0-Chain-Session".as_slice(), id, seed].concat()
}

/// The address that the precompile of ecrecover knows a point by.
#[must_use]
pub fn address_of(point: &vrf::Point) -> [u8; 20] {
    let hash = keccak256(&[point.x(), point.y()].concat());
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}

/// 32 bytes, big-endian, modulo the group's order.
fn reduce(bytes: &[u8; 32]) -> Scalar {
    <Scalar as Reduce<k256::FieldBytes>>::reduce(&(*bytes).into())
}
