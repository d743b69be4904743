//! `2FAPI.WHOAMI` and `2FAPI.LOGOUT`, about the calling connection.

use crate::{
    host::{Arguments, Ctx},
    rules::failure::Failure,
    session,
};

/// `2FAPI.WHOAMI` answers the client, `2FAPI.WHOAMI TTL` the client and the seconds that are left.
pub(super) fn whoami(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let with_ttl = match arguments.len() {
        1 => false,
        2 if arguments.get(1).eq_ignore_ascii_case(b"TTL") => true,
        _ => return Err(Failure::SYNTAX),
    };
    let connection = ctx.connection();
    match (
        session::client_of(connection),
        session::seconds_left(connection),
    ) {
        (Some(client), Some(seconds)) if with_ttl => {
            ctx.reply_array(2);
            ctx.reply_bytes(client.as_bytes());
            ctx.reply_integer(i64::try_from(seconds).unwrap_or(i64::MAX));
        }
        (Some(client), _) if !with_ttl => ctx.reply_bytes(client.as_bytes()),
        _ => ctx.reply_null(),
    }
    Ok(())
}

pub(super) fn logout(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    ctx.reply_status(c"OK");
    session::end(ctx);
    Ok(())
}
