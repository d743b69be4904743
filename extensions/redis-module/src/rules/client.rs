//! What is kept of a client: whose record it is, the ACL user that its connections become, and the core's
//! record; and its bytes in RDB, AOF and replication.

use std::{hint::black_box, sync::LazyLock};

use twofapi_crypto_core::{
    ClientId, Commitment, CredentialName, EnrolledCredential, Error, GENERATOR_G, Record,
};

use super::acl_user::AclUser;

/// The layout that this version writes.
pub(crate) const ENCODING_VERSION: u8 = 2;

/// What bytes of this layout begin with: layouts of before begin with the length of a client id, which is
/// never so long.
const LAYOUT: u8 = 0x82;

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Whose record it is, so that a key that was renamed or copied makes nobody else of it.
    pub(crate) client_id: ClientId,
    /// The ACL user that the client's connections become.
    pub(crate) user: Option<AclUser>,
    pub(crate) record: Record,
}

/// A client as a key holds it: in the bytes that are saved, so that it takes little memory. They were
/// read once when they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept(Box<[u8]>);

impl Kept {
    /// 0x82, length and client id, length and ACL user, and the core's record.
    pub(crate) fn of(client: &Client) -> Self {
        let (id, record) = (client.client_id.as_bytes(), client.record.to_bytes());
        let user = client.user.as_ref().map_or(&[][..], AclUser::as_bytes);
        Self(written(id, user, &record))
    }

    /// The same client with another record.
    pub(crate) fn with(&self, record: &Record) -> Self {
        let parts = self.parts();
        Self(written(parts.id, parts.user, &record.to_bytes()))
    }

    /// Reads what [`as_bytes`](Self::as_bytes) gave, in this layout or an older one. What could not have been
    /// written is refused.
    pub(crate) fn read(bytes: &[u8], encoding_version: u8) -> Result<Self, &'static str> {
        let parts = match encoding_version {
            0 | 1 => Parts::of_before(bytes, encoding_version == 1),
            ENCODING_VERSION => Parts::of(bytes),
            _ => return Err("written by a newer version of this module"),
        };
        let Parts { id, user, record } = parts.ok_or("of another length than it says")?;
        ClientId::from_bytes(id).map_err(|_| "no client id")?;
        if !user.is_empty() {
            AclUser::parse(user).map_err(|_| "no ACL user")?;
        }
        let record = Record::from_bytes(record).map_err(|_| "no record of this version")?;
        let good = |credential: &EnrolledCredential| {
            Commitment::from_bytes(credential.commitment()).is_ok()
        };
        if !record.credentials().iter().all(good) {
            return Err("no commitment");
        }
        Ok(Self(written(id, user, &record.to_bytes())))
    }

    /// As [`read`](Self::read), from where nothing says which layout it is.
    pub(crate) fn read_any(bytes: &[u8]) -> Result<Self, &'static str> {
        let is_new = bytes.first() == Some(&LAYOUT);
        Self::read(bytes, if is_new { ENCODING_VERSION } else { 1 })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_of(&self, client_id: &ClientId) -> bool {
        self.parts().id == client_id.as_bytes()
    }

    pub(crate) fn client_id(&self) -> Result<ClientId, Error> {
        ClientId::from_bytes(self.parts().id)
    }

    pub(crate) fn record(&self) -> Result<Record, Error> {
        Record::from_bytes(self.parts().record)
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        let user = self.parts().user;
        Ok(Client {
            client_id: self.client_id()?,
            user: match user {
                [] => None,
                name => Some(AclUser::parse(name)?),
            },
            record: self.record()?,
        })
    }

    /// What an attempt needs of it.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            record: self.parts().record.into(),
            is_there: true,
        }
    }

    fn parts(&self) -> Parts<'_> {
        // Nothing else is made.
        Parts::of(&self.0).unwrap_or_default()
    }
}

fn written(id: &[u8], user: &[u8], record: &[u8]) -> Box<[u8]> {
    let lengths = [id.len(), user.len()].map(|len| len as u8);
    let parts = [&[LAYOUT, lengths[0]], id, &[lengths[1]], user, record];
    parts.concat().into()
}

#[derive(Default)]
struct Parts<'a> {
    id: &'a [u8],
    /// Empty for none.
    user: &'a [u8],
    record: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (&layout, rest) = bytes.split_first()?;
        let (id, rest) = short(rest)?;
        let (user, record) = short(rest)?;
        (layout == LAYOUT).then_some(Self { id, user, record })
    }

    /// Length and client id, a record of one credential, and from the second layout on length and ACL user.
    fn of_before(bytes: &'a [u8], with_user: bool) -> Option<Self> {
        const RECORD: usize = 1 + 4 + Commitment::LEN;
        let (id, rest) = short(bytes)?;
        let (record, rest) = rest.split_at_checked(RECORD)?;
        let (user, rest) = if with_user {
            short(rest)?
        } else {
            (&[][..], rest)
        };
        rest.is_empty().then_some(Self { id, user, record })
    }
}

/// A length in one byte, so many bytes, and the rest.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(len.into())
}

/// What was found of a client, to be read on another thread: of a client that is not there it is read alike.
pub(crate) struct Seen {
    record: Box<[u8]>,
    is_there: bool,
}

impl Seen {
    /// There is no such client.
    pub(crate) fn nobody() -> Self {
        static STAND_IN: LazyLock<Box<[u8]>> = LazyLock::new(|| {
            let record = Commitment::from_bytes(&GENERATOR_G)
                .map(|commitment| Record::enrolled(&commitment, CredentialName::unnamed(), 0));
            record.map_or_else(|_| [].into(), |record| record.to_bytes().into())
        });
        Self {
            record: STAND_IN.clone(),
            is_there: false,
        }
    }

    pub(crate) fn record(&self) -> Result<Option<Record>, Error> {
        let record = black_box(Record::from_bytes(&self.record))?;
        Ok(self.is_there.then_some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(user: Option<&str>) -> Client {
        let commitment = Commitment::from_bytes(&GENERATOR_G).unwrap();
        Client {
            client_id: ClientId::parse("alice").unwrap(),
            user: user.map(|name| AclUser::parse(name.as_bytes()).unwrap()),
            record: Record::enrolled(&commitment, CredentialName::unnamed(), 7),
        }
    }

    /// As the module of before wrote it: with an ACL user, or without a place for one.
    fn of_before(user: Option<&str>) -> Vec<u8> {
        let mut bytes = b"\x05alice\x01\0\0\0\x03".to_vec();
        bytes.extend(GENERATOR_G);
        if let Some(user) = user {
            bytes.push(user.len() as u8);
            bytes.extend(user.as_bytes());
        }
        bytes
    }

    #[test]
    fn the_layout_stays_as_it_is() {
        let client = client(Some("app"));
        let kept = Kept::of(&client);
        let record = client.record.to_bytes();
        assert_eq!(kept.as_bytes()[..11], *b"\x82\x05alice\x03app");
        assert_eq!(kept.as_bytes()[11..], record);
        assert_eq!(kept.client().unwrap(), client);
        assert_eq!(Kept::read_any(kept.as_bytes()), Ok(kept.clone()));
        assert!(Kept::read(kept.as_bytes(), 3).is_err());
        assert!(Kept::read(kept.as_bytes(), 1).is_err());
    }

    #[test]
    fn clients_of_the_layouts_before_are_read_and_written_anew() {
        for (bytes, version, user) in [
            (of_before(None), 0, None),
            (of_before(Some("")), 1, None),
            (of_before(Some("app")), 1, Some("app")),
        ] {
            let kept = Kept::read(&bytes, version).unwrap();
            let read = kept.client().unwrap();
            assert_eq!(read.user, client(user).user);
            assert_eq!(read.record.status().as_str(), "suspended");
            assert_eq!((read.record.version(), read.record.generation()), (3, 0));
            assert_eq!(read.record.first().since(), 3);
            assert_eq!(*read.record.first().commitment(), GENERATOR_G);
            assert_eq!(Kept::read(kept.as_bytes(), 2).unwrap(), kept);
            assert!(Kept::read(&bytes, 1 - version).is_err());
            assert!(Kept::read(&bytes, 2).is_err());
        }
        assert_eq!(
            Kept::read_any(&of_before(Some("app"))),
            Kept::read(&of_before(Some("app")), 1)
        );
        assert!(Kept::read_any(&of_before(None)).is_err());
    }

    #[test]
    fn another_record_leaves_the_rest_as_it_is() {
        let mut alice = client(Some("app"));
        let kept = Kept::of(&alice);
        alice.record.revoke();
        assert_eq!(kept.with(&alice.record).client().unwrap(), alice);
    }

    #[test]
    fn a_revoked_client_stays_revoked() {
        let mut alice = client(None);
        alice.record.revoke();
        let mut record = Kept::of(&alice).record().unwrap();
        assert!(record.resume().is_err());
        assert_eq!(record, alice.record);
    }

    #[test]
    fn who_is_not_there_is_read_like_who_is() {
        let alice = client(None);
        let seen = Kept::of(&alice).seen();
        assert_eq!(seen.record.len(), Seen::nobody().record.len());
        assert_eq!(seen.record(), Ok(Some(alice.record)));
        assert_eq!(Seen::nobody().record(), Ok(None));
        assert!(Record::from_bytes(&Seen::nobody().record).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(user in proptest::option::of("[a-z]{1,128}")) {
            prop_assume!(user.as_deref() != Some("default"));
            let original = client(user.as_deref());
            let kept = Kept::of(&original);
            prop_assert!(kept.is_of(&original.client_id));
            prop_assert_eq!(Kept::read(kept.as_bytes(), ENCODING_VERSION).unwrap().client(), Ok(original));
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_as_what_they_say(at in 0_usize..100, bit in 0_u8..8) {
            let mut bytes = Kept::of(&client(Some("app"))).as_bytes().to_vec();
            prop_assert_eq!(bytes.len(), 100);
            bytes[at] ^= 1 << bit;
            if let Ok(read) = Kept::read(&bytes, ENCODING_VERSION) {
                prop_assert_eq!(read.as_bytes(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, version in 0_u8..4) {
            let _ = Kept::read(&bytes, version);
            let _ = Kept::read_any(&[&[LAYOUT], &*bytes].concat());
        }

        #[test]
        fn truncated_bytes_are_refused(len in 0_usize..100) {
            let kept = Kept::of(&client(Some("app")));
            prop_assert!(Kept::read(&kept.as_bytes()[..len], ENCODING_VERSION).is_err());
            let old = of_before(Some("app"));
            prop_assert!(Kept::read(&old[..len.min(old.len() - 1)], 1).is_err());
        }
    }
}
