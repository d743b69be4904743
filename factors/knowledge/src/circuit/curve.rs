//! P-256 as constraints. Its coordinates are native; no arithmetic modulo its order is done.
//!
//! No sum is ever the identity or of two points with one x: each addition proves it by an inverse. The
//! sum starts from an offset that keeps honest provers clear of such sums, and is compared with what
//! becomes of the offset.

use std::sync::OnceLock;

use bellpepper_core::ConstraintSystem;
use ff::Field as _;

use super::{
    BITS, F, Result, bits_of,
    builder::{Builder, Num},
    to_circuit,
};
use crate::field::reduce;

pub(super) type Point = (Num, Num);
pub(super) type Affine = (F, F);

const B: &[u8; 32] = &[
    0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a, 0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86, 0xbc,
    0x65, 0x1d, 0x06, 0xb0, 0xcc, 0x53, 0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2, 0x60, 0x4b,
];
const G: [&[u8; 32]; 2] = [
    &[
        0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
        0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98,
        0xc2, 0x96,
    ],
    &[
        0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e,
        0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf,
        0x51, 0xf5,
    ],
];

/// The coefficient b of the curve.
pub(super) fn coefficient() -> F {
    to_circuit(&reduce(B))
}

/// The generator.
pub(super) fn generator() -> Affine {
    let [x, y] = G.map(|bytes| to_circuit(&reduce(bytes)));
    (x, y)
}

/// The offset, and what it becomes in a sum of 256 steps.
pub(super) struct Offset {
    pub(super) start: Affine,
    pub(super) start_and_generator: Affine,
    pub(super) total: Affine,
}

pub(super) fn offset() -> &'static Offset {
    static CELL: OnceLock<Offset> = OnceLock::new();
    CELL.get_or_init(|| {
        let start = multiply(&bits_of(&[0x77; 32]), generator());
        Offset {
            start,
            start_and_generator: add(start, generator()),
            total: multiply(&[true; BITS], start),
        }
    })
}

/// The sum of two points. Neither is the identity, nor is their sum; variable time.
pub(super) fn add(a: Affine, b: Affine) -> Affine {
    let slope = if a == b {
        let three = F::from(3);
        (a.0.square() * three - three) * a.1.double().invert().unwrap_or(F::ZERO)
    } else {
        (b.1 - a.1) * (b.0 - a.0).invert().unwrap_or(F::ZERO)
    };
    let x = slope.square() - a.0 - b.0;
    (x, slope * (a.0 - x) - a.1)
}

/// A multiple of a point by a number that is not nought; variable time.
pub(super) fn multiply(bits: &[bool; BITS], point: Affine) -> Affine {
    let sum = bits.iter().fold(None, |sum: Option<Affine>, bit| {
        let doubled = sum.map(|sum| add(sum, sum));
        match (doubled, bit) {
            (Some(doubled), true) => Some(add(doubled, point)),
            (None, true) => Some(point),
            (doubled, false) => doubled,
        }
    });
    sum.unwrap_or((F::ZERO, F::ZERO))
}

impl<CS: ConstraintSystem<F>> Builder<'_, CS> {
    fn constant_point(&self, (x, y): Affine) -> Point {
        (self.constant(x), self.constant(y))
    }

    pub(super) fn on_curve(&mut self, name: &'static str, (x, y): &Point) -> Result<()> {
        let square = self.product(name, x, x)?;
        let cube = self.product(name, &square, x)?;
        let b = self.constant(coefficient());
        let right = cube.minus(&x.times(F::from(3))).plus(&b);
        self.enforce(name, y, y, &right);
        Ok(())
    }

    /// The sum of two points with different x.
    pub(super) fn add_points(&mut self, a: &Point, b: &Point) -> Result<Point> {
        let inverse = self.inverse("x1 ≠ x2", &b.0.minus(&a.0))?;
        let slope = self.product("slope", &b.1.minus(&a.1), &inverse)?;
        self.third_point(["x of sum", "y of sum"], &slope, a, &b.0)
    }

    pub(super) fn double_point(&mut self, a: &Point) -> Result<Point> {
        let square = self.product("square of x", &a.0, &a.0)?;
        let three = self.constant(F::from(3));
        let numerator = square.times(F::from(3)).minus(&three);
        let inverse = self.inverse("y ≠ 0", &a.1.plus(&a.1))?;
        let slope = self.product("slope of tangent", &numerator, &inverse)?;
        self.third_point(["x of double", "y of double"], &slope, a, &a.0)
    }

    /// Where the line through a, and through a point with this other x, meets the curve again, negated.
    fn third_point(
        &mut self,
        [x_name, y_name]: [&'static str; 2],
        slope: &Num,
        a: &Point,
        other_x: &Num,
    ) -> Result<Point> {
        let both = a.0.plus(other_x);
        let values = slope.value.zip(both.value);
        let x = self.alloc(values.map(|(slope, both)| slope.square() - both))?;
        self.enforce(x_name, slope, slope, &x.plus(&both));
        let run = a.0.minus(&x);
        let values = slope.value.zip(run.value).zip(a.1.value);
        let y = self.alloc(values.map(|((slope, run), y)| slope * run - y))?;
        self.enforce(y_name, slope, &run, &y.plus(&a.1));
        Ok((x, y))
    }

    /// One of two numbers.
    fn choose(&mut self, bit: &Num, [zero, one]: [&Num; 2]) -> Result<Num> {
        Ok(zero.plus(&self.product("choice", bit, &one.minus(zero))?))
    }

    /// One of eight numbers, the first two of which are constants.
    pub(super) fn choose_of_eight(
        &mut self,
        [low, middle, high]: [&Num; 3],
        [zero, one]: [F; 2],
        others: [&Num; 6],
    ) -> Result<Num> {
        let first = self.constant(zero).plus(&low.times(one - zero));
        let [a, b, c, d, e, f] = others;
        let second = self.choose(low, [a, b])?;
        let third = self.choose(low, [c, d])?;
        let fourth = self.choose(low, [e, f])?;
        let lower = self.choose(middle, [&first, &second])?;
        let upper = self.choose(middle, [&third, &fourth])?;
        let chosen = self.choose(high, [&lower, &upper])?;
        self.flatten("chosen", &chosen)
    }

    /// Σ 2^(255−i) · (offset + e_i·G + r_i·Q + s_i·N)
    pub(super) fn weighted_sum(
        &mut self,
        q: &Point,
        n: &Point,
        [e, r, s]: [&[Num]; 3],
    ) -> Result<Point> {
        let Offset {
            start,
            start_and_generator,
            ..
        } = offset();
        let zeroth = self.constant_point(*start);
        let first = self.constant_point(*start_and_generator);
        let second = self.add_points(&zeroth, q)?;
        let third = self.add_points(&first, q)?;
        let fourth = self.add_points(&zeroth, n)?;
        let fifth = self.add_points(&first, n)?;
        let sixth = self.add_points(&second, n)?;
        let seventh = self.add_points(&third, n)?;
        let table = [&second, &third, &fourth, &fifth, &sixth, &seventh];

        let mut sum: Option<Point> = None;
        for ((e, r), s) in e.iter().zip(r).zip(s) {
            let bits = [e, r, s];
            let x = [start.0, start_and_generator.0];
            let x = self.choose_of_eight(bits, x, table.map(|point| &point.0))?;
            let y = [start.1, start_and_generator.1];
            let y = self.choose_of_eight(bits, y, table.map(|point| &point.1))?;
            sum = Some(match sum {
                None => (x, y),
                Some(sum) => {
                    let doubled = self.double_point(&sum)?;
                    self.add_points(&doubled, &(x, y))?
                }
            });
        }
        sum.ok_or(bellpepper_core::SynthesisError::Unsatisfiable)
    }
}
