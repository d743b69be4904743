//! The key of a recovery kit, shared so that any K of the N answers open it.
//!
//! Shamir's sharing over GF(2^256). Each share is masked with its answer and cannot be checked alone; it
//! is the seal of the kit that tells whether K of them were right.

use std::fmt;

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    Error,
    answer::Stretched,
    persona::{Question, Threshold},
};

/// Length of the key, and of a share.
pub const KEY_LEN: usize = 32;

/// The key κ under which a kit is sealed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct KitKey([u8; KEY_LEN]);

impl fmt::Debug for KitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KitKey(..)")
    }
}

/// A share, masked with the answer to its question. The kit carries all of them in the open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskedShare {
    /// Of this question.
    pub question: Question,
    /// The masked bytes.
    pub bytes: [u8; KEY_LEN],
}

impl KitKey {
    /// A fresh key.
    pub fn random(random: &mut impl CryptoRng) -> Self {
        let mut key = [0; KEY_LEN];
        random.fill_bytes(&mut key);
        Self(key)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Shares the key among these answers, of which K will open it.
    ///
    /// # Errors
    /// [`Error::Length`] if there are not N answers.
    pub fn share(
        &self,
        threshold: Threshold,
        answers: &[Stretched],
        random: &mut impl CryptoRng,
    ) -> Result<Vec<MaskedShare>, Error> {
        if answers.len() != usize::from(threshold.n()) {
            return Err(Error::Length);
        }
        let mut coefficients = Zeroizing::new(vec![Gf256::from_bytes(&self.0)]);
        for _ in 1..threshold.k() {
            coefficients.push(Gf256::from_bytes(&Self::random(random).0));
        }
        Ok(Question::all()
            .zip(answers)
            .map(|(question, answer)| {
                let share = coefficients
                    .iter()
                    .rev()
                    .fold(Gf256::ZERO, |sum, c| sum.times(point(question)).plus(*c));
                masked(question, answer, &share.to_bytes())
            })
            .collect())
    }

    /// The key that these shares and answers come to: the right one only if all of them are right.
    ///
    /// # Errors
    /// [`Error::Length`] for none, and for two of one question.
    pub fn recover(shares: &[(MaskedShare, &Stretched)]) -> Result<Self, Error> {
        let mut seen = [false; crate::QUESTIONS];
        for (share, _) in shares {
            if std::mem::replace(&mut seen[usize::from(share.question.index())], true) {
                return Err(Error::Length);
            }
        }
        if shares.is_empty() {
            return Err(Error::Length);
        }
        // Lagrange's polynomial at nought.
        let mut key = Gf256::ZERO;
        for (share, answer) in shares {
            let x = point(share.question);
            let mut term = Gf256::from_bytes(&masked(share.question, answer, &share.bytes).bytes);
            for (other, _) in shares {
                if other.question != share.question {
                    let y = point(other.question);
                    term = term.times(y).times(y.plus(x).inverse());
                }
            }
            key = key.plus(term);
        }
        Ok(Self(key.to_bytes()))
    }
}

/// A share is at the index of its question plus one; at nought is the key.
fn point(question: Question) -> Gf256 {
    Gf256([0, 0, 0, u64::from(question.index()) + 1])
}

fn masked(question: Question, answer: &Stretched, share: &[u8; KEY_LEN]) -> MaskedShare {
    let mut mask = Zeroizing::new([0; KEY_LEN]);
    let mut info = b"2FApi-K1-Kit".to_vec();
    info.push(question.index());
    // HKDF gives up to 255 blocks; this is one.
    let expanded = Hkdf::<Sha256>::new(None, answer.as_bytes()).expand(&info, &mut *mask);
    debug_assert!(expanded.is_ok());
    MaskedShare {
        question,
        bytes: std::array::from_fn(|i| share[i] ^ mask[i]),
    }
}

/// GF(2^256) as polynomials modulo x^256 + x^10 + x^5 + x^2 + 1, the highest coefficient first. Constant
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Zeroize)]
struct Gf256([u64; 4]);

impl Gf256 {
    const ZERO: Self = Self([0; 4]);
    const ONE: Self = Self([0, 0, 0, 1]);
    const REDUCTION: u64 = (1 << 10) | (1 << 5) | (1 << 2) | 1;

    fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(std::array::from_fn(|i| {
            let word = &bytes[8 * i..8 * i + 8];
            word.iter().fold(0, |sum, b| sum << 8 | u64::from(*b))
        }))
    }

    fn to_bytes(self) -> [u8; KEY_LEN] {
        std::array::from_fn(|i| (self.0[i / 8] >> (56 - 8 * (i % 8))) as u8)
    }

    fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    fn times_x(self) -> Self {
        let Self(words) = self;
        let carry = (words[0] >> 63).wrapping_neg();
        let mut shifted =
            std::array::from_fn(|i| words[i] << 1 | words.get(i + 1).map_or(0, |next| next >> 63));
        shifted[3] ^= carry & Self::REDUCTION;
        Self(shifted)
    }

    fn times(self, other: Self) -> Self {
        let mut product = Self::ZERO;
        for word in other.0 {
            for bit in (0..64).rev() {
                let taken = ((word >> bit) & 1).wrapping_neg();
                product = product
                    .times_x()
                    .plus(Self(self.0.map(|word| word & taken)));
            }
        }
        product
    }

    /// x^(2^256 − 2): nought for nought.
    fn inverse(self) -> Self {
        let mut power = self;
        let mut inverse = Self::ONE;
        for _ in 1..256 {
            power = power.times(power);
            inverse = inverse.times(power);
        }
        inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use getrandom::SysRng;
    use proptest::prelude::*;
    use rand_core::UnwrapErr;

    fn answers(n: u8) -> Vec<Stretched> {
        (0..n).map(|i| Stretched::from_bytes([i; 64])).collect()
    }

    #[test]
    fn any_k_answers_open_a_kit_and_no_fewer() {
        let mut random = UnwrapErr(SysRng);
        for (k, n) in [(1, 1), (1, 3), (2, 3), (3, 5), (7, 7)] {
            let key = KitKey::random(&mut random);
            let answers = answers(n);
            let threshold = Threshold::new(k, n).unwrap();
            let shares = key.share(threshold, &answers, &mut random).unwrap();
            let all: Vec<_> = shares.into_iter().zip(&answers).collect();
            for chosen in 1u8..1 << n {
                let some: Vec<_> = (0..n)
                    .filter(|i| chosen >> i & 1 == 1)
                    .map(|i| all[usize::from(i)])
                    .collect();
                let recovered = KitKey::recover(&some).unwrap();
                assert_eq!(recovered == key, some.len() >= usize::from(k));
            }
        }
    }

    #[test]
    fn a_wrong_answer_opens_nothing() {
        let mut random = UnwrapErr(SysRng);
        let key = KitKey::random(&mut random);
        let right = answers(3);
        let threshold = Threshold::new(2, 3).unwrap();
        let shares = key.share(threshold, &right, &mut random).unwrap();
        let wrong = Stretched::from_bytes([9; 64]);
        let of = |second| KitKey::recover(&[(shares[0], &right[0]), (shares[1], second)]).unwrap();
        assert_eq!(of(&right[1]), key);
        assert_ne!(of(&wrong), key);
        assert!(KitKey::recover(&[]).is_err());
        assert!(KitKey::recover(&[(shares[0], &right[0]), (shares[0], &right[0])]).is_err());
        assert!(key.share(threshold, &right[..2], &mut random).is_err());
    }

    proptest! {
        #[test]
        fn it_is_a_field(a: [u8; 32], b: [u8; 32], c: [u8; 32]) {
            let [a, b, c] = [a, b, c].map(|bytes| Gf256::from_bytes(&bytes));
            prop_assert_eq!(Gf256::from_bytes(&a.to_bytes()), a);
            prop_assert_eq!(a.times(b), b.times(a));
            prop_assert_eq!(a.times(b).times(c), a.times(b.times(c)));
            prop_assert_eq!(a.times(b.plus(c)), a.times(b).plus(a.times(c)));
            prop_assert_eq!(a.times(Gf256::ONE), a);
            if a != Gf256::ZERO {
                prop_assert_eq!(a.times(a.inverse()), Gf256::ONE);
            }
        }
    }

    /// What makes it a field: x^(2^256) = x modulo the polynomial, and x^(2^128) is not x. Since 2 is the
    /// only prime that divides 256, the polynomial has no factor.
    #[test]
    fn the_polynomial_is_irreducible() {
        let x = Gf256([0, 0, 0, 2]);
        let mut power = x;
        for _ in 0..128 {
            power = power.times(power);
        }
        let half = power.plus(x);
        assert_eq!(half.times(half.inverse()), Gf256::ONE);
        for _ in 0..128 {
            power = power.times(power);
        }
        assert_eq!(power, x);
    }
}
