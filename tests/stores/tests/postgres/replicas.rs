//! Several servers over one store: a challenge of each is good at every other, once.

use std::{sync::Arc, time::Duration};

use twofapi_crypto_core::{ChallengeTtl, Error};
use twofapi_server::{Clock, Config, OperatorKeys, Service, SystemClock};
use twofapi_tests_stores::{Alice, log_in, server_over};

use crate::place::Place;

pub(crate) async fn replica(place: &Place) -> Service {
    try_replica(place, Some(place.keys.clone()))
        .await
        .expect("a server")
}

async fn try_replica(place: &Place, keys: Option<OperatorKeys>) -> Result<Service, Error> {
    server_over(Arc::new(place.open(1000).await), keys).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_of_each_is_good_at_every_other_and_once_among_all() {
    let place = Place::with_a_store().await;
    let (one, other) = (replica(&place).await, replica(&place).await);
    twofapi_tests_stores::a_challenge_of_each_is_good_at_every_other_and_once_among_all(
        &one, &other,
    )
    .await;
}

#[tokio::test]
async fn a_signing_key_that_is_dropped_is_refused_by_every_server_at_its_next_request() {
    let place = Place::with_a_store().await;
    let (one, other) = (replica(&place).await, replica(&place).await);
    twofapi_tests_stores::a_signing_key_that_is_dropped_is_refused_by_every_server_at_its_next_request(
        &place.open(2).await,
        &one,
        &other,
    )
    .await;
}

#[tokio::test]
async fn a_server_of_a_shared_store_does_not_start_without_the_operators_keys() {
    let place = Place::with_a_store().await;
    let said = try_replica(&place, None)
        .await
        .err()
        .expect("it is refused");
    assert!(said.to_string().contains("key file"), "{said}");
}

#[tokio::test]
async fn a_challenge_of_before_a_crash_of_postgresql_is_dead_at_every_server() {
    let place = Place::with_a_store().await;
    let (one, other) = (replica(&place).await, replica(&place).await);
    let alice = Alice::enrolled_at(&one).await;
    let (used, proof_used) = alice.proven(&one).await;
    let (unused, proof_unused) = alice.proven(&other).await;
    log_in(&one, &used, &proof_used)
        .await
        .expect("she is let in");
    // What a crash or a promotion leaves of a table that is not logged.
    place.sql("TRUNCATE twofapi_service.spent").await;
    for (name, proof) in [(&used, &proof_used), (&unused, &proof_unused)] {
        for server in [&one, &other] {
            let again = log_in(server, name, proof).await;
            assert_eq!(again.map(drop), Err(Error::Denied));
        }
    }
    // Both go on, under the new epoch.
    let (name, proof) = alice.proven(&one).await;
    log_in(&other, &name, &proof).await.expect("she is let in");
}

/// A clock that is set wrong.
struct WrongBy(i64);

impl Clock for WrongBy {
    fn wall(&self) -> u64 {
        SystemClock::new().wall().saturating_add_signed(self.0)
    }
}

#[tokio::test]
async fn servers_whose_clocks_are_apart_take_each_others_challenges_and_tokens() {
    let place = Place::with_a_store().await;
    let mut servers = Vec::new();
    for seconds in [5, -5] {
        let config = Config {
            operator_keys: Some(place.keys.clone()),
            ..Config::new("https://api.example.com".parse().expect("an audience"))
        };
        let store = Arc::new(place.open(1000).await);
        let server = Service::new(config, store, Arc::new(WrongBy(seconds))).await;
        servers.push(server.expect("a server"));
    }
    let alice = Alice::enrolled_at(&servers[0]).await;
    for (one, other) in [(0, 1), (1, 0)] {
        let (name, proof) = alice.proven(&servers[one]).await;
        let token = log_in(&servers[other], &name, &proof).await;
        let token = token.expect("she is let in");
        let held = servers[one].authenticate(&token.jwt, None).await;
        assert_eq!(held.expect("it is good").client_id, alice.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stops_waiting_while_the_set_is_full_leaves_it_no_fuller() {
    let place = Place::with_a_store().await;
    let config = Config {
        operator_keys: Some(place.keys.clone()),
        challenge_ttl: ChallengeTtl::from_seconds(2).expect("a time to live"),
        ..Config::new("https://api.example.com".parse().expect("an audience"))
    };
    let store = Arc::new(place.open(2).await);
    let server = Service::new(config, store, Arc::new(SystemClock::new()))
        .await
        .expect("a server");
    let alice = Alice::enrolled_at(&server).await;
    for _ in 0..2 {
        let (name, proof) = alice.proven(&server).await;
        log_in(&server, &name, &proof).await.expect("there is room");
    }
    // One of them goes while what has expired is being taken away.
    for n in 0..40 {
        let (name, proof) = alice.proven(&server).await;
        let patience = Duration::from_micros(250 * n);
        let _ = tokio::time::timeout(patience, log_in(&server, &name, &proof)).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (name, proof) = alice.proven(&server).await;
    log_in(&server, &name, &proof)
        .await
        .expect("there is room again");
}
