//! The spent set: one acceptance a challenge, decided by the step and by nothing before it.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use twofapi_crypto_core::ceremony::Committed;

use super::{
    person::Person,
    subject::{AT_ONCE, CAPACITY, StoreUnderTest, at, commit, commit_at_once, only_one_done},
};
use crate::store::changes::RecordChange;

async fn change(subject: &dyn StoreUnderTest, person: &Person, change: RecordChange) {
    let changed = subject.store().change_record(&person.id, &change).await;
    assert!(changed.expect("the store works").is_ok());
}

pub async fn a_challenge_is_accepted_once(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let before = alice.record(subject).await;
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
    for _ in 0..3 {
        assert_eq!(commit(subject, &login).await, Committed::Spent);
    }
    let another = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &another).await, Committed::Done);
    assert_eq!(
        alice.record(subject).await,
        before,
        "a login changes nothing"
    );
}

pub async fn of_many_steps_with_one_challenge_one_is_done(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    for _ in 0..4 {
        let login = alice.fresh_login(subject).await;
        let answers = commit_at_once(subject, vec![login; AT_ONCE]).await;
        only_one_done(&answers, Committed::Spent);
    }
}

pub async fn of_a_login_and_a_rotation_with_one_challenge_one_is_done(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let issued = alice.challenge(at(subject, &alice).await, 600);
    let new = alice.renewed();
    let login = alice.login(&issued, &record);
    let rotation = alice.rotation(&new, &issued, &record);
    let answers = commit_at_once(subject, vec![login, rotation]).await;
    let kept = alice.record(subject).await.expect("a record");
    match answers[..] {
        [Committed::Done, Committed::Spent] => assert_eq!(kept, record),
        // The login comes too late for its challenge, its record, or both.
        [Committed::Spent | Committed::Changed, Committed::Done] => {
            assert_eq!(kept.first().commitment(), new.commitment().as_bytes());
        }
        _ => panic!("{answers:?}"),
    }
}

pub async fn a_step_of_a_record_that_was_changed_is_refused(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let (late_login, late_rotation) = {
        let at = at(subject, &alice).await;
        let login = alice.login(&alice.challenge(at, 600), &record);
        let other = alice.renewed();
        let rotation = alice.rotation(&other, &alice.challenge(at, 600), &record);
        (login, rotation)
    };
    let new = alice.renewed();
    let rotation = alice.rotation(
        &new,
        &alice.challenge(at(subject, &alice).await, 600),
        &record,
    );
    assert_eq!(commit(subject, &rotation).await, Committed::Done);
    let rotated = new.record(subject).await;
    for late in [&late_login, &late_rotation] {
        assert_eq!(commit(subject, late).await, Committed::Changed);
        assert_eq!(new.record(subject).await, rotated);
    }
}

pub async fn a_client_that_was_suspended_before_the_step_is_not_let_in(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let issued = alice.challenge(at(subject, &alice).await, 600);
    let rotation = alice.rotation(&alice.renewed(), &issued, &record);
    let login = alice.fresh_login(subject).await;
    change(subject, &alice, RecordChange::Suspend).await;
    assert_eq!(commit(subject, &login).await, Committed::Changed);
    assert_eq!(commit(subject, &rotation).await, Committed::Changed);
    let kept = alice.record(subject).await.expect("a record");
    assert_eq!(kept.first().commitment(), record.first().commitment());
    change(subject, &alice, RecordChange::Resume).await;
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
    let login = alice.fresh_login(subject).await;
    change(subject, &alice, RecordChange::Revoke).await;
    assert_eq!(commit(subject, &login).await, Committed::Changed);
}

pub async fn a_challenge_that_has_expired_is_refused(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let now = at(subject, &alice).await;
    let late = alice.login(&alice.challenge(now, 1), &record);
    let rotation = alice.rotation(&alice.renewed(), &alice.challenge(now, 1), &record);
    subject.wait(2).await;
    assert_eq!(commit(subject, &late).await, Committed::Expired);
    assert_eq!(commit(subject, &rotation).await, Committed::Expired);
    assert_eq!(alice.record(subject).await, Some(record));
    assert!(
        at(subject, &alice).await.now > now.now,
        "its clock stands still"
    );
}

pub async fn a_challenge_of_a_spent_set_that_was_lost_is_refused(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let (used, unused) = (
        alice.fresh_login(subject).await,
        alice.fresh_login(subject).await,
    );
    let rotation = {
        let issued = alice.challenge(at(subject, &alice).await, 600);
        alice.rotation(&alice.renewed(), &issued, &record)
    };
    assert_eq!(commit(subject, &used).await, Committed::Done);
    let before = at(subject, &alice).await.epoch;
    assert_eq!(
        at(subject, &alice).await.epoch,
        before,
        "it changes by itself"
    );
    subject.lose_spent_set().await;
    for step in [&used, &unused, &rotation] {
        assert_eq!(commit(subject, step).await, Committed::StaleEpoch);
    }
    assert_ne!(at(subject, &alice).await.epoch, before);
    assert_eq!(alice.record(subject).await, Some(record));
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
    assert_eq!(commit(subject, &login).await, Committed::Spent);
}

pub async fn a_full_spent_set_says_when_to_come_again_and_loses_nothing(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let bob = Person::enrolled(subject, "bob").await;
    let record = bob.record(subject).await.expect("a record");
    let lives = 3;
    let mut held = Vec::new();
    for n in 0..CAPACITY {
        // Each client has its share, so they are many.
        let one = Person::enrolled(subject, &format!("client-{n}")).await;
        held.push((one.clone(), one.record(subject).await.expect("a record")));
    }
    let mut steps = Vec::new();
    for (one, record) in &held {
        steps.push(one.login(&one.challenge(at(subject, one).await, lives), record));
    }
    for answer in commit_at_once(subject, steps.clone()).await {
        assert_eq!(answer, Committed::Done);
    }
    let login = alice.fresh_login(subject).await;
    let rotation = {
        let issued = bob.challenge(at(subject, &bob).await, 600);
        bob.rotation(&bob.renewed(), &issued, &record)
    };
    for step in [&login, &rotation] {
        let answer = commit(subject, step).await;
        let Committed::Full { retry_after } = answer else {
            panic!("{answer:?}")
        };
        assert!((1..=lives).contains(&retry_after), "{retry_after}");
    }
    assert_eq!(
        bob.record(subject).await,
        Some(record.clone()),
        "it was changed"
    );
    assert_eq!(commit(subject, &steps[0]).await, Committed::Spent);
    // Enrolling takes no place.
    Person::enrolled(subject, "late").await;
    subject.wait(u64::from(lives) + 1).await;
    for step in [&login, &rotation] {
        assert_eq!(commit(subject, step).await, Committed::Done);
    }
}
