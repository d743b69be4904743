//! One replica of the service: it drives the real ceremonies, remembers what the store's last answers said, and
//! caches records.

use std::{collections::BTreeMap, sync::Arc};

use twofapi_crypto_core::{
    Commitment, Record,
    ceremony::{
        At, Change, Check, Commit, Committed, EnrolmentRequest, Epoch, Keys, Permission, Refused,
        Wanted,
    },
};

use crate::{
    data::SessionId,
    env::Env,
    faults::Fault,
    messages::{Answer, Asker, Call, Caller, Made, Request, Said, Token},
    requests,
};

/// How long a cached record is good for tokens, in milliseconds since it was asked for.
pub(crate) const CACHED_FOR: u64 = 6000;
/// How long an epoch is taken for what it was, in milliseconds.
const KNOWN_FOR: u64 = 5000;
/// How long an answer of the store may take, in milliseconds.
const WITHIN: u64 = 5000;

pub(crate) struct Replica {
    at: usize,
    /// Which one of its lives it is in.
    life: u64,
    /// Milliseconds that its clock is ahead of the true time.
    pub(crate) clock: i64,
    /// The node that it takes for the master.
    pub(crate) route: usize,
    /// The epoch of the spent set, and when the store said so.
    epoch: Option<(Epoch, u64)>,
    /// What the store's clock said, and when that was by the clock here.
    store_clock: Option<(u64, u64)>,
    keys: Option<Arc<Keys>>,
    cache: BTreeMap<String, Cached>,
    /// When a change of a client was acknowledged here.
    told_at: BTreeMap<String, u64>,
    calls: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Cached {
    record: Record,
    asked_at: u64,
}

struct Waiting {
    by: Asker,
    since: u64,
    for_: For,
}

/// What goes on when the store has answered.
enum For {
    Asked(Request),
    Attempt(Box<Wanted>),
    /// A token, the oldest state to go by, and whether its session was ended before it came.
    Token(Token, Made, bool),
    Step(Box<Commit>, SessionId),
    End,
    Change(String),
}

impl Replica {
    pub(crate) fn new(at: usize, env: &mut Env) -> Self {
        Self {
            at,
            life: 0,
            clock: env.chance.between(0, 10_000) as i64 - 5000,
            route: 0,
            epoch: None,
            store_clock: None,
            keys: None,
            cache: BTreeMap::new(),
            told_at: BTreeMap::new(),
            calls: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// It dies and starts again: all that it knew is gone.
    pub(crate) fn restart(&mut self, leader: usize) {
        self.life += 1;
        self.route = leader;
        self.epoch = None;
        self.store_clock = None;
        self.keys = None;
        self.cache.clear();
        self.told_at.clear();
        self.waiting.clear();
    }

    /// The epoch and the time by the store's clock, if the last answers said so.
    fn known(&self, env: &Env) -> Option<At> {
        let (said, when) = self.store_clock?;
        let elapsed = env.clock(self.clock).saturating_sub(when) / 1000;
        let (epoch, learnt) = self.epoch?;
        let is_known = env.now < learnt + KNOWN_FOR || env.has(Fault::StaleEpochIsKept);
        is_known.then_some(At {
            epoch,
            now: said + elapsed,
        })
    }

    fn learn_clock(&mut self, env: &Env, now: u64) {
        self.store_clock = Some((now, env.clock(self.clock)));
    }

    fn keys(&mut self, env: &Env, epoch: Epoch) -> Arc<Keys> {
        match &self.keys {
            Some(keys) if keys.epoch() == epoch => Arc::clone(keys),
            _ => {
                let keys = Keys::derive(&env.roots, epoch).expect("roots that are told apart");
                Arc::clone(self.keys.insert(Arc::new(keys)))
            }
        }
    }

    fn call(&mut self, env: &mut Env, by: Asker, call: Call, for_: For) {
        self.calls += 1;
        let since = env.now;
        self.waiting.insert(self.calls, Waiting { by, since, for_ });
        let caller = Caller {
            replica: self.at,
            life: self.life,
            call: self.calls,
        };
        env.call(self.route, caller, call);
    }

    /// The cached record of a client, while it is good.
    fn cached(&self, env: &Env, client: &str) -> Option<&Record> {
        let cached = self.cache.get(client)?;
        (env.now < cached.asked_at + CACHED_FOR).then_some(&cached.record)
    }

    /// Somebody asks.
    pub(crate) fn asked(&mut self, env: &mut Env, by: Asker, request: Request) {
        match request {
            Request::Enrol {
                client,
                commitment,
                proof,
            } => {
                let request = EnrolmentRequest {
                    client_id: client.as_bytes(),
                    commitment: &commitment,
                    proof: &proof,
                };
                match env.terms.enrol(&request) {
                    Ok(asked) => self.verify(env, by, asked.permitted(Permission::Host)),
                    Err(_) => env.answer(by, Answer::Denied),
                }
            }
            Request::Present(token) => {
                let oldest = env.books.oldest(self.at, &token.client, CACHED_FOR);
                let was_ended = env.books.was_ended(&token.session);
                let by_record = env.has(Fault::TokenIgnoresItsSession);
                match self.cached(env, &token.client).cloned() {
                    Some(record) if by_record => {
                        self.judge(env, by, &token, (oldest, was_ended), Some(&record));
                    }
                    _ => {
                        let call = Call::LookUpWithSession(token.client.clone(), token.session);
                        self.call(env, by, call, For::Token(token, oldest, was_ended));
                    }
                }
            }
            Request::End(token) => {
                let call = Call::End(token.client, token.session);
                self.call(env, by, call, For::End);
            }
            Request::Operate { client, operation } => {
                let call = Call::Change(client.clone(), operation);
                self.call(env, by, call, For::Change(client));
            }
            Request::Challenge { .. } | Request::Attempt(_) => match self.known(env) {
                Some(at) => self.asked_at(env, by, request, at),
                None => self.call(env, by, Call::Epoch, For::Asked(request)),
            },
        }
    }

    /// Somebody asks for what needs the epoch, and it is known.
    fn asked_at(&mut self, env: &mut Env, by: Asker, request: Request, at: At) {
        let keys = self.keys(env, at.epoch);
        match request {
            Request::Challenge { client } => {
                let client = client.parse().expect("the id of a client");
                let source = env.chance.source();
                let challenge = env.terms.challenge(&keys, &client, at.now, source);
                let challenge = challenge.expect("a source that does not fail");
                env.answer(by, Answer::Challenge(Box::new(challenge)));
            }
            Request::Attempt(attempt) => match requests::begin(&env.terms, &keys, at.now, &attempt)
            {
                Ok(wanted) => {
                    let client = wanted.client_id().as_str().to_owned();
                    match self.cached(env, &client).cloned() {
                        Some(record) => self.found(env, by, wanted, Some(record)),
                        None => {
                            let for_ = For::Attempt(Box::new(wanted));
                            self.call(env, by, Call::LookUp(client), for_);
                        }
                    }
                }
                Err(_) => env.answer(by, Answer::Denied),
            },
            _ => {}
        }
    }

    fn found(&mut self, env: &mut Env, by: Asker, wanted: Wanted, record: Option<Record>) {
        match wanted.found(record, |bytes| Commitment::from_bytes(bytes)) {
            Ok(check) => self.verify(env, by, check),
            Err(_) => env.answer(by, Answer::Unavailable),
        }
    }

    fn verify(&mut self, env: &mut Env, by: Asker, check: Check) {
        match check.verify().settle() {
            Ok(commit) => {
                let session = env.chance.bytes();
                let step = commit.step().clone();
                let is_login = step.spend.is_some() && matches!(step.change, Change::None);
                let call = Call::Step(Box::new(step), is_login.then_some(session));
                self.call(env, by, call, For::Step(Box::new(commit), session));
            }
            Err(_) => env.answer(by, Answer::Denied),
        }
    }

    /// The store answers.
    pub(crate) fn said(&mut self, env: &mut Env, caller: Caller, said: Said, leader: usize) {
        if caller.life != self.life {
            return;
        }
        // Of two answers to one call the second means nothing.
        let Some(Waiting { by, since, for_ }) = self.waiting.remove(&caller.call) else {
            return;
        };
        if env.now > since + WITHIN {
            env.answer(by, Answer::Unavailable);
            return;
        }
        match (said, for_) {
            (Said::NoMaster, _) => {
                self.route = leader;
                env.answer(by, Answer::Unavailable);
            }
            (Said::At(at), For::Asked(request)) => {
                self.epoch = Some((at.epoch, env.now));
                self.learn_clock(env, at.now);
                self.asked_at(env, by, request, at);
            }
            (Said::Record(record), For::Attempt(wanted)) => {
                let client = wanted.client_id().as_str().to_owned();
                self.keep(env, &client, record.as_deref(), since);
                self.found(env, by, *wanted, record.map(|record| *record));
            }
            (Said::Listed(record, is_listed), For::Token(token, oldest, was_ended)) => {
                // The session is the store's to say each time; of the record what is cached will do.
                let record = match self.cached(env, &token.client).cloned() {
                    Some(cached) => Some(cached),
                    None => {
                        self.keep(env, &token.client, record.as_deref(), since);
                        record.map(|record| *record)
                    }
                };
                let is_good = is_listed || env.has(Fault::TokenIgnoresItsSession);
                let record = record.filter(|_| is_good);
                self.judge(env, by, &token, (oldest, was_ended), record.as_ref());
            }
            (Said::Ended, For::End) => env.answer(by, Answer::Done),
            (
                Said::Committed {
                    committed,
                    now,
                    made,
                },
                For::Step(commit, session),
            ) => {
                self.learn_clock(env, now);
                if committed == Committed::StaleEpoch && !env.has(Fault::StaleEpochIsKept) {
                    self.epoch = None;
                }
                let client = commit.step().client_id.as_str().to_owned();
                if committed == Committed::Changed || made.is_some() {
                    self.forget(env, &client, made);
                }
                let spend = commit.step().spend;
                let answer = match (commit.done(committed), spend) {
                    (Ok(accepted), Some(spend)) => {
                        env.books.let_in(&spend);
                        Answer::Accepted(requests::token(&accepted, session))
                    }
                    (Ok(_), None) | (Err(Refused::AlreadyEnrolled), _) => Answer::Done,
                    (Err(_), _) => Answer::Denied,
                };
                env.answer(by, answer);
            }
            (Said::Changed(made), For::Change(client)) => {
                self.forget(env, &client, made);
                env.answer(by, Answer::Done);
            }
            _ => {}
        }
    }

    /// Keeps what was found for a while, unless a change was acknowledged here since it was asked for.
    fn keep(&mut self, env: &Env, client: &str, record: Option<&Record>, asked_at: u64) {
        let is_older = self
            .told_at
            .get(client)
            .is_some_and(|told| asked_at <= *told);
        let Some(record) = record.filter(|_| !is_older) else {
            return;
        };
        if env.now < asked_at + CACHED_FOR {
            let record = record.clone();
            self.cache
                .insert(client.to_owned(), Cached { record, asked_at });
        }
    }

    /// What is cached of a client is not true any longer.
    fn forget(&mut self, env: &mut Env, client: &str, made: Option<Made>) {
        if let Some(made) = made {
            env.books.told(self.at, client, made);
        }
        if !env.has(Fault::CacheHidesARevocation) {
            self.cache.remove(client);
            self.told_at.insert(client.to_owned(), env.now);
        }
    }

    fn judge(
        &self,
        env: &mut Env,
        by: Asker,
        token: &Token,
        (oldest, was_ended): (Made, bool),
        record: Option<&Record>,
    ) {
        let now = match self.store_clock {
            Some((said, when)) => said + env.clock(self.clock).saturating_sub(when) / 1000,
            None => env.clock(self.clock) / 1000,
        };
        let credential = Some(&token.credential);
        let is_good = record
            .is_some_and(|record| record.honours(credential, token.since, token.generation, now));
        if is_good {
            env.books.honoured(token, was_ended, oldest, now);
        }
        let answer = if is_good {
            Answer::Done
        } else {
            Answer::Denied
        };
        env.answer(by, answer);
    }
}
