//! The arguments of the commands, parsed once into types that cannot hold a bad value.

use std::{num::NonZeroU32, str::FromStr};

use twofapi_crypto_core::{Attributes, Claims, Commitment, Error, Proof, Scopes, Sources, Tenant};

use super::acl_user::AclUser;

/// Why arguments were not understood.
#[derive(Debug)]
pub(crate) enum Misread {
    /// Redis's own words for it.
    Syntax,
    Value(Error),
}

impl From<Error> for Misread {
    fn from(error: Error) -> Self {
        Self::Value(error)
    }
}

/// Optional arguments: a word and what follows it, in any order and each once.
fn pairs<'a, const N: usize>(
    words: [&[u8]; N],
    arguments: &[&'a [u8]],
) -> Result<[Option<&'a [u8]>; N], Misread> {
    let mut values = [None; N];
    for pair in arguments.chunks(2) {
        let &[name, value] = pair else {
            return Err(Misread::Syntax);
        };
        let is_it = |word: &[u8]| name.eq_ignore_ascii_case(word);
        match words
            .into_iter()
            .zip(&mut values)
            .find(|(word, _)| is_it(word))
        {
            Some((_, place @ None)) => *place = Some(value),
            _ => return Err(Misread::Syntax),
        }
    }
    Ok(values)
}

/// What `2FAPI.ENROLL client commitment` may be followed by.
#[derive(Debug, Default)]
pub(crate) struct EnrolOptions {
    pub(crate) proof: Option<Proof>,
    pub(crate) user: Option<AclUser>,
}

impl EnrolOptions {
    pub(crate) fn parse(arguments: &[&[u8]]) -> Result<Self, Misread> {
        let [text, user] = pairs([b"PROOF", b"USER"], arguments)?;
        Ok(Self {
            proof: text.map(|text| proof("proof", text)).transpose()?,
            user: user.map(AclUser::parse).transpose()?,
        })
    }
}

/// What `2FAPI.LINK client challenge-id proof commitment-new` may be followed by.
#[derive(Debug, Default)]
pub(crate) struct LinkOptions<'a> {
    /// The joining proof of the new credential and its name.
    pub(crate) joining: Option<(Proof, &'a [u8])>,
    pub(crate) credential: Option<&'a [u8]>,
}

impl<'a> LinkOptions<'a> {
    pub(crate) fn parse(arguments: &[&'a [u8]]) -> Result<Self, Misread> {
        let [text, name, credential] = pairs([b"PROOF", b"NAME", b"CREDENTIAL"], arguments)?;
        let joining = match (text, name) {
            (Some(text), Some(name)) => Some((proof("joining proof", text)?, name)),
            (None, None) => None,
            _ => return Err(Misread::Syntax),
        };
        Ok(Self {
            joining,
            credential,
        })
    }
}

/// `CREDENTIAL id`, or nothing.
pub(crate) fn credential_option<'a>(arguments: &[&'a [u8]]) -> Result<Option<&'a [u8]>, Misread> {
    let [credential] = pairs([b"CREDENTIAL"], arguments)?;
    Ok(credential)
}

/// `PROOF proof`, and nothing else.
pub(crate) fn proof_option(arguments: &[&[u8]]) -> Result<Proof, Misread> {
    match pairs([b"PROOF"], arguments)? {
        [Some(text)] => Ok(proof("proof", text)?),
        [None] => Err(Misread::Syntax),
    }
}

/// What `2FAPI.ATTRIBUTES client` is followed by: what is named is said anew, and an empty text takes it
/// away.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttributeChanges {
    expires_at: Option<Option<u64>>,
    scopes: Option<Scopes>,
    claims: Option<Claims>,
    sources: Option<Sources>,
    rate: Option<Option<NonZeroU32>>,
    tenant: Option<Option<Tenant>>,
}

impl AttributeChanges {
    pub(crate) fn parse(arguments: &[&[u8]]) -> Result<Self, Misread> {
        const WORDS: [&[u8]; 6] = [
            b"EXPIREAT",
            b"SCOPES",
            b"CLAIMS",
            b"SOURCES",
            b"RATE",
            b"TENANT",
        ];
        let [expires_at, scopes, claims, sources, rate, tenant] = pairs(WORDS, arguments)?;
        Ok(Self {
            expires_at: expires_at.map(expiry).transpose()?,
            scopes: scopes.map(read_scopes).transpose()?,
            claims: claims.map(read_claims).transpose()?,
            sources: sources.map(read_sources).transpose()?,
            rate: rate.map(read_rate).transpose()?,
            tenant: tenant.map(read_tenant).transpose()?,
        })
    }

    /// Only that a client, or one of its credentials, expires then.
    pub(crate) fn expiry(expires_at: Option<u64>) -> Self {
        Self {
            expires_at: Some(expires_at),
            ..Self::default()
        }
    }

    pub(crate) fn apply(self, said: &mut Attributes) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut said.expires_at, self.expires_at);
        set(&mut said.scopes, self.scopes);
        set(&mut said.claims, self.claims);
        set(&mut said.sources, self.sources);
        set(&mut said.requests_per_minute, self.rate);
        set(&mut said.tenant, self.tenant);
    }
}

fn read_scopes(argument: &[u8]) -> Result<Scopes, Error> {
    Scopes::new(text("scopes", argument)?.split_ascii_whitespace())
}

fn read_claims(argument: &[u8]) -> Result<Claims, Error> {
    match text("custom claims", argument)? {
        "" => Ok(Claims::default()),
        object => Claims::parse(object),
    }
}

fn read_sources(argument: &[u8]) -> Result<Sources, Error> {
    let sources = text("allowed sources", argument)?.split_ascii_whitespace();
    Sources::new(sources.map(str::parse).collect::<Result<_, _>>()?)
}

fn read_rate(argument: &[u8]) -> Result<Option<NonZeroU32>, Error> {
    number("requests per minute", argument).map(NonZeroU32::new)
}

fn read_tenant(argument: &[u8]) -> Result<Option<Tenant>, Error> {
    match text("tenant", argument)? {
        "" => Ok(None),
        tenant => tenant.parse().map(Some),
    }
}

/// A Unix time; 0, or no text at all, for never.
pub(crate) fn expiry(argument: &[u8]) -> Result<Option<u64>, Error> {
    let at: u64 = number("expiry", argument)?;
    Ok((at != 0).then_some(at))
}

fn number<T: FromStr + Default>(what: &'static str, argument: &[u8]) -> Result<T, Error> {
    match text(what, argument)? {
        "" => Ok(T::default()),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| Error::InvalidEncoding {
                what,
                expected: "a smaller number",
            })
        }
        _ => Err(Error::InvalidEncoding {
            what,
            expected: "a whole number, 0 for none",
        }),
    }
}

fn text<'a>(what: &'static str, argument: &'a [u8]) -> Result<&'a str, Error> {
    str::from_utf8(argument).map_err(|_| Error::InvalidEncoding {
        what,
        expected: "a text in UTF-8",
    })
}

pub(crate) fn commitment(argument: &[u8]) -> Result<Commitment, Error> {
    let bytes: [u8; Commitment::LEN] = hex("commitment", "64 hex digits", argument)?;
    Commitment::from_bytes(&bytes)
}

pub(crate) fn proof(what: &'static str, argument: &[u8]) -> Result<Proof, Error> {
    let bytes: [u8; Proof::LEN] = hex(what, "192 hex digits", argument)?;
    Proof::from_bytes(&bytes)
}

fn hex<const N: usize>(
    what: &'static str,
    expected: &'static str,
    argument: &[u8],
) -> Result<[u8; N], Error> {
    if argument.len() != 2 * N {
        return Err(Error::InvalidLength {
            what,
            expected,
            actual: argument.len(),
        });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(argument, &mut bytes)
        .map_err(|_| Error::InvalidEncoding { what, expected })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use twofapi_crypto_core::GENERATOR_G;

    #[test]
    fn a_commitment_is_hex_of_either_case() {
        let text = hex::encode(GENERATOR_G);
        assert!(commitment(text.as_bytes()).is_ok());
        assert!(commitment(text.to_uppercase().as_bytes()).is_ok());
        let messages = [&text.as_bytes()[1..], b"", b"0x", &[b'g'; 64], &[b'0'; 64]]
            .map(|bad| commitment(bad).unwrap_err().to_string());
        assert_eq!(messages[0], "commitment must be 64 hex digits, got 63");
        assert_eq!(messages[3], "commitment must be 64 hex digits");
        assert!(messages[4].contains("identity"), "{}", messages[4]);
    }

    #[test]
    fn options_come_in_any_order_and_once() {
        let user = EnrolOptions::parse(&[b"user", b"app"]).unwrap();
        assert!(user.user.is_some() && user.proof.is_none());
        assert!(EnrolOptions::parse(&[]).is_ok());
        for bad in [
            &[&b"USER"[..]][..],
            &[b"WHAT", b"x"],
            &[b"USER", b"a", b"USER", b"b"],
        ] {
            assert!(matches!(EnrolOptions::parse(bad), Err(Misread::Syntax)));
        }
        assert!(matches!(
            EnrolOptions::parse(&[b"PROOF", b"00"]),
            Err(Misread::Value(_))
        ));
    }

    #[test]
    fn a_credential_that_joins_says_both_its_proof_and_its_name() {
        let good = hex::encode([&GENERATOR_G[..], &[1; 32], &[1; 32]].concat());
        let good = good.as_bytes();
        let here = LinkOptions::parse(&[b"name", b"laptop", b"proof", good]).unwrap();
        assert_eq!(here.joining.unwrap().1, b"laptop");
        assert!(here.credential.is_none());
        let kept = LinkOptions::parse(&[b"CREDENTIAL", b"x"]).unwrap();
        assert!(kept.joining.is_none());
        assert_eq!(kept.credential, Some(&b"x"[..]));
        for bad in [
            &[&b"NAME"[..], b"laptop"][..],
            &[b"PROOF", good],
            &[b"PROOF", good, b"NAME"],
        ] {
            assert!(matches!(LinkOptions::parse(bad), Err(Misread::Syntax)));
        }
        assert!(proof_option(&[b"PROOF", good]).is_ok());
        for bad in [&[][..], &[&b"PROOF"[..]], &[b"PROOF", good, b"PROOF", good]] {
            assert!(matches!(proof_option(bad), Err(Misread::Syntax)));
        }
    }

    #[test]
    fn attributes_that_are_named_are_said_anew_and_others_stay() {
        let mut said = Attributes::default();
        let words: [&[u8]; 12] = [
            b"expireat",
            b"1800000000",
            b"SCOPES",
            b"read write",
            b"CLAIMS",
            b"{\"a\": 1}",
            b"SOURCES",
            b"192.0.2.0/24 ::1",
            b"RATE",
            b"60",
            b"TENANT",
            b"acme",
        ];
        let say = |said: &mut Attributes, words: &[&[u8]]| {
            AttributeChanges::parse(words).unwrap().apply(said);
        };
        say(&mut said, &words);
        let before = said.clone();
        assert_eq!(said.expires_at, Some(1_800_000_000));
        assert_eq!(said.scopes.iter().collect::<Vec<_>>(), ["read", "write"]);
        assert_eq!(said.claims.as_str(), "{\"a\":1}");
        assert_eq!(said.sources.as_slice().len(), 2);
        assert_eq!(said.requests_per_minute, NonZeroU32::new(60));
        say(&mut said, &[b"RATE", b"0"]);
        assert_eq!(said.requests_per_minute, None);
        assert_eq!(said.scopes, before.scopes);
        for bad in [
            [&b"RATE"[..], b"-1"],
            [b"RATE", b"4294967296"],
            [b"EXPIREAT", b"soon"],
            [b"EXPIREAT", b"18446744073709551616"],
            [b"SCOPES", b"a a"],
            [b"CLAIMS", b"[]"],
            [b"SOURCES", b"192.0.2.1/24"],
            [b"TENANT", b"a b"],
            [b"TENANT", b"\xff"],
        ] {
            let read = AttributeChanges::parse(&bad);
            assert!(matches!(read, Err(Misread::Value(_))), "{bad:?}");
        }
        for word in words.iter().step_by(2) {
            say(&mut said, &[word, b""]);
        }
        assert_eq!(said, Attributes::default());
    }

    proptest! {
        #[test]
        fn arbitrary_arguments_never_panic(argument: Vec<u8>, word in 0_usize..6) {
            let _ = (commitment(&argument), proof("proof", &argument), expiry(&argument));
            let _ = EnrolOptions::parse(&[&argument, &argument]);
            let _ = LinkOptions::parse(&[b"PROOF", &argument, b"NAME", &argument]);
            let words: [&[u8]; 6] = [b"EXPIREAT", b"SCOPES", b"CLAIMS", b"SOURCES", b"RATE", b"TENANT"];
            let _ = AttributeChanges::parse(&[words[word], &argument]);
        }
    }
}
