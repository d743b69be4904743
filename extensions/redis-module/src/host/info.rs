//! The module's section of `INFO`.

use std::{
    ffi::{CString, c_int},
    sync::OnceLock,
};

use super::{Ctx, api, guard, raw};

/// A figure or a word of the report.
pub(crate) enum Field {
    Number(i64),
    Text(&'static str),
}

/// The fields of the section, with their names.
pub(crate) type Report = fn() -> Vec<(&'static str, Field)>;

static REPORT: OnceLock<Report> = OnceLock::new();

/// Registers what fills the section.
pub(crate) fn register(ctx: Ctx<'_>, report: Report) {
    let _ = REPORT.set(report);
    // SAFETY: the context is live and the callback lasts.
    unsafe { api!(RedisModule_RegisterInfoFunc(ctx.as_ptr(), Some(fill))) };
}

unsafe extern "C" fn fill(info: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    // A crash may have happened anywhere, with a lock held.
    if for_crash_report != 0 {
        return;
    }
    guard((), || {
        // SAFETY: the server passes a live report; names and values are copied.
        unsafe {
            api!(RedisModule_InfoAddSection(info, c"".as_ptr()));
            for (name, field) in REPORT.get().map(|report| report()).unwrap_or_default() {
                let name = CString::new(name).unwrap_or_default();
                match field {
                    Field::Number(number) => {
                        api!(RedisModule_InfoAddFieldLongLong(
                            info,
                            name.as_ptr(),
                            number
                        ));
                    }
                    Field::Text(text) => {
                        let text = CString::new(text).unwrap_or_default();
                        api!(RedisModule_InfoAddFieldCString(
                            info,
                            name.as_ptr(),
                            text.as_ptr(),
                        ));
                    }
                }
            }
        }
    });
}
