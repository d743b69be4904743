//! A store of one's own on a real server.

use redis::{ConnectionLike as _, Value};
use twofapi_server::{OperatorKeys, RedisStore};
use twofapi_tests_redis::Server;

/// What a server has to be set to, so that it loses nothing.
pub(crate) const DURABLE: &str = "appendonly yes\nappendfsync always";

/// A server, and how a store is reached there. The server ends with the thread that has started it, which is the test's.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) url: String,
    pub(crate) keys: OperatorKeys,
}

impl Place {
    /// A server with these lines of configuration, and what the URL says behind its address.
    pub(crate) fn on_a_server(configuration: &str, rest: &str) -> Self {
        let server = Server::start_without_module(&[], configuration);
        Self {
            url: format!("redis://127.0.0.1:{}/{rest}", server.port()),
            keys: OperatorKeys::generate(0).expect("randomness"),
            server,
        }
    }

    /// One with a store in it.
    pub(crate) async fn with_a_store(rest: &str) -> Self {
        let place = Self::on_a_server(DURABLE, rest);
        place.migrate().await;
        place
    }

    pub(crate) async fn migrate(&self) {
        let migrated = RedisStore::migrate(&self.url, &self.keys).await;
        assert_eq!(migrated.expect("it works").0, 0);
    }

    pub(crate) async fn open(&self, capacity: u32) -> RedisStore {
        let opened = RedisStore::open(&self.url, self.keys.clone(), capacity).await;
        opened.expect("the store opens")
    }

    /// Why the store is not opened.
    pub(crate) async fn refused(&self) -> String {
        let opened = RedisStore::open(&self.url, self.keys.clone(), 100).await;
        opened.err().expect("it is refused").to_string()
    }

    /// Says something to the server as whoever administers it.
    pub(crate) fn say(&self, words: &[&str]) -> Value {
        say(&self.server, words)
    }

    pub(crate) fn keys_like(&self, pattern: &str) -> Vec<String> {
        let keys = redis::from_redis_value(self.say(&["KEYS", pattern]));
        keys.expect("keys")
    }
}

pub(crate) fn say(server: &Server, words: &[&str]) -> Value {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let said = server.connect().req_command(&command);
    said.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// Has a server stand still (`-STOP`), or go on (`-CONT`).
pub(crate) fn signal(server: &Server, signal: &str) {
    let pid = server.pid().to_string();
    let sent = std::process::Command::new("kill")
        .args([signal, &pid])
        .status();
    assert!(sent.expect("kill").success());
}
