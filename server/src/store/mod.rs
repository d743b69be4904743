//! What a server keeps, behind one trait, so that one machine's file and a shared database serve the
//! same rules.

mod at_rest;
mod challenges;
mod client_table;
mod database;
mod embedded;
mod place;
mod signing_keys;

use std::sync::Arc;

use async_trait::async_trait;
pub use at_rest::ClientsAtRest;
pub use embedded::EmbeddedStore;
pub use place::{StorePlace, User};
pub(crate) use signing_keys::overwrite_stack;
pub use signing_keys::{Seed, SigningKeyRecord};
use twofapi_crypto_core::{
    Challenge, ChallengeKey, ClientId, ClientRecord, Commitment, Error, Spend, Transition,
};

/// The store could not do its work. The operator reads the reason; clients are told `unavailable`.
#[derive(Debug, thiserror::Error)]
#[error("the store does not work: {0}")]
pub struct StoreError(pub String);

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::error!(reason = error.0, "the store does not work");
        Self::Unavailable {
            reason: "the store does not work for now".into(),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

/// SHA-256 of an enrolment token: what is stored of it.
pub type InvitationKey = [u8; 32];

/// Who permits an enrolment.
#[derive(Clone, Copy, Debug)]
pub enum Permission<'a> {
    /// An enrolment token, which the enrolment uses up.
    Invitation(&'a InvitationKey),
    /// The application that mounted the router has authenticated its user.
    HostApplication,
}

/// How an enrolment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolmentOutcome {
    /// The client is enrolled; an invitation is used up.
    Enrolled,
    /// The id has a record already, of whatever status. Nothing changed.
    AlreadyEnrolled,
    /// There is no such invitation for this client id now. Nothing changed.
    NotInvited,
}

/// A change in the life of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleChange {
    /// Keep it out until it is resumed.
    Suspend,
    /// Let it in again.
    Resume,
    /// Keep it out for ever.
    Revoke,
}

impl LifecycleChange {
    pub(crate) fn apply(self, record: &mut ClientRecord) -> Result<Transition, Error> {
        match self {
            Self::Suspend => record.suspend(),
            Self::Resume => record.resume(),
            Self::Revoke => Ok(record.revoke()),
        }
    }
}

/// From what challenges are computed for now. A challenge is good only in the epoch in which it was
/// issued.
#[derive(Clone, Debug)]
pub struct ChallengeEpoch {
    /// Which epoch.
    pub number: u64,
    /// Its key.
    pub key: Arc<ChallengeKey>,
    /// The time that counts, in Unix seconds: it never goes back within an epoch.
    pub now: u64,
}

/// What a server needs of a store. Every change is durable when its call returns, and atomic.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The record of a client.
    async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError>;

    /// Up to `limit` clients whose ids come after `after`, in the order of their ids.
    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, ClientRecord)>, StoreError>;

    /// Keeps an invitation until `expires_at` (Unix seconds), and forgets those that expired by
    /// `now`.
    async fn invite(
        &self,
        invitation: &InvitationKey,
        id: &ClientId,
        expires_at: u64,
        now: u64,
    ) -> Result<(), StoreError>;

    /// Whether there is a live invitation for this client id. Looking does not use it up.
    async fn is_invited(
        &self,
        invitation: &InvitationKey,
        id: &ClientId,
        now: u64,
    ) -> Result<bool, StoreError>;

    /// Enrols a client that has no record, and uses the invitation up with it.
    async fn enrol(
        &self,
        id: &ClientId,
        commitment: &Commitment,
        permission: Permission<'_>,
        now: u64,
    ) -> Result<EnrolmentOutcome, StoreError>;

    /// Replaces the commitment of an active client whose version is still `expected_version`;
    /// `None` when it is not.
    async fn rotate(
        &self,
        id: &ClientId,
        expected_version: u32,
        new_commitment: &Commitment,
    ) -> Result<Option<ClientRecord>, StoreError>;

    /// Changes the status of a client. The inner error is the rule's: not enrolled, or revoked.
    async fn change_status(
        &self,
        id: &ClientId,
        change: LifecycleChange,
    ) -> Result<Result<(Transition, ClientRecord), Error>, StoreError>;

    /// From what challenges are computed while the wall clock says `now`. A store whose clock was set
    /// back begins another epoch.
    async fn challenge_epoch(&self, now: u64) -> Result<ChallengeEpoch, StoreError>;

    /// Spends a challenge of an epoch; of many callers with one challenge, one is told
    /// [`Spend::Fresh`]. A challenge of an epoch that is over has expired.
    async fn spend(&self, epoch: u64, challenge: &Challenge, now: u64)
    -> Result<Spend, StoreError>;

    /// When the next place for a spent challenge falls free, in seconds, if every place is held; a
    /// store without such a bound says `None`.
    async fn full(&self, now: u64) -> Result<Option<u32>, StoreError>;

    /// Says that the attempt which spent this challenge was refused.
    async fn refused(&self, challenge: &Challenge) -> Result<(), StoreError>;

    /// All signing keys, by the time at which they activate.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Adds a signing key if there are just these others; false when another server was first.
    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        others: &[String],
    ) -> Result<bool, StoreError>;

    /// Forgets a signing key.
    async fn remove_signing_key(&self, kid: &str) -> Result<(), StoreError>;

    /// Whether the store answers, and would take a change.
    async fn check(&self) -> Result<(), StoreError>;
}
