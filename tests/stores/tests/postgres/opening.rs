//! What is no store of this version and under these keys is not opened, and the answer says what would be right.

use std::sync::Arc;

use twofapi_server::{
    OperatorKeys, PostgresContents, PostgresStore, Seed, SigningAlgorithm, SigningKeyRecord, Store,
};
use twofapi_tests_stores::{Alice, log_in, server_over};

use crate::place::Place;

async fn refused(place: &Place) -> String {
    let opened = PostgresStore::open(&place.url, place.keys.clone(), 100).await;
    opened.err().expect("it is refused").to_string()
}

async fn a_database() -> Place {
    let made = tokio::task::spawn_blocking(|| Place::on(crate::place::server()));
    made.await.expect("a database")
}

#[tokio::test]
async fn a_database_without_a_store_is_refused_and_one_is_made_by_migrating_once() {
    let place = a_database().await;
    let said = refused(&place).await;
    assert!(said.contains("2fapi store migrate"), "{said}");
    // Many at once make one store.
    let (one, other, third) = tokio::join!(
        PostgresStore::migrate(&place.url, &place.keys),
        PostgresStore::migrate(&place.url, &place.keys),
        PostgresStore::migrate(&place.url, &place.keys),
    );
    let mut migrated = [one, other, third].map(|migrated| migrated.expect("it works"));
    migrated.sort_unstable();
    let newest = migrated[0].1;
    assert_eq!(migrated, [(0, newest), (newest, newest), (newest, newest)]);
    place.open(100).await;
}

#[tokio::test]
async fn a_store_of_before_is_brought_up_to_date_with_all_that_it_keeps() {
    let place = Place::with_a_store().await;
    let server = server_over(Arc::new(place.open(100).await), Some(place.keys.clone()));
    let alice = Alice::enrolled_at(&server.await.expect("a server")).await;
    // As the first version made it.
    place
        .sql(
            "DROP TABLE twofapi_service.sessions;
             ALTER TABLE twofapi_service.signing_keys DROP COLUMN algorithm;
             ALTER TABLE twofapi_service.about DROP COLUMN signing_keys_number;
             UPDATE twofapi_service.about SET schema_version = 1",
        )
        .await;
    let said = refused(&place).await;
    assert!(said.contains("2fapi store migrate"), "{said}");
    let migrated = PostgresStore::migrate(&place.url, &place.keys).await;
    assert_eq!(migrated.expect("it works").0, 1);
    let store: Arc<dyn Store> = Arc::new(place.open(100).await);
    let server = server_over(store, Some(place.keys.clone())).await;
    let server = server.expect("a server");
    let (name, proof) = alice.proven(&server).await;
    let token = log_in(&server, &name, &proof).await.expect("she is let in");
    assert!(server.authenticate(&token.jwt, None).await.is_ok());
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_neither_opened_nor_migrated() {
    let place = Place::with_a_store().await;
    place
        .sql("UPDATE twofapi_service.about SET schema_version = 99")
        .await;
    let said = refused(&place).await;
    assert!(said.contains("version 99"), "{said}");
    let migrated = PostgresStore::migrate(&place.url, &place.keys).await;
    assert!(migrated.is_err());
    place
        .sql("UPDATE twofapi_service.about SET schema_version = 0")
        .await;
    let said = refused(&place).await;
    assert!(said.contains("2fapi store migrate"), "{said}");
}

#[tokio::test]
async fn a_server_with_another_key_file_does_not_start_and_makes_no_signing_key() {
    let place = Place::with_a_store().await;
    let other = Place {
        keys: OperatorKeys::generate(0).expect("randomness"),
        ..place.clone()
    };
    let said = refused(&other).await;
    assert!(said.contains("another key file"), "{said}");
    let store = place.open(100).await;
    assert!(store.signing_keys().await.expect("it works").is_empty());
}

#[tokio::test]
async fn what_no_server_opens_is_not_moved_either() {
    let place = a_database().await;
    let opened = async |place: &Place| {
        let opened = PostgresContents::open(&place.url, place.keys.clone()).await;
        opened.err().expect("it is refused").to_string()
    };
    let said = opened(&place).await;
    assert!(said.contains("2fapi store migrate"), "{said}");
    place.migrate().await;
    let other = Place {
        keys: OperatorKeys::generate(0).expect("randomness"),
        ..place.clone()
    };
    let said = opened(&other).await;
    assert!(said.contains("another key file"), "{said}");
    for version in [0, 99] {
        place
            .sql(&format!(
                "UPDATE twofapi_service.about SET schema_version = {version}"
            ))
            .await;
        let said = opened(&place).await;
        assert!(said.contains(&format!("version {version}")), "{said}");
    }
}

#[tokio::test]
async fn a_spent_set_that_would_outlive_a_crash_or_reach_a_standby_is_refused() {
    let place = Place::with_a_store().await;
    place
        .sql("ALTER TABLE twofapi_service.spent SET LOGGED")
        .await;
    let said = refused(&place).await;
    assert!(said.contains("UNLOGGED"), "{said}");
}

#[tokio::test]
async fn a_database_that_steps_would_go_wrong_in_is_refused() {
    let place = Place::with_a_store().await;
    let name = place.config.get_dbname().expect("a name");
    place
        .sql(&format!(
            "ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
        ))
        .await;
    let said = refused(&place).await;
    assert!(said.contains("read committed"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_the_password_is_not() {
    for url in [
        "postgres://u:s3cret@127.0.0.1:1/d",
        "postgres://u:s3cret@%2Fnowhere/d",
    ] {
        let keys = OperatorKeys::generate(0).expect("randomness");
        let said = PostgresStore::open(url, keys, 100).await;
        let said = said.err().expect("it is refused").to_string();
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn a_store_that_was_moved_takes_no_step_any_longer() {
    let place = Place::with_a_store().await;
    let store = place.open(100).await;
    store.check().await.expect("it works");
    place
        .sql("UPDATE twofapi_service.about SET moved_to = 'postgres://elsewhere/d'")
        .await;
    let said = refused(&place).await;
    assert!(said.contains("postgres://elsewhere/d"), "{said}");
    // And one that had it open before.
    let said = store.check().await.expect_err("it is refused");
    assert!(said.to_string().contains("elsewhere"), "{said}");
}

#[tokio::test]
async fn after_a_rewrap_the_new_key_alone_opens_the_store_and_its_signing_keys() {
    let mut place = Place::with_a_store().await;
    let key = SigningKeyRecord {
        kid: "kept".into(),
        activates_at: 1,
        algorithm: SigningAlgorithm::Es256,
        seed: Seed::generate_for(SigningAlgorithm::Es256).expect("randomness"),
    };
    let store = place.open(100).await;
    assert!(store.add_signing_key(&key, &[]).await.expect("it works"));
    let newer = OperatorKeys::generate(1).expect("randomness");
    let both = format!("{}{}", *newer.to_text(), *place.keys.to_text());
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), both).expect("a file");
    place.keys = OperatorKeys::read(file.path()).expect("two keys");
    let store = place.open(100).await;
    assert_eq!(store.rewrap().await.expect("it works"), 1);
    assert_eq!(store.rewrap().await.expect("it works"), 0);
    place.keys = newer;
    let kept = place.open(100).await.signing_keys().await;
    let kept = kept.expect("the new key unseals it");
    assert_eq!(kept[0].seed.as_bytes(), key.seed.as_bytes());
}
