//! `2FAPI.STATUS client [VERSION]`, `2FAPI.SUSPEND client`, `2FAPI.RESUME client` and `2FAPI.REVOKE client`.

use std::ffi::CStr;

use twofapi_crypto_core::{ClientRecord, ClientStatus, Error};

use super::{Failure, client};
use crate::{
    host::{Arguments, Ctx},
    session,
    store::clients,
};

pub(super) fn status(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let with_version = match arguments.from(2)[..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"VERSION") => true,
        _ => return Err(Failure::SYNTAX),
    };
    let record = clients::find(ctx, &client(arguments)?)?;
    let status = record
        .as_ref()
        .map_or(c"unknown", |record| status_word(record.status));
    if with_version {
        ctx.reply_array(2);
    }
    ctx.reply_status(status);
    if with_version {
        // 0: never enrolled.
        ctx.reply_integer(record.map_or(0, |record| i64::from(record.commitment_version)));
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
    change(ctx, arguments, c"2fapi.suspend", |life| {
        life.suspend().map(|_| ())
    })
}

pub(super) fn resume(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    change(ctx, arguments, c"2fapi.resume", |life| {
        life.resume().map(|_| ())
    })
}

pub(super) fn revoke(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    change(ctx, arguments, c"2fapi.revoke", |life| {
        life.revoke();
        Ok(())
    })
}

fn change(
    ctx: Ctx<'_>,
    arguments: &Arguments<'_>,
    event: &'static CStr,
    apply: fn(&mut ClientRecord) -> Result<(), Error>,
) -> Result<(), Failure> {
    let client_id = client(arguments)?;
    let is_active = clients::update(ctx, &client_id, event, |record| {
        record.transition(apply)?;
        Ok(record.is_active())
    })?;
    ctx.reply_status(c"OK");
    if !is_active {
        session::end_client(&client_id);
    }
    Ok(())
}
