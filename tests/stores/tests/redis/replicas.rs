//! Several servers over one store: a challenge of each is good at every other, once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use twofapi_server::Service;
use twofapi_tests_stores::{Alice, log_in, server_over};

use crate::place::Place;

async fn server(place: &Place) -> Service {
    let store = Arc::new(place.open(1000).await);
    let served = server_over(store, Some(place.keys.clone())).await;
    served.expect("a server")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_of_each_is_good_at_every_other_and_once_among_all() {
    let place = Place::with_a_store("").await;
    let (one, other) = (server(&place).await, server(&place).await);
    twofapi_tests_stores::a_challenge_of_each_is_good_at_every_other_and_once_among_all(
        &one, &other,
    )
    .await;
}

#[tokio::test]
async fn a_signing_key_that_is_dropped_is_refused_by_every_server_at_its_next_request() {
    for rest in ["", "?buckets=64"] {
        let place = Place::with_a_store(rest).await;
        let (one, other) = (server(&place).await, server(&place).await);
        twofapi_tests_stores::a_signing_key_that_is_dropped_is_refused_by_every_server_at_its_next_request(
            &place.open(2).await,
            &one,
            &other,
        )
        .await;
    }
}

#[tokio::test]
async fn a_server_of_a_shared_store_does_not_start_without_the_operators_keys() {
    let place = Place::with_a_store("").await;
    let said = server_over(Arc::new(place.open(1000).await), None).await;
    let said = said.err().expect("it is refused").to_string();
    assert!(said.contains("key file"), "{said}");
}

#[tokio::test]
async fn a_server_whose_challenges_all_go_to_another_learns_that_they_are_dead() {
    let place = Place::with_a_store("").await;
    let (issuer, verifier) = (server(&place).await, server(&place).await);
    let alice = Alice::enrolled_at(&issuer).await;
    let (name, proof) = alice.proven(&issuer).await;
    log_in(&verifier, &name, &proof)
        .await
        .expect("she is let in");
    place.say(&["DEL", "{2fapi:0000}spent"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (name, proof) = alice.proven(&issuer).await;
        match log_in(&verifier, &name, &proof).await {
            Ok(_) => break,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn after_redis_was_started_again_servers_go_on_by_themselves() {
    let mut place = Place::with_a_store("").await;
    let (one, other) = (server(&place).await, server(&place).await);
    let alice = Alice::enrolled_at(&one).await;
    for _ in 0..3 {
        for (issuer, verifier) in [(&one, &other), (&other, &one)] {
            // One may find its connection broken, and one that its challenges are dead.
            let mut tries = 1..=3;
            loop {
                let number = tries.next().expect("she is let in");
                let (name, proof) = alice.proven(issuer).await;
                match log_in(verifier, &name, &proof).await {
                    Ok(_) => break,
                    Err(error) => eprintln!("try {number}: {error}"),
                }
            }
        }
        place.server.kill();
        place.server.launch();
    }
}
