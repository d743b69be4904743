//! A store of one's own on a real server.

use std::sync::OnceLock;

use postgres::{Client, NoTls};
use twofapi_server::{OperatorKeys, PostgresStore};
use twofapi_tests_pg::Server;

/// The server of all tests that do not end theirs.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start_plain(""))
}

/// A database that was empty, on a server.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) keys: OperatorKeys,
    pub(crate) config: postgres::Config,
}

impl Place {
    pub(crate) fn on(server: &Server) -> Self {
        let name = server.empty_database();
        let host = server.dir().display().to_string().replace('/', "%2F");
        Self {
            url: format!("postgres://postgres@{host}/{name}"),
            keys: OperatorKeys::generate(0).expect("randomness"),
            config: server.config(&name),
        }
    }

    /// One with a store in it.
    pub(crate) async fn with_a_store() -> Self {
        let place = tokio::task::spawn_blocking(|| Self::on(server()));
        let place = place.await.expect("a database");
        place.migrate().await;
        place
    }

    pub(crate) async fn migrate(&self) {
        let migrated = PostgresStore::migrate(&self.url, &self.keys).await;
        assert_eq!(migrated.expect("it works").0, 0);
    }

    pub(crate) async fn open(&self, capacity: u32) -> PostgresStore {
        let opened = PostgresStore::open(&self.url, self.keys.clone(), capacity).await;
        opened.expect("the store opens")
    }

    /// Runs SQL as whoever administers the server.
    pub(crate) async fn sql(&self, statement: &str) {
        let (config, statement) = (self.config.clone(), statement.to_owned());
        let ran = tokio::task::spawn_blocking(move || {
            let mut client: Client = config.connect(NoTls).expect("a connection");
            client.batch_execute(&statement).expect("the statement");
        });
        ran.await.expect("no panic");
    }
}
