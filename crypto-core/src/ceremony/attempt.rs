//! An attempt from the look-up to the acceptance. Every type is owned and `Send`, and none can be copied
//! or made outside this module: the verdict stays with the attempt that it is about.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use rand_core::TryCryptoRng;

use super::{
    Keys,
    step::{Cause, Change, Committed, Expect, Permission, Refused, Spend, Step},
};
use crate::{
    Authentication, AuthenticationBinding, BatchEntry, Challenge, ClientId, ClientRecord,
    Commitment, Enrolment, Error, Proof, Rotation, Statement,
    sigma::{batch, statement::Stated},
    verify,
};

/// What an attempt is to achieve, decoded.
pub(super) enum Purpose {
    Enrol {
        permission: Permission,
        commitment: Commitment,
        proof: Proof,
    },
    Authenticate {
        challenge: Challenge,
        binding: Arc<AuthenticationBinding>,
        /// Whether the binding that the caller named is one that the host permits.
        agreed: bool,
        proof: Proof,
    },
    Rotate {
        challenge: Challenge,
        binding: Arc<AuthenticationBinding>,
        proof_old: Proof,
        commitment_new: Commitment,
        proof_new: Proof,
    },
}

/// An attempt whose client the host looks up.
#[must_use]
pub struct Wanted {
    client_id: ClientId,
    purpose: Purpose,
    decoy: &'static [u8; Commitment::LEN],
    keys: Arc<Keys>,
}

impl Wanted {
    pub(super) const fn new(
        client_id: ClientId,
        purpose: Purpose,
        decoy: &'static [u8; Commitment::LEN],
        keys: Arc<Keys>,
    ) -> Self {
        Self {
            client_id,
            purpose,
            decoy,
            keys,
        }
    }

    /// Whose record is looked up.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// What the host has found, of whatever status. The record may be cached, or come from a replica of
    /// the store: the step decides. Where there is no active client, `decode` decodes the commitment that
    /// stands in for one, in the way in which the host decodes those of its records: by
    /// [`Commitment::from_bytes`], or through the same cache.
    ///
    /// # Errors
    /// What `decode` gives.
    pub fn found(
        self,
        record: Option<ClientRecord>,
        decode: impl FnOnce(&[u8; Commitment::LEN]) -> Result<Commitment, Error>,
    ) -> Result<Check, Error> {
        let commitment = match &record {
            Some(record) if record.is_active() => record.commitment,
            _ => decode(self.decoy)?,
        };
        Ok(Check {
            client_id: self.client_id,
            purpose: self.purpose,
            commitment,
            record,
            keys: Some(self.keys),
        })
    }
}

/// An attempt whose proof is to be verified: alone, in a batch, on any thread.
#[must_use]
pub struct Check {
    client_id: ClientId,
    purpose: Purpose,
    /// Of the client, or a decoy.
    commitment: Commitment,
    record: Option<ClientRecord>,
    keys: Option<Arc<Keys>>,
}

impl Check {
    pub(super) const fn of_enrolment(
        client_id: ClientId,
        commitment: Commitment,
        proof: Proof,
        permission: Permission,
    ) -> Self {
        Self {
            client_id,
            purpose: Purpose::Enrol {
                permission,
                commitment,
                proof,
            },
            commitment,
            record: None,
            keys: None,
        }
    }

    /// Looks at one equation, whatever was found; and where that holds for a rotation, at that of the new
    /// credential.
    pub fn verify(self) -> Checked {
        let first = self.equation().verify();
        self.conclude(first)
    }

    /// The equation that decides: of the client's commitment, or of its decoy.
    fn equation(&self) -> Equation<'_> {
        let client_id = &self.client_id;
        let (statement, proof) = match &self.purpose {
            Purpose::Enrol { proof, .. } => (Stated::Enrolment(Enrolment { client_id }), proof),
            Purpose::Authenticate {
                challenge,
                binding,
                proof,
                ..
            } => {
                let statement = Authentication {
                    client_id,
                    nonce: &challenge.nonce,
                    binding,
                };
                (Stated::Authentication(statement), proof)
            }
            Purpose::Rotate {
                challenge,
                binding,
                proof_old,
                commitment_new,
                ..
            } => {
                let statement =
                    Rotation::permitted(client_id, &challenge.nonce, commitment_new, binding);
                (Stated::Rotation(statement), proof_old)
            }
        };
        Equation {
            commitment: &self.commitment,
            statement,
            proof,
        }
    }

    /// What follows from the equation that decides. Whether a new commitment is the old one, and whether its
    /// proof holds, is looked at only for who holds the old credential.
    fn conclude(self, holds: bool) -> Checked {
        let holds = holds
            && match &self.purpose {
                Purpose::Rotate {
                    commitment_new,
                    proof_new,
                    ..
                } => {
                    let client_id = &self.client_id;
                    let possession = Enrolment { client_id };
                    *commitment_new != self.commitment
                        && verify(commitment_new, &possession, proof_new).is_ok()
                }
                Purpose::Enrol { .. } | Purpose::Authenticate { .. } => true,
            };
        Checked { of: self, holds }
    }
}

/// Verifies attempts of any kind together. Where all are good that costs about half; otherwise, and when
/// the random source fails, each is looked at alone. The verdicts are in the order of the attempts. Their
/// answers should leave together, so that none tells how the others ended.
pub fn verify_batch<R: TryCryptoRng + ?Sized>(checks: Vec<Check>, rng: &mut R) -> Vec<Checked> {
    let equations: Vec<_> = checks.iter().map(Check::equation).collect();
    let entries: Vec<_> = equations.iter().map(Equation::entry).collect();
    let verdicts = match batch::verify_batch(&entries, rng) {
        Ok(verdicts) => verdicts.iter().map(Result::is_ok).collect(),
        Err(_) => equations.iter().map(Equation::verify).collect::<Vec<_>>(),
    };
    let attempts = checks.into_iter().zip(verdicts);
    attempts
        .map(|(check, holds)| check.conclude(holds))
        .collect()
}

struct Equation<'a> {
    commitment: &'a Commitment,
    statement: Stated<'a>,
    proof: &'a Proof,
}

impl Equation<'_> {
    fn verify(&self) -> bool {
        verify(self.commitment, &self.statement, self.proof).is_ok()
    }

    fn entry(&self) -> BatchEntry<'_, dyn Statement + '_> {
        BatchEntry {
            commitment: self.commitment,
            statement: &self.statement,
            proof: self.proof,
        }
    }
}

/// An attempt with its verdict.
#[must_use]
pub struct Checked {
    of: Check,
    holds: bool,
}

impl Checked {
    /// Whose attempt it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.of.client_id
    }

    #[cfg(test)]
    pub(super) const fn purpose(&self) -> &Purpose {
        &self.of.purpose
    }

    #[cfg(test)]
    pub(super) const fn holds(&self) -> bool {
        self.holds
    }

    /// What the store has to do. Nothing is accepted yet.
    ///
    /// # Errors
    /// [`Refused::Denied`] when the client is not there or not active, or its proof is not good. The store
    /// has nothing to do then; the challenge stays as it was.
    pub fn settle(self) -> Result<Commit, Refused> {
        let Self { of, holds } = self;
        let Check {
            client_id,
            purpose,
            record,
            keys,
            ..
        } = of;
        let denied = |cause| Err(Refused::Denied(cause));
        if let Purpose::Enrol {
            permission,
            commitment,
            ..
        } = purpose
        {
            if !holds {
                return denied(Cause::Proof);
            }
            let record = ClientRecord::enrolled(commitment);
            return Ok(Commit {
                step: Step {
                    client_id,
                    expect: Expect::Absent(permission),
                    spend: None,
                    change: Change::Insert(record),
                },
                record,
            });
        }
        let Some(record) = record else {
            return denied(Cause::UnknownClient);
        };
        if !record.is_active() {
            return denied(Cause::InactiveClient);
        }
        let (challenge, change, record_after) = match purpose {
            Purpose::Authenticate { agreed: false, .. } => return denied(Cause::Binding),
            _ if !holds => return denied(Cause::Proof),
            Purpose::Authenticate { challenge, .. } => (challenge, Change::None, record),
            Purpose::Rotate {
                challenge,
                commitment_new,
                ..
            } => {
                let mut rotated = record;
                // Of an active client this fails only when its versions are used up.
                rotated.rotate(commitment_new).map_err(Refused::Failed)?;
                (challenge, Change::Replace(rotated), rotated)
            }
            Purpose::Enrol { .. } => return denied(Cause::Permission),
        };
        let Some(keys) = keys else {
            return denied(Cause::Challenge);
        };
        let spend = Spend::of(&challenge, &keys, &client_id);
        Ok(Commit {
            step: Step {
                client_id,
                expect: Expect::Unchanged {
                    version: record.commitment_version,
                },
                spend: Some(spend),
                change,
            },
            record: record_after,
        })
    }
}

/// A step that the store has to take, and then to be told here.
#[must_use]
pub struct Commit {
    step: Step,
    record: ClientRecord,
}

impl Commit {
    /// What the store has to do.
    #[must_use]
    pub const fn step(&self) -> &Step {
        &self.step
    }

    /// Tells what the store did.
    ///
    /// # Errors
    /// [`Refused`], for every answer but [`Committed::Done`].
    pub fn done(self, committed: Committed) -> Result<Accepted, Refused> {
        committed.answer()?;
        Ok(Accepted {
            client_id: self.step.client_id,
            record: self.record,
        })
    }
}

/// A client that was accepted: what sessions and tokens are made from, by value, so that one acceptance
/// is good for one.
#[must_use]
pub struct Accepted {
    client_id: ClientId,
    record: ClientRecord,
}

impl Accepted {
    /// Who it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The record after the step.
    #[must_use]
    pub const fn record(&self) -> &ClientRecord {
        &self.record
    }

    /// Both, for who keeps them.
    #[must_use]
    pub fn into_parts(self) -> (ClientId, ClientRecord) {
        (self.client_id, self.record)
    }
}

macro_rules! silent {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(an attempt)"))
            }
        }
    )*};
}
// An attempt holds proofs that may still be good.
silent!(Wanted, Check, Checked, Commit);

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accepted({})", self.client_id)
    }
}
