//! How a connection stops being the ACL user that it became: at once, without losing an answer that it
//! is owed, and without acting as `default` in what is left of a transaction.

use std::{
    ffi::{CStr, c_void},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicPtr, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Ctx, OK, api, client_info, clients, flags, guard, raw};

/// An ACL user without any right, whom a connection is until its last answer has left.
static NOBODY: AtomicPtr<raw::RedisModuleUser> = AtomicPtr::new(ptr::null_mut());

const NAME_OF_NOBODY: &CStr = c"2fapi-ended";

/// A connection that takes longer to read its last answer loses it.
const PATIENCE: Duration = Duration::from_secs(5);

struct Closing {
    connection: u64,
    /// Until when its last answer is waited for.
    until: Instant,
}

static CLOSING: Mutex<Vec<Closing>> = Mutex::new(Vec::new());

/// Makes ready what ending needs.
pub(crate) fn prepare() -> bool {
    // SAFETY: on the main thread, while the module is loaded; the user is made once and lasts as long as the server.
    unsafe {
        let user = api!(RedisModule_CreateModuleUser(NAME_OF_NOBODY.as_ptr()));
        for rule in [c"on", c"resetkeys", c"resetchannels", c"-@all"] {
            if api!(RedisModule_SetModuleUserACL(user, rule.as_ptr())) != OK {
                return false;
            }
        }
        NOBODY.store(user, Ordering::Relaxed);
        !user.is_null()
    }
}

/// Who has a connection ended.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// The command that this context is of.
    Command(Ctx<'a>),
    /// A timer.
    Clock,
    /// Something that happened to a key, in the middle of whatever made it happen.
    Event,
}

/// Ends a connection's being an ACL user, and the connection. Nothing happens when it is gone.
pub(crate) fn close(connection: u64, by: By<'_>) {
    match by {
        By::Command(ctx) if ctx.connection() == connection => {
            if flags().is_sequence() || ctx.is_answer() {
                // Closed now, it would not get this answer; and in a transaction it would go on as
                // the default user. So it is nobody until the answer is out.
                become_nobody(ctx);
                close_soon(connection, PATIENCE);
            } else {
                close_now(connection);
            }
        }
        // Whose transaction or script this is cannot be told. It may be the connection's own, which
        // stays who it is until the end, as every transaction does, and is closed then.
        By::Event if flags().is_sequence() => close_soon(connection, Duration::ZERO),
        By::Command(_) if flags().is_script() => close_soon(connection, Duration::ZERO),
        By::Command(_) | By::Clock => {
            stop_waiting(connection);
            close_now(connection);
        }
        By::Event => close_now(connection),
    }
}

fn become_nobody(ctx: Ctx<'_>) {
    // SAFETY: the context is live and the user lasts.
    unsafe {
        api!(RedisModule_AuthenticateClientWithUser(
            ctx.as_ptr(),
            NOBODY.load(Ordering::Relaxed),
            None,
            ptr::null_mut(),
            ptr::null_mut(),
        ));
    }
}

/// Closes a connection that is nobody in particular.
pub(crate) fn close_stranger(connection: u64) {
    close_now(connection);
}

fn close_now(connection: u64) {
    // SAFETY: the server looks the connection up by its id and needs no context for it.
    unsafe {
        api!(RedisModule_DeauthenticateAndCloseClient(
            ptr::null_mut(),
            connection,
        ));
    }
}

/// Lets a connection that waits for an element of a list or the like wait no longer: until it is
/// closed, it would be handed what it can no longer take, and that would be lost.
fn stop_waiting(connection: u64) {
    let waits = client_info(connection)
        .is_some_and(|info| info.flags & u64::from(raw::REDISMODULE_CLIENTINFO_FLAG_BLOCKED) != 0);
    if waits {
        let _ = clients::command(&[b"UNBLOCK", connection.to_string().as_bytes(), b"ERROR"]);
    }
}

/// Closes a connection after this command, as soon as its answers are out.
fn close_soon(connection: u64, patience: Duration) {
    let until = Instant::now() + patience;
    let mut closing = CLOSING.lock().unwrap_or_else(PoisonError::into_inner);
    closing.push(Closing { connection, until });
    drop(closing);
    // SAFETY: the callback lasts and needs no data.
    unsafe {
        api!(RedisModule_EventLoopAddOneShot(
            Some(after_this_command),
            ptr::null_mut()
        ))
    };
}

unsafe extern "C" fn after_this_command(_: *mut c_void) {
    guard((), close_those_that_have_their_answers);
}

/// Closes the connections that only waited for their last answer to leave.
pub(crate) fn close_those_that_have_their_answers() {
    let mut closing = CLOSING.lock().unwrap_or_else(PoisonError::into_inner);
    if closing.is_empty() {
        return;
    }
    let now = Instant::now();
    let (done, waiting) = std::mem::take(&mut *closing)
        .into_iter()
        .partition(|c| c.until <= now || has_its_answers(c.connection));
    *closing = waiting;
    drop(closing);
    let done: Vec<Closing> = done;
    for Closing { connection, .. } in done {
        close_now(connection);
    }
}

/// Nothing is left in the connection's output buffers.
fn has_its_answers(connection: u64) -> bool {
    !clients::describe(&[connection])
        .iter()
        .any(|seen| seen.has_answers)
}
