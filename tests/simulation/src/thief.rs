//! A thief who hears all that clients say and are told: it says everything again, at any replica and at any time.

use crate::{
    env::Env,
    messages::{Asker, Attempt, Event, Request, Token},
};

/// How much of each it remembers.
const REMEMBERS: usize = 200;

#[derive(Default)]
pub(crate) struct Thief {
    attempts: Vec<Attempt>,
    tokens: Vec<Token>,
}

impl Thief {
    pub(crate) fn hears(&mut self, env: &mut Env, attempt: Attempt) {
        remember(env, &mut self.attempts, attempt);
    }

    pub(crate) fn steals(&mut self, env: &mut Env, token: Token) {
        remember(env, &mut self.tokens, token);
    }

    pub(crate) fn wakes(&self, env: &mut Env, replicas: usize) {
        // In a calm it wins nothing, and costs only time.
        let soon = match env.is_stormy {
            true => env.chance.between(20, 160),
            false => env.chance.between(500, 2000),
        };
        env.after(soon, Event::ThiefWakes);
        let request = if env.chance.in_hundred(75) {
            let attempt = some(env, &self.attempts).cloned();
            attempt.map(|attempt| Request::Attempt(Box::new(attempt)))
        } else {
            some(env, &self.tokens).cloned().map(Request::Present)
        };
        if let Some(request) = request {
            let replica = env.chance.index(replicas);
            env.ask(replica, Asker::Thief, request);
        }
    }
}

/// The newest lies at the end, and any other may give way to it.
fn remember<T>(env: &mut Env, all: &mut Vec<T>, one: T) {
    if all.len() == REMEMBERS {
        all.remove(env.chance.index(REMEMBERS));
    }
    all.push(one);
}

/// One of the newest, or any.
fn some<'a, T>(env: &mut Env, all: &'a [T]) -> Option<&'a T> {
    let newest = all.len().saturating_sub(8);
    let from = if env.chance.in_hundred(40) { newest } else { 0 };
    let among = &all[from..];
    (!among.is_empty()).then(|| &among[env.chance.index(among.len())])
}
