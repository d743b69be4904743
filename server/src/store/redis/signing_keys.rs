//! Signing keys in Redis: a hash from their ids to when they activate and what is sealed. Before what is sealed of a key
//! that is not EdDSA stand the layout 2, which no sealed value has, and the number of its algorithm.

use std::collections::HashMap;

use super::{about::one, connection::Connections, layout::Buckets, said::unexpected};
use crate::store::{api::StoreError, sealed::SealedKey, signing_key::SigningAlgorithm};

const WITH_ALGORITHM: u8 = 2;

/// All that a store keeps, by when they activate.
pub(super) async fn kept(
    connections: &Connections,
    buckets: &Buckets,
) -> Result<Vec<SealedKey>, StoreError> {
    let mut get = redis::cmd("HGETALL");
    get.arg(buckets.first().signing_keys());
    all(one(connections, get).await?)
}

fn all(hash: redis::Value) -> Result<Vec<SealedKey>, StoreError> {
    let hash: HashMap<String, Vec<u8>> = redis::from_redis_value(hash).map_err(|_| unexpected())?;
    let mut all = Vec::new();
    for (kid, kept) in hash {
        let damaged = || StoreError("a signing key is damaged".into());
        let (activates_at, sealed) = kept.split_first_chunk().ok_or_else(damaged)?;
        let (algorithm, sealed) = match sealed {
            [WITH_ALGORITHM, number, sealed @ ..] => {
                let algorithm = SigningAlgorithm::of_number(*number);
                (algorithm.ok_or_else(damaged)?, sealed)
            }
            sealed => (SigningAlgorithm::EdDsa, sealed),
        };
        all.push(SealedKey {
            kid,
            algorithm,
            activates_at: u64::from_be_bytes(*activates_at),
            sealed: sealed.to_vec(),
        });
    }
    all.sort_by(|one, other| (one.activates_at, &one.kid).cmp(&(other.activates_at, &other.kid)));
    Ok(all)
}

/// What a key has in the hash.
pub(super) fn to_bytes(key: &SealedKey) -> Vec<u8> {
    let mut bytes = key.activates_at.to_be_bytes().to_vec();
    if key.algorithm != SigningAlgorithm::EdDsa {
        bytes.extend([WITH_ALGORITHM, key.algorithm.number()]);
    }
    bytes.extend(&key.sealed);
    bytes
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    #[test]
    fn what_is_kept_gives_the_key_again_and_one_of_before_is_eddsa() {
        let sealed = vec![1, 0, 2, 1];
        for (algorithm, kept) in [
            (
                SigningAlgorithm::EdDsa,
                &[0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 2, 1][..],
            ),
            (
                SigningAlgorithm::Es256,
                &[0, 0, 0, 0, 0, 0, 0, 9, 2, 1, 1, 0, 2, 1],
            ),
        ] {
            let key = SealedKey {
                kid: "kid".into(),
                activates_at: 9,
                algorithm,
                sealed: sealed.clone(),
            };
            assert_eq!(to_bytes(&key), kept);
            let hash = [
                Value::BulkString(b"kid".into()),
                Value::BulkString(kept.into()),
            ];
            let again = all(Value::Array(hash.into())).unwrap();
            assert_eq!((again[0].algorithm, again[0].activates_at), (algorithm, 9));
            assert_eq!(again[0].sealed, sealed);
        }
        let unknown = [0, 0, 0, 0, 0, 0, 0, 9, 2, 9, 1];
        let hash = [
            Value::BulkString(b"kid".into()),
            Value::BulkString(unknown.into()),
        ];
        assert!(all(Value::Array(hash.into())).is_err());
    }
}
