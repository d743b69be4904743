//! A place for a store of any kind.

use std::sync::Arc;

use tempfile::TempDir;
use twofapi_crypto_core::Error;
use twofapi_server::{
    Contents, EmbeddedContents, EmbeddedStore, OperatorKeys, PostgresContents, PostgresStore,
    RedisContents, RedisStore, Service, Store, StorePlace,
};
use twofapi_tests_stores::server_over;

use crate::{postgres_place, redis_place};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Postgres,
    Redis,
    /// As in a cluster.
    RedisOfManyBuckets,
}

pub(crate) const ALL: [Kind; 4] = [
    Kind::File,
    Kind::Postgres,
    Kind::Redis,
    Kind::RedisOfManyBuckets,
];

/// A store that was just made, and what it is called.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) keys: OperatorKeys,
    at: At,
}

enum At {
    File(TempDir),
    Postgres(postgres_place::Place),
    Redis(redis_place::Place),
}

impl Place {
    pub(crate) async fn new(kind: Kind, name: &str) -> Self {
        let at = match kind {
            Kind::File => At::File(tempfile::tempdir().expect("a directory")),
            Kind::Postgres => At::Postgres(postgres_place::Place::with_a_store().await),
            Kind::Redis => At::Redis(redis_place::Place::with_a_store("").await),
            Kind::RedisOfManyBuckets => {
                At::Redis(redis_place::Place::with_a_store("?buckets=64&prefix=other").await)
            }
        };
        let keys = match &at {
            At::File(_) => OperatorKeys::generate(0).expect("randomness"),
            At::Postgres(place) => place.keys.clone(),
            At::Redis(place) => place.keys.clone(),
        };
        Self {
            name: name.into(),
            keys,
            at,
        }
    }

    /// A store in PostgreSQL that was made in another way.
    pub(crate) fn of_postgres(place: postgres_place::Place) -> Self {
        Self {
            name: "the store".into(),
            keys: place.keys.clone(),
            at: At::Postgres(place),
        }
    }

    /// The name of its database.
    pub(crate) fn postgres_name(&self) -> String {
        match &self.at {
            At::Postgres(place) => place.config.get_dbname().expect("a name").into(),
            _ => panic!("it is in no database"),
        }
    }

    fn file(directory: &TempDir) -> StorePlace {
        StorePlace::find(&directory.path().join("2fapi.redb")).expect("a place")
    }

    pub(crate) async fn store(&self) -> Result<Arc<dyn Store>, String> {
        let keys = self.keys.clone();
        match &self.at {
            At::File(directory) => EmbeddedStore::open_at(&Self::file(directory), 1000)
                .map(|store| Arc::new(store) as _)
                .map_err(|error| error.to_string()),
            At::Postgres(place) => PostgresStore::open(&place.url, keys, 1000)
                .await
                .map(|store| Arc::new(store) as _)
                .map_err(|error| error.to_string()),
            At::Redis(place) => RedisStore::open(&place.url, keys, 100_000)
                .await
                .map(|store| Arc::new(store) as _)
                .map_err(|error| error.to_string()),
        }
    }

    pub(crate) async fn service(&self) -> (Service, Arc<dyn Store>) {
        let store = self.store().await.expect("the store opens");
        let service = server_over(store.clone(), Some(self.keys.clone())).await;
        (service.expect("a server"), store)
    }

    /// Why no server starts on it.
    pub(crate) async fn refused(&self) -> String {
        self.store().await.err().expect("it is refused")
    }

    pub(crate) async fn contents(&self) -> Box<dyn Contents> {
        let keys = self.keys.clone();
        match &self.at {
            At::File(directory) => {
                Box::new(EmbeddedContents::open(&Self::file(directory)).expect("it opens"))
            }
            At::Postgres(place) => Box::new(
                PostgresContents::open(&place.url, keys)
                    .await
                    .expect("it opens"),
            ),
            At::Redis(place) => Box::new(
                RedisContents::open(&place.url, keys)
                    .await
                    .expect("it opens"),
            ),
        }
    }
}

/// That nobody is let in, for whatever reason.
#[track_caller]
pub(crate) fn is_refused<T>(answer: Result<T, Error>) {
    assert!(answer.is_err(), "it was accepted");
}
