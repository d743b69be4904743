//! The settings of the extension, all of them a superuser's.

use core::ffi::{CStr, c_char, c_void};
use std::ffi::CString;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum, pg_guard, pg_sys};
use twofapi_crypto_core::ChallengeTtl;

use crate::rules::{binding, session::Scope};

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
static AUDIT_LOG: GucSetting<bool> = GucSetting::<bool>::new(true);

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

pub(crate) fn audience() -> String {
    AUDIENCE
        .get()
        .map(|audience| audience.to_string_lossy().into_owned())
        .unwrap_or_default()
}

pub(crate) fn audit_log() -> bool {
    AUDIT_LOG.get()
}

/// To be called from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn define() {
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
        c"Each takes 48 bytes of shared memory. When as many logins were accepted within one \
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
    // SAFETY: the hook only reads the value.
    unsafe {
        GucRegistry::define_string_guc_with_hooks(
        c"twofapi.audience",
        c"The name that proofs must be bound to, so that another server's nonce is of no use here.",
        c"1 to 512 visible ASCII characters without blanks; empty: none.",
        &AUDIENCE,
        GucContext::Suset,
        GucFlags::empty(),
        Some(check_audience),
        None,
        None,
    );
    }
    GucRegistry::define_bool_guc(
        c"twofapi.audit_log",
        c"Whether events are written to twofapi.audit_log and the server log.",
        c"",
        &AUDIT_LOG,
        GucContext::Suset,
        GucFlags::empty(),
    );
    // SAFETY: a name without interior zero bytes; no other setting of this prefix can be made up
    // from now on.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"twofapi".as_ptr()) };
}

#[pg_guard]
unsafe extern "C-unwind" fn check_audience(
    value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    _source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: the server hands over a pointer to a string that ends in zero, or to null.
    let text = unsafe {
        if (*value).is_null() {
            return true;
        }
        CStr::from_ptr(*value)
    };
    text.to_str()
        .is_ok_and(|audience| binding::expected(audience).is_ok())
}
