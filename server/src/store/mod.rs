//! What a server keeps, behind one trait, so that one machine's file and a shared database serve the
//! same rules.

mod at_rest;
mod challenges;
mod client_table;
mod database;
mod embedded;
mod place;
mod signing_keys;

use async_trait::async_trait;
pub use at_rest::ClientsAtRest;
pub use embedded::EmbeddedStore;
pub use place::{StorePlace, User};
pub(crate) use signing_keys::overwrite_stack;
pub use signing_keys::{Seed, SigningKeyRecord};
use twofapi_crypto_core::{
    ClientId, ClientRecord, Error, Transition,
    ceremony::{At, Committed, Step},
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

    /// Changes the status of a client. The inner error is the rule's: not enrolled, or revoked.
    async fn change_status(
        &self,
        id: &ClientId,
        change: LifecycleChange,
    ) -> Result<Result<(Transition, ClientRecord), Error>, StoreError>;

    /// The epoch and the clock of the set of spent challenges, for a server whose clock says `now`. Where
    /// the clock was set back, the set begins another epoch.
    async fn epoch(&self, now: u64) -> Result<At, StoreError>;

    /// Carries out a step, all of it or nothing: see that the record is as expected and the challenge
    /// alive, of this epoch and not spent; spend it; make the change. A challenge may be left spent where
    /// the client was changed in the same moment: then nobody was let in.
    async fn commit(&self, step: &Step, now: u64) -> Result<Committed, StoreError>;

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
