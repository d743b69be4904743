//! Settings by the server's own CONFIG, `2fapi.*`.

use std::{
    ffi::{CStr, c_char, c_int, c_longlong, c_void},
    ptr,
    sync::Mutex,
    sync::PoisonError,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
};

use super::{Ctx, ERR, OK, api, free_standing_string, guard, raw, string_bytes};

/// Whether a setting can be changed while the server runs.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    AnyTime,
    AtStart,
}

impl Change {
    const fn flags(self) -> u32 {
        match self {
            Self::AnyTime => raw::REDISMODULE_CONFIG_DEFAULT,
            Self::AtStart => raw::REDISMODULE_CONFIG_IMMUTABLE,
        }
    }
}

/// A whole number.
pub(crate) struct Number {
    pub(crate) name: &'static CStr,
    pub(crate) default: i64,
    pub(crate) least: i64,
    pub(crate) most: i64,
    pub(crate) change: Change,
    pub(crate) value: AtomicI64,
}

impl Number {
    pub(crate) fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    pub(crate) fn register(&'static self, ctx: Ctx<'_>) -> bool {
        // SAFETY: the context is live; the private data is this static.
        unsafe {
            api!(RedisModule_RegisterNumericConfig(
                ctx.as_ptr(),
                self.name.as_ptr(),
                self.default,
                self.change.flags(),
                self.least,
                self.most,
                Some(get_number),
                Some(set_number),
                None,
                ptr::from_ref(self).cast_mut().cast(),
            )) == OK
        }
    }
}

unsafe extern "C" fn get_number(_: *const c_char, setting: *mut c_void) -> c_longlong {
    // SAFETY: the static that `register` passed.
    unsafe { &*setting.cast::<Number>() }.get()
}

unsafe extern "C" fn set_number(
    _: *const c_char,
    value: c_longlong,
    setting: *mut c_void,
    _: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the static that `register` passed.
    let setting = unsafe { &*setting.cast::<Number>() };
    setting.value.store(value, Ordering::Relaxed);
    OK
}

/// Yes or no.
pub(crate) struct Switch {
    pub(crate) name: &'static CStr,
    pub(crate) change: Change,
    pub(crate) value: AtomicBool,
}

impl Switch {
    pub(crate) fn is_on(&self) -> bool {
        self.value.load(Ordering::Relaxed)
    }

    /// Registers it; it is off unless the operator says otherwise.
    pub(crate) fn register(&'static self, ctx: Ctx<'_>) -> bool {
        // SAFETY: the context is live; the private data is this static.
        unsafe {
            api!(RedisModule_RegisterBoolConfig(
                ctx.as_ptr(),
                self.name.as_ptr(),
                0,
                self.change.flags(),
                Some(get_switch),
                Some(set_switch),
                None,
                ptr::from_ref(self).cast_mut().cast(),
            )) == OK
        }
    }
}

unsafe extern "C" fn get_switch(_: *const c_char, setting: *mut c_void) -> c_int {
    // SAFETY: the static that `register` passed.
    unsafe { &*setting.cast::<Switch>() }.is_on().into()
}

unsafe extern "C" fn set_switch(
    _: *const c_char,
    value: c_int,
    setting: *mut c_void,
    _: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the static that `register` passed.
    let setting = unsafe { &*setting.cast::<Switch>() };
    setting.value.store(value != 0, Ordering::Relaxed);
    OK
}

/// A text that is checked before it is taken.
pub(crate) struct Text {
    pub(crate) name: &'static CStr,
    pub(crate) default: &'static CStr,
    /// Takes the text, or says what would be right.
    pub(crate) take: fn(&[u8]) -> Result<(), String>,
    pub(crate) current: Mutex<Shown>,
}

/// The text as the server last saw it, in a string of its own.
pub(crate) struct Shown(pub(crate) *mut raw::RedisModuleString);

// SAFETY: the string is only handed to the server, on its main thread, under the lock.
unsafe impl Send for Shown {}

impl Text {
    /// Registers it; it is the default unless the operator says otherwise.
    pub(crate) fn register(&'static self, ctx: Ctx<'_>) -> bool {
        // SAFETY: the context is live; the private data is this static.
        unsafe {
            api!(RedisModule_RegisterStringConfig(
                ctx.as_ptr(),
                self.name.as_ptr(),
                self.default.as_ptr(),
                Change::AnyTime.flags(),
                Some(get_text),
                Some(set_text),
                None,
                ptr::from_ref(self).cast_mut().cast(),
            )) == OK
        }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

unsafe extern "C" fn get_text(
    _: *const c_char,
    setting: *mut c_void,
) -> *mut raw::RedisModuleString {
    guard(ptr::null_mut(), || {
        // SAFETY: the static that `register` passed.
        let mut shown = unsafe { &*setting.cast::<Text>() }.shown();
        if shown.0.is_null() {
            shown.0 = free_standing_string(b"");
        }
        shown.0
    })
}

unsafe extern "C" fn set_text(
    _: *const c_char,
    value: *mut raw::RedisModuleString,
    setting: *mut c_void,
    problem: *mut *mut raw::RedisModuleString,
) -> c_int {
    guard(ERR, || {
        // SAFETY: the static that `register` passed, and the server's value.
        let (setting, bytes) = unsafe { (&*setting.cast::<Text>(), string_bytes(value)) };
        if let Err(message) = (setting.take)(bytes) {
            // SAFETY: the server takes the message over.
            unsafe { *problem = free_standing_string(message.as_bytes()) };
            return ERR;
        }
        let mut shown = setting.shown();
        let old = std::mem::replace(&mut shown.0, free_standing_string(bytes));
        if !old.is_null() {
            // SAFETY: made by us without a context, and no longer shown.
            unsafe { api!(RedisModule_FreeString(ptr::null_mut(), old)) };
        }
        OK
    })
}

/// Reads what the configuration file says, after all settings are registered.
pub(crate) fn load(ctx: Ctx<'_>) -> bool {
    // SAFETY: the context is live.
    unsafe { api!(RedisModule_LoadConfigs(ctx.as_ptr())) == OK }
}
