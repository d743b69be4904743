//! The SQL functions around sessions that need no proof: opening one with a service's token, and an
//! operator's view and end of those that are open. Declared in `sql/pg_2fapi--1.0.sql`.

#![allow(
    clippy::type_complexity,
    reason = "the shape of an answer is its documentation"
)]

use core::cell::RefCell;

use pgrx::{iter::TableIterator, name, pg_extern, pg_sys, prelude::TimestampWithTimeZone};
use twofapi_crypto_core::{ClientId, Error};

use crate::{
    backend, clients, clock, errors, gucs, known,
    rules::{
        ClientKey,
        event::{Action, Outcome},
        token::{self, Keys, Token},
    },
    session,
    shmem::{Shared, preloaded},
    strict,
    surface::{Bytes, answer, client_id},
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
    answer(shared, Action::Token, Some(&token.client_id), opened)
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

/// A client that is enrolled here as well must be what the token says it is.
fn open(shared: Shared, token: &Token) -> Result<(bool, Outcome), Error> {
    let client = ClientKey::new(backend::database(), &token.client_id);
    let seen = known::seen(shared, &client);
    let row = clients::find(&token.client_id)?;
    let good = row.is_none_or(|row| {
        row.record.is_active() && row.record.commitment_version == token.commitment_version
    });
    if !good {
        return Ok((false, Outcome::DeniedClient));
    }
    let left = token.expires_at.saturating_sub(clock::unix_seconds());
    let seconds = u32::try_from(left).unwrap_or(u32::MAX);
    session::open_by_token(shared, client, row, seen, seconds)?;
    Ok((true, Outcome::Accepted))
}

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
    let open = session::of_all_connections(preloaded());
    TableIterator::new(open.into_iter().map(|(pid, open)| {
        let version = open.row.map(|row| row.record.commitment_version);
        (
            open.client.id_str().to_owned(),
            pid,
            pg_sys::Oid::from_u32(open.role),
            clock::timestamp(open.since),
            clock::timestamp(open.expires_at),
            version.and_then(|version| i32::try_from(version).ok()),
        )
    }))
}

/// At once, whatever becomes of the transaction.
#[pg_extern]
fn end_sessions(id: Bytes<'_>, pid: Option<i32>) -> i32 {
    let shared = preloaded();
    let id: Result<ClientId, Error> = client_id(id);
    let ended = id.as_ref().map_err(Clone::clone).map(|id| {
        let client = ClientKey::new(backend::database(), id);
        let count = shared.with_roster(|r| r.end(&client, pid, clock::steady_millis()));
        (i32::try_from(count).unwrap_or(i32::MAX), Outcome::Accepted)
    });
    answer(shared, Action::EndSessions, id.as_ref().ok(), ended)
}
