//! Clients in the order of their ids, across buckets: a page asks each bucket for a few ids, and goes on where one is used
//! up.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
};

use redis::Value;
use twofapi_crypto_core::{ClientId, Record};

use super::{
    connection::Connections,
    layout::{Bucket, Buckets, record},
    said::unexpected,
};
use crate::store::api::{StoreError, failed};

/// Records that are asked for at once.
const AT_ONCE: usize = 512;

pub(super) async fn clients_after(
    connections: &Connections,
    buckets: &Buckets,
    after: Option<&ClientId>,
    limit: usize,
) -> Result<Vec<(ClientId, Record)>, StoreError> {
    let from = after.map_or("-".into(), |after| format!("({}", after.as_str()));
    let ids = ids(connections, buckets, from, limit).await?;
    let mut clients = HashMap::new();
    let mut by_bucket: HashMap<u16, Vec<&ClientId>> = HashMap::new();
    for id in &ids {
        by_bucket.entry(buckets.of(id).number).or_default().push(id);
    }
    for (number, ids) in by_bucket {
        let bucket = buckets.number(number);
        for ids in ids.chunks(AT_ONCE) {
            let mut get = redis::cmd("MGET");
            for id in ids {
                get.arg(bucket.client(id));
            }
            for (id, kept) in ids.iter().zip(listed(connections, get).await?) {
                // The id comes first when a client is enrolled, and is no more than that until it is.
                if let Value::BulkString(kept) = kept {
                    clients.insert(*id, record(&kept)?);
                }
            }
        }
    }
    let found = |id: &ClientId| Some((id.clone(), clients.remove(id)?));
    Ok(ids.iter().filter_map(found).collect())
}

/// The first ids of all buckets together.
async fn ids(
    connections: &Connections,
    buckets: &Buckets,
    from: String,
    limit: usize,
) -> Result<Vec<ClientId>, StoreError> {
    let at_once = (2 * limit / usize::from(buckets.count) + 4).min(limit);
    let mut read: Vec<_> = buckets
        .all()
        .map(|bucket| Ids {
            bucket,
            ids: VecDeque::new(),
            from: Some(from.clone()),
        })
        .collect();
    let mut next = BinaryHeap::new();
    for (number, bucket) in read.iter_mut().enumerate() {
        if let Some(id) = bucket.next(connections, at_once).await? {
            next.push(Reverse((id, number)));
        }
    }
    let mut ids = Vec::new();
    while ids.len() < limit
        && let Some(Reverse((id, number))) = next.pop()
    {
        ids.push(id);
        if let Some(id) = read[number].next(connections, at_once).await? {
            next.push(Reverse((id, number)));
        }
    }
    Ok(ids)
}

/// The ids of one bucket, as far as they were read.
struct Ids {
    bucket: Bucket,
    ids: VecDeque<ClientId>,
    /// Where reading goes on, if there may be more.
    from: Option<String>,
}

impl Ids {
    async fn next(
        &mut self,
        connections: &Connections,
        at_once: usize,
    ) -> Result<Option<ClientId>, StoreError> {
        if self.ids.is_empty()
            && let Some(from) = self.from.take()
        {
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.bucket.ids()).arg(from).arg("+").arg("BYLEX");
            range.arg("LIMIT").arg(0).arg(at_once);
            for id in listed(connections, range).await? {
                let Value::BulkString(id) = id else {
                    return Err(unexpected());
                };
                self.ids
                    .push_back(ClientId::from_bytes(&id).map_err(failed)?);
            }
            let last = self.ids.back().filter(|_| self.ids.len() == at_once);
            self.from = last.map(|last| format!("({}", last.as_str()));
        }
        Ok(self.ids.pop_front())
    }
}

async fn listed(connections: &Connections, command: redis::Cmd) -> Result<Vec<Value>, StoreError> {
    match connections.read(vec![command]).await?.pop() {
        Some(Value::Array(values)) => Ok(values),
        _ => Err(unexpected()),
    }
}
