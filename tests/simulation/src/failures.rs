//! What fails: nodes, replicas, the network between them, clocks and disks, and what ends each failure.

use std::rc::Rc;

use crate::{
    env::Env,
    messages::Event,
    replica::Replica,
    store::{Backup, Store},
};

/// A failure that has an end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// A node does not run.
    Down { node: usize },
    /// A replica has not heard yet who the master is.
    Misled { replica: usize },
    /// An old master does not know that there is a new one.
    SplitBrain,
    /// A replica cannot reach a node.
    Cut { replica: usize, node: usize },
    /// The followers hear nothing.
    Stalled,
}

/// What a failure is called in the log.
pub const FAILURES: [&str; 12] = [
    "the master crashes",
    "failover",
    "split brain",
    "a follower crashes",
    "the clock of a node steps",
    "the clock of a replica steps",
    "a replica starts again",
    "a replica is cut off",
    "the spent set is lost",
    "replication stalls",
    "a backup is restored",
    "a copy of a disk is restored",
];

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
    match env.chance.below(100) {
        // The master falls over and comes back.
        0..14 if store.nodes[leader].is_up => {
            env.fails("the master crashes", || format!("node {leader}"));
            store.crash(leader);
            env.after(length, Event::Ends(Failure::Down { node: leader }));
        }
        // The master falls over and another one takes its place.
        14..28 if another != leader && store.nodes[another].is_up => {
            env.fails("failover", || {
                format!("from node {leader} to node {another}")
            });
            if store.nodes[leader].is_up {
                store.crash(leader);
                env.after(length, Event::Ends(Failure::Down { node: leader }));
            }
            store.promote(another);
            mislead(env, replicas.len());
        }
        // Another one takes its place, and it does not know.
        28..38 if another != leader && store.nodes[another].is_up => {
            env.fails("split brain", || {
                format!("node {another} beside node {leader}")
            });
            store.promote(another);
            mislead(env, replicas.len());
            env.after(length, Event::Ends(Failure::SplitBrain));
        }
        38..42 if another != leader && store.nodes[another].is_up => {
            env.fails("a follower crashes", || format!("node {another}"));
            store.crash(another);
            env.after(length, Event::Ends(Failure::Down { node: another }));
        }
        42..64 => {
            let node = if env.chance.in_hundred(60) {
                leader
            } else {
                another
            };
            let by = steps(env);
            env.fails("the clock of a node steps", || {
                format!("node {node} by {by} ms")
            });
            store.nodes[node].clock += by;
        }
        64..69 => {
            let by = steps(env);
            env.fails("the clock of a replica steps", || {
                format!("replica {replica} by {by} ms")
            });
            replicas[replica].clock += by;
        }
        69..73 => {
            env.fails("a replica starts again", || format!("replica {replica}"));
            replicas[replica].restart(leader);
        }
        73..79 => {
            env.cuts.insert((replica, another));
            let failure = Failure::Cut {
                replica,
                node: another,
            };
            env.fails("a replica is cut off", || {
                format!("{replica} from node {another}")
            });
            env.after(length, Event::Ends(failure));
        }
        79..84 => {
            env.fails("the spent set is lost", || format!("node {leader}"));
            store.nodes[leader].lose_set();
        }
        84..90 => {
            env.fails("replication stalls", String::new);
            store.is_stalled = true;
            env.after(length, Event::Ends(Failure::Stalled));
        }
        90..96 => {
            let node = &store.nodes[leader];
            store.backup = Some(match env.chance.below(2) {
                0 => Backup::Records(node.memory.data.records.clone()),
                _ => Backup::Disk(Rc::clone(&node.disk.data)),
            });
        }
        96..98 => {
            if let Some(backup) = store.backup.take() {
                let kind = match backup {
                    Backup::Records(_) => "a backup is restored",
                    Backup::Disk(_) => "a copy of a disk is restored",
                };
                env.fails(kind, String::new);
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
