//! What the server tells of itself.

use std::{
    ffi::c_void,
    sync::{Mutex, PoisonError},
};

use super::{Ctx, OK, api, guard, raw};
use crate::rules::fair::Source;

/// What this module does at each event.
pub(crate) struct Handlers {
    /// Ten times a second, or as often as `hz` says.
    pub(crate) tick: fn(),
    /// A connection was made, and where it comes from.
    pub(crate) connected: fn(u64, Source),
    pub(crate) disconnected: fn(u64),
    /// The node has become a primary or a replica.
    pub(crate) role_changed: fn(),
    /// Keys vanished or changed places without being told of one by one.
    pub(crate) keys_replaced: fn(),
}

const EVENTS: [u64; 6] = [
    raw::REDISMODULE_EVENT_CLIENT_CHANGE,
    raw::REDISMODULE_EVENT_CRON_LOOP,
    raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED,
    raw::REDISMODULE_EVENT_FLUSHDB,
    raw::REDISMODULE_EVENT_SWAPDB,
    raw::REDISMODULE_EVENT_MODULE_CHANGE,
];

/// Subscribes to them for the server's life.
pub(crate) fn subscribe(ctx: Ctx<'_>, handlers: &'static Handlers) -> bool {
    *HANDLERS.lock().unwrap_or_else(PoisonError::into_inner) = Some(handlers);
    EVENTS
        .into_iter()
        .all(|id| call_at(ctx, id, Some(happened)))
}

/// Takes every subscription back.
pub(crate) fn unsubscribe(ctx: Ctx<'_>) {
    for id in EVENTS {
        call_at(ctx, id, None);
    }
}

fn call_at(ctx: Ctx<'_>, id: u64, callback: raw::RedisModuleEventCallback) -> bool {
    let event = raw::RedisModuleEvent { id, dataver: 1 };
    // SAFETY: the context is live and the callback, if there is one, lasts.
    unsafe {
        api!(RedisModule_SubscribeToServerEvent(
            ctx.as_ptr(),
            event,
            callback,
        )) == OK
    }
}

static HANDLERS: Mutex<Option<&'static Handlers>> = Mutex::new(None);

unsafe extern "C" fn happened(
    _: *mut raw::RedisModuleCtx,
    event: raw::RedisModuleEvent,
    kind: u64,
    data: *mut c_void,
) {
    guard((), || {
        let handlers = *HANDLERS.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(handlers) = handlers else { return };
        match event.id {
            raw::REDISMODULE_EVENT_MODULE_CHANGE => super::acl::commands_changed(),
            raw::REDISMODULE_EVENT_CLIENT_CHANGE => {
                // SAFETY: this event comes with this structure.
                let client = unsafe { data.cast::<raw::RedisModuleClientInfo>().as_ref() };
                let Some(client) = client else { return };
                if kind == raw::REDISMODULE_SUBEVENT_CLIENT_CHANGE_CONNECTED {
                    (handlers.connected)(client.id, super::source_of(client));
                } else {
                    (handlers.disconnected)(client.id);
                }
            }
            raw::REDISMODULE_EVENT_CRON_LOOP => (handlers.tick)(),
            raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED => (handlers.role_changed)(),
            raw::REDISMODULE_EVENT_FLUSHDB => {
                // SAFETY: this event comes with this structure.
                let flushed = unsafe { data.cast::<raw::RedisModuleFlushInfo>().as_ref() };
                // Clients live in database 0; -1 is all of them.
                if flushed.is_none_or(|flushed| flushed.dbnum <= 0) {
                    (handlers.keys_replaced)();
                }
            }
            _ => (handlers.keys_replaced)(),
        }
    });
}
