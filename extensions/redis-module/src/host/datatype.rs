//! A data type of this module: how its values are saved, loaded, copied and freed.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    marker::PhantomData,
    ptr, slice,
    sync::atomic::{AtomicPtr, Ordering},
};

use super::{Ctx, api, guard, raw, string_bytes};

/// A value that a key can hold, saved as one string.
pub(crate) trait Value: Clone + Send + Sized + 'static {
    /// The layout that is written.
    const ENCODING_VERSION: u8;
    /// The command that makes the key again from the append-only file: `COMMAND key bytes`.
    const RESTORE_COMMAND: &'static CStr;

    fn encode(&self) -> &[u8];
    fn decode(bytes: &[u8], encoding_version: u8) -> Result<Self, &'static str>;
    fn heap_bytes(&self) -> usize;
    /// The key that held the value is no more.
    fn unlinked(&self, key: &[u8]);
}

/// The server's handle of the type, known once it is registered.
pub(crate) struct DataType<T> {
    handle: AtomicPtr<raw::RedisModuleType>,
    values: PhantomData<fn() -> T>,
}

impl<T> DataType<T> {
    pub(crate) const fn unregistered() -> Self {
        Self {
            handle: AtomicPtr::new(ptr::null_mut()),
            values: PhantomData,
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut raw::RedisModuleType {
        self.handle.load(Ordering::Relaxed)
    }
}

impl<T: Value> DataType<T> {
    /// Registers the type under its nine characters.
    pub(crate) fn register(&self, ctx: Ctx<'_>, name: &CStr) -> bool {
        let mut methods = raw::RedisModuleTypeMethods {
            version: raw::REDISMODULE_TYPE_METHOD_VERSION.into(),
            rdb_load: Some(rdb_load::<T>),
            rdb_save: Some(rdb_save::<T>),
            aof_rewrite: Some(aof_rewrite::<T>),
            mem_usage: Some(mem_usage::<T>),
            digest: Some(digest::<T>),
            free: Some(free::<T>),
            aux_load: None,
            aux_save: None,
            aux_save_triggers: 0,
            free_effort: None,
            unlink: Some(unlink::<T>),
            copy: Some(copy::<T>),
            defrag: None,
            mem_usage2: None,
            free_effort2: None,
            unlink2: None,
            copy2: None,
            aux_save2: None,
        };
        // SAFETY: the context is live; name and methods are copied.
        let handle = unsafe {
            api!(RedisModule_CreateDataType(
                ctx.as_ptr(),
                name.as_ptr(),
                T::ENCODING_VERSION.into(),
                &mut methods,
            ))
        };
        self.handle.store(handle, Ordering::Relaxed);
        !handle.is_null()
    }
}

/// # Safety
/// The pointer is a value of the type, as `Key::set` or `rdb_load` made it.
unsafe fn value<'a, T>(pointer: *const c_void) -> &'a T {
    // SAFETY: by the caller's promise.
    unsafe { &*pointer.cast::<T>() }
}

unsafe extern "C" fn rdb_load<T: Value>(
    io: *mut raw::RedisModuleIO,
    version: c_int,
) -> *mut c_void {
    guard(ptr::null_mut(), || {
        let mut len = 0;
        // SAFETY: the server calls with a live stream; the buffer is ours to free.
        let decoded = unsafe {
            let buffer = api!(RedisModule_LoadStringBuffer(io, &mut len));
            if buffer.is_null() || api!(RedisModule_IsIOError(io)) != 0 {
                if !buffer.is_null() {
                    api!(RedisModule_Free(buffer.cast()));
                }
                return ptr::null_mut();
            }
            let bytes = slice::from_raw_parts(buffer.cast::<u8>(), len);
            let decoded = u8::try_from(version)
                .map_err(|_| "written by a newer version of this module")
                .and_then(|version| T::decode(bytes, version));
            api!(RedisModule_Free(buffer.cast()));
            decoded
        };
        match decoded {
            Ok(value) => Box::into_raw(Box::new(value)).cast(),
            Err(problem) => {
                let problem = super::super::rules::reply::one_line(problem);
                // SAFETY: the format takes one string, and one follows.
                unsafe {
                    api!(RedisModule_LogIOError(
                        io,
                        c"warning".as_ptr(),
                        c"2fapi: a client's record is refused: %s".as_ptr(),
                        problem.as_ptr(),
                    ));
                }
                ptr::null_mut()
            }
        }
    })
}

unsafe extern "C" fn rdb_save<T: Value>(io: *mut raw::RedisModuleIO, pointer: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type and a live stream.
        unsafe {
            let bytes = value::<T>(pointer).encode();
            api!(RedisModule_SaveStringBuffer(
                io,
                bytes.as_ptr().cast(),
                bytes.len(),
            ));
        }
    });
}

unsafe extern "C" fn aof_rewrite<T: Value>(
    io: *mut raw::RedisModuleIO,
    key: *mut raw::RedisModuleString,
    pointer: *mut c_void,
) {
    guard((), || {
        // SAFETY: the server passes a value of this type, its key and a live stream; the format
        // names two buffers, and two buffers with their lengths follow.
        unsafe {
            let (key, bytes) = (string_bytes(key), value::<T>(pointer).encode());
            api!(RedisModule_EmitAOF(
                io,
                T::RESTORE_COMMAND.as_ptr(),
                c"bb".as_ptr(),
                key.as_ptr().cast::<c_char>(),
                key.len(),
                bytes.as_ptr().cast::<c_char>(),
                bytes.len(),
            ));
        }
    });
}

unsafe extern "C" fn mem_usage<T: Value>(pointer: *const c_void) -> usize {
    guard(0, || {
        // SAFETY: the server passes a value of this type.
        size_of::<T>() + unsafe { value::<T>(pointer) }.heap_bytes()
    })
}

unsafe extern "C" fn digest<T: Value>(digest: *mut raw::RedisModuleDigest, pointer: *mut c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type and a live digest.
        unsafe {
            let bytes = value::<T>(pointer).encode();
            api!(RedisModule_DigestAddStringBuffer(
                digest,
                bytes.as_ptr().cast(),
                bytes.len(),
            ));
            api!(RedisModule_DigestEndSequence(digest));
        }
    });
}

unsafe extern "C" fn free<T: Value>(pointer: *mut c_void) {
    // SAFETY: the server frees a value once; it was made from a box.
    guard((), || drop(unsafe { Box::from_raw(pointer.cast::<T>()) }));
}

unsafe extern "C" fn unlink<T: Value>(key: *mut raw::RedisModuleString, pointer: *const c_void) {
    guard((), || {
        // SAFETY: the server passes a value of this type and the name of its key.
        unsafe { value::<T>(pointer).unlinked(string_bytes(key)) };
    });
}

unsafe extern "C" fn copy<T: Value>(
    _: *mut raw::RedisModuleString,
    _: *mut raw::RedisModuleString,
    pointer: *const c_void,
) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: the server passes a value of this type; the copy is its to free.
        Box::into_raw(Box::new(unsafe { value::<T>(pointer) }.clone())).cast()
    })
}

/// Read errors come back as errors, so that a damaged file or payload is refused and is no crash.
pub(crate) fn handle_read_errors(ctx: Ctx<'_>) {
    // SAFETY: the context is live.
    unsafe {
        api!(RedisModule_SetModuleOptions(
            ctx.as_ptr(),
            raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS as c_int,
        ));
    }
}
