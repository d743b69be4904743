//! The one thread that changes the file: it takes all changes that wait and makes them durable
//! together, so that many concurrent enrolments share the wait for the disk.

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::database::Reopened;
use crate::store::api::{StoreError, failed};

/// The most changes that share one commit.
const BATCH: usize = 256;

/// How long the writer waits before it tries again to open a file that could not be opened.
pub(super) const REOPEN_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    /// `None` only while it is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce(&WriteTransaction) -> Done + Send>;

struct Done {
    /// False when the change failed midway, so that the transaction must not be committed.
    sound: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

impl Writer {
    pub(super) fn start(database: Arc<Reopened>) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("2fapi-store".into())
            .spawn(move || write_all(&database, &queue))
            .map_err(failed)?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs a change in the next transaction and waits until it is durable. A change either writes all
    /// it has to or, by returning early, nothing.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let outcome = change(transaction);
            Done {
                sound: outcome.is_ok(),
                answer: Box::new(move |committed| {
                    let _ = reply.send(outcome.and_then(|value| committed.map(|()| value)));
                }),
            }
        });
        let gone = || StoreError("the change could not be begun".into());
        self.jobs
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// As [`Writer::write`], where nobody waits for it.
    pub(super) fn write_last(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), StoreError> + Send + 'static,
    ) {
        let job: Job = Box::new(move |transaction| Done {
            sound: change(transaction).is_ok(),
            answer: Box::new(drop),
        });
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }

    /// Something could not be read: the writer finds the same, and opens the file again.
    pub(super) fn look_after(&self) {
        let nothing: Job = Box::new(|_| Done {
            sound: true,
            answer: Box::new(drop),
        });
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(nothing));
    }

    pub(super) fn is_gone(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// After an error it opens the file again, until it can.
fn write_all(database: &Reopened, queue: &mpsc::Receiver<Job>) {
    let mut open = true;
    loop {
        let first = if open {
            queue.recv().map_err(Into::into)
        } else {
            queue.recv_timeout(REOPEN_AFTER)
        };
        if !open {
            open = reopen(database);
        }
        let first = match first {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let jobs = std::iter::once(first).chain(queue.try_iter().take(BATCH - 1));
        let mut done = Vec::new();
        let committed = database.write(|transaction| {
            for job in jobs {
                done.push(job(transaction));
            }
            if done.iter().all(|done| done.sound) {
                Ok(())
            } else {
                Err(StoreError("a change in the same commit failed".into()))
            }
        });
        if committed.is_err() {
            open = reopen(database);
        }
        for Done { answer, .. } in done {
            answer(match &committed {
                Ok(()) => Ok(()),
                Err(StoreError(reason)) => Err(StoreError(reason.clone())),
            });
        }
    }
}

fn reopen(database: &Reopened) -> bool {
    match database.reopen() {
        Ok(()) => {
            tracing::info!("the store was opened again after an error");
            true
        }
        Err(StoreError(reason)) => {
            tracing::warn!(reason, "the store could not be opened again");
            false
        }
    }
}
