//! The statement as constraints over the base field of P-256: two circuits, of humans and of agents.
//!
//! Every constraint has a name, by which the tests know it: each is shown to refuse something that all
//! others let pass.

mod builder;
mod curve;
mod hash;
#[cfg(all(test, feature = "prove"))]
pub(crate) mod tests;

use bellpepper_core::{ConstraintSystem, SynthesisError, num::AllocatedNum};
use ff::Field as _;
use spartan2::{
    provider::T256HyraxEngine,
    traits::{Engine, circuit::SpartanCircuit},
};

use crate::{
    QUESTIONS,
    field::{Fe, encode},
    persona::{Kind, LEAVES},
    poseidon2::Pair,
};
use builder::{Builder, Num};

/// The engine of the proof system: the scalar field of the curve T256 is the base field of P-256.
pub(crate) type E = T256HyraxEngine;
/// An element, as the proof system has it.
pub(crate) type F = <E as Engine>::Scalar;

/// Bits of a scalar.
const BITS: usize = 256;
type Bits = [bool; BITS];
type Result<T> = std::result::Result<T, SynthesisError>;

/// n − 1, with n the order of P-256.
const ORDER_MINUS_ONE: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x50,
];

/// Public values of a kind of persona.
pub(crate) const fn public_values(kind: Kind) -> usize {
    match kind {
        Kind::Human => 7 + QUESTIONS,
        Kind::Agent => 5,
    }
}

/// The same element for the proof system, whose bytes are the other way round.
pub(crate) fn to_circuit(element: &Fe) -> F {
    use ff::PrimeField as _;
    let mut repr = <F as ff::PrimeField>::Repr::default();
    let mut bytes = encode(element);
    bytes.reverse();
    repr.as_mut().copy_from_slice(&bytes);
    // Canonical, so that there is such an element.
    F::from_repr(repr).unwrap_or(F::ZERO)
}

fn bits_of(bytes: &[u8; 32]) -> Bits {
    std::array::from_fn(|i| (bytes[i / 8] >> (7 - i % 8)) & 1 == 1)
}

/// What the client alone knows.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) nullifier_key: F,
    pub(crate) q: (F, F),
    pub(crate) r_point: (F, F),
    pub(crate) e: Bits,
    pub(crate) r: Bits,
    pub(crate) s: Bits,
    pub(crate) answers: Option<Answers>,
}

/// What a human knows besides.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(crate) x: [F; QUESTIONS],
    pub(crate) known: [F; QUESTIONS],
    pub(crate) leaves: [F; QUESTIONS],
}

/// A circuit, with values to prove or without them to make keys.
#[derive(Clone)]
pub(crate) struct Circuit {
    pub(crate) kind: Kind,
    pub(crate) public: Option<Vec<F>>,
    pub(crate) witness: Option<Witness>,
}

impl Witness {
    pub(crate) fn new(
        nullifier_key: &Fe,
        q: (&Fe, &Fe),
        r_point: (&Fe, &Fe),
        hash: &[u8; 32],
        [r, s]: [&[u8; 32]; 2],
    ) -> Self {
        let both = |(x, y)| (to_circuit(x), to_circuit(y));
        Self {
            nullifier_key: to_circuit(nullifier_key),
            q: both(q),
            r_point: both(r_point),
            e: bits_of(hash),
            r: bits_of(r),
            s: bits_of(s),
            answers: None,
        }
    }
}

impl Circuit {
    /// The circuit without values.
    pub(crate) const fn blank(kind: Kind) -> Self {
        Self {
            kind,
            public: None,
            witness: None,
        }
    }

    fn build<CS: ConstraintSystem<F>>(&self, b: &mut Builder<'_, CS>) -> Result<()> {
        let mut public = Vec::new();
        for i in 0..public_values(self.kind) {
            let value = self.public.as_ref().and_then(|values| values.get(i));
            public.push(b.input(value.copied())?);
        }
        let [passkey, challenge, nullifier, e_high, e_low, answers @ ..] = &public[..] else {
            return Err(SynthesisError::Unsatisfiable);
        };
        let w = self.witness.as_ref();

        let key = b.alloc(w.map(|w| w.nullifier_key))?;
        let q = (b.alloc(w.map(|w| w.q.0))?, b.alloc(w.map(|w| w.q.1))?);
        let commitment = b.hash3(self.kind.tag(), &q.0, &q.1, &key)?;
        b.equal("passkey", &commitment, passkey);
        let spent = b.hash2(Pair::Nullifier, &key, challenge)?;
        b.equal("nullifier", &spent, nullifier);

        self.build_signature(b, &q, [e_high, e_low])?;
        if self.kind == Kind::Human {
            self.build_answers(b, &key, answers)?;
        }
        Ok(())
    }

    /// e·G + r·Q = s·R, with x(R) = r, 0 < r < n, 0 < s < n, and both points on the curve.
    fn build_signature<CS: ConstraintSystem<F>>(
        &self,
        b: &mut Builder<'_, CS>,
        q: &curve::Point,
        [e_high, e_low]: [&Num; 2],
    ) -> Result<()> {
        let w = self.witness.as_ref();
        let r_point = (
            b.alloc(w.map(|w| w.r_point.0))?,
            b.alloc(w.map(|w| w.r_point.1))?,
        );
        b.on_curve("Q on curve", q)?;
        b.on_curve("R on curve", &r_point)?;

        let e = b.bits("bit of e", w.map(|w| &w.e))?;
        b.equal("e high", &Num::pack(&e[..BITS / 2]), e_high);
        b.equal("e low", &Num::pack(&e[BITS / 2..]), e_low);
        let r = b.bits("bit of r", w.map(|w| &w.r))?;
        let s = b.bits("bit of s", w.map(|w| &w.s))?;
        let most = bits_of(&ORDER_MINUS_ONE);
        b.at_most("r < n", &r, &most)?;
        b.at_most("s < n", &s, &most)?;
        b.equal("r = x(R)", &Num::pack(&r), &r_point.0);
        b.inverse("r ≠ 0", &r_point.0)?;
        let s_number = b.flatten("s packed", &Num::pack(&s))?;
        b.inverse("s ≠ 0", &s_number)?;

        let negated = (r_point.0.clone(), r_point.1.times(-F::ONE));
        let sum = b.weighted_sum(q, &negated, [&e, &r, &s])?;
        let expected = curve::offset().total;
        let [x, y] = [expected.0, expected.1].map(|value| b.constant(value));
        b.equal("signature", &sum.0, &x);
        b.equal("signature", &sum.1, &y);
        Ok(())
    }

    /// The tree of the persona, and K of its leaves opened.
    fn build_answers<CS: ConstraintSystem<F>>(
        &self,
        b: &mut Builder<'_, CS>,
        key: &Num,
        public: &[Num],
    ) -> Result<()> {
        let [root, threshold, salts @ ..] = public else {
            return Err(SynthesisError::Unsatisfiable);
        };
        let w = self.witness.as_ref().and_then(|w| w.answers.as_ref());
        let zero = b.constant(F::ZERO);
        let mut known = zero.clone();
        let mut row = Vec::with_capacity(LEAVES);
        for (i, salt) in salts.iter().enumerate() {
            let know = b.alloc(w.map(|w| w.known[i]))?;
            b.enforce("know is a bit", &know, &know, &know);
            let x = b.alloc(w.map(|w| w.x[i]))?;
            let leaf = b.alloc(w.map(|w| w.leaves[i]))?;
            let inner = b.hash2(Pair::Answer, &x, &zero)?;
            let opened = b.hash2(Pair::Leaf, &inner, salt)?;
            b.enforce("leaf", &know, &opened.minus(&leaf), &zero);
            known = known.plus(&know);
            row.push(leaf);
        }
        b.equal("threshold", &known, threshold);
        row.push(b.hash2(Pair::Secret, key, &zero)?);
        while row.len() > 1 {
            let mut above = Vec::with_capacity(row.len() / 2);
            for pair in row.chunks(2) {
                above.push(b.hash2(Pair::Node, &pair[0], &pair[1])?);
            }
            row = above;
        }
        b.equal("root", &row[0], root);
        Ok(())
    }
}

impl SpartanCircuit<E> for Circuit {
    fn public_values(&self) -> Result<Vec<F>> {
        self.public.clone().ok_or(SynthesisError::AssignmentMissing)
    }

    fn shared<CS: ConstraintSystem<F>>(&self, _: &mut CS) -> Result<Vec<AllocatedNum<F>>> {
        Ok(vec![])
    }

    fn precommitted<CS: ConstraintSystem<F>>(
        &self,
        _: &mut CS,
        _: &[AllocatedNum<F>],
    ) -> Result<Vec<AllocatedNum<F>>> {
        Ok(vec![])
    }

    fn num_challenges(&self) -> usize {
        0
    }

    fn synthesize<CS: ConstraintSystem<F>>(
        &self,
        cs: &mut CS,
        _: &[AllocatedNum<F>],
        _: &[AllocatedNum<F>],
        _: Option<&[F]>,
    ) -> Result<()> {
        self.build(&mut Builder::new(cs))
    }
}
