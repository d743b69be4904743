//! Logins over several connections: as fast as may be, or at a rate that does not wait for answers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;

use crate::{
    connection::{Connection, Outcome},
    people::People,
};

/// The shortest and the longest that is told apart, in microseconds.
const RANGE: (u64, u64) = (1, 120_000_000);

/// What logins over a while came to.
pub struct Run {
    /// How many were let in.
    pub logins: u64,
    /// For how long it went on.
    pub took: Duration,
    /// How long each took, in microseconds: at a rate, from when it was due.
    pub latencies: Histogram<u64>,
    /// What was not let in, in words.
    pub failed: Vec<String>,
}

impl Run {
    /// Logins per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.logins as f64 / self.took.as_secs_f64()
    }

    /// A part of the logins took no longer, in milliseconds.
    #[must_use]
    pub fn milliseconds(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// What the connections share.
struct Shared {
    people: Arc<People>,
    among: usize,
    latencies: Mutex<Histogram<u64>>,
    failed: Mutex<Vec<String>>,
    stop: AtomicBool,
    due: Semaphore,
    arrivals: Vec<Duration>,
    next: AtomicUsize,
}

impl Shared {
    fn new(people: &Arc<People>, among: usize, arrivals: Vec<Duration>) -> Arc<Self> {
        let latencies = Histogram::new_with_bounds(RANGE.0, RANGE.1, 3);
        Arc::new(Self {
            people: Arc::clone(people),
            among,
            latencies: Mutex::new(latencies.expect("sound bounds")),
            failed: Mutex::default(),
            stop: AtomicBool::new(false),
            due: Semaphore::new(0),
            arrivals,
            next: AtomicUsize::new(0),
        })
    }

    async fn log_in(&self, over: &mut Connection, chance: &mut Chance, since: Instant) {
        let who = chance.below(self.among);
        match over.log_in(&self.people, who).await {
            Ok(Outcome::LetIn(_)) => {
                let took = u64::try_from(since.elapsed().as_micros()).unwrap_or(RANGE.1);
                let mut latencies = self.latencies.lock().expect("no panic");
                latencies.saturating_record(took);
            }
            Ok(other) => self.fail(format!("{other:?}")),
            Err(error) => {
                self.fail(error.0);
                // A connection that is gone does not become better.
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }

    fn fail(&self, why: String) {
        self.failed.lock().expect("no panic").push(why);
    }

    fn ended(&self, took: Duration) -> Run {
        let latencies = self.latencies.lock().expect("no panic").clone();
        Run {
            logins: latencies.len(),
            took,
            latencies,
            failed: std::mem::take(&mut *self.failed.lock().expect("no panic")),
        }
    }
}

/// Each connection logs somebody in of the first `among` of the people, and then the next one, for so long.
pub async fn as_fast_as_may_be(
    over: Vec<Connection>,
    people: &Arc<People>,
    among: usize,
    lasting: Duration,
) -> (Run, Vec<Connection>) {
    let shared = Shared::new(people, among, Vec::new());
    let start = Instant::now();
    let tasks: Vec<_> = over
        .into_iter()
        .enumerate()
        .map(|(number, mut connection)| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut chance = Chance::new(number as u64);
                while start.elapsed() < lasting && !shared.stop.load(Ordering::Relaxed) {
                    let since = Instant::now();
                    shared.log_in(&mut connection, &mut chance, since).await;
                }
                connection
            })
        })
        .collect();
    let mut over = Vec::new();
    for task in tasks {
        over.push(task.await.expect("no panic"));
    }
    (shared.ended(start.elapsed()), over)
}

/// So many logins a second are due for so long, at times that chance decides (a Poisson process), whether those before
/// them have been answered or not; what waits for a connection waits as a client would.
pub async fn at_a_rate(
    over: Vec<Connection>,
    people: &Arc<People>,
    among: usize,
    per_second: f64,
    lasting: Duration,
) -> (Run, Vec<Connection>) {
    let mut chance = Chance::new(0);
    let mut arrivals = Vec::new();
    let mut at = 0.0;
    loop {
        at -= chance.unit().ln() / per_second;
        if at >= lasting.as_secs_f64() {
            break;
        }
        arrivals.push(Duration::from_secs_f64(at));
    }
    let shared = Shared::new(people, among, arrivals);
    let start = Instant::now();
    let tasks: Vec<_> = over
        .into_iter()
        .enumerate()
        .map(|(number, mut connection)| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let mut chance = Chance::new(1 + number as u64);
                while let Ok(due) = shared.due.acquire().await {
                    due.forget();
                    let next = shared.next.fetch_add(1, Ordering::Relaxed);
                    let since = start + shared.arrivals[next];
                    shared.log_in(&mut connection, &mut chance, since).await;
                }
                connection
            })
        })
        .collect();
    // The runtime's timer is too coarse for what takes less than a millisecond; a thread's sleep is not.
    let timer = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            for arrival in &shared.arrivals {
                thread::sleep((start + *arrival).saturating_duration_since(Instant::now()));
                if shared.stop.load(Ordering::Relaxed) {
                    break;
                }
                shared.due.add_permits(1);
            }
            while shared.due.available_permits() > 0 && !shared.stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            shared.due.close();
        })
    };
    let mut over = Vec::new();
    for task in tasks {
        over.push(task.await.expect("no panic"));
    }
    timer.join().expect("no panic");
    (shared.ended(start.elapsed()), over)
}

/// Numbers that look drawn, the same in each run: splitmix64.
struct Chance(u64);

impl Chance {
    const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// Above 0, and 1 at most.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_spread_over_all_and_the_same_each_time() {
        let mut chance = Chance::new(7);
        let mut counts = [0; 10];
        let mut sum = 0.0;
        for _ in 0..10_000 {
            counts[chance.below(10)] += 1;
            let unit = chance.unit();
            assert!(unit > 0.0 && unit <= 1.0);
            sum += unit;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)));
        assert!((4_800.0..5_200.0).contains(&sum));
        assert_eq!(Chance::new(7).next(), Chance::new(7).next());
    }
}
