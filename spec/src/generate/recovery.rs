//! Recovery phrases with the credentials that they restore, and texts that are none.

use sha2::{Digest, Sha512};
use twofapi_crypto_core::{RecoveryPhrase, commit, curve25519_dalek::Scalar};

use super::{random, rng};
use crate::cases::{NoPhrase, RecoveryCase, RecoveryFile};

/// Scalars hashed here by themselves, so that the core is compared with something.
fn restored(name: impl Into<String>, entropy: &[u8; 32], phrase: String) -> RecoveryCase {
    let half = |label: &str| {
        let digest = Sha512::new_with_prefix(RecoveryFile::SUITE)
            .chain_update(label)
            .chain_update(entropy);
        Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
    };
    let (secret, blinding) = (half("s"), half("r"));
    RecoveryCase {
        name: name.into(),
        phrase,
        entropy: hex::encode(entropy),
        secret: hex::encode(secret.as_bytes()),
        blinding: hex::encode(blinding.as_bytes()),
        commitment: hex::encode(commit(&secret, &blinding).compress().as_bytes()),
    }
}

pub(super) fn file() -> RecoveryFile {
    let rng = &mut rng("recovery phrases");
    let phrase = |entropy: &[u8; 32]| RecoveryPhrase::from_entropy(*entropy).words().to_string();
    let mut valid: Vec<_> = [0x00, 0x7f, 0x80, 0xff]
        .map(|byte| {
            let entropy = [byte; 32];
            restored(format!("all-{byte:02x}"), &entropy, phrase(&entropy))
        })
        .into();
    valid.extend((0..12).map(|i| {
        let entropy = random(rng);
        restored(format!("random-{i}"), &entropy, phrase(&entropy))
    }));
    let entropy = random(rng);
    let good = phrase(&entropy);
    let typed = good.to_uppercase().replace(' ', "\n\t  ");
    valid.push(restored(
        "in-capitals-and-lines",
        &entropy,
        format!("  {typed} "),
    ));

    valid.push(restored(
        "separated-by-each-white-space",
        &entropy,
        good.replacen(' ', "\t", 1)
            .replacen(' ', "\n", 1)
            .replacen(' ', "\u{c}", 1)
            .replacen(' ', "\r", 1)
            .replacen(' ', "\r\n", 1),
    ));

    let words: Vec<&str> = good.split(' ').collect();
    let replaced = |at: usize, word: &str| {
        let mut words = words.clone();
        words[at] = word;
        words.join(" ")
    };
    // A phrase that has a K, which a lower case of Unicode would take a Kelvin sign for.
    let mut entropy = entropy;
    let mut kelvin = good.clone();
    while !kelvin.contains('k') {
        entropy[0] = entropy[0].wrapping_add(1);
        kelvin = phrase(&entropy);
    }
    let kelvin = kelvin.replacen('k', "\u{212a}", 1);
    let short = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                 abandon about";
    let invalid = [
        ("empty", "no words", String::new()),
        ("23-words", "a word is missing", words[1..].join(" ")),
        (
            "25-words",
            "a word too many",
            format!("{good} {}", words[0]),
        ),
        ("12-words", "a phrase of BIP-39, of 16 bytes", short.into()),
        ("twice", "two phrases", format!("{good} {good}")),
        ("all-abandon", "checksum", ["abandon"; 24].join(" ")),
        (
            "last-word-another",
            "checksum",
            replaced(23, if words[23] == "zoo" { "zone" } else { "zoo" }),
        ),
        (
            "no-word-of-the-list",
            "a word that is not of the list",
            replaced(3, "passphrase"),
        ),
        (
            "a-word-abbreviated",
            "a word that is not of the list",
            replaced(3, "aban"),
        ),
        (
            "of-another-list",
            "a word of the Spanish list",
            replaced(0, "\u{e1}baco"),
        ),
        ("joined-by-hyphens", "one word", good.replace(' ', "-")),
        (
            "separated-by-vertical-tabs",
            "U+000B separates no words",
            good.replace(' ', "\u{b}"),
        ),
        (
            "separated-by-file-separators",
            "U+001C separates no words",
            good.replace(' ', "\u{1c}"),
        ),
        (
            "separated-by-no-break-spaces",
            "U+00A0 separates no words",
            good.replace(' ', "\u{a0}"),
        ),
        (
            "separated-by-ideographic-spaces",
            "U+3000 separates no words",
            good.replace(' ', "\u{3000}"),
        ),
        (
            "a-kelvin-sign",
            "U+212A is no letter K, though it has its lower case",
            kelvin,
        ),
        (
            "fullwidth-letters",
            "U+FF21 and its like are no letters of the list",
            replaced(0, "\u{ff41}bandon"),
        ),
        (
            "a-byte-order-mark",
            "U+FEFF is no white space",
            format!("\u{feff}{good}"),
        ),
        (
            "digits",
            "words that are not of the list",
            ["1"; 24].join(" "),
        ),
    ];
    RecoveryFile {
        suite: RecoveryFile::SUITE.into(),
        recovery_dst: Some(RecoveryFile::SUITE.into()),
        valid,
        invalid: invalid
            .map(|(name, reason, phrase)| NoPhrase {
                name: name.into(),
                reason: reason.into(),
                phrase,
            })
            .into(),
    }
}
