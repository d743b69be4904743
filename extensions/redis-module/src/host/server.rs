//! The server's own context, for what happens when no client's is at hand.

use std::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use super::{Ctx, api, raw};

/// Only the main thread uses it.
static SERVER: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(ptr::null_mut());

/// Makes it; false if Redis gives none.
pub(crate) fn prepare(ctx: Ctx<'_>) -> bool {
    // SAFETY: the context is live; the new one is made once and lasts as long as the server.
    let server = unsafe { api!(RedisModule_GetDetachedThreadSafeContext(ctx.as_ptr())) };
    SERVER.store(server, Ordering::Relaxed);
    !server.is_null()
}

/// The context for when none is at hand.
pub(crate) fn server() -> *mut raw::RedisModuleCtx {
    SERVER.load(Ordering::Relaxed)
}
