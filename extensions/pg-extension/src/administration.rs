//! The SQL functions of whoever runs the host: who is enrolled, and what is said of a client. Declared in
//! `sql/`, each under the name of its symbol here.

use core::num::NonZeroU32;

use pgrx::{iter::TableIterator, name, pg_extern};
use twofapi_crypto_core::{
    Attributes, Claims, Commitment, CredentialId, CredentialName, EnrolledCredential, Error,
    Record, SuiteId, Transition, ceremony::EnrolmentRequest,
};

use crate::{
    attempt, audit_table,
    calls::{About, Bytes, answer, client_id, commitment, ended, given, is_accepted, proof},
    clients,
    columns::{self, Texts},
    errors,
    errors::must_be_writable,
    rules::event::{Action, Outcome},
    shmem::preloaded,
};

#[pg_extern]
fn enroll(id: Bytes<'_>, c: Bytes<'_>, p: Bytes<'_>) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.enroll()");
    let id = client_id(id);
    let enrol = || {
        let request = EnrolmentRequest {
            client_id: id.as_ref().map_err(Clone::clone)?.as_bytes(),
            commitment: commitment(c)?,
            proof: proof(p)?,
        };
        ended(attempt::enrolment(shared, &request)).map(is_accepted)
    };
    let about = About::with(id.as_ref().ok(), c);
    answer(shared, Action::Enrol, about, enrol())
}

/// Puts one credential in the place of all that a client has.
#[pg_extern]
fn reset_client(id: Bytes<'_>, c: Bytes<'_>, p: Bytes<'_>) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.reset_client()");
    let id = client_id(id);
    let reset = || {
        let request = EnrolmentRequest {
            client_id: id.as_ref().map_err(Clone::clone)?.as_bytes(),
            commitment: commitment(c)?,
            proof: proof(p)?,
        };
        ended(attempt::reset(shared, &request)).map(is_accepted)
    };
    let about = About::with(id.as_ref().ok(), c);
    answer(shared, Action::Reset, about, reset())
}

#[pg_extern]
fn import_client(id: Bytes<'_>, c: Bytes<'_>, version: Option<i32>, status: Bytes<'_>) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.import_client()");
    let id = client_id(id);
    let import = || {
        let id = id.as_ref().map_err(Clone::clone)?;
        let commitment = Commitment::from_bytes(commitment(c)?)?;
        let version = version
            .and_then(|version| u32::try_from(version).ok())
            .filter(|version| *version >= 1)
            .ok_or_else(|| invalid("commitment version", "1 or more"))?;
        let status = status
            .and_then(|status| core::str::from_utf8(status).ok()?.parse().ok())
            .ok_or_else(|| invalid("status", "active, suspended or revoked"))?;
        let only = EnrolledCredential::from_parts(
            commitment.to_bytes(),
            CredentialName::unnamed(),
            0,
            version,
            SuiteId::Sigma,
            None,
        )?;
        let record = Record::from_parts(version, 0, status, vec![only], Attributes::default())?;
        match clients::insert(id, &record)? {
            true => Ok((true, Outcome::Accepted)),
            false => Err(Error::AlreadyEnrolled),
        }
    };
    let about = About::with(id.as_ref().ok(), c);
    answer(shared, Action::Import, about, import())
}

const fn invalid(what: &'static str, expected: &'static str) -> Error {
    Error::InvalidEncoding { what, expected }
}

#[pg_extern]
fn suspend_client(id: Bytes<'_>) -> bool {
    change(id, Action::Suspend, Record::suspend)
}

#[pg_extern]
fn resume_client(id: Bytes<'_>) -> bool {
    change(id, Action::Resume, Record::resume)
}

#[pg_extern]
fn revoke_client(id: Bytes<'_>) -> bool {
    change(id, Action::Revoke, |record| Ok(record.revoke()))
}

/// Until when a client is let in, in the server's microseconds; NULL for as long as it likes.
#[pg_extern]
fn set_client_expiry(id: Bytes<'_>, expires_at: Option<i64>) -> bool {
    change(id, Action::SetExpiry, |record| {
        let expires_at = columns::expiry(expires_at);
        say(record, |said| Attributes { expires_at, ..said })
    })
}

/// Until when one credential of a client is good, in the server's microseconds; NULL for as long as it is
/// there.
#[pg_extern]
fn set_credential_expiry(id: Bytes<'_>, credential: Bytes<'_>, expires_at: Option<i64>) -> bool {
    change(id, Action::SetExpiry, |record| {
        let credential = given(credential, "credential id", "32 hex digits, not NULL")?;
        let credential = CredentialId::parse(credential)?;
        let expires_at = columns::expiry(expires_at);
        let before = record
            .credential(Some(&credential))
            .ok_or(Error::NotEnrolled)?;
        if before.expires_at() == expires_at {
            return Ok(Transition::Unchanged);
        }
        record.set_expiry(&credential, expires_at)?;
        Ok(Transition::Changed)
    })
}

/// What is said of a client besides its expiry. What is NULL is not said.
#[pg_extern]
fn set_client_attributes(
    id: Bytes<'_>,
    scopes: Option<Texts>,
    claims: Bytes<'_>,
    sources: Option<Texts>,
    requests_per_minute: Option<i64>,
    tenant: Bytes<'_>,
) -> bool {
    change(id, Action::SetAttributes, |record| {
        let none = || invalid("list", "texts, none of them NULL");
        let scopes = columns::scopes(&scopes.unwrap_or_default()).ok_or_else(none)??;
        let sources = columns::sources(&sources.unwrap_or_default()).ok_or_else(none)??;
        let claims = claims.map(|text| {
            let text = core::str::from_utf8(text).map_err(|_| invalid("custom claims", "UTF-8"))?;
            Claims::parse(text)
        });
        let claims = claims.transpose()?.unwrap_or_default();
        let requests_per_minute = requests_per_minute.map(|requests| {
            let requests = u32::try_from(requests).ok().and_then(NonZeroU32::new);
            requests.ok_or_else(|| invalid("requests per minute", "1 to 4294967295"))
        });
        let requests_per_minute = requests_per_minute.transpose()?;
        let tenant = tenant.map(|tenant| {
            let refused = || invalid("tenant", "1 to 128 characters of A-Z a-z 0-9 . _ - @ +");
            core::str::from_utf8(tenant).map_err(|_| refused())?.parse()
        });
        let tenant = tenant.transpose()?;
        say(record, |said| Attributes {
            expires_at: said.expires_at,
            scopes,
            claims,
            sources,
            requests_per_minute,
            tenant,
        })
    })
}

fn say(
    record: &mut Record,
    to: impl FnOnce(Attributes) -> Attributes,
) -> Result<Transition, Error> {
    let before = record.attributes().cloned().unwrap_or_default();
    let after = to(before.clone());
    if before == after {
        return Ok(Transition::Unchanged);
    }
    record.set_attributes(after)?;
    Ok(Transition::Changed)
}

/// Changes what is kept of a client; true when it was something else before.
fn change(
    id: Bytes<'_>,
    action: Action,
    step: impl FnOnce(&mut Record) -> Result<Transition, Error>,
) -> bool {
    let shared = preloaded();
    must_be_writable(c"a change of a 2FApi client");
    let id = client_id(id);
    let change = || {
        let id = id.as_ref().map_err(Clone::clone)?;
        clients::lock(id)?;
        let before = clients::find(id)?.ok_or(Error::NotEnrolled)?;
        let mut changed = before.record.clone();
        let transition = step(&mut changed)?;
        match transition {
            Transition::Unchanged => Ok((false, Outcome::Accepted)),
            Transition::Changed if clients::replace(id, &before, &changed)? => {
                Ok((true, Outcome::Accepted))
            }
            Transition::Changed => Err(Error::Unavailable {
                reason: "the client was changed by another transaction meanwhile; try again".into(),
            }),
        }
    };
    answer(shared, action, id.as_ref().ok(), change())
}

#[pg_extern]
fn client_status(id: Bytes<'_>) -> &'static str {
    preloaded();
    let status = || {
        let row = clients::find(&client_id(id)?)?;
        Ok(row.ok_or(Error::NotEnrolled)?.record.status().as_str())
    };
    status().unwrap_or_else(|error: Error| errors::raise(&error))
}

#[pg_extern]
fn cleanup(retention_days: Option<i32>) -> TableIterator<'static, (name!(audit_rows, i64),)> {
    let shared = preloaded();
    must_be_writable(c"twofapi.cleanup()");
    let purge = || match retention_days {
        // What happened within a day is nobody's to erase who is not a superuser.
        Some(days @ 1..=36_500) => Ok((audit_table::delete_before(days)?, Outcome::Accepted)),
        _ => Err(invalid("retention_days", "1 to 36500 days")),
    };
    TableIterator::once((answer(shared, Action::Cleanup, None, purge()),))
}
