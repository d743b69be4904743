//! What an operator says of a client beyond its credentials: kept, shown, dumped and restored by every
//! host, empty unless it was set. Its expiry is enforced by the ceremonies.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    str::FromStr,
};

use serde_json::{Map, Value};

use crate::Error;

/// What an operator says of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// From when on the client is let in no longer, in Unix seconds.
    pub expires_at: Option<u64>,
    /// What it may do, in the words of its application.
    pub scopes: Scopes,
    /// What its tokens say besides.
    pub claims: Claims,
    /// From where it is let in; empty means from everywhere.
    pub sources: Sources,
    /// How often it may ask, in a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Whose client it is, where several share a host.
    pub tenant: Option<Tenant>,
}

/// Up to 32 scopes, each once and in the order in which they were given. A scope is a `scope-token` of RFC
/// 6749 of 1 to 64 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Box<str>>);

impl Scopes {
    /// The most scopes.
    pub const MAX: usize = 32;
    /// The longest scope in characters.
    pub const MAX_LEN: usize = 64;

    /// Checks count, lengths and characters.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`].
    pub fn new<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut kept: Vec<Box<str>> = Vec::new();
        for scope in scopes {
            if kept.len() == Self::MAX {
                return Err(Error::InvalidLength {
                    what: "scopes",
                    expected: "at most 32 of them",
                    actual: kept.len() + 1,
                });
            }
            if !(1..=Self::MAX_LEN).contains(&scope.len()) {
                return Err(Error::InvalidLength {
                    what: "scope",
                    expected: "1 to 64 characters",
                    actual: scope.len(),
                });
            }
            let permitted = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
            if !scope.bytes().all(permitted) || kept.iter().any(|other| **other == *scope) {
                return Err(Error::InvalidEncoding {
                    what: "scopes",
                    expected: "visible ASCII characters without \" and \\, each scope once",
                });
            }
            kept.push(scope.into());
        }
        Ok(Self(kept))
    }

    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|scope| &**scope)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contain(&self, scope: &str) -> bool {
        self.iter().any(|one| one == scope)
    }

    /// Those of them that the other list has as well, in the order of this one: never more than either.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let shared = self.0.iter().filter(|scope| other.contain(scope));
        Self(shared.cloned().collect())
    }

    /// Whether a scope is about this product itself, such as `2fapi:introspect`: it is given by an operator
    /// only, and never by a rule that goes by what others say of a client.
    #[must_use]
    pub fn is_reserved(scope: &str) -> bool {
        scope.starts_with("2fapi:")
    }
}

/// A JSON object of at most 2048 bytes, nested at most 8 deep, without the names that tokens use themselves;
/// none is the empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(Box<str>);

impl Claims {
    /// The longest object in bytes.
    pub const MAX_LEN: usize = 2048;
    const MAX_DEPTH: usize = 8;

    /// Reads an object, and keeps it without blanks and with each name once.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`], also for a name of which tokens make another
    /// use.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let object = Self::read(text)?;
        if object.keys().any(|name| Self::is_reserved(name)) {
            return Err(Error::InvalidEncoding {
                what: "custom claims",
                expected: "no names that tokens use themselves, such as sub, scope, exp or tenant, in \
                           whatever case",
            });
        }
        if object.is_empty() {
            return Ok(Self::default());
        }
        let written = serde_json::to_string(&object).map_err(|_| Self::invalid())?;
        // What was written again may be longer: characters that were not escaped before may be now.
        Self::read(&written)?;
        Ok(Self(written.into()))
    }

    /// What [`Claims::as_str`] gave.
    pub(crate) fn stored(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        match Self::read(text)?.is_empty() {
            true => Err(Self::invalid()),
            false => Ok(Self(text.into())),
        }
    }

    /// The object as text; empty when there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What tokens say, each by its name: without names that tokens use themselves, which a record of before
    /// may have.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let mut members = Self::read(&self.0).unwrap_or_default();
        members.retain(|name, _| !Self::is_reserved(name));
        members
    }

    /// The same as text.
    #[must_use]
    pub fn for_tokens(&self) -> String {
        Value::Object(self.members()).to_string()
    }

    /// Whether tokens make another use of this name, in whatever case: some readers of JSON (Go's is one) take
    /// `Sub`, and even `\u{17f}ub`, for `sub`.
    #[must_use]
    pub fn is_reserved(name: &str) -> bool {
        let folded: String = name
            .chars()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .collect();
        folded.is_empty() || folded.starts_with("2fapi") || RESERVED.contains(&folded.as_str())
    }

    fn read(text: &str) -> Result<Map<String, Value>, Error> {
        if text.len() > Self::MAX_LEN {
            return Err(Error::InvalidLength {
                what: "custom claims",
                expected: "at most 2048 bytes",
                actual: text.len(),
            });
        }
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| Self::invalid())?;
        match object.values().all(|value| depth(value) < Self::MAX_DEPTH) {
            true => Ok(object),
            false => Err(Self::invalid()),
        }
    }

    const fn invalid() -> Error {
        Error::InvalidEncoding {
            what: "custom claims",
            expected: "a JSON object, nested at most 8 deep",
        }
    }
}

/// Names at the top of a token that are not an operator's to choose: those that our tokens use, those by which
/// other standards say who somebody is or what a token is good for, and those of an introspection's answer.
const RESERVED: [&str; 43] = [
    "__proto__",
    "acr",
    "act",
    "active",
    "amr",
    "at_hash",
    "ath",
    "aud",
    "auth_time",
    "authorization_details",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "cred",
    "events",
    "exp",
    "gen",
    "htm",
    "htu",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "orig",
    "origin_jti",
    "rat",
    "s_hash",
    "scope",
    "scp",
    "sid",
    "sub",
    "sub_id",
    "sub_jwk",
    "tenant",
    "toe",
    "token_type",
    "txn",
    "username",
    "vct",
    "ver",
];

/// The parser itself goes no deeper than 128.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

/// Addresses with one beginning: `192.0.2.0/24`, `2001:db8::/32`, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    address: IpAddr,
    prefix: u8,
}

impl Source {
    /// The addresses that begin like this one; it has no bit beyond the prefix.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`].
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, Error> {
        let source = Self { address, prefix };
        if source.width() < prefix || source.bits() & !source.mask() != 0 {
            return Err(Self::invalid());
        }
        Ok(source)
    }

    /// The first address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits they share.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it is one of them. An IPv4 address within IPv6 is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let other = Self {
            address: address.to_canonical(),
            prefix: 0,
        };
        self.width() == other.width() && other.bits() & self.mask() == self.bits()
    }

    const fn width(&self) -> u8 {
        match self.address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }

    const fn bits(&self) -> u128 {
        match self.address {
            IpAddr::V4(address) => (address.to_bits() as u128) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn mask(&self) -> u128 {
        u128::MAX
            .checked_shl(128 - u32::from(self.prefix))
            .unwrap_or(0)
    }

    const fn invalid() -> Error {
        Error::InvalidEncoding {
            what: "allowed source",
            expected: "an IP address, or one with a prefix length and no bit beyond it, such as 192.0.2.0/24",
        }
    }
}

impl FromStr for Source {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| Self::invalid())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => whole,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| Self::invalid())?
            }
            Some(_) => return Err(Self::invalid()),
        };
        Self::new(address, prefix)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Up to 32 sources, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// The most sources.
    pub const MAX: usize = 32;

    /// Checks their count.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`].
    pub fn new(sources: Vec<Source>) -> Result<Self, Error> {
        if sources.len() > Self::MAX {
            return Err(Error::InvalidLength {
                what: "allowed sources",
                expected: "at most 32 of them",
                actual: sources.len(),
            });
        }
        let twice = |(at, source): (usize, &Source)| sources[..at].contains(source);
        if sources.iter().enumerate().any(twice) {
            return Err(Error::InvalidEncoding {
                what: "allowed sources",
                expected: "each source once",
            });
        }
        Ok(Self(sources))
    }

    /// Each of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Source] {
        &self.0
    }

    /// Whether a client with these may come from there.
    #[must_use]
    pub fn permit(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|source| source.contains(address))
    }
}

/// Whose client it is: 1 to 128 of `A-Z a-z 0-9 . _ - @ +`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant(Box<str>);

impl Tenant {
    /// The longest tenant in characters.
    pub const MAX: usize = 128;

    /// The tenant as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tenant {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        if !(1..=Self::MAX).contains(&text.len()) {
            return Err(Error::InvalidLength {
                what: "tenant",
                expected: "1 to 128 characters",
                actual: text.len(),
            });
        }
        let permitted = |b: u8| b.is_ascii_alphanumeric() || b"._-@+".contains(&b);
        if !text.bytes().all(permitted) {
            return Err(Error::InvalidEncoding {
                what: "tenant",
                expected: "characters of A-Z a-z 0-9 . _ - @ +",
            });
        }
        Ok(Self(text.into()))
    }
}

/// An address as a record has it.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// The address of these bytes.
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|octets| Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};
    use proptest::prelude::*;

    #[test]
    fn scopes_are_tokens_each_once() {
        let good = Scopes::new(["read", "write:all"]).unwrap();
        assert_eq!(good.iter().collect::<Vec<_>>(), ["read", "write:all"]);
        let long = "x".repeat(65);
        for bad in [
            vec![""],
            vec!["a b"],
            vec!["a", "a"],
            vec!["\""],
            vec!["\\"],
            vec!["é"],
            vec![&long],
        ] {
            assert!(Scopes::new(bad.clone()).is_err(), "{bad:?}");
        }
        let names: Vec<String> = (0..33).map(|n| n.to_string()).collect();
        assert!(Scopes::new(names[..32].iter().map(String::as_str)).is_ok());
        assert!(Scopes::new(names.iter().map(String::as_str)).is_err());
    }

    #[test]
    fn claims_are_a_bounded_object_with_each_name_once() {
        assert_eq!(Claims::parse(" { } ").unwrap(), Claims::default());
        let twice = Claims::parse("{\"a\": 1, \"a\": 2}").unwrap();
        assert_eq!(twice.as_str(), "{\"a\":2}");
        let nested = |deep: usize| format!("{{\"a\":{}{}}}", "[".repeat(deep), "]".repeat(deep));
        assert!(Claims::parse(&nested(7)).is_ok());
        for bad in [
            "",
            "[]",
            "1",
            "{",
            "{\"a\":1}x",
            "{a:1}",
            "{\"a\":1e999}",
            &nested(8),
            &nested(1000),
        ] {
            assert!(Claims::parse(bad).is_err(), "{bad}");
        }
        let long = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
        assert!(Claims::parse(&long(2048)).is_ok());
        assert!(Claims::parse(&long(2049)).is_err());
    }

    #[test]
    fn custom_claims_override_nothing_that_a_token_says_itself() {
        for name in RESERVED {
            let upper = name.to_uppercase();
            for name in [name, &upper] {
                let text = format!("{{\"{name}\":1,\"role\":2}}");
                assert!(Claims::parse(&text).is_err(), "{name}");
                // Of a record of before it is passed over.
                let kept = Claims::stored(&text).unwrap();
                assert_eq!(kept.members().keys().collect::<Vec<_>>(), ["role"]);
            }
        }
        for name in ["", "2FApi:x", "\u{17f}ub", "to\u{212a}en_type", "\\u0073ub"] {
            let text = format!("{{\"{name}\":1}}");
            assert!(Claims::parse(&text).is_err(), "{name:?}");
        }
        let nested = Claims::parse("{\"a\":{\"sub\":1},\"role\":\"r\"}").unwrap();
        assert_eq!(nested.members().len(), 2);
        assert!(Claims::default().members().is_empty());
    }

    #[test]
    fn scopes_within_others_are_never_more_than_either() {
        let scopes = |all: &[&str]| Scopes::new(all.iter().copied()).unwrap();
        let within = scopes(&["a", "b", "c"]).within(&scopes(&["c", "d", "a"]));
        assert_eq!(within, scopes(&["a", "c"]));
        assert!(within.contain("a") && !within.contain("b"));
        assert!(scopes(&["a"]).within(&Scopes::default()).is_empty());
        assert!(Scopes::is_reserved("2fapi:introspect") && !Scopes::is_reserved("2fapi"));
    }

    #[test]
    fn a_source_has_no_bit_beyond_its_prefix() {
        for good in [
            "192.0.2.0/24",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::1/128",
            "192.0.2.7/32",
        ] {
            assert_eq!(good.parse::<Source>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "192.0.2.0/+24",
            "192.0.2.0/",
            "a",
            "::/129",
            "1.2.3",
        ] {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
        let net: Source = "192.0.2.0/24".parse().unwrap();
        assert!(net.contains("192.0.2.255".parse().unwrap()));
        assert!(net.contains("::ffff:192.0.2.1".parse().unwrap()));
        assert!(!net.contains("192.0.3.0".parse().unwrap()));
        assert!(!net.contains("c000:200::".parse().unwrap()));
        let sources = Sources::new(vec![net]).unwrap();
        assert!(!sources.permit("::1".parse().unwrap()));
        assert!(Sources::default().permit("::1".parse().unwrap()));
        assert!(Sources::new(vec![net, net]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
            let _ = (Claims::parse(&text), text.parse::<Source>(), text.parse::<Tenant>(), Scopes::new([&*text]));
        }
    }
}
