//! Clients: enrolled once, changed as the rules say, each change seen at once.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use twofapi_crypto_core::{
    ClientRecord, ClientStatus, Error, Transition,
    ceremony::{Committed, Permission, Step},
};

use super::{
    person::Person,
    subject::{AT_ONCE, StoreUnderTest, at, commit, commit_at_once, only_one_done},
};
use crate::store::api::LifecycleChange;

pub async fn a_client_is_found_as_it_was_enrolled(subject: &mut impl StoreUnderTest) {
    let alice = Person::new("alice");
    assert_eq!(alice.record(subject).await, None);
    let step = alice.enrolment(Permission::Host);
    assert_eq!(commit(subject, &step).await, Committed::Done);
    let expected = ClientRecord::enrolled(alice.commitment());
    assert_eq!(alice.record(subject).await, Some(expected));
    assert_eq!(Person::new("alic").record(subject).await, None);
    assert_eq!(Person::new("Alice").record(subject).await, None);
}

pub async fn a_client_id_is_enrolled_once(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let before = alice.record(subject).await;
    let again = alice.renewed().enrolment(Permission::Host);
    assert_eq!(commit(subject, &again).await, Committed::Exists);
    assert_eq!(alice.record(subject).await, before);
}

pub async fn of_many_enrolments_of_one_client_id_one_is_done(subject: &mut impl StoreUnderTest) {
    let people: Vec<_> = (0..AT_ONCE).map(|_| Person::new("alice")).collect();
    let steps = people.iter().map(|one| one.enrolment(Permission::Host));
    let answers = commit_at_once(subject, steps.collect()).await;
    let winner = &people[only_one_done(&answers, Committed::Exists)];
    let kept = winner.record(subject).await.expect("a record");
    assert_eq!(kept.commitment, winner.commitment());
}

pub async fn pages_of_clients_are_in_order_and_complete(subject: &mut impl StoreUnderTest) {
    // Ids are compared byte by byte, whatever the language of the store is.
    let mut ids: Vec<String> = (0..23).map(|n| format!("client-{n:02}")).collect();
    ids.extend(["B", "a", "client", "Client-05", "z.z", "a_b", "a-b"].map(String::from));
    for id in &ids {
        Person::enrolled(subject, id).await;
    }
    ids.sort_unstable();
    for limit in [1, 10, ids.len(), 1000] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = subject.store().clients_after(after.as_ref(), limit).await;
            let page = page.expect("the store works");
            assert!(page.len() <= limit);
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            seen.extend(page.into_iter().map(|(id, _)| id.as_str().to_owned()));
        }
        assert_eq!(seen, ids);
    }
}

pub async fn a_status_changes_as_the_rules_say(subject: &mut impl StoreUnderTest) {
    use LifecycleChange::{Resume, Revoke, Suspend};
    let alice = Person::enrolled(subject, "alice").await;
    let store = subject.store();
    let change = async |id, change| {
        let changed = store.change_status(id, change).await;
        changed.expect("the store works")
    };
    let nobody = Person::new("nobody");
    let refused = change(&nobody.id, Suspend).await;
    assert!(matches!(refused, Err(Error::NotEnrolled)));
    assert_eq!(nobody.record(subject).await, None);
    let (active, suspended) = (ClientStatus::Active, ClientStatus::Suspended);
    for (what, transition, status) in [
        (Resume, Transition::Unchanged, active),
        (Suspend, Transition::Changed, suspended),
        (Suspend, Transition::Unchanged, suspended),
        (Resume, Transition::Changed, active),
        (Revoke, Transition::Changed, ClientStatus::Revoked),
        (Revoke, Transition::Unchanged, ClientStatus::Revoked),
    ] {
        let (did, record) = change(&alice.id, what).await.expect("the rules permit it");
        assert_eq!((did, record.status), (transition, status), "{what:?}");
        assert_eq!(alice.record(subject).await, Some(record), "{what:?}");
    }
    for what in [Suspend, Resume] {
        let refused = change(&alice.id, what).await;
        assert!(matches!(refused, Err(Error::NotActive { .. })), "{what:?}");
    }
    let kept = alice.record(subject).await.expect("a record");
    assert_eq!(kept.status, ClientStatus::Revoked);
}

pub async fn a_revoked_client_id_is_never_enrolled_again(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let store = subject.store();
    let revoked = store.change_status(&alice.id, LifecycleChange::Revoke);
    assert!(revoked.await.expect("the store works").is_ok());
    let again = alice.renewed().enrolment(Permission::Host);
    assert_eq!(commit(subject, &again).await, Committed::Exists);
}

pub async fn of_many_rotations_of_one_version_one_is_done(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let at = at(subject).await;
    // As many as one client may have of the spent set, each with a challenge of its own.
    let others: Vec<_> = (0..8).map(|_| alice.renewed()).collect();
    let rotate = |to: &Person| alice.rotation(to, &alice.challenge(at, 600), record);
    let answers = commit_at_once(subject, others.iter().map(rotate).collect()).await;
    let winner = &others[only_one_done(&answers, Committed::Changed)];
    let kept = alice.record(subject).await.expect("a record");
    assert_eq!(
        (kept.commitment, kept.commitment_version),
        (winner.commitment(), record.commitment_version + 1)
    );
}

pub async fn a_rotation_spends_its_challenge_in_the_same_action(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let issued = alice.challenge(at(subject).await, 600);
    let (first, second) = (alice.renewed(), alice.renewed());
    let used = alice.login(&issued, record);
    assert_eq!(commit(subject, &used).await, Committed::Done);
    let replayed = alice.rotation(&first, &issued, record);
    assert_eq!(commit(subject, &replayed).await, Committed::Spent);
    assert_eq!(alice.record(subject).await, Some(record), "it was changed");

    let issued = alice.challenge(at(subject).await, 600);
    let rotation = alice.rotation(&first, &issued, record);
    assert_eq!(commit(subject, &rotation).await, Committed::Done);
    let rotated = first.record(subject).await.expect("a record");
    assert_eq!(rotated.commitment, first.commitment());
    // By the new record, with the challenge of the rotation.
    let replayed: Step = first.login(&issued, rotated);
    assert_eq!(commit(subject, &replayed).await, Committed::Spent);
    let replayed = first.rotation(&second, &issued, rotated);
    assert_eq!(commit(subject, &replayed).await, Committed::Spent);
    assert_eq!(first.record(subject).await, Some(rotated));
}
