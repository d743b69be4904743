//! The code that a first device shows and a second one reads (protocol.md 12).

use alloc::{format, string::String, vec::Vec};
use core::{fmt, str::FromStr};

use crate::{Audience, ChallengeId, ClientId, Error, Nonce};

const PREFIX: &str = "2fapi-link:1:";

/// `2fapi-link:1:<challenge id>.<client id>:<nonce in hex>:<audience>`: what a second device needs to ask to be
/// linked. Whoever has it may ask, and no more; it is confidential, and silent in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkCode {
    /// The challenge that was offered.
    pub challenge_id: ChallengeId,
    /// Whose it is.
    pub client_id: ClientId,
    /// Its nonce.
    pub nonce: Nonce,
    /// The host that it is good at. The second device goes on only if that is the one it means to talk to, or
    /// its user says so.
    pub audience: Audience,
}

impl LinkCode {
    /// Reads a code as it is shown, and no other text.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`], which does not quote it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = || {
            let mut parts = text.strip_prefix(PREFIX)?.splitn(3, ':');
            let (named, nonce, audience) = (parts.next()?, parts.next()?, parts.next()?);
            let (challenge_id, client_id) = named.split_once('.')?;
            Some(Self {
                challenge_id: ChallengeId::parse(challenge_id).ok()?,
                client_id: ClientId::parse(client_id).ok()?,
                nonce: nonce_of(nonce)?,
                audience: Audience::parse(audience).ok()?,
            })
        };
        parts().ok_or(Error::InvalidEncoding {
            what: "link code",
            expected: "the whole of what the other device shows, which begins with 2fapi-link:1:",
        })
    }

    /// The text that is shown.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{PREFIX}{}.{}:", self.challenge_id, self.client_id);
        for byte in self.nonce.as_bytes() {
            text += &format!("{byte:02x}");
        }
        text.push(':');
        text + self.audience.as_str()
    }
}

/// In lower-case digits: a code has one text.
fn nonce_of(digits: &str) -> Option<Nonce> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    Nonce::from_bytes(&bytes?).ok()
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkCode(confidential)")
    }
}

impl FromStr for LinkCode {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    const GOOD: &str = "2fapi-link:1:ch-6afd8738e6d9c4dff7246cd9.alice@example.com:\
                        133166f9e02f2a5e6187a605fe27fb39:https://api.example.com:8443";

    #[test]
    fn a_code_says_what_it_is_made_from_and_hides_it_from_logs() {
        let code: LinkCode = GOOD.parse().unwrap();
        assert_eq!(code.challenge_id.to_string(), "ch-6afd8738e6d9c4dff7246cd9");
        assert_eq!(code.client_id.as_str(), "alice@example.com");
        assert_eq!(code.nonce.as_bytes().len(), 16);
        assert_eq!(code.audience.as_str(), "https://api.example.com:8443");
        assert_eq!(code.to_text(), GOOD);
        assert_eq!(format!("{code:?}"), "LinkCode(confidential)");
    }

    proptest! {
        #[test]
        fn a_changed_code_is_none_or_says_what_it_reads(
            at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f, keep in any::<prop::sample::Index>(),
        ) {
            let mut changed = GOOD.as_bytes().to_vec();
            let at = at.index(changed.len());
            changed[at] = byte;
            changed.truncate(1 + keep.index(changed.len()));
            let changed = String::from_utf8(changed).unwrap();
            match LinkCode::parse(&changed) {
                Ok(code) => prop_assert_eq!(code.to_text(), changed),
                Err(error) => prop_assert!(!error.to_string().contains("133166f9")),
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = LinkCode::parse(&text);
            let _ = LinkCode::parse(&format!("{PREFIX}{text}"));
        }
    }
}
