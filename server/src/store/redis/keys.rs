//! All keys of a store, some at a time: for what is not looked up by a name that somebody knows.

use redis::Value;

use super::{
    about::one,
    connection::Connections,
    layout::{Bucket, Buckets},
    said::unexpected,
};
use crate::store::{
    api::{StoreError, failed},
    contents::Cursor,
};

const IN_SLOT: &str = include_str!("scripts/keys.lua");
/// How many a node that is no cluster's looks at for one answer.
const LOOKED_AT: u32 = 5000;

/// A key of a bucket.
pub(super) struct Key {
    pub(super) bucket: Bucket,
    /// What it is called within its bucket.
    pub(super) name: String,
}

/// Some keys, and where the next ones are, if there may be more. A key may come twice.
pub(super) async fn some(
    connections: &Connections,
    buckets: &Buckets,
    from: &Cursor,
) -> Result<(Vec<Key>, Option<Cursor>), StoreError> {
    let from = str::from_utf8(from).map_err(failed)?;
    let (keys, next) = match connections.place.is_cluster() {
        true => {
            let number = match from {
                "" => 0,
                number => number.parse().map_err(failed)?,
            };
            let mut list = redis::cmd("EVAL");
            list.arg(IN_SLOT).arg(1).arg(buckets.number(number).about());
            let next = (number + 1 < buckets.count).then(|| (number + 1).to_string());
            (one(connections, list).await?, next)
        }
        false => scanned(connections, buckets, from).await?,
    };
    let Value::Array(keys) = keys else {
        return Err(unexpected());
    };
    let key = |key: Value| match key {
        Value::BulkString(key) => named(buckets, &String::from_utf8(key).ok()?),
        _ => None,
    };
    let keys = keys.into_iter().filter_map(key).collect();
    Ok((keys, next.map(String::into_bytes)))
}

/// Where a scan goes on is known to the node that has said so: it goes on over the same connection or not at all.
async fn scanned(
    connections: &Connections,
    buckets: &Buckets,
    from: &str,
) -> Result<(Value, Option<String>), StoreError> {
    let (over, cursor) = from.split_once(' ').unwrap_or(("", "0"));
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(buckets.pattern());
    scan.arg("COUNT").arg(LOOKED_AT);
    let answer = one(connections, scan).await?;
    let current = connections.current().map(|number| number.to_string());
    let current = current.unwrap_or_default();
    if !over.is_empty() && over != current {
        return Err(StoreError(
            "the connection was lost while its keys were listed; begin again".into(),
        ));
    }
    let Value::Array(answer) = answer else {
        return Err(unexpected());
    };
    let [Value::BulkString(cursor), keys]: [Value; 2] =
        answer.try_into().map_err(|_| unexpected())?
    else {
        return Err(unexpected());
    };
    let cursor = String::from_utf8(cursor).map_err(failed)?;
    Ok((keys, (cursor != "0").then(|| format!("{current} {cursor}"))))
}

/// What a key is called within its bucket, if it is of one of these.
fn named(buckets: &Buckets, key: &str) -> Option<Key> {
    let (tag, name) = key.split_once('}')?;
    let (_, number) = tag.rsplit_once(':')?;
    let number = number
        .parse()
        .ok()
        .filter(|number| *number < buckets.count)?;
    let bucket = buckets.number(number);
    (bucket.key(name) == key).then(|| Key {
        bucket,
        name: name.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_its_bucket_and_what_others_keep_is_of_none() {
        let buckets = Buckets::new("a-b", 16);
        let key = named(&buckets, "{a-b:0003}client:x}y").unwrap();
        assert_eq!((key.bucket.number, key.name.as_str()), (3, "client:x}y"));
        for other in [
            "{a-b:0016}ids",
            "{a-b:3}ids",
            "{b:0003}ids",
            "ids",
            "{a-b:x}",
            "",
        ] {
            assert!(named(&buckets, other).is_none(), "{other}");
        }
        assert_eq!(buckets.pattern(), "{a-b:*}*");
    }
}
