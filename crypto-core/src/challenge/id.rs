//! How a challenge is named: to its client by its id, in the set of spent challenges by its key and by whose
//! it is.

use core::{fmt, str::FromStr};

use crate::Denied;

const ID_PREFIX: &str = "ch-";
pub(super) const ID_BYTES: usize = 12;

/// The name of a challenge: `ch-` and 24 lower-case hex digits, being 4 bytes expiry (Unix seconds,
/// big-endian) and 8 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChallengeId(pub(super) [u8; ID_BYTES]);

impl ChallengeId {
    /// Length of the text in bytes.
    pub const TEXT_LEN: usize = ID_PREFIX.len() + 2 * ID_BYTES;

    /// Decodes the text form, exactly.
    ///
    /// # Errors
    /// [`Denied`]: an id that no host issues is like one that was never issued.
    pub fn parse(text: &str) -> Result<Self, Denied> {
        Self::from_text_bytes(text.as_bytes())
    }

    /// Decodes the text form from bytes that need not be UTF-8.
    ///
    /// # Errors
    /// [`Denied`], as [`ChallengeId::parse`].
    pub fn from_text_bytes(text: &[u8]) -> Result<Self, Denied> {
        let digits = text.strip_prefix(ID_PREFIX.as_bytes()).ok_or(Denied)?;
        if digits.len() != 2 * ID_BYTES {
            return Err(Denied);
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(Denied),
        };
        let mut bytes = [0; ID_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }

    /// The id as it is sent: `ch-` and 24 lower-case hex digits, all of it ASCII.
    #[must_use]
    pub fn to_text(&self) -> [u8; Self::TEXT_LEN] {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut text = [0; Self::TEXT_LEN];
        let (prefix, digits) = text.split_at_mut(ID_PREFIX.len());
        prefix.copy_from_slice(ID_PREFIX.as_bytes());
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// When the challenge expires, in Unix seconds. It is live while now < expiry.
    #[must_use]
    pub const fn expires_at(&self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl ChallengeId {
    /// The 12 bytes that the digits stand for.
    pub(crate) const fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// The id of these bytes.
    pub(crate) const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// Which of the operator's roots it was issued under, where the host has numbered roots.
    pub(crate) const fn root_number(&self) -> u8 {
        self.0[4]
    }
}

impl fmt::Display for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of ASCII alone.
        f.write_str(core::str::from_utf8(&self.to_text()).unwrap_or(ID_PREFIX))
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChallengeId {
    type Err = Denied;
    fn from_str(text: &str) -> Result<Self, Denied> {
        Self::parse(text)
    }
}

/// Under what a challenge is kept in the set: 16 bytes that only the challenge key's holder can
/// compute, so that nobody can aim at a slot of the table or at another client's challenge.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpentKey([u8; Self::LEN]);

impl SpentKey {
    /// Length of the key in bytes.
    pub const LEN: usize = 16;

    /// The key as a shared store keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The key from where a host kept it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SpentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpentKey(secret)")
    }
}

/// A client, as a spent set counts its entries. From the host's key, so that nobody else can find another
/// client with the same tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareTag(pub(crate) u32);

impl ShareTag {
    /// The number under which a store counts.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn only_the_exact_text_form_is_an_id() {
        let good = "ch-6afd86c037009872e54f07c1";
        assert_eq!(ChallengeId::parse(good).unwrap().to_string(), good);
        assert_eq!(
            ChallengeId::parse(good).unwrap().expires_at(),
            1_795_000_000
        );
        for bad in [
            "",
            "ch-",
            "6afd86c037009872e54f07c1",
            "ch-6AFD86C037009872E54F07C1",
            "CH-6afd86c037009872e54f07c1",
            "ch-6afd86c037009872e54f07c",
            "ch-6afd86c037009872e54f07c10",
            "ch-6afd86c037009872e54f07cg",
            " ch-6afd86c037009872e54f07c1",
            "ch-6afd86c037009872e54f07c1\n",
        ] {
            assert_eq!(ChallengeId::parse(bad), Err(Denied), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn ids_survive_a_round_trip(bytes: [u8; 12]) {
            let id = ChallengeId(bytes);
            prop_assert_eq!(ChallengeId::parse(&id.to_string()), Ok(id));
            prop_assert_eq!(id.to_string().len(), ChallengeId::TEXT_LEN);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
            if let Ok(id) = ChallengeId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
