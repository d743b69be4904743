//! The schema of a store in PostgreSQL: numbered migrations, applied by `2fapi store migrate` and by nobody else, and
//! what a server sees to before it uses one.

use tokio_postgres::types::Type;

use super::connection::{Connections, failed};
use crate::{
    operator_keys::OperatorKeys,
    store::{api::StoreError, mark::Mark, sealed},
};

/// The name of the schema: a lower-case identifier that needs no quotes.
#[derive(Clone, Debug)]
pub(super) struct SchemaName(String);

impl Default for SchemaName {
    fn default() -> Self {
        Self("twofapi_service".into())
    }
}

impl SchemaName {
    const MAX: usize = 48;

    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let fits = |(at, c): (usize, char)| {
            c == '_' || c.is_ascii_lowercase() || (at > 0 && c.is_ascii_digit())
        };
        let taken = ["public", "twofapi", "information_schema"].contains(&name);
        match (1..=Self::MAX).contains(&name.len())
            && name.char_indices().all(fits)
            && !name.starts_with("pg_")
            && !taken
        {
            true => Ok(Self(name.into())),
            false => Err(format!(
                "`schema` is a name of 1 to {} lower-case letters, digits and _, of a schema that \
                 nobody else uses",
                Self::MAX
            )),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Each leads from the version that is its place in this list to the next. What was published stays as it is.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
];
/// The version that this program reads and writes.
const VERSION: i32 = MIGRATIONS.len() as i32;

/// Migrations of one store wait for each other.
const LOCK: i64 = 0x3246_4170_6953_7472;

/// Which store this is: drawn once, and bound into everything that is sealed in it.
pub(super) type StoreId = [u8; 16];

/// Makes the schema, or brings one of before up to date. Gives the version that was there and the one that is.
///
/// All of it is one transaction under a lock that ends with it.
pub(super) async fn migrate(
    connections: &Connections,
    keys: &OperatorKeys,
) -> Result<(i32, i32), StoreError> {
    let schema = connections.schema().as_str();
    let mut connection = connections.connection().await?;
    let transaction = connection
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(failed)?;
    transaction
        .query_typed(
            "SELECT pg_catalog.pg_advisory_xact_lock($1)",
            &[(&LOCK, Type::INT8)],
        )
        .await
        .map_err(failed)?;
    let there = transaction
        .query_typed(
            "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
             WHERE nspname = $1 AND relname = 'about'",
            &[(&schema, Type::TEXT)],
        )
        .await
        .map_err(failed)?;
    let before = match there.is_empty() {
        true => 0,
        false => {
            let about = format!("SELECT schema_version FROM {schema}.about");
            let rows = transaction.query_typed(&about, &[]).await.map_err(failed)?;
            let row = rows.first().ok_or_else(|| no_store(schema))?;
            row.try_get(0).map_err(failed)?
        }
    };
    if before > VERSION {
        return Err(newer(before));
    }
    for migration in MIGRATIONS.iter().skip(before as usize) {
        let migration = migration.replace("{schema}", schema);
        transaction
            .batch_execute(&migration)
            .await
            .map_err(failed)?;
    }
    if before == 0 {
        let mut store: StoreId = [0; 16];
        getrandom::fill(&mut store)
            .map_err(|_| StoreError("the random source of the operating system failed".into()))?;
        let sealed = sealed::seal_check(keys, &store)?;
        let insert = format!(
            "INSERT INTO {schema}.about (schema_version, store_id, key_check) VALUES ($1, $2, $3)"
        );
        let parameters: [super::connection::Typed<'_>; 3] = [
            (&VERSION, Type::INT4),
            (&&store[..], Type::BYTEA),
            (&sealed, Type::BYTEA),
        ];
        transaction
            .query_typed(&insert, &parameters)
            .await
            .map_err(failed)?;
    } else {
        let update = format!("UPDATE {schema}.about SET schema_version = $1");
        transaction
            .query_typed(&update, &[(&VERSION, Type::INT4)])
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok((before, VERSION))
}

/// Sees that the store is of this version, that the key file is the one that it was made with, and that it has no mark.
pub(super) async fn check_store(
    connections: &Connections,
    keys: &OperatorKeys,
) -> Result<StoreId, StoreError> {
    match look_at_store(connections, keys).await? {
        (_, Some(mark)) => Err(mark.into()),
        (store, None) => Ok(store),
    }
}

/// As [`check_store`], whatever its mark, which it gives.
pub(super) async fn look_at_store(
    connections: &Connections,
    keys: &OperatorKeys,
) -> Result<(StoreId, Option<Mark>), StoreError> {
    let schema = connections.schema().as_str();
    let row = connections
        .row(
            "SELECT to_regclass($1 || '.about') IS NOT NULL, \
                    current_setting('default_transaction_isolation'), \
                    (SELECT relpersistence::text FROM pg_catalog.pg_class WHERE oid = to_regclass($1 || '.spent'))",
            &[(&schema, Type::TEXT)],
        )
        .await?
        .ok_or_else(|| no_store(schema))?;
    let (there, isolation): (bool, String) = (
        row.try_get(0).map_err(failed)?,
        row.try_get(1).map_err(failed)?,
    );
    if !there {
        return Err(no_store(schema));
    }
    if isolation != "read committed" {
        return Err(StoreError(format!(
            "its default_transaction_isolation is {isolation}, and the steps need read committed; \
             set that for this role with ALTER ROLE"
        )));
    }
    let persistence: Option<String> = row.try_get(2).map_err(failed)?;
    // A backup or a standby would bring accepted challenges back as they once were, with their epoch.
    if persistence.as_deref() != Some("u") {
        return Err(StoreError(format!(
            "the table {schema}.spent must be UNLOGGED, as 2fapi store migrate makes it"
        )));
    }
    let about = connections
        .row(
            &format!("SELECT schema_version, store_id, key_check, moved_to FROM {schema}.about"),
            &[],
        )
        .await?
        .ok_or_else(|| no_store(schema))?;
    let version: i32 = about.try_get(0).map_err(failed)?;
    if version > VERSION {
        return Err(newer(version));
    }
    if version < VERSION {
        return Err(StoreError(format!(
            "its schema has version {version}, and this program needs {VERSION}; run 2fapi store \
             migrate"
        )));
    }
    let mark: Option<String> = about.try_get(3).map_err(failed)?;
    let mark = mark.map(|mark| Mark::parse(&mark));
    // Where somebody is to go does not depend on the key file.
    if let Some(mark @ Mark::Moved { .. }) = mark {
        let store = about.try_get::<_, Vec<u8>>(1).map_err(failed)?;
        let store: StoreId = store.try_into().map_err(|_| no_store(schema))?;
        return Ok((store, Some(mark)));
    }
    let (store, check): (Vec<u8>, Vec<u8>) = (
        about.try_get(1).map_err(failed)?,
        about.try_get(2).map_err(failed)?,
    );
    let store: StoreId = store.try_into().map_err(|_| no_store(schema))?;
    sealed::see_check(keys, &store, &check)?;
    Ok((store, mark))
}

/// Seals the check value anew, under the current key.
pub(super) async fn seal_check(
    connections: &Connections,
    keys: &OperatorKeys,
    store: &StoreId,
) -> Result<(), StoreError> {
    let schema = connections.schema().as_str();
    let sealed = sealed::seal_check(keys, store)?;
    connections
        .rows(
            &format!("UPDATE {schema}.about SET key_check = $1"),
            &[(&sealed, Type::BYTEA)],
        )
        .await
        .map(drop)
}

fn no_store(schema: &str) -> StoreError {
    StoreError(format!(
        "there is no store in its schema {schema}; 2fapi store migrate makes one"
    ))
}

fn newer(version: i32) -> StoreError {
    StoreError(format!(
        "its schema has version {version}, and this program knows {VERSION} at most; use the newer \
         program"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_need_quotes_or_belongs_to_somebody_is_no_schema() {
        for name in ["twofapi_service", "a", "_1", &"a".repeat(48)] {
            assert!(SchemaName::parse(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "1a",
            "A",
            "a.b",
            "a b",
            "a\"",
            "a;--",
            "public",
            "pg_temp",
            "twofapi",
            "é",
            &"a".repeat(49),
        ] {
            assert!(SchemaName::parse(name).is_err(), "{name}");
        }
    }
}
