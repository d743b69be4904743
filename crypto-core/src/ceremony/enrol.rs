//! An enrolment or a reset before it is permitted: whoever has no permission gets no work done.

use super::{
    Check,
    step::{Cause, Permission, Refused},
};
use crate::{Attributes, ClientId, ClientStatus, Commitment, CredentialName, Proof, Record};

/// An enrolment that somebody asks for. The host says by whom it is permitted, or refuses.
#[must_use]
pub struct Asked {
    pub(super) client_id: ClientId,
    pub(super) commitment: Commitment,
    pub(super) proof: Proof,
    pub(super) name: CredentialName,
    pub(super) attributes: Option<Attributes>,
    pub(super) now: u64,
}

impl Asked {
    /// Whom the permission must be for.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The record is to say when its credential came, in Unix seconds.
    pub fn at(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    /// The credential is called this.
    pub fn named(mut self, name: CredentialName) -> Self {
        self.name = name;
        self
    }

    /// The permission comes with this to be said of the client, from the same moment on. A reset replaces what was
    /// said before.
    pub fn saying(mut self, attributes: Attributes) -> Self {
        self.attributes = Some(attributes);
        self
    }

    /// The permission is good now. The step sees to it again and uses it up.
    pub fn permitted(self, by: Permission) -> Check {
        Check::of_enrolment(self, by)
    }

    /// The permission is good now, and is one to reset a client: the credential takes the place of all that
    /// this record has. The step sees to both again and uses the permission up.
    ///
    /// # Errors
    /// [`Refused::Denied`] when there is no client of this id, or it is revoked.
    pub fn permitted_to_reset(
        self,
        by: Permission,
        record: Option<impl Into<Record>>,
    ) -> Result<Check, Refused> {
        let record = record.map(Into::into);
        let record = record.ok_or(Refused::Denied(Cause::UnknownClient))?;
        if record.status() == ClientStatus::Revoked {
            return Err(Refused::Denied(Cause::InactiveClient));
        }
        Ok(Check::of_reset(self, by, record))
    }

    /// There is none: no work is done, and nothing is told of the client id.
    #[must_use]
    pub fn refuse(self) -> Refused {
        Refused::Denied(Cause::Permission)
    }
}

impl core::fmt::Debug for Asked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Asked({})", self.client_id)
    }
}
