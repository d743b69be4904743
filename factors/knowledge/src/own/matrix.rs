//! The three matrices of a circuit, and multilinear extensions.

use bellpepper_core::{ConstraintSystem, Index, LinearCombination, SynthesisError, Variable};
use ff::Field as _;
use spartan2::traits::circuit::SpartanCircuit as _;

use crate::circuit::{Circuit, F};

type Result<T> = std::result::Result<T, SynthesisError>;

/// An entry: row, column, value. Columns are variables, then one, then public values.
type Entries = Vec<(u32, u32, F)>;

/// A · z ∘ B · z = C · z
pub(super) struct Matrices([Entries; 3]);

impl Matrices {
    /// Those of our circuit, whose variables are padded to so many.
    pub(super) fn of_circuit(circuit: &Circuit, padded: usize) -> Self {
        let mut collector = Collector {
            padded,
            ..Collector::default()
        };
        // A circuit without values has nothing that could fail; if it had, no proof would be accepted.
        let built = circuit.synthesize(&mut collector, &[], &[], None);
        debug_assert!(built.is_ok());
        Self(collector.entries)
    }

    pub(super) const fn new(entries: [Entries; 3]) -> Self {
        Self(entries)
    }

    /// The value of each one's extension where rows and columns have these weights.
    pub(super) fn evaluate(&self, rows: &[F], columns: &[F]) -> [F; 3] {
        self.0.each_ref().map(|entries| {
            let mut sum = F::ZERO;
            // Entries come by rows, and most rows have several.
            let mut row = 0;
            let mut in_row = F::ZERO;
            for (at, column, value) in entries {
                if *at != row {
                    sum += rows[row as usize] * in_row;
                    (row, in_row) = (*at, F::ZERO);
                }
                in_row += columns[*column as usize] * value;
            }
            sum + rows[row as usize] * in_row
        })
    }
}

#[derive(Default)]
struct Collector {
    padded: usize,
    variables: usize,
    inputs: usize,
    constraints: u32,
    entries: [Entries; 3],
}

impl Collector {
    fn push(&mut self, which: usize, lc: &LinearCombination<F>) {
        for (variable, value) in lc.iter() {
            let column = match variable.get_unchecked() {
                Index::Aux(i) => i,
                Index::Input(i) => self.padded + i,
            };
            if *value != F::ZERO {
                self.entries[which].push((self.constraints, column as u32, *value));
            }
        }
    }
}

impl ConstraintSystem<F> for Collector {
    type Root = Self;

    fn alloc<V, A, AR>(&mut self, _: A, _: V) -> Result<Variable>
    where
        V: FnOnce() -> Result<F>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        self.variables += 1;
        Ok(Variable::new_unchecked(Index::Aux(self.variables - 1)))
    }

    fn alloc_input<V, A, AR>(&mut self, _: A, _: V) -> Result<Variable>
    where
        V: FnOnce() -> Result<F>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        self.inputs += 1;
        Ok(Variable::new_unchecked(Index::Input(self.inputs)))
    }

    fn enforce<A, AR, LA, LB, LC>(&mut self, _: A, a: LA, b: LB, c: LC)
    where
        A: FnOnce() -> AR,
        AR: Into<String>,
        LA: FnOnce(LinearCombination<F>) -> LinearCombination<F>,
        LB: FnOnce(LinearCombination<F>) -> LinearCombination<F>,
        LC: FnOnce(LinearCombination<F>) -> LinearCombination<F>,
    {
        let zero = LinearCombination::zero;
        for (which, lc) in [a(zero()), b(zero()), c(zero())].iter().enumerate() {
            self.push(which, lc);
        }
        self.constraints += 1;
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn pop_namespace(&mut self) {}
    fn get_root(&mut self) -> &mut Self {
        self
    }
}

pub(super) fn sum_of(terms: impl Iterator<Item = F>) -> F {
    terms.fold(F::ZERO, |sum, term| sum + term)
}

pub(super) fn inner_product(a: &[F], b: &[F]) -> F {
    sum_of(a.iter().zip(b).map(|(a, b)| *a * b))
}

/// Π (a_i · b_i + (1 − a_i) · (1 − b_i))
pub(super) fn eq(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).fold(F::ONE, |product, (a, b)| {
        product * (*a * b + (F::ONE - a) * (F::ONE - b))
    })
}

/// [`eq`] with every point of noughts and ones, the first coordinate being the highest bit.
pub(super) fn eq_table(point: &[F]) -> Vec<F> {
    let mut table = vec![F::ONE];
    for r in point {
        table = table
            .iter()
            .flat_map(|value| {
                let set = *value * r;
                [*value - set, set]
            })
            .collect();
    }
    table
}
