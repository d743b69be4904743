//! What fails: nodes, replicas, the network between them, clocks and disks, and what ends each failure.

use std::{collections::BTreeSet, rc::Rc};

use crate::{
    chance::Chance,
    env::Env,
    messages::{Event, Failure},
    replica::Replica,
    store::{Backup, Store},
};

/// What failures are called, and how many in a hundred are of each kind where none is spared.
const KINDS: [(&str, u64); 12] = [
    ("the master crashes", 14),
    ("failover", 14),
    ("split brain", 10),
    ("a follower crashes", 4),
    ("the clock of a node steps", 24),
    ("the clock of a replica steps", 5),
    ("a replica starts again", 4),
    ("a replica is cut off", 6),
    ("the spent set is lost", 5),
    ("replication stalls", 6),
    ("a backup is made", 5),
    ("a backup is restored", 3),
];

/// What failures are called.
pub const FAILURES: [&str; KINDS.len()] = {
    let mut names = [""; KINDS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = KINDS[at].0;
        at += 1;
    }
    names
};

/// Which failures a run is spared: none, some, or all but two. Those that come often hide what takes time to show.
pub(crate) fn spared(chance: &mut Chance) -> BTreeSet<&'static str> {
    let mut spared: BTreeSet<_> = match chance.below(3) {
        0 => return BTreeSet::new(),
        1 => {
            let some = FAILURES.iter().filter(|_| chance.in_hundred(50));
            some.copied().collect()
        }
        _ => FAILURES.into(),
    };
    for _ in 0..2 {
        spared.remove(some_kind(chance, &BTreeSet::new()));
    }
    spared
}

/// One that is not spared; there is one.
fn some_kind(chance: &mut Chance, spared: &BTreeSet<&str>) -> &'static str {
    let kinds = || KINDS.iter().filter(|(kind, _)| !spared.contains(kind));
    let mut which = chance.below(kinds().map(|(_, weight)| weight).sum());
    let kind = kinds().find(|(_, weight)| {
        let is_it = which < *weight;
        which = which.saturating_sub(*weight);
        is_it
    });
    kind.expect("less than all of them").0
}

/// Something fails.
pub(crate) fn comes(env: &mut Env, store: &mut Store, replicas: &mut [Replica]) {
    if !env.is_stormy {
        return;
    }
    let later = env.chance.between(500, 12_000);
    env.after(later, Event::FailureComes);
    let length = env.chance.between(200, 7000);
    let leader = store.leader;
    let another = env.chance.index(store.nodes.len());
    let replica = env.chance.index(replicas.len());
    let kind = some_kind(&mut env.chance, &env.spared);
    match kind {
        // The master falls over and comes back.
        "the master crashes" if store.nodes[leader].is_up => {
            env.fails(kind, || format!("node {leader}"));
            store.crash(leader);
            env.after(length, Event::Ends(Failure::Down { node: leader }));
        }
        // The master falls over and another one takes its place.
        "failover" if another != leader && store.nodes[another].is_up => {
            env.fails(kind, || format!("from node {leader} to node {another}"));
            if store.nodes[leader].is_up {
                store.crash(leader);
                env.after(length, Event::Ends(Failure::Down { node: leader }));
            }
            store.promote(another);
            mislead(env, replicas.len());
        }
        // Another one takes its place, and it does not know.
        "split brain" if another != leader && store.nodes[another].is_up => {
            env.fails(kind, || format!("node {another} beside node {leader}"));
            store.promote(another);
            mislead(env, replicas.len());
            env.after(length, Event::Ends(Failure::SplitBrain));
        }
        "a follower crashes" if another != leader && store.nodes[another].is_up => {
            env.fails(kind, || format!("node {another}"));
            store.crash(another);
            env.after(length, Event::Ends(Failure::Down { node: another }));
        }
        "the clock of a node steps" => {
            let node = if env.chance.in_hundred(60) {
                leader
            } else {
                another
            };
            let by = steps(env);
            env.fails(kind, || format!("node {node} by {by} ms"));
            store.nodes[node].clock += by;
        }
        "the clock of a replica steps" => {
            let by = steps(env);
            env.fails(kind, || format!("replica {replica} by {by} ms"));
            replicas[replica].clock += by;
        }
        "a replica starts again" => {
            env.fails(kind, || format!("replica {replica}"));
            replicas[replica].restart(leader);
        }
        "a replica is cut off" => {
            env.cuts.insert((replica, another));
            let failure = Failure::Cut {
                replica,
                node: another,
            };
            env.fails(kind, || format!("{replica} from node {another}"));
            env.after(length, Event::Ends(failure));
        }
        "the spent set is lost" => {
            env.fails(kind, || format!("node {leader}"));
            store.nodes[leader].lose_set();
        }
        "replication stalls" => {
            env.fails(kind, String::new);
            store.is_stalled = true;
            env.after(length, Event::Ends(Failure::Stalled));
        }
        "a backup is made" => {
            env.fails(kind, String::new);
            let node = &store.nodes[leader];
            store.backup = Some(match env.chance.below(2) {
                0 => Backup::Records(node.memory.data.records.clone()),
                _ => Backup::Disk(Rc::clone(&node.disk.data)),
            });
        }
        "a backup is restored" => {
            if let Some(backup) = store.backup.take() {
                env.fails(kind, || match backup {
                    Backup::Records(_) => "records".to_owned(),
                    Backup::Disk(_) => "a copy of a disk".to_owned(),
                });
                store.restore(&backup, env);
                let leader = store.leader;
                replicas.iter_mut().for_each(|it| it.restart(leader));
            }
        }
        _ => {}
    }
}

/// A failure ends.
pub(crate) fn ends(env: &mut Env, store: &mut Store, replicas: &mut [Replica], failure: Failure) {
    env.note(|| format!("this is over: {failure:?}"));
    match failure {
        Failure::Down { node } if !store.nodes[node].is_up => store.start(node),
        Failure::Down { .. } => {}
        Failure::Misled { replica } => replicas[replica].route = store.leader,
        Failure::SplitBrain => store.demote_others(),
        Failure::Cut { replica, node } => {
            env.cuts.remove(&(replica, node));
        }
        Failure::Stalled => store.is_stalled = false,
    }
}

/// All failures end, but for the clocks: those stay as they are.
pub(crate) fn all_end(env: &mut Env, store: &mut Store, replicas: &mut [Replica]) {
    env.note(|| "from here on nothing fails".to_owned());
    env.is_stormy = false;
    env.cuts.clear();
    store.is_stalled = false;
    for node in 0..store.nodes.len() {
        ends(env, store, replicas, Failure::Down { node });
    }
    store.demote_others();
    for replica in replicas {
        replica.route = store.leader;
    }
}

fn mislead(env: &mut Env, replicas: usize) {
    for replica in 0..replicas {
        let until = env.chance.between(10, 6000);
        env.after(until, Event::Ends(Failure::Misled { replica }));
    }
}

/// How far a clock steps, in milliseconds.
fn steps(env: &mut Env) -> i64 {
    let far = match env.chance.below(3) {
        0 => env.chance.between(500, 5000),
        1 => env.chance.between(5000, 50_000),
        _ => env.chance.between(50_000, 200_000),
    };
    match env.chance.below(2) {
        0 => far as i64,
        _ => -(far as i64),
    }
}
