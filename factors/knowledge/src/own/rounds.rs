//! The circuit of the verifier itself: the checks of the first two sum-checks, over their committed
//! messages. Each round's variables fill rows of 16.

use ff::Field as _;

use super::matrix::Matrices;
use crate::{
    circuit::F,
    proof::{ROUND_WIDTH, Sizes},
};

/// A combination: places with their factors.
type Combination = Vec<(Place, F)>;

#[derive(Clone, Copy)]
enum Place {
    Variable(usize),
    One,
    Public(usize),
}

impl Place {
    fn alone(self) -> Combination {
        vec![(self, F::ONE)]
    }
}

fn plus(terms: &[Place]) -> Combination {
    terms.iter().map(|place| (*place, F::ONE)).collect()
}

fn minus(from: Place, terms: &[Place]) -> Combination {
    let negated = terms.iter().map(|place| (*place, -F::ONE));
    from.alone().into_iter().chain(negated).collect()
}

struct Rounds {
    /// Where the next variable goes.
    next: usize,
    public: usize,
    constraints: Vec<[Combination; 3]>,
}

impl Rounds {
    fn variable(&mut self) -> Place {
        self.next += 1;
        Place::Variable(self.next - 1)
    }

    fn variables<const N: usize>(&mut self) -> [Place; N] {
        std::array::from_fn(|_| self.variable())
    }

    fn public(&mut self) -> Place {
        self.public += 1;
        Place::Public(self.public - 1)
    }

    fn end_round(&mut self) {
        self.next = self.next.next_multiple_of(ROUND_WIDTH);
    }

    fn enforce(&mut self, a: Combination, b: Combination, c: Combination) {
        self.constraints.push([a, b, c]);
    }

    fn product(&mut self, a: Place, b: Place) -> Place {
        let product = self.variable();
        self.enforce(a.alone(), b.alone(), product.alone());
        product
    }

    fn zero(&mut self) -> Place {
        let zero = self.variable();
        self.enforce(zero.alone(), Place::One.alone(), vec![]);
        zero
    }

    /// The value of a polynomial, from its highest coefficient down.
    fn horner(&mut self, coefficients: &[Place], at: Place) -> Place {
        let Some((highest, lower)) = coefficients.split_last() else {
            return Place::One;
        };
        lower.iter().rev().fold(*highest, |sum, coefficient| {
            let next = self.variable();
            self.enforce(sum.alone(), at.alone(), minus(next, &[*coefficient]));
            next
        })
    }

    /// p(0) + p(1) = claim
    fn claim(&mut self, polynomial: &[Place], claim: Place) {
        let mut sum = plus(polynomial);
        // Twice the constant term.
        sum[0].1 = F::from(2);
        self.enforce(sum, Place::One.alone(), claim.alone());
    }

    fn build(&mut self, sizes: &Sizes) {
        let mut outer: [Place; 4] = self.variables();
        let zero = self.zero();
        self.claim(&outer, zero);
        self.end_round();
        for _ in 1..sizes.outer {
            let polynomial = self.variables();
            let r = self.public();
            let claim = self.horner(&outer, r);
            self.claim(&polynomial, claim);
            outer = polynomial;
            self.end_round();
        }

        let r = self.public();
        let claim = self.horner(&outer, r);
        let [az, bz, cz, tau] = self.variables();
        let product = self.product(az, bz);
        self.enforce(tau.alone(), minus(product, &[cz]), claim.alone());
        self.end_round();

        let mut inner: [Place; 3] = self.variables();
        let r = self.public();
        let square = self.product(r, r);
        let r_bz = self.product(r, bz);
        let joint = self.variable();
        self.enforce(cz.alone(), square.alone(), minus(joint, &[az, r_bz]));
        self.claim(&inner, joint);
        self.end_round();
        let mut first = None;
        for _ in 1..sizes.inner {
            let polynomial = self.variables();
            let r = self.public();
            first.get_or_insert(r);
            let claim = self.horner(&inner, r);
            self.claim(&polynomial, claim);
            inner = polynomial;
            self.end_round();
        }

        let r = self.public();
        let first = first.unwrap_or(r);
        let claim = self.horner(&inner, r);
        let witness = self.variable();
        let public_tau = self.public();
        self.enforce(public_tau.alone(), Place::One.alone(), tau.alone());
        let public = self.public();
        let from_witness = self.variable();
        self.enforce(
            witness.alone(),
            minus(Place::One, &[first]),
            from_witness.alone(),
        );
        let z = self.variable();
        self.enforce(public.alone(), first.alone(), minus(z, &[from_witness]));
        let quotient = self.public();
        self.enforce(quotient.alone(), z.alone(), claim.alone());
        self.end_round();

        let alone = self.variable();
        self.enforce(alone.alone(), Place::One.alone(), witness.alone());
        for _ in 1..ROUND_WIDTH {
            self.zero();
        }
    }
}

pub(super) fn matrices(sizes: &Sizes) -> Matrices {
    let mut rounds = Rounds {
        next: 0,
        public: 0,
        constraints: Vec::new(),
    };
    rounds.build(sizes);
    debug_assert_eq!(rounds.next, sizes.round_variables);
    let mut entries = [vec![], vec![], vec![]];
    for (row, constraint) in (0..).zip(&rounds.constraints) {
        for (entries, combination) in entries.iter_mut().zip(constraint) {
            for (place, factor) in combination {
                let column = match place {
                    Place::Variable(i) => *i,
                    Place::One => sizes.round_variables,
                    Place::Public(i) => sizes.round_variables + 1 + i,
                };
                entries.push((row, column as u32, *factor));
            }
        }
    }
    Matrices::new(entries)
}
