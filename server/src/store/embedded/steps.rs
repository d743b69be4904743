//! A step that changes a record, in one transaction of the file.

use redb::{ReadableTable, WriteTransaction};
use twofapi_crypto_core::{
    ClientRecord,
    ceremony::{Change, Committed, Expect, Permission, Step},
};

use super::{clients, invitations};
use crate::store::api::{StoreError, failed};

/// Takes the step, or says why not and changes nothing. `spend` comes last of what can refuse it.
pub(super) fn take(
    t: &WriteTransaction,
    step: &Step,
    now: u64,
    spend: impl FnOnce() -> Committed,
) -> Result<Committed, StoreError> {
    let id = &step.client_id;
    let mut clients = t.open_table(clients::CLIENTS).map_err(failed)?;
    let mut invitations = t.open_table(invitations::INVITATIONS).map_err(failed)?;
    let as_expected = match &step.expect {
        Expect::Unchanged { version, .. } => clients::is_unchanged(&clients, id, *version)?,
        Expect::Absent(Permission::Invitation(key))
            if !invitations::is_live(&invitations, key, id, now)? =>
        {
            Committed::NotInvited
        }
        Expect::Absent(_) if clients.get(id.as_str()).map_err(failed)?.is_some() => {
            Committed::Exists
        }
        Expect::Absent(_) => Committed::Done,
        // This store keeps no permissions to reset a client.
        Expect::Unrevoked { .. } => Committed::NotInvited,
    };
    let possible = match as_expected {
        Committed::Done => spend(),
        refused => refused,
    };
    if possible != Committed::Done {
        return Ok(possible);
    }
    if let Change::Insert(record) | Change::Replace(record) = &step.change {
        let record = ClientRecord::try_from(record).map_err(failed)?;
        clients::put(&mut clients, id, &record)?;
    }
    if let Expect::Absent(Permission::Invitation(key)) = &step.expect {
        invitations.remove(key).map_err(failed)?;
    }
    Ok(Committed::Done)
}
