//! How far a connection is with its request, and until when it may stay so.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
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
}

/// The stage of one connection, which its stream and its requests keep up to date.
pub(super) struct Stage(Mutex<Inner>);

impl Stage {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner {
            state: State::Fresh,
            since: Instant::now(),
            answered: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn received(&self) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Fresh | State::Idle) {
            *inner = Inner {
                state: State::Head,
                since: Instant::now(),
                answered: false,
            };
        }
    }

    pub(super) fn sent(&self) {
        let mut inner = self.lock();
        inner.answered = true;
        if inner.state == State::Idle {
            inner.since = Instant::now();
        }
    }

    pub(super) fn begins(&self) {
        self.lock().state = State::Busy;
    }

    pub(super) fn ends(&self) {
        let mut inner = self.lock();
        inner.state = State::Idle;
        inner.since = Instant::now();
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
