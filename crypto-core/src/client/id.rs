//! The syntax of a client id, which Redis key patterns, SQL and URLs depend on.

use alloc::{borrow::ToOwned, boxed::Box, string::String};
use core::{fmt, str::FromStr};

use crate::Error;

/// The longest client id, in characters (each is one byte).
pub const CLIENT_ID_MAX: usize = 128;

/// Beginnings that hosts keep for themselves, compared without regard to case.
const RESERVED: [&str; 2] = ["2fapi", "twofapi"];

/// A client id: 1 to 128 of `A-Z a-z 0-9 . _ - @ +`, beginning with a letter or digit, without
/// `..`, not beginning (in any case) with `2fapi` or `twofapi`. Compared byte for byte: `Alice`
/// and `alice` are two clients.
///
/// ```
/// use twofapi_crypto_core::ClientId;
/// assert!("alice@example.com".parse::<ClientId>().is_ok());
/// assert!("2FApi-admin".parse::<ClientId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// Checks the syntax.
    ///
    /// # Errors
    /// [`Error::InvalidClientId`], saying which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match first_broken_rule(text.as_bytes()) {
            None => Ok(Self(text.into())),
            Some(problem) => Err(Error::InvalidClientId { problem }),
        }
    }

    /// Checks the syntax of bytes that need not be UTF-8, as Redis hands them over.
    ///
    /// # Errors
    /// [`Error::InvalidClientId`], saying which rule the bytes break.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if let Some(problem) = first_broken_rule(bytes) {
            return Err(Error::InvalidClientId { problem });
        }
        // Every permitted byte is ASCII, so this cannot fail.
        match core::str::from_utf8(bytes) {
            Ok(text) => Ok(Self(text.into())),
            Err(_) => Err(Error::InvalidClientId {
                problem: "it has a character that is not permitted",
            }),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the bytes that go into the transcript.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn first_broken_rule(bytes: &[u8]) -> Option<&'static str> {
    let Some(first) = bytes.first() else {
        return Some("it is empty");
    };
    if bytes.len() > CLIENT_ID_MAX {
        return Some("it is too long");
    }
    let permitted = |b: &u8| b.is_ascii_alphanumeric() || b"._-@+".contains(b);
    if !bytes.iter().all(permitted) {
        return Some("it has a character that is not permitted");
    }
    if !first.is_ascii_alphanumeric() {
        return Some("it begins with neither a letter nor a digit");
    }
    if bytes.windows(2).any(|pair| pair == b"..") {
        return Some("it contains \"..\"");
    }
    let reserved = |word: &str| {
        bytes
            .get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    };
    if RESERVED.into_iter().any(reserved) {
        return Some("its beginning is reserved");
    }
    None
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({})", self.0)
    }
}

impl FromStr for ClientId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ClientId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0.into()
    }
}

impl AsRef<str> for ClientId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl core::borrow::Borrow<str> for ClientId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&ClientId> for String {
    fn from(id: &ClientId) -> Self {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_every_kind_in_use_are_permitted() {
        let longest = "x".repeat(CLIENT_ID_MAX);
        for id in [
            "a",
            "0",
            "my-service",
            "alice@example.com",
            "svc_1.prod",
            "a+b",
            "0190f3a1-7c2e-7b40-9d55-2f6f0c1a77aa",
            "my2fapi",
            &longest,
        ] {
            assert_eq!(ClientId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        let too_long = "x".repeat(CLIENT_ID_MAX + 1);
        for (id, problem) in [
            ("", "it is empty"),
            (too_long.as_str(), "it is too long"),
            ("a b", "it has a character that is not permitted"),
            ("a:b", "it has a character that is not permitted"),
            ("{a}", "it has a character that is not permitted"),
            ("a\0", "it has a character that is not permitted"),
            ("a\n", "it has a character that is not permitted"),
            ("élan", "it has a character that is not permitted"),
            (".a", "it begins with neither a letter nor a digit"),
            ("@a", "it begins with neither a letter nor a digit"),
            ("a..b", "it contains \"..\""),
            ("2fapi", "its beginning is reserved"),
            ("2FAPI-x", "its beginning is reserved"),
            ("TwoFApi.x", "its beginning is reserved"),
        ] {
            assert_eq!(
                ClientId::parse(id),
                Err(Error::InvalidClientId { problem }),
                "{id:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_are_judged_alike(text in "\\PC{0,140}") {
            prop_assert_eq!(ClientId::parse(&text), ClientId::from_bytes(text.as_bytes()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ClientId::from_bytes(&bytes);
        }

        #[test]
        fn a_permitted_id_survives_a_round_trip(text in "[A-Za-z0-9][A-Za-z0-9_@+-]{0,127}") {
            if let Ok(id) = ClientId::parse(&text) {
                prop_assert_eq!(String::from(&id), text);
            }
        }
    }
}
