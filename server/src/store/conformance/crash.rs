//! What a crash leaves: everything that was acknowledged, nothing by half, and no second acceptance.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use tokio::task::JoinSet;
use twofapi_crypto_core::{
    ClientStatus,
    ceremony::{Committed, Permission},
};

use super::{
    person::Person,
    subject::{DurableStoreUnderTest, StoreUnderTest, at, commit},
};
use crate::store::{
    api::{Invitation, InvitationKey, InvitationKind},
    changes::RecordChange,
    signing_key::{Seed, SigningAlgorithm, SigningKeyRecord},
};

async fn invite(
    subject: &dyn StoreUnderTest,
    kind: InvitationKind,
    key: &InvitationKey,
    to: &Person,
) {
    let now = subject.now();
    let invitation = Invitation {
        key: *key,
        client_id: to.id.clone(),
        kind,
        expires_at: now + 600,
    };
    let invited = subject.store().invite(&invitation, now).await;
    invited.expect("the store works");
}

async fn is_invited(subject: &dyn StoreUnderTest, key: &InvitationKey, person: &Person) -> bool {
    let store = subject.store();
    let invited = store.invited_to(key, &person.id, subject.now()).await;
    invited.expect("the store works").is_some()
}

pub async fn what_was_acknowledged_is_there_after_a_crash(
    subject: &mut impl DurableStoreUnderTest,
) {
    use RecordChange::{Resume, Revoke, Suspend};
    let enrolled = Person::enrolled(subject, "enrolled").await;
    let before = enrolled.record(subject).await;
    subject.crash().await;
    assert_eq!(enrolled.record(subject).await, before);

    for (name, changes, expected) in [
        ("suspended", &[Suspend][..], ClientStatus::Suspended),
        ("resumed", &[Suspend, Resume], ClientStatus::Active),
        ("revoked", &[Revoke], ClientStatus::Revoked),
    ] {
        let person = Person::enrolled(subject, name).await;
        for change in changes {
            let changed = subject.store().change_record(&person.id, change).await;
            assert!(changed.expect("the store works").is_ok());
        }
        subject.crash().await;
        let kept = person.record(subject).await.expect("a record");
        assert_eq!(kept.status(), expected, "{name}");
    }

    let record = before.expect("a record");
    let rotated = enrolled.renewed();
    let issued = enrolled.challenge(at(subject, &enrolled).await, 600);
    let rotation = enrolled.rotation(&rotated, &issued, &record);
    assert_eq!(commit(subject, &rotation).await, Committed::Done);
    subject.crash().await;
    let kept = rotated.record(subject).await.expect("a record");
    assert_eq!(kept.first().commitment(), rotated.commitment().as_bytes());

    let invited = Person::new("invited");
    let key = [1; 32];
    invite(subject, InvitationKind::Enrol, &key, &invited).await;
    subject.crash().await;
    assert!(is_invited(subject, &key, &invited).await);
    let enrolment = invited.enrolment(Permission::Invitation(key));
    assert_eq!(commit(subject, &enrolment).await, Committed::Done);
    subject.crash().await;
    assert!(!is_invited(subject, &key, &invited).await);
    assert!(invited.record(subject).await.is_some());

    let record = invited.record(subject).await.expect("a record");
    let anew = invited.renewed();
    let key = [2; 32];
    invite(subject, InvitationKind::Reset, &key, &invited).await;
    subject.crash().await;
    assert!(is_invited(subject, &key, &invited).await);
    let reset = anew.reset(Permission::Invitation(key), &record);
    assert_eq!(commit(subject, &reset).await, Committed::Done);
    subject.crash().await;
    assert!(!is_invited(subject, &key, &invited).await);
    let record = anew.record(subject).await.expect("a record");
    assert_eq!((record.version(), record.generation()), (2, 1));
    let other = anew.renewed();
    let link = anew.link(
        &other,
        &anew.challenge(at(subject, &anew).await, 600),
        &record,
    );
    assert_eq!(commit(subject, &link).await, Committed::Done);
    subject.crash().await;
    let record = anew.record(subject).await.expect("a record");
    assert_eq!(record.credentials().len(), 2);
    let unlink = anew.unlink(
        &other,
        &anew.challenge(at(subject, &anew).await, 600),
        &record,
    );
    assert_eq!(commit(subject, &unlink).await, Committed::Done);
    subject.crash().await;
    let record = anew.record(subject).await.expect("a record");
    assert_eq!((record.credentials().len(), record.version()), (1, 4));

    let key = SigningKeyRecord {
        kid: "kept".into(),
        activates_at: 1,
        algorithm: SigningAlgorithm::Es256,
        seed: Seed::generate_for(SigningAlgorithm::Es256).expect("randomness"),
    };
    let added = subject.store().add_signing_key(&key, &[]).await;
    assert!(added.expect("the store works"));
    subject.crash().await;
    let keys = subject.store().signing_keys().await;
    let keys = keys.expect("the store works");
    assert_eq!(keys[0].algorithm, key.algorithm);
    assert_eq!(keys[0].seed.as_bytes(), key.seed.as_bytes());
    let removed = subject.store().remove_signing_key("kept").await;
    removed.expect("the store works");
    subject.crash().await;
    let keys = subject.store().signing_keys().await;
    assert!(keys.expect("the store works").is_empty());
}

/// Ended again and again while clients are being enrolled.
pub async fn an_enrolment_that_is_cut_off_is_whole_or_not_there(
    subject: &mut impl DurableStoreUnderTest,
) {
    for round in 0..8_u8 {
        let acknowledged: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
        let people: Vec<_> = (0..16)
            .map(|n| Person::new(&format!("client-{round}-{n}")))
            .collect();
        let key = |n: usize| {
            let mut key = [round; 32];
            key[..8].copy_from_slice(&(n as u64).to_be_bytes());
            key
        };
        for (n, person) in people.iter().enumerate() {
            invite(subject, InvitationKind::Enrol, &key(n), person).await;
        }
        let mut tasks = JoinSet::new();
        for (n, person) in people.iter().enumerate() {
            let step = person.enrolment(Permission::Invitation(key(n)));
            let (store, now, acknowledged) = (subject.store(), subject.now(), acknowledged.clone());
            tasks.spawn(async move {
                // What fails now has said nothing.
                if let Ok(Committed::Done) = store.commit(&step, None, now).await {
                    acknowledged.lock().expect("no panic").insert(n);
                }
            });
        }
        // At another point of the work each time.
        for _ in 0..round {
            tasks.join_next().await;
        }
        let acknowledged_by_then = acknowledged.lock().expect("no panic").clone();
        subject.crash().await;
        for (n, person) in people.iter().enumerate() {
            let there = person.record(subject).await.is_some();
            let invited = is_invited(subject, &key(n), person).await;
            assert_ne!(there, invited, "{} by half", person.id);
            assert!(
                there || !acknowledged_by_then.contains(&n),
                "{} lost",
                person.id
            );
        }
        tasks.shutdown().await;
    }
}

pub async fn no_challenge_is_accepted_twice_with_a_crash_between(
    subject: &mut impl DurableStoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
    let record = alice.record(subject).await.expect("a record");
    let issued = alice.challenge(at(subject, &alice).await, 600);
    let rotated = alice.renewed();
    let rotation = alice.rotation(&rotated, &issued, &record);
    assert_eq!(commit(subject, &rotation).await, Committed::Done);
    let record = rotated.record(subject).await.expect("a record");
    subject.crash().await;
    // By a record that would let it in.
    for step in [login, rotated.login(&issued, &record)] {
        let answer = commit(subject, &step).await;
        assert!(
            matches!(
                answer,
                Committed::Spent | Committed::StaleEpoch | Committed::Changed
            ),
            "{answer:?}"
        );
    }
    let login = rotated.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
}
