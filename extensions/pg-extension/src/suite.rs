//! For the suite alone, in a library that is never installed under our name: a function that panics, and
//! attempts that wait between their proof and their step.

use pgrx::{direct_function_call, pg_extern, pg_sys};

use crate::shmem;

/// The advisory lock at which attempts wait while somebody else holds it.
const GATE: i64 = 2_000_000_000_002;

#[pg_extern]
fn provoke_panic(with_a_lock_held: bool) {
    if with_a_lock_held {
        shmem::preloaded().with_spent(|_, _| panic!("provoked while a lock was held"));
    }
    panic!("provoked");
}

pub(crate) fn wait_before_the_step() {
    // SAFETY: functions of SQL that take one bigint, called inside a transaction.
    unsafe {
        let gate = || [Some(pg_sys::Datum::from(GATE))];
        direct_function_call::<()>(pg_sys::pg_advisory_lock_shared_int8, &gate());
        direct_function_call::<bool>(pg_sys::pg_advisory_unlock_shared_int8, &gate());
    }
}
