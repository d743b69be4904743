//! `2FAPI.STATUS`, `2FAPI.SUSPEND`, `2FAPI.RESUME` and `2FAPI.REVOKE`, each with a client.

use std::ffi::CStr;

use twofapi_crypto_core::{ClientRecord, ClientStatus, Error};

use super::{Failure, client};
use crate::{
    host::{Arguments, Ctx},
    session,
    store::clients,
};

pub(super) fn status(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    let record = clients::find(ctx, &client(arguments)?)?;
    ctx.reply_status(match record.map(|record| record.status) {
        None => c"unknown",
        Some(ClientStatus::Active) => c"active",
        Some(ClientStatus::Suspended) => c"suspended",
        Some(ClientStatus::Revoked) => c"revoked",
    });
    Ok(())
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
