//! The client's prover.
//!
//! It is not constant-time, and the proof system wipes none of the copies that it makes of what is proven.
//! So it runs where nobody else can measure it or read its memory, on the client's own machine, and
//! whatever ran it is ended after each proof.

use std::fmt;

use spartan2::{
    spartan_zk::{SpartanProverKey, SpartanZkSNARK},
    traits::snark::R1CSSNARKTrait as _,
};

pub use crate::proof::{AnswersStatement, Broken, Statement};
use crate::{
    QUESTIONS, answer,
    assertion::halves,
    circuit::{Answers, Circuit, E, Witness, to_circuit},
    field::Fe,
    passkey::{PasskeyPublicKey, PasskeySignature},
    persona::{Kind, LEAVES, NullifierKey, PersonaId, Question, Threshold, Tree},
    proof::{Shape, keys, on_this_thread},
};

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The answers that were given do not open as many leaves as are needed.
    #[error("too few answers are right")]
    Answers,
    /// Keys, leaves and signature do not go together.
    #[error("what was given does not prove the statement")]
    Witness,
    /// The proof system failed.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// What a human brings.
#[derive(Clone)]
pub struct KnownAnswers<'a> {
    /// Who.
    pub persona: PersonaId,
    /// How many are needed.
    pub threshold: Threshold,
    /// The tree, from the client's record.
    pub tree: &'a Tree,
    /// The answers that were given, as elements.
    pub given: &'a [(Question, Fe)],
}

/// Everything that a proof is made of.
#[derive(Clone)]
pub struct Login<'a> {
    /// The element of the challenge.
    pub challenge: Fe,
    /// The persona's secret element.
    pub nullifier_key: &'a NullifierKey,
    /// The passkey.
    pub passkey: &'a PasskeyPublicKey,
    /// The hash that it signed.
    pub message_hash: [u8; 32],
    /// What it made of it.
    pub signature: &'a PasskeySignature,
    /// For humans.
    pub answers: Option<KnownAnswers<'a>>,
}

/// Proves for one type of persona. Making one takes some tenths of a second; it can be used again.
pub struct Prover {
    kind: Kind,
    key: SpartanProverKey<E>,
    shape: Shape,
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prover").field(&self.kind).finish()
    }
}

impl Login<'_> {
    /// What a proof of it shows.
    #[must_use]
    pub fn statement(&self) -> Statement {
        let (x, y) = self.passkey.coordinates();
        let kind = match self.answers {
            Some(_) => Kind::Human,
            None => Kind::Agent,
        };
        Statement {
            passkey_commitment: self.nullifier_key.passkey_commitment(kind, *x, *y),
            challenge: self.challenge,
            nullifier: self.nullifier_key.nullifier(self.challenge),
            message_hash: halves(&self.message_hash),
            answers: self.answers.as_ref().map(|answers| AnswersStatement {
                persona: answers.persona,
                root: answers.tree.root(),
                threshold: answers.threshold,
            }),
        }
    }

    fn witness(&self) -> Result<Witness, Unproven> {
        let (x, y) = &self.signature.point;
        let mut witness = Witness::new(
            self.nullifier_key.element(),
            self.passkey.coordinates(),
            (x, y),
            &self.message_hash,
            [&self.signature.r, &self.signature.s],
        );
        if let Some(answers) = &self.answers {
            if answers.tree.leaves()[LEAVES - 1] != self.nullifier_key.secret_leaf() {
                return Err(Unproven::Witness);
            }
            witness.answers = Some(answers.witness()?);
        }
        Ok(witness)
    }
}

impl KnownAnswers<'_> {
    /// Opens as many leaves as are needed, and the first that can be: which they are is not seen.
    fn witness(&self) -> Result<Answers, Unproven> {
        let mut x = [Fe::ZERO; QUESTIONS];
        let mut known = [Fe::ZERO; QUESTIONS];
        let mut missing = self.threshold.k();
        for (question, given) in self.given {
            let i = usize::from(question.index());
            let opens = answer::leaf(*given, question.salt(&self.persona)) == self.tree.leaves()[i];
            if missing > 0 && opens && known[i] == Fe::ZERO {
                (x[i], known[i]) = (*given, Fe::ONE);
                missing -= 1;
            }
        }
        if missing > 0 {
            return Err(Unproven::Answers);
        }
        Ok(Answers {
            x: x.each_ref().map(to_circuit),
            known: known.each_ref().map(to_circuit),
            leaves: std::array::from_fn(|i| to_circuit(&self.tree.leaves()[i])),
        })
    }
}

impl Prover {
    /// The prover for this type of persona.
    ///
    /// # Errors
    /// [`Broken`] if the proof system's keys are not those of the protocol.
    pub fn new(kind: Kind) -> Result<Self, Broken> {
        let (key, _) = keys(kind)?;
        Ok(Self {
            kind,
            key,
            shape: Shape::of(kind),
        })
    }

    /// Proves a login, afresh each time: two proofs of one login have nothing in common.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn prove(&self, login: &Login<'_>) -> Result<Vec<u8>, Unproven> {
        let statement = login.statement();
        if statement.kind() != self.kind {
            return Err(Unproven::Witness);
        }
        let circuit = Circuit {
            kind: self.kind,
            public: Some(statement.circuit_values()),
            witness: Some(login.witness()?),
        };
        self.prove_circuit(&circuit)
    }

    pub(crate) fn prove_circuit(&self, circuit: &Circuit) -> Result<Vec<u8>, Unproven> {
        let public = circuit.public.as_deref().unwrap_or_default();
        on_this_thread(|| {
            // Witnesses are not small numbers, and nothing is kept between two proofs.
            let prepared =
                SpartanZkSNARK::<E>::prep_prove(&self.key, circuit.clone(), false).ok()?;
            let (proof, _) =
                SpartanZkSNARK::<E>::prove(&self.key, circuit.clone(), prepared, false).ok()?;
            self.shape.strip(&bincode::serialize(&proof).ok()?, public)
        })?
        .ok_or(Unproven::Witness)
    }
}
