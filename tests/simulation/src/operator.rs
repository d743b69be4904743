//! An operator, who suspends, resumes and revokes clients, ends their sessions and lets them expire.

use crate::{
    env::Env,
    messages::{Asker, Event, Operation, Request},
};

pub(crate) fn wakes(env: &mut Env, clients: usize, replicas: usize) {
    if !env.is_stormy {
        return;
    }
    let soon = env.chance.between(300, 2500);
    env.after(soon, Event::OperatorWakes);
    let operation = match env.chance.below(100) {
        0..50 => Operation::Resume,
        50..66 => Operation::Suspend,
        66..76 => Operation::EndSessions,
        76..81 => Operation::Expire(Some(env.chance.between(0, 8))),
        81..99 => Operation::Expire(None),
        _ => Operation::Revoke,
    };
    let client = env.chance.index(clients);
    operate(env, client, replicas, operation);
    let opposite = match operation {
        Operation::Suspend => Operation::Resume,
        Operation::Expire(Some(_)) => Operation::Expire(None),
        _ => return,
    };
    // Who is kept out for most of the time shows little.
    let replica = env.chance.index(replicas);
    let request = Request::Operate {
        client: format!("client-{client}"),
        operation: opposite,
    };
    let by = Asker::Operator;
    let soon = env.chance.between(500, 5000);
    env.after(
        soon,
        Event::Asked {
            replica,
            by,
            request,
        },
    );
}

/// Lets everybody in who is not revoked.
pub(crate) fn forgives(env: &mut Env, clients: usize, replicas: usize) {
    for client in 0..clients {
        operate(env, client, replicas, Operation::Resume);
        operate(env, client, replicas, Operation::Expire(None));
    }
}

fn operate(env: &mut Env, client: usize, replicas: usize, operation: Operation) {
    let replica = env.chance.index(replicas);
    let client = format!("client-{client}");
    env.ask(
        replica,
        Asker::Operator,
        Request::Operate { client, operation },
    );
}
