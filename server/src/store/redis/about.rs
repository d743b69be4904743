//! Which store this is: what `2fapi store migrate` writes, and what a server sees to before it uses one.

use std::collections::HashMap;

use redis::Value;

use super::{
    connection::{Connections, Safety},
    layout::{Bucket, Buckets},
    node,
    said::{self, elsewhere, unexpected},
};
use crate::{
    operator_keys::OperatorKeys,
    store::{api::StoreError, mark::Mark, sealed},
};

/// The version of the layout that this program reads and writes.
const VERSION: i32 = 1;
const MAKE: &str = include_str!("scripts/make.lua");

/// Which store this is: drawn once, and bound into everything that is sealed in it.
pub(super) type StoreId = [u8; 16];

/// What a server knows of the store that it has opened.
pub(super) struct About {
    pub(super) id: StoreId,
    pub(super) buckets: Buckets,
    pub(super) safety: Safety,
}

/// What is kept of the store as a whole.
struct Fields(HashMap<String, Vec<u8>>);

impl Fields {
    fn read(value: Value) -> Result<Self, StoreError> {
        let fields: HashMap<String, Vec<u8>> =
            redis::from_redis_value(value).map_err(|_| unexpected())?;
        Ok(Self(fields))
    }

    fn bytes(&self, name: &str) -> Result<&[u8], StoreError> {
        let field = self.0.get(name).map(Vec::as_slice);
        field.ok_or_else(|| StoreError(format!("what it says of its {name} is damaged")))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, StoreError> {
        let number = str::from_utf8(self.bytes(name)?).ok();
        let number = number.and_then(|text| text.parse().ok());
        number.ok_or_else(|| StoreError(format!("what it says of its {name} is damaged")))
    }

    fn id(&self) -> Result<StoreId, StoreError> {
        let id = self.bytes("id")?.try_into();
        id.map_err(|_| StoreError("what it says of its id is damaged".into()))
    }

    /// Whether it was made to the end.
    fn is_whole(&self) -> bool {
        self.0.contains_key("whole")
    }
}

/// Makes a store, or goes on where making one was cut off. Gives the version that was there, 0 for none, and the one that
/// is.
pub(super) async fn migrate(
    connections: &Connections,
    keys: &OperatorKeys,
) -> Result<(i32, i32), StoreError> {
    let place = &connections.place;
    let first = Buckets::new(&place.prefix, 1).first();
    node::check_node(connections, &first).await??;
    let mut id: StoreId = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|_| StoreError("the random source of the operating system failed".into()))?;
    let check = sealed::seal_check(keys, &id)?;
    let mut make = redis::cmd("EVAL");
    make.arg(MAKE).arg(1).arg(first.store());
    make.arg("version").arg(VERSION).arg("id").arg(&id);
    make.arg("check")
        .arg(check)
        .arg("buckets")
        .arg(place.buckets);
    let fields = Fields::read(one(connections, make).await?)?;
    let before = fields.number("version")?;
    if before > VERSION {
        return Err(newer(before));
    }
    if fields.is_whole() {
        return Ok((before, VERSION));
    }
    let (id, count) = (fields.id()?, fields.number("buckets")?);
    let buckets = Buckets::new(&place.prefix, count);
    for bucket in buckets.all() {
        let mut mark = redis::cmd("SET");
        mark.arg(bucket.about()).arg(&id).arg("NX");
        one(connections, mark).await?;
        if about(connections, &bucket).await? != id {
            return Err(StoreError(format!(
                "another store is at {}; say another `prefix` in the URL",
                bucket.about()
            )));
        }
    }
    let mut whole = redis::cmd("HSET");
    whole.arg(first.store()).arg("whole").arg("yes");
    one(connections, whole).await?;
    Ok((0, VERSION))
}

/// Sees that the store is of this version, that the key file is the one that it was made with, that it has no mark, and
/// that every node is fit for it.
pub(super) async fn check_store(
    connections: &Connections,
    keys: &OperatorKeys,
) -> Result<About, StoreError> {
    match look_at_store(connections, keys).await? {
        (_, Some(mark)) => Err(mark.into()),
        (about, None) => Ok(about),
    }
}

/// As [`check_store`], whatever its mark, which it gives: that of some buckets is that of the store.
pub(super) async fn look_at_store(
    connections: &Connections,
    keys: &OperatorKeys,
) -> Result<(About, Option<Mark>), StoreError> {
    let first = Buckets::new(&connections.place.prefix, 1).first();
    let safety = node::check_node(connections, &first).await??;
    let mut fields = redis::cmd("HGETALL");
    fields.arg(first.store());
    let fields = Fields::read(one(connections, fields).await?)?;
    if !fields.is_whole() {
        return Err(StoreError(
            "there is no store in it; 2fapi store migrate makes one".into(),
        ));
    }
    let version = fields.number("version")?;
    if version > VERSION {
        return Err(newer(version));
    }
    if version < VERSION {
        return Err(StoreError(format!(
            "its layout has version {version}, and this program needs {VERSION}; run 2fapi store migrate"
        )));
    }
    let id = fields.id()?;
    sealed::see_check(keys, &id, fields.bytes("check")?)?;
    let buckets = Buckets::new(&connections.place.prefix, fields.number("buckets")?);
    let mut mark = None;
    for bucket in buckets.all() {
        let there = about(connections, &bucket).await?;
        match said::mark(&there) {
            _ if there == id => {}
            None => return Err(elsewhere(&there)),
            marked => mark = mark.or(marked),
        }
        if connections.place.is_cluster()
            && node::check_node(connections, &bucket).await?? != safety
        {
            return Err(StoreError(
                "the nodes of the cluster are of several versions".into(),
            ));
        }
    }
    let about = About {
        id,
        buckets,
        safety,
    };
    Ok((about, mark))
}

/// Seals the check value anew, under the current key.
pub(super) async fn seal_check(
    connections: &Connections,
    keys: &OperatorKeys,
    about: &About,
) -> Result<(), StoreError> {
    let sealed = sealed::seal_check(keys, &about.id)?;
    let mut set = redis::cmd("HSET");
    set.arg(about.buckets.first().store())
        .arg("check")
        .arg(sealed);
    one(connections, set).await.map(drop)
}

/// What a bucket says of itself.
pub(super) async fn about(
    connections: &Connections,
    bucket: &Bucket,
) -> Result<Vec<u8>, StoreError> {
    let mut get = redis::cmd("GET");
    get.arg(bucket.about());
    match one(connections, get).await? {
        Value::BulkString(about) => Ok(about),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected()),
    }
}

/// The answer to a command that does the same when it is said twice.
pub(super) async fn one(
    connections: &Connections,
    command: redis::Cmd,
) -> Result<Value, StoreError> {
    let mut answers = connections.read(vec![command]).await?;
    answers.pop().ok_or_else(unexpected)
}

fn newer(version: i32) -> StoreError {
    StoreError(format!(
        "its layout has version {version}, and this program knows {VERSION} at most; use the newer program"
    ))
}
