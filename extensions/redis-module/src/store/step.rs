//! The step that an attempt ends in, taken whole or not at all: on the main thread, in one call, in which no
//! other command runs.

use twofapi_crypto_core::{
    self as core, ClientRecord,
    ceremony::{Change, Committed, Expect, Step},
};

use super::{
    challenges,
    clients::{self, Active},
};
use crate::{
    host::Ctx,
    rules::{acl_user::AclUser, failure::Failure, record::Record},
};

/// What was done, and the ACL user that the client's connections become.
pub(crate) struct Taken {
    pub(crate) committed: Committed,
    pub(crate) user: Option<AclUser>,
}

/// Takes it. `seen` is the client that the proof was verified for; `user` is for one that is enrolled.
pub(crate) fn take(
    ctx: Ctx<'_>,
    step: &Step,
    seen: Option<&Active>,
    user: Option<AclUser>,
) -> Result<Taken, Failure> {
    let nothing = |committed| {
        Ok(Taken {
            committed,
            user: None,
        })
    };
    let client_id = &step.client_id;
    let present = clients::find(ctx, client_id)?;
    let user = match (&step.expect, present) {
        (Expect::Absent(_), None) => user,
        (Expect::Absent(_), Some(_)) => return nothing(Committed::Exists),
        (Expect::Unchanged { version, .. }, Some(record))
            if record.is_active()
                && record.commitment_version == *version
                // A key can be deleted, and the client enrolled anew.
                && seen.is_some_and(|seen| seen.commitment == record.commitment) =>
        {
            record.user
        }
        // Nobody has permission to reset a client here yet.
        (Expect::Unchanged { .. } | Expect::Unrevoked { .. }, _) => {
            return nothing(Committed::Changed);
        }
    };
    let becomes = match &step.change {
        Change::None => None,
        Change::Insert(record) | Change::Replace(record) => Some(single(record)?),
    };
    if let Some(spend) = &step.spend {
        let committed = challenges::accept(spend)?;
        if committed != Committed::Done {
            return nothing(committed);
        }
    }
    match (&step.change, becomes) {
        (Change::Insert(_), Some(life)) => {
            let record = Record::enrolled(client_id.clone(), &life.commitment, user.clone());
            clients::create(ctx, record)?;
        }
        (Change::Replace(_), Some(becomes)) => {
            clients::update(ctx, client_id, c"2fapi.rotate", |present| {
                present.transition(|life| {
                    *life = becomes;
                    Ok(())
                })
            })?;
        }
        _ => {}
    }
    Ok(Taken {
        committed: Committed::Done,
        user,
    })
}

/// This module keeps one credential of a client.
fn single(record: &core::Record) -> Result<ClientRecord, Failure> {
    Ok(ClientRecord::try_from(record)?)
}
