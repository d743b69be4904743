//! From a normalised answer to its leaf: the host's key, then a slow function, so that whoever steals a
//! client's record must ask the host for each guess.

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    Error,
    field::{Fe, reduce},
    normalise::NormalisedAnswer,
    oprf,
    persona::{PersonaId, Question},
    poseidon2::Pair,
    push_lp,
};

/// Memory of Argon2id in KiB.
pub const STRETCH_MEMORY_KIB: u32 = 65_536;
/// Passes of Argon2id.
pub const STRETCH_PASSES: u32 = 3;
/// Lanes of Argon2id.
pub const STRETCH_LANES: u32 = 1;
/// Length of a stretched answer.
pub const STRETCHED_LEN: usize = 64;
/// Longest provider id, in bytes.
pub const MAX_PROVIDER_LEN: usize = 64;

/// The input m of the OPRF.
#[must_use]
pub fn oprf_input(
    persona: &PersonaId,
    question: Question,
    answer: &NormalisedAnswer,
) -> Zeroizing<Vec<u8>> {
    let mut input = Zeroizing::new(Vec::with_capacity(512));
    input.extend_from_slice(b"2FApi-K1-Answer");
    push_lp(&mut input, persona.as_bytes());
    input.push(question.index());
    push_lp(&mut input, answer.as_str().as_bytes());
    input
}

/// The host's key for one question of one persona at one provider.
///
/// # Errors
/// [`Error::Length`] for a provider id that is empty or over [`MAX_PROVIDER_LEN`].
pub fn oprf_key(
    master: &[u8; 32],
    provider: &str,
    persona: &PersonaId,
    question: Question,
) -> Result<oprf::Key, Error> {
    if provider.is_empty() || provider.len() > MAX_PROVIDER_LEN {
        return Err(Error::Length);
    }
    let mut info = b"2FApi-K1-Oprf".to_vec();
    push_lp(&mut info, provider.as_bytes());
    push_lp(&mut info, persona.as_bytes());
    info.push(question.index());
    oprf::Key::derive(master, &info)
}

/// What the client sends for an answer: a blinded element.
///
/// # Errors
/// None for a normalised answer, whose length is bounded.
pub fn blind(
    persona: &PersonaId,
    question: Question,
    answer: &NormalisedAnswer,
    random: &mut impl CryptoRng,
) -> Result<oprf::Blinded, Error> {
    oprf::Blinded::new(&oprf_input(persona, question, answer), random)
}

/// An answer hardened by the host's key and by Argon2id: 64 secret bytes z.
#[derive(Clone)]
pub struct Stretched(Zeroizing<[u8; STRETCHED_LEN]>);

impl std::fmt::Debug for Stretched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stretched(..)")
    }
}

impl Stretched {
    /// Stretches an answer. Takes 64 MiB, and some tenths of a second.
    ///
    /// # Errors
    /// [`Error::Length`], only if Argon2id refused the fixed parameters.
    pub fn of(
        persona: &PersonaId,
        question: Question,
        answer: &NormalisedAnswer,
        output: &[u8; oprf::OUTPUT_LEN],
    ) -> Result<Self, Error> {
        let mut password = Zeroizing::new(Vec::with_capacity(512));
        push_lp(&mut password, answer.as_str().as_bytes());
        password.extend_from_slice(output);
        let mut salt = b"2FApi-K1-Stretch".to_vec();
        push_lp(&mut salt, persona.as_bytes());
        salt.push(question.index());
        let salt = Sha256::digest(salt);

        let params = Params::new(
            STRETCH_MEMORY_KIB,
            STRETCH_PASSES,
            STRETCH_LANES,
            Some(STRETCHED_LEN),
        )
        .map_err(|_| Error::Length)?;
        let mut stretched = Zeroizing::new([0; STRETCHED_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&password, &salt[..16], &mut *stretched)
            .map_err(|_| Error::Length)?;
        Ok(Self(stretched))
    }

    /// An answer that was stretched before.
    #[must_use]
    pub fn from_bytes(bytes: [u8; STRETCHED_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; STRETCHED_LEN] {
        &self.0
    }

    /// The answer as a field element x.
    #[must_use]
    pub fn element(&self) -> Fe {
        reduce(&self.0[..])
    }
}

/// The hash of an answer.
#[must_use]
pub fn inner(x: Fe) -> Fe {
    Pair::Answer.hash(x, Fe::ZERO)
}

/// The leaf of an answer to a question whose salt is this.
#[must_use]
pub fn leaf(x: Fe, salt: Fe) -> Fe {
    Pair::Leaf.hash(inner(x), salt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_question_of_each_persona_at_each_provider_has_a_key_of_its_own() {
        let mut keys = BTreeSet::new();
        for provider in ["a", "b"] {
            for persona in [[1; 16], [2; 16]].map(PersonaId::from_bytes) {
                for question in Question::all() {
                    let key = oprf_key(&[3; 32], provider, &persona, question).unwrap();
                    keys.insert(*key.public().as_bytes());
                }
            }
        }
        assert_eq!(keys.len(), 28);
        let persona = PersonaId::from_bytes([1; 16]);
        let question = Question::new(0).unwrap();
        for provider in [String::new(), "p".repeat(65)] {
            assert!(oprf_key(&[3; 32], &provider, &persona, question).is_err());
        }
    }

    #[test]
    fn one_answer_to_two_questions_has_two_leaves() {
        let persona = PersonaId::from_bytes([1; 16]);
        let leaves: BTreeSet<_> = crate::persona::salts(&persona)
            .map(|salt| crate::field::encode(&leaf(Fe::ONE, salt)))
            .into();
        assert_eq!(leaves.len(), 7);
    }
}
