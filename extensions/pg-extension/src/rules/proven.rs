//! What a session stands on: the credential that was proven, and what its client's row must go on saying.

use twofapi_crypto_core::{CredentialId, Record};

use super::{Row, RowVersion};

/// In a fixed number of bytes, as shared memory and sessions keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Proven {
    credential: [u8; CredentialId::LEN],
    since: u32,
    generation: u32,
    origin: RowVersion,
}

impl Proven {
    /// This credential of the client was proven; its row comes from there.
    pub(crate) const fn new(
        credential: &CredentialId,
        since: u32,
        generation: u32,
        origin: RowVersion,
    ) -> Self {
        Self {
            credential: *credential.as_bytes(),
            since,
            generation,
            origin,
        }
    }

    /// A credential of this row, as it says.
    pub(crate) fn in_row(row: &Row, credential: Option<&CredentialId>) -> Option<Self> {
        let named = row.record.credential(credential)?;
        let generation = row.record.generation();
        Some(Self::new(
            &named.id(),
            named.since(),
            generation,
            row.origin,
        ))
    }

    pub(crate) const fn credential(&self) -> CredentialId {
        CredentialId::from_bytes(self.credential)
    }

    pub(crate) const fn since(&self) -> u32 {
        self.since
    }

    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether the client's row, as it is now, still stands for the session.
    pub(crate) fn holds(&self, row: &Row, now: u64) -> bool {
        let honoured =
            row.record
                .honours(Some(&self.credential()), self.since, self.generation, now);
        row.origin == self.origin && honoured
    }

    /// From when on the row lets this credential in no longer.
    pub(crate) fn expires_at(&self, record: &Record) -> Option<u64> {
        let named = record.credential(Some(&self.credential()))?;
        record.expiry_of(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofapi_crypto_core::{Commitment, Credential, CredentialName};

    const HERE: RowVersion = RowVersion {
        written_by: 3,
        block: 0,
        place: 1,
    };

    fn commitment() -> Commitment {
        let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
        *credential.commitment()
    }

    fn row() -> Row {
        Row {
            record: Record::enrolled(&commitment(), CredentialName::unnamed(), 1),
            origin: HERE,
            tokens_from: 0,
        }
    }

    #[test]
    fn a_session_stands_on_its_credential_and_not_on_those_beside_it() {
        let mut row = row();
        let phone = Proven::in_row(&row, None).unwrap();
        let by = row.record.first().id();
        row.record
            .link(&by, &commitment(), "laptop".parse().unwrap(), 2)
            .unwrap();
        let id = row.record.credentials()[1].id();
        let laptop = Proven::in_row(&row, Some(&id)).unwrap();
        assert!(phone.holds(&row, 0) && laptop.holds(&row, 0));
        row.record.set_expiry(&id, Some(10)).unwrap();
        assert!(laptop.holds(&row, 9) && !laptop.holds(&row, 10) && phone.holds(&row, 10));
        assert_eq!(
            (
                laptop.expires_at(&row.record),
                phone.expires_at(&row.record)
            ),
            (Some(10), None)
        );
        row.record.rotate(&id, &commitment()).unwrap();
        assert!(!laptop.holds(&row, 0) && phone.holds(&row, 0));
        let rotated = Proven::in_row(&row, Some(&row.record.credentials()[1].id())).unwrap();
        row.record.unlink(&phone.credential()).unwrap();
        assert!(!phone.holds(&row, 0) && rotated.holds(&row, 0));
        row.record.end_sessions().unwrap();
        assert!(!rotated.holds(&row, 0));
    }

    #[test]
    fn a_session_ends_when_somebody_else_has_written_the_row() {
        let before = row();
        let proven = Proven::in_row(&before, None).unwrap();
        let mut after = before.clone();
        after.origin.place = 2;
        assert!(proven.holds(&before, 0) && !proven.holds(&after, 0));
    }
}
