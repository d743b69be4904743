//! Where things are in Redis, and what is kept there.
//!
//! Clients are spread over buckets by SHA-512 of their ids. All keys of a bucket have the same hash tag, so that one script
//! sees a client and the spent set that decides about it, wherever a cluster has put them.

use sha2::{Digest, Sha512};
use twofapi_crypto_core::{ClientId, ClientStatus, CredentialId, Record};

use crate::store::api::{StoreError, failed};

/// A bucket, and what its keys begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) number: u16,
    tag: String,
}

/// The buckets of a store.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    prefix: String,
    pub(super) count: u16,
}

impl Buckets {
    /// A cluster spreads a store over as many.
    pub(super) const MOST: u16 = 1024;

    pub(super) fn new(prefix: &str, count: u16) -> Self {
        Self {
            prefix: prefix.into(),
            count: count.clamp(1, Self::MOST),
        }
    }

    pub(super) fn of(&self, id: &ClientId) -> Bucket {
        let [high, low, ..] = *Sha512::digest(id.as_bytes()) else {
            unreachable!("a hash has more bytes");
        };
        self.number(u16::from_be_bytes([high, low]) % self.count)
    }

    pub(super) fn number(&self, number: u16) -> Bucket {
        Bucket {
            number,
            tag: format!("{{{}:{number:04}}}", self.prefix),
        }
    }

    /// Where what is of the whole store is.
    pub(super) fn first(&self) -> Bucket {
        self.number(0)
    }

    /// What all keys of all buckets are like, as `SCAN` reads it.
    pub(super) fn pattern(&self) -> String {
        let prefix = &self.prefix;
        format!("{{{prefix}:*}}*")
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Bucket> + '_ {
        (0..self.count).map(|number| self.number(number))
    }
}

impl Bucket {
    /// The key that is called so here.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }

    /// Which store this is, or its mark.
    pub(super) fn about(&self) -> String {
        format!("{}about", self.tag)
    }

    /// What is known of the store as a whole, in the first bucket.
    pub(super) fn store(&self) -> String {
        format!("{}store", self.tag)
    }

    /// In the first bucket.
    pub(super) fn signing_keys(&self) -> String {
        format!("{}signing-keys", self.tag)
    }

    /// The number of the list of signing keys, in every bucket, so that each look-up says it.
    pub(super) fn signing_keys_number(&self) -> String {
        format!("{}signing-keys-number", self.tag)
    }

    /// What is written so that a connection can wait for all that came before.
    pub(super) fn fence(&self) -> String {
        format!("{}fence", self.tag)
    }

    pub(super) fn spent(&self) -> String {
        format!("{}spent", self.tag)
    }

    pub(super) fn shares(&self) -> String {
        format!("{}shares", self.tag)
    }

    /// The ids of clients, in order.
    pub(super) fn ids(&self) -> String {
        format!("{}ids", self.tag)
    }

    pub(super) fn client(&self, id: &ClientId) -> String {
        format!("{}client:{}", self.tag, id.as_str())
    }

    pub(super) fn invitations(&self, id: &ClientId) -> String {
        format!("{}invitations:{}", self.tag, id.as_str())
    }

    /// The sessions of a client, by their ids.
    pub(super) fn sessions(&self, id: &ClientId) -> String {
        format!("{}sessions:{}", self.tag, id.as_str())
    }

    /// The ids of a client's sessions, by when they are over.
    pub(super) fn session_ends(&self, id: &ClientId) -> String {
        format!("{}session-ends:{}", self.tag, id.as_str())
    }

    pub(super) fn link(&self, id: &ClientId) -> String {
        format!("{}link:{}", self.tag, id.as_str())
    }
}

/// How what is kept of a client begins: what a step compares without reading the record. Status, version and generation.
pub(super) fn beginning(status: ClientStatus, version: u32, generation: u32) -> [u8; 9] {
    let mut head = [0; 9];
    head[0] = status.number();
    head[1..5].copy_from_slice(&version.to_be_bytes());
    head[5..].copy_from_slice(&generation.to_be_bytes());
    head
}

/// What is kept of a client: that beginning, how many credentials it has and their ids, and the record in the one codec of
/// the core.
pub(super) fn kept(record: &Record) -> Vec<u8> {
    let head = beginning(record.status(), record.version(), record.generation());
    let credentials = record.credentials();
    let bytes = record.to_bytes();
    let ids = credentials.len() * CredentialId::LEN;
    let mut kept = Vec::with_capacity(head.len() + 1 + ids + bytes.len());
    kept.extend(head);
    // A client has 16 at most.
    kept.push(credentials.len() as u8);
    for credential in credentials {
        kept.extend(credential.id().as_bytes());
    }
    kept.extend(bytes);
    kept
}

/// The record in what is kept of a client.
pub(super) fn record(kept: &[u8]) -> Result<Record, StoreError> {
    let damaged = || StoreError("the record of a client is damaged".into());
    let (head, rest) = kept.split_at_checked(10).ok_or_else(damaged)?;
    let ids = usize::from(head[9]) * CredentialId::LEN;
    let record = rest.get(ids..).ok_or_else(damaged)?;
    let record = Record::from_bytes(record).map_err(failed)?;
    // Steps go by what stands before it.
    let said = beginning(record.status(), record.version(), record.generation());
    match head[..9] == said && record.credentials().len() == usize::from(head[9]) {
        true => Ok(record),
        false => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use twofapi_crypto_core::{Credential, CredentialName};

    use super::*;

    #[test]
    fn all_keys_of_a_client_have_the_tag_of_its_bucket() {
        let buckets = Buckets::new("2fapi", 1024);
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..500 {
            let id = ClientId::parse(&format!("client-{n}")).unwrap();
            let bucket = buckets.of(&id);
            assert_eq!(bucket, buckets.of(&id));
            let tag = format!("{{2fapi:{:04}}}", bucket.number);
            for key in [
                bucket.about(),
                bucket.spent(),
                bucket.shares(),
                bucket.ids(),
                bucket.fence(),
                bucket.signing_keys_number(),
                bucket.client(&id),
                bucket.invitations(&id),
                bucket.link(&id),
                bucket.sessions(&id),
                bucket.session_ends(&id),
            ] {
                assert!(key.starts_with(&tag), "{key}");
            }
            seen.insert(bucket.number);
        }
        assert!(seen.len() > 350, "{} buckets", seen.len());
        let one = Buckets::new("2fapi", 1);
        let id = ClientId::parse("client-1").unwrap();
        assert_eq!(one.of(&id), one.first());
        assert_eq!(buckets.all().count(), 1024);
    }

    #[test]
    fn a_client_of_a_bucket_stays_in_it() {
        // What was kept under this is looked for there by every version to come.
        let id = ClientId::parse("alice").unwrap();
        assert_eq!(Buckets::new("2fapi", 1024).of(&id).number, 0x408b % 1024);
    }

    #[test]
    fn what_is_kept_gives_the_record_again_and_what_steps_compare() {
        let commitment = *Credential::generate(&mut getrandom::SysRng)
            .unwrap()
            .commitment();
        let mut client = Record::enrolled(&commitment, CredentialName::unnamed(), 7);
        let other = *Credential::generate(&mut getrandom::SysRng)
            .unwrap()
            .commitment();
        let first = client.first().id();
        client
            .link(&first, &other, CredentialName::unnamed(), 8)
            .unwrap();
        client.suspend().unwrap();
        let bytes = kept(&client);
        assert_eq!(record(&bytes).unwrap(), client);
        assert_eq!(bytes[..10], [1, 0, 0, 0, 2, 0, 0, 0, 1, 2]);
        assert_eq!(bytes[10..26], *client.first().id().as_bytes());
        for damaged in [0, 4, 8, 9] {
            let mut bytes = bytes.clone();
            bytes[damaged] ^= 1;
            assert!(record(&bytes).is_err(), "byte {damaged}");
        }
        for short in 0..bytes.len() {
            assert!(record(&bytes[..short]).is_err(), "{short} bytes");
        }
    }
}
