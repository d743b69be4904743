//! `2FAPI.WHOAMI` and `2FAPI.LOGOUT`, about the calling connection.

use twofapi_crypto_core::{Error, Scopes};

use crate::{
    host::{Arguments, Ctx},
    rules::failure::Failure,
    session,
    store::clients,
};

/// `2FAPI.WHOAMI` answers the client, `2FAPI.WHOAMI TTL` the client and the seconds that are left, `2FAPI.WHOAMI
/// SCOPES` the client, what it may do and whose it is.
pub(super) fn whoami(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let with_ttl = match arguments.len() {
        1 => false,
        2 if arguments.get(1).eq_ignore_ascii_case(b"TTL") => true,
        2 if arguments.get(1).eq_ignore_ascii_case(b"SCOPES") => return scopes(ctx),
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

/// As they are now, for the credential that the session was opened with.
fn scopes(ctx: Ctx<'_>) -> Result<(), Failure> {
    let Some((client_id, credential)) = session::proven_of(ctx.connection()) else {
        ctx.reply_null();
        return Ok(());
    };
    let client = clients::find(ctx, &client_id)?.ok_or(Error::NotEnrolled)?;
    let record = &client.record;
    let credential = record.credential(Some(&credential));
    let scopes = credential.map_or_else(Scopes::default, |one| record.scopes_of(one));
    let tenant = record.attributes().and_then(|said| said.tenant.as_ref());
    ctx.reply_array(3);
    ctx.reply_bytes(client_id.as_bytes());
    ctx.reply_array(scopes.iter().len());
    for scope in scopes.iter() {
        ctx.reply_bytes(scope.as_bytes());
    }
    match tenant {
        Some(tenant) => ctx.reply_bytes(tenant.as_str().as_bytes()),
        None => ctx.reply_null(),
    }
    Ok(())
}

pub(super) fn logout(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    ctx.reply_status(c"OK");
    session::end(ctx);
    Ok(())
}
