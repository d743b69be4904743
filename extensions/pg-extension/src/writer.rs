//! The background worker that writes the audit rows of one database, in transactions of its own, and
//! how one is started.
//!
//! It connects as `twofapi_writer`, a role that may do nothing else. Where that role is kept out (the
//! database's owner revoked CONNECT, connections are used up) it connects as the server's own workers
//! do, and takes the role on before it reads or writes anything.

use core::{ffi::CStr, time::Duration};

use pgrx::{
    bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime},
    pg_guard, pg_sys,
};

use crate::{
    audit_table, clock, errors, members,
    rules::event::{Encoded, Event},
    shmem::{self, Shared},
    spool,
};

const ROLE: &CStr = c"twofapi_writer";

/// How many events a writer writes in one transaction.
const BATCH: usize = 1024;
/// How many it copies at a time: whoever has an event to put waits meanwhile.
const COPIED: usize = 128;
/// How long a writer sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(200);
/// After how many naps without work a writer goes.
const IDLE_NAPS: u32 = 10;
/// How many batches a writer writes that was told to go.
const LAST_BATCHES: u32 = 8;

/// Settings that the database's owner may have changed, and that would keep a writer from its work or
/// a server from its end.
const SETTINGS: &[(&CStr, &CStr)] = &[
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"role", c"none"),
    (c"statement_timeout", c"0"),
    (c"idle_in_transaction_session_timeout", c"0"),
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    (c"transaction_timeout", c"0"),
    (c"lock_timeout", c"5s"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_deferrable", c"off"),
    // Nothing waits for these rows, and they wait for no standby.
    (c"synchronous_commit", c"local"),
];

/// To be called from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn install() {
    if spool::is_there() {
        worker("pg_2fapi audit starter", "pg_2fapi_audit_starter", 0).load();
    }
}

fn worker(kind: &str, function: &str, argument: u64) -> BackgroundWorkerBuilder {
    BackgroundWorkerBuilder::new(kind)
        .set_type(kind)
        .set_library("pg_2fapi")
        .set_function(function)
        .set_argument(Some(pg_sys::Datum::from(argument)))
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(None)
        .enable_shmem_access(None)
        .enable_spi_access()
}

/// Which database a writer is for, and as which role it may connect.
#[derive(Clone, Copy)]
struct Post {
    database: u32,
    /// 0: it cannot connect as the role.
    role: u32,
}

impl Post {
    fn from_argument(argument: pg_sys::Datum) -> Self {
        let argument = argument.value() as u64;
        Self {
            database: argument as u32,
            role: (argument >> 32) as u32,
        }
    }

    fn start(self, shared: Shared) {
        let argument = u64::from(self.role) << 32 | u64::from(self.database);
        let started =
            worker("pg_2fapi audit writer", "pg_2fapi_audit_writer", argument).load_dynamic();
        if started.is_err() {
            // Every worker slot is taken: the next event, or a writer that leaves, tries again.
            shared.with_channels(|c| c.not_started(self.database, clock::steady_millis()));
        }
    }
}

/// Starts a writer for every database whose events wait without one. Inside a transaction.
pub(crate) fn start_due(shared: Shared) {
    for database in shared.with_channels(|c| c.due(clock::steady_millis())) {
        match writer_role(database) {
            Some(role) => Post { database, role }.start(shared),
            // Nobody can write them any more.
            None => shared.forget_events(database),
        }
    }
}

/// As which role a writer may connect to a database, 0 for none; `None` when there is no such database.
fn writer_role(database: u32) -> Option<u32> {
    let database = pg_sys::Oid::from_u32(database);
    // SAFETY: look-ups in catalogues that all databases share, inside a transaction; the entries are
    // of the types that the caches are for, and are given back.
    unsafe {
        let limit = from_cache(
            pg_sys::SysCacheIdentifier::DATABASEOID,
            database,
            |entry: &pg_sys::FormData_pg_database| entry.datconnlimit,
        )?;
        let role = pg_sys::get_role_oid(ROLE.as_ptr(), true);
        let logs_in = from_cache(
            pg_sys::SysCacheIdentifier::AUTHOID,
            role,
            |entry: &pg_sys::FormData_pg_authid| entry.rolcanlogin,
        );
        let may = limit < 0
            && logs_in == Some(true)
            && may_connect(database, role) == pg_sys::AclResult::ACLCHECK_OK;
        Some(if may { role.to_u32() } else { 0 })
    }
}

/// # Safety
/// Inside a transaction; the cache must hold rows that begin as `T` does, by their oids.
unsafe fn from_cache<T, R>(
    cache: pg_sys::SysCacheIdentifier::Type,
    oid: pg_sys::Oid,
    read: impl FnOnce(&T) -> R,
) -> Option<R> {
    // SAFETY: the caller's; the entry is held until it was read.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(cache as i32, pg_sys::Datum::from(oid));
        if tuple.is_null() {
            return None;
        }
        let result = read(&*pg_sys::GETSTRUCT(tuple).cast::<T>());
        pg_sys::ReleaseSysCache(tuple);
        Some(result)
    }
}

/// # Safety
/// Inside a transaction.
unsafe fn may_connect(database: pg_sys::Oid, role: pg_sys::Oid) -> pg_sys::AclResult::Type {
    let connect = pg_sys::ACL_CONNECT as pg_sys::AclMode;
    // SAFETY: the caller's.
    unsafe {
        #[cfg(feature = "pg15")]
        return pg_sys::pg_database_aclcheck(database, role, connect);
        #[cfg(not(feature = "pg15"))]
        pg_sys::object_aclcheck(pg_sys::DatabaseRelationId, database, role, connect)
    }
}

/// Starts writers for what was brought back from before the last stop, and goes.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_2fapi_audit_starter(_argument: pg_sys::Datum) {
    let Some(shared) = shmem::shared() else {
        return;
    };
    listen();
    // SAFETY: once, as the first thing that needs a connection; no database, shared catalogues only.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnection(core::ptr::null(), core::ptr::null(), 0)
    };
    while !told_to_go() {
        let (any, due) =
            shared.with_channels(|c| (c.any_without_a_writer(), c.any_due(clock::steady_millis())));
        if !any {
            return;
        }
        if due {
            in_a_transaction(|| start_due(shared));
        }
        nap(NAP);
    }
}

/// The writer of one database.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_2fapi_audit_writer(argument: pg_sys::Datum) {
    let Some(shared) = shmem::shared() else {
        return;
    };
    let post = Post::from_argument(argument);
    let database = post.database;
    listen();
    // SAFETY: set before a worker's function is called.
    let pid = unsafe { pg_sys::MyProcPid };
    let Some(turn) = shared.with_channels(|c| c.writer_came(database, pid)) else {
        return;
    };
    // SAFETY: the callback fits the server's signature. From here on the process says that it has
    // gone, however it goes; if it is killed outright, the server starts anew anyway.
    unsafe { pg_sys::before_shmem_exit(Some(leave), argument) };
    // Without a connection, so as to stand in nobody's way.
    while clock::steady_millis() < turn.not_before {
        if told_to_go() || shared.with_channels(|c| c.others_starve()) {
            return give_way(shared, database, pid);
        }
        nap(NAP);
    }
    let role = if turn.failures % 2 == 0 { post.role } else { 0 };
    connect(database, role);
    work(shared, database, pid);
}

fn work(shared: Shared, database: u32, pid: i32) {
    let mut events = Vec::new();
    let mut idle = 0;
    let mut last = None;
    loop {
        if told_to_go() {
            // Once more, and without a wait: what comes after that is saved for the next start.
            // SAFETY: flags of this process, which its own signal handler sets.
            unsafe {
                (&raw mut pg_sys::ProcDiePending).write_volatile(0);
                (&raw mut pg_sys::InterruptPending).write_volatile(0);
            }
            set(c"lock_timeout", c"500ms");
            last = Some(LAST_BATCHES);
        }
        // Then only: a signal that came before it left its mark above.
        pgrx::check_for_interrupts!();
        reload_configuration();
        events.clear();
        for _ in 0..BATCH / COPIED {
            let before = events.len();
            shared.with_channels(|c| c.peek(database, COPIED, &mut events));
            if events.len() < before + COPIED {
                break;
            }
        }
        if events.is_empty() {
            if last.is_some() {
                return give_way(shared, database, pid);
            }
            idle += 1;
            nap(NAP);
            // Of databases whose writer found no free slot.
            if shared.with_channels(|c| c.any_due(clock::steady_millis())) {
                in_a_transaction(|| start_due(shared));
            }
            if idle > IDLE_NAPS && shared.with_channels(|c| c.give_back(database, pid)) {
                return;
            }
            continue;
        }
        idle = 0;
        let written = in_a_transaction(|| write(&events, shared.run()));
        // Taken only now: if writing fails, the next writer finds them again.
        let left = shared.with_channels(|c| {
            shared.count_events(written, events.len() - written);
            c.take(database, events.len())
        });
        // SAFETY: between transactions.
        unsafe { pg_sys::pgstat_report_stat(false) };
        last = last.map(|batches: u32| batches.saturating_sub(1));
        if last == Some(0) || shared.with_channels(|c| c.others_starve()) {
            return give_way(shared, database, pid);
        }
        // Little is left: more comes together while this sleeps, which costs less to write than event
        // by event. It is woken before its channel is full.
        if left < BATCH && last.is_none() {
            nap(NAP);
        }
    }
}

fn give_way(shared: Shared, database: u32, pid: i32) {
    shared.with_channels(|c| c.give_way(database, pid, clock::steady_millis()));
}

#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, argument: pg_sys::Datum) {
    let Some(shared) = shmem::shared() else {
        return;
    };
    let post = Post::from_argument(argument);
    // SAFETY: set for the life of the process.
    let pid = unsafe { pg_sys::MyProcPid };
    if shared.with_channels(|c| c.writer_gone(post.database, pid, clock::steady_millis())) {
        post.start(shared);
    }
}

unsafe extern "C-unwind" {
    /// As the server exports them; pgrx's own are no handlers.
    fn die(signal: i32);
    fn SignalHandlerForConfigReload(signal: i32);
}

/// Listens to the signals of the postmaster by the server's own handlers: one that ends whatever this
/// waits for, and one that only leaves a note.
fn listen() {
    // SAFETY: handlers of the server, set before signals are let through.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        use pg_sys::pqsignal as on;
        #[cfg(feature = "pg18")]
        use pg_sys::pqsignal_be as on;
        on(pg_sys::SIGTERM as i32, Some(die));
        on(pg_sys::SIGHUP as i32, Some(SignalHandlerForConfigReload));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

fn told_to_go() -> bool {
    // SAFETY: a flag of this process, which its signal handler sets.
    unsafe { (&raw const pg_sys::ProcDiePending).read_volatile() != 0 }
}

fn reload_configuration() {
    // SAFETY: a flag of this process, which its signal handler sets; between transactions.
    unsafe {
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0 {
            (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}

fn nap(how_long: Duration) {
    let until = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: this process's own latch.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            until as i32,
            how_long.as_millis() as _,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    if !told_to_go() {
        pgrx::check_for_interrupts!();
    }
}

fn connect(database: u32, role: u32) {
    // SAFETY: once, as the first thing that needs a connection. A database that takes no connections
    // from clients has sessions from before, whose events are written.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            pg_sys::Oid::from_u32(database),
            pg_sys::Oid::from_u32(role),
            pg_sys::BGWORKER_BYPASS_ALLOWCONN,
        );
    }
    for (name, value) in SETTINGS {
        set(name, value);
    }
}

fn set(name: &CStr, value: &CStr) {
    // SAFETY: names and values end in zero; this process's own settings.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// An error of the server ends the process, which begins its transactions anew in the next one.
fn in_a_transaction<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: one after the other, in a process that has no other transaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let result = work();
        pg_sys::CommitTransactionCommand();
        result
    }
}

/// Writes a batch and says how many it wrote: none when the extension was dropped meanwhile.
fn write(events: &[Encoded], run: i64) -> usize {
    if !members::extension_is_there() {
        return 0;
    }
    let events: Vec<Event> = events.iter().filter_map(Encoded::decode).collect();
    // SAFETY: inside a transaction; if an error comes between, its abort restores the user.
    unsafe {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        pg_sys::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        let role = pg_sys::get_role_oid(ROLE.as_ptr(), false);
        let restricted =
            pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        pg_sys::SetUserIdAndSecContext(role, context | restricted as i32);
        if let Err(error) = audit_table::insert(&events, run) {
            errors::raise(&error);
        }
        pg_sys::SetUserIdAndSecContext(user, context);
    }
    events.len()
}
