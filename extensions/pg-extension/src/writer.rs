//! The background worker that writes the audit rows of one database, in transactions of its own.

use core::{ffi::CStr, sync::atomic::Ordering, time::Duration};

use pgrx::{
    Spi,
    bgworkers::{BackgroundWorker, SignalWakeFlags},
    datum::DatumWithOid,
    pg_guard, pg_sys,
    prelude::TimestampWithTimeZone,
};

use crate::{audit, clock, rules::event::Event, shmem};

/// How many events a writer writes in one transaction.
const BATCH: usize = 1024;
/// How many it copies at a time: whoever has an event to put waits meanwhile.
const COPIED: usize = 128;
/// How long a writer sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(200);
/// After how many naps without work a writer goes.
const IDLE_NAPS: u32 = 10;

/// The writer of one database.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_2fapi_audit_writer(argument: pg_sys::Datum) {
    let Some(shared) = shmem::shared() else {
        return;
    };
    let database = argument.value() as u32;
    // SAFETY: set before a worker's function is called.
    let pid = unsafe { pg_sys::MyProcPid };
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGTERM | SignalWakeFlags::SIGHUP);
    if !shared.with_channels(|c| c.writer_came(database, pid)) {
        return;
    }
    // SAFETY: the callback fits the server's signature. From here on the process says that it has
    // gone, however it goes; if it is killed outright, the server starts anew anyway.
    unsafe { pg_sys::before_shmem_exit(Some(leave), argument) };
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(pg_sys::Oid::from_u32(database)), None);

    let mut events = Vec::new();
    let mut idle = 0;
    while idle <= IDLE_NAPS {
        events.clear();
        for _ in 0..BATCH / COPIED {
            let before = events.len();
            shared.with_channels(|c| c.peek(database, COPIED, &mut events));
            if events.len() < before + COPIED {
                break;
            }
        }
        if events.is_empty() {
            idle += 1;
            if !BackgroundWorker::wait_latch(Some(NAP)) {
                return;
            }
            // Of databases whose writer found no free slot.
            for forsaken in shared.with_channels(|c| c.forsaken(clock::steady_millis())) {
                audit::start_writer(shared, forsaken);
            }
            if idle > IDLE_NAPS && !shared.with_channels(|c| c.give_back(database, pid)) {
                idle = 0;
            }
            continue;
        }
        idle = 0;
        let batch = &events;
        let written = BackgroundWorker::transaction(core::panic::AssertUnwindSafe(|| write(batch)));
        // Taken only now: if writing fails, the next writer finds them again.
        let left = shared.with_channels(|c| c.take(database, batch.len()));
        let counters = shared.counters();
        counters
            .audit_written
            .fetch_add(written as u64, Ordering::Relaxed);
        counters
            .audit_dropped
            .fetch_add((batch.len() - written) as u64, Ordering::Relaxed);
        // Little is left: more comes together while this sleeps, which costs less to write than event
        // by event. It is woken before its channel is full.
        if left < BATCH && !BackgroundWorker::wait_latch(Some(NAP)) {
            return;
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, argument: pg_sys::Datum) {
    if let Some(shared) = shmem::shared() {
        // SAFETY: set for the life of the process.
        let pid = unsafe { pg_sys::MyProcPid };
        shared.with_channels(|c| c.writer_gone(argument.value() as u32, pid));
    }
}

/// Writes a batch and says how many it wrote: none when the extension was dropped meanwhile.
fn write(events: &[Event]) -> usize {
    // SAFETY: lookups by name, inside a transaction.
    let missing = unsafe {
        let schema = pg_sys::get_namespace_oid(c"twofapi".as_ptr(), true);
        pg_sys::get_relname_relid(c"audit_log".as_ptr(), schema) == pg_sys::InvalidOid
    };
    if missing {
        return 0;
    }
    let column = |text: fn(&Event) -> &str| -> Vec<Option<String>> {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        events.iter().map(|event| filled(text(event))).collect()
    };
    let at: Vec<Option<TimestampWithTimeZone>> = events
        .iter()
        .map(|event| clock::timestamp(event.at))
        .collect();
    let roles: Vec<Option<String>> = events.iter().map(|event| role_name(event.role)).collect();
    let backends: Vec<i32> = events.iter().map(|event| event.backend).collect();
    let transactions: Vec<Option<String>> = events
        .iter()
        .map(|event| (event.transaction != 0).then(|| event.transaction.to_string()))
        .collect();
    let result = Spi::connect_mut(|client| {
        client
            .update(
                "INSERT INTO twofapi.audit_log \
                     (at, action, outcome, reason, client_id, role, backend, transaction) \
                 SELECT e.at, e.action, e.outcome, e.reason, e.client_id, e.role, e.backend, \
                        e.transaction::pg_catalog.xid8 \
                 FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), \
                                 pg_catalog.unnest($3), pg_catalog.unnest($4), \
                                 pg_catalog.unnest($5), pg_catalog.unnest($6), \
                                 pg_catalog.unnest($7), pg_catalog.unnest($8)) \
                      AS e(at, action, outcome, reason, client_id, role, backend, transaction)",
                None,
                &[
                    DatumWithOid::from(at),
                    DatumWithOid::from(column(|event| event.action.as_str())),
                    DatumWithOid::from(column(|event| event.outcome.as_str())),
                    DatumWithOid::from(column(|event| event.outcome.reason())),
                    DatumWithOid::from(column(|event| event.client.id_str())),
                    DatumWithOid::from(roles),
                    DatumWithOid::from(backends),
                    DatumWithOid::from(transactions),
                ],
            )
            .map(|table| table.len())
    });
    match result {
        Ok(written) => written,
        Err(error) => {
            pgrx::log!("2fapi: audit rows cannot be written: {error}");
            0
        }
    }
}

/// `None` when the role was dropped meanwhile.
fn role_name(role: u32) -> Option<String> {
    // SAFETY: the server answers null or a string that ends in zero, in the transaction's memory.
    unsafe {
        let name = pg_sys::GetUserNameFromId(pg_sys::Oid::from_u32(role), true);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
