//! The tables of signing keys: the keys, and of those that are not EdDSA the algorithm.

use redb::{ReadTransaction, ReadableTable, TableDefinition, TypeName, Value, WriteTransaction};
use zeroize::Zeroizing;

use crate::store::{
    api::{StoreError, failed},
    signing_key::{Seed, SigningAlgorithm, SigningKeyRecord},
};

/// Key id → seed and time of activation.
const SIGNING_KEYS: TableDefinition<'_, &str, StoredKey> = TableDefinition::new("signing_keys");

/// Key id → number of its algorithm, of keys that are of another one than those of format 2.
const ALGORITHMS: TableDefinition<'_, &str, u8> = TableDefinition::new("signing_key_algorithms");

/// The bytes of `([u8; 32], u64)`, which is what the file says they are, without the copies that
/// arrays by value leave behind.
#[derive(Debug)]
struct StoredKey;

impl StoredKey {
    const LEN: usize = Seed::LEN + 8;

    fn encode(key: &SigningKeyRecord) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::LEN));
        bytes.extend_from_slice(key.seed.as_bytes());
        bytes.extend_from_slice(&key.activates_at.to_le_bytes());
        bytes
    }

    fn decode(
        kid: &str,
        algorithm: SigningAlgorithm,
        bytes: &[u8],
    ) -> Result<SigningKeyRecord, StoreError> {
        let (seed, activates_at) = bytes.split_at_checked(Seed::LEN).ok_or_else(damaged)?;
        Ok(SigningKeyRecord {
            kid: kid.to_owned(),
            activates_at: u64::from_le_bytes(activates_at.try_into().map_err(|_| damaged())?),
            algorithm,
            seed: Seed::from_bytes(seed).ok_or_else(damaged)?,
        })
    }
}

fn damaged() -> StoreError {
    StoreError("a signing key is damaged".into())
}

impl Value for StoredKey {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        Some(Self::LEN)
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a Self::SelfType<'b>) -> &'a [u8] {
        value
    }

    fn type_name() -> TypeName {
        <([u8; Seed::LEN], u64)>::type_name()
    }
}

/// Makes the tables, if they are not there.
pub(super) fn set_up(t: &WriteTransaction) -> Result<(), StoreError> {
    t.open_table(ALGORITHMS).map(drop).map_err(failed)?;
    t.open_table(SIGNING_KEYS).map(drop).map_err(failed)
}

/// All of them, by the time at which they activate.
pub(super) fn all(t: &ReadTransaction) -> Result<Vec<SigningKeyRecord>, StoreError> {
    let table = t.open_table(SIGNING_KEYS).map_err(failed)?;
    let algorithms = t.open_table(ALGORITHMS).map_err(failed)?;
    let mut keys = table
        .iter()
        .map_err(failed)?
        .map(|entry| {
            let (kid, bytes) = entry.map_err(failed)?;
            let algorithm = match algorithms.get(kid.value()).map_err(failed)? {
                Some(number) => SigningAlgorithm::of_number(number.value()).ok_or_else(damaged)?,
                None => SigningAlgorithm::EdDsa,
            };
            StoredKey::decode(kid.value(), algorithm, bytes.value())
        })
        .collect::<Result<Vec<_>, _>>()?;
    keys.sort_by_key(|key| key.activates_at);
    Ok(keys)
}

/// Adds one if there are just these others.
pub(super) fn add(
    t: &WriteTransaction,
    key: &SigningKeyRecord,
    others: &[String],
) -> Result<bool, StoreError> {
    let mut table = t.open_table(SIGNING_KEYS).map_err(failed)?;
    let mut known = 0;
    for entry in table.iter().map_err(failed)? {
        let (kid, _) = entry.map_err(failed)?;
        if !others.iter().any(|other| other == kid.value()) {
            return Ok(false);
        }
        known += 1;
    }
    if known != others.len() {
        return Ok(false);
    }
    if key.algorithm != SigningAlgorithm::EdDsa {
        let mut algorithms = t.open_table(ALGORITHMS).map_err(failed)?;
        algorithms
            .insert(key.kid.as_str(), key.algorithm.number())
            .map_err(failed)?;
    }
    table
        .insert(key.kid.as_str(), StoredKey::encode(key).as_slice())
        .map_err(failed)?;
    Ok(true)
}

/// Takes all away.
pub(super) fn clear(t: &WriteTransaction) -> Result<(), StoreError> {
    t.delete_table(ALGORITHMS).map_err(failed)?;
    t.delete_table(SIGNING_KEYS).map_err(failed)?;
    set_up(t)
}

pub(super) fn remove(t: &WriteTransaction, kid: &str) -> Result<(), StoreError> {
    let mut algorithms = t.open_table(ALGORITHMS).map_err(failed)?;
    algorithms.remove(kid).map_err(failed)?;
    let mut table = t.open_table(SIGNING_KEYS).map_err(failed)?;
    table.remove(kid).map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{Database, ReadableDatabase, backends::InMemoryBackend};

    #[test]
    fn keys_of_stores_from_before_are_read_and_ours_are_what_those_would_be() {
        const AS_BEFORE: TableDefinition<'_, &str, ([u8; 32], u64)> =
            TableDefinition::new("signing_keys");
        let database = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        let t = database.begin_write().unwrap();
        t.open_table(AS_BEFORE)
            .unwrap()
            .insert("old", ([7; 32], 1_795_000_000))
            .unwrap();
        set_up(&t).unwrap();
        let new = SigningKeyRecord {
            kid: "new".into(),
            activates_at: 1_795_000_001,
            algorithm: SigningAlgorithm::EdDsa,
            seed: Seed::from_bytes(&[9; 32]).unwrap(),
        };
        assert!(!add(&t, &new, &[]).unwrap());
        assert!(add(&t, &new, &["old".into()]).unwrap());
        t.commit().unwrap();
        let t = database.begin_read().unwrap();
        let keys = all(&t).unwrap();
        let said: Vec<_> = keys
            .iter()
            .map(|key| (key.kid.as_str(), key.seed.as_bytes()[0], key.activates_at))
            .collect();
        assert_eq!(said, [("old", 7, 1_795_000_000), ("new", 9, 1_795_000_001)]);
        let table = t.open_table(AS_BEFORE).unwrap();
        assert_eq!(
            table.get("new").unwrap().unwrap().value(),
            ([9; 32], 1_795_000_001)
        );
    }

    #[test]
    fn a_key_is_of_the_algorithm_that_it_was_added_with_and_takes_that_along_when_it_goes() {
        let database = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        let t = database.begin_write().unwrap();
        set_up(&t).unwrap();
        let mut others = Vec::new();
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
            let key = SigningKeyRecord::generate(algorithm, others.len() as u64).unwrap();
            assert!(add(&t, &key, &others).unwrap());
            others.push(key.kid);
        }
        t.commit().unwrap();
        let algorithms = |database: &Database| {
            let keys = all(&database.begin_read().unwrap()).unwrap();
            keys.iter().map(|key| key.algorithm).collect::<Vec<_>>()
        };
        let both = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa];
        assert_eq!(algorithms(&database), both);
        // Another key of the same name is of its own algorithm.
        let t = database.begin_write().unwrap();
        remove(&t, &others[0]).unwrap();
        let again = SigningKeyRecord {
            kid: others[0].clone(),
            ..SigningKeyRecord::generate(SigningAlgorithm::EdDsa, 0).unwrap()
        };
        assert!(add(&t, &again, &others[1..]).unwrap());
        t.commit().unwrap();
        assert_eq!(algorithms(&database), [SigningAlgorithm::EdDsa; 2]);
    }
}
