//! `2FAPI.STATUS client [VERSION]`, `2FAPI.SUSPEND client`, `2FAPI.RESUME client`, `2FAPI.REVOKE client` and
//! `2FAPI.ENDSESSIONS client`.

use std::ffi::CStr;

use twofapi_crypto_core::{ClientStatus, Error, Record};

use super::common::client;
use crate::{
    host::{Arguments, Ctx, Level, writes},
    rules::{failure::Failure, key_name::KeyName},
    store::clients,
};

pub(super) fn status(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let with_version = match arguments.from(2)[..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"VERSION") => true,
        _ => return Err(Failure::SYNTAX),
    };
    let client = clients::find(ctx, &client(arguments)?)?;
    let status = client
        .as_ref()
        .map_or(c"unknown", |client| status_word(client.record.status()));
    if with_version {
        ctx.reply_array(2);
    }
    ctx.reply_status(status);
    if with_version {
        // 0: never enrolled.
        ctx.reply_integer(client.map_or(0, |client| i64::from(client.record.version())));
    }
    Ok(())
}

pub(super) const fn status_word(status: ClientStatus) -> &'static CStr {
    match status {
        ClientStatus::Active => c"active",
        ClientStatus::Suspended => c"suspended",
        ClientStatus::Revoked => c"revoked",
    }
}

pub(super) fn suspend(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    shut(ctx, arguments, c"2fapi.suspend", KEPT_OUT, |record| {
        record.suspend().map(|_| ())
    })
}

pub(super) fn resume(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    clients::update(ctx, &client(arguments)?, c"2fapi.resume", |record| {
        record.resume()
    })?;
    ctx.reply_status(c"OK");
    Ok(())
}

pub(super) fn revoke(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    shut(ctx, arguments, c"2fapi.revoke", KEPT_OUT, |record| {
        record.revoke();
        Ok(())
    })
}

/// Ends a client's sessions on every node, and leaves it as it is: it may log in again.
pub(super) fn end_sessions(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let event = c"2fapi.endsessions";
    shut(
        ctx,
        arguments,
        event,
        "its sessions are ended",
        Record::end_sessions,
    )
}

const KEPT_OUT: &str = "it is kept out now and its sessions are ended";

/// Shuts a door on a client, also when the server takes no writes because of its disk or its replicas. What
/// opens a door may wait for them, what shuts one may not: so these commands are no writes in the
/// server's eyes, and it is said afterwards what it would have refused one for.
fn shut(
    ctx: Ctx<'_>,
    arguments: &Arguments<'_>,
    event: &'static CStr,
    done: &str,
    apply: fn(&mut Record) -> Result<(), Error>,
) -> Result<(), Failure> {
    if ctx.flags().is_read_only() {
        return Err(Failure::Line(
            c"READONLY You can't write against a read only replica.",
        ));
    }
    let client_id = client(arguments)?;
    clients::update(ctx, &client_id, event, apply)?;
    let key = KeyName::of(&client_id);
    let trouble = ctx.in_database_zero(|| writes::refused(ctx, key.as_bytes(), false));
    let Some(trouble) = trouble else {
        ctx.reply_status(c"OK");
        return Ok(());
    };
    let word = trouble.split(' ').next().unwrap_or("ERR");
    let line = format!(
        "{word} client {client_id}: {done}, but what the server keeps of it may be lost in a restart: give \
         the command again when this is mended: {trouble}"
    );
    ctx.log(Level::Warning, &format!("2fapi: {line}"));
    Err(Failure::Said(line))
}
