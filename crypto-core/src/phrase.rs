//! Recovery phrases: 24 English words of BIP-39, and the credential that they hold.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bip39::{Language, Mnemonic};
use rand_core::TryCryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::{Audience, Credential, Error};

/// 32 bytes from which a credential is hashed, which their owner keeps on paper as 24 words. Whoever has
/// them is the client: zeroized on drop, silent in `Debug`.
pub struct RecoveryPhrase(Zeroizing<[u8; Credential::RECOVERY_ENTROPY_LEN]>);

/// Why a text is no recovery phrase. It names no word: each narrows the search for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPhrase {
    /// It has another number of words.
    #[error("a recovery phrase has 24 words, got {0}")]
    Words(usize),
    /// A word is not of the list, is wrong, or stands in another place.
    #[error(
        "that is no recovery phrase: a word is not of the list, is wrong, or stands in another place"
    )]
    Checksum,
}

impl RecoveryPhrase {
    /// How many words a phrase has.
    pub const WORDS: usize = 24;

    /// How many generations a client that recovers tries.
    pub const GENERATIONS_TRIED: u32 = 32;

    /// Draws a phrase.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        let mut entropy = Zeroizing::new([0; Credential::RECOVERY_ENTROPY_LEN]);
        rng.try_fill_bytes(&mut *entropy)
            .map_err(|_| Error::random_source())?;
        Ok(Self(entropy))
    }

    /// The phrase that holds these bytes, which must be uniform.
    #[must_use]
    pub fn from_entropy(entropy: [u8; Credential::RECOVERY_ENTROPY_LEN]) -> Self {
        Self(Zeroizing::new(entropy))
    }

    /// Reads a phrase. The case of A to Z does not matter, nor how many blanks, tabs and ends of lines
    /// are between the words. Of other scripts nothing is read as one of these: whoever typed it did not
    /// see what is read.
    ///
    /// # Errors
    /// [`NotAPhrase`].
    pub fn parse(text: &str) -> Result<Self, NotAPhrase> {
        let mut typed = Zeroizing::new(String::with_capacity(2 * text.len()));
        let mut count = 0_usize;
        for word in text.split_ascii_whitespace() {
            if count > 0 {
                typed.push(' ');
            }
            typed.extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
            count += 1;
        }
        if count != Self::WORDS {
            return Err(NotAPhrase::Words(count));
        }
        let mut words = Mnemonic::parse_in_normalized(Language::English, &typed)
            .map_err(|_| NotAPhrase::Checksum)?;
        let (mut bytes, len) = words.to_entropy_array();
        words.zeroize();
        // 24 words hold 32 bytes.
        let mut entropy = Zeroizing::new([0; Credential::RECOVERY_ENTROPY_LEN]);
        let fits = len == entropy.len();
        entropy.copy_from_slice(&bytes[..Credential::RECOVERY_ENTROPY_LEN]);
        bytes.zeroize();
        if fits {
            Ok(Self(entropy))
        } else {
            Err(NotAPhrase::Checksum)
        }
    }

    /// The 24 words, in lower case and separated by single blanks.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        let mut phrase = Zeroizing::new(String::with_capacity(Self::WORDS * 9));
        // 32 bytes are one of the lengths of BIP-39.
        let Ok(mut mnemonic) = Mnemonic::from_entropy_in(Language::English, &*self.0) else {
            return phrase;
        };
        let words: Vec<&str> = mnemonic.words().collect();
        for word in words {
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(word);
        }
        mnemonic.zeroize();
        phrase
    }

    /// The credential that the phrase restores.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] for one phrase in 2^252.
    pub fn credential(&self) -> Result<Credential, Error> {
        Credential::from_recovery_entropy(&*self.0)
    }

    /// The credential that the phrase restores at one audience: generation 0 of a new phrase, one more with
    /// each rotation under it. A device keeps this credential and never the phrase.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] for one phrase in 2^252.
    pub fn credential_at(&self, audience: &Audience, generation: u32) -> Result<Credential, Error> {
        Credential::from_recovery_entropy_at(&*self.0, audience, generation)
    }

    /// The credentials that a client may have under this phrase at one audience, in the order in which one
    /// that recovers tries them: that of phrases of before, then the generations, a bounded number of them.
    pub fn candidates<'a>(
        &'a self,
        audience: &'a Audience,
    ) -> impl Iterator<Item = Result<Credential, Error>> + 'a {
        let generations = 0..Self::GENERATIONS_TRIED;
        let of_audience = generations.map(|generation| self.credential_at(audience, generation));
        core::iter::once_with(|| self.credential()).chain(of_audience)
    }

    /// The bytes that the words stand for.
    #[must_use]
    pub fn entropy(&self) -> &[u8; Credential::RECOVERY_ENTROPY_LEN] {
        &self.0
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Broken, rng};
    use alloc::{format, string::ToString};
    use proptest::prelude::*;

    #[test]
    fn a_phrase_is_silent_and_a_failing_source_makes_none() {
        let phrase = RecoveryPhrase::generate(&mut rng(1)).unwrap();
        assert_eq!(format!("{phrase:?}"), "RecoveryPhrase(secret)");
        assert!(RecoveryPhrase::generate(&mut Broken).is_err());
    }

    #[test]
    fn a_phrase_restores_its_credential() {
        let phrase = RecoveryPhrase::generate(&mut rng(1)).unwrap();
        let again =
            RecoveryPhrase::parse(&phrase.words().to_uppercase().replace(' ', "\n ")).unwrap();
        assert_eq!(
            again.credential().unwrap().commitment(),
            phrase.credential().unwrap().commitment()
        );
    }

    #[test]
    fn a_client_that_recovers_tries_what_it_may_have_in_order_and_comes_to_an_end() {
        let phrase = RecoveryPhrase::from_entropy([5; 32]);
        let audience = "https://a.example".parse().unwrap();
        let tried: Vec<_> = phrase
            .candidates(&audience)
            .map(|one| *one.unwrap().commitment())
            .collect();
        assert_eq!(tried.len(), 33);
        assert_eq!(tried[0], *phrase.credential().unwrap().commitment());
        for generation in [0, 31] {
            let expected = phrase.credential_at(&audience, generation).unwrap();
            assert_eq!(tried[1 + generation as usize], *expected.commitment());
        }
    }

    proptest! {
        #[test]
        fn a_phrase_holds_its_entropy(entropy: [u8; 32]) {
            let phrase = RecoveryPhrase::from_entropy(entropy);
            prop_assert_eq!(phrase.words().split(' ').count(), RecoveryPhrase::WORDS);
            let again = RecoveryPhrase::parse(&phrase.words()).unwrap();
            prop_assert_eq!(again.entropy(), &entropy);
        }

        #[test]
        fn arbitrary_text_never_panics_and_is_not_quoted(text in "\\PC{0,300}") {
            if let Err(error) = RecoveryPhrase::parse(&text) {
                prop_assert!(text.len() < 12 || !error.to_string().contains(&text));
            }
        }
    }
}
