//! The tables of invitations: by the hash of their token, and by when they expire.

use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use twofapi_crypto_core::ClientId;

use crate::store::api::{InvitationKey, StoreError, failed};

/// SHA-256 of the token → client id and expiry (Unix seconds).
pub(super) const INVITATIONS: TableDefinition<'_, InvitationKey, (&str, u64)> =
    TableDefinition::new("invitations");
/// Expiry (Unix seconds) and SHA-256 of the token, so that forgetting takes as long as there is to
/// forget. One that was used up stays here until then.
pub(super) const BY_EXPIRY: TableDefinition<'_, (u64, InvitationKey), ()> =
    TableDefinition::new("invitations_by_expiry");

/// Below so many invitations none is forgotten, expired or not.
pub(super) const KEPT: u64 = 1000;

/// Makes the tables, if they are not there.
pub(super) fn set_up(t: &WriteTransaction) -> Result<(), StoreError> {
    t.open_table(INVITATIONS).map_err(failed)?;
    t.open_table(BY_EXPIRY).map(drop).map_err(failed)
}

pub(super) fn add(
    t: &WriteTransaction,
    invitation: &InvitationKey,
    id: &ClientId,
    expires_at: u64,
    now: u64,
) -> Result<(), StoreError> {
    let mut table = t.open_table(INVITATIONS).map_err(failed)?;
    let mut by_expiry = t.open_table(BY_EXPIRY).map_err(failed)?;
    // A clock that is ahead for a moment must not take the invitations of all others with it:
    // expired ones are forgotten where there are many, and two for one that comes.
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
        table.remove(key).map_err(failed)?;
    }
    by_expiry
        .insert((expires_at, *invitation), ())
        .map_err(failed)?;
    table
        .insert(invitation, (id.as_str(), expires_at))
        .map_err(failed)?;
    Ok(())
}

pub(super) fn look_up(
    t: &ReadTransaction,
    invitation: &InvitationKey,
    id: &ClientId,
    now: u64,
) -> Result<bool, StoreError> {
    let table = t.open_table(INVITATIONS).map_err(failed)?;
    is_live(&table, invitation, id, now)
}

/// Whether the invitation is there, for this client id, and has not expired.
pub(super) fn is_live(
    table: &impl ReadableTable<InvitationKey, (&'static str, u64)>,
    invitation: &InvitationKey,
    id: &ClientId,
    now: u64,
) -> Result<bool, StoreError> {
    let entry = table.get(invitation).map_err(failed)?;
    Ok(entry.is_some_and(|entry| {
        let (invited, expires_at) = entry.value();
        invited == id.as_str() && now < expires_at
    }))
}
