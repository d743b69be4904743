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
            env.note(|| format!("node {leader}, the master, crashes"));
            store.crash(leader);
            env.after(length, Event::Ends(Failure::Down { node: leader }));
        }
        // The master falls over and another one takes its place.
        14..28 if another != leader && store.nodes[another].is_up => {
            env.note(|| format!("node {leader} crashes, and node {another} is promoted"));
            if store.nodes[leader].is_up {
                store.crash(leader);
                env.after(length, Event::Ends(Failure::Down { node: leader }));
            }
            store.promote(another);
            mislead(env, replicas.len());
        }
        // Another one takes its place, and it does not know.
        28..38 if another != leader && store.nodes[another].is_up => {
            env.note(|| format!("node {another} is promoted beside node {leader}"));
            store.promote(another);
            mislead(env, replicas.len());
            env.after(length, Event::Ends(Failure::SplitBrain));
        }
        38..42 if another != leader && store.nodes[another].is_up => {
            env.note(|| format!("node {another} crashes"));
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
            env.note(|| format!("the clock of node {node} steps by {by} ms"));
            store.nodes[node].clock += by;
        }
        64..69 => {
            let by = steps(env);
            env.note(|| format!("the clock of replica {replica} steps by {by} ms"));
            replicas[replica].clock += by;
        }
        69..73 => {
            env.note(|| format!("replica {replica} starts again"));
            replicas[replica].restart(leader);
        }
        73..79 => {
            env.cuts.insert((replica, another));
            let failure = Failure::Cut {
                replica,
                node: another,
            };
            env.note(|| format!("{failure:?}"));
            env.after(length, Event::Ends(failure));
        }
        79..84 => {
            env.note(|| format!("node {leader} loses its spent set"));
            store.nodes[leader].lose_set();
        }
        84..90 => {
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
                env.note(|| "all nodes begin again with what was kept".to_owned());
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
