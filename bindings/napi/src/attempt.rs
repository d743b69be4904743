//! An attempt as an object. JavaScript has no moves, so it knows how far it has come: each step is taken once and
//! throws `used` afterwards. Its verdict stays inside; who drops it has been denied.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use napi::{
    Env, Task,
    bindgen_prelude::{AsyncTask, Uint8Array},
};
use napi_derive::napi;
use twofapi_crypto_core::{
    Commitment, CredentialName,
    ceremony::{self, Change, Commit, Committed, Expect, Refused, Step},
};

use crate::{
    error::{Fault, fault, refused, used},
    record,
    spent::{Spend, seconds, shown_seconds},
    task::Once,
};

/// How far an attempt has come. What it was before is gone.
enum State {
    Asked(Box<ceremony::Asked>),
    Wanted(Box<ceremony::Wanted>),
    /// On the thread pool, or back from it.
    Begun,
}

/// An attempt, from where it begins to its end. Each of its calls is for one state, and throws `used` in every
/// other.
#[napi]
pub struct Attempt {
    state: State,
    /// What the thread pool has left.
    commit: Arc<Mutex<Option<Commit>>>,
}

#[napi]
impl Attempt {
    fn of(state: State) -> Self {
        Self {
            state,
            commit: Arc::default(),
        }
    }

    pub(crate) fn asked(asked: ceremony::Asked) -> Self {
        Self::of(State::Asked(Box::new(asked)))
    }

    pub(crate) fn wanted(wanted: ceremony::Wanted) -> Self {
        Self::of(State::Wanted(Box::new(wanted)))
    }

    /// Whether the client's pending link is looked up beside its record.
    #[napi(getter, catch_unwind)]
    pub fn wants_pending_link(&self) -> Result<bool, Fault> {
        match &self.state {
            State::Wanted(wanted) => Ok(wanted.wants_pending_link()),
            _ => Err(used()),
        }
    }

    /// Looks at the proof, on the thread pool. The record, and the pending link where it is wanted, are as the store
    /// has them; empty where there is none. `source` is the address that the attempt comes from; a client with allowed
    /// sources is denied from elsewhere, and where there is none, or none that is an address.
    #[napi(catch_unwind, ts_return_type = "Promise<Verified>")]
    pub fn verify(
        &mut self,
        record: &[u8],
        pending_link: &[u8],
        source: Option<String>,
    ) -> Result<AsyncTask<Verifying>, Fault> {
        let wanted = match mem::replace(&mut self.state, State::Begun) {
            State::Wanted(wanted) => wanted,
            other => return self.put_back(other),
        };
        let record = record::stored_if_any(record)?;
        let pending = record::pending_if_any(pending_link)?;
        let source = record::address(source.as_deref());
        Ok(self.on_the_pool(move || {
            let wanted = wanted.with_pending_link(pending).coming_from(source);
            let check = wanted.found(record, |decoy| Commitment::from_bytes(decoy))?;
            check.verify().settle()
        }))
    }

    /// The host permits the enrolment that somebody asks for: looks at the proof, on the thread pool.
    #[napi(catch_unwind, ts_return_type = "Promise<Verified>")]
    pub fn permitted(
        &mut self,
        now: i64,
        name: Option<String>,
    ) -> Result<AsyncTask<Verifying>, Fault> {
        let asked = match mem::replace(&mut self.state, State::Begun) {
            State::Asked(asked) => about(*asked, now, name.as_deref())?,
            other => return self.put_back(other),
        };
        Ok(self.on_the_pool(move || {
            let check = asked.permitted(ceremony::Permission::Host);
            check.verify().settle()
        }))
    }

    /// The host permits that all credentials of this record be replaced: looks at the proof, on the thread pool.
    #[napi(catch_unwind, ts_return_type = "Promise<Verified>")]
    pub fn permitted_to_reset(
        &mut self,
        record: &[u8],
        now: i64,
        name: Option<String>,
    ) -> Result<AsyncTask<Verifying>, Fault> {
        let asked = match mem::replace(&mut self.state, State::Begun) {
            State::Asked(asked) => about(*asked, now, name.as_deref())?,
            other => return self.put_back(other),
        };
        let record = record::stored_if_any(record)?;
        Ok(self.on_the_pool(move || {
            let check = asked.permitted_to_reset(ceremony::Permission::Host, record)?;
            check.verify().settle()
        }))
    }

    fn put_back<T>(&mut self, state: State) -> Result<T, Fault> {
        self.state = state;
        Err(used())
    }

    fn on_the_pool(
        &self,
        job: impl FnOnce() -> Result<Commit, Refused> + Send + 'static,
    ) -> AsyncTask<Verifying> {
        let commit = Arc::clone(&self.commit);
        AsyncTask::new(Verifying::of(move || {
            let settled = job()?;
            let parts = Parts::of(settled.step());
            commit
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(settled);
            Ok(parts)
        }))
    }

    /// What the store did. Anything but `done` is an error.
    #[napi(catch_unwind)]
    pub fn done(&mut self, committed: String, retry_after: u32) -> Result<Accepted, Fault> {
        let commit = self
            .commit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(used)?;
        let committed = match committed.as_str() {
            "done" => Committed::Done,
            "changed" => Committed::Changed,
            "spent" => Committed::Spent,
            "expired" => Committed::Expired,
            "stale_epoch" => Committed::StaleEpoch,
            "full" => Committed::Full { retry_after },
            "exists" => Committed::Exists,
            "not_invited" => Committed::NotInvited,
            _ => {
                return Err(Fault::new(
                    "unavailable",
                    "the store answered what no store answers",
                ));
            }
        };
        let accepted = commit.done(committed).map_err(refused)?;
        Ok(Accepted {
            version: accepted.record().version(),
            generation: accepted.generation(),
            status: accepted.record().status().as_str(),
            credential_id: accepted.credential_id().to_string(),
            since: accepted.since(),
        })
    }
}

/// When the credential comes, and what it is called.
fn about(asked: ceremony::Asked, now: i64, name: Option<&str>) -> Result<ceremony::Asked, Fault> {
    let asked = asked.at(seconds(now)?);
    Ok(match name {
        None => asked,
        Some(name) => asked.named(CredentialName::parse(name.as_bytes()).map_err(fault)?),
    })
}

/// A client that was accepted: what sessions and tokens name.
#[napi(object, object_from_js = false)]
pub struct Accepted {
    /// Of the record from now on.
    pub version: u32,
    /// Of the client.
    pub generation: u32,
    /// Of the client.
    #[napi(ts_type = "string")]
    pub status: &'static str,
    /// The credential that was proven, or that has just taken its place.
    pub credential_id: String,
    /// The version that this credential came with.
    pub since: u32,
}

/// What the store has to do; or why there is nothing to do, by `code` and `message`.
#[napi(object, object_from_js = false)]
pub struct Verified {
    /// Why the attempt is refused.
    pub code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// How the record must be: `absent`, `unchanged` or `unrevoked`.
    pub expects: Option<String>,
    /// The version that it must have.
    pub version: Option<u32>,
    /// The generation that it must have.
    pub generation: Option<u32>,
    /// The credential that must be there.
    pub credential_id: Option<String>,
    /// The store's clock must be before this, in Unix seconds.
    pub expires_at: Option<i64>,
    /// The pending link that must be there, and is taken away.
    pub joined: Option<Uint8Array>,
    /// The challenge that is spent.
    pub spend: Option<Spend>,
    /// The record that is to be there afterwards, where that changes.
    pub record: Option<Uint8Array>,
}

/// A step, ready to travel from the thread pool.
pub struct Parts {
    expects: &'static str,
    version: Option<u32>,
    generation: Option<u32>,
    credential_id: Option<String>,
    expires_at: Option<u64>,
    joined: Option<Vec<u8>>,
    spend: Option<ceremony::Spend>,
    record: Option<Vec<u8>>,
}

impl Parts {
    fn of(step: &Step) -> Self {
        let nothing = Self {
            expects: "absent",
            version: None,
            generation: None,
            credential_id: None,
            expires_at: None,
            joined: None,
            spend: step.spend,
            record: match &step.change {
                Change::None => None,
                Change::Insert(record) | Change::Replace(record) => Some(record.to_bytes()),
            },
        };
        match &step.expect {
            Expect::Absent(_) => nothing,
            Expect::Unchanged {
                version,
                generation,
                credential,
                expires_at,
                joined,
            } => Self {
                expects: "unchanged",
                version: Some(*version),
                generation: Some(*generation),
                credential_id: Some(credential.to_string()),
                expires_at: *expires_at,
                joined: joined.as_ref().map(|joined| joined.to_bytes()),
                ..nothing
            },
            Expect::Unrevoked {
                version,
                generation,
                ..
            } => Self {
                expects: "unrevoked",
                version: Some(*version),
                generation: Some(*generation),
                ..nothing
            },
        }
    }

    fn shown(self) -> Verified {
        Verified {
            code: None,
            message: None,
            expects: Some(self.expects.to_owned()),
            version: self.version,
            generation: self.generation,
            credential_id: self.credential_id,
            expires_at: self.expires_at.map(shown_seconds),
            joined: self.joined.map(Uint8Array::new),
            spend: self.spend.map(Spend::of),
            record: self.record.map(Uint8Array::new),
        }
    }
}

fn refusal(fault: &Fault) -> Verified {
    Verified {
        code: Some(fault.status.to_owned()),
        message: Some(fault.reason.clone()),
        expects: None,
        version: None,
        generation: None,
        credential_id: None,
        expires_at: None,
        joined: None,
        spend: None,
        record: None,
    }
}

/// An attempt whose proof is looked at. A refusal is an answer, since errors of the pool have no code of ours.
pub struct Verifying(Once<Result<Parts, Refused>>);

impl Verifying {
    pub(crate) fn of(job: impl FnOnce() -> Result<Parts, Refused> + Send + 'static) -> Self {
        Self(Once::of(move || Ok(job())))
    }
}

impl Task for Verifying {
    type Output = Result<Parts, Refused>;
    type JsValue = Verified;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        self.0.compute()
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> napi::Result<Verified> {
        Ok(match output {
            Ok(parts) => parts.shown(),
            Err(reason) => refusal(&refused(reason)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_the_pool_fails_its_own_attempt() {
        assert!(Verifying::of(|| panic!("a bug")).compute().is_err());
    }
}
