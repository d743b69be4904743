//! What everybody in the simulation shares: the time, chance, the network, the books of the invariants and the
//! log of what has happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use twofapi_crypto_core::{
    Audience, AuthenticationBinding, ChallengeTtl,
    ceremony::{Decoys, Root, Terms},
};

use crate::{
    chance::Chance,
    faults::Fault,
    invariants::Books,
    messages::{Answer, Asker, Call, Caller, Event, Request, Said},
    node::SKEW,
};

/// Unix seconds at the beginning of every run.
const BEGIN: u64 = 1_795_000_000;
/// How many of the last events are told with a failure.
const TOLD: usize = 60;

pub(crate) struct Env {
    /// Milliseconds since the beginning: the true time, which nobody's clock shows.
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) fault: Option<Fault>,
    pub(crate) terms: Terms,
    pub(crate) ttl: u32,
    pub(crate) roots: [Root; 1],
    pub(crate) books: Books,
    /// Whether messages are lost, late and doubled.
    pub(crate) is_stormy: bool,
    /// Which replica cannot reach which node.
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// Which kinds of failures do not come in this run.
    pub(crate) spared: BTreeSet<&'static str>,
    /// How often each kind of failure has come.
    pub(crate) failures: BTreeMap<&'static str, u64>,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    log: VecDeque<String>,
}

impl Env {
    pub(crate) fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut chance = Chance::of(seed);
        let audience: Audience = "https://simulated.example".parse().expect("an audience");
        let binding = AuthenticationBinding::for_audience(&audience);
        let ttl = chance.between(4, 40) as u32;
        let terms = Terms::new(binding, Decoys::new([7; 16]))
            .with_ttl(ChallengeTtl::from_seconds(ttl).expect("a permitted TTL"))
            .with_skew(SKEW);
        let root = Root::generate(0, chance.source()).expect("a source that does not fail");
        Self {
            now: 0,
            chance,
            fault,
            terms,
            ttl,
            roots: [root],
            books: Books::default(),
            is_stormy: true,
            cuts: BTreeSet::new(),
            spared: BTreeSet::new(),
            failures: BTreeMap::new(),
            queue: BTreeMap::new(),
            queued: 0,
            log: VecDeque::new(),
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Unix milliseconds by a clock that is off by so much.
    pub(crate) const fn clock(&self, offset: i64) -> u64 {
        (BEGIN * 1000 + self.now).saturating_add_signed(offset)
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.log.len() == TOLD {
            self.log.pop_front();
        }
        let line = format!("{:>9.3} {}", self.now as f64 / 1000.0, what());
        self.log.push_back(line);
    }

    pub(crate) fn last_events(&self) -> Vec<String> {
        self.log.iter().cloned().collect()
    }

    /// Notes a failure of this kind.
    pub(crate) fn fails(&mut self, kind: &'static str, what: impl FnOnce() -> String) {
        *self.failures.entry(kind).or_default() += 1;
        self.note(|| format!("{kind}: {}", what()));
    }

    /// Something happens in so many milliseconds.
    pub(crate) fn after(&mut self, milliseconds: u64, event: Event) {
        self.queued += 1;
        self.queue
            .insert((self.now + milliseconds, self.queued), event);
    }

    /// What happens next, at its time.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.queue.pop_first()?;
        self.now = at;
        Some(event)
    }

    pub(crate) fn ask(&mut self, replica: usize, by: Asker, request: Request) {
        self.send(&Event::Asked {
            replica,
            by,
            request,
        });
    }

    pub(crate) fn answer(&mut self, to: Asker, answer: Answer) {
        self.send(&Event::Answered { to, answer });
    }

    pub(crate) fn call(&mut self, node: usize, caller: Caller, call: Call) {
        if !self.cuts.contains(&(caller.replica, node)) {
            self.send(&Event::Called { node, caller, call });
        }
    }

    pub(crate) fn say(&mut self, node: usize, caller: Caller, said: Said) {
        if !self.cuts.contains(&(caller.replica, node)) {
            self.send(&Event::Said { caller, said });
        }
    }

    /// Sends a message: never, once or twice, each soon or late.
    fn send(&mut self, message: &Event) {
        let copies = match self.chance.below(100) {
            _ if !self.is_stormy => 1,
            0..2 => 0,
            2..6 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let ttl = u64::from(self.ttl) * 1000;
            let late = match self.chance.below(100) {
                _ if !self.is_stormy => self.chance.between(1, 20),
                0..3 => self.chance.between(1000, 2 * ttl),
                3..10 => self.chance.between(100, 4000),
                _ => self.chance.between(1, 50),
            };
            self.after(late, message.clone());
        }
    }
}
