//! Poseidon2 (Grassi, Khovratovich, Schofnegger, 2023) with a state of three elements, and the hashes
//! that are made of it.
//!
//! Nothing is tabulated: the round constants are derived when they are first needed, by the procedure of
//! the authors, so that only the prime and the numbers of rounds are given. The same code is the
//! published instance over the scalar field of BN254, whose published output is a test.

use std::sync::OnceLock;

use crypto_bigint::{U256, const_monty_params, modular::ConstMontyParams};

use crate::field::{Fe, Felt, LIMBS, P256Base, decode, reduce};

const_monty_params!(
    Bn254Scalar,
    U256,
    "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001",
    "The order of BN254, over which the instance is that others have published."
);

/// Full rounds, half of them before the partial ones.
const FULL_ROUNDS: usize = 8;
const HALF: usize = FULL_ROUNDS / 2;
const WIDTH: usize = 3;

/// A field with its numbers of rounds.
pub trait Instance: ConstMontyParams<LIMBS> {
    /// Bits of the prime.
    const BITS: usize;
    /// Partial rounds.
    const PARTIAL_ROUNDS: usize;
    /// The exponent of the S-box: the least that has an inverse. 5 or 7.
    const ALPHA: u8;

    /// The round constants.
    fn constants() -> &'static Constants<Self>;
}

/// Round constants of an instance.
#[derive(Debug)]
pub struct Constants<M: Instance> {
    /// Of the full rounds before the partial ones.
    pub first: [[Felt<M>; WIDTH]; HALF],
    /// Of the partial rounds.
    pub partial: Vec<Felt<M>>,
    /// Of the full rounds after them.
    pub last: [[Felt<M>; WIDTH]; HALF],
}

impl Instance for P256Base {
    const BITS: usize = 256;
    const PARTIAL_ROUNDS: usize = 46;
    const ALPHA: u8 = 7;

    fn constants() -> &'static Constants<Self> {
        static CELL: OnceLock<Constants<P256Base>> = OnceLock::new();
        CELL.get_or_init(derive)
    }
}

impl Instance for Bn254Scalar {
    const BITS: usize = 254;
    const PARTIAL_ROUNDS: usize = 56;
    const ALPHA: u8 = 5;

    fn constants() -> &'static Constants<Self> {
        static CELL: OnceLock<Constants<Bn254Scalar>> = OnceLock::new();
        CELL.get_or_init(derive)
    }
}

/// The shift register of Grain: 80 bits, the oldest of which is the lowest.
struct Grain(u128);

impl Grain {
    /// Starts from what the instance is: a prime field (1), an S-box of the form x^α (0), the bits of the
    /// prime, the width and both numbers of rounds, then ones.
    fn of<M: Instance>() -> Self {
        let fields: [(usize, u32); 6] = [
            (1, 2),
            (0, 4),
            (M::BITS, 12),
            (WIDTH, 12),
            (FULL_ROUNDS, 10),
            (M::PARTIAL_ROUNDS, 10),
        ];
        let mut state = 0u128;
        let mut filled = 0;
        for (value, bits) in fields {
            for bit in (0..bits).rev() {
                state |= ((value as u128 >> bit) & 1) << filled;
                filled += 1;
            }
        }
        state |= ((1 << (80 - filled)) - 1) << filled;
        let mut grain = Self(state);
        for _ in 0..160 {
            grain.step();
        }
        grain
    }

    fn step(&mut self) -> bool {
        let tap = |i: u32| (self.0 >> i) & 1;
        let next = tap(62) ^ tap(51) ^ tap(38) ^ tap(23) ^ tap(13) ^ tap(0);
        self.0 = (self.0 >> 1) | (next << 79);
        next == 1
    }

    /// Of each pair of bits the second, where the first is one.
    fn bit(&mut self) -> bool {
        while !self.step() {
            self.step();
        }
        self.step()
    }

    /// The next number below the prime.
    fn element<M: Instance>(&mut self) -> Felt<M> {
        loop {
            let mut bytes = [0; 32];
            for i in 256 - M::BITS..256 {
                bytes[i / 8] |= u8::from(self.bit()) << (7 - i % 8);
            }
            if let Ok(element) = decode(&bytes) {
                return element;
            }
        }
    }
}

fn derive<M: Instance>() -> Constants<M> {
    let mut grain = Grain::of::<M>();
    let full =
        |grain: &mut Grain| std::array::from_fn(|_| std::array::from_fn(|_| grain.element()));
    let first = full(&mut grain);
    let partial = (0..M::PARTIAL_ROUNDS).map(|_| grain.element()).collect();
    let last = full(&mut grain);
    Constants {
        first,
        partial,
        last,
    }
}

/// The permutation.
#[must_use]
pub fn permute<M: Instance>(state: [Felt<M>; WIDTH]) -> [Felt<M>; WIDTH] {
    let constants = M::constants();
    let power = |x: Felt<M>| {
        let square = x.square();
        let fourth = square.square();
        x * if M::ALPHA == 5 {
            fourth
        } else {
            fourth * square
        }
    };
    // circ(2, 1, 1), and 1 + diag(1, 1, 2)
    let mix = |s: [Felt<M>; WIDTH]| s.map(|lane| lane + s[0] + s[1] + s[2]);
    let mix_partial = |s: [Felt<M>; WIDTH]| {
        let sum = s[0] + s[1] + s[2];
        [s[0] + sum, s[1] + sum, s[2].double() + sum]
    };
    let full = |state, rounds: &[[Felt<M>; WIDTH]; HALF]| {
        rounds.iter().fold(state, |s: [Felt<M>; WIDTH], c| {
            mix(std::array::from_fn(|i| power(s[i] + c[i])))
        })
    };
    let state = full(mix(state), &constants.first);
    let state = constants
        .partial
        .iter()
        .fold(state, |s, c| mix_partial([power(s[0] + c), s[1], s[2]]));
    full(state, &constants.last)
}

/// Domains of hashes of two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// Of a persona and the index of a question.
    Salt,
    /// Of an answer and nought.
    Answer,
    /// Of a hashed answer and its salt.
    Leaf,
    /// Of the nullifier key and the index of a question that is not asked.
    Unused,
    /// Of the nullifier key and nought.
    Secret,
    /// Of two nodes of a tree.
    Node,
    /// Of the nullifier key and a challenge.
    Nullifier,
}

/// Domains of hashes of three elements: a public key and the nullifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Triple {
    /// Of a human.
    Human,
    /// Of an agent.
    Agent,
}

impl Pair {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Salt,
        Self::Answer,
        Self::Leaf,
        Self::Unused,
        Self::Secret,
        Self::Node,
        Self::Nullifier,
    ];

    /// The domain as text.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Salt => "2FApi-K1/salt",
            Self::Answer => "2FApi-K1/answer",
            Self::Leaf => "2FApi-K1/leaf",
            Self::Unused => "2FApi-K1/unused",
            Self::Secret => "2FApi-K1/secret",
            Self::Node => "2FApi-K1/node",
            Self::Nullifier => "2FApi-K1/nullifier",
        }
    }

    /// The hash of two elements.
    #[must_use]
    pub fn hash(self, a: Fe, b: Fe) -> Fe {
        permute([a, b, number(self.tag())])[0]
    }
}

impl Triple {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Human, Self::Agent];

    /// The domain as text.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Human => "2FApi-K1/human",
            Self::Agent => "2FApi-K1/agent",
        }
    }

    /// The hash of three elements.
    #[must_use]
    pub fn hash(self, a: Fe, b: Fe, c: Fe) -> Fe {
        let s = permute([a, b, number(self.tag())]);
        permute([s[0] + c, s[1], s[2]])[0]
    }
}

/// The number that the ASCII of a tag is.
#[must_use]
pub fn number(tag: &str) -> Fe {
    reduce(tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{encode, small};
    use sha2::{Digest, Sha256};

    fn from_0_1_2<M: Instance>() -> [String; 3] {
        let state = [0, 1, 2].map(|i| reduce::<M>(&[i]));
        permute(state).map(|lane| hex::encode(encode(&lane)))
    }

    #[test]
    fn the_published_instance_over_bn254_gives_what_is_published() {
        assert_eq!(
            from_0_1_2::<Bn254Scalar>(),
            [
                "0bb61d24daca55eebcb1929a82650f328134334da98ea4f847f760054f4a3033",
                "303b6f7c86d043bfcbcc80214f26a30277a15d3f74ca654992defe7ff8d03570",
                "1ed25194542b12eef8617361c3ba7c52e660b145994427cc86296242cf766ec8",
            ]
        );
    }

    #[test]
    fn our_constants_are_those_of_the_protocol() {
        let constants = P256Base::constants();
        let first = constants.first.iter().flatten();
        let last = constants.last.iter().flatten();
        let mut hash = Sha256::new();
        let mut count = 0;
        for constant in first.chain(&constants.partial).chain(last) {
            hash.update(encode(constant));
            count += 1;
        }
        assert_eq!(count, 70);
        assert_eq!(
            hex::encode(hash.finalize()),
            "32575a7cf28aedf820d448bb15cbbef38349361d31246a22d617fadd7c60165d"
        );
        assert_eq!(
            from_0_1_2::<P256Base>()[0],
            "9b390916e5864fa91d2d78b9add32dbb1193f660d9bf51415c148d64b17130db"
        );
    }

    #[test]
    fn seven_is_the_least_exponent_with_an_inverse() {
        // p − 1 is divisible by 3 and 5, and not by 7.
        let minus_one = Fe::ZERO - Fe::ONE;
        let rest = |by: u64| {
            let bytes = encode(&minus_one);
            bytes
                .iter()
                .fold(0, |rest, b| (rest * 256 + u64::from(*b)) % by)
        };
        assert_eq!((rest(3), rest(5)), (0, 0));
        assert_ne!(rest(7), 0);
    }

    #[test]
    fn hashes_of_different_domains_differ() {
        let (a, b) = (small(1), small(2));
        let mut seen: Vec<_> = Pair::ALL.map(|tag| encode(&tag.hash(a, b))).to_vec();
        seen.extend(Triple::ALL.map(|tag| encode(&tag.hash(a, b, Fe::ZERO))));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 9);
    }
}
