//! What the battery asks of a store that it is let loose on, and what every sentence does with it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::{sync::Barrier, task::JoinSet};
use twofapi_crypto_core::ceremony::{At, Committed, Step};

use super::person::Person;
use crate::store::{
    api::{Store, StoreError},
    session::Session,
};

/// How many challenges the store has to be able to hold as spent, and no more.
pub const CAPACITY: u32 = 40;

/// Room for as many as a sentence wants that is not about how many they are.
pub const ROOM: u32 = 2000;

/// How many at once: more than any store has connections.
pub(super) const AT_ONCE: usize = 64;

/// A store that nobody else uses and that was empty when it was lent.
#[async_trait]
pub trait StoreUnderTest: Send {
    /// The store. The battery asks again after it had something done to it.
    fn store(&self) -> Arc<dyn Store>;

    /// The time by the clock that the store goes by, in Unix seconds.
    fn now(&self) -> u64;

    /// Lets so many seconds pass by that clock.
    async fn wait(&mut self, seconds: u64);

    /// Takes the spent set away, as whatever may take it away does.
    async fn lose_spent_set(&mut self);
}

/// A store whose promises outlive a crash.
#[async_trait]
pub trait DurableStoreUnderTest: StoreUnderTest {
    /// Ends the store where it stands, in the middle of whatever it is doing, and opens it again.
    async fn crash(&mut self);
}

pub(super) async fn commit(subject: &dyn StoreUnderTest, step: &Step) -> Committed {
    let committed = subject.store().commit(step, None, subject.now()).await;
    committed.expect("the store works")
}

pub(super) async fn at(subject: &dyn StoreUnderTest, person: &Person) -> At {
    let at = subject.store().epoch(&person.id, subject.now()).await;
    at.expect("the store works")
}

/// Has all of these steps carried out at once, each with the session that it opens.
pub(super) async fn commit_at_once(
    subject: &dyn StoreUnderTest,
    steps: Vec<impl Into<Opening>>,
) -> Vec<Committed> {
    let gate = Arc::new(Barrier::new(steps.len()));
    let mut tasks = JoinSet::new();
    for (number, step) in steps.into_iter().enumerate() {
        let Opening(step, session) = step.into();
        let (store, now, gate) = (subject.store(), subject.now(), Arc::clone(&gate));
        tasks.spawn(async move {
            gate.wait().await;
            (number, store.commit(&step, session.as_ref(), now).await)
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    let answers = answers.into_iter().map(|(_, answer)| answer);
    answers
        .collect::<Result<_, StoreError>>()
        .expect("the store works")
}

/// A step, and the session that it opens.
pub(super) struct Opening(Step, Option<Session>);

impl From<Step> for Opening {
    fn from(step: Step) -> Self {
        Self(step, None)
    }
}

impl From<(Step, Option<Session>)> for Opening {
    fn from((step, session): (Step, Option<Session>)) -> Self {
        Self(step, session)
    }
}

/// The one place where it says `Done`; everywhere else stands what else was to be.
pub(super) fn only_one_done(answers: &[Committed], other: Committed) -> usize {
    let done: Vec<_> = (0..answers.len())
        .filter(|at| answers[*at] == Committed::Done)
        .collect();
    assert_eq!(done.len(), 1, "{answers:?}");
    let others = answers.iter().filter(|answer| **answer != Committed::Done);
    others.for_each(|answer| assert_eq!(*answer, other));
    done[0]
}
