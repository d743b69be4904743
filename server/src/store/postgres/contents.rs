//! What of a store in PostgreSQL lasts, for who moves it, fills it or puts it in order.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::{IsolationLevel, Row, types::Type};
use twofapi_crypto_core::{ClientId, Record};

use super::{
    client,
    connection::{Connections, Typed, failed},
    kind, record,
    schema::{self, StoreId},
    sealed_key, seconds,
    steps::Columns,
};
use crate::{
    operator_keys::OperatorKeys,
    store::{
        api::{Invitation, InvitationKey, InvitationKind, StoreError},
        contents::{Clear, Contents, Cursor, interrupted},
        mark::Mark,
        sealed::SealedKey,
        signing_key::SigningKeyRecord,
    },
};

/// How long something may take of which a server would have given up.
const PATIENCE: Duration = Duration::from_secs(600);
/// Invitations that are read at once.
const INVITATIONS: i64 = 1000;

/// The contents of a store in PostgreSQL.
pub struct PostgresContents {
    connections: Connections,
    keys: OperatorKeys,
    id: StoreId,
}

impl PostgresContents {
    /// Connects to the store that is there, of this version and under these keys, whatever its mark.
    ///
    /// # Errors
    /// [`StoreError`], saying what the operator can do.
    pub async fn open(url: &str, keys: OperatorKeys) -> Result<Self, StoreError> {
        let connections = Connections::to(url)?;
        let (id, _) = schema::look_at_store(&connections, &keys).await?;
        Ok(Self {
            connections,
            keys,
            id,
        })
    }

    /// What a statement says, in which `{s}` is the schema.
    fn said(&self, statement: &str) -> String {
        statement.replace("{s}", self.connections.schema().as_str())
    }

    async fn rows(
        &self,
        statement: &str,
        parameters: &[Typed<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let said = self.said(statement);
        self.connections.rows(&said, parameters).await
    }

    /// Runs statements in one transaction that waits for the disk, each of which has to find so many rows.
    async fn change(
        &self,
        statements: &[(&str, &[Typed<'_>], Option<usize>)],
    ) -> Result<(), StoreError> {
        let mut connection = self.connections.connection().await?;
        let done = async {
            let transaction = connection
                .build_transaction()
                .isolation_level(IsolationLevel::ReadCommitted)
                .start()
                .await
                .map_err(failed)?;
            transaction
                .query_typed(
                    "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)",
                    &[],
                )
                .await
                .map_err(failed)?;
            for (statement, parameters, expected) in statements {
                let said = self.said(statement);
                let rows = transaction
                    .query_typed(&said, parameters)
                    .await
                    .map_err(failed)?;
                if expected.is_some_and(|expected| expected != rows.len()) {
                    return Err(interrupted());
                }
            }
            transaction.commit().await.map_err(failed)
        };
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(done) => done,
            Err(_) => {
                drop(deadpool_postgres::Object::take(connection));
                Err(StoreError("PostgreSQL did not answer".into()))
            }
        }
    }
}

/// Under which mark something is put, as a statement compares it.
const UNDER: &str = "EXISTS (SELECT FROM {s}.about WHERE moved_to = $1)";

#[async_trait]
impl Contents for PostgresContents {
    async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let rows = self.rows("SELECT moved_to FROM {s}.about", &[]).await?;
        let row = rows.first().ok_or_else(interrupted)?;
        let mark: Option<&str> = row.try_get(0).map_err(failed)?;
        Ok(mark.map(Mark::parse))
    }

    async fn change_mark(
        &self,
        before: Option<&Mark>,
        after: Option<&Mark>,
    ) -> Result<(), StoreError> {
        // As it stands there: an operator may have written it.
        let rows = self.rows("SELECT moved_to FROM {s}.about", &[]).await?;
        let row = rows.first().ok_or_else(interrupted)?;
        let found: Option<&str> = row.try_get(0).map_err(failed)?;
        if found.map(Mark::parse).as_ref() != before {
            return Err(interrupted());
        }
        let after = after.map(Mark::to_text);
        let parameters: [Typed<'_>; 2] = [(&found, Type::TEXT), (&after, Type::TEXT)];
        // Whoever has begun to write has locked a table for that, and is waited for; whoever begins later sees the mark.
        self.change(&[
            (
                "UPDATE {s}.about SET moved_to = $2 WHERE moved_to IS NOT DISTINCT FROM $1 RETURNING 1",
                &parameters,
                Some(1),
            ),
            (
                "LOCK TABLE {s}.clients, {s}.invitations, {s}.signing_keys, {s}.spent, {s}.pending_links, \
                   {s}.sessions IN SHARE MODE",
                &[],
                None,
            ),
        ])
        .await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        let parameters: [Typed<'_>; 1] = [(&id.as_str(), Type::TEXT)];
        let rows = self
            .rows(
                "SELECT record FROM {s}.clients WHERE client_id = $1",
                &parameters,
            )
            .await?;
        let read = |row: &Row| record(row.try_get(0).map_err(failed)?);
        rows.first().map(read).transpose()
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        let after = after.map_or("", ClientId::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters: [Typed<'_>; 2] = [(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = self
            .rows(
                "SELECT client_id, record FROM {s}.clients WHERE client_id > $1 ORDER BY client_id LIMIT $2",
                &parameters,
            )
            .await?;
        rows.iter().map(client).collect()
    }

    async fn invitations(
        &self,
        from: Cursor,
    ) -> Result<(Vec<Invitation>, Option<Cursor>), StoreError> {
        let parameters: [Typed<'_>; 2] = [(&from, Type::BYTEA), (&INVITATIONS, Type::INT8)];
        let rows = self
            .rows(
                "SELECT key, client_id, is_reset, expires_at FROM {s}.invitations WHERE key > $1 ORDER BY key LIMIT $2",
                &parameters,
            )
            .await?;
        let read = |row: &Row| -> Result<Invitation, StoreError> {
            let damaged = || StoreError("an invitation is damaged".into());
            let (key, id): (&[u8], &str) = (
                row.try_get(0).map_err(failed)?,
                row.try_get(1).map_err(failed)?,
            );
            let expires_at: i64 = row.try_get(3).map_err(failed)?;
            Ok(Invitation {
                key: InvitationKey::try_from(key).map_err(|_| damaged())?,
                client_id: ClientId::parse(id).map_err(|_| damaged())?,
                kind: kind(row.try_get(2).map_err(failed)?),
                expires_at: expires_at.try_into().map_err(|_| damaged())?,
            })
        };
        let invitations = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = invitations.last().map(|last| last.key.to_vec());
        Ok((invitations, next))
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let rows = self
            .rows(
                "SELECT kid, activates_at, sealed, algorithm FROM {s}.signing_keys ORDER BY activates_at, kid",
                &[],
            )
            .await?;
        let read = |row: &Row| sealed_key(row)?.unsealed(&self.keys, &self.id);
        rows.iter().map(read).collect()
    }

    async fn clear(&self, under: &Mark, what: Clear) -> Result<(), StoreError> {
        let under = under.to_text();
        let parameters: [Typed<'_>; 1] = [(&under, Type::TEXT)];
        let mut tables = vec![
            "invitations",
            "signing_keys",
            "spent",
            "pending_links",
            "sessions",
        ];
        if what == Clear::Everything {
            tables.push("clients");
        }
        let tables = tables
            .iter()
            .map(|table| format!("DELETE FROM {{s}}.{table}"));
        let tables: Vec<_> = tables.collect();
        // A server that has the store open reads the signing keys again.
        let mut statements: Vec<(&str, &[Typed<'_>], Option<usize>)> = vec![(
            "UPDATE {s}.about SET signing_keys_number = \
               greatest(signing_keys_number + 1, floor(extract(epoch FROM clock_timestamp()))::bigint) \
              WHERE moved_to = $1 RETURNING 1",
            &parameters,
            Some(1),
        )];
        statements.extend(tables.iter().map(|table| (table.as_str(), &[][..], None)));
        self.change(&statements).await
    }

    async fn put_clients(
        &self,
        under: &Mark,
        clients: &[(ClientId, Record)],
    ) -> Result<(), StoreError> {
        let under = under.to_text();
        let ids: Vec<_> = clients.iter().map(|(id, _)| id.as_str()).collect();
        let columns = clients.iter().map(|(_, record)| Columns::of(record));
        let columns = Columns::together(columns);
        let mut parameters: Vec<Typed<'_>> = vec![(&under, Type::TEXT), (&ids, Type::TEXT_ARRAY)];
        parameters.extend(columns.typed());
        // The ids of a client's credentials come as the bytes of all of them, for arrays of arrays are of one length each.
        let put = format!(
            "INSERT INTO {{s}}.clients (client_id, record, status, version, generation, credential_ids) \
             SELECT id, record, status, version, generation, \
                    ARRAY(SELECT substring(ids FROM at FOR 16) FROM generate_series(1, octet_length(ids), 16) AS at) \
               FROM unnest($2::text[], $3::bytea[], $4::int2[], $5::int8[], $6::int8[], $7::bytea[]) \
                 AS put (id, record, status, version, generation, ids) \
              WHERE {UNDER} \
             ON CONFLICT (client_id) DO UPDATE SET record = EXCLUDED.record, status = EXCLUDED.status, \
                version = EXCLUDED.version, generation = EXCLUDED.generation, \
                credential_ids = EXCLUDED.credential_ids, changed_at = now() \
             RETURNING 1"
        );
        self.change(&[(&put, &parameters, Some(clients.len()))])
            .await
    }

    async fn put_invitations(
        &self,
        under: &Mark,
        invitations: &[Invitation],
    ) -> Result<(), StoreError> {
        let under = under.to_text();
        let keys: Vec<_> = invitations.iter().map(|one| &one.key[..]).collect();
        let ids: Vec<_> = invitations
            .iter()
            .map(|one| one.client_id.as_str())
            .collect();
        let resets = invitations
            .iter()
            .map(|one| one.kind == InvitationKind::Reset);
        let resets: Vec<_> = resets.collect();
        let ends: Vec<_> = invitations
            .iter()
            .map(|one| seconds(one.expires_at))
            .collect();
        let parameters: [Typed<'_>; 5] = [
            (&under, Type::TEXT),
            (&keys, Type::BYTEA_ARRAY),
            (&ids, Type::TEXT_ARRAY),
            (&resets, Type::BOOL_ARRAY),
            (&ends, Type::INT8_ARRAY),
        ];
        let put = format!(
            "INSERT INTO {{s}}.invitations (key, client_id, is_reset, expires_at) \
             SELECT * FROM unnest($2::bytea[], $3::text[], $4::bool[], $5::int8[]) WHERE {UNDER} \
             ON CONFLICT (key) DO UPDATE SET expires_at = EXCLUDED.expires_at RETURNING 1"
        );
        self.change(&[(&put, &parameters, Some(invitations.len()))])
            .await
    }

    async fn put_signing_keys(
        &self,
        under: &Mark,
        keys: &[SigningKeyRecord],
    ) -> Result<(), StoreError> {
        let under = under.to_text();
        let sealed = keys
            .iter()
            .map(|key| SealedKey::sealed(key, &self.keys, &self.id));
        let sealed = sealed.collect::<Result<Vec<_>, _>>()?;
        let kids: Vec<_> = sealed.iter().map(|key| key.kid.as_str()).collect();
        let times: Vec<_> = sealed.iter().map(|key| seconds(key.activates_at)).collect();
        let seeds: Vec<_> = sealed.iter().map(|key| &key.sealed[..]).collect();
        let algorithms = sealed.iter().map(|key| i16::from(key.algorithm.number()));
        let algorithms: Vec<_> = algorithms.collect();
        let parameters: [Typed<'_>; 5] = [
            (&under, Type::TEXT),
            (&kids, Type::TEXT_ARRAY),
            (&times, Type::INT8_ARRAY),
            (&seeds, Type::BYTEA_ARRAY),
            (&algorithms, Type::INT2_ARRAY),
        ];
        let put = format!(
            "INSERT INTO {{s}}.signing_keys (kid, activates_at, sealed, algorithm) \
             SELECT * FROM unnest($2::text[], $3::int8[], $4::bytea[], $5::int2[]) WHERE {UNDER} RETURNING 1"
        );
        self.change(&[(&put, &parameters, Some(keys.len()))]).await
    }
}
