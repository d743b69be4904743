//! A store that servers share, by its URL.

use std::sync::Arc;

use super::{file::NOTHING_SPENT, has_password};
use twofapi_client::Failure;
use twofapi_server::{
    Contents, OperatorKeys, PostgresContents, PostgresStore, RedisContents, RedisStore, Store,
    StoreError,
};

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

    /// What of it lasts, whatever its mark.
    pub(crate) async fn contents(&self, keys: OperatorKeys) -> Result<Box<dyn Contents>, Failure> {
        let opened: Result<Box<dyn Contents>, _> = match self.engine {
            Engine::Postgres => PostgresContents::open(&self.url, keys)
                .await
                .map(|contents| Box::new(contents) as _),
            Engine::Redis => RedisContents::open(&self.url, keys)
                .await
                .map(|contents| Box::new(contents) as _),
        };
        opened.map_err(cannot)
    }

    /// Its URL without user and password, and of what stands behind `?` which store it is of several.
    pub(super) fn shown(&self) -> String {
        let (place, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let tells = |part: &&str| part.starts_with("schema=") || part.starts_with("prefix=");
        let told: Vec<_> = query.split('&').filter(tells).collect();
        match told.is_empty() {
            true => format!("{scheme}://{place}"),
            false => format!("{scheme}://{place}?{}", told.join("&")),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_called_by_its_place_and_never_by_its_password() {
        for (url, shown) in [
            (
                "postgres://u:p@ss@h:1,i:2/d?sslmode=disable&schema=other&password=x",
                "postgres://h:1,i:2/d?schema=other",
            ),
            ("redis://h/0?replicas=1", "redis://h/0"),
            (
                "redis+cluster://u:s3cret@a,b?prefix=p",
                "redis+cluster://a,b?prefix=p",
            ),
        ] {
            let scheme = url.split_once("://").unwrap().0;
            assert_eq!(Shared::parse(scheme, url).unwrap().shown(), shown);
        }
    }
}
