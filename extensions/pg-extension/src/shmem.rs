//! What all backends share: the root of challenge keys, the spent set with its epoch and mark, the board
//! of changes, the events on their way to the audit, and counters. None of it belongs to a transaction.
//!
//! Laid out once by the postmaster, and again after a crash: then root and epoch are others and every
//! challenge of before is dead.

use core::{
    ptr,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

use pgrx::{PgLogLevel, PgSqlErrorCode, ereport, pg_guard, pg_sys};
use twofapi_crypto_core::ceremony::{Epoch, Root, SpentHeader, SpentSet, SpentSlot};

use crate::{
    clock, errors, gucs,
    rules::{
        board::Board,
        channel::{CHANNELS, Channel, Channels},
        event::Encoded,
        roster::{Ended, Place, Roster},
        spool::Spool,
    },
    spool,
};

const NAME: &core::ffi::CStr = c"pg_2fapi";
const SLOTS_NAME: &core::ffi::CStr = c"pg_2fapi spent set";
const PLACES_NAME: &core::ffi::CStr = c"pg_2fapi sessions";
const ENDED_NAME: &core::ffi::CStr = c"pg_2fapi ended sessions";
const LOCKS: i32 = 3;

/// Things that are counted since the server started.
#[repr(C)]
pub(crate) struct Counters {
    pub(crate) challenges_issued: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) audit_written: AtomicU64,
    pub(crate) audit_dropped: AtomicU64,
}

#[repr(C)]
struct Layout {
    /// From which the root of each database is derived. Written once, as are the next two, before anybody
    /// asks.
    root: [u8; Root::LEN],
    /// Which decoy stands in for whom depends on it.
    decoy_key: [u8; 16],
    /// A random number of this run of the server.
    run: i64,
    counters: Counters,
    board: Board,
    channels: Channels<Encoded>,
    /// With epoch and mark. Guarded by the lock of the spent set, as are its slots.
    spent: SpentHeader,
}

static SHARED: AtomicPtr<Layout> = AtomicPtr::new(ptr::null_mut());
static SLOTS: AtomicPtr<SpentSlot> = AtomicPtr::new(ptr::null_mut());
static PLACES: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());
static ENDED: AtomicPtr<Ended> = AtomicPtr::new(ptr::null_mut());
static LOCKED: AtomicPtr<pg_sys::LWLockPadded> = AtomicPtr::new(ptr::null_mut());

/// The shared memory of a server that was started with this library.
#[derive(Clone, Copy)]
pub(crate) struct Shared(&'static Layout);

/// Which part a lock guards.
#[derive(Clone, Copy)]
enum Part {
    Spent = 0,
    Audit = 1,
    Sessions = 2,
}

/// The shared memory, or `None` without preload.
pub(crate) fn shared() -> Option<Shared> {
    // SAFETY: null, or laid out by `startup` and there until the process ends. What changes behind
    // this reference is atomic, or reached through the raw pointer with a lock held.
    unsafe { SHARED.load(Ordering::Relaxed).as_ref() }.map(Shared)
}

/// The shared memory, or an error that says how to get it.
pub(crate) fn preloaded() -> Shared {
    shared().unwrap_or_else(|| errors::not_preloaded())
}

impl Shared {
    pub(crate) const fn counters(self) -> &'static Counters {
        &self.0.counters
    }

    pub(crate) const fn board(self) -> &'static Board {
        &self.0.board
    }

    pub(crate) const fn run(self) -> i64 {
        self.0.run
    }

    /// The server's secret; each database has a root of its own that is derived from it.
    pub(crate) const fn root(self) -> &'static [u8; Root::LEN] {
        &self.0.root
    }

    pub(crate) const fn decoy_key(self) -> &'static [u8; 16] {
        &self.0.decoy_key
    }

    /// Lets `work` at the spent set, and tells it the time of the day's clock. Everybody else waits: it
    /// calls nothing of the server's.
    pub(crate) fn with_spent<R>(self, work: impl FnOnce(&mut SpentSet<'_>, u64) -> R) -> R {
        let _held = Held::exclusively(Part::Spent);
        let shared = SHARED.load(Ordering::Relaxed);
        // SAFETY: the exclusive lock makes these the only references to header and slots; `startup` made
        // as many slots as the header says.
        let mut set = unsafe {
            let slots =
                core::slice::from_raw_parts_mut(SLOTS.load(Ordering::Relaxed), slot_count());
            SpentSet::over(&mut (*shared).spent, slots)
        };
        work(&mut set, clock::unix_seconds())
    }

    pub(crate) fn with_roster<R>(self, work: impl FnOnce(&mut Roster<'_>) -> R) -> R {
        let _held = Held::exclusively(Part::Sessions);
        // SAFETY: the exclusive lock makes this the only reference to the places, of which `startup`
        // made as many as there can be processes.
        let places = unsafe {
            core::slice::from_raw_parts_mut(PLACES.load(Ordering::Relaxed), process_count())
        };
        work(&mut Roster {
            places,
            ended: ended(),
        })
    }

    pub(crate) fn with_channels<R>(self, work: impl FnOnce(&mut Channels<Encoded>) -> R) -> R {
        let _held = Held::exclusively(Part::Audit);
        // SAFETY: the exclusive lock makes this the only reference to that field.
        work(unsafe { &mut (*SHARED.load(Ordering::Relaxed)).channels })
    }

    /// Counts what became of events on their way to the audit.
    pub(crate) fn count_events(self, written: usize, dropped: usize) {
        let counters = self.counters();
        counters
            .audit_written
            .fetch_add(written as u64, Ordering::Relaxed);
        counters
            .audit_dropped
            .fetch_add(dropped as u64, Ordering::Relaxed);
    }

    /// Drops and counts the events of a database that is gone.
    pub(crate) fn forget_events(self, database: u32) {
        self.with_channels(|c| {
            let forgotten = c.forget(database);
            self.count_events(0, usize::try_from(forgotten).unwrap_or(usize::MAX));
        });
    }
}

/// Which of its sessions others have ended, by the place of a connection.
pub(crate) fn ended() -> &'static [Ended] {
    let ended = ENDED.load(Ordering::Relaxed);
    if ended.is_null() {
        return &[];
    }
    // SAFETY: `startup` made as many as there can be processes; all of them are atomic.
    unsafe { core::slice::from_raw_parts(ended, process_count()) }
}

/// An exclusively held lock, released on drop.
struct Held(*mut pg_sys::LWLock);

impl Held {
    fn exclusively(part: Part) -> Self {
        // SAFETY: `startup` asked for as many locks as there are parts.
        unsafe {
            let lock = &raw mut (*LOCKED.load(Ordering::Relaxed).add(part as usize)).lock;
            pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
            Self(lock)
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: held by this backend since `exclusively`; nothing in between can raise a server
        // error, which would release it.
        unsafe { pg_sys::LWLockRelease(self.0) }
    }
}

/// Random bytes, or the server does not start.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        ereport!(
            PgLogLevel::FATAL,
            PgSqlErrorCode::ERRCODE_SYSTEM_ERROR,
            format!("pg_2fapi: the random source of the operating system failed: {error}")
        );
        unreachable!("FATAL does not return")
    }
    bytes
}

fn slot_count() -> usize {
    SpentHeader::slots_for(gucs::spent_capacity())
}

/// How many processes can run statements at once.
fn process_count() -> usize {
    // SAFETY: computed before libraries ask for shared memory, and never changed.
    usize::try_from(unsafe { pg_sys::MaxBackends }).unwrap_or(0)
}

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// Asks for the memory. To be called from `_PG_init` while the postmaster preloads libraries.
pub(crate) fn install() {
    // SAFETY: the postmaster has one thread.
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: called by the postmaster in its one thread, at the time for such requests.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Layout>() + 64);
        pg_sys::RequestAddinShmemSpace(slot_count() * size_of::<SpentSlot>() + 64);
        pg_sys::RequestAddinShmemSpace(process_count() * size_of::<Place>() + 64);
        pg_sys::RequestAddinShmemSpace(process_count() * size_of::<Ended>() + 64);
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), LOCKS);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn startup() {
    // SAFETY: called by the postmaster in its one thread, before any backend exists: nobody else
    // looks at this memory yet. Every field is written before it is read.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
        let mut found = false;
        let shared: *mut Layout =
            pg_sys::ShmemInitStruct(NAME.as_ptr(), size_of::<Layout>(), &raw mut found).cast();
        let slots: *mut SpentSlot = pg_sys::ShmemInitStruct(
            SLOTS_NAME.as_ptr(),
            slot_count() * size_of::<SpentSlot>(),
            &raw mut found,
        )
        .cast();
        let places: *mut Place = pg_sys::ShmemInitStruct(
            PLACES_NAME.as_ptr(),
            process_count() * size_of::<Place>(),
            &raw mut found,
        )
        .cast();
        let ended: *mut Ended = pg_sys::ShmemInitStruct(
            ENDED_NAME.as_ptr(),
            process_count() * size_of::<Ended>(),
            &raw mut found,
        )
        .cast();

        ptr::write_bytes(&raw mut (*shared).counters, 0, 1);
        (&raw mut (*shared).root).write(random());
        (&raw mut (*shared).decoy_key).write(random());
        (&raw mut (*shared).run).write(i64::from_ne_bytes(random()) & i64::MAX);
        (&raw mut (*shared).board).write(Board::new(random()));
        let channels: *mut Channel<Encoded> = (&raw mut (*shared).channels).cast();
        for n in 0..CHANNELS {
            channels.add(n).write(Channel::FREE);
        }
        let epoch = Epoch::from_bytes(random());
        (&raw mut (*shared).spent).write(SpentHeader::new(gucs::spent_capacity(), epoch));
        for n in 0..slot_count() {
            slots.add(n).write(SpentSlot::FREE);
        }
        for n in 0..process_count() {
            places.add(n).write(Place::FREE);
            ended.add(n).write(Ended::none());
        }

        LOCKED.store(
            pg_sys::GetNamedLWLockTranche(NAME.as_ptr()),
            Ordering::Relaxed,
        );
        SLOTS.store(slots, Ordering::Relaxed);
        PLACES.store(places, Ordering::Relaxed);
        ENDED.store(ended, Ordering::Relaxed);
        SHARED.store(shared, Ordering::Relaxed);

        if !pg_sys::IsUnderPostmaster {
            bring_back();
            pg_sys::on_shmem_exit(Some(stop), pg_sys::Datum::null());
        }
    }
}

/// Puts back what was on its way to the audit when the server was stopped. There is no other process
/// yet, and no lock.
fn bring_back() {
    let Some(spool) = spool::load() else { return };
    let Some(shared) = shared() else { return };
    // SAFETY: as above.
    let channels = unsafe { &mut (*SHARED.load(Ordering::Relaxed)).channels };
    let now = clock::steady_millis();
    let put = |(database, event): (u32, Encoded)| channels.put(database, event, now).kept;
    let without_place = spool
        .events
        .into_iter()
        .map(put)
        .filter(|kept| !kept)
        .count();
    shared.count_events(0, usize::try_from(spool.dropped).unwrap_or(usize::MAX));
    shared.count_events(0, without_place);
}

/// When the server stops in good order, the postmaster comes here after every other process has gone.
#[pg_guard]
unsafe extern "C-unwind" fn stop(code: i32, _argument: pg_sys::Datum) {
    if code != 0 {
        return;
    }
    let Some(shared) = shared() else { return };
    // SAFETY: nobody else looks at this memory any more.
    let channels = unsafe { &(*SHARED.load(Ordering::Relaxed)).channels };
    spool::save(&Spool {
        dropped: shared.counters().audit_dropped.load(Ordering::Relaxed),
        events: channels.all().collect(),
    });
}
