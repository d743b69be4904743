//! Invitations: one enrolment each, used up by the action that enrols and by nothing else.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use twofapi_crypto_core::ceremony::{Committed, Permission};

use super::{
    person::Person,
    subject::{AT_ONCE, StoreUnderTest, at, commit, commit_at_once, only_one_done},
};
use crate::store::{
    api::{Invitation, InvitationKey, InvitationKind},
    changes::RecordChange,
};

const KEY: InvitationKey = [7; 32];
const BY_KEY: Permission = Permission::Invitation(KEY);

async fn invite(subject: &dyn StoreUnderTest, person: &Person, seconds: u64) {
    invite_to(subject, InvitationKind::Enrol, &KEY, person, seconds).await;
}

async fn invite_to(
    subject: &dyn StoreUnderTest,
    kind: InvitationKind,
    key: &InvitationKey,
    person: &Person,
    seconds: u64,
) {
    let now = subject.now();
    let invitation = Invitation {
        key: *key,
        client_id: person.id.clone(),
        kind,
        expires_at: now + seconds,
    };
    let invited = subject.store().invite(&invitation, now).await;
    invited.expect("the store works");
}

async fn invited_to(
    subject: &dyn StoreUnderTest,
    key: &InvitationKey,
    person: &Person,
) -> Option<InvitationKind> {
    let store = subject.store();
    let invited = store.invited_to(key, &person.id, subject.now()).await;
    invited.expect("the store works")
}

async fn is_invited(subject: &dyn StoreUnderTest, person: &Person) -> bool {
    invited_to(subject, &KEY, person).await == Some(InvitationKind::Enrol)
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
    assert_eq!(kept.first().commitment(), winner.commitment().as_bytes());
    assert!(!is_invited(subject, winner).await);
}

pub async fn an_invitation_to_reset_replaces_all_credentials_once(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let before = alice.record(subject).await.expect("a record");
    let laptop = alice.renewed();
    let link = alice.link(
        &laptop,
        &alice.challenge(at(subject, &alice).await, 600),
        &before,
    );
    assert_eq!(commit(subject, &link).await, Committed::Done);
    let before = alice.record(subject).await.expect("a record");

    let anew = alice.renewed();
    let step = anew.reset(BY_KEY, &before);
    assert_eq!(commit(subject, &step).await, Committed::NotInvited);
    invite_to(subject, InvitationKind::Reset, &KEY, &alice, 600).await;
    for _ in 0..2 {
        let permitted = invited_to(subject, &KEY, &alice).await;
        assert_eq!(permitted, Some(InvitationKind::Reset), "looking used it up");
    }
    let late = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &step).await, Committed::Done);
    assert_eq!(commit(subject, &late).await, Committed::Changed);
    let after = alice.record(subject).await.expect("a record");
    assert_eq!(after.first().commitment(), anew.commitment().as_bytes());
    assert_eq!(
        (
            after.credentials().len(),
            after.version(),
            after.generation()
        ),
        (1, before.version() + 1, before.generation() + 1)
    );
    assert_eq!(invited_to(subject, &KEY, &alice).await, None);
    let again = alice.renewed().reset(BY_KEY, &after);
    assert_eq!(commit(subject, &again).await, Committed::NotInvited);
    let login = anew.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
}

pub async fn an_invitation_of_one_kind_is_none_of_the_other(subject: &mut impl StoreUnderTest) {
    let (alice, bob) = (Person::enrolled(subject, "alice").await, Person::new("bob"));
    let record = alice.record(subject).await.expect("a record");
    invite_to(subject, InvitationKind::Enrol, &KEY, &alice, 600).await;
    invite_to(subject, InvitationKind::Reset, &[8; 32], &bob, 600).await;
    let reset = alice.renewed().reset(BY_KEY, &record);
    assert_eq!(commit(subject, &reset).await, Committed::NotInvited);
    let enrolment = bob.enrolment(Permission::Invitation([8; 32]));
    assert_eq!(commit(subject, &enrolment).await, Committed::NotInvited);
    assert_eq!(alice.record(subject).await, Some(record.clone()));
    assert_eq!(bob.record(subject).await, None);
    // One to reset another client is none for this one.
    let stolen = alice
        .renewed()
        .reset(Permission::Invitation([8; 32]), &record);
    assert_eq!(commit(subject, &stolen).await, Committed::NotInvited);
}

pub async fn a_client_has_one_invitation_to_reset_it_and_a_newer_one_voids_it(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let (old, new) = ([1; 32], [2; 32]);
    for key in [&old, &new] {
        invite_to(subject, InvitationKind::Reset, key, &alice, 600).await;
    }
    // A login by an old credential voids none: a thief could keep doing that.
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
    assert_eq!(invited_to(subject, &old, &alice).await, None);
    let permitted = invited_to(subject, &new, &alice).await;
    assert_eq!(permitted, Some(InvitationKind::Reset));
    let reset = alice.renewed().reset(Permission::Invitation(old), &record);
    assert_eq!(commit(subject, &reset).await, Committed::NotInvited);
    let reset = alice.renewed().reset(Permission::Invitation(new), &record);
    assert_eq!(commit(subject, &reset).await, Committed::Done);
}

pub async fn invitations_of_a_client_can_be_cancelled(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let (bob, carl) = (Person::new("bob"), Person::new("carl"));
    let (reset, first, second, other) = ([1; 32], [2; 32], [3; 32], [4; 32]);
    invite_to(subject, InvitationKind::Reset, &reset, &alice, 600).await;
    for (key, person) in [(&first, &bob), (&second, &bob), (&other, &carl)] {
        invite_to(subject, InvitationKind::Enrol, key, person, 600).await;
    }
    let store = subject.store();
    let cancel = async |person: &Person| {
        let cancelled = store.cancel_invitations(&person.id).await;
        cancelled.expect("the store works")
    };
    assert_eq!(cancel(&alice).await, 1);
    assert_eq!(cancel(&bob).await, 2);
    assert_eq!(cancel(&bob).await, 0);
    assert_eq!(invited_to(subject, &reset, &alice).await, None);
    let record = alice.record(subject).await.expect("a record");
    let late = alice
        .renewed()
        .reset(Permission::Invitation(reset), &record);
    assert_eq!(commit(subject, &late).await, Committed::NotInvited);
    for key in [first, second] {
        let late = bob.enrolment(Permission::Invitation(key));
        assert_eq!(commit(subject, &late).await, Committed::NotInvited);
    }
    let others = carl.enrolment(Permission::Invitation(other));
    assert_eq!(commit(subject, &others).await, Committed::Done);
}

pub async fn an_invitation_to_reset_ends_with_its_time_and_with_the_client(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let step = alice.renewed().reset(BY_KEY, &record);
    invite_to(subject, InvitationKind::Reset, &KEY, &alice, 2).await;
    subject.wait(3).await;
    assert_eq!(invited_to(subject, &KEY, &alice).await, None);
    assert_eq!(commit(subject, &step).await, Committed::NotInvited);
    invite_to(subject, InvitationKind::Reset, &KEY, &alice, 600).await;
    // Who is suspended while a reset is on its way is not reset by it, and stays so after another.
    let store = subject.store();
    let change = async |change| {
        let changed = store.change_record(&alice.id, &change).await;
        changed.expect("the store works").expect("a client").1
    };
    let suspended = change(RecordChange::Suspend).await;
    assert_eq!(commit(subject, &step).await, Committed::Changed);
    let permitted = invited_to(subject, &KEY, &alice).await;
    assert_eq!(permitted, Some(InvitationKind::Reset), "it was used up");
    let anew = alice.renewed();
    let step = anew.reset(BY_KEY, &suspended);
    assert_eq!(commit(subject, &step).await, Committed::Done);
    let after = alice.record(subject).await.expect("a record");
    assert_eq!(after.status(), suspended.status());
    assert_eq!(after.first().commitment(), anew.commitment().as_bytes());

    invite_to(subject, InvitationKind::Reset, &KEY, &alice, 600).await;
    let late = alice.renewed().reset(BY_KEY, &after);
    let revoked = change(RecordChange::Revoke).await;
    assert_eq!(commit(subject, &late).await, Committed::Changed);
    assert_eq!(alice.record(subject).await, Some(revoked));
}

pub async fn of_many_resets_by_one_invitation_one_is_done(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let people: Vec<_> = (0..AT_ONCE).map(|_| alice.renewed()).collect();
    invite_to(subject, InvitationKind::Reset, &KEY, &alice, 600).await;
    let steps = people.iter().map(|one| one.reset(BY_KEY, &record));
    let answers = commit_at_once(subject, steps.collect()).await;
    let winner = &people[only_one_done(&answers, Committed::NotInvited)];
    let kept = winner.record(subject).await.expect("a record");
    assert_eq!(kept.first().commitment(), winner.commitment().as_bytes());
    assert_eq!((kept.version(), kept.generation()), (2, 1));
}
