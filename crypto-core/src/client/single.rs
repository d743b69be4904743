//! The record of a client that has one credential and nothing else, as hosts keep it whose stores have
//! columns for one.

use super::{ClientStatus, Transition};
use crate::{Commitment, Error};

/// What a host keeps of a client with one credential, under its client id. A [`Record`](crate::Record) has
/// all of them; each is made from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// The commitment that proofs are checked against.
    pub commitment: Commitment,
    /// 1 at enrolment, one more with each rotation.
    pub commitment_version: u32,
    /// Where the client is in its life.
    pub status: ClientStatus,
}

impl ClientRecord {
    /// The record of a client that has just been enrolled.
    #[must_use]
    pub const fn enrolled(commitment: Commitment) -> Self {
        Self {
            commitment,
            commitment_version: 1,
            status: ClientStatus::Active,
        }
    }

    /// Whether the client may authenticate and rotate.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.status, ClientStatus::Active)
    }

    /// Keeps the client out until it is resumed.
    ///
    /// # Errors
    /// [`Error::NotActive`] when it is revoked.
    pub fn suspend(&mut self) -> Result<Transition, Error> {
        self.unrevoked()?;
        Ok(self.become_status(ClientStatus::Suspended))
    }

    /// Lets a suspended client in again.
    ///
    /// # Errors
    /// [`Error::NotActive`] when it is revoked.
    pub fn resume(&mut self) -> Result<Transition, Error> {
        self.unrevoked()?;
        Ok(self.become_status(ClientStatus::Active))
    }

    /// Keeps the client out for ever.
    pub fn revoke(&mut self) -> Transition {
        self.become_status(ClientStatus::Revoked)
    }

    /// Replaces the commitment after both proofs of a rotation were accepted.
    ///
    /// # Errors
    /// [`Error::NotActive`] when the client is suspended or revoked; [`Error::Unavailable`] when its
    /// versions are used up.
    pub fn rotate(&mut self, new_commitment: Commitment) -> Result<(), Error> {
        if !self.is_active() {
            return Err(Error::NotActive {
                status: self.status.as_str(),
                expected: "active",
            });
        }
        self.commitment_version =
            self.commitment_version
                .checked_add(1)
                .ok_or_else(|| Error::Unavailable {
                    reason: "this client has used up its commitment versions".into(),
                })?;
        self.commitment = new_commitment;
        Ok(())
    }

    fn unrevoked(&self) -> Result<(), Error> {
        if self.status == ClientStatus::Revoked {
            return Err(Error::NotActive {
                status: self.status.as_str(),
                expected: "active or suspended",
            });
        }
        Ok(())
    }

    fn become_status(&mut self, status: ClientStatus) -> Transition {
        if self.status == status {
            return Transition::Unchanged;
        }
        self.status = status;
        Transition::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, testing::rng};
    use proptest::prelude::*;

    fn commitment(seed: u64) -> Commitment {
        *Credential::generate(&mut rng(seed)).unwrap().commitment()
    }

    #[test]
    fn a_suspended_client_can_be_resumed_and_a_revoked_one_cannot() {
        let mut record = ClientRecord::enrolled(commitment(1));
        assert_eq!(record.suspend(), Ok(Transition::Changed));
        assert_eq!(record.suspend(), Ok(Transition::Unchanged));
        assert!(!record.is_active());
        assert_eq!(record.resume(), Ok(Transition::Changed));
        assert!(record.is_active());
        assert_eq!(record.revoke(), Transition::Changed);
        assert_eq!(record.revoke(), Transition::Unchanged);
        for result in [record.resume(), record.suspend()] {
            assert_eq!(result.unwrap_err().code(), crate::ErrorCode::NotActive);
        }
        assert_eq!(record.status, ClientStatus::Revoked);
    }

    #[test]
    fn rotating_counts_versions_and_is_for_active_clients() {
        let mut record = ClientRecord::enrolled(commitment(1));
        record.rotate(commitment(2)).unwrap();
        assert_eq!(
            (record.commitment, record.commitment_version),
            (commitment(2), 2)
        );
        record.suspend().unwrap();
        assert!(record.rotate(commitment(3)).is_err());
        assert_eq!(
            (record.commitment, record.commitment_version),
            (commitment(2), 2)
        );
        record.resume().unwrap();
        record.commitment_version = u32::MAX;
        assert!(record.rotate(commitment(3)).is_err());
        assert_eq!(record.commitment, commitment(2));
    }

    proptest! {
        #[test]
        fn nothing_leads_out_of_revoked(steps in proptest::collection::vec(0_u8..4, 0..20)) {
            let mut record = ClientRecord::enrolled(commitment(1));
            let mut revoked = false;
            for step in steps {
                match step {
                    0 => { let _ = record.suspend(); }
                    1 => { let _ = record.resume(); }
                    2 => { let _ = record.rotate(commitment(2)); }
                    _ => { record.revoke(); revoked = true; }
                }
                prop_assert_eq!(record.status == ClientStatus::Revoked, revoked);
            }
        }
    }
}
