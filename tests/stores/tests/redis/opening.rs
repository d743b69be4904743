//! What is no store of this version and under these keys is not opened, and neither is a Redis that would lose what it is
//! told; the answer says what would be right.

use redis::Value;
use twofapi_server::{OperatorKeys, RedisStore, Store};

use crate::place::{DURABLE, Place, say};

#[tokio::test]
async fn a_database_without_a_store_is_refused_and_one_is_made_by_migrating_once() {
    let place = Place::on_a_server(DURABLE, "3?buckets=16");
    let said = place.refused().await;
    assert!(said.contains("2fapi store migrate"), "{said}");
    // Many at once make one store.
    let migrated = tokio::join!(
        RedisStore::migrate(&place.url, &place.keys),
        RedisStore::migrate(&place.url, &place.keys),
        RedisStore::migrate(&place.url, &place.keys),
    );
    for (_, after) in [migrated.0, migrated.1, migrated.2].map(|one| one.expect("it works")) {
        assert_eq!(after, 1);
    }
    place.open(100).await;
    let again = RedisStore::migrate(&place.url, &place.keys).await;
    assert_eq!(again.expect("it works"), (1, 1));
    // How many buckets there are is the store's, whatever a URL says later.
    let other = place.url.replace("=16", "=4");
    let opened = RedisStore::open(&other, place.keys.clone(), 100).await;
    assert!(opened.is_ok());
}

#[tokio::test]
async fn a_store_whose_making_was_cut_off_is_made_to_the_end() {
    let place = Place::with_a_store("?buckets=16").await;
    place.say(&["HDEL", "{2fapi:0000}store", "whole"]);
    place.say(&["DEL", "{2fapi:0007}about"]);
    let said = place.refused().await;
    assert!(said.contains("2fapi store migrate"), "{said}");
    place.migrate().await;
    place.open(100).await;
}

#[tokio::test]
async fn a_bucket_of_another_store_is_refused() {
    let place = Place::with_a_store("?buckets=16").await;
    place.say(&["SET", "{2fapi:0007}about", "another store...."]);
    let said = place.refused().await;
    assert!(said.contains("another one"), "{said}");
    place.say(&["HDEL", "{2fapi:0000}store", "whole"]);
    let said = RedisStore::migrate(&place.url, &place.keys).await;
    let said = said.expect_err("it is refused").to_string();
    assert!(said.contains("prefix"), "{said}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_neither_opened_nor_migrated() {
    let place = Place::with_a_store("").await;
    place.say(&["HSET", "{2fapi:0000}store", "version", "99"]);
    let said = place.refused().await;
    assert!(said.contains("version 99"), "{said}");
    let migrated = RedisStore::migrate(&place.url, &place.keys).await;
    assert!(migrated.is_err());
    place.say(&["HSET", "{2fapi:0000}store", "version", "0"]);
    let said = place.refused().await;
    assert!(said.contains("2fapi store migrate"), "{said}");
}

#[tokio::test]
async fn a_server_with_another_key_file_does_not_start_and_makes_no_signing_key() {
    let mut place = Place::with_a_store("").await;
    let store = place.open(100).await;
    place.keys = OperatorKeys::generate(0).expect("randomness");
    let said = place.refused().await;
    assert!(said.contains("another key file"), "{said}");
    assert!(store.signing_keys().await.expect("it works").is_empty());
}

#[tokio::test]
async fn a_redis_that_would_lose_clients_is_refused_unless_the_url_says_so() {
    let mut place = Place::on_a_server("", "");
    let migrated = RedisStore::migrate(&place.url, &place.keys).await;
    let said = migrated.expect_err("it is refused").to_string();
    assert!(said.contains("appendonly yes"), "{said}");
    place.url.push_str("?durability=none");
    place.migrate().await;
    place.open(100).await.check().await.expect("it works");
    place.url = place.url.replace("?durability=none", "");
    let said = place.refused().await;
    assert!(said.contains("durability=none"), "{said}");
}

#[tokio::test]
async fn a_log_that_reaches_the_disk_later_is_waited_for_or_refused() {
    let place = Place::on_a_server("appendonly yes\nappendfsync everysec", "");
    let info = place.say(&["INFO", "server"]);
    let info: String = redis::from_redis_value(info).expect("text");
    let migrated = RedisStore::migrate(&place.url, &place.keys).await;
    match info.contains("redis_version:7.0") {
        true => {
            let said = migrated.expect_err("it is refused").to_string();
            assert!(said.contains("appendfsync always"), "{said}");
        }
        false => {
            migrated.expect("it works");
            let waited = twofapi_tests_stores::server_over(
                std::sync::Arc::new(place.open(100).await),
                Some(place.keys.clone()),
            );
            waited.await.expect("a signing key is made");
        }
    }
}

#[tokio::test]
async fn a_redis_that_throws_keys_away_is_refused_also_later() {
    let place = Place::with_a_store("").await;
    let store = place.open(100).await;
    store.check().await.expect("it works");
    place.say(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let said = store.check().await.expect_err("it is refused").to_string();
    assert!(said.contains("allkeys-lru"), "{said}");
    let said = place.refused().await;
    assert!(said.contains("noeviction"), "{said}");
}

#[tokio::test]
async fn a_redis_that_is_full_takes_no_step_and_says_so() {
    let place = Place::with_a_store("").await;
    let store = std::sync::Arc::new(place.open(100).await);
    let served = twofapi_tests_stores::server_over(store.clone(), Some(place.keys.clone()));
    let service = served.await.expect("a server");
    let alice = twofapi_tests_stores::Alice::enrolled_at(&service).await;
    let (name, proof) = alice.proven(&service).await;
    place.say(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = twofapi_tests_stores::log_in(&service, &name, &proof).await;
    let refused = refused.map(drop).expect_err("it is refused");
    assert!(
        matches!(refused, twofapi_crypto_core::Error::Unavailable { .. }),
        "{refused}"
    );
    place.say(&["CONFIG", "SET", "maxmemory", "0"]);
    let let_in = twofapi_tests_stores::log_in(&service, &name, &proof).await;
    assert!(let_in.is_ok(), "{let_in:?}");
}

#[tokio::test]
async fn a_replica_is_refused_even_one_that_can_be_written_to() {
    let place = Place::with_a_store("").await;
    let replica = twofapi_tests_redis::Server::start_without_module(&[], DURABLE);
    let port = place.server.port().to_string();
    say(&replica, &["CONFIG", "SET", "replica-read-only", "no"]);
    say(&replica, &["REPLICAOF", "127.0.0.1", &port]);
    twofapi_tests_redis::wait_until("the replica has the store", || {
        say(&replica, &["EXISTS", "{2fapi:0000}store"]) == Value::Int(1)
    });
    let url = format!("redis://127.0.0.1:{}", replica.port());
    let opened = RedisStore::open(&url, place.keys.clone(), 100).await;
    let said = opened.err().expect("it is refused").to_string();
    assert!(said.contains("replica"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_a_wrong_password_is_said_without_the_password() {
    let place = Place::on_a_server("requirepass right", "");
    let port = place.server.port();
    for url in [
        "redis://u:s3cret@127.0.0.1:1".to_owned(),
        format!("redis://:s3cret@127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port}"),
    ] {
        let keys = OperatorKeys::generate(0).expect("randomness");
        let said = RedisStore::open(&url, keys, 100).await;
        let said = said.err().expect("it is refused").to_string();
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn a_store_that_was_moved_takes_no_step_any_longer() {
    let place = Place::with_a_store("").await;
    let store = std::sync::Arc::new(place.open(100).await);
    let served = twofapi_tests_stores::server_over(store.clone(), Some(place.keys.clone()));
    let service = served.await.expect("a server");
    let alice = twofapi_tests_stores::Alice::enrolled_at(&service).await;
    let (name, proof) = alice.proven(&service).await;
    store.check().await.expect("it works");
    place.say(&["SET", "{2fapi:0000}about", "moved redis://elsewhere"]);
    let said = place.refused().await;
    assert!(said.contains("redis://elsewhere"), "{said}");
    // And one that had it open before.
    let said = store.check().await.expect_err("it is refused").to_string();
    assert!(said.contains("elsewhere"), "{said}");
    let refused = twofapi_tests_stores::log_in(&service, &name, &proof).await;
    assert!(refused.is_err());
    assert!(store.look_up(&alice.id).await.is_err());
    let bob = twofapi_tests_stores::Alice::called("bob");
    assert!(bob.enrol(&service).await.is_err());
}
