//! The step that an attempt ends in, taken whole or not at all: on the main thread, in one call, in which no
//! other command runs.

use std::ffi::CStr;

use twofapi_crypto_core::ceremony::{Change, Committed, Expect, Step};

use super::{challenges, clients, pending};
use crate::{
    clock,
    host::Ctx,
    rules::{acl_user::AclUser, client::Client, failure::Failure},
};

/// What was done, and the ACL user that the client's connections become.
pub(crate) struct Taken {
    pub(crate) committed: Committed,
    pub(crate) user: Option<AclUser>,
}

/// Takes it. `user` is for a client that is enrolled, `event` is what those are told who listen to the
/// keyspace.
pub(crate) fn take(
    ctx: Ctx<'_>,
    step: &Step,
    user: Option<AclUser>,
    event: &CStr,
) -> Result<Taken, Failure> {
    let nothing = |committed| {
        Ok(Taken {
            committed,
            user: None,
        })
    };
    let client_id = &step.client_id;
    let present = clients::find(ctx, client_id)?;
    let record = present.as_ref().map(|client| &client.record);
    let met = step.expect.met_by(record, clock::unix_seconds());
    if met != Committed::Done {
        return nothing(met);
    }
    let joined = match &step.expect {
        Expect::Unchanged { joined, .. } => joined.as_deref(),
        Expect::Absent(_) | Expect::Unrevoked { .. } => None,
    };
    if joined.is_some_and(|joined| !pending::is_there(client_id, joined)) {
        return nothing(Committed::Changed);
    }
    if let Some(spend) = &step.spend {
        let committed = challenges::accept(spend)?;
        if committed != Committed::Done {
            return nothing(committed);
        }
    }
    if joined.is_some() {
        pending::forget(client_id);
    }
    let user = present.map_or(user, |client| client.user);
    match &step.change {
        Change::None => {}
        Change::Insert(record) => {
            let client = Client {
                client_id: client_id.clone(),
                user: user.clone(),
                record: record.clone(),
            };
            clients::create(ctx, &client)?;
        }
        Change::Replace(becomes) => {
            clients::update(ctx, client_id, event, |record| {
                *record = becomes.clone();
                Ok(())
            })?;
        }
    }
    Ok(Taken {
        committed: Committed::Done,
        user,
    })
}
