//! Poseidon2 as constraints: 280 for each permutation.

use std::sync::OnceLock;

use bellpepper_core::ConstraintSystem;

use super::{
    F, Result,
    builder::{Builder, Num},
    to_circuit,
};
use crate::{
    field::{Fe, P256Base},
    poseidon2::{Constants, Instance as _, Pair, Triple, number},
};

/// Partial rounds after which the lanes, which only grow, become variables.
const FLATTENED_EVERY: usize = 12;

/// The constants, as the proof system has them.
struct Rounds {
    first: Vec<[F; 3]>,
    partial: Vec<F>,
    last: Vec<[F; 3]>,
}

fn rounds() -> &'static Rounds {
    static CELL: OnceLock<Rounds> = OnceLock::new();
    CELL.get_or_init(|| {
        let Constants {
            first,
            partial,
            last,
        } = P256Base::constants();
        let full = |rounds: &[[Fe; 3]]| {
            rounds
                .iter()
                .map(|c| c.each_ref().map(to_circuit))
                .collect()
        };
        Rounds {
            first: full(first),
            partial: partial.iter().map(to_circuit).collect(),
            last: full(last),
        }
    })
}

fn mix(s: &[Num; 3]) -> [Num; 3] {
    let sum = s[0].plus(&s[1]).plus(&s[2]);
    s.each_ref().map(|lane| lane.plus(&sum))
}

impl<CS: ConstraintSystem<F>> Builder<'_, CS> {
    pub(super) fn hash2(&mut self, tag: Pair, a: &Num, b: &Num) -> Result<Num> {
        let tag = self.constant(to_circuit(&number(tag.tag())));
        let [output, _, _] = self.permute([a.clone(), b.clone(), tag])?;
        self.flatten("hash", &output)
    }

    pub(super) fn hash3(&mut self, tag: Triple, a: &Num, b: &Num, c: &Num) -> Result<Num> {
        let tag = self.constant(to_circuit(&number(tag.tag())));
        let [first, second, third] = self.permute([a.clone(), b.clone(), tag])?;
        let [output, _, _] = self.permute([first.plus(c), second, third])?;
        self.flatten("hash", &output)
    }

    fn permute(&mut self, state: [Num; 3]) -> Result<[Num; 3]> {
        let rounds = rounds();
        let mut s = mix(&state);
        for constants in &rounds.first {
            s = self.full_round(&s, constants)?;
        }
        for (round, constant) in (1..).zip(&rounds.partial) {
            let powered = self.seventh_power(&s[0], *constant)?;
            let sum = powered.plus(&s[1]).plus(&s[2]);
            s = [
                powered.plus(&sum),
                s[1].plus(&sum),
                s[2].times(F::from(2)).plus(&sum),
            ];
            if round % FLATTENED_EVERY == 0 {
                for lane in &mut s {
                    *lane = self.flatten("lane", lane)?;
                }
            }
        }
        for constants in &rounds.last {
            s = self.full_round(&s, constants)?;
        }
        Ok(s)
    }

    fn full_round(&mut self, s: &[Num; 3], constants: &[F; 3]) -> Result<[Num; 3]> {
        Ok(mix(&[
            self.seventh_power(&s[0], constants[0])?,
            self.seventh_power(&s[1], constants[1])?,
            self.seventh_power(&s[2], constants[2])?,
        ]))
    }

    /// (a + c)^7
    pub(super) fn seventh_power(&mut self, a: &Num, constant: F) -> Result<Num> {
        let x = a.plus(&self.constant(constant));
        let square = self.product("square in an S-box", &x, &x)?;
        let fourth = self.product("fourth power in an S-box", &square, &square)?;
        let sixth = self.product("sixth power in an S-box", &fourth, &square)?;
        self.product("S-box", &sixth, &x)
    }
}
