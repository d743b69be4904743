//! A store that servers share, by its URL.

use std::sync::Arc;

use super::{file::NOTHING_SPENT, has_password};
use twofapi_client::Failure;
use twofapi_server::{OperatorKeys, PostgresStore, RedisStore, Store, StoreError};

/// Its URL, which may have a password in it.
#[derive(Clone)]
pub(crate) struct Shared {
    url: String,
    engine: Engine,
}

/// What keeps it.
#[derive(Clone, Copy)]
enum Engine {
    Postgres,
    Redis,
}

impl Shared {
    /// Quotes nothing but the scheme.
    pub(super) fn parse(scheme: &str, url: &str) -> Result<Self, String> {
        let engine = match scheme {
            "postgres" | "postgresql" => Engine::Postgres,
            "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster"
            | "rediss+cluster" => Engine::Redis,
            _ => {
                return Err(
                    "a store is a file, postgres://USER@HOST/DATABASE, redis://HOST/0 (rediss:// over \
                     TLS), redis+sentinel://HOST,HOST/SERVICE or redis+cluster://HOST,HOST"
                        .into(),
                );
            }
        };
        Ok(Self {
            url: url.into(),
            engine,
        })
    }

    /// Whoever is on this machine reads its command lines: a password has no place there.
    pub(super) fn keep_its_password(&self) -> Result<(), Failure> {
        let on_command_line = || std::env::args().any(|argument| argument.contains(&self.url));
        match has_password(&self.url) && on_command_line() {
            true => Err(Failure::bad_input(
                "everybody on this machine can read a password on a command line: put the URL in \
                 TWOFAPI_STORE, or the password where the engine's clients look for it (PGPASSWORD)",
            )),
            false => Ok(()),
        }
    }

    pub(crate) async fn open(
        &self,
        keys: OperatorKeys,
        spent_capacity: u32,
    ) -> Result<Arc<dyn Store>, Failure> {
        let url = &self.url;
        let opened: Result<Arc<dyn Store>, _> = match self.engine {
            Engine::Postgres => PostgresStore::open(url, keys, spent_capacity)
                .await
                .map(|store| Arc::new(store) as _),
            Engine::Redis => RedisStore::open(url, keys, spent_capacity)
                .await
                .map(|store| Arc::new(store) as _),
        };
        opened.map_err(cannot)
    }

    /// Makes it, or brings one of before up to date. The versions before, 0 for none, and after.
    pub(crate) async fn migrate(&self, keys: &OperatorKeys) -> Result<(i32, i32), Failure> {
        let migrated = match self.engine {
            Engine::Postgres => PostgresStore::migrate(&self.url, keys).await,
            Engine::Redis => RedisStore::migrate(&self.url, keys).await,
        };
        migrated.map_err(cannot)
    }

    /// Seals anew what is sealed under a key that is not the first. How many that were.
    pub(crate) async fn rewrap(&self, keys: OperatorKeys) -> Result<usize, Failure> {
        let rewrapped = match self.engine {
            Engine::Postgres => match PostgresStore::open(&self.url, keys, NOTHING_SPENT).await {
                Ok(store) => store.rewrap().await,
                Err(error) => Err(error),
            },
            Engine::Redis => match RedisStore::open(&self.url, keys, NOTHING_SPENT).await {
                Ok(store) => store.rewrap().await,
                Err(error) => Err(error),
            },
        };
        rewrapped.map_err(cannot)
    }
}

fn cannot(error: StoreError) -> Failure {
    Failure::unavailable(format!("cannot use the store: {}", error.0))
}
