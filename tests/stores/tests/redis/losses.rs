//! Whatever takes something from Redis: no challenge is accepted twice, and nothing is acknowledged that is not as safe as
//! the URL says.

use std::sync::Arc;

use redis::Value;
use twofapi_crypto_core::{ClientStatus, Error, Proof};
use twofapi_server::{ChallengeName, Invitation, InvitationKind, RecordChange, Service, Store};
use twofapi_tests_redis::{Server, wait_until};
use twofapi_tests_stores::{Alice, log_in, server_over};

use crate::place::{DURABLE, Place, say, signal};

/// A server with somebody enrolled, a challenge that she has used, and one that she has not.
struct Scene {
    service: Service,
    alice: Alice,
    used: (ChallengeName, Proof),
    unused: (ChallengeName, Proof),
}

impl Scene {
    async fn at(place: &Place) -> Self {
        let service = service(place).await;
        let alice = Alice::enrolled_at(&service).await;
        let used = alice.proven(&service).await;
        let unused = alice.proven(&service).await;
        let let_in = log_in(&service, &used.0, &used.1).await;
        let_in.expect("she is let in");
        Self {
            service,
            alice,
            used,
            unused,
        }
    }

    /// Neither is good at this server, and she is let in with a new one.
    async fn is_over_and_goes_on_at(&self, service: &Service) {
        for _ in 0..2 {
            for (name, proof) in [&self.used, &self.unused] {
                let again = log_in(service, name, proof).await;
                assert_eq!(again.map(drop), Err(Error::Denied));
            }
        }
        let (name, proof) = self.alice.proven(service).await;
        let let_in = log_in(service, &name, &proof).await;
        assert!(let_in.is_ok(), "{let_in:?}");
        let again = log_in(service, &name, &proof).await;
        assert_eq!(again.map(drop), Err(Error::Denied));
    }
}

async fn service(place: &Place) -> Service {
    let store = Arc::new(place.open(1000).await);
    let served = server_over(store, Some(place.keys.clone())).await;
    served.expect("a server")
}

#[tokio::test]
async fn after_the_spent_set_or_its_head_is_gone_nothing_of_before_is_accepted() {
    let place = Place::with_a_store("").await;
    for taken in ["set", "head", "another head"] {
        let scene = Scene::at(&place).await;
        let set = "{2fapi:0000}spent";
        match taken {
            "set" => place.say(&["DEL", set]),
            "head" => place.say(&["ZREMRANGEBYSCORE", set, "+inf", "+inf"]),
            _ => place.say(&["ZADD", set, "+inf", "somebody's"]),
        };
        scene.is_over_and_goes_on_at(&scene.service).await;
        place.say(&["DEL", "{2fapi:0000}client:alice"]);
    }
}

#[tokio::test]
async fn after_flushall_there_is_no_store_and_nobody_is_let_in_or_enrolled() {
    let place = Place::with_a_store("").await;
    let scene = Scene::at(&place).await;
    place.say(&["FLUSHALL"]);
    for (name, proof) in [&scene.used, &scene.unused] {
        let refused = log_in(&scene.service, name, proof).await.map(drop);
        assert!(
            matches!(refused, Err(Error::Unavailable { .. })),
            "{refused:?}"
        );
    }
    // Nor enrolled, for whoever was revoked would be as well.
    assert!(scene.alice.enrol(&scene.service).await.is_err());
    assert!(scene.service.check().await.is_err());
    for kept in ["*client*", "*spent", "*about", "*ids"] {
        assert_eq!(place.keys_like(kept), Vec::<String>::new());
    }
    // Another store in its place knows nobody.
    place.migrate().await;
    let other = service(&place).await;
    let again = log_in(&other, &scene.used.0, &scene.used.1).await;
    assert_eq!(again.map(drop), Err(Error::Denied));
    // And who had the old one open does not use it.
    assert!(scene.alice.enrol(&scene.service).await.is_err());
    assert!(scene.service.check().await.is_err());
}

#[tokio::test]
async fn while_another_database_is_in_its_place_there_is_no_store() {
    let place = Place::with_a_store("").await;
    let scene = Scene::at(&place).await;
    place.say(&["SWAPDB", "0", "1"]);
    for (name, proof) in [&scene.used, &scene.unused] {
        let refused = log_in(&scene.service, name, proof).await.map(drop);
        assert!(
            matches!(refused, Err(Error::Unavailable { .. })),
            "{refused:?}"
        );
    }
    place.say(&["SWAPDB", "0", "1"]);
    // It has lost nothing, and goes on where it was.
    let again = log_in(&scene.service, &scene.used.0, &scene.used.1).await;
    assert_eq!(again.map(drop), Err(Error::Denied));
    let let_in = log_in(&scene.service, &scene.unused.0, &scene.unused.1).await;
    assert!(let_in.is_ok(), "{let_in:?}");
}

#[tokio::test]
async fn after_a_start_from_a_snapshot_of_before_nothing_of_before_is_accepted() {
    let mut place = Place::on_a_server("", "?durability=none");
    place.migrate().await;
    let service = service(&place).await;
    let alice = Alice::enrolled_at(&service).await;
    let used = alice.proven(&service).await;
    let unused = alice.proven(&service).await;
    // The snapshot has the set with its head, and without the challenge that is used next.
    place.say(&["SAVE"]);
    log_in(&service, &used.0, &used.1)
        .await
        .expect("she is let in");
    let scene = Scene {
        service,
        alice,
        used,
        unused,
    };
    place.server.kill();
    place.server.launch();
    assert_eq!(place.keys_like("*}spent").len(), 1);
    scene.is_over_and_goes_on_at(&scene.service).await;
}

#[tokio::test]
async fn a_promoted_replica_that_lacks_a_used_challenge_does_not_accept_it() {
    let place = Place::with_a_store("").await;
    let replica = Server::start_without_module(&[], DURABLE);
    let port = place.server.port().to_string();
    say(&replica, &["REPLICAOF", "127.0.0.1", &port]);
    let first = service(&place).await;
    let alice = Alice::enrolled_at(&first).await;
    let used = alice.proven(&first).await;
    let unused = alice.proven(&first).await;
    wait_until("the replica has the set", || {
        let has = |key: &str| say(&replica, &["EXISTS", key]) == Value::Int(1);
        has("{2fapi:0000}spent") && has("{2fapi:0000}client:alice")
    });
    // It is cut off, and the challenge is used at the old master.
    say(&replica, &["REPLICAOF", "127.0.0.1", "1"]);
    log_in(&first, &used.0, &used.1)
        .await
        .expect("she is let in");
    say(&replica, &["REPLICAOF", "NO", "ONE"]);
    let promoted = Place {
        url: format!("redis://127.0.0.1:{}", replica.port()),
        keys: place.keys.clone(),
        server: replica,
    };
    let second = service(&promoted).await;
    let scene = Scene {
        service: second,
        alice,
        used,
        unused,
    };
    scene.is_over_and_goes_on_at(&scene.service).await;
    // The old master still accepts what is its own, once. What is the other's is none of it.
    let let_in = log_in(&first, &scene.unused.0, &scene.unused.1).await;
    assert!(let_in.is_ok(), "{let_in:?}");
    let (name, proof) = scene.alice.proven(&scene.service).await;
    let refused = log_in(&first, &name, &proof).await;
    assert_eq!(refused.map(drop), Err(Error::Denied));
}

#[tokio::test]
async fn a_node_that_was_demoted_answers_nothing_of_what_it_has() {
    let place = Place::with_a_store("").await;
    let scene = Scene::at(&place).await;
    let token = {
        let (name, proof) = scene.alice.proven(&scene.service).await;
        log_in(&scene.service, &name, &proof)
            .await
            .expect("she is let in")
    };
    let fresh = place.open(100).await;
    // Of a master that is not there it has nothing new, and keeps what it had. That it can be written to makes it no master.
    say(&place.server, &["CONFIG", "SET", "replica-read-only", "no"]);
    say(&place.server, &["REPLICAOF", "127.0.0.1", "1"]);
    for (name, proof) in [&scene.used, &scene.unused] {
        let refused = log_in(&scene.service, name, proof).await.map(drop);
        assert!(
            matches!(refused, Err(Error::Unavailable { .. })),
            "{refused:?}"
        );
    }
    assert!(scene.service.authenticate(&token.jwt, None).await.is_err());
    assert!(fresh.epoch(&scene.alice.id, 0).await.is_err());
    // As itself again it has another history, and no session of the one before.
    say(&place.server, &["REPLICAOF", "NO", "ONE"]);
    scene.is_over_and_goes_on_at(&scene.service).await;
    let of_before = scene.service.authenticate(&token.jwt, None).await;
    assert_eq!(of_before.map(drop), Err(Error::Denied));
    let (name, proof) = scene.alice.proven(&scene.service).await;
    let token = log_in(&scene.service, &name, &proof).await;
    let token = token.expect("she is let in");
    assert!(scene.service.authenticate(&token.jwt, None).await.is_ok());
}

#[tokio::test]
async fn what_too_few_replicas_have_is_not_acknowledged_not_even_the_second_time() {
    let mut place = Place::on_a_server(DURABLE, "");
    place.migrate().await;
    place.url.push_str("?replicas=1");
    let replica = Server::start_without_module(&[], DURABLE);
    let port = place.server.port().to_string();
    say(&replica, &["REPLICAOF", "127.0.0.1", &port]);
    wait_until("the replica is there", || {
        let role = say(&place.server, &["ROLE"]);
        matches!(&role, Value::Array(role) if matches!(&role[2], Value::Array(of) if !of.is_empty()))
    });
    let store = Arc::new(place.open(100).await);
    let served = server_over(store.clone(), Some(place.keys.clone())).await;
    let service = served.expect("a server");
    let alice = Alice::enrolled_at(&service).await;
    let invitation = Invitation {
        key: [7; 32],
        client_id: "bob".parse().expect("a client id"),
        kind: InvitationKind::Enrol,
        expires_at: u64::from(u32::MAX),
    };
    store.invite(&invitation, 0).await.expect("it works");
    // The replica stands still: it is there, and has what came before.
    signal(&replica, "-STOP");
    let revoke = async || store.change_record(&alice.id, &RecordChange::Revoke).await;
    let cancel = async || store.cancel_invitations(&invitation.client_id).await;
    for time in ["first", "second"] {
        // The second time there is nothing left to do, and still nothing to acknowledge.
        let (revoked, cancelled) = tokio::join!(revoke(), cancel());
        for said in [
            revoked.expect_err(time).to_string(),
            cancelled.expect_err(time).to_string(),
        ] {
            assert!(said.contains("not known to be durable"), "{time}: {said}");
        }
    }
    // It is done all the same, and said to be when the replica has it.
    let kept = store.look_up(&alice.id).await.expect("it works");
    assert_eq!(kept.expect("a record").status(), ClientStatus::Revoked);
    signal(&replica, "-CONT");
    assert_eq!(cancel().await.expect("it works"), 0);
    revoke()
        .await
        .expect("it works")
        .expect("the rules permit it");
    assert_eq!(
        say(&replica, &["GET", "{2fapi:0000}client:alice"]),
        say(&place.server, &["GET", "{2fapi:0000}client:alice"])
    );
}
