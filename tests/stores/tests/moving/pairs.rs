//! From each kind of store to each other: what lasts is there, what may be lost is not, and the store that was left takes
//! nothing any longer.

use std::sync::Arc;

use twofapi_crypto_core::{Error, Proof};
use twofapi_server::{
    ChallengeName, EnrolmentPermission, Mark, RecordChange, Service, Store, change_record, invite,
    moving::{Copied, Named, abort, copy},
};
use twofapi_tests_stores::{Alice, log_in};

use crate::place::{ALL, Kind, Place, is_refused};

/// Who was there, and what they hold.
struct Before {
    alice: Alice,
    suspended: Alice,
    token: String,
    used: (ChallengeName, Proof),
    unused: (ChallengeName, Proof),
    invited: (Alice, String),
    enrolled: (Alice, String),
}

async fn fill(service: &Service, store: &dyn Store) -> Before {
    let alice = Alice::enrolled_at(service).await;
    let suspended = Alice::called("suspended").enrolled(service).await;
    let changed = change_record(store, &suspended.id, &RecordChange::Suspend).await;
    changed.expect("it works");
    let used = alice.proven(service).await;
    let unused = alice.proven(service).await;
    let token = log_in(service, &used.0, &used.1)
        .await
        .expect("she is let in");
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock")
        .as_secs();
    let token_for = async |who: &Alice| {
        let token = invite(store, &who.id, now, 3600).await;
        token.expect("it works").expose().to_owned()
    };
    let invited = Alice::called("invited");
    let enrolled = Alice::called("enrolled");
    let (unused_token, used_token) = (token_for(&invited).await, token_for(&enrolled).await);
    let permission = EnrolmentPermission::Token(&used_token);
    enrolled
        .enrol_by(service, permission)
        .await
        .expect("it may");
    Before {
        alice,
        suspended,
        token: token.jwt.to_string(),
        used,
        unused,
        invited: (invited, unused_token),
        enrolled: (enrolled, used_token),
    }
}

async fn copied(from: &Place, to: &Place) -> Result<Copied, String> {
    let (source, target) = (from.contents().await, to.contents().await);
    let (source, target) = (named(&*source, from), named(&*target, to));
    copy(source, target, &mut |_| {})
        .await
        .map_err(|error| error.0)
}

fn named<'a>(contents: &'a dyn twofapi_server::Contents, place: &'a Place) -> Named<'a> {
    Named {
        contents,
        name: &place.name,
    }
}

async fn from_to(from: Kind, to: Kind) {
    let (from, to) = (
        Place::new(from, "the old one").await,
        Place::new(to, "the new one").await,
    );
    let (service, store) = from.service().await;
    let before = fill(&service, &*store).await;
    // Of a file, the server has ended; of the others it goes on.
    let running = store.is_shared().then_some((service, store));
    let done = copied(&from, &to).await.expect("it works");
    assert_eq!(
        (done.clients, done.invitations, done.signing_keys),
        (3, 1, 1)
    );

    let said = from.refused().await;
    assert!(said.contains("the new one"), "{said}");
    if let Some((service, store)) = running {
        is_refused(log_in(&service, &before.unused.0, &before.unused.1).await);
        is_refused(service.authenticate(&before.token, None).await);
        is_refused(Alice::called("late").enrol(&service).await);
        let late = change_record(&*store, &before.alice.id, &RecordChange::Revoke).await;
        assert!(matches!(late, Err(Error::Unavailable { .. })));
        assert!(store.clients_after(None, 10).await.is_err());
        assert!(store.signing_keys().await.is_err());
        assert!(
            store
                .cancel_invitations(&before.invited.0.id)
                .await
                .is_err()
        );
        let said = store.check().await.expect_err("it is refused").to_string();
        assert!(said.contains("the new one"), "{said}");
    }

    let (service, store) = to.service().await;
    // Nothing that was spent can be spent again, and what was not spent is over.
    for (name, proof) in [&before.used, &before.unused] {
        assert_eq!(
            log_in(&service, name, proof).await.map(drop),
            Err(Error::Denied)
        );
    }
    // Sessions stay behind, and with them the tokens.
    is_refused(service.authenticate(&before.token, None).await);
    let (name, proof) = before.alice.proven(&service).await;
    log_in(&service, &name, &proof)
        .await
        .expect("she is let in");
    let (name, proof) = before.suspended.proven(&service).await;
    assert_eq!(
        log_in(&service, &name, &proof).await.map(drop),
        Err(Error::Denied)
    );
    let (again, token) = &before.enrolled;
    is_refused(
        again
            .enrol_by(&service, EnrolmentPermission::Token(token))
            .await,
    );
    let (invited, token) = &before.invited;
    let permission = || EnrolmentPermission::Token(token);
    invited
        .enrol_by(&service, permission())
        .await
        .expect("it may");
    is_refused(invited.enrol_by(&service, permission()).await);
    let listed = store.clients_after(None, 10).await.expect("it works");
    let ids: Vec<_> = listed.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["alice", "enrolled", "invited", "suspended"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_each_kind_is_copied_to_each_other_kind() {
    for from in ALL {
        for to in ALL {
            from_to(from, to).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_half_copied_is_refused_and_goes_on_or_is_taken_back() {
    for kind in ALL {
        let (from, to) = (
            Place::new(Kind::File, "from").await,
            Place::new(kind, "to").await,
        );
        let (service, store) = from.service().await;
        let before = fill(&service, &*store).await;
        drop((service, store));
        // As a copy leaves it that was killed: both have their marks, and some of it is there.
        let (source, target) = (from.contents().await, to.contents().await);
        let filling = Mark::Filling {
            run: "0123456789abcdef".into(),
            from: "from".into(),
        };
        let moved = Mark::Moved { to: "to".into() };
        let clients = source.clients_after(None, 1).await.expect("it works");
        let half = async {
            target.change_mark(None, Some(&filling)).await?;
            source.change_mark(None, Some(&moved)).await?;
            target.put_clients(&filling, &clients).await
        };
        half.await.expect("it works");
        drop((source, target));
        let said = to.refused().await;
        assert!(said.contains("is not whole"), "{kind:?}: {said}");
        assert!(from.refused().await.contains("moved to to"));

        let (source, target) = (from.contents().await, to.contents().await);
        let taken_back = abort(named(&*source, &from), Some(named(&*target, &to)), "to").await;
        taken_back.expect("it works");
        drop((source, target));
        assert!(to.refused().await.contains("is not whole"));
        let (service, store) = from.service().await;
        // What happens there now is not undone by what was copied before.
        let (again, token) = &before.invited;
        again
            .enrol_by(&service, EnrolmentPermission::Token(token))
            .await
            .expect("it may");
        let changed = change_record(&*store, &before.alice.id, &RecordChange::Revoke).await;
        changed.expect("it works");
        drop((service, store));

        copied(&from, &to).await.expect("it works");
        let (service, _store) = to.service().await;
        let (name, proof) = before.alice.proven(&service).await;
        assert_eq!(
            log_in(&service, &name, &proof).await.map(drop),
            Err(Error::Denied)
        );
        let other = Alice::called("invited");
        is_refused(
            other
                .enrol_by(&service, EnrolmentPermission::Token(token))
                .await,
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_somebody_uses_already_is_not_copied_to() {
    for kind in ALL {
        let (from, to) = (
            Place::new(Kind::File, "from").await,
            Place::new(kind, "to").await,
        );
        for place in [&from, &to] {
            // Its signing key is enough: a server has begun to use it.
            let (service, store): (Service, Arc<dyn Store>) = place.service().await;
            drop((service, store));
        }
        let said = copied(&from, &to).await.expect_err("it is refused");
        assert!(said.contains("not empty"), "{kind:?}: {said}");
        for place in [&from, &to] {
            place.store().await.expect("it is as it was");
        }
    }
}
