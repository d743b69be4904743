//! How far a connection is with its request, and until when it may stay so.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How long each stage may last.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a head to its last; and from the connection to the first byte.
    pub head: Duration,
    /// From an answer to the next request.
    pub idle: Duration,
}

/// How long a new connection may be silent without counting as idle.
const FRESH: Duration = Duration::from_secs(1);

/// What a connection is left after it was told to end, unless it has a request to answer.
const GRACE: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has come yet.
    Fresh,
    /// Every request that came was answered.
    Idle,
    /// A head has begun.
    Head,
    /// A request is being answered, which has a limit of its own.
    Busy,
}

struct Inner {
    state: State,
    /// Since when, or since when something last went out.
    since: Instant,
    /// Whether anything went out since the head began.
    answered: bool,
    /// How many requests are being answered.
    open: usize,
}

/// The stage of one connection, which its stream and its requests keep up to date.
pub(super) struct Stage {
    inner: Mutex<Inner>,
    /// Whether many requests share the connection (HTTP/2). Bytes say nothing then: a ping is neither the
    /// beginning of a head nor a sign that something is asked, and what goes out may be the answer to one.
    shared: AtomicBool,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                state: State::Fresh,
                since: Instant::now(),
                answered: false,
                open: 0,
            }),
            shared: AtomicBool::new(false),
        }
    }

    /// From now on it is one of HTTP/2, whose first request has as long to come as a head has.
    #[cfg(feature = "tls")]
    pub(super) fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
        let mut inner = self.lock();
        inner.state = State::Fresh;
        inner.since = Instant::now();
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn received(&self) {
        if self.is_shared() {
            return;
        }
        let mut inner = self.lock();
        if matches!(inner.state, State::Fresh | State::Idle) {
            *inner = Inner {
                state: State::Head,
                since: Instant::now(),
                answered: false,
                open: 0,
            };
        }
    }

    pub(super) fn sent(&self) {
        let mut inner = self.lock();
        inner.answered = true;
        if inner.state == State::Idle && !self.is_shared() {
            inner.since = Instant::now();
        }
    }

    pub(super) fn begins(&self) {
        let mut inner = self.lock();
        inner.open += 1;
        inner.state = State::Busy;
    }

    pub(super) fn ends(&self) {
        let mut inner = self.lock();
        inner.open = inner.open.saturating_sub(1);
        if inner.open == 0 {
            inner.state = State::Idle;
            inner.since = Instant::now();
        }
    }

    /// Since when nothing has been asked, if that is so.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let inner = self.lock();
        match inner.state {
            State::Idle => Some(inner.since),
            State::Fresh if inner.since.elapsed() >= FRESH => Some(inner.since),
            _ => None,
        }
    }

    /// Whether a head has begun to which nothing was answered.
    pub(super) fn unanswered(&self) -> bool {
        let inner = self.lock();
        inner.state == State::Head && !inner.answered
    }

    /// Until when the connection may stay as it is; `ended` is when it was told to end.
    pub(super) fn deadline(&self, patience: Patience, ended: Option<Instant>) -> Option<Instant> {
        let inner = self.lock();
        let allowed = match inner.state {
            State::Busy => return None,
            State::Fresh | State::Head => inner.since + patience.head,
            State::Idle => inner.since + patience.idle,
        };
        Some(match ended {
            Some(ended) => match inner.state {
                State::Idle => ended.max(inner.since) + GRACE,
                _ => allowed.min(ended + GRACE),
            },
            None => allowed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
    };

    fn left(stage: &Stage, ended: Option<Instant>) -> Option<Duration> {
        let deadline = stage.deadline(PATIENCE, ended)?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_head_has_less_time_than_an_idle_connection_and_a_request_has_its_own() {
        let stage = Stage::new();
        let second = Duration::from_secs(1);
        assert_eq!(left(&stage, None), Some(10 * second));
        assert!(
            stage.idle_since().is_none(),
            "its first bytes are on the way"
        );
        stage.received();
        tokio::time::advance(4 * second).await;
        stage.received();
        assert_eq!(left(&stage, None), Some(6 * second), "each byte buys time");
        assert!(stage.unanswered());
        stage.begins();
        assert_eq!(left(&stage, None), None);
        stage.sent();
        stage.ends();
        assert_eq!(left(&stage, None), Some(75 * second));
        assert!(!stage.unanswered() && stage.idle_since().is_some());
    }

    #[cfg(feature = "tls")]
    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_no_request_keep_no_shared_connection_and_one_answer_of_two_does_not_end_it()
     {
        let stage = Stage::new();
        let second = Duration::from_secs(1);
        stage.share();
        tokio::time::advance(4 * second).await;
        stage.received();
        stage.sent();
        assert_eq!(left(&stage, None), Some(6 * second), "a ping buys time");
        stage.begins();
        stage.begins();
        stage.ends();
        assert_eq!(
            left(&stage, None),
            None,
            "another request is being answered"
        );
        stage.ends();
        tokio::time::advance(70 * second).await;
        stage.received();
        stage.sent();
        assert_eq!(left(&stage, None), Some(5 * second), "a ping buys time");
        assert!(stage.idle_since().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_told_to_end_gets_a_moment_and_no_more() {
        let stage = Stage::new();
        let now = Some(Instant::now());
        assert_eq!(left(&stage, now), Some(GRACE));
        stage.received();
        assert_eq!(left(&stage, now), Some(GRACE));
        stage.begins();
        assert_eq!(left(&stage, now), None, "what has begun is finished");
        tokio::time::advance(Duration::from_secs(3)).await;
        stage.ends();
        assert_eq!(left(&stage, now), Some(GRACE), "and its answer goes out");
    }
}
