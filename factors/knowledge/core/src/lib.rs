//! The knowledge factor as far as it needs no prover: what its values are, and what a host reads before
//! it looks at a proof.
//!
//! **Experimental.** The text to the byte is `spec/knowledge.md`. This crate has light dependencies only,
//! so that the command can check vector files; the circuit, the prover and the gate are in
//! `twofapi-knowledge`, which nothing builds unless it is asked to.
//!
//! No input or output happens here. Client and host share [`field`], [`poseidon2`], [`persona`],
//! [`challenge`] and [`oprf`]; [`normalise`], [`answer`] and [`kit`] are the client's; [`assertion`] is
//! what the host reads of a passkey's signature.

#![forbid(unsafe_code)]

pub mod answer;
pub mod assertion;
pub mod challenge;
pub mod field;
pub mod kit;
pub mod normalise;
pub mod oprf;
pub mod persona;
pub mod poseidon2;
#[cfg(feature = "vectors")]
pub mod vectors;

/// The questions that a persona can have.
pub const QUESTIONS: usize = 7;

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no canonical encoding.
    #[error("not a canonical encoding")]
    Encoding,
    /// The host's evaluation was not made with the key that the client knows.
    #[error("the evaluation was made with another key")]
    Evaluation,
    /// It is too long or too short, or there are too many or too few.
    #[error("of a length that is not allowed")]
    Length,
    /// K and N do not go together, or not with the type of the persona.
    #[error("not a threshold: 1 ≤ K ≤ N ≤ 7 for humans, none for agents")]
    Threshold,
}

/// `LP(x)`: four bytes of length, big-endian, then x. Inputs are bounded by their types.
pub(crate) fn push_lp(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
