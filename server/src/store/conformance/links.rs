//! Several credentials of a client: linked and unlinked in one action, each judged by what it is now; and what a
//! second device leaves, which is compared and replaced as a whole.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use std::sync::Arc;

use tokio::{sync::Barrier, task::JoinSet};
use twofapi_crypto_core::{
    Record,
    ceremony::{Committed, LinkState, PendingLink},
};

use super::{
    person::{Issued, Person},
    subject::{StoreUnderTest, at, commit, commit_at_once, only_one_done},
};
use crate::store::changes::{AttributesChange, RecordChange};

async fn issued(subject: &dyn StoreUnderTest, person: &Person) -> Issued {
    person.challenge(at(subject, person).await, 600)
}

async fn record(subject: &dyn StoreUnderTest, person: &Person) -> Record {
    person.record(subject).await.expect("a record")
}

/// Somebody with two credentials, and the record of them.
async fn with_two(subject: &dyn StoreUnderTest) -> (Person, Person, Record) {
    let phone = Person::enrolled(subject, "alice").await;
    let laptop = phone.renewed();
    let before = record(subject, &phone).await;
    let link = phone.link(&laptop, &issued(subject, &phone).await, &before);
    assert_eq!(commit(subject, &link).await, Committed::Done);
    let after = record(subject, &phone).await;
    (phone, laptop, after)
}

async fn pending(subject: &dyn StoreUnderTest, person: &Person) -> Option<PendingLink> {
    let store = subject.store();
    let pending = store.pending_link(&person.id, subject.now()).await;
    pending.expect("the store works")
}

/// What is pending after this person has offered the challenge.
async fn offer(subject: &dyn StoreUnderTest, person: &Person, issued: &Issued) -> PendingLink {
    let offer = person.offer(issued);
    let store = subject.store();
    let kept = store.offer_link(&person.id, &offer, subject.now()).await;
    kept.expect("the store works");
    offer
}

async fn replace(
    subject: &dyn StoreUnderTest,
    person: &Person,
    before: &PendingLink,
    after: &PendingLink,
) -> bool {
    let store = subject.store();
    let now = subject.now();
    let replaced = store.replace_pending_link(&person.id, before, after, now);
    replaced.await.expect("the store works")
}

pub async fn a_credential_that_was_linked_is_let_in_until_it_is_unlinked(
    subject: &mut impl StoreUnderTest,
) {
    let (phone, laptop, linked) = with_two(subject).await;
    assert_eq!((linked.credentials().len(), linked.version()), (2, 2));
    assert_eq!(linked.credentials()[1].name().as_str(), "laptop");
    for device in [&phone, &laptop] {
        let login = device.fresh_login(subject).await;
        assert_eq!(commit(subject, &login).await, Committed::Done);
    }
    let late = laptop.fresh_login(subject).await;
    let challenge = issued(subject, &phone).await;
    let unlink = phone.unlink(&laptop, &challenge, &linked);
    assert_eq!(commit(subject, &unlink).await, Committed::Done);
    let unlinked = record(subject, &phone).await;
    assert_eq!((unlinked.credentials().len(), unlinked.version()), (1, 3));
    assert_eq!(commit(subject, &late).await, Committed::Changed);
    assert_eq!(commit(subject, &unlink).await, Committed::Changed);
    // The challenge of the unlinking is spent.
    let replayed = phone.login(&challenge, &unlinked);
    assert_eq!(commit(subject, &replayed).await, Committed::Spent);
    let login = phone.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
}

pub async fn of_many_changes_of_one_version_one_is_done(subject: &mut impl StoreUnderTest) {
    let (phone, laptop, before) = with_two(subject).await;
    let challenges: Vec<_> = {
        let at = at(subject, &phone).await;
        (0..6).map(|_| phone.challenge(at, 600)).collect()
    };
    let steps = vec![
        phone.link(&phone.renewed(), &challenges[0], &before),
        laptop.link(&phone.renewed(), &challenges[1], &before),
        phone.rotation(&phone.renewed(), &challenges[2], &before),
        laptop.rotation(&phone.renewed(), &challenges[3], &before),
        phone.unlink(&laptop, &challenges[4], &before),
        laptop.unlink(&phone, &challenges[5], &before),
    ];
    let answers = commit_at_once(subject, steps).await;
    let winner = only_one_done(&answers, Committed::Changed);
    let after = record(subject, &phone).await;
    assert_eq!(after.version(), before.version() + 1);
    let expected = [3, 3, 2, 2, 1, 1][winner];
    assert_eq!(after.credentials().len(), expected);
}

pub async fn a_link_by_a_credential_that_is_being_unlinked_is_not_done(
    subject: &mut impl StoreUnderTest,
) {
    let (phone, laptop, linked) = with_two(subject).await;
    let third = phone.renewed();
    let unlink = phone.unlink(&laptop, &issued(subject, &phone).await, &linked);
    let link = laptop.link(&third, &issued(subject, &phone).await, &linked);
    let answers = commit_at_once(subject, vec![unlink, link]).await;
    let winner = only_one_done(&answers, Committed::Changed);
    let after = record(subject, &phone).await;
    let has = |device: &Person| after.credential(Some(&device.credential_id())).is_some();
    assert!(has(&phone));
    assert_eq!((has(&laptop), has(&third)), (winner == 1, winner == 1));
}

pub async fn an_expired_client_or_credential_is_not_let_in_by_the_step(
    subject: &mut impl StoreUnderTest,
) {
    let (phone, laptop, _) = with_two(subject).await;
    let store = subject.store();
    let change = async |change: RecordChange| {
        let changed = store.change_record(&phone.id, &change).await;
        changed.expect("the store works").expect("a client");
    };
    let soon = subject.now() + 2;
    change(RecordChange::SetExpiry {
        credential: laptop.credential_id(),
        expires_at: Some(soon),
    })
    .await;
    let before = record(subject, &phone).await;
    let late = laptop.fresh_login(subject).await;
    let in_time = laptop.fresh_login(subject).await;
    let rotation = laptop.rotation(&laptop.renewed(), &issued(subject, &laptop).await, &before);
    let of_the_other = phone.fresh_login(subject).await;
    assert_eq!(commit(subject, &in_time).await, Committed::Done);
    subject.wait(3).await;
    assert_eq!(commit(subject, &late).await, Committed::Changed);
    assert_eq!(commit(subject, &rotation).await, Committed::Changed);
    assert_eq!(commit(subject, &of_the_other).await, Committed::Done);
    assert_eq!(record(subject, &phone).await, before, "it was changed");

    change(RecordChange::SetAttributes(Box::new(AttributesChange {
        expires_at: Some(Some(subject.now() + 2)),
        ..AttributesChange::default()
    })))
    .await;
    let late = phone.fresh_login(subject).await;
    subject.wait(3).await;
    assert_eq!(commit(subject, &late).await, Committed::Changed);
    change(RecordChange::SetAttributes(Box::new(AttributesChange {
        expires_at: Some(None),
        ..AttributesChange::default()
    })))
    .await;
    let login = phone.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
}

pub async fn a_client_has_one_offer_and_a_newer_one_takes_its_place(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    assert_eq!(pending(subject, &alice).await, None);
    let first = issued(subject, &alice).await;
    let old = offer(subject, &alice, &first).await;
    assert_eq!(pending(subject, &alice).await.as_ref(), Some(&old));
    assert_eq!(pending(subject, &Person::new("alic")).await, None);
    let new = offer(subject, &alice, &issued(subject, &alice).await).await;
    assert_eq!(pending(subject, &alice).await.as_ref(), Some(&new));
    // Who joins the old one comes too late.
    let join = alice.renewed().join(&first, &old);
    assert!(!replace(subject, &alice, join.before(), join.after()).await);
    assert_eq!(pending(subject, &alice).await, Some(new));
}

pub async fn what_is_pending_is_gone_when_its_time_is_over(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let challenge = alice.challenge(at(subject, &alice).await, 2);
    let open = offer(subject, &alice, &challenge).await;
    let join = alice.renewed().join(&challenge, &open);
    subject.wait(3).await;
    assert_eq!(pending(subject, &alice).await, None);
    assert!(!replace(subject, &alice, join.before(), join.after()).await);
    assert_eq!(pending(subject, &alice).await, None);
}

pub async fn of_many_that_join_one_is_first(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let challenge = issued(subject, &alice).await;
    let open = offer(subject, &alice, &challenge).await;
    let devices: Vec<_> = (0..16).map(|_| alice.renewed()).collect();
    let gate = Arc::new(Barrier::new(devices.len()));
    let mut tasks = JoinSet::new();
    for device in &devices {
        let join = device.join(&challenge, &open);
        let (store, now, gate) = (subject.store(), subject.now(), Arc::clone(&gate));
        tasks.spawn(async move {
            gate.wait().await;
            let replaced =
                store.replace_pending_link(join.client_id(), join.before(), join.after(), now);
            (
                replaced.await.expect("the store works"),
                join.after().clone(),
            )
        });
    }
    let answers = tasks.join_all().await;
    let first: Vec<_> = answers.iter().filter(|(replaced, _)| *replaced).collect();
    assert_eq!(first.len(), 1);
    assert_eq!(pending(subject, &alice).await.as_ref(), Some(&first[0].1));
}

pub async fn a_link_of_what_joined_uses_it_up(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let (laptop, before) = (alice.renewed(), record(subject, &alice).await);
    let challenge = issued(subject, &alice).await;
    let open = offer(subject, &alice, &challenge).await;
    let join = laptop.join(&challenge, &open);
    assert!(replace(subject, &alice, join.before(), join.after()).await);
    let joined = pending(subject, &alice).await;
    let (one, two) = (issued(subject, &alice).await, issued(subject, &alice).await);
    let link = alice.link_what_joined(&laptop, &one, &before, joined.clone());
    // Of a challenge that is spent, nothing is used up.
    let spent = issued(subject, &alice).await;
    let used = alice.login(&spent, &before);
    assert_eq!(commit(subject, &used).await, Committed::Done);
    let refused = alice.link_what_joined(&laptop, &spent, &before, joined.clone());
    assert_eq!(commit(subject, &refused).await, Committed::Spent);
    assert_eq!(pending(subject, &alice).await, joined);

    assert_eq!(commit(subject, &link).await, Committed::Done);
    let linked = record(subject, &alice).await;
    assert_eq!(linked.credentials()[1].name().as_str(), "phone");
    assert_eq!(pending(subject, &alice).await, None);
    let unlink = alice.unlink(&laptop, &issued(subject, &alice).await, &linked);
    assert_eq!(commit(subject, &unlink).await, Committed::Done);
    // What was used up links nobody again, even by the record of now.
    let unlinked = record(subject, &alice).await;
    let again = alice.link_what_joined(&laptop, &two, &unlinked, joined);
    assert_eq!(commit(subject, &again).await, Committed::Changed);
    assert_eq!(record(subject, &alice).await, unlinked);
}

pub async fn a_link_of_what_has_clashed_meanwhile_is_not_done(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let (laptop, thief) = (alice.renewed(), alice.renewed());
    let before = record(subject, &alice).await;
    let challenge = issued(subject, &alice).await;
    let open = offer(subject, &alice, &challenge).await;
    let join = laptop.join(&challenge, &open);
    assert!(replace(subject, &alice, join.before(), join.after()).await);
    let joined = pending(subject, &alice)
        .await
        .expect("a device that joined");
    let link = alice.link_what_joined(
        &laptop,
        &issued(subject, &alice).await,
        &before,
        Some(joined.clone()),
    );
    let clash = thief.join(&challenge, &joined);
    assert!(replace(subject, &alice, clash.before(), clash.after()).await);
    let state = pending(subject, &alice).await.expect("what clashed");
    assert_eq!(state.state(subject.now()), Some(&LinkState::Clashed));
    assert_eq!(commit(subject, &link).await, Committed::Changed);
    assert_eq!(record(subject, &alice).await, before);
}
