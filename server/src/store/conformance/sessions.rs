//! Sessions: listed by the step that accepts, and by nothing else; ended for good.

#![allow(missing_docs, reason = "each name is a sentence that says what it is")]

use twofapi_crypto_core::ceremony::Committed;

use super::{
    person::Person,
    subject::{AT_ONCE, DurableStoreUnderTest, StoreUnderTest, at, commit, commit_at_once},
};
use crate::store::session::{Session, SessionId};

/// A session of this client that is over in so many seconds.
async fn new(subject: &dyn StoreUnderTest, person: &Person, seconds: u64) -> Session {
    let now = at(subject, person).await.now;
    let record = person.record(subject).await.expect("a record");
    Session {
        id: SessionId::generate().expect("randomness"),
        client_id: person.id.clone(),
        credential: person.credential_id(),
        since: record.first().since(),
        generation: record.generation(),
        amr: vec!["zkp".into()],
        source: Some([192, 0, 2, 1].into()),
        issued_at: now,
        expires_at: now + seconds,
        jkt: Some([7; 32]),
    }
}

/// Logs in with this session.
async fn open(subject: &dyn StoreUnderTest, person: &Person, session: &Session) {
    let login = person.fresh_login(subject).await;
    let store = subject.store();
    let committed = store.commit(&login, Some(session), subject.now()).await;
    assert_eq!(committed.expect("the store works"), Committed::Done);
}

async fn opened(subject: &dyn StoreUnderTest, person: &Person, seconds: u64) -> Session {
    let session = new(subject, person, seconds).await;
    open(subject, person, &session).await;
    session
}

/// The session, asked for in each way.
async fn listed(
    subject: &dyn StoreUnderTest,
    person: &Person,
    session: &Session,
) -> Option<Session> {
    let (store, now) = (subject.store(), subject.now());
    let one = store.session(&person.id, &session.id, now).await;
    let one = one.expect("the store works");
    let both = store
        .look_up_with_session(&person.id, &session.id, now)
        .await;
    let (record, again) = both.expect("the store works");
    assert_eq!(again, one);
    assert_eq!(record, person.record(subject).await);
    let among_all = all(subject, person).await.contains(session);
    assert_eq!(among_all, one.is_some());
    one
}

async fn all(subject: &dyn StoreUnderTest, person: &Person) -> Vec<Session> {
    let all = subject.store().sessions(&person.id, subject.now()).await;
    all.expect("the store works")
}

async fn end(subject: &dyn StoreUnderTest, person: &Person, ids: &[SessionId]) -> u64 {
    let ended = subject.store().end_sessions(&person.id, ids).await;
    ended.expect("the store works")
}

pub async fn a_login_lists_its_session_and_no_other(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let bob = Person::enrolled(subject, "bob").await;
    assert!(all(subject, &alice).await.is_empty());
    let first = opened(subject, &alice, 600).await;
    let plain = Session {
        source: None,
        jkt: None,
        ..new(subject, &alice, 500).await
    };
    open(subject, &alice, &plain).await;
    let login = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &login).await, Committed::Done);
    for session in [&first, &plain] {
        let kept = listed(subject, &alice, session).await;
        assert_eq!(kept.as_ref(), Some(session));
        let (store, now) = (subject.store(), subject.now());
        let of_bob = store.session(&bob.id, &session.id, now).await;
        assert_eq!(of_bob.expect("the store works"), None);
    }
    assert_eq!(all(subject, &alice).await.len(), 2);
    assert!(all(subject, &bob).await.is_empty());
    let stranger = Person::new("stranger");
    assert_eq!(listed(subject, &stranger, &first).await, None);
}

pub async fn a_step_that_is_refused_lists_no_session(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let bob = Person::enrolled(subject, "bob").await;
    let record = alice.record(subject).await.expect("a record");
    let spent = alice.fresh_login(subject).await;
    assert_eq!(commit(subject, &spent).await, Committed::Done);
    let expired = alice.login(&alice.challenge(at(subject, &alice).await, 1), &record);
    subject.wait(2).await;
    let changed = {
        let login = alice.fresh_login(subject).await;
        let new = alice.renewed();
        let issued = alice.challenge(at(subject, &alice).await, 600);
        let rotation = alice.rotation(&new, &issued, &record);
        // A step that changes a record opens none, and then it does not change it either.
        let session = new_for(subject, &alice).await;
        let now = subject.now();
        let refused = subject.store().commit(&rotation, Some(&session), now).await;
        assert!(refused.is_err());
        assert_eq!(alice.record(subject).await, Some(record.clone()));
        assert_eq!(commit(subject, &rotation).await, Committed::Done);
        login
    };
    for (step, expected) in [
        (&spent, &[Committed::Spent, Committed::Changed][..]),
        (&expired, &[Committed::Expired, Committed::Changed]),
        (&changed, &[Committed::Changed]),
    ] {
        let session = new_for(subject, &alice).await;
        let now = subject.now();
        let refused = subject.store().commit(step, Some(&session), now).await;
        assert!(expected.contains(&refused.expect("the store works")));
        assert_eq!(listed(subject, &alice, &session).await, None);
        // Nor does a good step list somebody else's.
        let others = new_for(subject, &bob).await;
        let step = bob.fresh_login(subject).await;
        let of_alice = Session {
            client_id: alice.id.clone(),
            ..others
        };
        let refused = subject.store().commit(&step, Some(&of_alice), now).await;
        assert!(refused.is_err());
    }
    assert!(all(subject, &alice).await.is_empty());
    assert!(all(subject, &bob).await.is_empty());
}

async fn new_for(subject: &dyn StoreUnderTest, person: &Person) -> Session {
    new(subject, person, 600).await
}

pub async fn of_many_logins_with_one_challenge_one_session_is_listed(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let login = alice.fresh_login(subject).await;
    let mut steps = Vec::new();
    for _ in 0..AT_ONCE {
        let session = new(subject, &alice, 600).await;
        steps.push((login.clone(), Some(session)));
    }
    let sessions: Vec<_> = steps.iter().filter_map(|(_, one)| one.clone()).collect();
    let answers = commit_at_once(subject, steps).await;
    let done = super::subject::only_one_done(&answers, Committed::Spent);
    assert_eq!(all(subject, &alice).await, [sessions[done].clone()]);
}

pub async fn a_session_is_over_with_its_time(subject: &mut impl StoreUnderTest) {
    let alice = Person::enrolled(subject, "alice").await;
    let short = opened(subject, &alice, 2).await;
    let long = opened(subject, &alice, 600).await;
    subject.wait(3).await;
    assert_eq!(listed(subject, &alice, &short).await, None);
    assert_eq!(listed(subject, &alice, &long).await, Some(long));
}

pub async fn a_session_that_was_ended_is_gone_and_the_others_are_not(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let bob = Person::enrolled(subject, "bob").await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(opened(subject, &alice, 600).await);
    }
    let ids: Vec<_> = sessions.iter().map(|one| one.id).collect();
    assert_eq!(end(subject, &bob, &ids).await, 0, "of somebody else");
    assert_eq!(all(subject, &alice).await.len(), 4);
    assert_eq!(end(subject, &alice, &ids[..1]).await, 1);
    assert_eq!(end(subject, &alice, &ids[..1]).await, 0);
    assert_eq!(listed(subject, &alice, &sessions[0]).await, None);
    assert_eq!(end(subject, &alice, &ids[..3]).await, 2);
    assert_eq!(all(subject, &alice).await, sessions[3..]);
    assert_eq!(end(subject, &alice, &[]).await, 0);
    // Whoever was logged out can log in again.
    let again = opened(subject, &alice, 600).await;
    assert_eq!(listed(subject, &alice, &again).await, Some(again));
}

pub async fn of_too_many_sessions_of_a_client_those_that_are_over_first_go(
    subject: &mut impl StoreUnderTest,
) {
    /// What a store may keep beyond.
    const MORE: usize = 48;
    let alice = Person::enrolled(subject, "alice").await;
    let bob = Person::enrolled(subject, "bob").await;
    let of_bob = opened(subject, &bob, 100).await;
    let mut sessions = Vec::new();
    for n in 0..Session::MOST_OF_ONE + MORE {
        sessions.push(opened(subject, &alice, 600 + n as u64).await);
    }
    let kept = all(subject, &alice).await;
    let most = Session::MOST_OF_ONE;
    assert!((most..most + MORE).contains(&kept.len()), "{}", kept.len());
    assert_eq!(listed(subject, &alice, &sessions[0]).await, None);
    let newest = &sessions[MORE..];
    assert!(newest.iter().all(|one| kept.contains(one)));
    assert_eq!(listed(subject, &bob, &of_bob).await, Some(of_bob));
}

pub async fn a_session_that_was_ended_is_not_back_when_the_spent_set_is_lost(
    subject: &mut impl StoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let ended = opened(subject, &alice, 5000).await;
    let other = opened(subject, &alice, 5000).await;
    assert_eq!(end(subject, &alice, &[ended.id]).await, 1);
    let login = alice.fresh_login(subject).await;
    subject.lose_spent_set().await;
    assert_eq!(listed(subject, &alice, &ended).await, None);
    // The set begins its next epoch.
    assert_eq!(commit(subject, &login).await, Committed::StaleEpoch);
    at(subject, &alice).await;
    assert_eq!(listed(subject, &alice, &ended).await, None);
    let kept = listed(subject, &alice, &other).await;
    assert!(kept.is_none() || kept == Some(other));
    let again = opened(subject, &alice, 600).await;
    assert_eq!(listed(subject, &alice, &again).await, Some(again));
}

pub async fn a_session_that_was_ended_is_not_back_after_a_crash(
    subject: &mut impl DurableStoreUnderTest,
) {
    let alice = Person::enrolled(subject, "alice").await;
    let mut ended = Vec::new();
    for _ in 0..3 {
        let session = opened(subject, &alice, 600).await;
        let other = opened(subject, &alice, 600).await;
        assert_eq!(end(subject, &alice, &[session.id]).await, 1);
        ended.push(session);
        subject.crash().await;
        for session in &ended {
            assert_eq!(listed(subject, &alice, session).await, None);
        }
        let kept = listed(subject, &alice, &other).await;
        assert!(kept.is_none() || kept == Some(other));
    }
    let again = opened(subject, &alice, 600).await;
    assert_eq!(listed(subject, &alice, &again).await, Some(again));
}
