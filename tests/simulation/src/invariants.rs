//! The books from which it is seen, after every event, whether what must always be true is true. They are kept
//! apart from what they judge: by what was acknowledged, and not by what the store has.

use std::collections::{BTreeMap, BTreeSet};

use twofapi_crypto_core::{
    ClientStatus, Record,
    ceremony::{Change, Expect, Spend, Step},
};

use crate::{
    data::SessionId,
    messages::{Made, Token},
};

#[derive(Default)]
pub(crate) struct Books {
    /// Challenges that a step has accepted, by their keys. These never go.
    accepted: BTreeSet<[u8; 16]>,
    /// For which of them a replica has let somebody in.
    let_in: BTreeSet<[u8; 16]>,
    era: u64,
    /// All states of each client in this era.
    states: BTreeMap<String, Vec<Record>>,
    /// What was acknowledged last, of this era.
    acknowledged: BTreeMap<String, Record>,
    /// Since when it is acknowledged, by the true time.
    acknowledged_at: BTreeMap<String, Vec<(u64, usize)>>,
    /// Up to which state a replica was told.
    told: BTreeMap<(usize, String), usize>,
    revoked: BTreeSet<String>,
    /// Sessions that were ended. These never go.
    ended: BTreeSet<SessionId>,
    /// The true time.
    pub(crate) now: u64,
    broken: Option<String>,
    pub(crate) logins: u64,
    pub(crate) changes: u64,
    pub(crate) honoured: u64,
    pub(crate) ends: u64,
}

impl Books {
    fn must(&mut self, is_true: bool, what: impl FnOnce() -> String) {
        if !is_true && self.broken.is_none() {
            self.broken = Some(what());
        }
    }

    pub(crate) fn broken(&mut self) -> Option<String> {
        self.broken.take()
    }

    /// A node has taken a step; `before` is the record that it had, `now` its clock.
    pub(crate) fn stepped(&mut self, step: &Step, before: Option<&Record>, now: u64) {
        let id = &step.client_id;
        match step.change {
            Change::None => self.logins += 1,
            Change::Insert(_) | Change::Replace(_) => self.changes += 1,
        }
        if let Some(spend) = &step.spend {
            let is_first = self.accepted.insert(*spend.key.as_bytes());
            self.must(is_first, || {
                format!("a challenge of {id} was accepted twice")
            });
        }
        let Expect::Unchanged {
            version,
            generation,
            credential,
            ..
        } = &step.expect
        else {
            self.must(before.is_none(), || {
                format!("{id} was enrolled over a record")
            });
            return;
        };
        let named = before.and_then(|record| {
            let named = record.credential(Some(credential))?;
            Some((record, named))
        });
        let Some((record, named)) = named else {
            self.must(false, || {
                format!("{id} was accepted by a credential that is gone")
            });
            return;
        };
        self.must(record.is_active(), || {
            format!(
                "{id} was accepted although it is {}",
                record.status().as_str()
            )
        });
        let is_in_time = record.expiry_of(named).is_none_or(|at| now < at);
        self.must(is_in_time, || {
            format!("{id} was accepted although it has expired")
        });
        let is_same = (record.version(), record.generation()) == (*version, *generation);
        self.must(is_same, || {
            format!("{id} was accepted for a record that is gone")
        });
    }

    /// A replica lets somebody in.
    pub(crate) fn let_in(&mut self, spend: &Spend) {
        let key = *spend.key.as_bytes();
        let is_right = self.accepted.contains(&key) && self.let_in.insert(key);
        self.must(is_right, || {
            "somebody was let in twice, or without a step".to_owned()
        });
    }

    /// A master has ended a session that it listed.
    pub(crate) fn ended(&mut self, session: &SessionId) {
        self.ends += 1;
        self.ended.insert(*session);
    }

    /// A master says that it lists a session.
    pub(crate) fn listed(&mut self, client: &str, session: &SessionId) {
        let is_right = !self.ended.contains(session);
        self.must(is_right, || {
            format!("a session of {client} that was ended is listed again")
        });
    }

    /// A master has written this state of a client.
    pub(crate) fn wrote(&mut self, client: &str, record: &Record) -> Made {
        let states = self.states.entry(client.to_owned()).or_default();
        states.push(record.clone());
        Made {
            era: self.era,
            at: states.len() - 1,
        }
    }

    pub(crate) fn audited_revocation(&mut self, client: &str) {
        self.revoked.insert(client.to_owned());
    }

    /// Whether somebody revoked this client and it came into the audit. Such a client stays out whatever is
    /// restored by the command.
    pub(crate) fn was_revoked(&self, client: &str) -> bool {
        self.revoked.contains(client)
    }

    /// The store has acknowledged this state of a client.
    pub(crate) fn acknowledged(&mut self, client: &str, record: &Record, made: Made) {
        self.acknowledged.insert(client.to_owned(), record.clone());
        let since = self.acknowledged_at.entry(client.to_owned()).or_default();
        since.push((self.now, made.at));
    }

    /// A replica has heard that a change of a client is acknowledged.
    pub(crate) fn told(&mut self, replica: usize, client: &str, made: Made) {
        if made.era == self.era {
            let told = self.told.entry((replica, client.to_owned())).or_default();
            *told = made.at.max(*told);
        }
    }

    /// The oldest state that a replica may go by: the one that it was told of, and what all were told `old`
    /// milliseconds ago.
    pub(crate) fn oldest(&self, replica: usize, client: &str, old: u64) -> Made {
        let told = self.told.get(&(replica, client.to_owned())).copied();
        let since = self.acknowledged_at.get(client);
        let known = since.and_then(|since| {
            let before = since.iter().rev().find(|(at, _)| at + old < self.now);
            before.map(|(_, at)| *at)
        });
        Made {
            era: self.era,
            at: told.max(known).unwrap_or(0),
        }
    }

    /// A replica has honoured a token, at a time by its reading of the store's clock.
    pub(crate) fn honoured(&mut self, token: &Token, was_ended: bool, oldest: Made, now: u64) {
        self.honoured += 1;
        self.must(!was_ended, || {
            format!(
                "a token of {} was honoured whose session was ended",
                token.client
            )
        });
        if oldest.era != self.era {
            return;
        }
        let states = self
            .states
            .get(&token.client)
            .map_or(&[][..], Vec::as_slice);
        let since = states.get(oldest.at..).unwrap_or_default();
        let is_good = since.iter().any(|record| {
            let credential = Some(&token.credential);
            record.honours(credential, token.since, token.generation, now)
        });
        self.must(is_good, || {
            format!(
                "a token of {} was honoured that its record does not honour",
                token.client
            )
        });
    }

    /// Whether a session was ended by now.
    pub(crate) fn was_ended(&self, session: &SessionId) -> bool {
        self.ended.contains(session)
    }

    /// The operator has gone back to what these records say: what was acknowledged after them is lost, and all
    /// that begins now begins with them.
    pub(crate) fn restored(&mut self, records: &BTreeMap<String, Record>) {
        self.era += 1;
        self.acknowledged.clone_from(records);
        self.acknowledged_at.clear();
        self.told.clear();
        let only = |(client, record): (&String, &Record)| (client.clone(), vec![record.clone()]);
        self.states = records.iter().map(only).collect();
        let is_revoked = |client: &String| {
            records
                .get(client)
                .is_some_and(|record| record.status() == ClientStatus::Revoked)
        };
        self.revoked.retain(is_revoked);
    }

    /// Whether a master, which has these records, has what was acknowledged.
    pub(crate) fn look_at(&mut self, node: usize, records: &BTreeMap<String, Record>) {
        let lost = self.acknowledged.iter().find(|(client, said)| {
            let kept = records.get(*client);
            !kept.is_some_and(|kept| has(kept, said))
        });
        if let Some((client, _)) = lost {
            let what = format!("node {node} has lost an acknowledged change of {client}");
            self.broken.get_or_insert(what);
        }
    }
}

/// Whether a record is what was acknowledged, or came after it.
fn has(kept: &Record, said: &Record) -> bool {
    let is_newer = kept.version() >= said.version() && kept.generation() >= said.generation();
    let is_same = kept.version() == said.version() && kept.generation() == said.generation();
    let stays_out = said.status() != ClientStatus::Revoked || kept.status() == said.status();
    // Resuming is the one change that neither of the two numbers tells.
    let stays_in = !is_same || !said.is_active() || kept.is_active();
    is_newer && stays_out && stays_in
}
