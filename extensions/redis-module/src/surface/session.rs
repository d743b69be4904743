//! `2FAPI.WHOAMI` and `2FAPI.LOGOUT`, about the calling connection.

use super::Failure;
use crate::{
    host::{Arguments, Ctx},
    session,
};

pub(super) fn whoami(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    match session::client_of(ctx.connection()) {
        Some(client) => ctx.reply_bytes(client.as_bytes()),
        None => ctx.reply_null(),
    }
    Ok(())
}

pub(super) fn logout(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    ctx.reply_status(c"OK");
    session::end(ctx.connection());
    Ok(())
}
