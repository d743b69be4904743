//! The core's ceremonies as objects. JavaScript has no moves, so an [`Attempt`] knows how far it has come: each
//! step is taken once and throws `used` afterwards. Its verdict stays inside; who drops it has been denied.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use napi::{
    Env,
    bindgen_prelude::{AsyncTask, Uint8Array, Uint8ArraySlice},
};
use napi_derive::napi;
use twofapi_crypto_core::{
    AuthenticationBinding, ChallengeTtl, ClientId, ClientRecord, Commitment, ceremony,
    ceremony::{Committed, Named},
};

use crate::{
    error::{Fault, fault, invalid_encoding, invalid_length},
    low_level::bytes,
    spent::{Spend, seconds},
    task::Verifying,
};

fn used() -> Fault {
    Fault::new(
        "used",
        "this object of an attempt was used already: each is used once",
    )
}

fn refused(refused: ceremony::Refused) -> Fault {
    fault(refused.into())
}

/// The challenge keys of one epoch of a set of spent challenges.
#[napi]
pub struct Keys(Arc<ceremony::Keys>);

#[napi]
impl Keys {
    /// From a root, 32 bytes that stay with the host, and the epoch, 16 bytes that are kept with the set.
    #[napi(constructor, catch_unwind)]
    pub fn new(root: &[u8], epoch: &[u8]) -> Result<Self, Fault> {
        let root = root
            .try_into()
            .map_err(|_| invalid_length("root must be 32 bytes"))?;
        let root = ceremony::Root::new(0, root);
        let keys = ceremony::Keys::derive(&[root], epoch_of(epoch)?).map_err(fault)?;
        Ok(Self(Arc::new(keys)))
    }
}

fn epoch_of(bytes: &[u8]) -> Result<ceremony::Epoch, Fault> {
    let bytes = bytes
        .try_into()
        .map_err(|_| invalid_length("epoch must be 16 bytes"))?;
    Ok(ceremony::Epoch::from_bytes(bytes))
}

/// A challenge as its client is told of it.
#[napi(object, object_from_js = false)]
pub struct Issued<'env> {
    /// `ch-` and 24 hex digits.
    pub challenge_id: String,
    /// 16 bytes.
    pub nonce: Uint8ArraySlice<'env>,
    /// Unix seconds.
    pub expires_at: u32,
}

/// What a host is to keep of a client.
#[napi(object, object_from_js = false)]
pub struct Record {
    /// 32 bytes.
    pub commitment: Uint8Array,
    /// 1 at enrolment, one more with each rotation.
    pub commitment_version: u32,
    /// `active`, `suspended` or `revoked`.
    pub status: String,
}

impl Record {
    /// This host keeps one credential of a client.
    fn of(record: &twofapi_crypto_core::Record) -> Result<Self, Fault> {
        let record = ClientRecord::try_from(record).map_err(fault)?;
        Ok(Self {
            commitment: Uint8Array::new(record.commitment.as_bytes().to_vec()),
            commitment_version: record.commitment_version,
            status: record.status.as_str().to_owned(),
        })
    }
}

/// What a store gives and nobody wrote there: the caller is not to blame for it.
fn stored(commitment: &[u8], commitment_version: u32, status: &str) -> Result<ClientRecord, Fault> {
    let damaged = |_| unavailable_record();
    Ok(ClientRecord {
        commitment: Commitment::from_bytes(commitment).map_err(damaged)?,
        commitment_version,
        status: status.parse().map_err(damaged)?,
    })
}

fn unavailable_record() -> Fault {
    Fault::new("unavailable", "what is stored of a client is damaged")
}

/// What a host decides once for all its attempts, and where each begins.
#[napi]
pub struct Terms(ceremony::Terms);

#[napi]
impl Terms {
    /// Proofs must be bound to this; challenges live so many seconds, by a clock that is so many seconds wrong at most.
    #[napi(constructor, catch_unwind)]
    pub fn new(channel_binding: &[u8], ttl: u32, skew: u32) -> Result<Self, Fault> {
        let binding = AuthenticationBinding::from_bytes(channel_binding).map_err(fault)?;
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|_| Fault::new("unavailable", "the random source of the system fails"))?;
        let ttl = ChallengeTtl::from_seconds(ttl).map_err(fault)?;
        let terms = ceremony::Terms::new(binding, ceremony::Decoys::new(key));
        Ok(Self(terms.with_ttl(ttl).with_skew(skew)))
    }

    /// A fresh challenge, which is stored nowhere.
    #[napi(catch_unwind)]
    pub fn challenge<'env>(
        &self,
        env: &'env Env,
        keys: &Keys,
        client_id: String,
        now: i64,
    ) -> Result<Issued<'env>, Fault> {
        let client_id = ClientId::parse(&client_id).map_err(fault)?;
        let challenge = self
            .0
            .challenge(&keys.0, &client_id, seconds(now)?, &mut getrandom::SysRng)
            .map_err(fault)?;
        Ok(Issued {
            challenge_id: challenge.id.to_string(),
            nonce: bytes(env, challenge.nonce.as_bytes())?,
            expires_at: challenge.id.expires_at(),
        })
    }

    /// Begins an attempt to authenticate.
    #[napi(catch_unwind)]
    pub fn authenticate(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        challenge_id: String,
        proof: &[u8],
    ) -> Result<Attempt, Fault> {
        let request = ceremony::AuthenticationRequest {
            of: named(&client_id, &challenge_id),
            credential: None,
            proof,
            binding: None,
        };
        let wanted = self.0.authenticate(&keys.0, seconds(now)?, &request);
        wanted.map(Attempt::wanted).map_err(refused)
    }

    /// Begins an attempt to replace a commitment.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)]
    pub fn rotate(
        &self,
        keys: &Keys,
        now: i64,
        client_id: String,
        challenge_id: String,
        proof_old: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
    ) -> Result<Attempt, Fault> {
        let request = ceremony::RotationRequest {
            of: named(&client_id, &challenge_id),
            credential: None,
            proof_old,
            commitment_new,
            proof_new,
        };
        let wanted = self.0.rotate(&keys.0, seconds(now)?, &request);
        wanted.map(Attempt::wanted).map_err(refused)
    }

    /// Begins an enrolment.
    #[napi(catch_unwind)]
    pub fn enroll(
        &self,
        client_id: String,
        commitment: &[u8],
        proof: &[u8],
    ) -> Result<Attempt, Fault> {
        let asked = self.0.enrol(&ceremony::EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment,
            proof,
        });
        asked.map(Attempt::asked).map_err(refused)
    }
}

fn named<'a>(client_id: &'a str, challenge_id: &'a str) -> Named<'a> {
    Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id: challenge_id.as_bytes(),
    }
}

/// How far an attempt has come. What it was before is gone.
#[allow(
    clippy::large_enum_variant,
    reason = "an attempt is behind an allocation of its own, and changes in it"
)]
enum State {
    Asked(ceremony::Asked),
    Wanted(ceremony::Wanted),
    Check(ceremony::Check),
    /// On the thread pool, or back from it: what came of it is in the attempt's verdict.
    Verified,
    Commit(ceremony::Commit),
    Ended,
}

/// Takes what the attempt has in one state, or leaves it as it is.
macro_rules! taken {
    ($attempt:ident, $state:ident) => {
        match mem::replace(&mut $attempt.state, State::Ended) {
            State::$state(it) => Ok(it),
            other => {
                $attempt.state = other;
                Err(used())
            }
        }
    };
}

/// An attempt, from where it begins to its end. Each of its calls is for one state, and throws `used` in every
/// other.
#[napi]
pub struct Attempt {
    state: State,
    verdict: Arc<Mutex<Option<ceremony::Checked>>>,
}

#[napi]
impl Attempt {
    fn of(state: State) -> Self {
        Self {
            state,
            verdict: Arc::default(),
        }
    }

    fn asked(asked: ceremony::Asked) -> Self {
        Self::of(State::Asked(asked))
    }

    fn wanted(wanted: ceremony::Wanted) -> Self {
        Self::of(State::Wanted(wanted))
    }

    /// The host permits the enrolment that somebody asks for.
    #[napi(catch_unwind)]
    pub fn permitted(&mut self) -> Result<(), Fault> {
        let asked = taken!(self, Asked)?;
        self.state = State::Check(asked.permitted(ceremony::Permission::Host));
        Ok(())
    }

    /// Whose record is looked up.
    #[napi(getter, catch_unwind)]
    pub fn wanted_client_id(&self) -> Result<&str, Fault> {
        match &self.state {
            State::Wanted(wanted) => Ok(wanted.client_id().as_str()),
            _ => Err(used()),
        }
    }

    /// The client's record.
    #[napi(catch_unwind)]
    pub fn found(
        &mut self,
        commitment: &[u8],
        commitment_version: u32,
        status: String,
    ) -> Result<(), Fault> {
        let wanted = self.take_wanted()?;
        let record = stored(commitment, commitment_version, &status)?;
        self.go_on(wanted, Some(record))
    }

    /// There is no record.
    #[napi(catch_unwind)]
    pub fn missing(&mut self) -> Result<(), Fault> {
        let wanted = self.take_wanted()?;
        self.go_on(wanted, None)
    }

    fn take_wanted(&mut self) -> Result<ceremony::Wanted, Fault> {
        taken!(self, Wanted)
    }

    fn go_on(
        &mut self,
        wanted: ceremony::Wanted,
        record: Option<ClientRecord>,
    ) -> Result<(), Fault> {
        let check = wanted.found(record, |decoy| Commitment::from_bytes(decoy));
        self.state = State::Check(check.map_err(fault)?);
        Ok(())
    }

    /// Looks at the proof, on the thread pool.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn verify(&mut self) -> Result<AsyncTask<Verifying>, Fault> {
        let check = taken!(self, Check)?;
        self.state = State::Verified;
        let verdict = Arc::clone(&self.verdict);
        Ok(AsyncTask::new(Verifying::of(move || {
            let checked = check.verify();
            verdict
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(checked);
        })))
    }

    /// Goes on to what the store has to do; `denied` when there is nothing to do.
    #[napi(catch_unwind)]
    pub fn settle(&mut self) -> Result<(), Fault> {
        let verdict = self
            .verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let commit = verdict.ok_or_else(used)?.settle();
        self.state = State::Ended;
        self.state = State::Commit(commit.map_err(refused)?);
        Ok(())
    }

    fn open(&self) -> Result<&ceremony::Commit, Fault> {
        match &self.state {
            State::Commit(commit) => Ok(commit),
            _ => Err(used()),
        }
    }

    /// Whose record the step is about.
    #[napi(getter, catch_unwind)]
    pub fn client_id(&self) -> Result<&str, Fault> {
        Ok(self.open()?.step().client_id.as_str())
    }

    /// The record must be active and of this version; without one there must be no record.
    #[napi(getter, catch_unwind)]
    pub fn expected_version(&self) -> Result<Option<u32>, Fault> {
        Ok(match self.open()?.step().expect {
            ceremony::Expect::Absent(_) => None,
            ceremony::Expect::Unchanged { version, .. }
            | ceremony::Expect::Unrevoked { version, .. } => Some(version),
        })
    }

    /// The record that is to be there afterwards, where that changes.
    #[napi(getter, catch_unwind)]
    pub fn record(&self) -> Result<Option<Record>, Fault> {
        Ok(match &self.open()?.step().change {
            ceremony::Change::None => None,
            ceremony::Change::Insert(record) | ceremony::Change::Replace(record) => {
                Some(Record::of(record)?)
            }
        })
    }

    /// The challenge that the step spends; enrolment has none.
    #[napi(getter, catch_unwind)]
    pub fn spend(&self) -> Result<Option<Spend>, Fault> {
        Ok(self.open()?.step().spend.map(Spend::of))
    }

    /// What the store did: the version of the commitment from now on. Anything but `done` is an error.
    #[napi(catch_unwind)]
    pub fn done(&mut self, committed: String, retry_after: u32) -> Result<u32, Fault> {
        let commit = taken!(self, Commit)?;
        let committed = match committed.as_str() {
            "done" => Committed::Done,
            "changed" => Committed::Changed,
            "spent" => Committed::Spent,
            "expired" => Committed::Expired,
            "stale_epoch" => Committed::StaleEpoch,
            "full" => Committed::Full { retry_after },
            "exists" => Committed::Exists,
            "not_invited" => Committed::NotInvited,
            _ => return Err(unavailable_answer()),
        };
        let accepted = commit.done(committed).map_err(refused)?;
        Ok(accepted.record().version())
    }
}

fn unavailable_answer() -> Fault {
    Fault::new("unavailable", "the store answered what no store answers")
}

/// The status that a client has after `suspend`, `resume` or `revoke`.
#[napi(catch_unwind)]
pub fn next_status(
    commitment: &[u8],
    commitment_version: u32,
    status: String,
    change: String,
) -> Result<&'static str, Fault> {
    let mut record = stored(commitment, commitment_version, &status)?;
    match change.as_str() {
        "suspend" => record.suspend().map_err(fault)?,
        "resume" => record.resume().map_err(fault)?,
        "revoke" => record.revoke(),
        _ => {
            return Err(invalid_encoding(
                "a change must be suspend, resume or revoke",
            ));
        }
    };
    Ok(record.status.as_str())
}
