//! Numbers in a circuit, and the constraints that every gadget is made of.

use bellpepper_core::{ConstraintSystem, LinearCombination, SynthesisError, Variable};
use ff::Field as _;

use super::{BITS, Bits, F, Result};

/// A linear combination of variables, with its value where there is one.
#[derive(Clone)]
pub(super) struct Num {
    lc: LinearCombination<F>,
    pub(super) value: Option<F>,
}

impl Num {
    fn variable(variable: Variable, value: Option<F>) -> Self {
        let lc = LinearCombination::zero() + variable;
        Self { lc, value }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            lc: self.lc.clone() + &other.lc,
            value: self.value.zip(other.value).map(|(a, b)| a + b),
        }
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        Self {
            lc: self.lc.clone() - &other.lc,
            value: self.value.zip(other.value).map(|(a, b)| a - b),
        }
    }

    pub(super) fn times(&self, factor: F) -> Self {
        Self {
            lc: LinearCombination::zero() + (factor, &self.lc),
            value: self.value.map(|a| a * factor),
        }
    }

    /// The number that these bits are, the most significant first.
    pub(super) fn pack(bits: &[Self]) -> Self {
        let nought = Self {
            lc: LinearCombination::zero(),
            value: Some(F::ZERO),
        };
        let (sum, _) = bits
            .iter()
            .rev()
            .fold((nought, F::ONE), |(sum, weight), bit| {
                let value = sum
                    .value
                    .zip(bit.value)
                    .map(|(sum, bit)| sum + weight * bit);
                let lc = sum.lc + (weight, &bit.lc);
                (Self { lc, value }, weight.double())
            });
        sum
    }
}

/// A constraint system to which numbers and constraints are added.
pub(super) struct Builder<'a, CS> {
    cs: &'a mut CS,
    /// Makes names unique, as some systems want them.
    count: usize,
    /// A variable that a test gives another value, from which all later ones are computed.
    #[cfg(test)]
    pub(super) tampered: Option<(usize, F)>,
    #[cfg(test)]
    pub(super) allocated: usize,
}

impl<'a, CS: ConstraintSystem<F>> Builder<'a, CS> {
    pub(super) const fn new(cs: &'a mut CS) -> Self {
        Self {
            cs,
            count: 0,
            #[cfg(test)]
            tampered: None,
            #[cfg(test)]
            allocated: 0,
        }
    }

    #[allow(clippy::unused_self)]
    pub(super) fn constant(&self, value: F) -> Num {
        Num {
            lc: LinearCombination::zero() + (value, CS::one()),
            value: Some(value),
        }
    }

    pub(super) fn input(&mut self, value: Option<F>) -> Result<Num> {
        let name = self.name("public");
        let variable = self
            .cs
            .alloc_input(name, || value.ok_or(SynthesisError::AssignmentMissing))?;
        Ok(Num::variable(variable, value))
    }

    pub(super) fn alloc(&mut self, value: Option<F>) -> Result<Num> {
        #[cfg(test)]
        let value = {
            self.allocated += 1;
            match self.tampered {
                Some((index, other)) if index + 1 == self.allocated => Some(other),
                _ => value,
            }
        };
        let name = self.name("variable");
        let variable = self
            .cs
            .alloc(name, || value.ok_or(SynthesisError::AssignmentMissing))?;
        Ok(Num::variable(variable, value))
    }

    /// a · b = c
    pub(super) fn enforce(&mut self, name: &'static str, a: &Num, b: &Num, c: &Num) {
        let name = self.name(name);
        self.cs
            .enforce(name, |_| a.lc.clone(), |_| b.lc.clone(), |_| c.lc.clone());
    }

    pub(super) fn equal(&mut self, name: &'static str, a: &Num, b: &Num) {
        let one = self.constant(F::ONE);
        self.enforce(name, a, &one, b);
    }

    pub(super) fn product(&mut self, name: &'static str, a: &Num, b: &Num) -> Result<Num> {
        let product = self.alloc(a.value.zip(b.value).map(|(a, b)| a * b))?;
        self.enforce(name, a, b, &product);
        Ok(product)
    }

    /// A variable of the same value, where a combination has grown long.
    pub(super) fn flatten(&mut self, name: &'static str, a: &Num) -> Result<Num> {
        let variable = self.alloc(a.value)?;
        self.equal(name, a, &variable);
        Ok(variable)
    }

    /// The inverse, which shows that it is not nought.
    pub(super) fn inverse(&mut self, name: &'static str, a: &Num) -> Result<Num> {
        let inverse = a.value.map(|a| a.invert().unwrap_or(F::ZERO));
        let inverse = self.alloc(inverse)?;
        let one = self.constant(F::ONE);
        self.enforce(name, a, &inverse, &one);
        Ok(inverse)
    }

    pub(super) fn bits(&mut self, name: &'static str, bits: Option<&Bits>) -> Result<Vec<Num>> {
        let mut numbers = Vec::with_capacity(BITS);
        for i in 0..BITS {
            let bit = self.alloc(bits.map(|bits| F::from(u64::from(bits[i]))))?;
            self.enforce(name, &bit, &bit, &bit);
            numbers.push(bit);
        }
        Ok(numbers)
    }

    /// The number of these bits is at most that of those, both with the most significant first.
    pub(super) fn at_most(&mut self, name: &'static str, bits: &[Num], most: &Bits) -> Result<()> {
        let zero = self.constant(F::ZERO);
        // One as long as every bit that is set there is set here.
        let mut reached: Option<Num> = None;
        for (bit, set) in bits.iter().zip(most) {
            match (&reached, set) {
                (None, true) => reached = Some(bit.clone()),
                (Some(so_far), true) => reached = Some(self.product(name, so_far, bit)?),
                (None, false) => self.equal(name, bit, &zero),
                (Some(so_far), false) => {
                    let so_far = so_far.clone();
                    self.enforce(name, &so_far, bit, &zero);
                }
            }
        }
        Ok(())
    }

    fn name(&mut self, name: &'static str) -> impl FnOnce() -> String + use<CS> {
        self.count += 1;
        let count = self.count;
        move || format!("{name}#{count}")
    }
}
