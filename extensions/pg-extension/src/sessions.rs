//! The SQL functions around sessions that need no proof: opening one with a service's token, and an
//! operator's view and end of those that are open. Declared in `sql/`.

#![allow(
    clippy::type_complexity,
    reason = "the shape of an answer is its documentation"
)]

use core::cell::RefCell;

use pgrx::{iter::TableIterator, name, pg_extern, pg_sys, prelude::TimestampWithTimeZone};
use twofapi_crypto_core::{ClientId, ClientStatus, Error};

use crate::{
    audit, backend,
    calls::{About, Bytes, answer, client_id},
    clients, clock, errors,
    errors::must_be_writable,
    gucs, known,
    rules::{
        ClientKey, Row,
        event::{Action, Outcome},
        proven::Proven,
        token::{self, Keys, Token},
    },
    session,
    shmem::{Shared, preloaded},
    strict,
};

thread_local! {
    /// The keys that were configured when a token was last looked at, read.
    static KEYS: RefCell<Option<(String, Keys)>> = const { RefCell::new(None) };
}

/// NULL is no token, and opens no session.
#[pg_extern]
fn session_from_token(token: Bytes<'_>) -> bool {
    let shared = preloaded();
    session::leave();
    strict::check_those_of_role_and_database();
    let Some(token) = token else {
        return false;
    };
    let accepted = checked(token).unwrap_or_else(|error| errors::raise(&error));
    let Some(token) = accepted else {
        return answer(
            shared,
            Action::Token,
            None,
            Ok((false, Outcome::DeniedToken)),
        );
    };
    let opened = open(shared, &token);
    let about = About {
        client: Some(&token.client_id),
        credential: token.credential,
    };
    answer(shared, Action::Token, about, opened)
}

/// What the token says, if it is one of the configured service; an error when none is configured.
fn checked(token: &[u8]) -> Result<Option<Token>, Error> {
    let (keys, issuer, audience) = (
        gucs::token_keys(),
        gucs::token_issuer(),
        gucs::token_audience(),
    );
    if [&keys, &issuer, &audience]
        .into_iter()
        .any(String::is_empty)
    {
        return Err(Error::Unavailable {
            reason:
                "twofapi.token_keys, twofapi.token_issuer and twofapi.token_audience must be set \
                     before tokens open sessions"
                    .into(),
        });
    }
    KEYS.with_borrow_mut(|kept| {
        let read = match kept.take() {
            Some((text, read)) if text == keys => read,
            _ => Keys::parse(&keys).map_err(|problem| Error::Unavailable {
                reason: format!("twofapi.token_keys: {problem}"),
            })?,
        };
        let (_, read) = kept.insert((keys, read));
        Ok(token::check(token, read, &issuer, &audience, clock::unix_seconds()).ok())
    })
}

/// A client that is enrolled here as well must have here what the token says was proven there.
fn open(shared: Shared, token: &Token) -> Result<(bool, Outcome), Error> {
    let client = ClientKey::new(backend::database(), &token.client_id);
    let seen = known::seen(shared, &client);
    let proven = match clients::find(&token.client_id)? {
        None => None,
        Some(row) => match proven(token, &row) {
            Some(proven) => Some((proven, row)),
            None => return Ok((false, Outcome::DeniedClient)),
        },
    };
    let left = token.expires_at.saturating_sub(clock::unix_seconds());
    let seconds = u32::try_from(left).unwrap_or(u32::MAX);
    session::open_by_token(shared, client, proven, seen, seconds)?;
    Ok((true, Outcome::Accepted))
}

/// Which credential of this row the token stands for. Versions and generations are counted by each host for
/// itself, so that those of the service say nothing here: the credential is told by its id, and whatever
/// ended sessions here ended the tokens that were issued before.
fn proven(token: &Token, row: &Row) -> Option<Proven> {
    let proven = Proven::in_row(row, token.credential.as_ref())?;
    // A token of before names the version alone.
    let named = token.credential.is_some() || token.commitment_version == proven.since();
    let good = named
        && row.tokens_from <= token.issued_at
        && row.record.permits_source(audit::address())
        && proven.holds(row, clock::unix_seconds());
    good.then_some(proven)
}

#[pg_extern]
fn list_sessions() -> TableIterator<
    'static,
    (
        name!(client_id, String),
        name!(pid, i32),
        name!(role, pg_sys::Oid),
        name!(since, Option<TimestampWithTimeZone>),
        name!(expires_at, Option<TimestampWithTimeZone>),
        name!(commitment_version, Option<i32>),
        name!(credential_id, Option<String>),
        name!(generation, Option<i64>),
    ),
> {
    let open = session::of_all_connections(preloaded());
    TableIterator::new(open.into_iter().map(|(pid, open)| {
        let proven = open.proven.as_ref();
        (
            open.client.id_str().to_owned(),
            pid,
            pg_sys::Oid::from_u32(open.role),
            clock::timestamp(open.since),
            clock::timestamp(open.expires_at),
            proven.and_then(|proven| i32::try_from(proven.since()).ok()),
            proven.map(|proven| proven.credential().to_string()),
            proven.map(|proven| i64::from(proven.generation())),
        )
    }))
}

/// As version 1.0 declares it.
#[pg_extern]
fn open_sessions() -> TableIterator<
    'static,
    (
        name!(client_id, String),
        name!(pid, i32),
        name!(role, pg_sys::Oid),
        name!(since, Option<TimestampWithTimeZone>),
        name!(expires_at, Option<TimestampWithTimeZone>),
        name!(commitment_version, Option<i32>),
    ),
> {
    let all = list_sessions();
    TableIterator::new(
        all.map(|(client, pid, role, since, expires_at, version, ..)| {
            (client, pid, role, since, expires_at, version)
        }),
    )
}

/// At once, whatever becomes of the transaction. All of a client end for good: its generation is another
/// one, so that no token of before opens a session again.
#[pg_extern]
fn end_sessions_for_good(id: Bytes<'_>, pid: Option<i32>) -> i32 {
    end(id, pid, |id| match pid {
        None if !backend::in_recovery() => next_generation(id),
        _ => Ok(()),
    })
}

/// As version 1.0 declares it.
#[pg_extern]
fn end_sessions(id: Bytes<'_>, pid: Option<i32>) -> i32 {
    end(id, pid, |_| Ok(()))
}

fn end(id: Bytes<'_>, pid: Option<i32>, then: impl FnOnce(&ClientId) -> Result<(), Error>) -> i32 {
    let shared = preloaded();
    let id: Result<ClientId, Error> = client_id(id);
    let end = |id: &ClientId| {
        let client = ClientKey::new(backend::database(), id);
        let count = shared.with_roster(|r| r.end(&client, pid, clock::steady_millis()));
        then(id)?;
        Ok((i32::try_from(count).unwrap_or(i32::MAX), Outcome::Accepted))
    };
    let ended = id.as_ref().map_err(Clone::clone).and_then(end);
    answer(shared, Action::EndSessions, id.as_ref().ok(), ended)
}

/// Of a client that is enrolled here, and may have sessions at all.
fn next_generation(id: &ClientId) -> Result<(), Error> {
    if clients::find(id)?.is_none() {
        return Ok(());
    }
    must_be_writable(c"twofapi.end_sessions()");
    clients::lock(id)?;
    let Some(before) = clients::find(id)? else {
        return Ok(());
    };
    let mut record = before.record.clone();
    if record.status() == ClientStatus::Revoked {
        return Ok(());
    }
    record.end_sessions()?;
    match clients::replace(id, &before, &record)? {
        true => Ok(()),
        false => Err(Error::Unavailable {
            reason: "the client was changed by another transaction meanwhile; try again".into(),
        }),
    }
}
