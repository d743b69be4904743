//! The table of clients in a store's file: how a record is looked up and changed there, in a store that is
//! served or in one that is only looked at.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use twofapi_crypto_core::{
    ClientId, Error, Record, Transition,
    ceremony::{Committed, Step},
};

use crate::store::{
    api::{StoreError, failed},
    changes::RecordChange,
};

/// Client id → record, in the bytes of the core.
pub(super) const CLIENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("clients");

/// Takes all away.
pub(super) fn clear(t: &WriteTransaction) -> Result<(), StoreError> {
    t.delete_table(CLIENTS).map_err(failed)?;
    set_up(t)
}

fn decode(bytes: &[u8]) -> Result<Record, StoreError> {
    Record::from_bytes(bytes).map_err(|_| StoreError("the record of a client is damaged".into()))
}

/// Makes the table, if it is not there.
pub(super) fn set_up(t: &WriteTransaction) -> Result<(), StoreError> {
    t.open_table(CLIENTS).map(drop).map_err(failed)
}

/// Whether the record in the file is as a step expects it. Decodes no commitment.
pub(super) fn met(t: &ReadTransaction, step: &Step, now: u64) -> Result<Committed, StoreError> {
    let record = look_up(t, &step.client_id)?;
    Ok(step.expect.met_by(record.as_ref(), now))
}

/// Puts a record in the place of the client's before, or where there was none.
pub(super) fn put(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    id: &ClientId,
    record: &Record,
) -> Result<(), StoreError> {
    table
        .insert(id.as_str(), &record.to_bytes()[..])
        .map(drop)
        .map_err(failed)
}

pub(super) fn change(
    t: &WriteTransaction,
    id: &ClientId,
    change: &RecordChange,
) -> Result<Result<(Transition, Record), Error>, StoreError> {
    let mut table = t.open_table(CLIENTS).map_err(failed)?;
    let Some(mut record) = stored(&table, id)? else {
        return Ok(Err(Error::NotEnrolled));
    };
    let transition = match change.apply(&mut record) {
        Ok(transition) => transition,
        Err(error) => return Ok(Err(error)),
    };
    if transition == Transition::Changed {
        put(&mut table, id, &record)?;
    }
    Ok(Ok((transition, record)))
}

pub(super) fn stored(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &ClientId,
) -> Result<Option<Record>, StoreError> {
    table
        .get(id.as_str())
        .map_err(failed)?
        .map(|bytes| decode(bytes.value()))
        .transpose()
}

pub(super) fn look_up(
    transaction: &ReadTransaction,
    id: &ClientId,
) -> Result<Option<Record>, StoreError> {
    stored(&transaction.open_table(CLIENTS).map_err(failed)?, id)
}

/// Up to `limit` clients after this one, in the order of their ids.
pub(super) fn after(
    transaction: &ReadTransaction,
    after: Option<&ClientId>,
    limit: usize,
) -> Result<Vec<(ClientId, Record)>, StoreError> {
    let table = transaction.open_table(CLIENTS).map_err(failed)?;
    let from = after.map_or("", ClientId::as_str);
    let mut clients = Vec::new();
    for entry in table.range(from..).map_err(failed)? {
        let (id, bytes) = entry.map_err(failed)?;
        if after.is_some_and(|after| after.as_str() == id.value()) {
            continue;
        }
        if clients.len() == limit {
            break;
        }
        let id = ClientId::parse(id.value()).map_err(failed)?;
        clients.push((id, decode(bytes.value())?));
    }
    Ok(clients)
}

#[cfg(test)]
mod tests {
    use twofapi_crypto_core::{ClientRecord, ClientStatus, Credential, CredentialName};

    use super::*;

    #[test]
    fn records_of_before_are_read_and_damage_is_an_error() {
        let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
        let commitment = *credential.commitment();
        for (number, status) in [
            (0, ClientStatus::Active),
            (1, ClientStatus::Suspended),
            (2, ClientStatus::Revoked),
        ] {
            let mut old = vec![number, 1, 2, 3, 4];
            old.extend(commitment.as_bytes());
            let single = ClientRecord {
                commitment,
                commitment_version: 0x0102_0304,
                status,
            };
            assert_eq!(decode(&old).unwrap(), single.into());
            old[0] = 3;
            assert!(decode(&old).is_err());
        }
        let record = Record::enrolled(&commitment, CredentialName::unnamed(), 5);
        let mut bytes = record.to_bytes();
        assert_eq!(decode(&bytes).unwrap(), record);
        assert!(decode(&bytes[1..]).is_err());
        bytes.push(0);
        assert!(decode(&bytes).is_err());
    }
}
