//! What is kept of a client, and its bytes in RDB, AOF and replication.

use twofapi_crypto_core::{ClientId, ClientRecord, ClientStatus, Commitment, Error};

use super::acl_user::AclUser;

/// The layout that this version writes.
pub(crate) const ENCODING_VERSION: u8 = 1;

/// A client. The commitment is kept compressed: a client is to cost little memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whose record it is, so that a key that was renamed or copied makes nobody else of it.
    pub(crate) client_id: ClientId,
    pub(crate) commitment: [u8; Commitment::LEN],
    pub(crate) commitment_version: u32,
    pub(crate) status: ClientStatus,
    /// The ACL user that the client's connections become.
    pub(crate) user: Option<AclUser>,
}

impl Record {
    pub(crate) fn enrolled(
        client_id: ClientId,
        commitment: &Commitment,
        user: Option<AclUser>,
    ) -> Self {
        Self {
            client_id,
            commitment: commitment.to_bytes(),
            commitment_version: 1,
            status: ClientStatus::Active,
            user,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.status == ClientStatus::Active
    }

    /// Applies one of the core's transitions of a client's life.
    pub(crate) fn transition<T>(
        &mut self,
        apply: impl FnOnce(&mut ClientRecord) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut life = ClientRecord {
            commitment: Commitment::from_bytes(&self.commitment)?,
            commitment_version: self.commitment_version,
            status: self.status,
        };
        let outcome = apply(&mut life)?;
        self.commitment = life.commitment.to_bytes();
        self.commitment_version = life.commitment_version;
        self.status = life.status;
        Ok(outcome)
    }

    /// Length and client id, status, version (big-endian), commitment, length and ACL user.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (id, user) = (self.client_id.as_bytes(), self.user_bytes());
        let mut bytes = Vec::with_capacity(1 + id.len() + 1 + 4 + Commitment::LEN + 1 + user.len());
        bytes.push(id.len() as u8);
        bytes.extend_from_slice(id);
        bytes.push(self.status.number());
        bytes.extend_from_slice(&self.commitment_version.to_be_bytes());
        bytes.extend_from_slice(&self.commitment);
        bytes.push(user.len() as u8);
        bytes.extend_from_slice(user);
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, in this layout or the older one without an ACL
    /// user. What could not have been written is refused.
    pub(crate) fn decode(bytes: &[u8], encoding_version: u8) -> Result<Self, &'static str> {
        if encoding_version > ENCODING_VERSION {
            return Err("written by a newer version of this module");
        }
        let mut rest = bytes;
        let id_len = take::<1>(&mut rest)?[0];
        let client_id = ClientId::from_bytes(take_slice(&mut rest, id_len.into())?)
            .map_err(|_| "no client id")?;
        let status = ClientStatus::from_number(take::<1>(&mut rest)?[0]).ok_or("no status")?;
        let commitment_version = u32::from_be_bytes(take::<4>(&mut rest)?);
        if commitment_version == 0 {
            return Err("no commitment version");
        }
        let commitment = take::<{ Commitment::LEN }>(&mut rest)?;
        Commitment::from_bytes(&commitment).map_err(|_| "no commitment")?;
        let user = if encoding_version == 0 {
            None
        } else {
            match take::<1>(&mut rest)?[0] {
                0 => None,
                len => {
                    let name = take_slice(&mut rest, len.into())?;
                    Some(AclUser::parse(name).map_err(|_| "no ACL user")?)
                }
            }
        };
        if !rest.is_empty() {
            return Err("longer than it should be");
        }
        Ok(Self {
            client_id,
            commitment,
            commitment_version,
            status,
            user,
        })
    }

    /// What the record takes beyond itself, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.client_id.as_bytes().len() + self.user_bytes().len()
    }

    fn user_bytes(&self) -> &[u8] {
        self.user.as_ref().map_or(&[], AclUser::as_bytes)
    }
}

fn take_slice<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], &'static str> {
    let (taken, left) = rest
        .split_at_checked(len)
        .ok_or("shorter than it should be")?;
    *rest = left;
    Ok(taken)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, left) = rest
        .split_first_chunk::<N>()
        .ok_or("shorter than it should be")?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use twofapi_crypto_core::GENERATOR_G;

    fn record(user: Option<&[u8]>) -> Record {
        let commitment = Commitment::from_bytes(&GENERATOR_G).unwrap();
        Record::enrolled(
            ClientId::parse("alice").unwrap(),
            &commitment,
            user.map(|name| AclUser::parse(name).unwrap()),
        )
    }

    #[test]
    fn the_layout_stays_as_it_is() {
        let bytes = record(Some(b"app")).encode();
        assert_eq!(bytes[..11], *b"\x05alice\0\0\0\0\x01");
        assert_eq!(bytes[11..43], GENERATOR_G);
        assert_eq!(bytes[43..], *b"\x03app");
    }

    #[test]
    fn a_record_of_the_first_layout_is_read() {
        let mut bytes = record(None).encode();
        bytes.pop();
        assert_eq!(Record::decode(&bytes, 0), Ok(record(None)));
        assert!(Record::decode(&bytes, 1).is_err());
        assert!(Record::decode(&record(None).encode(), 2).is_err());
    }

    #[test]
    fn a_revoked_client_stays_revoked() {
        let mut alice = record(None);
        alice.transition(|life| Ok(life.revoke())).unwrap();
        assert!(alice.transition(ClientRecord::resume).is_err());
        assert_eq!(alice.status, ClientStatus::Revoked);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            user in proptest::option::of("[a-z]{1,128}"), version in 1_u32.., status in 0_u8..3,
        ) {
            prop_assume!(user.as_deref() != Some("default"));
            let mut original = record(user.as_ref().map(|u| u.as_bytes()));
            original.commitment_version = version;
            original.status = [ClientStatus::Active, ClientStatus::Suspended, ClientStatus::Revoked][usize::from(status)];
            prop_assert_eq!(Record::decode(&original.encode(), ENCODING_VERSION), Ok(original));
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_as_what_they_say(at in 0_usize..47, bit in 0_u8..8) {
            let mut bytes = record(Some(b"app")).encode();
            bytes[at] ^= 1 << bit;
            if let Ok(read) = Record::decode(&bytes, ENCODING_VERSION) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, version in 0_u8..3) {
            let _ = Record::decode(&bytes, version);
        }

        #[test]
        fn a_truncated_record_is_refused(len in 0_usize..47) {
            let bytes = record(Some(b"app")).encode();
            prop_assert!(Record::decode(&bytes[..len], ENCODING_VERSION).is_err());
        }
    }
}
