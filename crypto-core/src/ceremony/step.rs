//! What an attempt asks of the store, what the store may answer, and how attempts end.

use alloc::boxed::Box;

use super::{Epoch, Keys, PendingLink};
use crate::{Challenge, ClientId, ClientStatus, CredentialId, Error, Record, ShareTag, SpentKey};

/// What the store has to do in one atomic and durable action, or not at all. In this order: see that
/// the record is as [`expect`](Self::expect)ed; see that the challenge is alive by the store's clock, of
/// the current epoch and not spent; spend it; make the [`change`](Self::change); write the session.
#[derive(Clone, Debug)]
pub struct Step {
    /// Whose record it is about.
    pub client_id: ClientId,
    /// How the record must be.
    pub expect: Expect,
    /// The challenge to be spent; enrolment has none.
    pub spend: Option<Spend>,
    /// What becomes of the record.
    pub change: Change,
}

/// How the record must be for a [`Step`] to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is none, of whatever status, and the permission still is good. It is used up.
    Absent(Permission),
    /// It is active, of this version and generation, and not expired by the store's clock.
    Unchanged {
        /// The version that the proof was verified for.
        version: u32,
        /// The generation that sessions and tokens will name.
        generation: u32,
        /// The credential that has proven: it is there. (A store can lose a record, and the client id be
        /// enrolled anew.)
        credential: CredentialId,
        /// From when on client or credential is let in no longer, in Unix seconds.
        expires_at: Option<u64>,
        /// What a second device left with the client: it must be there still as it is here, and is taken
        /// away.
        joined: Option<Box<PendingLink>>,
    },
    /// It is as it was read, and not revoked; and the permission, which must be one to reset this client,
    /// still is good. It is used up.
    Unrevoked {
        /// Who permits it.
        permission: Permission,
        /// The version that was read.
        version: u32,
        /// The generation that was read.
        generation: u32,
        /// The status that was read, which stays.
        status: ClientStatus,
    },
}

impl Expect {
    /// For a store that has the record at hand inside its step: whether it is as expected by the store's
    /// clock. The permission and what a second device left are the store's to look at.
    pub fn met_by(&self, record: Option<&Record>, now: u64) -> Committed {
        let met = match (self, record) {
            (Self::Absent(_), None) => true,
            (Self::Absent(_), Some(_)) => return Committed::Exists,
            (
                Self::Unchanged {
                    version,
                    generation,
                    credential,
                    ..
                },
                Some(record),
            ) => {
                record.is_active()
                    && record.credential(Some(credential)).is_some()
                    && record.version() == *version
                    && record.generation() == *generation
                    && self.in_time(now)
            }
            (
                Self::Unrevoked {
                    version,
                    generation,
                    status,
                    ..
                },
                Some(record),
            ) => {
                record.version() == *version
                    && record.generation() == *generation
                    && record.status() == *status
                    && *status != ClientStatus::Revoked
            }
            (_, None) => false,
        };
        match met {
            true => Committed::Done,
            false => Committed::Changed,
        }
    }

    /// Whether client and credential are let in still by the store's clock: what is left to be seen where
    /// the rest was seen outside of the lock of the spent set.
    #[must_use]
    pub fn in_time(&self, now: u64) -> bool {
        match self {
            Self::Unchanged {
                expires_at: Some(at),
                ..
            } => now < *at,
            _ => true,
        }
    }
}

/// Who permits an enrolment or a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// An invitation of that kind, by the hash under which the store keeps it.
    Invitation([u8; 32]),
    /// The application around the host: it has authenticated its user, or trusts its caller.
    Host,
}

/// A challenge that is spent by being accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// Under what it goes into the set.
    pub key: SpentKey,
    /// When it expires, in Unix seconds: it leaves the set then, never earlier.
    pub expires_at: u32,
    /// The epoch that it was issued in.
    pub epoch: Epoch,
    /// By what the client's share of the set is counted.
    pub share: ShareTag,
}

impl Spend {
    /// What spending this challenge of this client is, under the keys that it was issued with.
    #[must_use]
    pub fn of(challenge: &Challenge, keys: &Keys, client_id: &ClientId) -> Self {
        Self {
            key: challenge.spent_key,
            expires_at: challenge.id.expires_at(),
            epoch: keys.epoch(),
            share: keys.share_tag(client_id),
        }
    }
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It comes into being.
    Insert(Record),
    /// This one takes its place.
    Replace(Record),
}

/// What a store says it did with a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// All of it, durably.
    Done,
    /// Nothing: the client is not active any longer, expired, of another version or generation, or gone; or
    /// what a second device left is not there any longer.
    Changed,
    /// Nothing: the challenge was accepted before.
    Spent,
    /// Nothing: the challenge is not alive by the store's clock.
    Expired,
    /// Nothing: the set has begun a new epoch since.
    StaleEpoch,
    /// Nothing: the set, or the client's share of it, is full.
    Full {
        /// When the next place falls free, in seconds.
        retry_after: u32,
    },
    /// Nothing: the client id has a record already, of whatever status.
    Exists,
    /// Nothing: the invitation is gone, or for another client id.
    NotInvited,
}

/// Why an attempt is denied. For the operator's eyes: outsiders are told `denied` and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The challenge id is no id, was not issued here, or has expired.
    Challenge,
    /// No client is enrolled under this id.
    UnknownClient,
    /// The client is suspended or revoked.
    InactiveClient,
    /// The client, or the credential that proves, has expired.
    Expired,
    /// The client is not let in from where the attempt comes.
    Source,
    /// The client has no credential of the id that was named.
    UnknownCredential,
    /// The client has the new commitment already, or as many credentials as it may have; or the one that is
    /// to go is not there, or is the last.
    Credentials,
    /// There is no such offer, or another device joined it, or none has.
    Offer,
    /// The attempt names another channel binding than the host's.
    Binding,
    /// The proof does not verify.
    Proof,
    /// The challenge was accepted before.
    Spent,
    /// The client was suspended or revoked, or its credentials were changed, while its proof was looked at.
    Changed,
    /// Nobody permitted this enrolment.
    Permission,
}

/// How an attempt ends that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// What was sent is malformed, and nothing was looked at; or the host cannot do it. The caller may
    /// read the error.
    Failed(Error),
    /// One answer for every cause.
    Denied(Cause),
    /// There is no place for another accepted challenge; this one stays good.
    Throttled {
        /// When trying again makes sense.
        retry_after_seconds: u32,
    },
    /// The client id has a record already. Said to who may enrol it.
    AlreadyEnrolled,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failed(error) => error,
            Refused::Denied(_) => Self::Denied,
            Refused::Throttled {
                retry_after_seconds,
            } => Self::Throttled {
                retry_after_seconds,
            },
            Refused::AlreadyEnrolled => Self::AlreadyEnrolled,
        }
    }
}

impl Committed {
    /// The one reading of a store's answer.
    pub(super) fn answer(self) -> Result<(), Refused> {
        match self {
            Self::Done => Ok(()),
            Self::Changed => Err(Refused::Denied(Cause::Changed)),
            Self::Spent => Err(Refused::Denied(Cause::Spent)),
            Self::Expired | Self::StaleEpoch => Err(Refused::Denied(Cause::Challenge)),
            Self::Full { retry_after } => Err(Refused::Throttled {
                retry_after_seconds: retry_after,
            }),
            Self::Exists => Err(Refused::AlreadyEnrolled),
            Self::NotInvited => Err(Refused::Denied(Cause::Permission)),
        }
    }
}
