//! Keys that hold values of this module's own type.

use std::ffi::{CStr, c_void};

use super::{Ctx, OK, api, datatype::DataType, raw};

/// What a key holds.
pub(crate) enum Held<'k, T> {
    Nothing,
    Ours(&'k mut T),
    /// A value of another type.
    Foreign,
}

/// A key that is open. It is closed when this is dropped.
pub(crate) struct Key<'a> {
    ctx: Ctx<'a>,
    name: *mut raw::RedisModuleString,
    key: *mut raw::RedisModuleKey,
}

impl<'a> Key<'a> {
    pub(crate) fn read(ctx: Ctx<'a>, name: &[u8]) -> Self {
        Self::open(ctx, name, raw::REDISMODULE_READ)
    }

    pub(crate) fn write(ctx: Ctx<'a>, name: &[u8]) -> Self {
        Self::open(ctx, name, raw::REDISMODULE_READ | raw::REDISMODULE_WRITE)
    }

    fn open(ctx: Ctx<'a>, name: &[u8], mode: u32) -> Self {
        // SAFETY: the context is live; the name is freed in `drop`, after the key is closed.
        unsafe {
            let name = api!(RedisModule_CreateString(
                ctx.as_ptr(),
                name.as_ptr().cast(),
                name.len(),
            ));
            let key = api!(RedisModule_OpenKey(ctx.as_ptr(), name, mode as i32));
            Self { ctx, name, key }
        }
    }

    pub(crate) fn held<T>(&mut self, data_type: &DataType<T>) -> Held<'_, T> {
        if self.key.is_null() {
            return Held::Nothing;
        }
        // SAFETY: the key is open. A value of our type was made from a box of T, and nobody but this
        // key's opener holds it while the main thread is here.
        unsafe {
            if api!(RedisModule_KeyType(self.key)) == raw::REDISMODULE_KEYTYPE_EMPTY as i32 {
                return Held::Nothing;
            }
            if api!(RedisModule_ModuleTypeGetType(self.key)) != data_type.as_ptr() {
                return Held::Foreign;
            }
            match api!(RedisModule_ModuleTypeGetValue(self.key))
                .cast::<T>()
                .as_mut()
            {
                Some(value) => Held::Ours(value),
                None => Held::Nothing,
            }
        }
    }

    /// Puts a value where nothing is.
    pub(crate) fn set<T>(&mut self, data_type: &DataType<T>, value: T) -> bool {
        let value: *mut T = Box::into_raw(Box::new(value));
        // SAFETY: the key is open for writing; the value becomes the server's, which frees it by the
        // type's own function, unless the call fails.
        unsafe {
            let done = api!(RedisModule_ModuleTypeSetValue(
                self.key,
                data_type.as_ptr(),
                value.cast::<c_void>(),
            )) == OK;
            if !done {
                drop(Box::from_raw(value));
            }
            done
        }
    }

    /// Tells those who WATCH the key, and those who listen to the keyspace.
    pub(crate) fn changed(&self, event: &CStr) {
        // SAFETY: context and name are live.
        unsafe { api!(RedisModule_SignalModifiedKey(self.ctx.as_ptr(), self.name)) };
        self.tell(event);
    }

    /// Tells those who listen to the keyspace.
    pub(crate) fn tell(&self, event: &CStr) {
        // SAFETY: context and name are live.
        unsafe {
            api!(RedisModule_NotifyKeyspaceEvent(
                self.ctx.as_ptr(),
                raw::REDISMODULE_NOTIFY_MODULE,
                event.as_ptr(),
                self.name,
            ));
        }
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed once; a null key may be closed.
        unsafe {
            if !self.key.is_null() {
                api!(RedisModule_CloseKey(self.key));
            }
            api!(RedisModule_FreeString(self.ctx.as_ptr(), self.name));
        }
    }
}
