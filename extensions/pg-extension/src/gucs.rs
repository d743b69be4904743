//! The settings of the extension, all of them a superuser's.

use core::ffi::{CStr, c_char, c_void};
use std::ffi::CString;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum, pg_guard, pg_sys};
use twofapi_crypto_core::{Audience, ChallengeTtl};

use crate::{
    rules::{session::Scope, token},
    strict,
};

#[derive(Clone, Copy, PostgresGucEnum)]
enum SessionScope {
    #[name = c"session"]
    Session,
    #[name = c"transaction"]
    Transaction,
}

static CHALLENGE_TTL: GucSetting<i32> = GucSetting::<i32>::new(120);
static SPENT_CAPACITY: GucSetting<i32> = GucSetting::<i32>::new(1_000_000);
static SESSION_SCOPE: GucSetting<SessionScope> =
    GucSetting::<SessionScope>::new(SessionScope::Session);
static SESSION_TTL: GucSetting<i32> = GucSetting::<i32>::new(15 * 60);
static AUDIENCE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static TOKEN_KEYS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static TOKEN_ISSUER: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static TOKEN_AUDIENCE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static AUDIT_LOG: GucSetting<bool> = GucSetting::<bool>::new(true);
static LOG_EVENTS: GucSetting<bool> = GucSetting::<bool>::new(true);

pub(crate) fn challenge_ttl() -> ChallengeTtl {
    u32::try_from(CHALLENGE_TTL.get())
        .ok()
        .and_then(|seconds| ChallengeTtl::from_seconds(seconds).ok())
        .unwrap_or_default()
}

pub(crate) fn spent_capacity() -> u32 {
    SPENT_CAPACITY.get().unsigned_abs()
}

pub(crate) fn session_scope() -> Scope {
    match SESSION_SCOPE.get() {
        SessionScope::Session => Scope::Session,
        SessionScope::Transaction => Scope::Transaction,
    }
}

/// In seconds.
pub(crate) fn session_ttl() -> u32 {
    SESSION_TTL.get().unsigned_abs()
}

/// Empty: none.
pub(crate) fn audience() -> CString {
    AUDIENCE.get().unwrap_or_default()
}

/// The service's public keys, as a JSON Web Key Set; empty: none.
pub(crate) fn token_keys() -> String {
    text(&TOKEN_KEYS)
}

pub(crate) fn token_issuer() -> String {
    text(&TOKEN_ISSUER)
}

pub(crate) fn token_audience() -> String {
    text(&TOKEN_AUDIENCE)
}

fn text(setting: &GucSetting<Option<CString>>) -> String {
    setting
        .get()
        .map(|text| text.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Whether events become rows.
pub(crate) fn audit_log() -> bool {
    AUDIT_LOG.get()
}

/// Whether events become lines of the server log.
pub(crate) fn log_events() -> bool {
    LOG_EVENTS.get()
}

/// To be called from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn define() {
    strict::defining(|| {
        numbers_and_choices();
        texts();
        // SAFETY: a name without interior zero bytes; no other setting of this prefix can be made up
        // from now on.
        unsafe { pg_sys::MarkGUCPrefixReserved(c"twofapi".as_ptr()) };
    });
}

fn numbers_and_choices() {
    GucRegistry::define_int_guc(
        c"twofapi.challenge_ttl",
        c"How long a challenge lives.",
        c"A challenge is good on the server that issued it, once, and for this long.",
        &CHALLENGE_TTL,
        1,
        ChallengeTtl::MAX_SECONDS as i32,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"twofapi.spent_capacity",
        c"How many spent challenges the server remembers at once.",
        c"Each takes 64 bytes of shared memory. When as many logins were accepted within one \
          challenge_ttl, the next ones are throttled.",
        &SPENT_CAPACITY,
        16,
        20_000_000,
        GucContext::Postmaster,
        GucFlags::empty(),
    );
    GucRegistry::define_enum_guc(
        c"twofapi.session_scope",
        c"Whether a session lasts across transactions.",
        c"A pooler that hands a connection on after each transaction needs \"transaction\".",
        &SESSION_SCOPE,
        GucContext::Suset,
        GucFlags::empty(),
    );
    GucRegistry::define_int_guc(
        c"twofapi.session_ttl",
        c"How long a session lasts at most.",
        c"",
        &SESSION_TTL,
        1,
        7 * 24 * 3600,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_bool_guc(
        c"twofapi.audit_log",
        c"Whether events are written to twofapi.audit_log.",
        c"",
        &AUDIT_LOG,
        GucContext::Suset,
        GucFlags::empty(),
    );
    GucRegistry::define_bool_guc(
        c"twofapi.log_events",
        c"Whether events are written to the server log.",
        c"",
        &LOG_EVENTS,
        GucContext::Suset,
        GucFlags::empty(),
    );
}

type Check = unsafe extern "C-unwind" fn(
    *mut *mut c_char,
    *mut *mut c_void,
    pg_sys::GucSource::Type,
) -> bool;

fn texts() {
    let define = |name, short, long, setting, check: Check| {
        // SAFETY: the hooks only read the value.
        unsafe {
            GucRegistry::define_string_guc_with_hooks(
                name,
                short,
                long,
                setting,
                GucContext::Suset,
                GucFlags::empty(),
                Some(check),
                None,
                None,
            );
        }
    };
    define(
        c"twofapi.audience",
        c"The name that proofs must be bound to, so that another server's nonce is of no use here.",
        c"1 to 512 visible ASCII characters without blanks; empty: none.",
        &AUDIENCE,
        check_name,
    );
    define(
        c"twofapi.token_keys",
        c"The public keys of the service whose tokens open sessions.",
        c"A JSON Web Key Set with Ed25519 or P-256 keys, as the service publishes it; empty: none.",
        &TOKEN_KEYS,
        check_keys,
    );
    define(
        c"twofapi.token_issuer",
        c"The issuer that tokens must name.",
        c"1 to 512 visible ASCII characters without blanks; empty: no token is accepted.",
        &TOKEN_ISSUER,
        check_name,
    );
    define(
        c"twofapi.token_audience",
        c"The audience that tokens must name.",
        c"1 to 512 visible ASCII characters without blanks; empty: no token is accepted.",
        &TOKEN_AUDIENCE,
        check_name,
    );
}

/// Whether a value that the server is about to set passes: none always does.
///
/// # Safety
/// The server must have handed over the pointer.
unsafe fn passes(value: *mut *mut c_char, check: impl FnOnce(&str) -> bool) -> bool {
    // SAFETY: a pointer to a string that ends in zero, or to null.
    let text = unsafe {
        if (*value).is_null() {
            return true;
        }
        CStr::from_ptr(*value)
    };
    text.to_str()
        .is_ok_and(|text| text.is_empty() || check(text))
}

#[pg_guard]
unsafe extern "C-unwind" fn check_name(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: what the server handed over.
    unsafe { passes(value, |name| Audience::parse(name).is_ok()) }
}

#[pg_guard]
unsafe extern "C-unwind" fn check_keys(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: what the server handed over.
    unsafe {
        passes(value, |keys| match token::Keys::parse(keys) {
            Ok(_) => true,
            Err(problem) => {
                detail(problem);
                false
            }
        })
    }
}

/// Says what is wrong with a value that is about to be refused.
fn detail(problem: &str) {
    // SAFETY: the server's own way to pass a detail on: it frees the text, which it allocates itself.
    unsafe {
        if let Ok(problem) = CString::new(problem) {
            pg_sys::GUC_check_errdetail_string = pg_sys::pstrdup(problem.as_ptr());
        }
    }
}
