//! The module API of Redis as safe calls. What is unsafe about it is in this folder.

pub(crate) mod acl;
pub(crate) mod allocator;
pub(crate) mod auth;
pub(crate) mod block;
pub(crate) mod call;
pub(crate) mod clients;
pub(crate) mod commands;
pub(crate) mod configs;
pub(crate) mod datatype;
pub(crate) mod ending;
pub(crate) mod events;
pub(crate) mod info;
pub(crate) mod key;
pub(crate) mod server;
pub(crate) mod timer;
pub(crate) mod writes;

use std::{
    ffi::{CStr, CString, c_char, c_int},
    marker::PhantomData,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

pub(crate) use redis_module::raw;

use crate::rules::{fair::Source, reply::Answer};

/// Calls a function of the module API, which is looked up by name when the module is loaded.
macro_rules! api {
    ($name:ident ( $($argument:expr),* $(,)? )) => {
        match $crate::host::raw::$name {
            Some(function) => function($($argument),*),
            None => $crate::host::absent(stringify!($name)),
        }
    };
}
pub(crate) use api;

/// Whether the server offers a function of the module API.
macro_rules! offered {
    ($name:ident) => {{
        // SAFETY: the pointers are written once, while the module is loaded, before this is called.
        let function = unsafe { $crate::host::raw::$name };
        function.is_some()
    }};
}
pub(crate) use offered;

/// Loading the module checks for everything that is not looked up with `offered!`.
pub(crate) fn absent(name: &str) -> ! {
    panic!("this server does not offer {name}")
}

/// Runs what Redis calls. A panic ends here: it must not cross into C.
pub(crate) fn guard<T>(otherwise: T, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(otherwise)
}

/// What the server lends to a call into the module.
#[derive(Clone, Copy)]
pub(crate) struct Ctx<'a> {
    raw: *mut raw::RedisModuleCtx,
    lent: PhantomData<&'a ()>,
}

/// The server's state while a command runs.
#[derive(Clone, Copy)]
pub(crate) struct Flags(u32);

impl Flags {
    /// In a transaction, in a script, or wherever else the caller cannot wait.
    pub(crate) const fn may_not_block(self) -> bool {
        const NEVER: u32 = raw::REDISMODULE_CTX_FLAGS_MULTI
            | raw::REDISMODULE_CTX_FLAGS_LUA
            | raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING;
        self.0 & NEVER != 0
    }

    /// The command comes from the primary or from the append-only file.
    pub(crate) const fn is_replay(self) -> bool {
        self.0 & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING) != 0
    }

    pub(crate) const fn is_loading(self) -> bool {
        self.0 & raw::REDISMODULE_CTX_FLAGS_LOADING != 0
    }

    /// A transaction or a script is under way: one command follows another without this module's
    /// being asked.
    pub(crate) const fn is_sequence(self) -> bool {
        self.0 & (raw::REDISMODULE_CTX_FLAGS_MULTI | raw::REDISMODULE_CTX_FLAGS_LUA) != 0
    }

    pub(crate) const fn is_script(self) -> bool {
        self.0 & raw::REDISMODULE_CTX_FLAGS_LUA != 0
    }

    /// This node is a replica that takes no writes.
    pub(crate) const fn is_read_only(self) -> bool {
        self.0 & raw::REDISMODULE_CTX_FLAGS_READONLY != 0
    }

    pub(crate) const fn is_cluster(self) -> bool {
        self.0 & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0
    }
}

/// How loudly the server log is told.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Notice,
    Warning,
}

impl<'a> Ctx<'a> {
    /// # Safety
    /// The pointer is one that the server passed to the call that lasts as long as `'a`.
    pub(crate) const unsafe fn new(raw: *mut raw::RedisModuleCtx) -> Self {
        Self {
            raw,
            lent: PhantomData,
        }
    }

    pub(crate) const fn as_ptr(self) -> *mut raw::RedisModuleCtx {
        self.raw
    }

    pub(crate) fn flags(self) -> Flags {
        flags_of(self.raw)
    }

    /// The calling connection; for scripts and other modules an id that is nobody's.
    pub(crate) fn connection(self) -> u64 {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_GetClientId(self.raw)) }
    }

    /// The ACL user who gives the command, also by a script; none for the server itself and for other
    /// modules, which no ACL binds.
    pub(crate) fn caller(self) -> Option<Vec<u8>> {
        if !self.flags().is_script() {
            return self.user_of(self.connection());
        }
        // SAFETY: the context is live, and a script runs as its caller's user; the string is the
        // caller's to free, and copied before.
        unsafe {
            let name = api!(RedisModule_GetCurrentUserName(self.raw));
            if name.is_null() {
                return None;
            }
            let bytes = string_bytes(name).to_vec();
            api!(RedisModule_FreeString(self.raw, name));
            Some(bytes)
        }
    }

    /// The ACL user that a connection acts as, if it is there and has one: what comes from the
    /// append-only file, the primary or another module has none.
    pub(crate) fn user_of(self, connection: u64) -> Option<Vec<u8>> {
        // SAFETY: the context is live. Without a user the answer is a null pointer; the string is the
        // caller's to free, and copied before.
        unsafe {
            let name = api!(RedisModule_GetClientUserNameById(self.raw, connection));
            if name.is_null() {
                return None;
            }
            let bytes = string_bytes(name).to_vec();
            api!(RedisModule_FreeString(self.raw, name));
            Some(bytes)
        }
    }

    /// Where the calling connection comes from.
    pub(crate) fn source(self) -> Source {
        client_info(self.connection()).map_or(Source::of(""), |info| source_of(&info))
    }

    /// The address that the calling connection comes from; none where it is a Unix socket, or gone.
    pub(crate) fn address(self) -> Option<IpAddr> {
        address_of(self.connection())
    }

    /// A client that waited for a worker is answered now; no command is being executed.
    pub(crate) fn is_answer(self) -> bool {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_IsBlockedReplyRequest(self.raw)) != 0 }
    }

    /// Makes the connection act as an ACL user, if that user exists and is on. `ended` is told of the
    /// connection when it stops to, by AUTH, RESET, its end, or this call again.
    pub(crate) fn act_as(self, user: &[u8], ended: raw::RedisModuleUserChangedFunc) -> bool {
        // SAFETY: the context is live, the name is copied, no private data is handed over.
        unsafe {
            api!(RedisModule_AuthenticateClientWithACLUser(
                self.raw,
                user.as_ptr().cast(),
                user.len(),
                ended,
                ptr::null_mut(),
                ptr::null_mut(),
            )) == OK
        }
    }

    pub(crate) fn log(self, level: Level, message: &str) {
        log_with(self.raw, level, message);
    }

    pub(crate) fn reply_status(self, text: &CStr) {
        // SAFETY: the context is live and the text is copied.
        unsafe { api!(RedisModule_ReplyWithSimpleString(self.raw, text.as_ptr())) };
    }

    pub(crate) fn reply_error(self, line: &CStr) {
        // SAFETY: the context is live and the text is copied.
        unsafe { api!(RedisModule_ReplyWithError(self.raw, line.as_ptr())) };
    }

    pub(crate) fn reply_bytes(self, bytes: &[u8]) {
        // SAFETY: the context is live and the bytes are copied.
        unsafe {
            api!(RedisModule_ReplyWithStringBuffer(
                self.raw,
                bytes.as_ptr().cast(),
                bytes.len(),
            ));
        }
    }

    pub(crate) fn reply(self, answer: Answer) {
        match answer {
            Answer::Ok => self.reply_status(c"OK"),
            Answer::Number(number) => self.reply_number(number),
        }
    }

    pub(crate) fn reply_number(self, value: u64) {
        self.reply_integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(crate) fn reply_integer(self, value: i64) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithLongLong(self.raw, value)) };
    }

    pub(crate) fn reply_null(self) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithNull(self.raw)) };
    }

    /// So many elements follow.
    pub(crate) fn reply_array(self, len: usize) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithArray(self.raw, len as _)) };
    }

    /// So many pairs of name and value follow; an array of twice as many in RESP2.
    pub(crate) fn reply_map(self, len: usize) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithMap(self.raw, len as _)) };
    }

    /// Hands a command with its effects to replicas and the append-only file.
    pub(crate) fn replicate(self, command: &CStr, first: &[u8], second: &[u8]) {
        let format = c"bb";
        // SAFETY: the format names two buffers, and two buffers with their lengths follow.
        unsafe {
            api!(RedisModule_Replicate(
                self.raw,
                command.as_ptr(),
                format.as_ptr(),
                first.as_ptr().cast::<c_char>(),
                first.len(),
                second.as_ptr().cast::<c_char>(),
                second.len(),
            ));
        }
    }

    /// Runs something on database 0, whichever one the connection has selected.
    pub(crate) fn in_database_zero<T>(self, run: impl FnOnce() -> T) -> T {
        // SAFETY: the context is live.
        let selected = unsafe { api!(RedisModule_GetSelectedDb(self.raw)) };
        if selected == 0 {
            return run();
        }
        let _back = BackTo {
            ctx: self,
            selected,
        };
        // SAFETY: the context is live, and there is a database 0.
        unsafe { api!(RedisModule_SelectDb(self.raw, 0)) };
        run()
    }
}

/// Selects a database again when it is dropped, after a panic as well.
struct BackTo<'a> {
    ctx: Ctx<'a>,
    selected: c_int,
}

impl Drop for BackTo<'_> {
    fn drop(&mut self) {
        // SAFETY: the context is live; a database that was selected before exists.
        unsafe { api!(RedisModule_SelectDb(self.ctx.raw, self.selected)) };
    }
}

/// What the server is at, whoever is behind it.
pub(crate) fn flags() -> Flags {
    flags_of(ptr::null_mut())
}

fn flags_of(ctx: *mut raw::RedisModuleCtx) -> Flags {
    // SAFETY: the context is live, or absent, which the server allows.
    Flags(unsafe { api!(RedisModule_GetContextFlags(ctx)) } as u32)
}

/// What the server says of a connection; none when there is no such one.
pub(crate) fn client_info(connection: u64) -> Option<raw::RedisModuleClientInfo> {
    // SAFETY: zeros are a value of this structure of C, whose version tells the server its layout.
    let mut info = unsafe { std::mem::zeroed::<raw::RedisModuleClientInfo>() };
    info.version = raw::REDISMODULE_CLIENTINFO_VERSION.into();
    // SAFETY: the structure lives for the length of the call.
    let found = unsafe {
        api!(RedisModule_GetClientInfoById(
            ptr::from_mut(&mut info).cast(),
            connection,
        ))
    };
    (found == OK).then_some(info)
}

/// The address that a connection comes from; none where it is a Unix socket, or gone.
pub(crate) fn address_of(connection: u64) -> Option<IpAddr> {
    let info = client_info(connection)?;
    let address = text_of_address(&info).parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}

/// Where a connection comes from.
pub(crate) fn source_of(info: &raw::RedisModuleClientInfo) -> Source {
    Source::of(&text_of_address(info))
}

fn text_of_address(info: &raw::RedisModuleClientInfo) -> String {
    let address = info.addr.map(|c| c as u8);
    let address = CStr::from_bytes_until_nul(&address).unwrap_or(c"");
    address.to_string_lossy().into_owned()
}

/// Writes to the server log where no context is at hand.
pub(crate) fn log(level: Level, message: &str) {
    log_with(ptr::null_mut(), level, message);
}

fn log_with(ctx: *mut raw::RedisModuleCtx, level: Level, message: &str) {
    let level = match level {
        Level::Notice => c"notice",
        Level::Warning => c"warning",
    };
    let message = CString::new(message).unwrap_or_default();
    // SAFETY: the format takes one string, and one follows; a context may be absent.
    unsafe {
        api!(RedisModule_Log(
            ctx,
            level.as_ptr(),
            c"%s".as_ptr(),
            message.as_ptr(),
        ));
    }
}

/// The arguments of a command, its name first.
pub(crate) struct Arguments<'a> {
    strings: &'a [*mut raw::RedisModuleString],
}

impl<'a> Arguments<'a> {
    /// # Safety
    /// The server passed both to the call that lasts as long as `'a`.
    pub(crate) unsafe fn new(argv: *mut *mut raw::RedisModuleString, argc: c_int) -> Self {
        let count = usize::try_from(argc).unwrap_or(0);
        if argv.is_null() || count == 0 {
            return Self { strings: &[] };
        }
        Self {
            // SAFETY: argv holds argc strings.
            strings: unsafe { slice::from_raw_parts(argv, count) },
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.strings.len()
    }

    /// An argument by its place; empty when there is none, which the arity rules out.
    pub(crate) fn get(&self, place: usize) -> &'a [u8] {
        // SAFETY: the server keeps the arguments for as long as the call lasts.
        self.strings
            .get(place)
            .map_or(&[], |string| unsafe { string_bytes(*string) })
    }

    pub(crate) fn from(&self, place: usize) -> Vec<&'a [u8]> {
        (place..self.strings.len()).map(|at| self.get(at)).collect()
    }
}

pub(crate) const OK: c_int = raw::REDISMODULE_OK as c_int;
pub(crate) const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// # Safety
/// The string is live for as long as the answer is used.
pub(crate) unsafe fn string_bytes<'a>(string: *const raw::RedisModuleString) -> &'a [u8] {
    if string.is_null() {
        return &[];
    }
    let mut len = 0;
    // SAFETY: the string is live; pointer and length describe its bytes.
    unsafe {
        let bytes = api!(RedisModule_StringPtrLen(string, &mut len));
        slice::from_raw_parts(bytes.cast(), len)
    }
}

/// A string that belongs to nobody's context.
pub(crate) fn free_standing_string(bytes: &[u8]) -> *mut raw::RedisModuleString {
    // SAFETY: the bytes are copied; without a context the string is the caller's to free.
    unsafe {
        api!(RedisModule_CreateString(
            ptr::null_mut(),
            bytes.as_ptr().cast(),
            bytes.len(),
        ))
    }
}
