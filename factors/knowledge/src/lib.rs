//! The knowledge factor: a person shows to know K of N answers *and* to hold a passkey, in one
//! zero-knowledge proof; a program shows to hold a passkey. The host learns that it is so, and neither
//! answers, nor which of them, nor the public key.
//!
//! **Experimental.** Nothing builds this crate unless it is asked to. The text to the byte is
//! `spec/knowledge.md`.
//!
//! The values are those of [`twofapi_knowledge_core`]. Here are the circuit and what is done with it: with
//! the feature `prove` the client's prover, with `verify` the host's gate, without which no proof is
//! verified.

#![forbid(unsafe_code)]

pub use twofapi_knowledge_core::*;

#[cfg(any(feature = "prove", feature = "verify"))]
mod circuit;
#[cfg(feature = "verify")]
pub mod gate;
#[cfg(feature = "verify")]
mod own;
#[cfg(feature = "prove")]
pub mod passkey;
#[cfg(any(feature = "prove", feature = "verify"))]
mod proof;
#[cfg(feature = "prove")]
pub mod prove;
