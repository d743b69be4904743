//! Commands: how they are registered, documented and called.

use std::{
    ffi::{CStr, CString, c_int},
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicPtr, Ordering},
    },
};

use twofapi_crypto_core::ClientId;

use super::{Arguments, Ctx, OK, api, guard, offered, raw};
use crate::rules::{failure::Failure, key_name::KeyName, reply::one_line};

/// Argument 1 of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstArgument {
    None,
    /// A client id: routed in a cluster like a key, but no key that ACL patterns are about.
    Client,
    /// The name of a key that is written.
    Key,
}

/// An argument as `COMMAND DOCS` shows it.
#[derive(Clone, Copy)]
pub(crate) struct Argument {
    pub(crate) name: &'static CStr,
    /// The word before it.
    pub(crate) token: Option<&'static CStr>,
    pub(crate) optional: bool,
    /// Whether the word is all there is.
    pub(crate) is_word: bool,
}

impl Argument {
    pub(crate) const fn required(name: &'static CStr) -> Self {
        Self {
            name,
            token: None,
            optional: false,
            is_word: false,
        }
    }

    pub(crate) const fn optional(token: &'static CStr, name: &'static CStr) -> Self {
        Self {
            token: Some(token),
            ..Self::bare_optional(name)
        }
    }

    /// One that has to be there, with its word before it.
    pub(crate) const fn after(token: &'static CStr, name: &'static CStr) -> Self {
        Self {
            token: Some(token),
            ..Self::required(name)
        }
    }

    /// One without a word before it.
    pub(crate) const fn bare_optional(name: &'static CStr) -> Self {
        Self {
            optional: true,
            ..Self::required(name)
        }
    }

    pub(crate) const fn word(name: &'static CStr, token: &'static CStr) -> Self {
        Self {
            is_word: true,
            ..Self::optional(token, name)
        }
    }
}

/// One command of the surface.
pub(crate) struct Command {
    pub(crate) name: &'static CStr,
    pub(crate) entry: Entry,
    /// Flags as `RedisModule_CreateCommand` takes them.
    pub(crate) flags: &'static CStr,
    /// Arguments with the command's name; negative: at least so many.
    pub(crate) arity: i32,
    pub(crate) first: FirstArgument,
    pub(crate) summary: &'static CStr,
    pub(crate) complexity: &'static CStr,
    pub(crate) arguments: &'static [Argument],
    /// For the module's own use, and nobody else's.
    pub(crate) internal: bool,
}

type Entry = unsafe extern "C" fn(
    *mut raw::RedisModuleCtx,
    *mut *mut raw::RedisModuleString,
    c_int,
) -> c_int;

/// The layout of what is said about a command, as the header has it in a constant of its own.
static INFO_VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// The function that the server calls for a command.
macro_rules! entry {
    ($run:path) => {{
        unsafe extern "C" fn entry(
            ctx: *mut $crate::host::raw::RedisModuleCtx,
            argv: *mut *mut $crate::host::raw::RedisModuleString,
            argc: std::ffi::c_int,
        ) -> std::ffi::c_int {
            // SAFETY: the server calls with a live context and its arguments.
            unsafe { $crate::host::commands::called(ctx, argv, argc, $run) }
        }
        entry
    }};
}
pub(crate) use entry;

/// # Safety
/// All three are what the server passed.
pub(crate) unsafe fn called(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
    run: fn(Ctx<'_>, &Arguments<'_>) -> Result<(), Failure>,
) -> c_int {
    // SAFETY: by the caller's promise, for as long as the call lasts.
    let (ctx, arguments) = unsafe { (Ctx::new(ctx), Arguments::new(argv, argc)) };
    if let Err(failure) = guard(Err(Failure::Internal), || run(ctx, &arguments)) {
        ctx.reply_error(&failure.line());
    }
    OK
}

static REGISTERED: OnceLock<&[Command]> = OnceLock::new();

/// Registers the module's commands, each with the flags that `more` adds to its own. Without success the
/// answer is the name of one that the server refused.
pub(crate) fn register(
    ctx: Ctx<'_>,
    commands: &'static [Command],
    more: impl Fn(&Command) -> &'static str,
) -> Result<(), String> {
    let _ = REGISTERED.set(commands);
    let refused = commands
        .iter()
        .find(|command| !command.register(ctx, more(command)));
    refused.map_or(Ok(()), |command| {
        Err(command.name.to_string_lossy().into_owned())
    })
}

/// The module's commands.
pub(crate) fn all() -> &'static [Command] {
    REGISTERED.get().copied().unwrap_or_default()
}

impl Command {
    /// Registers the command with its documentation, with a flag more if need be.
    fn register(&self, ctx: Ctx<'_>, flag: &str) -> bool {
        let flags = format!("{} {flag}", self.flags.to_string_lossy());
        let flags = CString::new(flags.trim_end()).unwrap_or_default();
        let (first, last, step) = match self.first {
            FirstArgument::None => (0, 0, 0),
            FirstArgument::Client | FirstArgument::Key => (1, 1, 1),
        };
        // SAFETY: the context is live; names and documentation are copied by the server.
        unsafe {
            let created = api!(RedisModule_CreateCommand(
                ctx.as_ptr(),
                self.name.as_ptr(),
                Some(self.entry),
                flags.as_ptr(),
                first,
                last,
                step,
            ));
            if created != OK {
                return false;
            }
            let command = api!(RedisModule_GetCommand(ctx.as_ptr(), self.name.as_ptr()));
            if command.is_null() {
                return false;
            }
            if let Some(categories) = self.acl_categories()
                && api!(RedisModule_SetCommandACLCategories(
                    command,
                    categories.as_ptr()
                )) != OK
            {
                return false;
            }
            self.document(command)
        }
    }

    /// Whether it is an operator's.
    pub(crate) fn is_administrative(&self) -> bool {
        self.flags
            .to_bytes()
            .split(|b| *b == b' ')
            .any(|flag| flag == b"admin")
    }

    /// The categories that it is put into, where the server lets a module have a say in it (7.2, and
    /// 7.4 for a category of its own). What it is by its flags the server does not conclude.
    fn acl_categories(&self) -> Option<&'static CStr> {
        if !offered!(RedisModule_SetCommandACLCategories) {
            return None;
        }
        match (offers_acl_category(), self.is_administrative()) {
            (true, true) => Some(c"admin dangerous 2fapi"),
            (true, false) => Some(ACL_CATEGORY),
            (false, true) => Some(c"admin dangerous"),
            (false, false) => None,
        }
    }

    /// # Safety
    /// The command is this one's handle.
    unsafe fn document(&self, command: *mut raw::RedisModuleCommand) -> bool {
        let mut key_specs: Vec<raw::RedisModuleCommandKeySpec> = Vec::new();
        // SAFETY: a key spec of zeros is the end of the list, as C writes it.
        let end_of_key_specs = || unsafe { std::mem::zeroed::<raw::RedisModuleCommandKeySpec>() };
        if self.first != FirstArgument::None {
            let mut spec = end_of_key_specs();
            spec.flags = u64::from(match self.first {
                FirstArgument::Key => raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_UPDATE,
                // The server wants to be told read or write even of what is no key.
                _ => raw::REDISMODULE_CMD_KEY_NOT_KEY | raw::REDISMODULE_CMD_KEY_RO,
            });
            spec.begin_search_type =
                raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
            spec.bs.index.pos = 1;
            spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
            spec.fk.range = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
                lastkey: 0,
                keystep: 1,
                limit: 0,
            };
            key_specs.push(spec);
        }
        key_specs.push(end_of_key_specs());

        let mut documented: Vec<raw::RedisModuleCommandArg> = Vec::new();
        for (place, argument) in self.arguments.iter().enumerate() {
            // SAFETY: an argument of zeros is the end of the list, as C writes it.
            let mut described = unsafe { std::mem::zeroed::<raw::RedisModuleCommandArg>() };
            described.name = argument.name.as_ptr();
            let is_key = place == 0 && self.first != FirstArgument::None;
            described.key_spec_index = if is_key { 0 } else { -1 };
            described.type_ = if is_key {
                raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY
            } else if argument.is_word {
                raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN
            } else {
                raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING
            };
            if let Some(token) = argument.token {
                described.token = token.as_ptr();
            }
            if argument.optional {
                described.flags = raw::REDISMODULE_CMD_ARG_OPTIONAL as c_int;
            }
            documented.push(described);
        }
        // SAFETY: as above.
        documented.push(unsafe { std::mem::zeroed() });

        let info = raw::RedisModuleCommandInfo {
            version: &INFO_VERSION,
            summary: self.summary.as_ptr(),
            complexity: self.complexity.as_ptr(),
            since: c"0.1.0".as_ptr(),
            history: ptr::null_mut(),
            tips: ptr::null(),
            arity: self.arity,
            key_specs: key_specs.as_mut_ptr(),
            args: documented.as_mut_ptr(),
        };
        // SAFETY: the handle is live; everything the info points to lives until the call is over,
        // and is copied.
        unsafe { api!(RedisModule_SetCommandInfo(command, &info)) == OK }
    }
}

/// The module's own ACL category, on servers that let a module have one (7.4).
const ACL_CATEGORY: &CStr = c"2fapi";

/// Whether the server lets a module have an ACL category.
pub(crate) fn offers_acl_category() -> bool {
    offered!(RedisModule_AddACLCategory) && offered!(RedisModule_SetCommandACLCategories)
}

/// Adds the category, before the commands that are in it, where a module can have one.
pub(crate) fn add_acl_category(ctx: Ctx<'_>) -> bool {
    if !offers_acl_category() {
        return true;
    }
    // SAFETY: the context is live and the name is copied.
    unsafe {
        api!(RedisModule_AddACLCategory(
            ctx.as_ptr(),
            ACL_CATEGORY.as_ptr()
        )) == OK
    }
}

/// In a cluster, replaces the client id of our commands by the name of the key that is meant, before
/// the server routes them: otherwise, while a slot moves, every client of it would be looked for
/// under a key that never exists.
pub(crate) fn route_by_key(ctx: Ctx<'_>) -> bool {
    // SAFETY: the context is live and the callback lasts.
    let filter = unsafe {
        api!(RedisModule_RegisterCommandFilter(
            ctx.as_ptr(),
            Some(name_the_key),
            raw::REDISMODULE_CMDFILTER_NOSELF as c_int,
        ))
    };
    FILTER.store(filter, Ordering::Relaxed);
    !filter.is_null()
}

static FILTER: AtomicPtr<raw::RedisModuleCommandFilter> = AtomicPtr::new(ptr::null_mut());

/// Takes the filter back, if there is one.
pub(crate) fn stop_routing(ctx: Ctx<'_>) {
    let filter = FILTER.swap(ptr::null_mut(), Ordering::Relaxed);
    if !filter.is_null() {
        // SAFETY: the context is live, and the filter is registered.
        unsafe { api!(RedisModule_UnregisterCommandFilter(ctx.as_ptr(), filter)) };
    }
}

unsafe extern "C" fn name_the_key(filter: *mut raw::RedisModuleCommandFilterCtx) {
    guard((), || {
        // SAFETY: the server calls with a live filter; a replaced argument is taken over by it.
        unsafe {
            let name = string_bytes_of(filter, 0);
            if !name
                .get(..6)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"2fapi."))
            {
                return;
            }
            let takes_client = all().iter().any(|command| {
                command.first == FirstArgument::Client
                    && command.name.to_bytes().eq_ignore_ascii_case(name)
            });
            if !takes_client || api!(RedisModule_CommandFilterArgsCount(filter)) < 2 {
                return;
            }
            if let Ok(client_id) = ClientId::from_bytes(string_bytes_of(filter, 1)) {
                let key = super::free_standing_string(KeyName::of(&client_id).as_bytes());
                api!(RedisModule_CommandFilterArgReplace(filter, 1, key));
            }
        }
    });
}

/// # Safety
/// The filter is live, and so is its argument while the answer is used.
unsafe fn string_bytes_of<'a>(
    filter: *mut raw::RedisModuleCommandFilterCtx,
    place: c_int,
) -> &'a [u8] {
    // SAFETY: by the caller's promise.
    unsafe { super::string_bytes(api!(RedisModule_CommandFilterArgGet(filter, place))) }
}

/// A panic's message goes to the server log, which is where an operator looks.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let line = one_line(&format!("2fapi: internal error: {panic}"));
        super::log(super::Level::Warning, &line.to_string_lossy());
    }));
}
