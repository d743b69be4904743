//! Sessions as a store lists them: each is one access token that was issued and is good as long as it is listed.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use twofapi_crypto_core::{
    ClientId, CredentialId, Error,
    ceremony::{Change, Expect, Step},
};

use super::api::StoreError;

/// The name of a session, and of the access token that it is about (`jti`): 128 random bits, written in hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; Self::LEN]);

impl SessionId {
    /// How many bytes one has.
    pub const LEN: usize = 16;

    /// Draws one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the random source fails.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; Self::LEN];
        getrandom::fill(&mut bytes).map_err(|_| Error::Unavailable {
            reason: "the random source of the operating system failed".into(),
        })?;
        Ok(Self(bytes))
    }

    /// One that was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = Error;

    /// Reads 32 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::InvalidEncoding {
            what: "session_id",
            expected: "32 lower-case hex digits",
        };
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !text.bytes().all(is_digit) {
            return Err(malformed());
        }
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| malformed())?;
        Ok(Self(bytes))
    }
}

/// A session: an access token that was issued in the step that accepted its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name, which is the token's `jti`.
    pub id: SessionId,
    /// Whose it is.
    pub client_id: ClientId,
    /// The credential that was proven.
    pub credential: CredentialId,
    /// The version that this credential came with.
    pub since: u32,
    /// The generation that the client was of.
    pub generation: u32,
    /// How the client authenticated.
    pub amr: Vec<String>,
    /// From where it did, as far as that is known.
    pub source: Option<IpAddr>,
    /// When it began, in Unix seconds.
    pub issued_at: u64,
    /// When it is over, in Unix seconds.
    pub expires_at: u64,
    /// The thumbprint (RFC 7638) of the key that its token is bound to.
    pub jkt: Option<[u8; 32]>,
}

/// The layout of the bytes.
const LAYOUT: u8 = 1;

impl Session {
    /// So many of one client are kept. A store may keep a few more; of more than that, those that are over first
    /// go.
    pub const MOST_OF_ONE: usize = 256;

    /// The bytes that a store keeps beside the name of the client.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![LAYOUT];
        bytes.extend(self.id.0);
        bytes.extend(self.credential.as_bytes());
        bytes.extend(self.since.to_be_bytes());
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.issued_at.to_be_bytes());
        bytes.extend(self.expires_at.to_be_bytes());
        match self.source {
            None => bytes.push(0),
            Some(IpAddr::V4(address)) => {
                bytes.push(4);
                bytes.extend(address.octets());
            }
            Some(IpAddr::V6(address)) => {
                bytes.push(6);
                bytes.extend(address.octets());
            }
        }
        bytes.push(self.jkt.is_some().into());
        bytes.extend(self.jkt.iter().flatten());
        for method in &self.amr {
            // No method has a longer name.
            bytes.push(u8::try_from(method.len()).unwrap_or(u8::MAX));
            bytes.extend(method.bytes().take(u8::MAX.into()));
        }
        bytes
    }

    /// The session of a client in what a store has kept.
    pub(super) fn from_bytes(client_id: &ClientId, bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError("a session is damaged".into());
        Self::read(client_id, &mut Bytes(bytes)).ok_or_else(damaged)
    }

    fn read(client_id: &ClientId, bytes: &mut Bytes<'_>) -> Option<Self> {
        if bytes.array() != Some([LAYOUT]) {
            return None;
        }
        Some(Self {
            id: SessionId(bytes.array()?),
            client_id: client_id.clone(),
            credential: CredentialId::from_bytes(bytes.array()?),
            since: u32::from_be_bytes(bytes.array()?),
            generation: u32::from_be_bytes(bytes.array()?),
            issued_at: u64::from_be_bytes(bytes.array()?),
            expires_at: u64::from_be_bytes(bytes.array()?),
            source: match bytes.array()? {
                [0] => None,
                [4] => Some(Ipv4Addr::from(bytes.array::<4>()?).into()),
                [6] => Some(Ipv6Addr::from(bytes.array::<16>()?).into()),
                _ => return None,
            },
            jkt: match bytes.array()? {
                [0] => None,
                [1] => Some(bytes.array()?),
                _ => return None,
            },
            amr: bytes.texts()?,
        })
    }

    /// Sees that a step may open this session: one of its own client, that changes nothing.
    pub(super) fn check_opens(step: &Step, session: Option<&Self>) -> Result<(), StoreError> {
        let Some(session) = session else {
            return Ok(());
        };
        let is_login = matches!(
            (&step.expect, &step.change, &step.spend),
            (Expect::Unchanged { .. }, Change::None, Some(_))
        );
        match is_login && session.client_id == step.client_id {
            true => Ok(()),
            false => Err(StoreError(
                "a session is opened by a login of its client alone".into(),
            )),
        }
    }
}

/// What was not read yet.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// Each with its length before it, to the end.
    fn texts(&mut self) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        while let Some([len]) = self.array() {
            let (text, rest) = self.0.split_at_checked(len.into())?;
            self.0 = rest;
            texts.push(str::from_utf8(text).ok()?.to_owned());
        }
        Some(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            id: SessionId([7; 16]),
            client_id: "alice".parse().unwrap(),
            credential: CredentialId::from_bytes([1; 16]),
            since: 3,
            generation: 9,
            amr: vec!["zkp".into(), "knowledge".into()],
            source: None,
            issued_at: 1_795_000_000,
            expires_at: 1_795_000_900,
            jkt: None,
        }
    }

    #[test]
    fn what_is_kept_gives_the_session_again() {
        let alice: ClientId = "alice".parse().unwrap();
        for source in ["192.0.2.1", "2001:db8::7"] {
            for jkt in [None, Some([5; 32])] {
                let session = Session {
                    source: Some(source.parse().unwrap()),
                    jkt,
                    ..session()
                };
                let bytes = session.to_bytes();
                assert_eq!(Session::from_bytes(&alice, &bytes).unwrap(), session);
            }
        }
        let plain = Session {
            amr: vec![],
            ..session()
        };
        let bytes = plain.to_bytes();
        assert_eq!(Session::from_bytes(&alice, &bytes).unwrap(), plain);
        for short in 0..bytes.len() {
            assert!(Session::from_bytes(&alice, &bytes[..short]).is_err());
        }
        for (at, value) in [(0, 2), (57, 5), (58, 2)] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert!(Session::from_bytes(&alice, &damaged).is_err(), "byte {at}");
        }
        let mut more = bytes;
        more.push(1);
        assert!(Session::from_bytes(&alice, &more).is_err());
    }

    #[test]
    fn a_session_id_has_one_way_to_be_written() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<SessionId>().unwrap().to_string(), text);
        for other in [
            "",
            "0123456789abcdef0123456789abcde",
            "0123456789ABCDEF0123456789ABCDEF",
            "0123456789abcdef0123456789abcdef00",
            "0123456789abcdeg0123456789abcdef",
        ] {
            assert!(other.parse::<SessionId>().is_err(), "{other}");
        }
    }
}
