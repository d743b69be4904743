//! Clients: enrolled once, changed as the rules say, each change seen at once.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use std::num::NonZeroU32;

use twofapi_crypto_core::{
    Claims, ClientStatus, CredentialName, Error, Record, Scopes, Sources, Transition,
    ceremony::{Committed, Permission, Step},
};

use super::{
    person::Person,
    subject::{AT_ONCE, StoreUnderTest, at, commit, commit_at_once, only_one_done},
};
use crate::store::changes::{AttributesChange, RecordChange};

pub async fn a_client_is_found_as_it_was_enrolled(subject: &mut impl StoreUnderTest) {
    let alice = Person::new("alice");
    assert_eq!(alice.record(subject).await, None);
    let step = alice.enrolment(Permission::Host);
    assert_eq!(commit(subject, &step).await, Committed::Done);
    let expected = Record::enrolled(&alice.commitment(), CredentialName::unnamed(), 0);
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
    assert_eq!(kept.first().commitment(), winner.commitment().as_bytes());
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
    use RecordChange::{Resume, Revoke, Suspend};
    let alice = Person::enrolled(subject, "alice").await;
    let store = subject.store();
    let change = async |id, change: RecordChange| {
        let changed = store.change_record(id, &change).await;
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
        let (did, record) = change(&alice.id, what.clone())
            .await
            .expect("the rules permit it");
        assert_eq!((did, record.status()), (transition, status), "{what:?}");
        assert_eq!(alice.record(subject).await, Some(record), "{what:?}");
    }
    for what in [Suspend, Resume] {
        let refused = change(&alice.id, what.clone()).await;
        assert!(matches!(refused, Err(Error::NotActive { .. })), "{what:?}");
    }
    let kept = alice.record(subject).await.expect("a record");
    assert_eq!(kept.status(), ClientStatus::Revoked);
}

pub async fn a_revoked_client_id_is_never_enrolled_again(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let store = subject.store();
    let revoked = store.change_record(&alice.id, &RecordChange::Revoke);
    assert!(revoked.await.expect("the store works").is_ok());
    let again = alice.renewed().enrolment(Permission::Host);
    assert_eq!(commit(subject, &again).await, Committed::Exists);
}

pub async fn of_many_rotations_of_one_version_one_is_done(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let at = at(subject, &alice).await;
    // As many as one client may have of the spent set, each with a challenge of its own.
    let others: Vec<_> = (0..8).map(|_| alice.renewed()).collect();
    let rotate = |to: &Person| alice.rotation(to, &alice.challenge(at, 600), &record);
    let answers = commit_at_once(subject, others.iter().map(rotate).collect()).await;
    let winner = &others[only_one_done(&answers, Committed::Changed)];
    let kept = alice.record(subject).await.expect("a record");
    assert_eq!(
        (kept.first().commitment(), kept.version()),
        (winner.commitment().as_bytes(), record.version() + 1)
    );
}

pub async fn a_rotation_spends_its_challenge_in_the_same_action(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let record = alice.record(subject).await.expect("a record");
    let issued = alice.challenge(at(subject, &alice).await, 600);
    let (first, second) = (alice.renewed(), alice.renewed());
    let used = alice.login(&issued, &record);
    assert_eq!(commit(subject, &used).await, Committed::Done);
    let replayed = alice.rotation(&first, &issued, &record);
    assert_eq!(commit(subject, &replayed).await, Committed::Spent);
    assert_eq!(
        alice.record(subject).await,
        Some(record.clone()),
        "it was changed"
    );

    let issued = alice.challenge(at(subject, &alice).await, 600);
    let rotation = alice.rotation(&first, &issued, &record);
    assert_eq!(commit(subject, &rotation).await, Committed::Done);
    let rotated = first.record(subject).await.expect("a record");
    assert_eq!(rotated.first().commitment(), first.commitment().as_bytes());
    // By the new record, with the challenge of the rotation.
    let replayed: Step = first.login(&issued, &rotated);
    assert_eq!(commit(subject, &replayed).await, Committed::Spent);
    let replayed = first.rotation(&second, &issued, &rotated);
    assert_eq!(commit(subject, &replayed).await, Committed::Spent);
    assert_eq!(first.record(subject).await, Some(rotated));
}

pub async fn what_an_operator_says_of_a_client_is_kept(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let store = subject.store();
    let change = async |change: &RecordChange| {
        let changed = store.change_record(&alice.id, change).await;
        changed
            .expect("the store works")
            .expect("the rules permit it")
    };
    let said = AttributesChange {
        expires_at: Some(Some(u64::from(u32::MAX) * 2)),
        scopes: Scopes::new(["read", "write:all"]).ok(),
        claims: Claims::parse("{\"a\":[1,\"\u{e9}\"]}").ok(),
        sources: Sources::new(vec![
            "192.0.2.0/24".parse().expect("a source"),
            "2001:db8::/32".parse().expect("a source"),
        ])
        .ok(),
        requests_per_minute: Some(NonZeroU32::new(7)),
        tenant: Some("acme".parse().ok()),
    };
    let changes = [
        RecordChange::SetAttributes(Box::new(said)),
        RecordChange::SetExpiry {
            credential: alice.credential_id(),
            expires_at: Some(u64::from(u32::MAX) * 3),
        },
        RecordChange::SetScopes {
            credential: alice.credential_id(),
            scopes: Scopes::new(["read", "other"]).ok(),
        },
    ];
    for (version, what) in (2..).zip(&changes) {
        let (did, record) = change(what).await;
        assert_eq!((did, record.version()), (Transition::Changed, version));
        assert_eq!(alice.record(subject).await.as_ref(), Some(&record));
        let (did, again) = change(what).await;
        assert_eq!((did, &again), (Transition::Unchanged, &record));
        assert_eq!(alice.record(subject).await, Some(again));
    }
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
    let before = alice.record(subject).await.expect("a record");
    assert!(
        before
            .attributes()
            .is_some_and(|said| said.tenant.is_some())
    );
    // A rotation leaves it as it was.
    let new = alice.renewed();
    let issued = alice.challenge(at(subject, &alice).await, 600);
    let rotation = alice.rotation(&new, &issued, &before);
    assert_eq!(commit(subject, &rotation).await, Committed::Done);
    let after = alice.record(subject).await.expect("a record");
    assert_eq!(after.attributes(), before.attributes());
    assert_eq!(after.first().expires_at(), before.first().expires_at());
    assert_eq!(after.first().scopes(), before.first().scopes());
}

pub async fn a_step_of_before_sessions_were_ended_is_refused(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let login = alice.fresh_login(subject).await;
    let issued = alice.challenge(at(subject, &alice).await, 600);
    let record = alice.record(subject).await.expect("a record");
    let rotation = alice.rotation(&alice.renewed(), &issued, &record);
    let store = subject.store();
    let ended = store.change_record(&alice.id, &RecordChange::EndSessions);
    let (_, record) = ended.await.expect("the store works").expect("a client");
    assert_eq!((record.version(), record.generation()), (1, 1));
    for late in [&login, &rotation] {
        assert_eq!(commit(subject, late).await, Committed::Changed);
    }
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
}
