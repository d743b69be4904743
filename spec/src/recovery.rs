//! Recovery phrases: 24 English words of BIP-39, and the credential that they hold.

use std::fmt;

use bip39::{Language, Mnemonic};
use twofapi_crypto_core::Credential;
use zeroize::{Zeroize, Zeroizing};

const WORDS: usize = 24;

/// Why a text is no recovery phrase. It names no word: each narrows the search for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPhrase {
    /// It has another number of words.
    Words(usize),
    /// A word is not of the list, is wrong, or stands in another place.
    Checksum,
}

impl fmt::Display for NotAPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(actual) => write!(f, "a recovery phrase has {WORDS} words, got {actual}"),
            Self::Checksum => f.write_str(
                "that is no recovery phrase: a word is not of the list, is wrong, or stands in \
                 another place",
            ),
        }
    }
}

impl std::error::Error for NotAPhrase {}

/// The phrase that holds these 32 bytes.
#[must_use]
pub fn phrase_of(entropy: &[u8; Credential::RECOVERY_ENTROPY_LEN]) -> Zeroizing<String> {
    let mut phrase = Zeroizing::new(String::with_capacity(WORDS * 9));
    // 32 bytes are one of the lengths of BIP-39.
    let Ok(mut words) = Mnemonic::from_entropy_in(Language::English, entropy) else {
        return phrase;
    };
    for word in words.words() {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(word);
    }
    words.zeroize();
    phrase
}

/// The credential that a phrase restores. Case does not matter, nor does how the words are separated.
///
/// # Errors
/// [`NotAPhrase`].
pub fn recover(phrase: &str) -> Result<Credential, NotAPhrase> {
    let entropy = entropy_of(phrase)?;
    // Anything but 32 bytes was refused; scalars are zero once in 2^252 phrases.
    Credential::from_recovery_entropy(entropy.as_ref()).map_err(|_| NotAPhrase::Checksum)
}

pub(crate) fn entropy_of(phrase: &str) -> Result<Zeroizing<Vec<u8>>, NotAPhrase> {
    let mut typed = Zeroizing::new(String::with_capacity(2 * phrase.len()));
    let mut count = 0_usize;
    for word in phrase.split_whitespace() {
        if count > 0 {
            typed.push(' ');
        }
        typed.extend(word.chars().flat_map(char::to_lowercase));
        count += 1;
    }
    if count != WORDS {
        return Err(NotAPhrase::Words(count));
    }
    let mut words = Mnemonic::parse_in_normalized(Language::English, &typed)
        .map_err(|_| NotAPhrase::Checksum)?;
    let entropy = Zeroizing::new(words.to_entropy());
    words.zeroize();
    Ok(entropy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_phrase_holds_its_entropy(entropy: [u8; 32]) {
            let phrase = phrase_of(&entropy);
            prop_assert_eq!(phrase.split(' ').count(), WORDS);
            prop_assert_eq!(&entropy_of(&phrase).unwrap()[..], &entropy[..]);
        }

        #[test]
        fn arbitrary_text_never_panics_and_is_not_quoted(text in "\\PC{0,300}") {
            if let Err(error) = recover(&text) {
                prop_assert!(text.len() < 12 || !error.to_string().contains(&text));
            }
        }
    }
}
