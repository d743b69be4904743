//! What several commands do.

use std::sync::atomic::{AtomicBool, Ordering};

use twofapi_crypto_core::{ClientId, Error};

use crate::{
    attempt::Attempt,
    host::{Arguments, Ctx, block::Blocked},
    mapping,
    rules::{failure::Failure, fair::Source, key_name::client_argument},
    session, workers,
};

/// Whether this node is part of a cluster.
pub(crate) static IN_CLUSTER: AtomicBool = AtomicBool::new(false);

pub(super) fn client(arguments: &Arguments<'_>) -> Result<ClientId, Error> {
    client_argument(arguments.get(1), IN_CLUSTER.load(Ordering::Relaxed))
}

/// Lets a proof decide: on a worker thread while the caller waits in its place, or at once where it cannot
/// wait, as in a transaction.
pub(super) fn decide(
    ctx: Ctx<'_>,
    place: Option<Source>,
    mut attempt: Attempt,
) -> Result<(), Failure> {
    if let Some(source) = place {
        workers::submit(source, Box::new(attempt), Blocked::new(ctx));
    } else {
        attempt.check();
        ctx.reply(attempt.conclude(ctx)?);
    }
    Ok(())
}

/// Whose session the calling connection has.
pub(super) fn session_client(ctx: Ctx<'_>) -> Result<ClientId, Failure> {
    let client = session::client_of(ctx.connection());
    let client = client.ok_or(Failure::Line(
        c"DENIED this connection has no session: 2FAPI.VERIFY opens one",
    ))?;
    Ok(ClientId::parse(&client)?)
}

/// Operators' commands are for whom they were given by name, and for who may do anything.
pub(super) fn demand_right_by_name(ctx: Ctx<'_>) -> Result<(), Failure> {
    if mapping::is_given_by_name(ctx) {
        return Ok(());
    }
    Err(Failure::Line(
        c"NOPERM operators' commands of 2fapi must be given by name, as in -@all +2fapi.enroll: \
          no category gives them",
    ))
}
