//! `2FAPI.APPLY key record`: effects, for replicas and the append-only file.

use crate::{
    host::{Arguments, Ctx},
    rules::failure::Failure,
    store::clients,
};

pub(super) fn apply(ctx: Ctx<'_>, arguments: &Arguments<'_>) -> Result<(), Failure> {
    if !ctx.flags().is_replay() {
        return Err(Failure::Line(
            c"ERR 2FAPI.APPLY is for replicas and the append-only file; use 2FAPI.ENROLL",
        ));
    }
    clients::apply(ctx, arguments.get(1), arguments.get(2))?;
    ctx.reply_status(c"OK");
    Ok(())
}
