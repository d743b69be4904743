//! What a store keeps of a client, in the core's own bytes: read, changed by its operator, asked whether it honours
//! a session or a token.

use std::{net::IpAddr, num::NonZeroU32};

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use twofapi_crypto_core::{
    Attributes, Claims, ClientRecord, ClientStatus, Commitment, CredentialId, CredentialName,
    EnrolledCredential, Record, Scopes, Sources, SuiteId, Transition, ceremony::PendingLink,
};

use crate::{
    error::{Fault, fault, invalid_encoding, invalid_length},
    spent::{seconds, shown_seconds},
};

/// What a store gives and nobody wrote there: whoever proves is not to blame for it.
fn damaged(error: &twofapi_crypto_core::Error) -> Fault {
    Fault::new(
        "unavailable",
        format!("what is stored of a client is damaged: {error}"),
    )
}

fn stored(record: &[u8]) -> Result<Record, Fault> {
    Record::from_bytes(record).map_err(|error| damaged(&error))
}

/// Nothing has no bytes.
pub(crate) fn stored_if_any(record: &[u8]) -> Result<Option<Record>, Fault> {
    match record {
        [] => Ok(None),
        bytes => stored(bytes).map(Some),
    }
}

/// Nothing has no bytes.
pub(crate) fn pending_if_any(pending: &[u8]) -> Result<Option<PendingLink>, Fault> {
    match pending {
        [] => Ok(None),
        bytes => PendingLink::from_bytes(bytes)
            .map(Some)
            .map_err(|error| damaged(&error)),
    }
}

fn credential_of(id: &str) -> Result<CredentialId, Fault> {
    CredentialId::parse(id.as_bytes()).map_err(fault)
}

/// Where something comes from; none for what is no address.
pub(crate) fn address(source: Option<&str>) -> Option<IpAddr> {
    source.and_then(|source| source.parse().ok())
}

/// A credential of a client.
#[napi(object)]
pub struct CredentialParts {
    /// 32 hex digits; what a record is made from may leave it empty.
    pub credential_id: String,
    /// 32 bytes.
    pub commitment: Uint8Array,
    /// For people.
    pub name: String,
    /// Unix seconds; 0 where nobody knows.
    pub created: i64,
    /// The version that its commitment came with.
    pub since: u32,
    /// Unix seconds.
    pub expires_at: Option<i64>,
}

/// What an operator says of a client.
#[napi(object)]
pub struct AttributesParts {
    /// From when on it is let in no longer, in Unix seconds.
    pub expires_at: Option<i64>,
    /// What it may do, in the words of its application.
    pub scopes: Vec<String>,
    /// A JSON object; empty when there is none.
    pub claims: String,
    /// From where it is let in; none means from everywhere.
    pub sources: Vec<String>,
    /// How often it may ask.
    pub requests_per_minute: Option<u32>,
    /// Whose client it is.
    pub tenant: Option<String>,
}

/// What a record says.
#[napi(object)]
pub struct RecordParts {
    /// 1 at enrolment.
    pub version: u32,
    /// 0 at enrolment.
    pub generation: u32,
    /// `active`, `suspended` or `revoked`.
    #[napi(ts_type = "'active' | 'suspended' | 'revoked'")]
    pub status: String,
    /// In their order: 1 to 16.
    pub credentials: Vec<CredentialParts>,
    /// What the operator says.
    pub attributes: AttributesParts,
}

/// Reads a record.
#[napi(catch_unwind)]
pub fn read_record(record: &[u8]) -> Result<RecordParts, Fault> {
    let record = stored(record)?;
    let none = Attributes::default();
    let said = record.attributes().unwrap_or(&none);
    Ok(RecordParts {
        version: record.version(),
        generation: record.generation(),
        status: record.status().as_str().to_owned(),
        credentials: record
            .credentials()
            .iter()
            .map(|credential| CredentialParts {
                credential_id: credential.id().to_string(),
                commitment: Uint8Array::new(credential.commitment().to_vec()),
                name: credential.name().as_str().to_owned(),
                created: shown_seconds(credential.created()),
                since: credential.since(),
                expires_at: credential.expires_at().map(shown_seconds),
            })
            .collect(),
        attributes: AttributesParts {
            expires_at: said.expires_at.map(shown_seconds),
            scopes: said.scopes.iter().map(str::to_owned).collect(),
            claims: said.claims.as_str().to_owned(),
            sources: said
                .sources
                .as_slice()
                .iter()
                .map(ToString::to_string)
                .collect(),
            requests_per_minute: said.requests_per_minute.map(NonZeroU32::get),
            tenant: said
                .tenant
                .as_ref()
                .map(|tenant| tenant.as_str().to_owned()),
        },
    })
}

/// The record of a row that has columns for one credential, and bytes beside them where there is more to say. The
/// columns are what people change by hand: where commitment or version are others, the bytes are of before and do not
/// count; another status is one that was set.
#[napi(catch_unwind)]
pub fn record_of_row(
    record: &[u8],
    commitment: &[u8],
    commitment_version: u32,
    status: String,
) -> Result<Uint8Array, Fault> {
    let status: ClientStatus = status.parse().map_err(|error| damaged(&error))?;
    let kept = stored_if_any(record)?.filter(|kept| {
        kept.version() == commitment_version && *kept.first().commitment() == *commitment
    });
    let record = match kept {
        // Who is revoked stays so, whatever anybody sets.
        Some(kept) if kept.status() == ClientStatus::Revoked => kept,
        Some(mut kept) => {
            let set = match status {
                ClientStatus::Active => kept.resume(),
                ClientStatus::Suspended => kept.suspend(),
                ClientStatus::Revoked => Ok(kept.revoke()),
            };
            set.map_err(|error| damaged(&error))?;
            kept
        }
        None => ClientRecord {
            commitment: Commitment::from_bytes(commitment).map_err(|error| damaged(&error))?,
            commitment_version,
            status,
        }
        .into(),
    };
    Ok(Uint8Array::new(record.to_bytes()))
}

/// The record after `suspend`, `resume`, `revoke` or `end_sessions`; none when it is so already.
#[napi(catch_unwind)]
pub fn change_record(record: &[u8], change: String) -> Result<Option<Uint8Array>, Fault> {
    let mut record = stored(record)?;
    let changed = match change.as_str() {
        "suspend" => record.suspend(),
        "resume" => record.resume(),
        "revoke" => Ok(record.revoke()),
        "end_sessions" => record.end_sessions().map(|()| Transition::Changed),
        _ => {
            return Err(invalid_encoding(
                "a change must be suspend, resume, revoke or end_sessions",
            ));
        }
    };
    Ok(match changed.map_err(fault)? {
        Transition::Unchanged => None,
        Transition::Changed => Some(Uint8Array::new(record.to_bytes())),
    })
}

fn said_of(attributes: AttributesParts) -> Result<Attributes, Fault> {
    Ok(Attributes {
        expires_at: attributes.expires_at.map(seconds).transpose()?,
        scopes: Scopes::new(attributes.scopes.iter().map(String::as_str)).map_err(fault)?,
        claims: match attributes.claims.as_str() {
            "" => Claims::default(),
            claims => Claims::parse(claims).map_err(fault)?,
        },
        sources: {
            let sources = attributes.sources.iter().map(|source| source.parse());
            Sources::new(sources.collect::<Result<_, _>>().map_err(fault)?).map_err(fault)?
        },
        requests_per_minute: match attributes.requests_per_minute {
            None => None,
            Some(number) => Some(NonZeroU32::new(number).ok_or_else(|| {
                invalid_encoding("requestsPerMinute must be a whole number from 1 to 4294967295")
            })?),
        },
        tenant: attributes
            .tenant
            .map(|tenant| tenant.parse().map_err(fault))
            .transpose()?,
    })
}

/// The record of a host that keeps what it says in columns.
#[napi(catch_unwind)]
pub fn record_of_parts(parts: RecordParts) -> Result<Uint8Array, Fault> {
    let credential = |one: &CredentialParts| {
        let commitment = one
            .commitment
            .as_ref()
            .try_into()
            .map_err(|_| invalid_length("commitment must be 32 bytes"))?;
        EnrolledCredential::from_parts(
            commitment,
            CredentialName::parse(one.name.as_bytes()).map_err(fault)?,
            seconds(one.created)?,
            one.since,
            SuiteId::Sigma,
            one.expires_at.map(seconds).transpose()?,
        )
        .map_err(fault)
    };
    let record = Record::from_parts(
        parts.version,
        parts.generation,
        parts.status.parse().map_err(fault)?,
        parts
            .credentials
            .iter()
            .map(credential)
            .collect::<Result<_, _>>()?,
        said_of(parts.attributes)?,
    );
    Ok(Uint8Array::new(record.map_err(fault)?.to_bytes()))
}

/// The record with what its operator says of the client, in the place of what was said before.
#[napi(catch_unwind)]
pub fn record_with_attributes(
    record: &[u8],
    attributes: AttributesParts,
) -> Result<Uint8Array, Fault> {
    let mut record = stored(record)?;
    let said = said_of(attributes)?;
    record.set_attributes(said).map_err(fault)?;
    Ok(Uint8Array::new(record.to_bytes()))
}

/// The record with another expiry of one of its credentials, or with none.
#[napi(catch_unwind)]
pub fn record_with_expiry(
    record: &[u8],
    credential_id: String,
    expires_at: Option<i64>,
) -> Result<Uint8Array, Fault> {
    let mut record = stored(record)?;
    let id = credential_of(&credential_id)?;
    let expires_at = expires_at.map(seconds).transpose()?;
    record.set_expiry(&id, expires_at).map_err(fault)?;
    Ok(Uint8Array::new(record.to_bytes()))
}

/// Whether a session or a token that names these is good still.
#[napi(catch_unwind)]
pub fn honours(
    record: &[u8],
    credential_id: Option<String>,
    since: u32,
    generation: u32,
    now: i64,
) -> Result<bool, Fault> {
    let record = stored(record)?;
    let named = match credential_id.as_deref() {
        None => None,
        // No credential is called so.
        Some(id) => match CredentialId::parse(id.as_bytes()) {
            Ok(id) => Some(id),
            Err(_) => return Ok(false),
        },
    };
    Ok(record.honours(named.as_ref(), since, generation, seconds(now)?))
}

/// Whether the client is let in from this address. Where it has allowed sources, it is not let in from where nobody
/// knows.
#[napi(catch_unwind)]
pub fn permits_source(record: &[u8], source: Option<String>) -> Result<bool, Fault> {
    Ok(stored(record)?.permits_source(address(source.as_deref())))
}

/// What a client may do by one of its credentials, and what its tokens say besides.
#[napi(object)]
pub struct AuthorityParts {
    /// What both of them have.
    pub scopes: Vec<String>,
    /// Whose client it is.
    pub tenant: Option<String>,
    /// A JSON object, without the names that tokens use themselves.
    pub claims: String,
}

/// What a client may do by this credential, by its first one where none is named; nothing by one that it has not.
#[napi(catch_unwind)]
pub fn authority_of(record: &[u8], credential_id: Option<String>) -> Result<AuthorityParts, Fault> {
    let record = stored(record)?;
    let id = credential_id.as_deref().map(credential_of).transpose()?;
    let scopes = record
        .credential(id.as_ref())
        .map(|one| record.scopes_of(one));
    let said = record.attributes();
    let tenant = said.and_then(|said| said.tenant.as_ref());
    Ok(AuthorityParts {
        scopes: scopes
            .iter()
            .flat_map(Scopes::iter)
            .map(str::to_owned)
            .collect(),
        tenant: tenant.map(|tenant| tenant.as_str().to_owned()),
        claims: said.map_or_else(|| "{}".into(), |said| said.claims.for_tokens()),
    })
}

/// The id of the credential with this commitment, 32 hex digits.
#[napi(catch_unwind)]
pub fn credential_id(commitment: &[u8]) -> Result<String, Fault> {
    let commitment = Commitment::from_bytes(commitment).map_err(fault)?;
    Ok(CredentialId::of(commitment.as_bytes()).to_string())
}

/// Says what is wrong with the id of a credential.
#[napi(catch_unwind)]
pub fn check_credential_id(id: String) -> Result<(), Fault> {
    credential_of(&id).map(drop)
}

/// Says what is wrong with the name of a credential.
#[napi(catch_unwind)]
pub fn check_credential_name(name: String) -> Result<(), Fault> {
    CredentialName::parse(name.as_bytes())
        .map(drop)
        .map_err(fault)
}
