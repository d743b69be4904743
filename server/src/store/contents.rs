//! What of a store lasts, for who moves it, fills it or puts it in order: never while a server uses it.

use async_trait::async_trait;
use twofapi_crypto_core::{ClientId, Record};

use super::{
    api::{Invitation, StoreError},
    mark::Mark,
    signing_key::SigningKeyRecord,
};

/// Where reading invitations goes on; it begins with an empty one.
pub type Cursor = Vec<u8>;

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    /// All that it keeps.
    Everything,
    /// Invitations, signing keys, and whatever may be lost: challenges end, and no token of before is good.
    AllButClients,
}

/// What of a store lasts, with its mark. What may be lost, such as the spent set and its epoch, is not seen here.
///
/// Whatever is put is put under a mark, and refused when the store has another one by then: of two who put something in,
/// one goes on. Putting what is there already takes its place.
#[async_trait]
pub trait Contents: Send + Sync {
    /// Its mark, if it has one.
    async fn mark(&self) -> Result<Option<Mark>, StoreError>;

    /// Puts a mark in the place of another one, or of none. When it is there, nothing that began before is still on its
    /// way, and it is as durable as a change.
    async fn change_mark(
        &self,
        before: Option<&Mark>,
        after: Option<&Mark>,
    ) -> Result<(), StoreError>;

    /// The record of a client.
    async fn client(&self, id: &ClientId) -> Result<Option<Record>, StoreError>;

    /// Up to `limit` clients whose ids come after `after`, in the order of their ids.
    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError>;

    /// Some invitations, and where the next ones are, if there may be more.
    async fn invitations(
        &self,
        from: Cursor,
    ) -> Result<(Vec<Invitation>, Option<Cursor>), StoreError>;

    /// All signing keys.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Takes something away.
    async fn clear(&self, under: &Mark, what: Clear) -> Result<(), StoreError>;

    /// Puts clients in.
    async fn put_clients(
        &self,
        under: &Mark,
        clients: &[(ClientId, Record)],
    ) -> Result<(), StoreError>;

    /// Puts invitations in.
    async fn put_invitations(
        &self,
        under: &Mark,
        invitations: &[Invitation],
    ) -> Result<(), StoreError>;

    /// Puts signing keys in, where there are none.
    async fn put_signing_keys(
        &self,
        under: &Mark,
        keys: &[SigningKeyRecord],
    ) -> Result<(), StoreError>;
}

/// What is said where a store has another mark than the one under which something is done.
pub(super) fn interrupted() -> StoreError {
    StoreError("somebody else works on it; wait for that, and begin again".into())
}
