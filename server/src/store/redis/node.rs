//! What a node has to be like: a master that says which history it has, keeps all that it is given, and has it on disk if
//! the URL does not say otherwise.

use std::collections::HashMap;

use redis::Value;

use super::{
    connection::{Connections, Safety},
    layout::Bucket,
    said::unexpected,
};
use crate::store::api::StoreError;

const SCRIPT: &str = include_str!("scripts/server.lua");
/// Since then `WAITAOF` waits for the disk.
const WAITS_FOR_DISKS: (u32, u32) = (7, 2);

/// Whether the node of a bucket is fit for the store, and what its changes have to wait for then. The outer error is that
/// it could not be asked.
pub(super) async fn check_node(
    connections: &Connections,
    bucket: &Bucket,
) -> Result<Result<Safety, StoreError>, StoreError> {
    let mut said = redis::cmd("EVAL");
    said.arg(SCRIPT).arg(1).arg(bucket.about());
    let answers = connections.read(vec![said]).await?;
    let Some(Value::BulkString(info)) = answers.into_iter().next() else {
        return Err(unexpected());
    };
    let info = String::from_utf8_lossy(&info).into_owned();
    let place = &connections.place;
    let safety = match Node::read(&info).and_then(|node| node.safety(place.on_disk, place.replicas))
    {
        Ok(safety) => safety,
        unfit => return Ok(unfit),
    };
    if place.on_disk && safety != Safety::Disks(place.replicas) {
        let always = is_always_on_disk(connections, bucket).await;
        if !always? {
            return Ok(Err(StoreError(
                "Redis before 7.2 cannot say when a change is on disk, unless each one is at once: set `appendfsync \
                 always`, or use a newer Redis"
                    .into(),
            )));
        }
    }
    Ok(Ok(safety))
}

async fn is_always_on_disk(connections: &Connections, bucket: &Bucket) -> Result<bool, StoreError> {
    // The first command leads to the node of the bucket.
    let mut key = redis::cmd("EXISTS");
    key.arg(bucket.about());
    let mut setting = redis::cmd("CONFIG");
    setting.arg("GET").arg("appendfsync");
    let answers = connections.read(vec![key, setting]).await?;
    let setting = answers.into_iter().nth(1).ok_or_else(unexpected)?;
    let setting: HashMap<String, String> =
        redis::from_redis_value(setting).map_err(|_| unexpected())?;
    Ok(setting
        .get("appendfsync")
        .is_some_and(|when| when == "always"))
}

struct Node {
    version: (u32, u32),
    has_aof: bool,
}

impl Node {
    /// Reads what `INFO` says, and refuses a node that is not fit.
    fn read(info: &str) -> Result<Self, StoreError> {
        let field = |name: &str| {
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        let wrong = |what: String| Err(StoreError(what));
        let version = field("redis_version").and_then(|version| {
            let mut parts = version.split('.').map(str::parse);
            Some((parts.next()?.ok()?, parts.next()?.ok()?))
        });
        let Some(version @ (7.., _)) = version else {
            return wrong("Redis 7.0 or newer is needed, or Valkey".into());
        };
        if field("role") != Some("master") {
            return wrong("that Redis is a replica; the URL has to lead to the master".into());
        }
        if field("master_replid").is_none_or(|id| id.len() != 40) {
            return wrong("that Redis does not say its master_replid, by which the store knows whether it has lost \
                          anything".into());
        }
        match field("maxmemory_policy") {
            Some("noeviction") => {}
            policy => {
                return wrong(format!(
                    "that Redis throws keys away when its memory is full (maxmemory-policy {}): set `maxmemory-policy \
                     noeviction`",
                    policy.unwrap_or("unknown")
                ));
            }
        }
        Ok(Self {
            version,
            has_aof: field("aof_enabled") == Some("1"),
        })
    }

    fn safety(&self, on_disk: bool, replicas: u32) -> Result<Safety, StoreError> {
        if !on_disk {
            return Ok(match replicas {
                0 => Safety::Answered,
                replicas => Safety::Replicas(replicas),
            });
        }
        if !self.has_aof {
            return Err(StoreError(
                "that Redis keeps no log on disk (`appendonly no`), and would lose clients and revocations with the \
                 process: set `appendonly yes`, or say `durability=none` in the URL"
                    .into(),
            ));
        }
        Ok(match (self.version >= WAITS_FOR_DISKS, replicas) {
            (true, replicas) => Safety::Disks(replicas),
            (false, 0) => Safety::Answered,
            (false, replicas) => Safety::Replicas(replicas),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(replaced: &str, by: &str) -> String {
        let id = "0123456789".repeat(4);
        let info = format!(
            "# Server\r\nredis_version:7.2.4\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\n\
             aof_enabled:1\r\n# Replication\r\nrole:master\r\nmaster_replid:{id}\r\n"
        );
        assert!(info.contains(replaced));
        info.replace(replaced, by)
    }

    #[test]
    fn a_node_that_would_lose_or_throw_away_what_it_has_is_refused() {
        for (replaced, by, said) in [
            ("redis_version:7.2.4", "redis_version:6.2.0", "7.0 or newer"),
            ("redis_version:7.2.4", "", "7.0 or newer"),
            ("role:master", "role:slave", "replica"),
            ("master_replid", "x", "master_replid"),
            ("noeviction", "allkeys-lru", "allkeys-lru"),
            ("noeviction", "volatile-ttl", "volatile-ttl"),
            ("maxmemory_policy:noeviction", "", "unknown"),
        ] {
            let refused = Node::read(&info(replaced, by))
                .err()
                .expect("it is refused");
            assert!(refused.0.contains(said), "{refused}");
        }
        let node = Node::read(&info("aof_enabled:1", "aof_enabled:0")).unwrap();
        assert!(
            node.safety(true, 0)
                .unwrap_err()
                .0
                .contains("appendonly yes")
        );
        assert_eq!(node.safety(false, 0).unwrap(), Safety::Answered);
        assert_eq!(node.safety(false, 2).unwrap(), Safety::Replicas(2));
    }

    #[test]
    fn a_change_waits_for_all_replicas_and_for_the_disk_where_it_can() {
        let node = Node::read(&info("7.2.4", "7.2.4")).unwrap();
        assert_eq!(node.safety(true, 2).unwrap(), Safety::Disks(2));
        let node = Node::read(&info("7.2.4", "8.0.1")).unwrap();
        assert_eq!(node.safety(true, 0).unwrap(), Safety::Disks(0));
        let node = Node::read(&info("7.2.4", "7.0.15")).unwrap();
        assert_eq!(node.safety(true, 0).unwrap(), Safety::Answered);
        assert_eq!(node.safety(true, 1).unwrap(), Safety::Replicas(1));
    }
}
