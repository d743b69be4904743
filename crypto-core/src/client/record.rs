//! What a host keeps of a client: where it is in its life, its credentials, and what its operator says of
//! it. The rules of what may become of a record are here, and nowhere else.

use alloc::{boxed::Box, vec, vec::Vec};
use core::net::IpAddr;

use super::{
    Attributes, ClientRecord, ClientStatus, CredentialId, CredentialName, EnrolledCredential,
    Scopes, Transition, credentials::Kept,
};
use crate::{Commitment, Error};

/// What a host keeps of a client, under its client id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    version: u32,
    generation: u32,
    status: ClientStatus,
    /// 1 to 16, each id once.
    credentials: Vec<EnrolledCredential>,
    attributes: Option<Box<Attributes>>,
}

impl Record {
    /// The most credentials that a client has.
    pub const MAX_CREDENTIALS: usize = 16;
    /// The most characters that the scopes of all credentials of a client have, each counted with one more.
    pub const MAX_CREDENTIAL_SCOPES: usize = 1280;

    /// By how many generations a restore goes ahead: more than a client has between two backups, and so few that it
    /// can be restored tens of thousands of times.
    const GENERATIONS_OF_A_RESTORE: u32 = 1 << 16;

    /// The record of a client that has just been enrolled, at this time (Unix seconds; 0 where nobody
    /// knows).
    #[must_use]
    pub fn enrolled(commitment: &Commitment, name: CredentialName, now: u64) -> Self {
        Self {
            version: 1,
            generation: 0,
            status: ClientStatus::Active,
            credentials: vec![EnrolledCredential::new(commitment, name, 1, now)],
            attributes: None,
        }
    }

    /// A record from where a host keeps it.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] or [`Error::InvalidEncoding`] for what no record can be.
    pub fn from_parts(
        version: u32,
        generation: u32,
        status: ClientStatus,
        credentials: Vec<EnrolledCredential>,
        attributes: Attributes,
    ) -> Result<Self, Error> {
        if !(1..=Self::MAX_CREDENTIALS).contains(&credentials.len()) {
            return Err(Error::InvalidLength {
                what: "credentials of a client",
                expected: "1 to 16 of them",
                actual: credentials.len(),
            });
        }
        let impossible = credentials
            .iter()
            .any(|credential| !(1..=version).contains(&credential.since));
        // What came in was refused by its id. Here commitments are compared, which needs no hash: a record is
        // read at every login.
        let twice = credentials.iter().enumerate().any(|(at, one)| {
            let before = &credentials[..at];
            before
                .iter()
                .any(|other| other.commitment() == one.commitment())
        });
        if impossible || twice {
            return Err(Error::InvalidEncoding {
                what: "record of a client",
                expected: "credentials that came with one of its versions, each once",
            });
        }
        room_for_scopes(&credentials)?;
        let empty = attributes == Attributes::default();
        Ok(Self {
            version,
            generation,
            status,
            credentials,
            attributes: (!empty).then(|| Box::new(attributes)),
        })
    }

    /// 1 at enrolment, one more with each rotation, link, unlink and reset, and with whatever the operator
    /// says of the client.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// 0 at enrolment, one more with whatever ends all sessions and tokens: suspension, revocation, reset,
    /// and ending them.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Where the client is in its life.
    #[must_use]
    pub const fn status(&self) -> ClientStatus {
        self.status
    }

    /// Whether the client may authenticate and change its credentials, as long as it has not expired.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.status, ClientStatus::Active)
    }

    /// The credentials in their order: 1 to 16.
    #[must_use]
    pub fn credentials(&self) -> &[EnrolledCredential] {
        &self.credentials
    }

    /// The credential that is meant where none is named.
    #[must_use]
    pub fn first(&self) -> &EnrolledCredential {
        // There is no record without one.
        &self.credentials[0]
    }

    /// The credential of this id, or the first if none is named.
    #[must_use]
    pub fn credential(&self, id: Option<&CredentialId>) -> Option<&EnrolledCredential> {
        match id {
            None => Some(self.first()),
            Some(id) => self
                .credentials
                .iter()
                .find(|credential| credential.id() == *id),
        }
    }

    /// What the operator says of the client, if anything.
    #[must_use]
    pub fn attributes(&self) -> Option<&Attributes> {
        self.attributes.as_deref()
    }

    /// With this said of the client, if anything: part of a change that makes another version anyway.
    pub(crate) fn saying(mut self, attributes: Option<Attributes>) -> Self {
        if let Some(attributes) = attributes {
            let empty = attributes == Attributes::default();
            self.attributes = (!empty).then(|| Box::new(attributes));
        }
        self
    }

    /// Says this of the client. That makes another version of the record, so that no attempt which is on its
    /// way puts back what was said before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when its versions are used up.
    pub fn set_attributes(&mut self, attributes: Attributes) -> Result<(), Error> {
        self.version = next(self.version, "versions")?;
        let empty = attributes == Attributes::default();
        self.attributes = (!empty).then(|| Box::new(attributes));
        Ok(())
    }

    /// Lets a credential expire, or not any longer. That makes another version of the record as well.
    ///
    /// # Errors
    /// [`Error::NotEnrolled`] when there is none of this id; [`Error::Unavailable`] when its versions are used
    /// up.
    pub fn set_expiry(&mut self, id: &CredentialId, expires_at: Option<u64>) -> Result<(), Error> {
        let credential = self
            .credentials
            .iter_mut()
            .find(|credential| credential.id() == *id);
        let credential = credential.ok_or(Error::NotEnrolled)?;
        self.version = next(self.version, "versions")?;
        credential.expires_at = expires_at;
        Ok(())
    }

    /// Lets a credential have no more of its client's scopes than these, or all of them. That makes another
    /// version of the record as well.
    ///
    /// # Errors
    /// [`Error::NotEnrolled`] when there is none of this id; [`Error::InvalidLength`] when the scopes of all
    /// credentials are too long together; [`Error::Unavailable`] when its versions are used up.
    pub fn set_scopes(&mut self, id: &CredentialId, scopes: Option<Scopes>) -> Result<(), Error> {
        let at = self.credentials.iter().position(|one| one.id() == *id);
        let at = at.ok_or(Error::NotEnrolled)?;
        let before = core::mem::replace(&mut self.credentials[at].scopes, scopes);
        let said = room_for_scopes(&self.credentials).and_then(|()| next(self.version, "versions"));
        match said {
            Ok(version) => {
                self.version = version;
                Ok(())
            }
            Err(error) => {
                self.credentials[at].scopes = before;
                Err(error)
            }
        }
    }

    /// What this credential of this client may do: what both of them have.
    #[must_use]
    pub fn scopes_of(&self, credential: &EnrolledCredential) -> Scopes {
        let of_client = self.attributes.as_ref().map(|said| &said.scopes);
        match (of_client, &credential.scopes) {
            (None, _) => Scopes::default(),
            (Some(scopes), None) => scopes.clone(),
            (Some(scopes), Some(own)) => scopes.within(own),
        }
    }

    /// Whether the client is let in from there. Where it has allowed sources, it is not let in from where
    /// nobody knows.
    #[must_use]
    pub fn permits_source(&self, source: Option<IpAddr>) -> bool {
        let Some(said) = &self.attributes else {
            return true;
        };
        said.sources.as_slice().is_empty() || source.is_some_and(|from| said.sources.permit(from))
    }

    /// From when on this credential of this client is let in no longer.
    #[must_use]
    pub fn expiry_of(&self, credential: &EnrolledCredential) -> Option<u64> {
        let of_client = self.attributes.as_ref().and_then(|said| said.expires_at);
        match (of_client, credential.expires_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Whether a session or a token that names these is good still: the client is active and of that
    /// generation, and that credential with that version is there; neither has expired. A token of before
    /// names no credential and means the first, of generation 0.
    #[must_use]
    pub fn honours(
        &self,
        credential: Option<&CredentialId>,
        since: u32,
        generation: u32,
        now: u64,
    ) -> bool {
        let named = self.credential(credential);
        self.is_active()
            && self.generation == generation
            && named.is_some_and(|named| {
                named.since == since && self.expiry_of(named).is_none_or(|at| now < at)
            })
    }

    /// Keeps the client out until it is resumed.
    ///
    /// # Errors
    /// [`Error::NotActive`] when it is revoked.
    pub fn suspend(&mut self) -> Result<Transition, Error> {
        self.unrevoked()?;
        Ok(self.put_out(ClientStatus::Suspended))
    }

    /// Lets a suspended client in again. What was issued before it was suspended stays bad.
    ///
    /// # Errors
    /// [`Error::NotActive`] when it is revoked; [`Error::Unavailable`] when its generations are used up.
    pub fn resume(&mut self) -> Result<Transition, Error> {
        self.unrevoked()?;
        if self.is_active() {
            return Ok(Transition::Unchanged);
        }
        if self.generation == u32::MAX {
            return Err(used_up("generations"));
        }
        self.status = ClientStatus::Active;
        Ok(Transition::Changed)
    }

    /// Keeps the client out for ever.
    pub fn revoke(&mut self) -> Transition {
        self.put_out(ClientStatus::Revoked)
    }

    /// Ends the sessions and tokens of a client, which stays as it is.
    ///
    /// # Errors
    /// [`Error::NotActive`] when it is revoked; [`Error::Unavailable`] when its generations are used up.
    pub fn end_sessions(&mut self) -> Result<(), Error> {
        self.unrevoked()?;
        self.generation = next(self.generation, "generations")?;
        Ok(())
    }

    /// Puts the generation of a record that comes back from a backup beyond every one that the client can have had
    /// since, so that no session or token from before is good. A client whose generations do not reach is suspended,
    /// and cannot be resumed.
    pub fn outlive_restore(&mut self) {
        match self.generation.checked_add(Self::GENERATIONS_OF_A_RESTORE) {
            Some(generation) => self.generation = generation,
            None => {
                self.generation = u32::MAX;
                if self.is_active() {
                    self.status = ClientStatus::Suspended;
                }
            }
        }
    }

    /// Puts a commitment in the place of a credential's, whose name and place it takes over.
    ///
    /// # Errors
    /// [`Error::Denied`] when the client has this commitment already, or not that credential;
    /// [`Error::NotActive`]; [`Error::Unavailable`] when its versions are used up.
    pub fn rotate(&mut self, id: &CredentialId, new: &Commitment) -> Result<(), Error> {
        let version = self.next_version_with(new)?;
        let credential = self
            .credentials
            .iter_mut()
            .find(|credential| credential.id() == *id);
        let credential = credential.ok_or(Error::Denied)?;
        credential.commitment = Kept::Decoded(*new);
        credential.since = version;
        self.version = version;
        Ok(())
    }

    /// Adds a credential behind the others. It may do no more than the one by which it is added, nor for
    /// longer.
    ///
    /// # Errors
    /// [`Error::Denied`] when the client has this commitment already, or 16, or not that credential, or no
    /// room for its scopes; [`Error::NotActive`]; [`Error::Unavailable`] when its versions are used up.
    pub fn link(
        &mut self,
        by: &CredentialId,
        new: &Commitment,
        name: CredentialName,
        now: u64,
    ) -> Result<(), Error> {
        let version = self.next_version_with(new)?;
        if self.credentials.len() == Self::MAX_CREDENTIALS {
            return Err(Error::Denied);
        }
        let by = self.credential(Some(by)).ok_or(Error::Denied)?;
        let mut added = EnrolledCredential::new(new, name, version, now);
        added.expires_at = by.expires_at;
        added.scopes = by.scopes.clone();
        self.credentials.push(added);
        if room_for_scopes(&self.credentials).is_err() {
            self.credentials.pop();
            return Err(Error::Denied);
        }
        self.version = version;
        Ok(())
    }

    /// Takes a credential away.
    ///
    /// # Errors
    /// [`Error::Denied`] when the client does not have it, or no other; [`Error::NotActive`];
    /// [`Error::Unavailable`] when its versions are used up.
    pub fn unlink(&mut self, id: &CredentialId) -> Result<(), Error> {
        self.active()?;
        let at = self
            .credentials
            .iter()
            .position(|credential| credential.id() == *id);
        let at = at
            .filter(|_| self.credentials.len() > 1)
            .ok_or(Error::Denied)?;
        self.version = next(self.version, "versions")?;
        self.credentials.remove(at);
        Ok(())
    }

    /// Replaces all credentials by one. The status stays as it is.
    ///
    /// # Errors
    /// [`Error::Denied`] when the client has this commitment already; [`Error::NotActive`] when it is
    /// revoked; [`Error::Unavailable`] when its versions or generations are used up.
    pub fn reset(&mut self, new: &Commitment, name: CredentialName, now: u64) -> Result<(), Error> {
        self.unrevoked()?;
        self.lacks(new)?;
        let version = next(self.version, "versions")?;
        self.generation = next(self.generation, "generations")?;
        self.version = version;
        self.credentials = vec![EnrolledCredential::new(new, name, version, now)];
        Ok(())
    }

    fn next_version_with(&self, new: &Commitment) -> Result<u32, Error> {
        self.active()?;
        self.lacks(new)?;
        next(self.version, "versions")
    }

    fn lacks(&self, new: &Commitment) -> Result<(), Error> {
        match self.credential(Some(&CredentialId::of(new.as_bytes()))) {
            Some(_) => Err(Error::Denied),
            None => Ok(()),
        }
    }

    fn active(&self) -> Result<(), Error> {
        self.status_is(self.is_active(), "active")
    }

    fn unrevoked(&self) -> Result<(), Error> {
        let revoked = self.status == ClientStatus::Revoked;
        self.status_is(!revoked, "active or suspended")
    }

    fn status_is(&self, good: bool, expected: &'static str) -> Result<(), Error> {
        match good {
            true => Ok(()),
            false => Err(Error::NotActive {
                status: self.status.as_str(),
                expected,
            }),
        }
    }

    /// Whoever is to be kept out is, whatever the counter says: one that is used up only cannot be resumed.
    fn put_out(&mut self, status: ClientStatus) -> Transition {
        if self.status == status {
            return Transition::Unchanged;
        }
        self.status = status;
        self.generation = self.generation.saturating_add(1);
        Transition::Changed
    }
}

/// Whether a record has room for what the scopes of its credentials take.
fn room_for_scopes(credentials: &[EnrolledCredential]) -> Result<(), Error> {
    let scopes = credentials.iter().filter_map(|one| one.scopes.as_ref());
    let taken: usize = scopes.flat_map(Scopes::iter).map(|one| one.len() + 1).sum();
    match taken <= Record::MAX_CREDENTIAL_SCOPES {
        true => Ok(()),
        false => Err(Error::InvalidLength {
            what: "scopes of the credentials of a client",
            expected: "at most 1280 characters together, each scope counted with one more",
            actual: taken,
        }),
    }
}

fn next(counter: u32, what: &str) -> Result<u32, Error> {
    counter.checked_add(1).ok_or_else(|| used_up(what))
}

fn used_up(what: &str) -> Error {
    Error::Unavailable {
        reason: alloc::format!("this client has used up its {what}"),
    }
}

impl From<ClientRecord> for Record {
    fn from(single: ClientRecord) -> Self {
        let version = single.commitment_version;
        let unnamed = CredentialName::unnamed();
        Self {
            version,
            generation: 0,
            status: single.status,
            credentials: vec![EnrolledCredential::new(
                &single.commitment,
                unnamed,
                version,
                0,
            )],
            attributes: None,
        }
    }
}

/// For hosts whose stores have columns for one credential.
///
/// [`Error::Unavailable`] when there is more to the record than those can keep, or its commitment is none.
impl TryFrom<&Record> for ClientRecord {
    type Error = Error;
    fn try_from(record: &Record) -> Result<Self, Error> {
        if record.credentials.len() > 1 {
            return Err(Error::Unavailable {
                reason: "this host keeps one credential of a client".into(),
            });
        }
        let commitment = match record.first().commitment {
            Kept::Decoded(commitment) => commitment,
            Kept::Bytes(bytes) => Commitment::from_bytes(&bytes).map_err(|_| damaged())?,
        };
        Ok(Self {
            commitment,
            commitment_version: record.version,
            status: record.status,
        })
    }
}

pub(crate) fn damaged() -> Error {
    Error::Unavailable {
        reason: "the record of a client is damaged".into(),
    }
}
