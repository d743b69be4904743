//! The table of clients in a store's file: how a record is written there, and how it is looked up, in
//! a store that is served or in one that is only looked at.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use twofapi_crypto_core::{
    ClientId, ClientRecord, ClientStatus, Commitment, Error, Transition, ceremony::Committed,
};

use crate::store::api::{LifecycleChange, StoreError, failed};

/// Client id → record, see [`encode`].
pub(super) const CLIENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("clients");

const ACTIVE: u8 = ClientStatus::Active.number();
const CLIENT_LEN: usize = 1 + 4 + Commitment::LEN;

/// Status, version (big-endian), commitment.
fn encode(record: &ClientRecord) -> [u8; CLIENT_LEN] {
    let mut bytes = [0; CLIENT_LEN];
    bytes[0] = record.status.number();
    bytes[1..5].copy_from_slice(&record.commitment_version.to_be_bytes());
    bytes[5..].copy_from_slice(record.commitment.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<ClientRecord, StoreError> {
    let damaged = || StoreError("the record of a client is damaged".into());
    let bytes: &[u8; CLIENT_LEN] = bytes.try_into().map_err(|_| damaged())?;
    let [status, v0, v1, v2, v3, commitment @ ..] = bytes;
    Ok(ClientRecord {
        commitment: Commitment::from_bytes(commitment).map_err(|_| damaged())?,
        commitment_version: u32::from_be_bytes([*v0, *v1, *v2, *v3]),
        status: ClientStatus::from_number(*status).ok_or_else(damaged)?,
    })
}

/// Makes the table, if it is not there.
pub(super) fn set_up(t: &WriteTransaction) -> Result<(), StoreError> {
    t.open_table(CLIENTS).map(drop).map_err(failed)
}

/// As [`is_unchanged`], of what is in the file now.
pub(super) fn unchanged(
    t: &ReadTransaction,
    id: &ClientId,
    version: u32,
) -> Result<Committed, StoreError> {
    is_unchanged(&t.open_table(CLIENTS).map_err(failed)?, id, version)
}

/// Whether the record still is that of an active client and of this version. Decodes no commitment.
pub(super) fn is_unchanged(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &ClientId,
    version: u32,
) -> Result<Committed, StoreError> {
    let bytes = table.get(id.as_str()).map_err(failed)?;
    let as_expected = bytes.is_some_and(|bytes| match bytes.value() {
        [ACTIVE, v0, v1, v2, v3, ..] => u32::from_be_bytes([*v0, *v1, *v2, *v3]) == version,
        _ => false,
    });
    Ok(if as_expected {
        Committed::Done
    } else {
        Committed::Changed
    })
}

/// Puts a record in the place of the client's before, or where there was none.
pub(super) fn put(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    id: &ClientId,
    record: &ClientRecord,
) -> Result<(), StoreError> {
    table
        .insert(id.as_str(), &encode(record)[..])
        .map(drop)
        .map_err(failed)
}

pub(super) fn change_status(
    t: &WriteTransaction,
    id: &ClientId,
    change: LifecycleChange,
) -> Result<Result<(Transition, ClientRecord), Error>, StoreError> {
    let mut table = t.open_table(CLIENTS).map_err(failed)?;
    let Some(mut record) = stored(&table, id)? else {
        return Ok(Err(Error::NotEnrolled));
    };
    let transition = match change.apply(&mut record) {
        Ok(transition) => transition,
        Err(error) => return Ok(Err(error)),
    };
    put(&mut table, id, &record)?;
    Ok(Ok((transition, record)))
}

fn stored(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &ClientId,
) -> Result<Option<ClientRecord>, StoreError> {
    table
        .get(id.as_str())
        .map_err(failed)?
        .map(|bytes| decode(bytes.value()))
        .transpose()
}

pub(super) fn look_up(
    transaction: &ReadTransaction,
    id: &ClientId,
) -> Result<Option<ClientRecord>, StoreError> {
    stored(&transaction.open_table(CLIENTS).map_err(failed)?, id)
}

/// Up to `limit` clients after this one, in the order of their ids.
pub(super) fn after(
    transaction: &ReadTransaction,
    after: Option<&ClientId>,
    limit: usize,
) -> Result<Vec<(ClientId, ClientRecord)>, StoreError> {
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
    use twofapi_crypto_core::Credential;

    use super::*;

    fn commitment() -> Commitment {
        *Credential::generate(&mut getrandom::SysRng)
            .unwrap()
            .commitment()
    }

    #[test]
    fn records_survive_a_round_trip_and_damage_is_an_error() {
        for status in [
            ClientStatus::Active,
            ClientStatus::Suspended,
            ClientStatus::Revoked,
        ] {
            let record = ClientRecord {
                status,
                commitment_version: 0x0102_0304,
                ..ClientRecord::enrolled(commitment())
            };
            let bytes = encode(&record);
            assert_eq!(decode(&bytes).unwrap(), record);
            assert!(decode(&bytes[1..]).is_err());
            let mut damaged = bytes;
            damaged[0] = 3;
            assert!(decode(&damaged).is_err());
            damaged = bytes;
            damaged[36] |= 0x80;
            assert!(decode(&damaged).is_err());
        }
    }
}
