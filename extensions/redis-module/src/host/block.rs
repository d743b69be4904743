//! Clients that wait for a worker thread: blocked on the main thread, answered there again.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use super::{Ctx, ERR, OK, api, auth, guard, raw};
use crate::rules::{failure::Failure, reply::Answer};

/// What a worker hands back to the main thread.
pub(crate) trait Settle: Send + 'static {
    /// The client is still there: draws the consequences, or says what the client is told.
    fn settle(&mut self, ctx: Ctx<'_>) -> Result<Answer, Failure>;
    /// The client went away while it waited: by its [`ticket`](Blocked::ticket).
    fn abandoned(ticket: u64);
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
        Self::waiting(client)
    }

    /// Blocks a caller of AUTH, where the server has asked this module about it (see `auth`).
    pub(crate) fn on_auth(ctx: Ctx<'_>) -> Self {
        // SAFETY: as in `new`.
        let client = unsafe {
            api!(RedisModule_BlockClientOnAuth(
                ctx.as_ptr(),
                Some(reply_to_auth::<T>),
                Some(free::<T>),
            ))
        };
        Self::waiting(client)
    }

    fn waiting(client: *mut raw::RedisModuleBlockedClient) -> Self {
        // SAFETY: the client was blocked just now, and the callback lasts.
        unsafe { api!(RedisModule_SetDisconnectCallback(client, Some(gone::<T>))) };
        Self {
            client,
            answer: None,
        }
    }

    /// Names the client as long as it waits.
    pub(crate) fn ticket(&self) -> u64 {
        self.client.addr() as u64
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

/// # Safety
/// The context is that of a blocked client whose answer is a T, or none.
unsafe fn settled<T: Settle>(ctx: Ctx<'_>) -> Result<Answer, Failure> {
    // SAFETY: what `drop` handed over, which is freed only after this call, or nothing.
    let answer = unsafe {
        api!(RedisModule_GetBlockedClientPrivateData(ctx.as_ptr()))
            .cast::<T>()
            .as_mut()
    };
    answer.map_or(Err(Failure::GIVEN_UP), |answer| answer.settle(ctx))
}

unsafe extern "C" fn reply<T: Settle>(
    ctx: *mut raw::RedisModuleCtx,
    _: *mut *mut raw::RedisModuleString,
    _: c_int,
) -> c_int {
    guard(ERR, || {
        // SAFETY: the server calls with a live context, of a client that `new` blocked.
        let (ctx, settled) = unsafe { (Ctx::new(ctx), settled::<T>(Ctx::new(ctx))) };
        match settled {
            Ok(answer) => ctx.reply(answer),
            Err(failure) => ctx.reply_error(&failure.line()),
        }
        OK
    })
}

unsafe extern "C" fn reply_to_auth<T: Settle>(
    ctx: *mut raw::RedisModuleCtx,
    _: *mut raw::RedisModuleString,
    _: *mut raw::RedisModuleString,
    problem: *mut *mut raw::RedisModuleString,
) -> c_int {
    let settled = guard(Err(Failure::Internal), || {
        // SAFETY: the server calls with a live context, of a client that `on_auth` blocked.
        unsafe { settled::<T>(Ctx::new(ctx)) }
    });
    if let Err(failure) = settled {
        // SAFETY: the server takes the message over.
        unsafe { *problem = auth::problem(&failure.line()) };
    }
    auth::HANDLED
}

unsafe extern "C" fn gone<T: Settle>(
    _: *mut raw::RedisModuleCtx,
    client: *mut raw::RedisModuleBlockedClient,
) {
    guard((), || T::abandoned(client.addr() as u64));
}

unsafe extern "C" fn free<T: Settle>(_: *mut raw::RedisModuleCtx, answer: *mut c_void) {
    if !answer.is_null() {
        // SAFETY: `drop` made it from a box, and the server frees it once.
        guard((), || drop(unsafe { Box::from_raw(answer.cast::<T>()) }));
    }
}
