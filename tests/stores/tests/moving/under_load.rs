//! A store is copied while servers use it: what they have acknowledged is in the copy, and they acknowledge nothing more.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::task::JoinSet;
use twofapi_server::moving::{Named, copy};
use twofapi_tests_stores::{Alice, log_in};

use crate::place::{Kind, Place};

const AT_ONCE: usize = 8;

/// What servers have acknowledged.
#[derive(Default)]
struct Acknowledged {
    enrolled: Mutex<Vec<Alice>>,
    logins: AtomicUsize,
    copied: AtomicBool,
    late: AtomicUsize,
}

async fn is_exact(kind: Kind) {
    let (from, to) = (
        Place::new(kind, "from").await,
        Place::new(Kind::File, "to").await,
    );
    let said = Arc::new(Acknowledged::default());
    let mut tasks = JoinSet::new();
    for task in 0..AT_ONCE {
        let said = Arc::clone(&said);
        let (service, _store) = from.service().await;
        tasks.spawn(async move {
            // Until it is refused.
            for n in 0.. {
                let over = said.copied.load(Ordering::SeqCst);
                let person = Alice::called(&format!("client-{task}-{n}"));
                if person.enrol(&service).await.is_err() {
                    break;
                }
                said.late.fetch_add(usize::from(over), Ordering::SeqCst);
                let proven = person.try_proven(&service).await;
                said.enrolled.lock().expect("no panic").push(person);
                let Ok((name, proof)) = proven else { break };
                let over = said.copied.load(Ordering::SeqCst);
                if log_in(&service, &name, &proof).await.is_ok() {
                    said.logins.fetch_add(1, Ordering::SeqCst);
                    said.late.fetch_add(usize::from(over), Ordering::SeqCst);
                }
            }
        });
    }
    // In the middle of their work.
    while said.logins.load(Ordering::SeqCst) < 4 * AT_ONCE {
        tokio::task::yield_now().await;
    }
    let (source, target) = (from.contents().await, to.contents().await);
    let named = |contents, name| Named { contents, name };
    let copied = copy(named(&*source, "from"), named(&*target, "to"), &mut |_| {}).await;
    said.copied.store(true, Ordering::SeqCst);
    let copied = copied.expect("it works");
    tasks.join_all().await;
    assert_eq!(
        said.late.load(Ordering::SeqCst),
        0,
        "{kind:?}: something was accepted after it"
    );
    let enrolled = std::mem::take(&mut *said.enrolled.lock().expect("no panic"));
    assert!(copied.clients >= enrolled.len() as u64);
    for person in enrolled.iter() {
        let there = target.client(&person.id).await.expect("it works");
        assert!(
            there.is_some(),
            "{kind:?}: {} was acknowledged and is lost",
            person.id
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_servers_acknowledge_while_their_store_is_copied_is_in_the_copy_and_nothing_comes_after()
 {
    for kind in [Kind::Postgres, Kind::Redis, Kind::RedisOfManyBuckets] {
        is_exact(kind).await;
    }
}
