//! What an operator looks at and does about sessions: `2FAPI.CLIENTS cursor [COUNT n]`,
//! `2FAPI.SESSIONS [client]`, `2FAPI.KICK client`; and `2FAPI.HELP`, for everybody.

use std::ffi::CStr;

use twofapi_crypto_core::ClientId;

use super::{common::client, lifecycle::status_word};
use crate::{
    host::{Arguments, Ctx, call::Reply, commands, ending::By},
    rules::{failure::Failure, key_name::client_argument},
    session,
    store::clients,
};

/// Every client's key, and the keys of nobody that look like one.
const CLIENTS_KEYS: &[u8] = b"2fapi:{*}";

/// One step through the clients, as `SCAN` steps through the keys: the next cursor, and of each client
/// its id, its status and the ACL user that it becomes, or nil.
pub(super) fn clients(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let count = match arguments.len() {
        2 => &b"100"[..],
        4 if arguments.get(2).eq_ignore_ascii_case(b"COUNT") => arguments.get(3),
        _ => return Err(Failure::SYNTAX),
    };
    let scanned = ctx
        .in_database_zero(|| {
            let cursor = arguments.get(1);
            let scan = [cursor, b"MATCH", CLIENTS_KEYS, b"COUNT", count];
            Reply::to(ctx, c"SCAN", &scan)
        })
        .ok_or(Failure::Internal)?;
    let (Some(next), Some(keys)) = (scanned.whole().at(0), scanned.whole().at(1)) else {
        return Err(Failure::Line(
            c"ERR a cursor that 2FAPI.CLIENTS answered, or 0, and a COUNT of 1 or more",
        ));
    };
    let found: Vec<_> = keys
        .elements()
        .filter_map(|key| client_argument(key.bytes(), true).ok())
        .filter_map(|client_id| clients::find(ctx, &client_id).ok().flatten())
        .collect();
    ctx.reply_array(2);
    ctx.reply_bytes(next.bytes());
    ctx.reply_array(found.len());
    for client in found {
        ctx.reply_array(3);
        ctx.reply_bytes(client.client_id.as_bytes());
        ctx.reply_bytes(status_word(client.record.status()).to_bytes());
        match &client.user {
            Some(user) => ctx.reply_bytes(user.as_bytes()),
            None => ctx.reply_null(),
        }
    }
    Ok(())
}

/// The open sessions of this node, of one client or of all: client, connection, ACL user, seconds left.
pub(super) fn sessions(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let of = match arguments.len() {
        1 => None,
        2 => Some(ClientId::from_bytes(arguments.get(1))?),
        _ => return Err(Failure::SYNTAX),
    };
    let open = session::list(of.as_ref());
    ctx.reply_array(open.len());
    for (client, connection, seconds) in open {
        ctx.reply_array(4);
        ctx.reply_bytes(client.as_bytes());
        ctx.reply_integer(i64::try_from(connection).unwrap_or(i64::MAX));
        match ctx.user_of(connection) {
            Some(user) => ctx.reply_bytes(&user),
            None => ctx.reply_null(),
        }
        ctx.reply_integer(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
    Ok(())
}

/// Ends a client's sessions on this node, and leaves it enrolled: it may log in again.
pub(super) fn kick(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let ended = session::end_client(&client(arguments)?, By::Command(ctx));
    ctx.reply_integer(i64::try_from(ended).unwrap_or(i64::MAX));
    Ok(())
}

/// Each command with its arguments, and below it what it does.
pub(super) fn help(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    let shown: Vec<_> = commands::all()
        .iter()
        .filter(|command| !command.internal)
        .collect();
    ctx.reply_array(2 * shown.len());
    for command in shown {
        let mut usage = command.name.to_string_lossy().into_owned();
        for argument in command.arguments {
            let name = argument.name.to_string_lossy();
            let words = match argument.token.map(CStr::to_string_lossy) {
                Some(token) if argument.is_word => token.into_owned(),
                Some(token) => format!("{token} {name}"),
                None => name.into_owned(),
            };
            usage += &match argument.optional {
                true => format!(" [{words}]"),
                false => format!(" {words}"),
            };
        }
        ctx.reply_bytes(usage.as_bytes());
        ctx.reply_bytes(format!("    {}.", command.summary.to_string_lossy()).as_bytes());
    }
    Ok(())
}
