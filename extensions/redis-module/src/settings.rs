//! What the operator can set: `2fapi.*` in redis.conf and by CONFIG SET.

use std::sync::{
    Arc, LazyLock, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicI64},
};

use twofapi_crypto_core::{Audience, AuthenticationBinding, ChallengeTtl};

use crate::{
    host::{
        Ctx,
        configs::{Change, Number, Shown, Switch, Text},
    },
    rules::{acl_user::AclUser, mapping::AllowedUsers},
};

static CHALLENGE_TTL: Number = Number {
    name: c"challenge-ttl",
    default: 120,
    least: 1,
    most: ChallengeTtl::MAX_SECONDS as i64,
    change: Change::AnyTime,
    value: AtomicI64::new(120),
};

static SPENT_CAPACITY: Number = Number {
    name: c"spent-capacity",
    default: 250_000,
    least: 2,
    most: 100_000_000,
    change: Change::AtStart,
    value: AtomicI64::new(250_000),
};

static SESSION_TTL: Number = Number {
    name: c"session-ttl",
    default: 900,
    least: 1,
    most: 30 * 24 * 3600,
    change: Change::AnyTime,
    value: AtomicI64::new(900),
};

static VERIFY_THREADS: Number = Number {
    name: c"verify-threads",
    default: 0,
    least: 0,
    most: 64,
    change: Change::AtStart,
    value: AtomicI64::new(0),
};

static WAITING_ATTEMPTS: Number = Number {
    name: c"waiting-attempts",
    default: 1024,
    least: 1,
    most: 65_536,
    change: Change::AnyTime,
    value: AtomicI64::new(1024),
};

static UNPROVED_CONNECTIONS: Number = Number {
    name: c"unproved-connections",
    default: 0,
    least: 0,
    most: 65_536,
    change: Change::AnyTime,
    value: AtomicI64::new(0),
};

static UNPROVED_SECONDS: Number = Number {
    name: c"unproved-seconds",
    default: 30,
    least: 1,
    most: 3600,
    change: Change::AnyTime,
    value: AtomicI64::new(30),
};

static REQUIRE_PROOF: Switch = Switch {
    name: c"require-proof",
    change: Change::AnyTime,
    value: AtomicBool::new(false),
};

static ACL_MAPPING: Switch = Switch {
    name: c"acl-mapping",
    change: Change::AnyTime,
    value: AtomicBool::new(false),
};

static BEFORE_AUTH: Switch = Switch {
    name: c"before-auth",
    change: Change::AtStart,
    value: AtomicBool::new(false),
};

static ACL_USERS: Text = Text {
    name: c"acl-users",
    default: c"client-*",
    take: set_acl_users,
    current: Mutex::new(Shown(std::ptr::null_mut())),
};

/// Nobody, until the settings are loaded.
static ALLOWED_USERS: LazyLock<Mutex<AllowedUsers>> = LazyLock::new(Mutex::default);

static AUDIENCE: Text = Text {
    name: c"audience",
    default: c"",
    take: set_audience,
    current: Mutex::new(Shown(std::ptr::null_mut())),
};

static BINDING: LazyLock<Mutex<Arc<AuthenticationBinding>>> = LazyLock::new(Mutex::default);

pub(crate) fn register(ctx: Ctx<'_>) -> bool {
    [
        &CHALLENGE_TTL,
        &SPENT_CAPACITY,
        &SESSION_TTL,
        &VERIFY_THREADS,
        &WAITING_ATTEMPTS,
        &UNPROVED_CONNECTIONS,
        &UNPROVED_SECONDS,
    ]
    .into_iter()
    .all(|setting| setting.register(ctx))
        && REQUIRE_PROOF.register(ctx)
        && ACL_MAPPING.register(ctx)
        && BEFORE_AUTH.register(ctx)
        && ACL_USERS.register(ctx)
        && AUDIENCE.register(ctx)
}

fn set_acl_users(text: &[u8]) -> Result<(), String> {
    let allowed = AllowedUsers::parse(text)?;
    *ALLOWED_USERS.lock().unwrap_or_else(PoisonError::into_inner) = allowed;
    Ok(())
}

/// Whether the operator lets clients become this ACL user.
pub(crate) fn acl_users_allow(user: &AclUser) -> bool {
    ALLOWED_USERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .allows(user)
}

fn set_audience(text: &[u8]) -> Result<(), String> {
    let binding = if text.is_empty() {
        AuthenticationBinding::none()
    } else {
        let text = String::from_utf8_lossy(text);
        let audience = Audience::parse(&text).map_err(|error| error.to_string())?;
        AuthenticationBinding::for_audience(&audience)
    };
    *BINDING.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(binding);
    Ok(())
}

/// What clients bind their proofs to: the audience, or nothing.
pub(crate) fn binding() -> Arc<AuthenticationBinding> {
    Arc::clone(&BINDING.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(crate) fn challenge_ttl() -> ChallengeTtl {
    u32::try_from(CHALLENGE_TTL.get())
        .ok()
        .and_then(|seconds| ChallengeTtl::from_seconds(seconds).ok())
        .unwrap_or_default()
}

pub(crate) fn spent_capacity() -> u32 {
    u32::try_from(SPENT_CAPACITY.get()).unwrap_or(u32::MAX)
}

pub(crate) fn session_ttl_millis() -> u64 {
    u64::try_from(SESSION_TTL.get()).unwrap_or(0) * 1000
}

/// How many threads verify; by default one core is left to the server's main thread.
pub(crate) fn verify_threads() -> usize {
    match usize::try_from(VERIFY_THREADS.get()) {
        Ok(0) | Err(_) => std::thread::available_parallelism()
            .map_or(1, std::num::NonZero::get)
            .saturating_sub(1)
            .max(1),
        Ok(threads) => threads,
    }
}

/// How many connections may be the default user without a session; none for no limit.
pub(crate) fn unproved_connections() -> Option<usize> {
    usize::try_from(UNPROVED_CONNECTIONS.get())
        .ok()
        .filter(|most| *most > 0)
}

/// For how long, where there is a limit.
pub(crate) fn unproved_seconds() -> u64 {
    u64::try_from(UNPROVED_SECONDS.get()).unwrap_or(0)
}

/// How many attempts may wait for a thread.
pub(crate) fn waiting_attempts() -> usize {
    usize::try_from(WAITING_ATTEMPTS.get()).unwrap_or(0)
}

pub(crate) fn require_proof() -> bool {
    REQUIRE_PROOF.is_on()
}

pub(crate) fn acl_mapping() -> bool {
    ACL_MAPPING.is_on()
}

/// Whether a connection that is nobody yet may ask for a challenge and prove itself.
pub(crate) fn before_auth() -> bool {
    BEFORE_AUTH.is_on()
}
