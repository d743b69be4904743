//! One run from one seed: who is there, what happens in which order, and whether it is as it must be.

use std::{collections::BTreeMap, fmt};

use twofapi_crypto_core::ClientStatus;

use crate::{
    client::Client,
    env::Env,
    failures,
    faults::Fault,
    messages::{Answer, Asker, Event},
    operator,
    replica::Replica,
    store::Store,
    thief::Thief,
};

const CLIENTS: usize = 4;
/// How long things fail, in milliseconds.
const STORM: u64 = 120_000;
/// How long they work after that; by its end everybody has logged in.
const CALM: u64 = 150_000;
/// How long after the storm a login counts: nothing of the storm is on its way any longer.
const SETTLED: u64 = 90_000;
/// How often the operator lets everybody in until then.
const FORGIVES_EVERY: u64 = 10_000;

/// What has happened in a run that was as it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events in all.
    pub events: u64,
    /// Logins that a step has accepted while things failed.
    pub logins_in_the_storm: u64,
    /// All logins that a step has accepted.
    pub logins: u64,
    /// Enrolments, rotations, links and unlinkings.
    pub changes: u64,
    /// Tokens that were honoured.
    pub honoured: u64,
    /// Sessions that were ended.
    pub ends: u64,
    /// How often each of [`FAILURES`](crate::FAILURES) has come.
    pub failures: BTreeMap<&'static str, u64>,
}

/// What was not as it must be, with the seed that shows it again.
#[derive(Debug)]
pub struct Broken {
    /// The seed of the run.
    pub seed: u64,
    /// What must not be.
    pub what: String,
    /// What happened last, each with its second.
    pub last_events: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.last_events {
            writeln!(f, "{event}")?;
        }
        writeln!(f, "SEED={}: {}", self.seed, self.what)
    }
}

/// Runs a world from its seed, perhaps with a fault put back.
///
/// # Errors
/// What was not as it must be.
pub fn run(seed: u64, fault: Option<Fault>) -> Result<Summary, Broken> {
    let mut world = World::new(seed, fault);
    world.run().map_err(|what| Broken {
        seed,
        what,
        last_events: world.env.last_events(),
    })
}

struct World {
    env: Env,
    store: Store,
    replicas: Vec<Replica>,
    clients: Vec<Client>,
    thief: Thief,
}

impl World {
    fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut env = Env::new(seed, fault);
        env.spared = failures::spared(&mut env.chance);
        let store = Store::new(&mut env);
        let replicas = env.chance.between(2, 4) as usize;
        let replicas = (0..replicas).map(|at| Replica::new(at, &mut env)).collect();
        let clients = (0..CLIENTS).map(|at| Client::new(at, &mut env)).collect();
        let nodes = store.nodes.len();
        env.note(|| format!("{:?} with {nodes} nodes, fault {fault:?}", store.engine));
        env.after(1000, Event::ThiefWakes);
        env.after(3000, Event::OperatorWakes);
        env.after(2000, Event::FailureComes);
        env.after(1, Event::Replicates);
        for node in 0..nodes {
            env.after(1, Event::Persists { node });
        }
        Self {
            env,
            store,
            replicas,
            clients,
            thief: Thief::default(),
        }
    }

    fn run(&mut self) -> Result<Summary, String> {
        let mut summary = Summary::default();
        let mut forgiven = STORM;
        while let Some(event) = self.env.next() {
            let now = self.env.now;
            self.env.books.now = now;
            summary.events += 1;
            if now >= STORM && self.env.is_stormy {
                summary.logins_in_the_storm = self.env.books.logins;
                failures::all_end(&mut self.env, &mut self.store, &mut self.replicas);
            }
            // Again and again, as what was on its way when the storm ended may come in between.
            if forgiven <= STORM + SETTLED && now >= forgiven {
                forgiven += FORGIVES_EVERY;
                operator::forgives(&mut self.env, CLIENTS, self.replicas.len());
            }
            if now > STORM + CALM {
                break;
            }
            self.happens(event);
            for (node, records) in self.store.masters() {
                self.env.books.look_at(node, records);
            }
            if let Some(what) = self.env.books.broken() {
                return Err(what);
            }
        }
        self.everybody_is_in()?;
        let books = &self.env.books;
        summary.logins = books.logins;
        summary.changes = books.changes;
        summary.honoured = books.honoured;
        summary.ends = books.ends;
        summary.failures.clone_from(&self.env.failures);
        Ok(summary)
    }

    fn happens(&mut self, event: Event) {
        let Self {
            env,
            store,
            replicas,
            clients,
            thief,
        } = self;
        let count = replicas.len();
        match event {
            Event::ClientWakes { client, turn } => clients[client].wakes(env, count, turn),
            Event::ThiefWakes => thief.wakes(env, count),
            Event::OperatorWakes => operator::wakes(env, CLIENTS, count),
            Event::FailureComes => failures::comes(env, store, replicas),
            Event::Ends(failure) => failures::ends(env, store, replicas, failure),
            Event::Replicates => {
                store.replicate(env);
                let soon = env.chance.between(20, 200);
                env.after(soon, Event::Replicates);
            }
            Event::Snapshot {
                node,
                term,
                position,
                data,
            } => store.follow(node, term, position, data),
            Event::Persists { node } => {
                store.persist(env, node);
                let soon = env.chance.between(20, 200);
                env.after(soon, Event::Persists { node });
            }
            Event::Asked {
                replica,
                by,
                request,
            } => replicas[replica].asked(env, by, request),
            Event::Answered { to, answer } => {
                let Asker::Client { client, turn } = to else {
                    return;
                };
                if let Answer::Accepted(token) = &answer {
                    thief.steals(env, token.clone());
                }
                if let Some(attempt) = clients[client].hears(env, count, turn, answer) {
                    thief.hears(env, attempt);
                }
            }
            Event::Called { node, caller, call } => store.called(env, node, caller, call),
            Event::Said { caller, said } => {
                replicas[caller.replica].said(env, caller, said, store.leader);
            }
        }
    }

    /// Nobody who may come in is locked out.
    fn everybody_is_in(&self) -> Result<(), String> {
        let records = &self.store.nodes[self.store.leader].memory.data.records;
        for client in &self.clients {
            let id = client.id.as_str();
            let record = records.get(id);
            let is_revoked = record.is_some_and(|kept| kept.status() == ClientStatus::Revoked);
            let is_in = client.let_in_at.is_some_and(|at| at > STORM + SETTLED);
            if !is_revoked && !is_in {
                return Err(format!(
                    "{id} is locked out, of whom this is kept: {record:?}"
                ));
            }
        }
        Ok(())
    }
}
