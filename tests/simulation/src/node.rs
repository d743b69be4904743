//! One node of the store: what it keeps, and how it carries a step out, as design and scripts of the real stores
//! have it. Defences can be taken away here.

use std::{collections::BTreeMap, rc::Rc};

use twofapi_crypto_core::{
    Attributes, Error, Record,
    ceremony::{At, Change, Committed, Epoch, Spend, Step},
};

use crate::{
    data::{Data, Session, SessionId, SpentSet, Version},
    faults::Fault,
    messages::Operation,
};

/// How far a reading of the store's clock may be off, in seconds.
pub(crate) const SKEW: u32 = 2;
/// A clock that is further behind the mark than this many seconds was set back.
const SET_BACK: u64 = 60;

pub(crate) struct Node {
    pub(crate) is_up: bool,
    pub(crate) is_master: bool,
    /// Another one whenever it starts or is promoted.
    pub(crate) history: u64,
    /// Milliseconds that its clock is ahead of the true time.
    pub(crate) clock: i64,
    pub(crate) memory: Version,
    pub(crate) disk: Version,
}

impl Node {
    pub(crate) fn new(clock: i64) -> Self {
        Self {
            is_up: true,
            is_master: false,
            history: 0,
            clock,
            memory: Version::default(),
            disk: Version::default(),
        }
    }

    /// Everything that is written is written here.
    fn write(&mut self) -> &mut Data {
        self.memory.position += 1;
        Rc::make_mut(&mut self.memory.data)
    }

    /// The spent set, if it is of this node as it runs now and its clock was not set back.
    fn set(&self, now: u64, fault: Option<Fault>) -> Option<&SpentSet> {
        let set = self.memory.data.set.as_ref()?;
        let is_ours = set.history == self.history || fault == Some(Fault::KeyOutlivesItsSet);
        (is_ours && now + SET_BACK >= set.mark).then_some(set)
    }

    /// The epoch and the time to go by; where there is no set, one is begun.
    pub(crate) fn epoch(&mut self, now: u64, drawn: Epoch, fault: Option<Fault>) -> At {
        if let Some(set) = self.set(now, fault) {
            return At {
                epoch: set.epoch,
                now: now.max(set.mark),
            };
        }
        let history = self.history;
        let data = self.write();
        let was_lost = data.set.is_none();
        let epoch = match (fault, data.key) {
            (Some(Fault::KeyOutlivesItsSet), Some(kept)) if was_lost => kept,
            _ => drawn,
        };
        data.key = Some(epoch);
        data.set = Some(SpentSet {
            epoch,
            history,
            mark: if fault == Some(Fault::NoMark) { 0 } else { now },
            entries: BTreeMap::new(),
        });
        At { epoch, now }
    }

    /// Whatever takes entries away takes the set as a whole.
    pub(crate) fn lose_set(&mut self) {
        self.write().set = None;
    }

    /// A step, as one action.
    pub(crate) fn step(
        &mut self,
        step: &Step,
        session: Option<SessionId>,
        now: u64,
        ttl: u32,
        fault: Option<Fault>,
    ) -> Committed {
        let by_proof = step.spend.is_some();
        if !by_proof || fault != Some(Fault::StepIgnoresTheRecord) {
            let record = self.memory.data.records.get(step.client_id.as_str());
            match step.expect.met_by(record, now) {
                Committed::Done => {}
                other => return other,
            }
        }
        if let Some(spend) = &step.spend {
            match self.spend(spend, now, ttl, fault) {
                Committed::Done => {}
                other => return other,
            }
        }
        if let Change::Insert(record) | Change::Replace(record) = &step.change {
            let id = step.client_id.as_str().to_owned();
            self.write().records.insert(id, record.clone());
        }
        if let (Some(id), Some(spend)) = (session, &step.spend) {
            let session = Session {
                client: step.client_id.as_str().to_owned(),
                epoch: spend.epoch,
            };
            self.write().sessions.insert(id, session);
        }
        Committed::Done
    }

    fn spend(&mut self, spend: &Spend, now: u64, ttl: u32, fault: Option<Fault>) -> Committed {
        let Some(set) = self.set(now, fault).filter(|set| set.epoch == spend.epoch) else {
            return Committed::StaleEpoch;
        };
        let now = now.max(set.mark);
        let expiry = u64::from(spend.expires_at);
        let is_alive = expiry > now && expiry <= now + u64::from(ttl + SKEW);
        if !is_alive && fault != Some(Fault::LivenessBeforeTheStep) {
            return Committed::Expired;
        }
        if set.entries.contains_key(spend.key.as_bytes()) {
            return Committed::Spent;
        }
        if let Some(set) = &mut self.write().set {
            if fault != Some(Fault::NoMark) {
                set.mark = now;
            }
            // What is forgotten would be refused.
            set.entries.retain(|_, expiry| *expiry > now);
            set.entries.insert(*spend.key.as_bytes(), expiry);
        }
        Committed::Done
    }

    /// Whether a session of this client is listed: it is of the set as it is now.
    pub(crate) fn lists(
        &self,
        client: &str,
        id: &SessionId,
        now: u64,
        fault: Option<Fault>,
    ) -> bool {
        let epoch = self.set(now, fault).map(|set| set.epoch);
        let kept = self.memory.data.sessions.get(id);
        kept.is_some_and(|kept| {
            let is_current =
                Some(kept.epoch) == epoch || fault == Some(Fault::SessionsOutliveTheirSet);
            kept.client == client && is_current
        })
    }

    /// Whether it was there.
    pub(crate) fn end(&mut self, client: &str, id: &SessionId) -> bool {
        let kept = self.memory.data.sessions.get(id);
        let is_theirs = kept.is_some_and(|kept| kept.client == client);
        if is_theirs {
            self.write().sessions.remove(id);
        }
        is_theirs
    }

    /// What an operator does. The record as it is then, if that made another one of it.
    pub(crate) fn operate(
        &mut self,
        client: &str,
        operation: Operation,
        now: u64,
    ) -> Option<Record> {
        let before = self.memory.data.records.get(client)?;
        let mut record = before.clone();
        apply(&mut record, operation, now).ok()?;
        if record == *before {
            return None;
        }
        self.write()
            .records
            .insert(client.to_owned(), record.clone());
        Some(record)
    }
}

pub(crate) fn apply(record: &mut Record, operation: Operation, now: u64) -> Result<(), Error> {
    match operation {
        Operation::Suspend => record.suspend().map(drop),
        Operation::Resume => record.resume().map(drop),
        Operation::Revoke => {
            record.revoke();
            Ok(())
        }
        Operation::EndSessions => record.end_sessions(),
        Operation::Expire(Some(seconds)) => {
            let first = record.first().id();
            record.set_expiry(&first, Some(now + seconds))
        }
        Operation::Expire(None) => {
            record.set_attributes(Attributes::default())?;
            let ids: Vec<_> = record.credentials().iter().map(|one| one.id()).collect();
            ids.iter().try_for_each(|id| record.set_expiry(id, None))
        }
    }
}
