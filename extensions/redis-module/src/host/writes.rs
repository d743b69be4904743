//! Whether the server takes a write now. A command is asked that before it runs; what follows a proof
//! happens later, when the node may have become a replica, or be about to, or be out of memory or disk.

use super::{Ctx, api, call::Reply};

/// What a write is refused for that the server refuses to clients as well, in its own words; none when
/// it takes it. `adds` says that the write needs memory.
pub(crate) fn refused(ctx: Ctx<'_>, key: &[u8], adds: bool) -> Option<String> {
    // SAFETY: asked of the server as a whole.
    if unsafe { api!(RedisModule_AvoidReplicaTraffic()) } != 0 {
        return Some(
            "ERR writes are paused, as they are during a failover; nothing was changed: try again"
                .into(),
        );
    }
    // Writes nothing, whatever the key holds, and is refused for all the reasons that are reasons to
    // refuse a write: in the mode that scripts are checked by, with errors as answers.
    let Some(reply) = Reply::as_to_a_script(ctx, c"SETRANGE", adds, &[key, b"0", b""]) else {
        return Some("ERR the server takes no writes".into());
    };
    let reply = reply.whole();
    // A client's record is no text, and saying so comes after every refusal.
    (reply.is_error() && !reply.text().starts_with("WRONGTYPE")).then(|| reply.text())
}
