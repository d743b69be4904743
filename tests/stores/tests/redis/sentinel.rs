//! The store at the master that sentinels name: when another is promoted, servers find it by themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::Value;
use twofapi_crypto_core::{ClientStatus, Error};
use twofapi_server::{OperatorKeys, RecordChange, RedisStore, Store};
use twofapi_tests_redis::{Server, wait_until};
use twofapi_tests_stores::{Alice, log_in, server_over};

use crate::place::{DURABLE, say};

/// Tries until it works, as long as Redis is failing over.
async fn at_last<T, E: std::fmt::Display>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn has_a_replica(server: &Server) -> bool {
    let role = say(server, &["ROLE"]);
    matches!(&role, Value::Array(role)
        if matches!(&role[2], Value::Array(replicas) if !replicas.is_empty()))
}

/// A master with a replica, and a sentinel that watches them.
pub(crate) struct Watched {
    pub(crate) master: Server,
    pub(crate) url: String,
    _others: [Server; 2],
}

impl Watched {
    pub(crate) fn start() -> Self {
        let master = Server::start_without_module(&[], DURABLE);
        let replica = Server::start_without_module(&[], DURABLE);
        let port = master.port().to_string();
        say(&replica, &["REPLICAOF", "127.0.0.1", &port]);
        wait_until("the replica is there", || has_a_replica(&master));
        let sentinel = Server::start_sentinel(&format!(
            "sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 5000"
        ));
        wait_until("the sentinel knows the replica", || {
            let replicas = say(&sentinel, &["SENTINEL", "REPLICAS", "main"]);
            matches!(replicas, Value::Array(replicas) if !replicas.is_empty())
        });
        // The first sentinel is not there.
        let url = format!(
            "redis+sentinel://127.0.0.1:1,127.0.0.1:{}/main?replicas=1",
            sentinel.port()
        );
        Self {
            master,
            url,
            _others: [replica, sentinel],
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_servers_find_the_new_master_which_has_what_was_acknowledged() {
    let mut watched = Watched::start();
    let url = &watched.url;
    let keys = OperatorKeys::generate(0).expect("randomness");
    RedisStore::migrate(url, &keys).await.expect("it works");
    let store = RedisStore::open(url, keys.clone(), 1000).await;
    let store = Arc::new(store.expect("the store opens"));
    let served = server_over(store.clone(), Some(keys)).await;
    let service = served.expect("a server");
    let alice = Alice::enrolled_at(&service).await;
    let mallory = Alice::called("mallory").enrolled(&service).await;
    let used = alice.proven(&service).await;
    let unused = alice.proven(&service).await;
    log_in(&service, &used.0, &used.1)
        .await
        .expect("she is let in");
    let revoked = store
        .change_record(&mallory.id, &RecordChange::Revoke)
        .await;
    revoked.expect("it works").expect("the rules permit it");

    watched.master.kill();
    for (name, proof) in [&used, &unused, &used] {
        let again = at_last(
            async || match log_in(&service, name, proof).await.map(drop) {
                Err(error @ Error::Unavailable { .. }) => Err(error),
                answer => Ok(answer),
            },
        );
        assert_eq!(again.await, Err(Error::Denied));
    }
    let (name, proof) = alice.proven(&service).await;
    let let_in = log_in(&service, &name, &proof).await;
    assert!(let_in.is_ok(), "{let_in:?}");
    let kept = store.look_up(&mallory.id).await.expect("it works");
    assert_eq!(kept.expect("a record").status(), ClientStatus::Revoked);
    // Alone, the new master acknowledges no change.
    let ended = store
        .change_record(&alice.id, &RecordChange::EndSessions)
        .await;
    let said = ended.expect_err("it is refused").to_string();
    assert!(said.contains("not known to be durable"), "{said}");
    // The old one comes back as its replica.
    watched.master.launch();
    at_last(async || {
        let ended = store.change_record(&alice.id, &RecordChange::EndSessions);
        ended.await
    })
    .await
    .expect("the rules permit it");
    store.check().await.expect("it works");
}
