//! The threads that look at proofs, so that the server's main thread never does.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{
    attempt::{Attempt, check_all, throttled},
    counters,
    host::{
        Ctx, Level,
        block::{Blocked, Settle},
        log,
    },
    rules::{
        failure::Failure,
        fair::{Added, Fair, GivesWay, Source},
        reply::Answer,
    },
    settings,
};

/// At most so many proofs are looked at together: beyond that nothing is gained, and the first would
/// wait for the last.
const TOGETHER: usize = 32;

struct Job {
    attempt: Box<Attempt>,
    client: Blocked<Attempt>,
}

/// What waits. A connection has one attempt at most in it, because it waits for the answer, and no
/// attempt is larger than twelve kilobytes: so the bound of their number is one of memory, too.
struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    jobs: Fair<Job>,
    /// The threads are to end.
    over: bool,
}

static QUEUE: LazyLock<Queue> = LazyLock::new(|| Queue {
    state: Mutex::new(State {
        jobs: Fair::new(GivesWay::Newest),
        over: false,
    }),
    arrived: Condvar::new(),
});
static THREADS: AtomicUsize = AtomicUsize::new(0);
static HANDLES: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Never held while the server is called.
fn queue() -> MutexGuard<'static, State> {
    QUEUE.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the threads, all of them or none. They last as long as the server: a module with a data type
/// is never unloaded.
pub(crate) fn start(threads: usize) -> bool {
    for number in 0..threads {
        let started = thread::Builder::new()
            .name(format!("2fapi-verify-{number}"))
            .spawn(work);
        match started {
            Ok(handle) => HANDLES
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(handle),
            Err(_) => {
                stop();
                return false;
            }
        }
    }
    THREADS.store(threads, Ordering::Relaxed);
    true
}

/// Ends the threads and waits for it: a module that is not loaded after all must not have its code
/// taken away under them.
pub(crate) fn stop() {
    queue().over = true;
    QUEUE.arrived.notify_all();
    let handles = std::mem::take(&mut *HANDLES.lock().unwrap_or_else(PoisonError::into_inner));
    for handle in handles {
        let _ = handle.join();
    }
    queue().over = false;
}

/// In whose line an attempt of this caller would wait, to be asked before there is work done for it; none
/// for a caller that cannot wait, as in a transaction.
pub(crate) fn place(ctx: Ctx<'_>) -> Result<Option<Source>, Failure> {
    if ctx.flags().may_not_block() {
        return Ok(None);
    }
    let source = ctx.source();
    if queue().jobs.has_place(source, settings::waiting_attempts()) {
        Ok(Some(source))
    } else {
        Err(throttled(1))
    }
}

/// Hands an attempt to the threads, and its caller with it.
pub(crate) fn submit(source: Source, attempt: Box<Attempt>, client: Blocked<Attempt>) {
    let (ticket, job) = (client.ticket(), Job { attempt, client });
    let added = queue()
        .jobs
        .add(ticket, source, job, settings::waiting_attempts());
    QUEUE.arrived.notify_one();
    match added {
        Added::Waits => {}
        Added::InPlaceOf(mut job) | Added::Refused(mut job) => {
            job.attempt.displace();
            job.client.answer(job.attempt);
        }
    }
}

impl Settle for Attempt {
    fn settle(&mut self, ctx: Ctx<'_>) -> Result<Answer, Failure> {
        self.conclude(ctx)
    }

    /// If nobody is looking at it yet, nobody will.
    fn abandoned(ticket: u64) {
        let job = queue().jobs.remove(ticket);
        if job.is_some() {
            counters::ABANDONED.add();
        }
    }
}

pub(crate) fn threads() -> usize {
    THREADS.load(Ordering::Relaxed)
}

pub(crate) fn waiting() -> usize {
    queue().jobs.len()
}

fn work() {
    // When there are more threads than cores, the one that serves everybody goes first.
    let _ = rustix::process::nice(10);
    while let Some(mut together) = next() {
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

/// Waits for work, and takes this thread's share of it; none when there will be no more.
fn next() -> Option<Vec<Job>> {
    let mut state = QUEUE
        .arrived
        .wait_while(queue(), |state| state.jobs.len() == 0 && !state.over)
        .unwrap_or_else(PoisonError::into_inner);
    if state.over {
        return None;
    }
    let share = state.jobs.len().div_ceil(threads().max(1)).min(TOGETHER);
    Some(
        std::iter::from_fn(|| state.jobs.next())
            .take(share)
            .collect(),
    )
}
