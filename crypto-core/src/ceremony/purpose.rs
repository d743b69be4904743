//! What an attempt is to achieve, decoded, and which equations it stands or falls with.

use alloc::{boxed::Box, sync::Arc};

use super::{
    PendingLink,
    step::{Cause, Change, Permission, Refused},
};
use crate::{
    Attributes, Authentication, AuthenticationBinding, Challenge, ClientId, Commitment,
    CredentialId, CredentialName, Enrolment, Error, Joining, Linking, Nonce, Proof, Record,
    Rotation, Unlinking, sigma::statement::Stated, verify,
};

/// What an attempt is to achieve.
pub(super) enum Purpose {
    Enrol(Permitted),
    /// The credentials of this record are replaced.
    Reset(Permitted, Record),
    Asked(Request),
}

/// Who has permission brings a credential.
pub(super) struct Permitted {
    pub(super) by: Permission,
    pub(super) commitment: Commitment,
    pub(super) name: CredentialName,
    pub(super) attributes: Option<Attributes>,
    pub(super) proof: Proof,
}

/// What a credential that is enrolled asks for, over a challenge.
pub(super) struct Request {
    pub(super) challenge: Challenge,
    pub(super) binding: Arc<AuthenticationBinding>,
    pub(super) proof: Proof,
    pub(super) to: Asks,
}

/// What is asked for.
pub(super) enum Asks {
    Authenticate {
        /// Whether the binding that the caller named is one that the host permits.
        agreed: bool,
    },
    Rotate {
        commitment_new: Commitment,
        proof_new: Proof,
    },
    Link {
        commitment_new: Commitment,
        new: New,
    },
    Unlink {
        commitment_old: [u8; Commitment::LEN],
    },
}

/// The credential that is to be linked.
pub(super) enum New {
    /// At the same device.
    Here { proof: Proof, name: CredentialName },
    /// At a second one, which has joined before.
    Kept(Option<Box<PendingLink>>),
}

impl Purpose {
    /// The statement and the proof that decide.
    pub(super) fn stated<'a>(&'a self, client_id: &'a ClientId) -> (Stated<'a>, &'a Proof) {
        match self {
            Self::Enrol(permitted) | Self::Reset(permitted, _) => {
                (Stated::Enrolment(Enrolment { client_id }), &permitted.proof)
            }
            Self::Asked(request) => (request.stated(client_id), &request.proof),
        }
    }

    /// What a new credential has to show: looked at only for who holds one that is enrolled.
    pub(super) fn new_one_holds(&self, client_id: &ClientId, now: u64) -> bool {
        match self {
            Self::Enrol(_) | Self::Reset(..) => true,
            Self::Asked(request) => request.new_one_holds(client_id, now),
        }
    }
}

/// What is to become of a client's record.
pub(super) struct Outcome {
    pub(super) change: Change,
    pub(super) record: Record,
    /// The credential that is there instead of the one that proved, or that one.
    pub(super) credential: CredentialId,
    /// The version that it came with.
    pub(super) since: u32,
    /// What a second device left, and is used up.
    pub(super) joined: Option<Box<PendingLink>>,
}

impl Request {
    fn stated<'a>(&'a self, client_id: &'a ClientId) -> Stated<'a> {
        let (nonce, binding) = (&self.challenge.nonce, &*self.binding);
        match &self.to {
            Asks::Authenticate { .. } => Stated::Authentication(Authentication {
                client_id,
                nonce,
                binding,
            }),
            Asks::Rotate { commitment_new, .. } => Stated::Rotation(Rotation::permitted(
                client_id,
                nonce,
                commitment_new,
                binding,
            )),
            Asks::Link { commitment_new, .. } => {
                let new = commitment_new.as_bytes();
                Stated::Linking(Linking::permitted(client_id, nonce, new, binding))
            }
            Asks::Unlink { commitment_old } => Stated::Unlinking(Unlinking::permitted(
                client_id,
                nonce,
                commitment_old,
                binding,
            )),
        }
    }

    fn new_one_holds(&self, client_id: &ClientId, now: u64) -> bool {
        let (commitment, new) = match &self.to {
            Asks::Authenticate { .. } | Asks::Unlink { .. } => return true,
            Asks::Rotate {
                commitment_new,
                proof_new,
            } => return verify(commitment_new, &Enrolment { client_id }, proof_new).is_ok(),
            Asks::Link {
                commitment_new,
                new,
            } => (commitment_new, new),
        };
        let joins = |nonce: &Nonce, proof| {
            let joining = Joining::permitted(client_id, nonce, &self.binding);
            verify(commitment, &joining, proof).is_ok()
        };
        match new {
            New::Here { proof, .. } => joins(&self.challenge.nonce, proof),
            New::Kept(kept) => {
                kept.as_ref()
                    .and_then(|kept| kept.joined(now))
                    .is_some_and(|kept| {
                        kept.commitment == commitment.as_bytes() && joins(&kept.nonce, kept.proof)
                    })
            }
        }
    }

    /// What becomes of the record of an active client when this credential of it, there since that version, has
    /// proven. A credential that has unlinked itself is named as it was.
    pub(super) fn outcome(
        self,
        record: &Record,
        proven: CredentialId,
        since: u32,
        now: u64,
    ) -> Result<Outcome, Refused> {
        let mut changed = record.clone();
        let (mut credential, mut since) = (proven, since);
        let mut joined = None;
        let done = match self.to {
            Asks::Authenticate { .. } => {
                return Ok(Outcome {
                    change: Change::None,
                    record: changed,
                    credential,
                    since,
                    joined,
                });
            }
            Asks::Rotate { commitment_new, .. } => {
                credential = CredentialId::of(commitment_new.as_bytes());
                let rotated = changed.rotate(&proven, &commitment_new);
                since = changed.version();
                rotated
            }
            Asks::Link {
                commitment_new,
                new,
            } => {
                let name = match new {
                    New::Here { name, .. } => Some(name),
                    New::Kept(kept) => {
                        joined = kept;
                        let kept = joined.as_ref().and_then(|kept| kept.joined(now));
                        kept.map(|kept| kept.name.clone())
                    }
                };
                let name = name.ok_or(Refused::Denied(Cause::Offer))?;
                changed.link(&proven, &commitment_new, name, now)
            }
            Asks::Unlink { commitment_old } => changed.unlink(&CredentialId::of(&commitment_old)),
        };
        match done {
            Ok(()) => Ok(Outcome {
                change: Change::Replace(changed.clone()),
                record: changed,
                credential,
                since,
                joined,
            }),
            Err(Error::Denied) => Err(Refused::Denied(Cause::Credentials)),
            // Of an active client: its versions are used up.
            Err(error) => Err(Refused::Failed(error)),
        }
    }
}
