//! A credential as a record has it: what proofs are checked against, and what its owner calls it.

use alloc::{boxed::Box, string::String};
use core::{fmt, str::FromStr};

use sha2::{Digest, Sha512};

use super::Scopes;
use crate::{Commitment, Error, sigma::is_nonnegative_field_element};

const CREDENTIAL_ID_DST: &[u8] = b"2FApi-v1.0-CredentialId";

/// The name of a credential in requests, tokens and sessions: the first 16 bytes of
/// SHA-512("2FApi-v1.0-CredentialId" ‖ C), in text 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId([u8; Self::LEN]);

impl CredentialId {
    /// Length of an id in bytes.
    pub const LEN: usize = 16;
    /// Length of an id as text.
    pub const TEXT_LEN: usize = 2 * Self::LEN;

    /// The id of the credential with this commitment.
    #[must_use]
    pub fn of(commitment: &[u8; Commitment::LEN]) -> Self {
        let hash: [u8; 64] = Sha512::new_with_prefix(CREDENTIAL_ID_DST)
            .chain_update(commitment)
            .finalize()
            .into();
        let mut id = [0; Self::LEN];
        id.copy_from_slice(&hash[..Self::LEN]);
        Self(id)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`].
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        if text.len() != Self::TEXT_LEN {
            return Err(Error::InvalidLength {
                what: "credential id",
                expected: "32 hex digits",
                actual: text.len(),
            });
        }
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(Error::InvalidEncoding {
                what: "credential id",
                expected: "32 lower-case hex digits",
            }),
        };
        let mut id = [0; Self::LEN];
        for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(id))
    }

    /// The id from where a host keeps it in bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The id in bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({self})")
    }
}

impl FromStr for CredentialId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text.as_bytes())
    }
}

/// What a person calls a credential: 1 to 64 characters of 0x20 to 0x7e, no blank at either end. Nothing is
/// proven about it, and nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CredentialName(Box<str>);

impl CredentialName {
    /// The longest name in characters (each is one byte).
    pub const MAX: usize = 64;

    /// Checks length and characters.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`].
    pub fn parse(name: &[u8]) -> Result<Self, Error> {
        if !(1..=Self::MAX).contains(&name.len()) {
            return Err(Error::InvalidLength {
                what: "name of a credential",
                expected: "1 to 64 characters",
                actual: name.len(),
            });
        }
        let blank_end = name.first() == Some(&b' ') || name.last() == Some(&b' ');
        let printable = name.iter().all(|byte| (0x20..=0x7e).contains(byte));
        match core::str::from_utf8(name) {
            Ok(text) if printable && !blank_end => Ok(Self(text.into())),
            _ => Err(Error::InvalidEncoding {
                what: "name of a credential",
                expected: "printable ASCII characters, without a blank at either end",
            }),
        }
    }

    /// What a credential is called that nobody named.
    #[must_use]
    pub fn unnamed() -> Self {
        Self("first".into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CredentialName {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text.as_bytes())
    }
}

impl From<CredentialName> for String {
    fn from(name: CredentialName) -> Self {
        name.0.into()
    }
}

/// By which suite a credential proves. There is one; a number keeps its place in every store for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SuiteId {
    /// `2FApi-v1.0-Sigma`: a Pedersen commitment over Ristretto255.
    Sigma,
}

impl SuiteId {
    /// The number under which stores keep it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Sigma => 1,
        }
    }

    /// The suite of this number.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] for a suite that this version does not know.
    pub const fn from_number(number: u8) -> Result<Self, Error> {
        match number {
            1 => Ok(Self::Sigma),
            _ => Err(Error::InvalidEncoding {
                what: "suite of a credential",
                expected: "one that this version of 2FApi knows",
            }),
        }
    }
}

/// A commitment in a record: in bytes, and decoded where the host had it so.
#[derive(Clone, Copy)]
pub(crate) enum Kept {
    Bytes([u8; Commitment::LEN]),
    Decoded(Commitment),
}

impl Kept {
    pub(crate) const fn as_bytes(&self) -> &[u8; Commitment::LEN] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Decoded(commitment) => commitment.as_bytes(),
        }
    }
}

/// One credential of a client, as a host keeps it.
#[derive(Clone)]
pub struct EnrolledCredential {
    pub(crate) commitment: Kept,
    pub(crate) name: CredentialName,
    pub(crate) created: u64,
    pub(crate) since: u32,
    pub(crate) suite: SuiteId,
    pub(crate) expires_at: Option<u64>,
    /// What of its client's scopes it has, where it has not all of them.
    pub(crate) scopes: Option<Scopes>,
}

impl EnrolledCredential {
    /// A credential that comes with this version of its record.
    pub(crate) fn new(commitment: &Commitment, name: CredentialName, since: u32, now: u64) -> Self {
        Self {
            commitment: Kept::Decoded(*commitment),
            name,
            created: now,
            since,
            suite: SuiteId::Sigma,
            expires_at: None,
            scopes: None,
        }
    }

    /// A credential from where a host keeps it, in columns for example. The commitment was looked at when it
    /// came; here it is only seen not to be of another kind.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`] for what cannot be a commitment.
    pub fn from_parts(
        commitment: [u8; Commitment::LEN],
        name: CredentialName,
        created: u64,
        since: u32,
        suite: SuiteId,
        expires_at: Option<u64>,
    ) -> Result<Self, Error> {
        if commitment == [0; Commitment::LEN] || !is_nonnegative_field_element(&commitment) {
            return Err(Error::InvalidEncoding {
                what: "commitment",
                expected: "the canonical encoding of a Ristretto255 element other than the identity",
            });
        }
        Ok(Self {
            commitment: Kept::Bytes(commitment),
            name,
            created,
            since,
            suite,
            expires_at,
            scopes: None,
        })
    }

    /// With no more of its client's scopes than these, where a host keeps it so; with all of them where not.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Option<Scopes>) -> Self {
        self.scopes = scopes;
        self
    }

    /// Its name in requests and tokens: a hash of the commitment, worked out at each call, so that a record
    /// that is only looked up costs none.
    #[must_use]
    pub fn id(&self) -> CredentialId {
        CredentialId::of(self.commitment())
    }

    /// The commitment that proofs are checked against, encoded.
    #[must_use]
    pub const fn commitment(&self) -> &[u8; Commitment::LEN] {
        self.commitment.as_bytes()
    }

    /// What its owner calls it.
    #[must_use]
    pub const fn name(&self) -> &CredentialName {
        &self.name
    }

    /// When it was enrolled or linked, in Unix seconds; 0 where nobody knows. A rotation keeps it.
    #[must_use]
    pub const fn created(&self) -> u64 {
        self.created
    }

    /// The version of the record that its commitment came with.
    #[must_use]
    pub const fn since(&self) -> u32 {
        self.since
    }

    /// By which suite it proves.
    #[must_use]
    pub const fn suite(&self) -> SuiteId {
        self.suite
    }

    /// From when on it is good no longer, in Unix seconds.
    #[must_use]
    pub const fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    /// What of its client's scopes it has at most; `None` for all of them.
    /// [`Record::scopes_of`](super::Record::scopes_of) says what it may do.
    #[must_use]
    pub const fn scopes(&self) -> Option<&Scopes> {
        self.scopes.as_ref()
    }
}

/// Equal in all that is kept, whether decoded or not.
impl PartialEq for EnrolledCredential {
    fn eq(&self, other: &Self) -> bool {
        self.commitment() == other.commitment()
            && self.name == other.name
            && self.created == other.created
            && self.since == other.since
            && self.suite == other.suite
            && self.expires_at == other.expires_at
            && self.scopes == other.scopes
    }
}

impl Eq for EnrolledCredential {}

impl fmt::Debug for EnrolledCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolledCredential({} since {})", self.id(), self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn a_credential_id_is_what_the_protocol_says() {
        let digest =
            Sha512::digest([&b"2FApi-v1.0-CredentialId"[..], &crate::GENERATOR_G].concat());
        let id = CredentialId::of(&crate::GENERATOR_G);
        assert_eq!(id.as_bytes()[..], digest[..16]);
        assert_eq!(id.to_string(), hex::encode(&digest[..16]));
    }

    #[test]
    fn names_that_smuggle_are_refused() {
        let longest = "x".repeat(CredentialName::MAX);
        for good in ["a", "Ann's phone", "~!\"<b>", &longest] {
            assert_eq!(good.parse::<CredentialName>().unwrap().as_str(), good);
        }
        let too_long = "x".repeat(CredentialName::MAX + 1);
        for bad in [
            "",
            " ",
            " a",
            "a ",
            "a\n",
            "a\0b",
            "a\tb",
            "a\u{7f}",
            "\u{1b}[2J",
            "é",
            "a\u{202e}b",
            "a\u{200b}",
            &too_long,
        ] {
            assert!(bad.parse::<CredentialName>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn credential_ids_survive_a_round_trip(bytes: [u8; 16]) {
            let id = CredentialId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn arbitrary_text_is_refused_or_read_as_what_it_says(text in "\\PC{0,70}") {
            if let Ok(id) = text.parse::<CredentialId>() {
                prop_assert_eq!(id.to_string(), text.as_str());
            }
            if let Ok(name) = text.parse::<CredentialName>() {
                prop_assert_eq!(name.as_str(), text);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            let _ = (CredentialId::parse(&bytes), CredentialName::parse(&bytes));
        }
    }
}
