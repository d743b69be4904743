//! The store as a whole: several nodes, of which one is the master, what reaches the others and when, and
//! what is acknowledged.

use std::{collections::BTreeMap, rc::Rc};

use twofapi_crypto_core::{
    ClientStatus, Record,
    ceremony::{Change, Committed, Epoch},
};

use crate::{
    data::{Data, Version},
    env::Env,
    faults::Fault,
    messages::{Call, Caller, Event, Made, Said},
    node::Node,
};

/// After whose manner the store keeps its spent set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The set is written nowhere else and is empty after a crash; a login waits for nobody.
    Postgres,
    /// The set goes wherever the data goes, late.
    Redis,
}

/// An answer that waits until every node has on its disk what it says.
struct Unacknowledged {
    node: usize,
    term: u64,
    position: u64,
    caller: Caller,
    said: Said,
    written: Written,
}

/// A state of a client that a master has written.
struct Written {
    client: String,
    record: Record,
    made: Made,
}

/// What an operator can go back to.
pub(crate) enum Backup {
    /// What the command for it writes: the records.
    Records(BTreeMap<String, Record>),
    /// A copy of a disk, with all that is on it.
    Disk(Rc<Data>),
}

pub(crate) struct Store {
    pub(crate) engine: Engine,
    pub(crate) nodes: Vec<Node>,
    /// The newest master.
    pub(crate) leader: usize,
    term: u64,
    /// Followers that hear nothing for now.
    pub(crate) is_stalled: bool,
    unacknowledged: Vec<Unacknowledged>,
    pub(crate) backup: Option<Backup>,
}

impl Store {
    pub(crate) fn new(env: &mut Env) -> Self {
        let engine = match env.chance.below(2) {
            0 => Engine::Postgres,
            _ => Engine::Redis,
        };
        let count = env.chance.between(2, 3);
        let nodes = (0..count).map(|_| Node::new(env.chance.between(0, 4000) as i64 - 2000));
        let mut store = Self {
            engine,
            nodes: nodes.collect(),
            leader: 0,
            term: 0,
            is_stalled: false,
            unacknowledged: Vec::new(),
            backup: None,
        };
        store.promote(0);
        store
    }

    /// A node becomes the master, with a history and a term of its own. An older one may not know.
    pub(crate) fn promote(&mut self, node: usize) {
        self.term += 1;
        let it = &mut self.nodes[node];
        it.is_master = true;
        it.history = self.term;
        it.memory.term = self.term;
        self.leader = node;
    }

    /// The older masters follow the newest one.
    pub(crate) fn demote_others(&mut self) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            node.is_master = at == self.leader;
        }
    }

    pub(crate) fn crash(&mut self, node: usize) {
        self.nodes[node].is_up = false;
        self.unacknowledged.retain(|waiting| waiting.node != node);
    }

    /// A node starts with what is on its disk, as the master if there is no newer one.
    pub(crate) fn start(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.is_up = true;
        it.is_master = false;
        it.memory = it.disk.clone();
        if self.engine == Engine::Postgres {
            it.memory.data = Rc::new(it.memory.data.without_set());
        }
        if self.leader == node {
            self.promote(node);
        }
    }

    /// All nodes begin again with what was kept.
    pub(crate) fn restore(&mut self, backup: &Backup, env: &mut Env) {
        let data = match backup {
            Backup::Disk(data) => Rc::clone(data),
            Backup::Records(records) => {
                let mut records = records.clone();
                for (client, record) in &mut records {
                    // The audit says who was revoked since; and what was issued since is over.
                    if env.books.was_revoked(client) {
                        record.revoke();
                    }
                    let _ = record.end_sessions();
                }
                Rc::new(Data::of(records))
            }
        };
        self.unacknowledged.clear();
        self.promote(self.leader);
        self.demote_others();
        for node in &mut self.nodes {
            node.is_up = true;
            node.memory = Version {
                data: Rc::clone(&data),
                term: self.term,
                position: 0,
            };
            node.disk = node.memory.clone();
        }
        env.books.restored(&data.records);
    }

    /// What each node has that takes itself for the master.
    pub(crate) fn masters(&self) -> impl Iterator<Item = (usize, &BTreeMap<String, Record>)> {
        let nodes = self.nodes.iter().enumerate();
        let masters = nodes.filter(|(_, node)| node.is_up && node.is_master);
        masters.map(|(at, node)| (at, &node.memory.data.records))
    }

    /// Carries out a call at a node, if that runs.
    pub(crate) fn called(&mut self, env: &mut Env, at: usize, caller: Caller, call: Call) {
        let node = &mut self.nodes[at];
        if !node.is_up {
            return;
        }
        if !node.is_master {
            env.say(at, caller, Said::NoMaster);
            return;
        }
        let now = env.clock(node.clock) / 1000;
        match call {
            Call::Epoch => {
                let drawn = Epoch::generate(env.chance.source());
                let said = node.epoch(now, drawn.expect("a source that does not fail"), env.fault);
                env.say(at, caller, Said::At(said));
            }
            Call::LookUp(client) => {
                let record = node.memory.data.records.get(&client).cloned();
                env.say(at, caller, Said::Record(record.map(Box::new)));
            }
            Call::LookUpWithSession(client, id) => {
                let record = node.memory.data.records.get(&client).cloned();
                let is_listed = node.lists(&client, &id, now, env.fault);
                if is_listed {
                    env.books.listed(&client, &id);
                }
                env.say(at, caller, Said::Listed(record.map(Box::new), is_listed));
            }
            Call::End(client, id) => {
                if node.end(&client, &id) {
                    env.note(|| format!("node {at}: a session of {client} is ended"));
                    env.books.ended(&id);
                }
                env.say(at, caller, Said::Ended);
            }
            Call::Step(step, session) => {
                let client = step.client_id.as_str();
                let before = node.memory.data.records.get(client).cloned();
                let committed = node.step(&step, session, now, env.ttl, env.fault);
                env.note(|| format!("node {at}: a step of {client} is {committed:?}"));
                if committed == Committed::Done {
                    env.books.stepped(&step, before.as_ref(), now);
                }
                let said = |made| Said::Committed {
                    committed,
                    now,
                    made,
                };
                match &step.change {
                    Change::Insert(record) | Change::Replace(record)
                        if committed == Committed::Done =>
                    {
                        let made = env.books.wrote(client, record);
                        let said = said(Some(made));
                        let written = Written {
                            client: client.to_owned(),
                            record: record.clone(),
                            made,
                        };
                        self.acknowledge(env, at, caller, said, written);
                    }
                    _ => env.say(at, caller, said(None)),
                }
            }
            Call::Change(client, operation) => {
                let changed = node.operate(&client, operation, now);
                env.note(|| format!("node {at}: {operation:?} of {client}"));
                match changed {
                    None => env.say(at, caller, Said::Changed(None)),
                    Some(record) => {
                        if record.status() == ClientStatus::Revoked {
                            env.books.audited_revocation(&client);
                        }
                        let made = env.books.wrote(&client, &record);
                        let said = Said::Changed(Some(made));
                        let written = Written {
                            client,
                            record,
                            made,
                        };
                        self.acknowledge(env, at, caller, said, written);
                    }
                }
            }
        }
    }

    /// Answers once the change is durable.
    fn acknowledge(
        &mut self,
        env: &mut Env,
        node: usize,
        caller: Caller,
        said: Said,
        written: Written,
    ) {
        let memory = &self.nodes[node].memory;
        self.unacknowledged.push(Unacknowledged {
            node,
            term: memory.term,
            position: memory.position,
            caller,
            said,
            written,
        });
        self.settle(env);
    }

    /// Gives the answers whose changes are durable.
    fn settle(&mut self, env: &mut Env) {
        let everywhere = |waiting: &Unacknowledged| {
            self.nodes.iter().all(|node| {
                node.disk.term == waiting.term && node.disk.position >= waiting.position
            })
        };
        let early = env.has(Fault::AcknowledgedTooEarly);
        let (durable, waiting) = std::mem::take(&mut self.unacknowledged)
            .into_iter()
            .partition(|waiting| early || everywhere(waiting));
        self.unacknowledged = waiting;
        let durable: Vec<Unacknowledged> = durable;
        for acknowledged in durable {
            let Unacknowledged {
                node,
                caller,
                said,
                written,
                ..
            } = acknowledged;
            let Written {
                client,
                record,
                made,
            } = written;
            env.note(|| format!("node {node}: a change of {client} is acknowledged"));
            env.books.acknowledged(&client, &record, made);
            env.say(node, caller, said);
        }
    }

    /// The newest master tells every follower what it has.
    pub(crate) fn replicate(&self, env: &mut Env) {
        let leader = &self.nodes[self.leader];
        if !leader.is_up || self.is_stalled {
            return;
        }
        let Version {
            data,
            term,
            position,
        } = leader.memory.clone();
        let data = match self.engine {
            Engine::Postgres => Rc::new(data.without_set()),
            Engine::Redis => data,
        };
        for (node, it) in self.nodes.iter().enumerate() {
            if it.is_up && !it.is_master {
                let late = env.chance.between(1, 60);
                let data = Rc::clone(&data);
                env.after(
                    late,
                    Event::Snapshot {
                        node,
                        term,
                        position,
                        data,
                    },
                );
            }
        }
    }

    /// A follower hears what its master has.
    pub(crate) fn follow(&mut self, node: usize, term: u64, position: u64, data: Rc<Data>) {
        let is_current = term == self.term;
        let it = &mut self.nodes[node];
        let is_newer = (it.memory.term, it.memory.position) < (term, position);
        if it.is_up && !it.is_master && is_current && is_newer {
            it.memory = Version {
                data,
                term,
                position,
            };
        }
    }

    /// What a node has in memory is on its disk.
    pub(crate) fn persist(&mut self, env: &mut Env, node: usize) {
        let it = &mut self.nodes[node];
        if it.is_up {
            it.disk = it.memory.clone();
            self.settle(env);
        }
    }
}
