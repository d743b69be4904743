//! The SQL functions of a client with several credentials: linking, from one device or two, unlinking, and
//! what it has. Declared in `sql/`, each under the name of its symbol here.

#![allow(
    clippy::type_complexity,
    reason = "the shape of an answer is its documentation"
)]

use pgrx::{iter::TableIterator, name, pg_extern, prelude::TimestampWithTimeZone};
use twofapi_crypto_core::{
    ClientId, Error,
    ceremony::{JoinRequest, JoiningPart, LinkRequest, LinkState, UnlinkRequest},
};

use crate::{
    attempt,
    calls::{
        About, Bytes, answer, challenge_id, client_id, commitment, ended, given, is_accepted,
        named, proof,
    },
    clients, clock, errors,
    errors::must_be_writable,
    pending,
    rules::event::{Action, Outcome},
    session,
    shmem::{Shared, preloaded},
    strict,
};

/// Adds a credential: one at the same device, which proves as well and is named, or the one that has joined.
#[pg_extern]
fn link_credential(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    p: Bytes<'_>,
    commitment_new: Bytes<'_>,
    proof_new: Bytes<'_>,
    name: Bytes<'_>,
    credential: Bytes<'_>,
) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.link_credential()");
    strict::check_those_of_role_and_database();
    let id = client_id(id);
    let link = || {
        let request = LinkRequest {
            of: named(id.as_ref().map_err(Clone::clone)?, challenge)?,
            credential,
            proof: proof(p)?,
            commitment_new: commitment(commitment_new)?,
            joining: match (proof_new, name) {
                (None, None) => None,
                (proof_new, name) => Some(JoiningPart {
                    proof: proof(proof_new)?,
                    name: named_so(name)?,
                }),
            },
        };
        ended(attempt::linking(shared, &request)).map(is_accepted)
    };
    let about = About::with(id.as_ref().ok(), commitment_new);
    answer(shared, Action::Link, about, link())
}

#[pg_extern]
fn unlink_credential(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    p: Bytes<'_>,
    commitment_old: Bytes<'_>,
    credential: Bytes<'_>,
) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.unlink_credential()");
    strict::check_those_of_role_and_database();
    let id = client_id(id);
    let unlink = || {
        let request = UnlinkRequest {
            of: named(id.as_ref().map_err(Clone::clone)?, challenge)?,
            credential,
            proof: proof(p)?,
            commitment_old: commitment(commitment_old)?,
        };
        ended(attempt::unlinking(shared, &request)).map(is_accepted)
    };
    let about = About::with(id.as_ref().ok(), commitment_old);
    answer(shared, Action::Unlink, about, unlink())
}

/// A second device's part: its credential waits for the first one.
#[pg_extern]
fn join_link(
    id: Bytes<'_>,
    challenge: Bytes<'_>,
    c: Bytes<'_>,
    p: Bytes<'_>,
    name: Bytes<'_>,
) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.join_link()");
    strict::check_those_of_role_and_database();
    let id = client_id(id);
    let join = || {
        let request = JoinRequest {
            of: named(id.as_ref().map_err(Clone::clone)?, challenge)?,
            commitment: commitment(c)?,
            joining: JoiningPart {
                proof: proof(p)?,
                name: named_so(name)?,
            },
        };
        ended(attempt::joining(shared, &request)).map(is_accepted)
    };
    let about = About::with(id.as_ref().ok(), c);
    answer(shared, Action::Join, about, join())
}

fn named_so(name: Bytes<'_>) -> Result<&[u8], Error> {
    given(name, "name of a credential", "1 to 64 characters, not NULL")
}

/// Whose session this connection has open, if any.
fn client_of_the_session(shared: Shared) -> Option<ClientId> {
    let id = session::told(shared, |session| {
        ClientId::from_bytes(session.client.id_bytes()).ok()
    });
    id.flatten()
}

/// Offers a challenge of the session's client to a second device; false without a session.
#[pg_extern]
fn offer_link(challenge: Bytes<'_>) -> bool {
    let shared = preloaded();
    must_be_writable(c"twofapi.offer_link()");
    let client = client_of_the_session(shared);
    let offer = || match &client {
        None => Ok((false, Outcome::DeniedClient)),
        Some(id) => ended(attempt::offer(shared, id, challenge_id(challenge)?)).map(is_accepted),
    };
    answer(shared, Action::Offer, client.as_ref(), offer())
}

/// How far the link from a second device is; no row without a session.
#[pg_extern]
fn pending_link() -> TableIterator<
    'static,
    (
        name!(state, &'static str),
        name!(challenge_id, Option<String>),
        name!(expires_at, Option<TimestampWithTimeZone>),
        name!(commitment, Option<Vec<u8>>),
        name!(proof, Option<Vec<u8>>),
        name!(name, Option<String>),
    ),
> {
    let client = client_of_the_session(preloaded());
    let look = |id: ClientId| {
        let found = pending::find(&id)?;
        let state = found
            .as_ref()
            .and_then(|found| Some((found, found.state(clock::unix_seconds())?)));
        let Some((found, state)) = state else {
            return Ok(("none", None, None, None, None, None));
        };
        let offer = Some(found.offer().to_string());
        let until = clock::second(found.until());
        Ok(match state {
            LinkState::Open => ("open", offer, until, None, None, None),
            LinkState::Clashed => ("clashed", offer, until, None, None, None),
            LinkState::Joined {
                commitment,
                proof,
                name,
            } => (
                "joined",
                offer,
                until,
                Some(commitment.to_vec()),
                Some(proof.to_bytes().to_vec()),
                Some(name.to_string()),
            ),
        })
    };
    let row = client.map(|id| look(id).unwrap_or_else(|error: Error| errors::raise(&error)));
    TableIterator::new(row)
}

type Credentials = TableIterator<
    'static,
    (
        name!(credential_id, String),
        name!(commitment, Vec<u8>),
        name!(name, String),
        name!(created, Option<TimestampWithTimeZone>),
        name!(since, Option<i32>),
        name!(expires_at, Option<TimestampWithTimeZone>),
    ),
>;

/// The credentials of the session's client; no rows without a session.
#[pg_extern]
fn credentials() -> TableIterator<
    'static,
    (
        name!(credential_id, String),
        name!(commitment, Vec<u8>),
        name!(name, String),
        name!(created, Option<TimestampWithTimeZone>),
        name!(since, Option<i32>),
        name!(expires_at, Option<TimestampWithTimeZone>),
    ),
> {
    match client_of_the_session(preloaded()) {
        None => TableIterator::new([]),
        Some(id) => of_client(&id).unwrap_or_else(|error| errors::raise(&error)),
    }
}

#[pg_extern]
fn client_credentials(
    id: Bytes<'_>,
) -> TableIterator<
    'static,
    (
        name!(credential_id, String),
        name!(commitment, Vec<u8>),
        name!(name, String),
        name!(created, Option<TimestampWithTimeZone>),
        name!(since, Option<i32>),
        name!(expires_at, Option<TimestampWithTimeZone>),
    ),
> {
    preloaded();
    let rows = client_id(id).and_then(|id| of_client(&id));
    rows.unwrap_or_else(|error| errors::raise(&error))
}

fn of_client(id: &ClientId) -> Result<Credentials, Error> {
    let row = clients::find(id)?.ok_or(Error::NotEnrolled)?;
    let rows: Vec<_> = row
        .record
        .credentials()
        .iter()
        .map(|one| {
            let created = Some(one.created()).filter(|at| *at != 0);
            (
                one.id().to_string(),
                one.commitment().to_vec(),
                one.name().to_string(),
                created.and_then(clock::second),
                i32::try_from(one.since()).ok(),
                one.expires_at().and_then(clock::second),
            )
        })
        .collect();
    Ok(TableIterator::new(rows))
}
