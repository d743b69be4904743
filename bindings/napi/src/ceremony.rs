//! The core's ceremonies as objects. JavaScript has no moves, so each object of an attempt is used once
//! and throws `used` afterwards. A verdict stays inside [`Checked`]; who drops an object has been denied.

use std::sync::Arc;

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

fn once<T>(object: &mut Option<T>) -> Result<T, Fault> {
    object.take().ok_or_else(used)
}

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

/// What a host keeps of a client.
#[napi(object)]
pub struct Record {
    /// 32 bytes.
    pub commitment: Uint8Array,
    /// 1 at enrolment, one more with each rotation.
    pub commitment_version: u32,
    /// `active`, `suspended` or `revoked`.
    pub status: String,
}

impl Record {
    /// What a store gives and nobody wrote there: the caller is not to blame for it.
    fn decoded(&self) -> Result<ClientRecord, Fault> {
        let damaged = |_| unavailable_record();
        Ok(ClientRecord {
            commitment: Commitment::from_bytes(&self.commitment).map_err(damaged)?,
            commitment_version: self.commitment_version,
            status: self.status.parse().map_err(damaged)?,
        })
    }

    fn of(record: &ClientRecord) -> Self {
        Self {
            commitment: Uint8Array::new(record.commitment.as_bytes().to_vec()),
            commitment_version: record.commitment_version,
            status: record.status.as_str().to_owned(),
        }
    }
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
    ) -> Result<Wanted, Fault> {
        let request = ceremony::AuthenticationRequest {
            of: named(&client_id, &challenge_id),
            proof,
            binding: None,
        };
        let wanted = self.0.authenticate(&keys.0, seconds(now)?, &request);
        wanted.map(Wanted::of).map_err(refused)
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
    ) -> Result<Wanted, Fault> {
        let request = ceremony::RotationRequest {
            of: named(&client_id, &challenge_id),
            proof_old,
            commitment_new,
            proof_new,
        };
        let wanted = self.0.rotate(&keys.0, seconds(now)?, &request);
        wanted.map(Wanted::of).map_err(refused)
    }

    /// Begins an enrolment.
    #[napi(catch_unwind)]
    pub fn enroll(
        &self,
        client_id: String,
        commitment: &[u8],
        proof: &[u8],
    ) -> Result<Asked, Fault> {
        let asked = self.0.enrol(&ceremony::EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment,
            proof,
        });
        Ok(Asked(Some(asked.map_err(refused)?)))
    }
}

fn named<'a>(client_id: &'a str, challenge_id: &'a str) -> Named<'a> {
    Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id: challenge_id.as_bytes(),
    }
}

/// An enrolment that somebody asks for; it is dropped unless it is permitted.
#[napi]
pub struct Asked(Option<ceremony::Asked>);

#[napi]
impl Asked {
    /// The host permits it.
    #[napi(catch_unwind)]
    pub fn permitted(&mut self) -> Result<Check, Fault> {
        let asked = once(&mut self.0)?;
        Ok(Check(Some(asked.permitted(ceremony::Permission::Host))))
    }
}

/// An attempt whose client is to be looked up.
#[napi]
pub struct Wanted {
    client_id: String,
    wanted: Option<ceremony::Wanted>,
}

#[napi]
impl Wanted {
    fn of(wanted: ceremony::Wanted) -> Self {
        Self {
            client_id: wanted.client_id().to_string(),
            wanted: Some(wanted),
        }
    }

    /// Whose record it is about.
    #[napi(getter)]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The client's record, or that there is none.
    #[napi(catch_unwind)]
    pub fn found(&mut self, record: Option<Record>) -> Result<Check, Fault> {
        let wanted = once(&mut self.wanted)?;
        let record = record.as_ref().map(Record::decoded).transpose()?;
        let check = wanted.found(record, |decoy| Commitment::from_bytes(decoy));
        Ok(Check(Some(check.map_err(fault)?)))
    }
}

/// An attempt whose proof is to be looked at.
#[napi]
pub struct Check(Option<ceremony::Check>);

#[napi]
impl Check {
    /// Looks at the proof, on the thread pool.
    #[napi(catch_unwind, ts_return_type = "Promise<Checked>")]
    pub fn verify(&mut self) -> Result<AsyncTask<Verifying>, Fault> {
        let check = once(&mut self.0)?;
        Ok(AsyncTask::new(Verifying::of(move || check.verify())))
    }
}

/// An attempt with its verdict.
#[napi]
pub struct Checked(Option<ceremony::Checked>);

#[napi]
impl Checked {
    pub(crate) fn of(checked: ceremony::Checked) -> Self {
        Self(Some(checked))
    }

    /// What the store has to do; `denied` when there is nothing to do.
    #[napi(catch_unwind)]
    pub fn settle(&mut self) -> Result<Commit, Fault> {
        let commit = once(&mut self.0)?.settle();
        Ok(Commit(Some(commit.map_err(refused)?)))
    }
}

/// What a store has to do in one atomic and durable action, or not at all.
#[napi(object, object_from_js = false)]
pub struct Step {
    /// Whose record it is about.
    pub client_id: String,
    /// The record must be active and of this version; without one there must be no record.
    pub expected_version: Option<u32>,
    /// The record that is to be there afterwards, where that changes.
    pub record: Option<Record>,
}

/// A step that the store has to take, and that is told here.
#[napi]
pub struct Commit(Option<ceremony::Commit>);

#[napi]
impl Commit {
    fn open(&self) -> Result<&ceremony::Commit, Fault> {
        self.0.as_ref().ok_or_else(used)
    }

    /// What the store has to do.
    #[napi(getter, catch_unwind)]
    pub fn step(&self) -> Result<Step, Fault> {
        let step = self.open()?.step();
        Ok(Step {
            client_id: step.client_id.to_string(),
            expected_version: match step.expect {
                ceremony::Expect::Absent(_) => None,
                ceremony::Expect::Unchanged { version } => Some(version),
            },
            record: match &step.change {
                ceremony::Change::None => None,
                ceremony::Change::Insert(record) | ceremony::Change::Replace(record) => {
                    Some(Record::of(record))
                }
            },
        })
    }

    /// The challenge that the step spends; enrolment has none.
    #[napi(getter, catch_unwind)]
    pub fn spend(&self) -> Result<Option<Spend>, Fault> {
        Ok(self.open()?.step().spend.map(Spend::of))
    }

    /// What the store did; the record is the client's from now on. Anything but `done` is an error.
    #[napi(catch_unwind)]
    pub fn done(&mut self, committed: String, retry_after: u32) -> Result<Record, Fault> {
        let commit = once(&mut self.0)?;
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
        Ok(Record::of(accepted.record()))
    }
}

fn unavailable_answer() -> Fault {
    Fault::new("unavailable", "the store answered what no store answers")
}

/// The status that a client has after `suspend`, `resume` or `revoke`.
#[napi(catch_unwind)]
pub fn next_status(record: Record, change: String) -> Result<&'static str, Fault> {
    let mut record = record.decoded()?;
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
