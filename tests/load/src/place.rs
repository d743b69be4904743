//! Stores on engines of their own, set up as the documentation says.

use std::{path::PathBuf, process::Command, sync::Arc, thread, time::Duration};

use postgres::NoTls;
use tempfile::TempDir;
use twofapi_server::{
    EmbeddedStore, OperatorKeys, PostgresStore, RedisStore, Store, StoreError, StorePlace,
};
use twofapi_tests_pg::Server as Postgres;
use twofapi_tests_redis::Server as Redis;

use crate::processes::{Cpus, family, memory_of, stand_still};

/// What keeps a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// A file.
    Embedded,
    /// One node.
    Redis,
    /// One server.
    Postgres,
}

impl Engine {
    /// As figures are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }
}

/// What may befall an engine.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It stands still for so long.
    Stands(Duration),
    /// It is killed, and started again at once.
    IsKilled,
}

/// A store with what keeps it.
pub struct Place {
    /// How a server is told of it.
    pub store: String,
    /// The operator's keys.
    pub key_file: PathBuf,
    /// For what belongs to it.
    pub dir: TempDir,
    keeper: Keeper,
}

enum Keeper {
    File,
    Redis(Box<Redis>),
    Postgres(Box<Postgres>, Box<postgres::Config>),
}

impl Place {
    /// An empty one, on an engine that runs on the measured processor.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(engine: Engine, cpus: Option<Cpus>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let key_file = dir.path().join("keys");
        let command =
            std::env::var("TWOFAPI_COMMAND").expect("TWOFAPI_COMMAND, set by tests/load/run");
        let made = Command::new(command)
            .args(["keys", "new"])
            .arg(&key_file)
            .output();
        assert!(
            made.is_ok_and(|made| made.status.success()),
            "2fapi keys new"
        );
        let (store, keeper) = match engine {
            Engine::Embedded => {
                let file = dir.path().join("store.redb");
                (file.display().to_string(), Keeper::File)
            }
            Engine::Redis => {
                let prefix = cpus.map_or(Vec::new(), |cpus| cpus.prefix().to_vec());
                let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
                let redis = Redis::start_without_module(&prefix, DURABLE);
                let url = format!("redis://127.0.0.1:{}", redis.port());
                (url, Keeper::Redis(Box::new(redis)))
            }
            Engine::Postgres => {
                // What a suite turns off, a service has on.
                let server = Postgres::start_plain("fsync = on\nshared_buffers = '512MB'");
                if let Some(cpus) = cpus {
                    cpus.hold(server.pid());
                }
                let name = server.empty_database();
                let host = server.dir().display().to_string().replace('/', "%2F");
                let config = Box::new(server.config(&name));
                let url = format!("postgres://postgres@{host}/{name}?statements=prepared");
                (url, Keeper::Postgres(Box::new(server), config))
            }
        };
        Self {
            store,
            key_file,
            dir,
            keeper,
        }
    }

    /// The processes that keep it; the embedded one is the service's own.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        match &self.keeper {
            Keeper::File => Vec::new(),
            Keeper::Redis(redis) => vec![redis.pid()],
            Keeper::Postgres(server, _) => vec![server.pid()],
        }
    }

    /// Bytes of memory that its engine holds, and bytes of the store on disk, where those are told apart.
    ///
    /// # Panics
    /// When the engine does not say.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        match &self.keeper {
            Keeper::File => {
                let file = std::fs::metadata(&self.store).expect("a file");
                (0, file.len())
            }
            Keeper::Redis(redis) => (redis.resident_bytes(), 0),
            Keeper::Postgres(server, config) => {
                let mut client = config.connect(NoTls).expect("a connection");
                let size = "SELECT pg_database_size(current_database())";
                let size: i64 = client.query_one(size, &[]).expect("a size").get(0);
                (memory_of(server.pid()), size.unsigned_abs())
            }
        }
    }

    /// Does that to the engine; to a file nothing is done.
    ///
    /// # Panics
    /// When it does not come up again.
    pub fn befall(&mut self, fault: Fault) {
        match (&mut self.keeper, fault) {
            (Keeper::File, _) => {}
            (Keeper::Redis(redis), Fault::Stands(lasting)) => stand_still(redis.pid(), lasting),
            (Keeper::Redis(redis), Fault::IsKilled) => {
                redis.kill();
                redis.launch();
            }
            (Keeper::Postgres(server, _), Fault::Stands(lasting)) => {
                let all: Vec<_> = family(server.pid()).into_iter().collect();
                thread::scope(|scope| {
                    for pid in all {
                        scope.spawn(move || stand_still(pid, lasting));
                    }
                });
            }
            (Keeper::Postgres(server, _), Fault::IsKilled) => {
                server.end("QUIT");
                // Its client for tests may not block where tasks are run.
                thread::scope(|scope| scope.spawn(|| server.launch()).join().expect("no panic"));
            }
        }
    }

    /// Has the engine do now what it would do later, such as cleaning up after a load.
    ///
    /// # Panics
    /// When it does not.
    pub fn settle(&self) {
        if let Keeper::Postgres(_, config) = &self.keeper {
            let mut client = config.connect(NoTls).expect("a connection");
            for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
                client.batch_execute(statement).expect("it settles");
            }
        }
    }
}

/// As Redis 7.2 and newer can be set: a change is waited for (`WAITAOF`), and a login is not.
const DURABLE: &str = "appendonly yes\nappendfsync everysec";

/// Opens the store for loading, and makes it where it has to be made.
///
/// # Errors
/// What the store says.
pub async fn open(place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    let failed = |error: String| StoreError(error);
    let url = &place.store;
    let keys =
        || OperatorKeys::read(&place.key_file).map_err(|error| StoreError(error.to_string()));
    Ok(match &place.keeper {
        Keeper::File => {
            let place =
                StorePlace::make(url.as_ref()).map_err(|error| failed(error.to_string()))?;
            let store = EmbeddedStore::open_at(&place, 2);
            Arc::new(store.map_err(|error| failed(error.to_string()))?)
        }
        Keeper::Redis(_) => {
            RedisStore::migrate(url, &keys()?).await?;
            // While it is loaded nobody has been told of anything yet.
            let hurried = format!("{url}?durability=none&connections=64");
            Arc::new(RedisStore::open(&hurried, keys()?, 2).await?)
        }
        Keeper::Postgres(..) => {
            PostgresStore::migrate(url, &keys()?).await?;
            let hurried = format!("{url}&connections=64");
            Arc::new(PostgresStore::open(&hurried, keys()?, 2).await?)
        }
    })
}
