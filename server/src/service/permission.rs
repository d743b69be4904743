//! Who may enrol under a client id, or reset it, and by whose word.

use twofapi_crypto_core::{
    Attributes, ClientId, EnrolledCredential, Error, Record, ceremony::Permission,
};

use super::{attempts::EnrolmentPermission, invitations::EnrolmentToken, state::Service};
use crate::{store::InvitationKind, workload::Workloads};

/// What is permitted.
pub(super) struct Permitted {
    pub(super) by: Permission,
    /// What is to be said of the client, where the permission says it.
    pub(super) attributes: Option<Attributes>,
    pub(super) to: PermittedTo,
}

pub(super) enum PermittedTo {
    Enrol,
    /// To replace the credentials of this record, and of no later one.
    Reset(Option<Record>),
}

impl Service {
    /// What this permits for the client id; `None` for nothing, and then no work is done.
    pub(super) async fn permitted(
        &self,
        client_id: &ClientId,
        permission: EnrolmentPermission<'_>,
        now: u64,
    ) -> Result<Option<Permitted>, Error> {
        match permission {
            EnrolmentPermission::HostApplication => Ok(Some(Permitted {
                by: Permission::Host,
                attributes: None,
                to: PermittedTo::Enrol,
            })),
            EnrolmentPermission::Token(token) => match self.workloads() {
                Some(workloads) if Workloads::is_one(token) => {
                    self.permitted_workload(client_id, workloads, token, now)
                        .await
                }
                _ => self.invited(client_id, token, now).await,
            },
        }
    }

    async fn invited(
        &self,
        client_id: &ClientId,
        token: &str,
        now: u64,
    ) -> Result<Option<Permitted>, Error> {
        let key = EnrolmentToken::key(token);
        let Some(kind) = self.store.invited_to(&key, client_id, now).await? else {
            return Ok(None);
        };
        let attributes = match kind {
            InvitationKind::Enrol => Some(EnrolmentToken::attributes(token)?),
            InvitationKind::Reset => None,
        };
        Ok(Some(Permitted {
            by: Permission::Invitation(key),
            attributes,
            to: match kind {
                InvitationKind::Enrol => PermittedTo::Enrol,
                InvitationKind::Reset => PermittedTo::Reset(self.store.look_up(client_id).await?),
            },
        }))
    }

    async fn permitted_workload(
        &self,
        client_id: &ClientId,
        workloads: &Workloads,
        token: &str,
        now: u64,
    ) -> Result<Option<Permitted>, Error> {
        let Some(permit) = workloads.permit(token, client_id, now).await else {
            return Ok(None);
        };
        let to = match self.store.look_up(client_id).await? {
            // Each token resets once: what it puts there is younger than itself. A token from the future could be
            // used again until its time has come.
            Some(record) if permit.resets => {
                let youngest = record
                    .credentials()
                    .iter()
                    .map(EnrolledCredential::created)
                    .max();
                if permit.issued_at > now || youngest.is_some_and(|at| permit.issued_at <= at) {
                    tracing::info!(%client_id, "a workload's token is not younger than its credential");
                    return Ok(None);
                }
                PermittedTo::Reset(Some(record))
            }
            _ => PermittedTo::Enrol,
        };
        Ok(Some(Permitted {
            by: Permission::Host,
            attributes: Some(permit.attributes),
            to,
        }))
    }
}
