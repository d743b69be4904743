//! A record as bytes: the one layout for every store that keeps bytes, and the older ones still read.
//!
//! A record of before these layouts is its status, its version and its commitment, 37 bytes; the first of
//! them is at most 2. These begin with another byte, and a record is written in one way only: as 10 where no
//! credential has scopes of its own, so that a version of before reads it, and as 11 where one has.
//!
//! ```text
//! record     = 10 ‖ status ‖ version (4) ‖ generation (4) ‖ count ‖ credential … ‖ attributes
//! credential = suite ‖ length (2) ‖ commitment ‖ LP1(name) ‖ created (8) ‖ since (4) ‖ expiry (8)
//! attributes = expiry (8) ‖ requests per minute (4) ‖ LP1(tenant) ‖ count ‖ LP1(scope) …
//!            ‖ count ‖ (prefix ‖ LP1(address)) … ‖ length (2) ‖ claims
//!
//! record     = 11 ‖ …, each credential with its scopes behind its expiry
//! scopes     = 0, or 1 ‖ count ‖ LP1(scope) …
//! ```
//!
//! Numbers are big-endian, LP1(x) is the length of x in one byte and x, and what is not there is zero.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::{
    Attributes, Claims, ClientStatus, CredentialName, EnrolledCredential, Record, Scopes, Source,
    Sources, SuiteId, attributes,
};
use crate::{Commitment, Error};

const LAYOUT: u8 = 0x10;
/// Where a credential has scopes of its own.
const WITH_SCOPES: u8 = 0x11;
const OLD_LEN: usize = 1 + 4 + Commitment::LEN;

impl Record {
    /// No record has more bytes.
    pub const MAX_LEN: usize = 8192;

    /// The record as a store keeps it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let with_scopes = self.credentials().iter().any(|one| one.scopes().is_some());
        let layout = if with_scopes { WITH_SCOPES } else { LAYOUT };
        out.extend([layout, self.status().number()]);
        out.extend(self.version().to_be_bytes());
        out.extend(self.generation().to_be_bytes());
        out.push(self.credentials().len() as u8);
        for credential in self.credentials() {
            out.push(credential.suite().number());
            out.extend((Commitment::LEN as u16).to_be_bytes());
            out.extend(credential.commitment());
            short(&mut out, credential.name().as_str().as_bytes());
            out.extend(credential.created().to_be_bytes());
            out.extend(credential.since().to_be_bytes());
            out.extend(expiry(credential.expires_at()).to_be_bytes());
            if with_scopes {
                out.push(credential.scopes().is_some().into());
                if let Some(own) = credential.scopes() {
                    scopes(&mut out, own);
                }
            }
        }
        let none = Attributes::default();
        write_attributes(&mut out, self.attributes().unwrap_or(&none));
        out
    }

    /// Reads what [`Record::to_bytes`] wrote, or a record of before. What could not have been written is
    /// refused.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`], for the host to say that its store is damaged or of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > Self::MAX_LEN {
            return Err(unreadable());
        }
        let mut rest = Rest(bytes);
        let layout = *bytes.first().ok_or_else(unreadable)?;
        let record = if matches!(layout, LAYOUT | WITH_SCOPES) {
            rest.u8()?;
            read(&mut rest, layout == WITH_SCOPES)
        } else if bytes.len() == OLD_LEN {
            read_old(&mut rest)
        } else {
            Err(unreadable())
        };
        match rest.0 {
            [] => record.map_err(|_| unreadable()),
            _ => Err(unreadable()),
        }
    }
}

impl Attributes {
    /// What is said of a client, by itself: as it stands in a record, behind a byte that tells this layout.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::from([LAYOUT]);
        write_attributes(&mut out, self);
        out
    }

    /// Reads what [`Attributes::to_bytes`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`Error::InvalidEncoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = Rest(bytes);
        if rest.u8()? != LAYOUT {
            return Err(unreadable());
        }
        let read = read_attributes(&mut rest);
        match rest.0 {
            [] => read.map_err(|_| unreadable()),
            _ => Err(unreadable()),
        }
    }
}

fn write_attributes(out: &mut Vec<u8>, said: &Attributes) {
    out.extend(expiry(said.expires_at).to_be_bytes());
    out.extend(
        said.requests_per_minute
            .map_or(0, NonZeroU32::get)
            .to_be_bytes(),
    );
    short(
        out,
        said.tenant
            .as_ref()
            .map_or(&[], |tenant| tenant.as_str().as_bytes()),
    );
    scopes(out, &said.scopes);
    out.push(said.sources.as_slice().len() as u8);
    for source in said.sources.as_slice() {
        out.push(source.prefix());
        short(out, &attributes::octets(source.address()));
    }
    let claims = said.claims.as_str().as_bytes();
    out.extend((claims.len() as u16).to_be_bytes());
    out.extend(claims);
}

fn read(rest: &mut Rest<'_>, with_scopes: bool) -> Result<Record, Error> {
    let status = status(rest.u8()?)?;
    let (version, generation) = (rest.u32()?, rest.u32()?);
    let count = rest.u8()?;
    let credentials = (0..count)
        .map(|_| read_credential(rest, with_scopes))
        .collect::<Result<Vec<_>, _>>()?;
    if with_scopes && credentials.iter().all(|one| one.scopes().is_none()) {
        return Err(unreadable());
    }
    let attributes = read_attributes(rest)?;
    Record::from_parts(version, generation, status, credentials, attributes)
}

fn read_attributes(rest: &mut Rest<'_>) -> Result<Attributes, Error> {
    let expires_at = rest.u64()?;
    let requests_per_minute = rest.u32()?;
    let tenant = rest.text()?;
    let scopes = read_scopes(rest)?;
    let sources: Vec<Source> = (0..rest.u8()?)
        .map(|_| read_source(rest))
        .collect::<Result<_, _>>()?;
    let claims_len = rest.u16()?;
    let claims = text(rest.take(claims_len.into())?)?;
    Ok(Attributes {
        expires_at: (expires_at != 0).then_some(expires_at),
        scopes,
        claims: Claims::stored(claims)?,
        sources: Sources::new(sources)?,
        requests_per_minute: NonZeroU32::new(requests_per_minute),
        tenant: (!tenant.is_empty()).then(|| tenant.parse()).transpose()?,
    })
}

fn read_credential(rest: &mut Rest<'_>, with_scopes: bool) -> Result<EnrolledCredential, Error> {
    let suite = SuiteId::from_number(rest.u8()?)?;
    if usize::from(rest.u16()?) != Commitment::LEN {
        return Err(unreadable());
    }
    let commitment = rest.array()?;
    let name = CredentialName::parse(rest.short()?)?;
    let (created, since, expires_at) = (rest.u64()?, rest.u32()?, rest.u64()?);
    let expires_at = (expires_at != 0).then_some(expires_at);
    let scopes = match with_scopes.then(|| rest.u8()).transpose()? {
        None | Some(0) => None,
        Some(1) => Some(read_scopes(rest)?),
        Some(_) => return Err(unreadable()),
    };
    EnrolledCredential::from_parts(commitment, name, created, since, suite, expires_at)
        .map(|credential| credential.with_scopes(scopes))
}

fn read_scopes(rest: &mut Rest<'_>) -> Result<Scopes, Error> {
    let scopes: Vec<&str> = (0..rest.u8()?)
        .map(|_| rest.text())
        .collect::<Result<_, _>>()?;
    Scopes::new(scopes)
}

fn read_source(rest: &mut Rest<'_>) -> Result<Source, Error> {
    let prefix = rest.u8()?;
    let address = attributes::address(rest.short()?).ok_or_else(unreadable)?;
    Source::new(address, prefix)
}

/// Status, version, commitment: what the embedded store and the Redis module kept.
fn read_old(rest: &mut Rest<'_>) -> Result<Record, Error> {
    let status = status(rest.u8()?)?;
    let version = rest.u32()?;
    let unnamed = CredentialName::unnamed();
    let suite = SuiteId::Sigma;
    let only = EnrolledCredential::from_parts(rest.array()?, unnamed, 0, version, suite, None)?;
    Record::from_parts(version, 0, status, Vec::from([only]), Attributes::default())
}

fn status(number: u8) -> Result<ClientStatus, Error> {
    ClientStatus::from_number(number).ok_or_else(unreadable)
}

/// Zero is never; what expired in the first second of 1970 expired in the next one.
fn expiry(expires_at: Option<u64>) -> u64 {
    expires_at.map_or(0, |at| at.max(1))
}

/// There are at most 32.
fn scopes(out: &mut Vec<u8>, scopes: &Scopes) {
    out.push(scopes.iter().len() as u8);
    for scope in scopes.iter() {
        short(out, scope.as_bytes());
    }
}

/// Every length that is written so is below 256.
fn short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(bytes.len() as u8);
    out.extend(bytes);
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    core::str::from_utf8(bytes).map_err(|_| unreadable())
}

const fn unreadable() -> Error {
    Error::InvalidEncoding {
        what: "stored record of a client",
        expected: "as this version of 2FApi or one before it wrote it",
    }
}

/// What is still to be read.
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl<'a> Rest<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, left) = self.0.split_at_checked(len).ok_or_else(unreadable)?;
        self.0 = left;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, left) = self.0.split_first_chunk().ok_or_else(unreadable)?;
        self.0 = left;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn short(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u8()?;
        self.take(len.into())
    }

    fn text(&mut self) -> Result<&'a str, Error> {
        self.short().and_then(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientRecord, Credential, CredentialId, testing::rng};
    use alloc::{format, string::String, vec};
    use proptest::prelude::*;

    fn commitment(seed: u64) -> Commitment {
        *Credential::generate(&mut rng(seed)).unwrap().commitment()
    }

    fn records() -> impl Strategy<Value = Record> {
        let credentials = proptest::collection::vec(
            (
                "[!-~]([ -~]{0,62}[!-~])?",
                any::<u64>(),
                any::<u32>(),
                proptest::option::of(1_u64..),
                proptest::option::of(proptest::collection::btree_set("[a-z:.]{1,20}", 0..=3)),
            ),
            1..=16,
        );
        let attributes = (
            proptest::option::of(1_u64..),
            proptest::collection::btree_set("[a-z:.]{1,64}", 0..=32),
            proptest::option::of("[a-z]{1,20}"),
            proptest::collection::btree_set((any::<u128>(), 0_u8..=128, any::<bool>()), 0..=32),
            any::<u32>(),
            proptest::option::of("[A-Za-z0-9._@+-]{1,128}"),
        );
        (any::<u32>(), any::<u32>(), 0_u8..3, credentials, attributes).prop_map(
            |(version, generation, number, credentials, said)| {
                let version = version.max(1);
                let credentials = credentials.into_iter().enumerate();
                let credentials =
                    credentials.map(|(n, (name, created, since, expires_at, own))| {
                        let commitment = commitment(n as u64).to_bytes();
                        let since = since % version + 1;
                        let (name, suite) = (name.parse().unwrap(), SuiteId::Sigma);
                        EnrolledCredential::from_parts(
                            commitment,
                            name,
                            created,
                            since.min(version),
                            suite,
                            expires_at,
                        )
                        .unwrap()
                        .with_scopes(
                            own.map(|own| Scopes::new(own.iter().map(String::as_str)).unwrap()),
                        )
                    });
                let (expires_at, scopes, claim, sources, rpm, tenant) = said;
                let source = |(bits, prefix, six): (u128, u8, bool)| {
                    let width = if six { 128 } else { 32 };
                    let prefix = prefix.min(width);
                    let bits = bits & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                    let address = match six {
                        true => core::net::Ipv6Addr::from_bits(bits).into(),
                        false => core::net::Ipv4Addr::from_bits((bits >> 96) as u32).into(),
                    };
                    Source::new(address, prefix).unwrap()
                };
                let mut kept: Vec<Source> = Vec::new();
                for source in sources.into_iter().map(source) {
                    if !kept.contains(&source) {
                        kept.push(source);
                    }
                }
                let attributes = Attributes {
                    expires_at,
                    scopes: Scopes::new(scopes.iter().map(String::as_str)).unwrap(),
                    claims: claim.map_or_else(Claims::default, |claim| {
                        Claims::parse(&format!("{{\"{claim}\": [1, true, null]}}")).unwrap()
                    }),
                    sources: Sources::new(kept).unwrap(),
                    requests_per_minute: NonZeroU32::new(rpm),
                    tenant: tenant.map(|tenant| tenant.parse().unwrap()),
                };
                Record::from_parts(
                    version,
                    generation,
                    status(number).unwrap(),
                    credentials.collect(),
                    attributes,
                )
                .unwrap()
            },
        )
    }

    #[test]
    fn a_record_of_before_is_read() {
        let only = commitment(1);
        for (number, status) in [
            (0, ClientStatus::Active),
            (1, ClientStatus::Suspended),
            (2, ClientStatus::Revoked),
        ] {
            let old = [&[number, 0, 0, 0, 7][..], only.as_bytes()].concat();
            let record = Record::from_bytes(&old).unwrap();
            let single = ClientRecord {
                commitment: only,
                commitment_version: 7,
                status,
            };
            assert_eq!(record, single.into());
            assert_eq!(ClientRecord::try_from(&record), Ok(single));
            assert_eq!((record.first().since(), record.generation()), (7, 0));
            assert_eq!(Record::from_bytes(&record.to_bytes()), Ok(record));
        }
        for bad in [[3, 0, 0, 0, 1], [0, 0, 0, 0, 0]] {
            assert!(Record::from_bytes(&[&bad[..], only.as_bytes()].concat()).is_err());
        }
    }

    #[test]
    fn the_layout_stays_as_it_is() {
        let only = commitment(1);
        let record = Record::enrolled(&only, "phone".parse().unwrap(), 0x0102);
        let expected = [
            &b"\x10\0\0\0\0\x01\0\0\0\0\x01\x01\0\x20"[..],
            only.as_bytes(),
            b"\x05phone\0\0\0\0\0\0\x01\x02\0\0\0\x01\0\0\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ];
        assert_eq!(record.to_bytes(), expected.concat());
    }

    #[test]
    fn scopes_of_a_credential_have_a_layout_of_their_own() {
        let only = commitment(1);
        let mut record = Record::enrolled(&only, "phone".parse().unwrap(), 0x0102);
        let id = record.first().id();
        record
            .set_scopes(&id, Some(Scopes::new(["a", "bc"]).unwrap()))
            .unwrap();
        let expected = [
            &b"\x11\0\0\0\0\x02\0\0\0\0\x01\x01\0\x20"[..],
            only.as_bytes(),
            b"\x05phone\0\0\0\0\0\0\x01\x02\0\0\0\x01\0\0\0\0\0\0\0\0\x01\x02\x01a\x02bc",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ];
        assert_eq!(record.to_bytes(), expected.concat());
        assert_eq!(Record::from_bytes(&expected.concat()), Ok(record.clone()));
        // Where none has any, there is the other layout.
        record.set_scopes(&id, None).unwrap();
        assert_eq!(record.to_bytes()[0], LAYOUT);
        let none = [
            &expected[..2].concat(),
            &expected[2][..26],
            b"\0",
            expected[3],
        ];
        assert!(Record::from_bytes(&none.concat()).is_err());
    }

    #[test]
    fn the_longest_record_is_within_its_bound() {
        let widest = |n: usize| format!("{n:064}");
        let mut record = Record::from_bytes(&{
            let mut record = Record::enrolled(&commitment(0), "x".repeat(64).parse().unwrap(), 1);
            let first = record.first().id();
            for seed in 1..16 {
                let name = "y".repeat(64).parse().unwrap();
                record.link(&first, &commitment(seed), name, 1).unwrap();
            }
            record.to_bytes()
        })
        .unwrap();
        let names: Vec<String> = (0..32).map(widest).collect();
        let network = |n: u128| Source::new(core::net::Ipv6Addr::from_bits(n).into(), 128).unwrap();
        let said = Attributes {
            expires_at: Some(u64::MAX),
            scopes: Scopes::new(names.iter().map(String::as_str)).unwrap(),
            claims: Claims::parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(2040))).unwrap(),
            sources: Sources::new((0..32).map(network).collect()).unwrap(),
            requests_per_minute: NonZeroU32::new(u32::MAX),
            tenant: Some("t".repeat(128).parse().unwrap()),
        };
        record.set_attributes(said).unwrap();
        let ids: Vec<_> = record
            .credentials()
            .iter()
            .map(EnrolledCredential::id)
            .collect();
        for (at, id) in ids.iter().enumerate() {
            // 1280 characters are 19 such scopes, and a shorter one.
            let own = match at {
                0 => Scopes::new(names[..19].iter().map(String::as_str)),
                1 => Scopes::new([&*"z".repeat(44)]),
                _ => Ok(Scopes::default()),
            };
            record.set_scopes(id, Some(own.unwrap())).unwrap();
        }
        let more = Scopes::new([&*"z".repeat(45)]).unwrap();
        let before = record.clone();
        assert!(record.set_scopes(&ids[1], Some(more)).is_err());
        assert_eq!(record, before);
        let bytes = record.to_bytes();
        assert!(bytes.len() <= Record::MAX_LEN, "{}", bytes.len());
        assert_eq!(Record::from_bytes(&bytes), Ok(record));
    }

    #[test]
    fn what_no_record_can_be_is_refused() {
        let part = |seed, since| {
            let commitment = commitment(seed).to_bytes();
            EnrolledCredential::from_parts(
                commitment,
                CredentialName::unnamed(),
                0,
                since,
                SuiteId::Sigma,
                None,
            )
            .unwrap()
        };
        let made = |version, credentials| {
            Record::from_parts(
                version,
                0,
                ClientStatus::Active,
                credentials,
                Attributes::default(),
            )
        };
        assert!(made(2, vec![part(1, 1), part(2, 2)]).is_ok());
        assert!(made(1, vec![]).is_err());
        assert!(made(1, (0..17).map(|seed| part(seed, 1)).collect()).is_err());
        assert!(made(2, vec![part(1, 1), part(1, 2)]).is_err());
        assert!(made(1, vec![part(1, 2)]).is_err());
        assert!(made(1, vec![part(1, 0)]).is_err());
        let none = EnrolledCredential::from_parts(
            [0; 32],
            CredentialName::unnamed(),
            0,
            1,
            SuiteId::Sigma,
            None,
        );
        assert!(none.is_err());
        // A credential of a suite to come makes the record one of a newer version.
        let mut newer = made(1, vec![part(1, 1)]).unwrap().to_bytes();
        newer[11] = 2;
        assert!(Record::from_bytes(&newer).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn records_survive_a_round_trip_within_their_bound(record in records()) {
            let bytes = record.to_bytes();
            prop_assert!(bytes.len() <= Record::MAX_LEN);
            let again = Record::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&again, &record);
            let said = record.attributes().cloned().unwrap_or_default();
            prop_assert_eq!(Attributes::from_bytes(&said.to_bytes()), Ok(said));
            for credential in record.credentials() {
                prop_assert_eq!(credential.id(), CredentialId::of(credential.commitment()));
            }
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_as_what_they_say(
            record in records(), at: prop::sample::Index, bit in 0_u8..8, cut: prop::sample::Index,
        ) {
            let mut bytes = record.to_bytes();
            let len = cut.index(bytes.len());
            prop_assert!(Record::from_bytes(&bytes[..len]).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(read) = Record::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Record::from_bytes(&bytes);
            for layout in [LAYOUT, WITH_SCOPES] {
                if let Some(first) = bytes.first_mut() {
                    *first = layout;
                }
                let _ = Record::from_bytes(&bytes);
            }
        }
    }
}
