//! The server's ACL users: what one may do, asked without doing it.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::{
    Ctx, OK, api,
    call::{Part, Reply},
    commands, free_standing_string, offered, raw,
};

/// An ACL user that exists.
pub(crate) struct User {
    handle: *mut raw::RedisModuleUser,
}

impl User {
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let name = Text::new(name);
        // SAFETY: the string lives for the length of the call.
        let handle = unsafe { api!(RedisModule_GetModuleUserFromUserName(name.0)) };
        (!handle.is_null()).then(|| Self { handle })
    }

    /// Whether the user is off: the server lets nobody become it, and leaves those be who are it.
    pub(crate) fn is_off(&self) -> bool {
        // It came with Redis 7.0.6; before, nobody can be asked.
        if !offered!(RedisModule_GetModuleUserACLString) {
            return false;
        }
        // SAFETY: the user is live; the description is the caller's to free, and read before.
        unsafe {
            let described = api!(RedisModule_GetModuleUserACLString(self.handle));
            let is_off = super::string_bytes(described)
                .split(|byte| *byte == b' ')
                .any(|rule| rule == b"off");
            api!(RedisModule_FreeString(std::ptr::null_mut(), described));
            is_off
        }
    }

    /// Whether the user may give a command with these arguments. A command that is not there is
    /// nobody's.
    pub(crate) fn may(&self, command: &CommandLine) -> bool {
        let mut words: Vec<_> = command.0.iter().map(|word| word.0).collect();
        // SAFETY: the user and every word are live.
        unsafe {
            api!(RedisModule_ACLCheckCommandPermissions(
                self.handle,
                words.as_mut_ptr(),
                words.len() as i32,
            )) == OK
        }
    }

    /// Whether the user's key patterns let it change a key.
    pub(crate) fn may_change(&self, key: &[u8]) -> bool {
        const CHANGES: u32 = raw::REDISMODULE_CMD_KEY_UPDATE
            | raw::REDISMODULE_CMD_KEY_INSERT
            | raw::REDISMODULE_CMD_KEY_DELETE;
        let key = Text::new(key);
        // SAFETY: the user and the key's name are live.
        unsafe {
            api!(RedisModule_ACLCheckKeyPermissions(
                self.handle,
                key.0,
                CHANGES as i32
            )) == OK
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // SAFETY: the handle is this one's; the user that it stands for stays the server's.
        unsafe { api!(RedisModule_FreeModuleUser(self.handle)) };
    }
}

/// A string of the server that belongs to nobody's context.
struct Text(*mut raw::RedisModuleString);

// SAFETY: the string is never changed, and only the main thread passes it to the server.
unsafe impl Send for Text {}

impl Text {
    fn new(bytes: &[u8]) -> Self {
        Self(free_standing_string(bytes))
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: made without a context, freed once.
        unsafe { api!(RedisModule_FreeString(std::ptr::null_mut(), self.0)) };
    }
}

/// A command with its arguments.
pub(crate) struct CommandLine(Vec<Text>);

impl CommandLine {
    pub(crate) fn new(words: &[&[u8]]) -> Self {
        Self(words.iter().map(|word| Text::new(word)).collect())
    }
}

/// Puts a refused login into `ACL LOG`, where the server puts wrong passwords. It counts the same one
/// again within a minute, and keeps as many as `acllog-max-len` says.
pub(crate) fn log_refusal(ctx: Ctx<'_>, client_id: &str) {
    let what = Text::new(format!("2fapi client {client_id}").as_bytes());
    let reason = raw::RedisModuleACLLogEntryReason_REDISMODULE_ACL_LOG_AUTH;
    // It came with Redis 7.2: the entry is about a name that need not be a user's.
    if offered!(RedisModule_ACLAddLogEntryByUserName) {
        let who = Text::new(client_id.as_bytes());
        // SAFETY: the context is live and both strings are copied.
        unsafe {
            api!(RedisModule_ACLAddLogEntryByUserName(
                ctx.as_ptr(),
                who.0,
                what.0,
                reason
            ));
        }
    } else if let Some(user) = ctx.caller().and_then(|name| User::named(&name)) {
        // SAFETY: the context and the user are live, and the string is copied.
        unsafe {
            api!(RedisModule_ACLAddLogEntry(
                ctx.as_ptr(),
                user.handle,
                what.0,
                reason
            ));
        }
    }
}

/// The commands that administer the server: their names as the ACL has them, and how they are asked for.
static ADMINISTRATIVE: Mutex<Vec<(String, CommandLine)>> = Mutex::new(Vec::new());
static STALE: AtomicBool = AtomicBool::new(true);

/// A module came or went, and its commands with it.
pub(crate) fn commands_changed() {
    STALE.store(true, Ordering::Relaxed);
}

/// The name of an administrative command that the user may give, if there is one: any that the server
/// or a module has marked so, subcommands too.
pub(crate) fn administrative_right(ctx: Ctx<'_>, user: &User) -> Option<String> {
    let mut commands = ADMINISTRATIVE
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if STALE.swap(false, Ordering::Relaxed) {
        *commands = administrative_commands(ctx)
            .into_iter()
            .map(|(name, words)| {
                let words: Vec<_> = words.iter().map(String::as_bytes).collect();
                (name, CommandLine::new(&words))
            })
            .collect();
    }
    // A list that could not be had allows nobody.
    if commands.is_empty() {
        STALE.store(true, Ordering::Relaxed);
        return Some("any command".into());
    }
    commands
        .iter()
        .find(|(_, line)| user.may(line))
        .map(|(name, _)| name.clone())
}

/// Their names as the ACL has them, and as they are given.
fn administrative_commands(ctx: Ctx<'_>) -> Vec<(String, Vec<String>)> {
    // The clients of this module's own commands look like keys and are none.
    let mut found: Vec<_> = commands::all()
        .iter()
        .filter(|command| command.is_administrative() && !command.internal)
        .map(|command| {
            let name = command.name.to_string_lossy().to_lowercase();
            let arguments = command.arity.unsigned_abs() as usize - 1;
            let words = std::iter::once(name.clone()).chain(vec!["x".into(); arguments]);
            (name.clone(), words.collect())
        })
        .collect();
    let ours = found.len();
    if let Some(reply) = Reply::to(ctx, c"COMMAND", &[]) {
        for command in reply.whole().elements() {
            collect_administrative(command, &mut found);
        }
    }
    // Without an answer nothing is known of the server's own.
    if found.len() == ours {
        found.clear();
    }
    found
}

/// Reads one command as `COMMAND` describes it: name, arity, flags, first key, last key, step, ACL
/// categories, tips, key specifications, subcommands.
fn collect_administrative(command: Part<'_>, found: &mut Vec<(String, Vec<String>)>) {
    let says = |place: usize, word: &str| {
        let list = command.at(place);
        list.is_some_and(|list| list.elements().any(|part| part.bytes() == word.as_bytes()))
    };
    // Of a command with keys the server would look for them in arguments that are not there.
    let has_keys =
        command.at(3).is_some_and(|first| first.integer() != 0) || says(2, "movablekeys");
    if !has_keys && (says(2, "admin") || says(6, "@admin")) {
        found.extend(command.at(0).map(|name| {
            let name = name.text();
            // As many words as it must have: a server may look at that, too.
            let arity = command.at(1).map_or(0, Part::integer).unsigned_abs() as usize;
            let mut words: Vec<_> = name.split('|').map(ToOwned::to_owned).collect();
            words.resize(arity.clamp(words.len(), 100), "x".to_owned());
            (name, words)
        }));
    }
    if let Some(subcommands) = command.at(9) {
        for subcommand in subcommands.elements() {
            collect_administrative(subcommand, found);
        }
    }
}
