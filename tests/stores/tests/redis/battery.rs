//! The battery of all stores.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use twofapi_server::{
    RedisStore, Store,
    conformance::{DurableStoreUnderTest, StoreUnderTest},
};

use crate::place::Place;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

/// A store on a server of its own, by that server's clock.
struct Subject {
    store: Arc<RedisStore>,
    place: Place,
    capacity: u32,
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
        for set in self.place.keys_like("*}spent") {
            self.place.say(&["DEL", &set]);
        }
    }
}

#[async_trait]
impl DurableStoreUnderTest for Subject {
    async fn crash(&mut self) {
        self.place.server.kill();
        self.place.server.launch();
        self.store = Arc::new(self.place.open(self.capacity).await);
    }
}

async fn open_with(rest: &str, capacity: u32) -> Subject {
    let place = Place::with_a_store(rest).await;
    Subject {
        store: Arc::new(place.open(capacity).await),
        place,
        capacity,
    }
}

mod on_one_node {
    use super::{Subject, open_with};

    async fn open(capacity: u32) -> Subject {
        open_with("", capacity).await
    }

    twofapi_server::store_conformance!(durable open);
}

/// As in a cluster. How full a set can be is counted for each of them, so that one sentence is of one set alone.
mod with_many_buckets {
    use super::{Subject, open_with};

    async fn open(capacity: u32) -> Subject {
        open_with("?buckets=64&prefix=other", capacity).await
    }

    twofapi_server::store_conformance!(open =>
        a_client_is_found_as_it_was_enrolled
        of_many_enrolments_of_one_client_id_one_is_done
        pages_of_clients_are_in_order_and_complete
        a_rotation_spends_its_challenge_in_the_same_action
        a_link_of_what_joined_uses_it_up
        of_many_resets_by_one_invitation_one_is_done
        of_many_first_signing_keys_one_is_kept
        a_look_up_says_that_the_signing_keys_have_changed
        of_many_steps_with_one_challenge_one_is_done
        a_challenge_of_a_spent_set_that_was_lost_is_refused
        a_login_lists_its_session_and_no_other
        a_session_that_was_ended_is_gone_and_the_others_are_not
        what_was_acknowledged_is_there_after_a_crash
        no_challenge_is_accepted_twice_with_a_crash_between
        a_session_that_was_ended_is_not_back_after_a_crash
    );
}
