//! Clients that wait for a worker thread: blocked on the main thread, answered there again.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use super::{Ctx, ERR, OK, api, guard, raw};

/// What a worker hands back to the main thread.
pub(crate) trait Settle: Send + 'static {
    /// The client is still there: answer it.
    fn settle(&mut self, ctx: Ctx<'_>);
}

/// A client that waits. It is answered when this is dropped.
pub(crate) struct Blocked<T: Settle> {
    client: *mut raw::RedisModuleBlockedClient,
    answer: Option<Box<T>>,
}

// SAFETY: the server lets any thread unblock a client, and hands the answer to the main thread.
unsafe impl<T: Settle> Send for Blocked<T> {}

impl<T: Settle> Blocked<T> {
    /// Blocks the caller, without a limit of time: a worker answers, or says that it could not.
    pub(crate) fn new(ctx: Ctx<'_>) -> Self {
        // SAFETY: the context is live, and both callbacks are for what `drop` hands over.
        let client = unsafe {
            api!(RedisModule_BlockClient(
                ctx.as_ptr(),
                Some(reply::<T>),
                None,
                Some(free::<T>),
                0,
            ))
        };
        Self {
            client,
            answer: None,
        }
    }

    pub(crate) fn answer(mut self, answer: Box<T>) {
        self.answer = Some(answer);
    }
}

impl<T: Settle> Drop for Blocked<T> {
    fn drop(&mut self) {
        let answer = self.answer.take().map_or(ptr::null_mut(), Box::into_raw);
        // SAFETY: the client was blocked by `new` and is unblocked once, here; from now on the
        // answer is the server's, which passes it to `reply` and then to `free`.
        unsafe { api!(RedisModule_UnblockClient(self.client, answer.cast())) };
    }
}

unsafe extern "C" fn reply<T: Settle>(
    ctx: *mut raw::RedisModuleCtx,
    _: *mut *mut raw::RedisModuleString,
    _: c_int,
) -> c_int {
    guard(ERR, || {
        // SAFETY: the server calls with a live context.
        let ctx = unsafe { Ctx::new(ctx) };
        // SAFETY: what `drop` handed over, which is freed only after this call, or nothing.
        let answer = unsafe {
            api!(RedisModule_GetBlockedClientPrivateData(ctx.as_ptr()))
                .cast::<T>()
                .as_mut()
        };
        match answer {
            Some(answer) => answer.settle(ctx),
            None => ctx.reply_error(c"ERR the verification was given up; try again"),
        }
        OK
    })
}

unsafe extern "C" fn free<T: Settle>(_: *mut raw::RedisModuleCtx, answer: *mut c_void) {
    if !answer.is_null() {
        // SAFETY: `drop` made it from a box, and the server frees it once.
        guard((), || drop(unsafe { Box::from_raw(answer.cast::<T>()) }));
    }
}
