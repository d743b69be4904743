//! The trait that every store implements, and what it promises.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use twofapi_crypto_core::{
    ClientId, Error, Record, Transition,
    ceremony::{At, Committed, PendingLink, SpentStats, Step},
};

use super::{
    changes::RecordChange,
    session::{Session, SessionId},
    signing_key::SigningKeyRecord,
};

/// The store could not do its work. The operator reads the reason; clients are told `unavailable`.
#[derive(Debug, thiserror::Error)]
#[error("the store does not work: {0}")]
pub struct StoreError(pub String);

/// How many calls of stores have failed in this process.
static FAILURES: AtomicU64 = AtomicU64::new(0);

/// The same, for who counts.
#[cfg(feature = "metrics")]
pub(crate) fn failures() -> u64 {
    FAILURES.load(Ordering::Relaxed)
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        FAILURES.fetch_add(1, Ordering::Relaxed);
        tracing::error!(reason = error.0, "the store does not work");
        Self::Unavailable {
            reason: "the store does not work for now".into(),
        }
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

/// SHA-256 of an enrolment token: what is stored of it.
pub type InvitationKey = [u8; 32];

/// What an enrolment token permits. One of a kind is none of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationKind {
    /// To enrol a client id that has no record.
    Enrol,
    /// To replace all credentials of a client.
    Reset,
}

/// What a store keeps of an enrolment token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The hash of the token.
    pub key: InvitationKey,
    /// Whom it is for.
    pub client_id: ClientId,
    /// What it permits.
    pub kind: InvitationKind,
    /// When it is over, in Unix seconds.
    pub expires_at: u64,
}

/// What a server needs of a store, by its six concerns: clients, invitations, signing keys, links from a
/// second device, the set of spent challenges, and sessions.
///
/// # What it promises
///
/// | | |
/// |---|---|
/// | durable | A client that was enrolled, reset or changed, an invitation that was made, voided or used up, a signing key that was added or removed: what a call has said is done survives a crash. |
/// | whole | Each call does all of what it says or nothing, whenever the process or the machine dies. An enrolment or a reset and the use of its invitation are one action, and so are a change of credentials and the spending of its challenge. |
/// | exact | Of many steps with one challenge, one is [`Done`](Committed::Done), by whichever server and however many at once. What may have lost an entry of the spent set has another epoch. |
/// | current | A change that was acknowledged is seen by every step and look-up that begins after it, on the server that was told of it; every step sees it, on whichever server. |
/// | one | A store that was moved, is being filled, or came back from a backup has a mark ([`Mark`](super::Mark)), and does nothing that is asked of it here, whoever asks. |
/// | may be lost | The spent set, and with it, under another epoch, every challenge that was issued: its clients ask for a new one. What a second device left: it joins another offer. Sessions: their clients log in again. |
/// | never back | A session that was ended or lost is not listed again, whatever the store loses or is set back to. |
///
/// A call that fails has said nothing: whether the change was made is not known, and the caller does not
/// claim either.
///
/// Each promise is a behaviour of the battery (`store::conformance`, feature `conformance`), which a
/// store passes before it is used.
///
/// # Who calls it
///
/// A login is two calls that have to reach the store, [`look_up`](Self::look_up) and
/// [`commit`](Self::commit), and a refused one is the first alone. [`epoch`](Self::epoch) is asked before
/// both and is meant to be answered from memory.
///
/// The calls are asynchronous, so that a store across a network keeps no thread while it waits, and
/// boxed, so that one service runs on any of them. The embedded store answers within the call and never
/// waits for anything but the disk; its box costs a hundredth of what a proof does.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether other servers may use it at the same time. They need the same operator's keys then.
    fn is_shared(&self) -> bool {
        false
    }

    /// The time by the clock that all servers of the store go by, as far as it is known, for one whose own
    /// says `now`. Tokens go by it: those of one server are good at every other at once.
    fn time(&self, now: u64) -> u64 {
        now
    }

    /// The record of a client: what an attempt is judged by until its step, and a token by each time. What
    /// another server was told may take a moment to be seen here; the step sees it.
    async fn look_up(&self, id: &ClientId) -> Result<Option<Record>, StoreError>;

    /// Up to `limit` clients whose ids come after `after`, in the order of their ids.
    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError>;

    /// Does to a record what the operator wants. The inner error is the rule's: not enrolled, or revoked.
    async fn change_record(
        &self,
        id: &ClientId,
        change: &RecordChange,
    ) -> Result<Result<(Transition, Record), Error>, StoreError>;

    /// Keeps an invitation until it expires, and may forget those that expired by `now`. One to reset a
    /// client takes the place of the one before.
    async fn invite(&self, invitation: &Invitation, now: u64) -> Result<(), StoreError>;

    /// What a live invitation of this key permits for this client id, if there is one. Looking does not use
    /// it up.
    async fn invited_to(
        &self,
        key: &InvitationKey,
        id: &ClientId,
        now: u64,
    ) -> Result<Option<InvitationKind>, StoreError>;

    /// Voids every invitation of a client id, and says how many there were.
    async fn cancel_invitations(&self, id: &ClientId) -> Result<u64, StoreError>;

    /// What a client has pending of a link from a second device, as long as its time is not over.
    async fn pending_link(
        &self,
        id: &ClientId,
        now: u64,
    ) -> Result<Option<PendingLink>, StoreError>;

    /// Keeps what a client offers to a second device, in the place of whatever it had pending. Each client
    /// has one at most, and it is forgotten when its time is over.
    async fn offer_link(
        &self,
        id: &ClientId,
        offer: &PendingLink,
        now: u64,
    ) -> Result<(), StoreError>;

    /// Puts `after` in the place of `before` in one action; false if something else is pending by now.
    async fn replace_pending_link(
        &self,
        id: &ClientId,
        before: &PendingLink,
        after: &PendingLink,
        now: u64,
    ) -> Result<bool, StoreError>;

    /// A number of the list of signing keys, which grows with each key that is added or removed by whichever
    /// server: the newest one that an answer of the store has said. Each [`look_up`](Self::look_up) says it, so that a
    /// server whose keys are of a smaller number knows at its next request.
    fn signing_keys_number(&self) -> u64;

    /// All signing keys, by the time at which they activate; none older than of the number before the call.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Adds a signing key if there are just these others; false when another server was first.
    async fn add_signing_key(
        &self,
        key: &SigningKeyRecord,
        others: &[String],
    ) -> Result<bool, StoreError>;

    /// Forgets a signing key. Every look-up that begins after it says a greater number of the list.
    async fn remove_signing_key(&self, kid: &str) -> Result<(), StoreError>;

    /// The epoch of the spent set that is asked about this client, enrolled or not, and the time by the clock
    /// that the set goes by, for a server whose own clock says `now`. Where that clock was set back, the set
    /// begins another epoch. A store on several machines has several sets.
    ///
    /// A store across a network answers from what its last answers said; once it has answered
    /// [`StaleEpoch`](Committed::StaleEpoch), it says the newer epoch here.
    async fn epoch(&self, id: &ClientId, now: u64) -> Result<At, StoreError>;

    /// How full the spent set is, where this process has it.
    fn spent(&self, _now: u64) -> Option<SpentStats> {
        None
    }

    /// Carries out a step, all of it or nothing: see that the record is as expected
    /// ([`Expect::met_by`](twofapi_crypto_core::ceremony::Expect::met_by)), its invitation or what a second
    /// device left still there, and the challenge alive, of this epoch and not spent; use these up; make the
    /// change. `now` is for stores that go by the
    /// server's clock. A challenge may be left spent where the client was changed in the same moment: then
    /// nobody was let in.
    ///
    /// With [`Done`](Committed::Done), and in the same action, the session is listed; a step that changes a record
    /// opens none. A client has [as many](Session::MOST_OF_ONE) at a time, and nobody else can make it more.
    async fn commit(
        &self,
        step: &Step,
        session: Option<&Session>,
        now: u64,
    ) -> Result<Committed, StoreError>;

    /// The session of this client that has this id, as long as it is listed and its time is not over. Whether the
    /// client's record still honours it is the caller's to ask.
    async fn session(
        &self,
        client: &ClientId,
        id: &SessionId,
        now: u64,
    ) -> Result<Option<Session>, StoreError>;

    /// All sessions of a client that are listed and whose time is not over, in no order.
    async fn sessions(&self, client: &ClientId, now: u64) -> Result<Vec<Session>, StoreError>;

    /// Ends these sessions of a client, and says how many there were.
    async fn end_sessions(&self, client: &ClientId, ids: &[SessionId]) -> Result<u64, StoreError>;

    /// A client's record and one of its sessions: what a token is judged by, each time that it comes.
    async fn look_up_with_session(
        &self,
        client: &ClientId,
        id: &SessionId,
        now: u64,
    ) -> Result<(Option<Record>, Option<Session>), StoreError> {
        tokio::try_join!(self.look_up(client), self.session(client, id, now))
    }

    /// Whether the store answers, and would take a change.
    async fn check(&self) -> Result<(), StoreError>;
}
