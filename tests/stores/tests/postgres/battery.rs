//! The battery of all stores.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use twofapi_server::{
    PostgresStore, Store,
    conformance::{DurableStoreUnderTest, StoreUnderTest},
};
use twofapi_tests_pg::Server;

use crate::place::Place;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

/// A store in a database of its own, by the clock of its server.
pub(crate) struct Subject {
    pub(crate) store: Arc<PostgresStore>,
    pub(crate) place: Place,
    pub(crate) capacity: u32,
    /// A server of its own, for those that end it.
    pub(crate) server: Option<Server>,
}

impl Subject {
    async fn again(&mut self) {
        self.store = Arc::new(self.place.open(self.capacity).await);
    }
}

#[async_trait]
impl StoreUnderTest for Subject {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn now(&self) -> u64 {
        now()
    }

    async fn wait(&mut self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    async fn lose_spent_set(&mut self) {
        self.place.sql("TRUNCATE twofapi_service.spent").await;
    }
}

#[async_trait]
impl DurableStoreUnderTest for Subject {
    async fn crash(&mut self) {
        let mut server = self.server.take().expect("a server of its own");
        let crashed = tokio::task::spawn_blocking(move || {
            server.end("QUIT");
            server.launch();
            server
        });
        self.server = Some(crashed.await.expect("it starts again"));
        self.again().await;
    }
}

async fn open(capacity: u32) -> Subject {
    let place = Place::with_a_store().await;
    Subject {
        store: Arc::new(place.open(capacity).await),
        place,
        capacity,
        server: None,
    }
}

mod on_a_server {
    use super::open;

    twofapi_server::store_conformance!(open);
}

/// Where each connection stays with one server.
mod with_prepared_statements {
    use super::{Arc, Place, Subject};

    async fn open(capacity: u32) -> Subject {
        let mut place = Place::with_a_store().await;
        place.url.push_str("?statements=prepared");
        Subject {
            store: Arc::new(place.open(capacity).await),
            place,
            capacity,
            server: None,
        }
    }

    twofapi_server::store_conformance!(open);
}

/// A server of one's own that is ended in the middle of its work, and recovers from its log.
mod on_a_server_that_crashes {
    use super::{Arc, Place, Server, Subject};

    async fn open(capacity: u32) -> Subject {
        let made = tokio::task::spawn_blocking(|| {
            let server = Server::start_plain("");
            (Place::on(&server), server)
        });
        let (place, server) = made.await.expect("a server");
        place.migrate().await;
        Subject {
            store: Arc::new(place.open(capacity).await),
            place,
            capacity,
            server: Some(server),
        }
    }

    twofapi_server::store_conformance!(open =>
        what_was_acknowledged_is_there_after_a_crash
        an_enrolment_that_is_cut_off_is_whole_or_not_there
        no_challenge_is_accepted_twice_with_a_crash_between
        a_session_that_was_ended_is_not_back_after_a_crash
    );
}
