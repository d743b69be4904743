//! The gate before the proof system: the only place where a proof is verified.
//!
//! The proof system is a library that was written to be called with proofs of the right form, and does
//! not check that they are. So no length, no option and no public value is ever taken from the wire: a
//! proof is its elements, in order, and whatever stands between them is put there by the verifier. What
//! was decoded must encode to the same bytes, and what was verified must be what was expected. And a
//! verifier of our own has to accept it as well.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use spartan2::{
    spartan_zk::{SpartanVerifierKey, SpartanZkSNARK},
    traits::snark::R1CSSNARKTrait as _,
};

pub use crate::proof::{
    AGENT_KEY_DIGEST, AGENT_PROOF_LEN, AnswersStatement, Broken, HUMAN_KEY_DIGEST, HUMAN_PROOF_LEN,
    Statement,
};
use crate::{
    circuit::{E, F},
    own::{NotProven, OwnVerifier},
    persona::Kind,
    proof::{Shape, keys, on_this_thread},
};

#[cfg(panic = "abort")]
compile_error!("a host that verifies proofs has to unwind: a panic over a proof is a refusal");

/// Why a proof is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is for the other type of persona.
    #[error("the statement is about another type of persona")]
    Kind,
    /// It has not the length that every proof has.
    #[error("a proof has another length")]
    Length,
    /// It is not the one encoding of its elements.
    #[error("not the encoding of a proof")]
    Encoding,
    /// It proves nothing, or something else.
    #[error("the proof is refused")]
    Proof,
    /// One verifier accepts it and the other does not. A reason to stop accepting any.
    #[error("the two verifiers do not agree")]
    Disagreement,
    /// The proof system broke down over it. A reason to look closer at who sent it, and at what.
    #[error("the proof system broke down")]
    BrokeDown,
}

/// Verifies proofs for one type of persona. Making one takes a third of a second, and it holds a few
/// megabytes: make it once.
pub struct Verifier {
    kind: Kind,
    key: SpartanVerifierKey<E>,
    shape: Shape,
    own: OwnVerifier,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier").field(&self.kind).finish()
    }
}

impl Verifier {
    /// The verifier for this type of persona.
    ///
    /// # Errors
    /// [`Broken`] if the proof system's keys are not those of the protocol.
    pub fn new(kind: Kind) -> Result<Self, Broken> {
        let (_, key) = keys(kind)?;
        Ok(Self {
            kind,
            key,
            shape: Shape::of(kind),
            own: OwnVerifier::new(kind),
        })
    }

    /// Whether this proves that.
    ///
    /// # Errors
    /// [`Refused`]. A caller tells nobody but its operator why.
    pub fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), Refused> {
        if statement.kind() != self.kind {
            return Err(Refused::Kind);
        }
        if proof.len() != self.shape.wire_len() {
            return Err(Refused::Length);
        }
        // Nothing of what is unwound is used afterwards: the key is only read.
        let verified = catch_unwind(AssertUnwindSafe(|| {
            on_this_thread(|| self.verify_on_this_thread(statement, proof))
        }));
        match verified {
            Ok(Ok(verified)) => verified,
            Ok(Err(_)) | Err(_) => Err(Refused::BrokeDown),
        }
    }

    /// Both verifiers are asked, and both must accept.
    fn verify_on_this_thread(&self, statement: &Statement, wire: &[u8]) -> Result<(), Refused> {
        let public = statement.circuit_values();
        let theirs = self.verify_with_library(&public, wire);
        let ours = self.own.verify(&public, wire);
        both(theirs, ours)
    }

    fn verify_with_library(&self, public: &[F], wire: &[u8]) -> Result<(), Refused> {
        let encoded = self.shape.fill(wire, public).ok_or(Refused::Length)?;
        let proof: SpartanZkSNARK<E> =
            bincode::deserialize(&encoded).map_err(|_| Refused::Encoding)?;
        if bincode::serialize(&proof).map_err(|_| Refused::Encoding)? != encoded {
            return Err(Refused::Encoding);
        }
        let shown = proof.verify(&self.key).map_err(|_| Refused::Proof)?;
        if shown != public {
            return Err(Refused::Proof);
        }
        Ok(())
    }
}

const fn both(library: Result<(), Refused>, own: Result<(), NotProven>) -> Result<(), Refused> {
    match (library, own) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(why), Err(NotProven(_))) => Err(why),
        (Ok(()), Err(NotProven(_))) | (Err(_), Ok(())) => Err(Refused::Disagreement),
    }
}

#[cfg(all(test, feature = "prove"))]
mod figures;
#[cfg(all(test, feature = "prove"))]
mod tests;
