//! An enrolment before it is permitted: whoever may not enrol gets no work done.

use super::{
    Check,
    step::{Cause, Permission, Refused},
};
use crate::{ClientId, Commitment, Proof};

/// An enrolment that somebody asks for. The host says by whom it is permitted, or refuses.
#[must_use]
pub struct Asked {
    pub(super) client_id: ClientId,
    pub(super) commitment: Commitment,
    pub(super) proof: Proof,
}

impl Asked {
    /// Whom the permission must be for.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The permission is good now. The step sees to it again and uses it up.
    pub fn permitted(self, by: Permission) -> Check {
        Check::of_enrolment(self.client_id, self.commitment, self.proof, by)
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
