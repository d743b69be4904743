//! Something to be done later, on the main thread.

use std::ffi::c_void;

use super::{api, guard, raw, server::server};

/// Calls a function after so many milliseconds.
pub(crate) fn after_millis(millis: u64, run: fn()) {
    let wait = i64::try_from(millis).unwrap_or(i64::MAX);
    // SAFETY: the context lasts; what the callback is handed is a function, and nobody's memory.
    unsafe {
        api!(RedisModule_CreateTimer(
            server(),
            wait,
            Some(happened),
            run as *mut c_void,
        ));
    }
}

unsafe extern "C" fn happened(_: *mut raw::RedisModuleCtx, run: *mut c_void) {
    // SAFETY: `after_millis` made it from such a function.
    let run = unsafe { std::mem::transmute::<*mut c_void, fn()>(run) };
    guard((), run);
}
