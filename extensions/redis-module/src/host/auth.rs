//! `AUTH` answered by this module, on servers that let a module have a say in it (Redis 7.2, Valkey 8).

use std::{
    ffi::{CStr, c_int},
    sync::OnceLock,
};

use super::{Ctx, api, free_standing_string, guard, offered, raw, string_bytes};
use crate::rules::failure::Failure;

/// Takes a user name and a password in hand. False when they are none of this module's.
pub(crate) type Attempt = fn(Ctx<'_>, &[u8], &[u8]) -> Result<bool, Failure>;

static ATTEMPT: OnceLock<Attempt> = OnceLock::new();

pub(crate) const HANDLED: c_int = raw::REDISMODULE_AUTH_HANDLED as c_int;
const NOT_HANDLED: c_int = raw::REDISMODULE_AUTH_NOT_HANDLED as c_int;

/// Whether the server asks modules about AUTH.
pub(crate) fn is_offered() -> bool {
    offered!(RedisModule_RegisterAuthCallback) && offered!(RedisModule_BlockClientOnAuth)
}

/// Has the server ask, where it can.
pub(crate) fn register(ctx: Ctx<'_>, attempt: Attempt) {
    if is_offered() {
        let _ = ATTEMPT.set(attempt);
        // SAFETY: the context is live and the callback lasts.
        unsafe { api!(RedisModule_RegisterAuthCallback(ctx.as_ptr(), Some(asked))) };
    }
}

/// An error line as the server takes it from an answer to AUTH.
pub(crate) fn problem(line: &CStr) -> *mut raw::RedisModuleString {
    free_standing_string(&[b"-", line.to_bytes()].concat())
}

unsafe extern "C" fn asked(
    ctx: *mut raw::RedisModuleCtx,
    name: *mut raw::RedisModuleString,
    password: *mut raw::RedisModuleString,
    refusal: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the server calls with a live context and both strings.
    let answer = guard(Err(Failure::Internal), || unsafe {
        let attempt = ATTEMPT.get().ok_or(Failure::Internal)?;
        attempt(Ctx::new(ctx), string_bytes(name), string_bytes(password))
    });
    match answer {
        Ok(true) => HANDLED,
        Ok(false) => NOT_HANDLED,
        Err(failure) => {
            // SAFETY: the server takes the message over.
            unsafe { *refusal = problem(&failure.line()) };
            HANDLED
        }
    }
}
