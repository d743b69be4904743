//! Signing keys: several servers agree on them, because one is added only by who knows all others.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};
use twofapi_crypto_core::ClientId;

use super::subject::StoreUnderTest;
use crate::store::signing_key::{SigningAlgorithm, SigningKeyRecord};

fn key(kid: &str, activates_at: u64) -> SigningKeyRecord {
    of(SigningAlgorithm::EdDsa, kid, activates_at)
}

fn of(algorithm: SigningAlgorithm, kid: &str, activates_at: u64) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: kid.into(),
        ..SigningKeyRecord::generate(algorithm, activates_at).expect("randomness")
    }
}

async fn add(subject: &dyn StoreUnderTest, key: &SigningKeyRecord, others: &[&str]) -> bool {
    let others: Vec<_> = others.iter().map(|kid| (*kid).to_owned()).collect();
    let added = subject.store().add_signing_key(key, &others).await;
    added.expect("the store works")
}

type Kept = (String, u64, SigningAlgorithm, Vec<u8>);

fn as_kept(key: &SigningKeyRecord) -> Kept {
    let seed = key.seed.as_bytes().to_vec();
    (key.kid.clone(), key.activates_at, key.algorithm, seed)
}

async fn kept(subject: &dyn StoreUnderTest) -> Vec<Kept> {
    let keys = subject.store().signing_keys().await;
    keys.expect("the store works").iter().map(as_kept).collect()
}

pub async fn signing_keys_are_kept_by_the_time_at_which_they_activate(
    subject: &mut impl StoreUnderTest,
) {
    let (first, second, third) = (
        key("b", 10),
        of(SigningAlgorithm::Es256, "c", 20),
        key("a", u64::from(u32::MAX) * 2),
    );
    assert!(add(subject, &third, &[]).await);
    assert!(add(subject, &first, &["a"]).await);
    assert!(add(subject, &second, &["b", "a"]).await);
    let expected: Vec<_> = [&first, &second, &third].map(as_kept).into();
    assert_eq!(kept(subject).await, expected);
    let removed = subject.store().remove_signing_key("c").await;
    removed.expect("the store works");
    assert_eq!(kept(subject).await, [as_kept(&first), as_kept(&third)]);
    let again = subject.store().remove_signing_key("c").await;
    again.expect("removing what is not there is no error");
}

pub async fn a_signing_key_is_added_only_to_those_that_its_maker_knows(
    subject: &mut impl StoreUnderTest,
) {
    assert!(add(subject, &key("a", 1), &[]).await);
    assert!(add(subject, &key("b", 2), &["a"]).await);
    let before = kept(subject).await;
    let unknowing: [&[&str]; 5] = [&[], &["a"], &["b"], &["a", "c"], &["a", "b", "c"]];
    for others in unknowing {
        assert!(!add(subject, &key("d", 3), others).await, "{others:?}");
        assert_eq!(kept(subject).await, before);
    }
    assert!(add(subject, &key("d", 3), &["b", "a"]).await);
}

pub async fn of_many_first_signing_keys_one_is_kept(subject: &mut impl StoreUnderTest) {
    let at_once = 16;
    let gate = Arc::new(Barrier::new(at_once));
    let mut servers = JoinSet::new();
    for number in 0..at_once {
        let (store, gate) = (subject.store(), Arc::clone(&gate));
        servers.spawn(async move {
            let key = key(&format!("of-server-{number}"), 1);
            gate.wait().await;
            let added = store.add_signing_key(&key, &[]).await;
            (key.kid, added.expect("the store works"))
        });
    }
    let answers = servers.join_all().await;
    let winners: Vec<_> = answers.iter().filter(|(_, added)| *added).collect();
    assert_eq!(winners.len(), 1);
    let kept = kept(subject).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, winners[0].0);
}

pub async fn a_look_up_says_that_the_signing_keys_have_changed(subject: &mut impl StoreUnderTest) {
    let mut number = 0;
    // Whoever it is about: keys of a store that is spread over many places are in one of them.
    let people: Vec<ClientId> = (0..8)
        .map(|n| ClientId::parse(&format!("client-{n}")).expect("an id"))
        .collect();
    for change in 0..4 {
        if change % 2 == 0 {
            assert!(add(subject, &key("a", 1), &[]).await);
        } else {
            let removed = subject.store().remove_signing_key("a").await;
            removed.expect("the store works");
        }
        let store = subject.store();
        for id in &people {
            store.look_up(id).await.expect("the store works");
            let said = store.signing_keys_number();
            assert!(said > number, "{said} after {number}, by {id}");
        }
        number = store.signing_keys_number();
        store.look_up(&people[0]).await.expect("the store works");
        assert_eq!(store.signing_keys_number(), number, "nothing has changed");
    }
}
