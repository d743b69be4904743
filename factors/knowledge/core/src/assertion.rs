//! What a host reads of a passkey's assertion: `authenticatorData` and `clientDataJSON`. It is shown
//! neither the signature nor the key; the proof says that the one signs these bytes under the other.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use minicbor::{Decoder, data::Type};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::{
    challenge,
    field::{Fe, reduce},
    persona::Kind,
};

/// Longest `clientDataJSON`.
pub const MAX_CLIENT_DATA_LEN: usize = 1024;
/// Shortest and longest `authenticatorData`.
pub const AUTHENTICATOR_DATA_LEN: std::ops::RangeInclusive<usize> = 37..=1024;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// What the host expects, all of it from its own records.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The digest of the challenge.
    pub digest: &'a challenge::Digest,
    /// The provider's relying party id.
    pub rp_id: &'a str,
    /// The provider's origins.
    pub origins: &'a [&'a str],
    /// The type of the persona.
    pub kind: Kind,
    /// Whether the policy allows pages of the provider to embed the page that asks.
    pub cross_origin: bool,
}

/// What the host learns of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// The hash e that the passkey signs.
    pub message_hash: [u8; 32],
    /// How often the passkey says that it signed.
    pub sign_count: u32,
    /// Whether the passkey may be synced.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
}

/// Why an assertion is refused. The sender knows all of it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One of the two is too long or too short.
    #[error("authenticatorData or clientDataJSON has a length that is not allowed")]
    Length,
    /// It is no JSON object, says one thing twice, or leaves out what it must say.
    #[error("clientDataJSON cannot be read")]
    ClientData,
    /// It was made for something else than a login.
    #[error("the type is not webauthn.get")]
    Type,
    /// It answers another challenge.
    #[error("the assertion is for another challenge")]
    Challenge,
    /// It was made on a page of somebody else.
    #[error("the origin is not one of the provider's")]
    Origin,
    /// It was made on an embedded page, and nothing says that this may be.
    #[error("the page was embedded where it may not be")]
    CrossOrigin,
    /// It was made for another relying party.
    #[error("the relying party is another")]
    RelyingParty,
    /// Nobody was there.
    #[error("the user was not present")]
    UserPresence,
    /// Nobody knows who was there.
    #[error("the user was not verified")]
    UserVerification,
    /// It carries a key, which the host must not see.
    #[error("attested credential data is not taken")]
    Attested,
    /// Its extensions are not what its flags say, or no map of CBOR.
    #[error("the extensions cannot be read")]
    Extensions,
    /// It is backed up and says that it cannot be.
    #[error("backed up without being eligible for it")]
    Backup,
    /// It has signed before.
    #[error("the signature counter did not grow")]
    SignCount,
    /// It may be synced now and could not before, or the other way round.
    #[error("the passkey's eligibility for backup changed")]
    BackupEligibility,
}

/// What is read of `clientDataJSON`. Browsers add members, so others are passed over; each of these may
/// be there once.
#[derive(Default)]
struct ClientData {
    kind: Option<String>,
    challenge: Option<String>,
    origin: Option<String>,
    cross_origin: Option<bool>,
    top_origin: Option<String>,
}

impl Assertion {
    /// Reads an assertion and checks everything that can be checked without the proof.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(
        authenticator_data: &[u8],
        client_data_json: &[u8],
        expected: &Expected<'_>,
    ) -> Result<Self, Refusal> {
        if client_data_json.len() > MAX_CLIENT_DATA_LEN
            || !AUTHENTICATOR_DATA_LEN.contains(&authenticator_data.len())
        {
            return Err(Refusal::Length);
        }
        check_client_data(&ClientData::read(client_data_json)?, expected)?;
        let (sign_count, flags) = check_authenticator_data(authenticator_data, expected)?;
        Ok(Self {
            message_hash: message_hash(authenticator_data, client_data_json),
            sign_count,
            backup_eligible: flags & BACKUP_ELIGIBLE != 0,
            backed_up: flags & BACKED_UP != 0,
        })
    }

    /// Whether it can come after what the record of its persona says.
    ///
    /// # Errors
    /// [`Refusal::SignCount`] unless the counter grew or both are nought,
    /// [`Refusal::BackupEligibility`] if that is another than at enrolment.
    pub fn follows(&self, sign_count: u32, backup_eligible: bool) -> Result<(), Refusal> {
        if self.sign_count <= sign_count && (self.sign_count, sign_count) != (0, 0) {
            return Err(Refusal::SignCount);
        }
        if self.backup_eligible != backup_eligible {
            return Err(Refusal::BackupEligibility);
        }
        Ok(())
    }

    /// The halves of the hash, as the statement has them.
    #[must_use]
    pub fn halves(&self) -> [Fe; 2] {
        halves(&self.message_hash)
    }
}

/// The hash e that a passkey signs.
#[must_use]
pub fn message_hash(authenticator_data: &[u8], client_data_json: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(authenticator_data)
        .chain_update(Sha256::digest(client_data_json))
        .finalize()
        .into()
}

/// The halves of a hash as elements, the high one first.
#[must_use]
pub fn halves(hash: &[u8; 32]) -> [Fe; 2] {
    [reduce(&hash[..16]), reduce(&hash[16..])]
}

impl ClientData {
    fn read(json: &[u8]) -> Result<Self, Refusal> {
        // Whatever else is there is looked over as JSON and not kept. Members are read one by one, for a
        // map would keep the last of two with one name and say nothing.
        let text = std::str::from_utf8(json).map_err(|_| Refusal::ClientData)?;
        let members: Members<'_> = serde_json::from_str(text).map_err(|_| Refusal::ClientData)?;
        let mut data = Self::default();
        for (name, value) in members.0 {
            let unread = match name.as_str() {
                "type" => set(&mut data.kind, value),
                "challenge" => set(&mut data.challenge, value),
                "origin" => set(&mut data.origin, value),
                "crossOrigin" => set(&mut data.cross_origin, value),
                "topOrigin" => set(&mut data.top_origin, value),
                _ => Some(()),
            };
            unread.ok_or(Refusal::ClientData)?;
        }
        Ok(data)
    }
}

/// Reads a member that is not there yet.
fn set<'de, T: serde::Deserialize<'de>>(place: &mut Option<T>, value: &'de RawValue) -> Option<()> {
    let value = serde_json::from_str(value.get()).ok()?;
    place.replace(value).is_none().then_some(())
}

/// The members of an object, in order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn check_client_data(data: &ClientData, expected: &Expected<'_>) -> Result<(), Refusal> {
    let ClientData {
        kind: Some(kind),
        challenge: Some(challenge),
        origin: Some(origin),
        ..
    } = data
    else {
        return Err(Refusal::ClientData);
    };
    if kind != "webauthn.get" {
        return Err(Refusal::Type);
    }
    if *challenge != Base64UrlUnpadded::encode_string(expected.digest.as_bytes()) {
        return Err(Refusal::Challenge);
    }
    let is_ours = |origin: &str| expected.origins.contains(&origin);
    if !is_ours(origin) {
        return Err(Refusal::Origin);
    }
    let embedded_rightly = expected.cross_origin && data.top_origin.as_deref().is_some_and(is_ours);
    let is_embedded = data.cross_origin == Some(true) || data.top_origin.is_some();
    if is_embedded && !(embedded_rightly && data.cross_origin == Some(true)) {
        return Err(Refusal::CrossOrigin);
    }
    Ok(())
}

fn check_authenticator_data(data: &[u8], expected: &Expected<'_>) -> Result<(u32, u8), Refusal> {
    let (rp_id_hash, rest) = data.split_first_chunk::<32>().ok_or(Refusal::Length)?;
    let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(Refusal::Length)?;
    let (count, extensions) = rest.split_first_chunk::<4>().ok_or(Refusal::Length)?;
    let has = |flag: u8| flags & flag != 0;

    if rp_id_hash[..] != Sha256::digest(expected.rp_id)[..] {
        return Err(Refusal::RelyingParty);
    }
    if !has(USER_PRESENT) {
        return Err(Refusal::UserPresence);
    }
    if expected.kind == Kind::Human && !has(USER_VERIFIED) {
        return Err(Refusal::UserVerification);
    }
    if has(ATTESTED) {
        return Err(Refusal::Attested);
    }
    if has(EXTENSIONS) == extensions.is_empty() || has(EXTENSIONS) && !is_one_map(extensions) {
        return Err(Refusal::Extensions);
    }
    if has(BACKED_UP) && !has(BACKUP_ELIGIBLE) {
        return Err(Refusal::Backup);
    }
    Ok((u32::from_be_bytes(*count), flags))
}

/// Whether these bytes are one map of CBOR of a definite length, and nothing after it.
fn is_one_map(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(bytes);
    matches!(decoder.datatype(), Ok(Type::Map))
        && decoder.skip().is_ok()
        && decoder.position() == bytes.len()
}

#[cfg(test)]
mod tests;
