//! Answers in one form: what a person types twice, with other capitals, blanks or quotes, is one answer.
//!
//! The order of the steps is part of the protocol. Characters that Unicode has not assigned are refused,
//! because what becomes of all others is fixed for ever.

use std::fmt;

use caseless::Caseless as _;
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Bytes of UTF-8 that an answer may have as it is typed.
pub const MAX_TYPED: usize = 1024;
/// Bytes of UTF-8 that it may have in its one form.
pub const MAX_NORMALISED: usize = 256;

/// How much longer an answer may become on the way. Buffers have this much room from the beginning, so that
/// none grows and leaves a copy behind: compatibility forms are at most 11 times as long, folding triples
/// at most.
const GROWTH: usize = 33;

/// Why an answer cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A control character, or one that Unicode has not assigned.
    #[error("the answer has a character that cannot be used")]
    Character,
    /// Nothing is left of it.
    #[error("the answer is empty")]
    Empty,
    /// It is over [`MAX_TYPED`] or [`MAX_NORMALISED`].
    #[error("the answer is too long")]
    TooLong,
}

/// An answer in its one form.
#[derive(Clone, PartialEq, Eq)]
pub struct NormalisedAnswer(Zeroizing<String>);

impl fmt::Debug for NormalisedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NormalisedAnswer(..)")
    }
}

impl NormalisedAnswer {
    /// Brings an answer into its one form.
    ///
    /// # Errors
    /// [`Refused`], which says nothing of the answer but what is wrong with it.
    pub fn of(typed: &str) -> Result<Self, Refused> {
        if typed.chars().any(refused) {
            return Err(Refused::Character);
        }
        if typed.len() > MAX_TYPED {
            return Err(Refused::TooLong);
        }
        let room = typed.len() * GROWTH;
        let seen = collect(room, visible(typed.chars()));
        let compatible = collect(room, seen.nfkc());
        let folded = collect(room, compatible.chars().default_case_fold());
        let again = collect(room, folded.nfkc());
        let seen = collect(room, visible(again.chars()));

        let mut one = Zeroizing::new(String::with_capacity(seen.len()));
        for word in seen.split(is_space).filter(|word| !word.is_empty()) {
            if !one.is_empty() {
                one.push(' ');
            }
            one.push_str(word);
        }
        match one.len() {
            0 => Err(Refused::Empty),
            1..=MAX_NORMALISED => Ok(Self(one)),
            _ => Err(Refused::TooLong),
        }
    }

    /// The answer itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn collect(room: usize, chars: impl Iterator<Item = char>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.extend(chars);
    text
}

fn refused(c: char) -> bool {
    match get_general_category(c) {
        GeneralCategory::Unassigned | GeneralCategory::PrivateUse | GeneralCategory::Surrogate => {
            true
        }
        GeneralCategory::Control => !is_space(c),
        _ => false,
    }
}

/// Without what nobody sees, and with the quotes and dashes of typewriters.
fn visible(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    chars.filter(|c| !is_ignored(*c)).map(|c| match c {
        '\u{2018}'..='\u{201b}' | '\u{2bc}' | '\u{60}' | '\u{b4}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => c,
    })
}

fn is_ignored(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn is_space(c: char) -> bool {
    matches!(c,
        '\u{9}'..='\u{d}' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(typed: &str) -> Result<String, Refused> {
        NormalisedAnswer::of(typed).map(|answer| answer.as_str().to_owned())
    }

    /// An answer in its one form stays as it is, and is not refused.
    fn is_settled(typed: &str) -> bool {
        match of(typed) {
            Ok(one) => of(&one).as_ref() == Ok(&one),
            Err(_) => true,
        }
    }

    #[test]
    fn normalising_twice_changes_nothing_for_any_code_point() {
        for c in '\0'..=char::MAX {
            for typed in [format!("{c}"), format!("a{c}\u{301}b"), format!("ά{c}ς")] {
                assert!(is_settled(&typed), "{typed:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_for_any_text(typed: String, marks in "\\PC{0,9}[\u{300}-\u{345}]{0,5}\\PC{0,9}") {
            prop_assert!(is_settled(&typed));
            prop_assert!(is_settled(&marks));
        }
    }

    #[test]
    fn what_is_typed_differently_is_one_answer() {
        for (typed, one) in [
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("Ὀδυσσεύς", "ὀδυσσεύσ"),
            ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύσ"),
            ("İstanbul", "i\u{307}stanbul"),
            ("Cafe\u{301}", "café"),
            ("O’Brien\u{200b}", "o'brien"),
            ("  New \t York \n", "new york"),
            ("ᏣᎳᎩ", "ᏣᎳᎩ"),
            ("\u{1f3b}\u{345}", of("\u{1f3b}\u{345}").unwrap().as_str()),
        ] {
            assert_eq!(of(typed).as_deref(), Ok(one), "{typed:?}");
        }
        assert_eq!(of("\u{ab70}"), of("\u{13a0}"));
    }

    #[test]
    fn what_cannot_be_an_answer_is_refused() {
        for (typed, why) in [
            ("", Refused::Empty),
            (" \u{3000}\u{200b} ", Refused::Empty),
            ("Re\u{7}x", Refused::Character),
            ("Re\u{7f}x", Refused::Character),
            ("Rex\u{e000}", Refused::Character),
            ("Rex\u{10ffff}", Refused::Character),
            ("Rex\u{378}", Refused::Character),
            (&"a".repeat(257), Refused::TooLong),
            (&" ".repeat(1025), Refused::TooLong),
            // 33 bytes of 3
            (&"\u{fdfa}".repeat(9), Refused::TooLong),
        ] {
            assert_eq!(of(typed), Err(why), "{typed:?}");
        }
        assert!(of(&"a".repeat(256)).is_ok());
        assert!(of(&format!("a{}", " ".repeat(1023))).is_ok());
    }

    /// What one table knows and another does not would be folded by some and not by others.
    #[test]
    fn every_table_knows_each_character_that_is_taken() {
        let categories = unicode_general_category::UNICODE_VERSION;
        assert_eq!(caseless::UNICODE_VERSION, categories);
        let (major, minor, update) = unicode_normalization::UNICODE_VERSION;
        assert!((major.into(), minor.into(), update.into()) >= categories);
    }

    #[test]
    fn no_buffer_grows_on_the_way() {
        let longest = |of: &dyn Fn(char) -> usize| {
            ('\0'..=char::MAX)
                .map(|c| of(c).div_ceil(c.len_utf8()))
                .max()
                .unwrap()
        };
        let bytes = |chars: &mut dyn Iterator<Item = char>| chars.map(char::len_utf8).sum();
        let compatible = longest(&|c| bytes(&mut std::iter::once(c).nfkc()));
        let folded = longest(&|c| bytes(&mut std::iter::once(c).default_case_fold()));
        assert!(compatible * folded <= GROWTH, "{compatible} {folded}");
    }
}
