//! A step that changes a record, in one transaction of the file.

use redb::WriteTransaction;
use twofapi_crypto_core::ceremony::{Change, Committed, Expect, Permission, Step};

use super::{clients, invitations::Invitations};
use crate::store::api::{InvitationKind, StoreError, failed};

/// Takes the step, or says why not and changes nothing. `use_up` what is in memory comes last of what can
/// refuse it.
pub(super) fn take(
    t: &WriteTransaction,
    step: &Step,
    now: u64,
    use_up: impl FnOnce() -> Committed,
) -> Result<Committed, StoreError> {
    let id = &step.client_id;
    let mut clients = t.open_table(clients::CLIENTS).map_err(failed)?;
    let mut invitations = Invitations::of(t)?;
    let invitation = match &step.expect {
        Expect::Absent(Permission::Invitation(key)) => Some((InvitationKind::Enrol, key)),
        Expect::Unrevoked {
            permission: Permission::Invitation(key),
            ..
        } => Some((InvitationKind::Reset, key)),
        Expect::Absent(Permission::Host)
        | Expect::Unrevoked {
            permission: Permission::Host,
            ..
        }
        | Expect::Unchanged { .. } => None,
    };
    if let Some((kind, key)) = invitation
        && invitations.permits(key, id, now)? != Some(kind)
    {
        return Ok(Committed::NotInvited);
    }
    let record = clients::stored(&clients, id)?;
    let possible = match step.expect.met_by(record.as_ref(), now) {
        Committed::Done => use_up(),
        refused => refused,
    };
    if possible != Committed::Done {
        return Ok(possible);
    }
    if let Change::Insert(record) | Change::Replace(record) = &step.change {
        clients::put(&mut clients, id, record)?;
    }
    if let Some((kind, key)) = invitation {
        invitations.use_up(kind, key, id)?;
    }
    Ok(Committed::Done)
}
