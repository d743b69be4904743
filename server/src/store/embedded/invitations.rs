//! The tables of invitations: those to enrol by the hash of their token, and by when they expire; those to reset
//! a client by the client, which has one at most.

use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction,
};
use twofapi_crypto_core::ClientId;

use crate::store::api::{Invitation, InvitationKey, InvitationKind, StoreError, failed};

/// SHA-256 of the token → client id and expiry (Unix seconds).
pub(super) const INVITATIONS: TableDefinition<'_, InvitationKey, (&str, u64)> =
    TableDefinition::new("invitations");
/// Expiry (Unix seconds) and SHA-256 of the token, so that forgetting takes as long as there is to
/// forget. One that was used up stays here until then.
pub(super) const BY_EXPIRY: TableDefinition<'_, (u64, InvitationKey), ()> =
    TableDefinition::new("invitations_by_expiry");
/// Client id → SHA-256 of the token and expiry (Unix seconds).
const RESETS: TableDefinition<'_, &str, (InvitationKey, u64)> = TableDefinition::new("resets");

/// Below so many invitations none is forgotten, expired or not.
pub(super) const KEPT: u64 = 1000;

/// Makes the tables, if they are not there.
pub(super) fn set_up(t: &WriteTransaction) -> Result<(), StoreError> {
    Invitations::of(t).map(drop)?;
    t.open_table(BY_EXPIRY).map(drop).map_err(failed)
}

/// The invitations that may be good, in a transaction that changes them.
pub(super) struct Invitations<'t> {
    to_enrol: Table<'t, InvitationKey, (&'static str, u64)>,
    to_reset: Table<'t, &'static str, (InvitationKey, u64)>,
}

impl<'t> Invitations<'t> {
    pub(super) fn of(t: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            to_enrol: t.open_table(INVITATIONS).map_err(failed)?,
            to_reset: t.open_table(RESETS).map_err(failed)?,
        })
    }

    pub(super) fn permits(
        &self,
        key: &InvitationKey,
        id: &ClientId,
        now: u64,
    ) -> Result<Option<InvitationKind>, StoreError> {
        permits(&self.to_enrol, &self.to_reset, key, id, now)
    }

    pub(super) fn use_up(
        &mut self,
        kind: InvitationKind,
        key: &InvitationKey,
        id: &ClientId,
    ) -> Result<(), StoreError> {
        match kind {
            InvitationKind::Enrol => self.to_enrol.remove(key).map(drop),
            InvitationKind::Reset => self.to_reset.remove(id.as_str()).map(drop),
        }
        .map_err(failed)
    }
}

pub(super) fn add(
    t: &WriteTransaction,
    invitation: &Invitation,
    now: u64,
) -> Result<(), StoreError> {
    let Invitation {
        key,
        client_id,
        kind,
        expires_at,
    } = invitation;
    let mut kept = Invitations::of(t)?;
    match kind {
        InvitationKind::Reset => kept
            .to_reset
            .insert(client_id.as_str(), (*key, *expires_at))
            .map(drop)
            .map_err(failed),
        InvitationKind::Enrol => {
            let mut by_expiry = t.open_table(BY_EXPIRY).map_err(failed)?;
            forget(&mut kept.to_enrol, &mut by_expiry, now)?;
            by_expiry.insert((*expires_at, *key), ()).map_err(failed)?;
            kept.to_enrol
                .insert(key, (client_id.as_str(), *expires_at))
                .map(drop)
                .map_err(failed)
        }
    }
}

/// A clock that is ahead for a moment must not take the invitations of all others with it: expired ones are
/// forgotten where there are many, and two for one that comes.
fn forget(
    to_enrol: &mut Table<'_, InvitationKey, (&'static str, u64)>,
    by_expiry: &mut Table<'_, (u64, InvitationKey), ()>,
    now: u64,
) -> Result<(), StoreError> {
    for _ in 0..2 {
        if by_expiry.len().map_err(failed)? < KEPT {
            break;
        }
        let first = by_expiry.first().map_err(failed)?;
        let Some(entry) = first.map(|(entry, _)| entry.value()) else {
            break;
        };
        let (expired_at, key) = entry;
        if expired_at > now {
            break;
        }
        by_expiry.remove(entry).map_err(failed)?;
        to_enrol.remove(key).map_err(failed)?;
    }
    Ok(())
}

/// Voids those of a client, and says how many there were. (It looks at all that there are to enrol: an
/// operator asks for it, and seldom.)
pub(super) fn cancel(t: &WriteTransaction, id: &ClientId) -> Result<u64, StoreError> {
    let mut kept = Invitations::of(t)?;
    let reset = kept.to_reset.remove(id.as_str()).map_err(failed)?;
    let mut cancelled = u64::from(reset.is_some());
    kept.to_enrol
        .retain(|_, (invited, _)| {
            let stays = invited != id.as_str();
            cancelled += u64::from(!stays);
            stays
        })
        .map_err(failed)?;
    Ok(cancelled)
}

pub(super) fn look_up(
    t: &ReadTransaction,
    key: &InvitationKey,
    id: &ClientId,
    now: u64,
) -> Result<Option<InvitationKind>, StoreError> {
    let to_enrol = t.open_table(INVITATIONS).map_err(failed)?;
    let to_reset = t.open_table(RESETS).map_err(failed)?;
    permits(&to_enrol, &to_reset, key, id, now)
}

/// All that are there, expired or not.
pub(super) fn all(t: &ReadTransaction) -> Result<Vec<Invitation>, StoreError> {
    let read = |key, id: &str, kind, expires_at| -> Result<Invitation, StoreError> {
        Ok(Invitation {
            key,
            client_id: ClientId::parse(id).map_err(failed)?,
            kind,
            expires_at,
        })
    };
    let mut all = Vec::new();
    for entry in t
        .open_table(INVITATIONS)
        .map_err(failed)?
        .iter()
        .map_err(failed)?
    {
        let (key, invited) = entry.map_err(failed)?;
        let (id, expires_at) = invited.value();
        all.push(read(key.value(), id, InvitationKind::Enrol, expires_at)?);
    }
    for entry in t
        .open_table(RESETS)
        .map_err(failed)?
        .iter()
        .map_err(failed)?
    {
        let (id, invited) = entry.map_err(failed)?;
        let (key, expires_at) = invited.value();
        all.push(read(key, id.value(), InvitationKind::Reset, expires_at)?);
    }
    Ok(all)
}

/// Takes all away.
pub(super) fn clear(t: &WriteTransaction) -> Result<(), StoreError> {
    t.delete_table(INVITATIONS).map_err(failed)?;
    t.delete_table(BY_EXPIRY).map_err(failed)?;
    t.delete_table(RESETS).map_err(failed)?;
    set_up(t)
}

/// What a token permits that is there, for this client id, and has not expired.
fn permits(
    to_enrol: &impl ReadableTable<InvitationKey, (&'static str, u64)>,
    to_reset: &impl ReadableTable<&'static str, (InvitationKey, u64)>,
    key: &InvitationKey,
    id: &ClientId,
    now: u64,
) -> Result<Option<InvitationKind>, StoreError> {
    let entry = to_enrol.get(key).map_err(failed)?;
    let enrols = entry.is_some_and(|entry| {
        let (invited, expires_at) = entry.value();
        invited == id.as_str() && now < expires_at
    });
    if enrols {
        return Ok(Some(InvitationKind::Enrol));
    }
    let entry = to_reset.get(id.as_str()).map_err(failed)?;
    let resets = entry.is_some_and(|entry| {
        let (kept, expires_at) = entry.value();
        kept == *key && now < expires_at
    });
    Ok(resets.then_some(InvitationKind::Reset))
}
