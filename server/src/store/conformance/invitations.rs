//! Invitations: one enrolment each, used up by the action that enrols and by nothing else.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use twofapi_crypto_core::ceremony::{Committed, Permission};

use super::{
    person::Person,
    subject::{AT_ONCE, StoreUnderTest, commit, commit_at_once, only_one_done},
};
use crate::store::api::InvitationKey;

const KEY: InvitationKey = [7; 32];
const BY_KEY: Permission = Permission::Invitation(KEY);

async fn invite(subject: &dyn StoreUnderTest, person: &Person, seconds: u64) {
    let now = subject.now();
    let store = subject.store();
    let invited = store.invite(&KEY, &person.id, now + seconds, now).await;
    invited.expect("the store works");
}

async fn is_invited(subject: &dyn StoreUnderTest, person: &Person) -> bool {
    let store = subject.store();
    let invited = store.is_invited(&KEY, &person.id, subject.now()).await;
    invited.expect("the store works")
}

pub async fn an_invitation_enrols_its_client_once(subject: &mut impl StoreUnderTest) {
    let alice = Person::new("alice");
    let step = alice.enrolment(BY_KEY);
    assert_eq!(commit(subject, &step).await, Committed::NotInvited);
    assert!(!is_invited(subject, &alice).await);
    assert_eq!(alice.record(subject).await, None);
    invite(subject, &alice, 600).await;
    for _ in 0..2 {
        assert!(is_invited(subject, &alice).await, "looking used it up");
    }
    assert_eq!(commit(subject, &step).await, Committed::Done);
    assert!(!is_invited(subject, &alice).await);
    assert_eq!(commit(subject, &step).await, Committed::NotInvited);
}

pub async fn an_invitation_is_good_for_its_client_id_alone(subject: &mut impl StoreUnderTest) {
    let (alice, mallory) = (Person::new("alice"), Person::new("mallory"));
    invite(subject, &alice, 600).await;
    assert!(!is_invited(subject, &mallory).await);
    let stolen = mallory.enrolment(BY_KEY);
    assert_eq!(commit(subject, &stolen).await, Committed::NotInvited);
    assert_eq!(mallory.record(subject).await, None);
    let step = alice.enrolment(BY_KEY);
    assert_eq!(commit(subject, &step).await, Committed::Done);
}

pub async fn an_invitation_that_has_expired_is_good_no_longer(subject: &mut impl StoreUnderTest) {
    let alice = Person::new("alice");
    invite(subject, &alice, 2).await;
    subject.wait(3).await;
    assert!(!is_invited(subject, &alice).await);
    let late = alice.enrolment(BY_KEY);
    assert_eq!(commit(subject, &late).await, Committed::NotInvited);
    assert_eq!(alice.record(subject).await, None);
}

pub async fn a_refused_enrolment_leaves_its_invitation_good(subject: &mut impl StoreUnderTest) {
    let alice = Person::new("alice");
    invite(subject, &alice, 600).await;
    let by_host = alice.renewed().enrolment(Permission::Host);
    assert_eq!(commit(subject, &by_host).await, Committed::Done);
    let before = alice.record(subject).await;
    let by_key = alice.enrolment(BY_KEY);
    assert_eq!(commit(subject, &by_key).await, Committed::Exists);
    assert_eq!(alice.record(subject).await, before);
    assert!(is_invited(subject, &alice).await, "it was used up");
}

pub async fn of_many_enrolments_by_one_invitation_one_is_done(subject: &mut impl StoreUnderTest) {
    let people: Vec<_> = (0..AT_ONCE).map(|_| Person::new("alice")).collect();
    invite(subject, &people[0], 600).await;
    let steps = people.iter().map(|one| one.enrolment(BY_KEY)).collect();
    let answers = commit_at_once(subject, steps).await;
    let winner = &people[only_one_done(&answers, Committed::NotInvited)];
    let kept = winner.record(subject).await.expect("a record");
    assert_eq!(kept.commitment, winner.commitment());
    assert!(!is_invited(subject, winner).await);
}
