//! Linking from a second device: what a client offers, and who joins.

use std::sync::{Arc, Mutex, PoisonError};

use napi::{
    Env, Task,
    bindgen_prelude::{AsyncTask, Uint8Array},
};
use napi_derive::napi;
use twofapi_crypto_core::{
    ChallengeId, Error,
    ceremony::{self, Join, LinkState, Refused},
};

use crate::{
    error::{Fault, fault, invalid_encoding, refused, used},
    record,
    spent::{seconds, shown_seconds},
    task::Once,
};

/// What a client has pending that offers a challenge.
#[napi(object, object_from_js = false)]
pub struct Offered {
    /// What the store keeps.
    pub pending: Uint8Array,
    /// When it is gone, in Unix seconds.
    pub until: i64,
}

/// A second device that asks to be added. Each of its calls is made once, and throws `used` afterwards.
#[napi]
pub struct Joiner {
    joiner: Option<ceremony::Joiner>,
    /// What the thread pool has left.
    join: Arc<Mutex<Option<Join>>>,
}

#[napi]
impl Joiner {
    pub(crate) fn of(joiner: ceremony::Joiner) -> Self {
        Self {
            joiner: Some(joiner),
            join: Arc::default(),
        }
    }

    /// Looks at the joining proof, on the thread pool, whatever the client has pending; empty where that is nothing.
    #[napi(catch_unwind, ts_return_type = "Promise<ToReplace>")]
    pub fn verify(&mut self, pending_link: &[u8]) -> Result<AsyncTask<JoinVerifying>, Fault> {
        let joiner = self.joiner.take().ok_or_else(used)?;
        let pending = record::pending_if_any(pending_link)?;
        let place = Arc::clone(&self.join);
        Ok(AsyncTask::new(JoinVerifying(Once::of(move || {
            Ok(joiner.found(pending).map(|join| {
                let (before, after) = (join.before().to_bytes(), join.after().to_bytes());
                let until = join.after().until();
                place
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .replace(join);
                (before, after, until)
            }))
        }))))
    }

    /// Whether the store has put the one in the place of the other: the number that the second device shows.
    #[napi(catch_unwind)]
    pub fn done(&mut self, replaced: bool) -> Result<u32, Fault> {
        let join = self
            .join
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        join.ok_or_else(used)?.done(replaced).map_err(refused)
    }
}

/// What the store has to put in the place of what; or why there is nothing to do, by `code` and `message`.
#[napi(object, object_from_js = false)]
pub struct ToReplace {
    /// Why the device is refused.
    pub code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// What the client must have pending still.
    pub before: Option<Uint8Array>,
    /// What it has pending afterwards.
    pub after: Option<Uint8Array>,
    /// Until when, in Unix seconds.
    pub until: Option<i64>,
}

type Replacement = (Vec<u8>, Vec<u8>, u64);

/// A second device whose proof is looked at.
pub struct JoinVerifying(Once<Result<Replacement, Refused>>);

impl Task for JoinVerifying {
    type Output = Result<Replacement, Refused>;
    type JsValue = ToReplace;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        self.0.compute()
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> napi::Result<ToReplace> {
        Ok(match output {
            Ok((before, after, until)) => ToReplace {
                code: None,
                message: None,
                before: Some(Uint8Array::new(before)),
                after: Some(Uint8Array::new(after)),
                until: Some(shown_seconds(until)),
            },
            Err(reason) => {
                let fault = refused(reason);
                ToReplace {
                    code: Some(fault.status.to_owned()),
                    message: Some(fault.reason.clone()),
                    before: None,
                    after: None,
                    until: None,
                }
            }
        })
    }
}

/// How far a link from a second device is.
#[napi(object, object_from_js = false)]
pub struct PendingParts {
    /// `open`, `joined` or `clashed`.
    #[napi(ts_type = "'open' | 'joined' | 'clashed'")]
    pub state: &'static str,
    /// The challenge that was offered.
    pub challenge_id: String,
    /// Unix seconds.
    pub expires_at: i64,
    /// That of the device that joined, 32 bytes.
    pub commitment: Option<Uint8Array>,
    /// Its joining proof, 96 bytes.
    pub proof: Option<Uint8Array>,
    /// What it is to be called.
    pub name: Option<String>,
}

/// What a store keeps of a link from a second device; nothing is left of it when its time is over.
#[napi(catch_unwind)]
pub fn read_pending_link(pending: &[u8], now: i64) -> Result<Option<PendingParts>, Fault> {
    let Some(pending) = record::pending_if_any(pending)? else {
        return Ok(None);
    };
    let Some(state) = pending.state(seconds(now)?) else {
        return Ok(None);
    };
    let parts = |state| PendingParts {
        state,
        challenge_id: pending.offer().to_string(),
        expires_at: shown_seconds(pending.until()),
        commitment: None,
        proof: None,
        name: None,
    };
    Ok(Some(match state {
        LinkState::Open => parts("open"),
        LinkState::Clashed => parts("clashed"),
        LinkState::Joined {
            commitment,
            proof,
            name,
        } => PendingParts {
            commitment: Some(Uint8Array::new(commitment.to_vec())),
            proof: Some(Uint8Array::new(proof.to_bytes().to_vec())),
            name: Some(name.as_str().to_owned()),
            ..parts("joined")
        },
    }))
}

/// The number that the second device shows and the user of the first one types.
#[napi(catch_unwind)]
pub fn link_number(challenge_id: String, commitment: &[u8]) -> Result<u32, Fault> {
    let offer = ChallengeId::parse(&challenge_id)
        .map_err(|_| invalid_encoding("challengeId must be ch- and 24 lower-case hex digits"))?;
    let commitment = commitment.try_into().map_err(|_| {
        fault(Error::InvalidLength {
            what: "commitment",
            expected: "32 bytes",
            actual: commitment.len(),
        })
    })?;
    Ok(ceremony::link_number(offer, commitment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_the_pool_fails_its_own_device() {
        assert!(
            JoinVerifying(Once::of(|| panic!("a bug")))
                .compute()
                .is_err()
        );
    }
}
