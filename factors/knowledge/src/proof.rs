//! What prover and verifier share: the statement, the keys, and the form of a proof on the wire.

use std::sync::Arc;

use bellpepper_core::SynthesisError;
use spartan2::{
    spartan_zk::{SpartanProverKey, SpartanVerifierKey, SpartanZkSNARK},
    traits::snark::{DigestHelperTrait as _, R1CSSNARKTrait as _},
};

use crate::{
    QUESTIONS,
    circuit::{Circuit, E, F, public_values, to_circuit},
    field::{Fe, small},
    persona::{Kind, PersonaId, Threshold, salts},
};

/// Length of a human's proof.
pub const HUMAN_PROOF_LEN: usize = 73_210;
/// Length of an agent's proof.
pub const AGENT_PROOF_LEN: usize = 72_818;

/// The digests of the verifier's keys: constants of the protocol. Another circuit, other constants or
/// another release of the proof system have others.
pub const HUMAN_KEY_DIGEST: [u8; 32] = [
    0x79, 0x20, 0xdf, 0xc3, 0x57, 0x83, 0x83, 0x38, 0x9b, 0xd4, 0x2a, 0x6e, 0xa7, 0x16, 0xc6, 0xdc,
    0x87, 0xeb, 0x45, 0x73, 0x51, 0xad, 0x19, 0xa5, 0xad, 0x5f, 0xf8, 0x16, 0x28, 0xc6, 0x19, 0x29,
];
/// The same for agents.
pub const AGENT_KEY_DIGEST: [u8; 32] = [
    0x72, 0x4c, 0x4e, 0x57, 0xa4, 0xf9, 0xb7, 0x9a, 0xe0, 0x5d, 0x56, 0x21, 0xa7, 0xe4, 0x0c, 0x0a,
    0x8f, 0x3a, 0x0a, 0x29, 0x6a, 0x7e, 0x2c, 0x20, 0x02, 0x28, 0x33, 0x88, 0x3c, 0x7b, 0xaf, 0x68,
];

pub(crate) const fn key_digest(kind: Kind) -> &'static [u8; 32] {
    match kind {
        Kind::Human => &HUMAN_KEY_DIGEST,
        Kind::Agent => &AGENT_KEY_DIGEST,
    }
}

/// What a proof is for. Whoever verifies computes all of it or has it on record, but for the nullifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The passkey commitment C.
    pub passkey_commitment: Fe,
    /// The element c of the challenge.
    pub challenge: Fe,
    /// What is spent.
    pub nullifier: Fe,
    /// The halves of the hash that the passkey signed.
    pub message_hash: [Fe; 2],
    /// For humans.
    pub answers: Option<AnswersStatement>,
}

/// What a human's proof says of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswersStatement {
    /// The persona, of which the salts are made.
    pub persona: PersonaId,
    /// The root of its tree.
    pub root: Fe,
    /// How many answers are shown to be known, of how many.
    pub threshold: Threshold,
}

impl Statement {
    /// The type of persona that it is about.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.answers {
            Some(_) => Kind::Human,
            None => Kind::Agent,
        }
    }

    /// The public values, in the order of the protocol.
    #[must_use]
    pub fn values(&self) -> Vec<Fe> {
        let [high, low] = self.message_hash;
        let mut values = vec![
            self.passkey_commitment,
            self.challenge,
            self.nullifier,
            high,
            low,
        ];
        if let Some(answers) = &self.answers {
            values.extend([answers.root, small(answers.threshold.k())]);
            values.extend(salts(&answers.persona));
        }
        values
    }

    pub(crate) fn circuit_values(&self) -> Vec<F> {
        self.values().iter().map(to_circuit).collect()
    }
}

/// Something went wrong that no input explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The proof system could not make its keys.
    #[error("the keys of the proof system could not be made")]
    Keys,
    /// They are not those of the protocol.
    #[error("the keys of the proof system are not those of the protocol")]
    OtherKeys,
    /// No pool of one thread could be made.
    #[error("this thread belongs to a pool of its own already")]
    Threads,
}

/// Runs this on the thread that calls, and on no other: the proof system would start a pool of threads,
/// and a host that forks, or that serves many at once, must not have one.
pub(crate) fn on_this_thread<T: Send>(run: impl FnOnce() -> T + Send) -> Result<T, Broken> {
    thread_local! {
        static POOL: Option<rayon::ThreadPool> = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build()
            .ok();
    }
    POOL.with(|pool| pool.as_ref().map(|pool| pool.install(run)))
        .ok_or(Broken::Threads)
}

/// Both keys, if they are those of the protocol.
pub(crate) fn keys(kind: Kind) -> Result<(SpartanProverKey<E>, SpartanVerifierKey<E>), Broken> {
    on_this_thread(|| {
        let (prover, verifier) = make_keys(kind).map_err(|_| Broken::Keys)?;
        let digest = verifier.digest().map_err(|_| Broken::Keys)?;
        if digest != *key_digest(kind) {
            return Err(Broken::OtherKeys);
        }
        Ok((prover, verifier))
    })?
}

fn make_keys(kind: Kind) -> Result<(SpartanProverKey<E>, SpartanVerifierKey<E>), SynthesisError> {
    SpartanZkSNARK::<E>::setup(Circuit::blank(kind)).map_err(|_| SynthesisError::Unsatisfiable)
}

/// Bytes of a compressed point.
pub(crate) const POINT: usize = 33;
/// Bytes of a scalar.
pub(crate) const SCALAR: usize = 32;
/// Scalars that one point commits to, of the witness.
pub(crate) const WITNESS_WIDTH: usize = 2048;
/// The same of the circuit of the verifier itself.
pub(crate) const ROUND_WIDTH: usize = 16;

/// How many there are of everything in a proof.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// Variables of the circuit, padded; constraints are as many.
    pub(crate) witness: usize,
    /// Rounds of the first sum-check, over constraints.
    pub(crate) outer: usize,
    /// Rounds of the second, over variables, of which the last half are public.
    pub(crate) inner: usize,
    /// Commitments of the rounds, of which there is one each.
    pub(crate) rounds: usize,
    /// Variables and constraints of the circuit of the rounds.
    pub(crate) round_variables: usize,
    pub(crate) round_constraints: usize,
    /// Rounds of the sum-checks over that circuit, folded.
    pub(crate) folded_outer: usize,
    pub(crate) folded_inner: usize,
}

impl Sizes {
    pub(crate) fn of(kind: Kind) -> Self {
        let witness: usize = match kind {
            Kind::Human => 16_384,
            Kind::Agent => 8_192,
        };
        let outer = witness.ilog2() as usize;
        let inner = outer + 1;
        // The end of the first sum-check, that of the second, and the value of the witness.
        let rounds = outer + 1 + inner + 2;
        let round_variables = rounds * ROUND_WIDTH;
        let round_constraints = round_constraints(outer, inner).next_power_of_two();
        Self {
            witness,
            outer,
            inner,
            rounds,
            round_variables,
            round_constraints,
            folded_outer: round_constraints.ilog2() as usize,
            folded_inner: round_variables.next_power_of_two().ilog2() as usize + 1,
        }
    }
}

/// What the encoding of a proof is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// A length or an option: always this.
    Fixed(Vec<u8>),
    /// So many elements of such a size: what is on the wire.
    Elements { count: usize, size: usize },
    /// The public values.
    Public,
}

/// The form of a proof. The proof system's encoding is full of lengths and options, and what it accepts
/// depends on them. Here none of them is ever read: they follow from the circuit, and only elements
/// travel.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    parts: Arc<[Part]>,
    wire_len: usize,
}

impl Shape {
    pub(crate) fn of(kind: Kind) -> Self {
        let Sizes {
            witness,
            outer,
            inner,
            rounds,
            round_constraints,
            folded_outer,
            folded_inner,
            ..
        } = Sizes::of(kind);
        let error_rows = round_constraints / ROUND_WIDTH;
        let mut parts = Parts::default();
        // The instance: nothing shared, nothing precommitted, the commitment to the witness, the public
        // values, no challenges.
        parts.fixed(&[0]);
        parts.fixed(&[0]);
        parts.list(witness / WITNESS_WIDTH, POINT);
        parts.length(public_values(kind));
        parts.0.push(Part::Public);
        parts.length(0);
        // The instance of the verifier's own circuit: a commitment of each round, three public values,
        // and a challenge of each round but the last two.
        parts.length(rounds);
        for _ in 0..rounds {
            parts.list(1, POINT);
        }
        parts.list(3, SCALAR);
        parts.length(rounds);
        for round in 0..rounds {
            parts.list(usize::from(round < outer + 1 + inner), SCALAR);
        }
        // The random instance that it is folded with: two commitments, the public values, a scalar.
        parts.list(rounds, POINT);
        parts.list(error_rows, POINT);
        parts.list(outer + 1 + inner + 3, SCALAR);
        parts.elements(1, SCALAR);
        // The cross term.
        parts.list(error_rows, POINT);
        // The proof of the folded instance: two sum-checks with three claims between them, two openings.
        parts.length(folded_outer);
        for _ in 0..folded_outer {
            parts.list(3, SCALAR);
        }
        parts.elements(3, SCALAR);
        parts.length(folded_inner);
        for _ in 0..folded_inner {
            parts.list(2, SCALAR);
        }
        for _ in 0..2 {
            parts.list(ROUND_WIDTH, SCALAR);
            parts.elements(1, SCALAR);
        }
        // The opening of the witness.
        parts.elements(2, POINT);
        parts.list(WITNESS_WIDTH, SCALAR);
        parts.elements(2, SCALAR);
        parts.done()
    }

    /// Bytes of a proof on the wire.
    pub(crate) const fn wire_len(&self) -> usize {
        self.wire_len
    }

    /// Where each element is on the wire, and how long it is.
    #[cfg(test)]
    pub(crate) fn elements(&self) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        let mut at = 0;
        for part in &*self.parts {
            if let Part::Elements { count, size } = part {
                places.extend((0..*count).map(|i| (at + i * size, *size)));
                at += count * size;
            }
        }
        places
    }

    /// The elements of an encoded proof of exactly this form.
    #[cfg(any(feature = "prove", test))]
    pub(crate) fn strip(&self, encoded: &[u8], public: &[F]) -> Option<Vec<u8>> {
        let mut wire = Vec::with_capacity(self.wire_len);
        let mut rest = encoded;
        for part in &*self.parts {
            let len = match part {
                Part::Fixed(bytes) => bytes.len(),
                Part::Elements { count, size } => count * size,
                Part::Public => public.len() * SCALAR,
            };
            let (bytes, after) = rest.split_at_checked(len)?;
            rest = after;
            match part {
                Part::Fixed(fixed) if bytes != fixed => return None,
                Part::Public if bytes != encode_scalars(public) => return None,
                Part::Elements { .. } => wire.extend_from_slice(bytes),
                Part::Fixed(_) | Part::Public => {}
            }
        }
        rest.is_empty().then_some(wire)
    }

    /// The encoding of the proof that has these elements and these public values.
    #[cfg(feature = "verify")]
    pub(crate) fn fill(&self, wire: &[u8], public: &[F]) -> Option<Vec<u8>> {
        if wire.len() != self.wire_len {
            return None;
        }
        let mut encoded = Vec::with_capacity(wire.len() + 4096);
        let mut rest = wire;
        for part in &*self.parts {
            match part {
                Part::Fixed(bytes) => encoded.extend_from_slice(bytes),
                Part::Public => encoded.extend(encode_scalars(public)),
                Part::Elements { count, size } => {
                    let (bytes, after) = rest.split_at_checked(count * size)?;
                    rest = after;
                    encoded.extend_from_slice(bytes);
                }
            }
        }
        rest.is_empty().then_some(encoded)
    }
}

fn encode_scalars(scalars: &[F]) -> Vec<u8> {
    use ff::PrimeField as _;
    let mut bytes = Vec::with_capacity(scalars.len() * SCALAR);
    for scalar in scalars {
        bytes.extend_from_slice(scalar.to_repr().as_ref());
    }
    bytes
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn fixed(&mut self, bytes: &[u8]) {
        self.0.push(Part::Fixed(bytes.to_vec()));
    }

    fn length(&mut self, count: usize) {
        self.fixed(&(count as u64).to_le_bytes());
    }

    fn elements(&mut self, count: usize, size: usize) {
        self.0.push(Part::Elements { count, size });
    }

    fn list(&mut self, count: usize, size: usize) {
        self.length(count);
        self.elements(count, size);
    }

    fn done(self) -> Shape {
        let bytes = |part: &Part| match part {
            Part::Elements { count, size } => count * size,
            _ => 0,
        };
        Shape {
            wire_len: self.0.iter().map(bytes).sum(),
            parts: self.0.into(),
        }
    }
}

/// Constraints of the verifier's own circuit.
fn round_constraints(outer: usize, inner: usize) -> usize {
    let outer: usize = (0..outer)
        .map(|round| 1 + if round == 0 { 1 } else { 3 })
        .sum();
    let inner: usize = (0..inner)
        .map(|round| 1 + if round == 0 { 3 } else { 2 })
        .sum();
    outer + (3 + 2) + inner + (2 + 1 + 3) + ROUND_WIDTH
}

const _: () = assert!(QUESTIONS == 7, "the salts are public values of the circuit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_proof_has_the_length_of_the_protocol() {
        assert_eq!(Shape::of(Kind::Human).wire_len(), HUMAN_PROOF_LEN);
        assert_eq!(Shape::of(Kind::Agent).wire_len(), AGENT_PROOF_LEN);
    }

    #[test]
    fn the_keys_are_those_of_the_protocol() {
        for kind in [Kind::Human, Kind::Agent] {
            let digest = on_this_thread(|| make_keys(kind).unwrap().1.digest().unwrap()).unwrap();
            assert_eq!(
                hex::encode(digest),
                hex::encode(key_digest(kind)),
                "{kind:?}"
            );
        }
    }
}
