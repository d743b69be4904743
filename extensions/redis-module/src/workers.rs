//! The threads that look at proofs, so that the server's main thread never does.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    attempt::{Attempt, check_all},
    host::{Level, block::Blocked, log},
};

/// At most so many proofs are looked at together: beyond that nothing is gained, and the first would
/// wait for the last.
const TOGETHER: usize = 32;

struct Job {
    attempt: Box<Attempt>,
    client: Blocked<Attempt>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    arrived: Condvar,
}

static QUEUE: LazyLock<Queue> = LazyLock::new(Queue::default);
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Starts the threads. They last as long as the server: a module with a data type is never unloaded.
pub(crate) fn start(threads: usize) -> bool {
    (0..threads).all(|number| {
        let started = thread::Builder::new()
            .name(format!("2fapi-verify-{number}"))
            .spawn(work)
            .is_ok();
        THREADS.fetch_add(usize::from(started), Ordering::Relaxed);
        started
    })
}

/// Hands an attempt to the threads, and its client with it.
pub(crate) fn submit(attempt: Box<Attempt>, client: Blocked<Attempt>) {
    let mut jobs = QUEUE.jobs.lock().unwrap_or_else(PoisonError::into_inner);
    jobs.push_back(Job { attempt, client });
    drop(jobs);
    QUEUE.arrived.notify_one();
}

pub(crate) fn threads() -> usize {
    THREADS.load(Ordering::Relaxed)
}

pub(crate) fn waiting() -> usize {
    QUEUE
        .jobs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .len()
}

fn work() {
    // When there are more threads than cores, the one that serves everybody goes first.
    let _ = rustix::process::nice(10);
    loop {
        let mut together = next();
        let mut attempts: Vec<_> = together.iter_mut().map(|job| &mut *job.attempt).collect();
        // After a panic the attempts stay unanswered, and their clients are told to try again.
        let looked_at = catch_unwind(AssertUnwindSafe(|| check_all(&mut attempts)));
        if looked_at.is_err() {
            log(Level::Warning, "2fapi: a verification was given up");
        }
        for job in together {
            job.client.answer(job.attempt);
        }
    }
}

/// Waits for work, and takes this thread's share of it.
fn next() -> Vec<Job> {
    let jobs = QUEUE.jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let mut jobs = QUEUE
        .arrived
        .wait_while(jobs, |jobs| jobs.is_empty())
        .unwrap_or_else(PoisonError::into_inner);
    let share = jobs.len().div_ceil(threads().max(1)).min(TOGETHER);
    jobs.drain(..share).collect()
}
