//! The store over a cluster: its buckets are spread over the nodes, of which each decides about its own, and loses nothing
//! but its own.

use std::{
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use redis::Value;
use twofapi_crypto_core::{Error, Proof};
use twofapi_server::{
    ChallengeName, OperatorKeys, RedisContents, RedisStore, Service, Store,
    conformance::StoreUnderTest,
    moving::{Named, copy},
};
use twofapi_tests_redis::{Server, wait_until};
use twofapi_tests_stores::{Alice, log_in, server_over};

use crate::place::{DURABLE, say, signal};

/// Nodes with all slots between them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Server>,
}

impl Cluster {
    /// Three masters, each with as many replicas.
    pub(crate) fn start(replicas: usize) -> Self {
        let configuration = format!(
            "{DURABLE}\ncluster-enabled yes\ncluster-node-timeout 2000\ncluster-require-full-coverage no"
        );
        let nodes: Vec<_> = (0..3 * (1 + replicas))
            .map(|_| Server::start_without_module(&[], &configuration))
            .collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        for node in &nodes {
            create.arg(format!("127.0.0.1:{}", node.port()));
        }
        create.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let output = create.output().expect("redis-cli");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            wait_until("the cluster is complete", || {
                let info = say(node, &["CLUSTER", "INFO"]);
                let info: String = redis::from_redis_value(info).expect("text");
                let known = format!("cluster_known_nodes:{}", cluster.nodes.len());
                info.contains("cluster_state:ok") && info.contains(&known)
            });
        }
        for master in cluster.masters() {
            wait_until("its replicas are there", || replicas_of(master) == replicas);
        }
        cluster
    }

    pub(crate) fn url(&self, rest: &str) -> String {
        let hosts: Vec<_> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        format!("redis+cluster://{}?{rest}", hosts.join(","))
    }

    pub(crate) fn masters(&self) -> impl Iterator<Item = &Server> {
        self.nodes.iter().filter(|node| is_master(node))
    }

    /// The master that has a key.
    fn home(&self, key: &str) -> usize {
        let has = |node: &Server| {
            let exists = redis::cmd("EXISTS").arg(key).query(&mut node.connect());
            is_master(node) && exists == Ok(1)
        };
        self.nodes.iter().position(has).expect("a home")
    }
}

fn role(node: &Server) -> Vec<Value> {
    match say(node, &["ROLE"]) {
        Value::Array(role) => role,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn is_master(node: &Server) -> bool {
    matches!(&role(node)[0], Value::BulkString(role) if role == b"master")
}

fn replicas_of(node: &Server) -> usize {
    match &role(node)[2] {
        Value::Array(replicas) => replicas.len(),
        other => panic!("{other:?}"),
    }
}

/// The cluster of all tests that leave it as it is. Its nodes end with the thread that starts them, which stays.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            sender.send(Cluster::start(0)).expect("somebody waits");
            loop {
                std::thread::park();
            }
        });
        receiver.recv().expect("a cluster")
    })
}

/// What keys of a store begin with that nobody else has.
fn prefix() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("store-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

async fn made(url: &str) -> OperatorKeys {
    let keys = OperatorKeys::generate(0).expect("randomness");
    let migrated = RedisStore::migrate(url, &keys).await;
    assert_eq!(migrated.expect("it works").0, 0);
    keys
}

async fn service(url: &str, keys: &OperatorKeys) -> Service {
    let store = RedisStore::open(url, keys.clone(), 100_000).await;
    let store = Arc::new(store.expect("the store opens"));
    let served = server_over(store, Some(keys.clone())).await;
    served.expect("a server")
}

struct Subject {
    store: Arc<RedisStore>,
    prefix: String,
}

#[async_trait]
impl StoreUnderTest for Subject {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.expect("a clock").as_secs()
    }

    async fn wait(&mut self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    async fn lose_spent_set(&mut self) {
        for node in &cluster().nodes {
            let pattern = format!("{{{}:*}}spent", self.prefix);
            let sets: Vec<String> =
                redis::from_redis_value(say(node, &["KEYS", &pattern])).expect("keys");
            for set in sets {
                say(node, &["DEL", &set]);
            }
        }
    }
}

mod on_a_cluster {
    use super::{Arc, RedisStore, Subject, cluster, made, prefix};

    async fn open(capacity: u32) -> Subject {
        let prefix = prefix();
        let url = cluster().url(&format!("buckets=64&prefix={prefix}"));
        let keys = made(&url).await;
        let store = RedisStore::open(&url, keys, capacity).await;
        Subject {
            store: Arc::new(store.expect("the store opens")),
            prefix,
        }
    }

    twofapi_server::store_conformance!(divided open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_of_each_is_good_at_every_other_and_once_among_all() {
    // As many buckets as a cluster gets.
    let url = cluster().url(&format!("prefix={}", prefix()));
    let keys = made(&url).await;
    let (one, other) = (service(&url, &keys).await, service(&url, &keys).await);
    one.check().await.expect("it works");
    twofapi_tests_stores::a_challenge_of_each_is_good_at_every_other_and_once_among_all(
        &one, &other,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_copied_from_one_cluster_to_another_and_keeps_its_invitations() {
    let (from, to) = (prefix(), prefix());
    let url = |prefix: &str| cluster().url(&format!("buckets=64&prefix={prefix}"));
    let keys = [made(&url(&from)).await, made(&url(&to)).await];
    let old = service(&url(&from), &keys[0]).await;
    for n in 0..40 {
        Alice::called(&format!("client-{n}")).enrolled(&old).await;
    }
    let store = RedisStore::open(&url(&from), keys[0].clone(), 100_000).await;
    let store = store.expect("the store opens");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock").as_secs();
    let invited = Alice::called("invited");
    let token = twofapi_server::invite(&store, &invited.id, now, 600).await;
    let token = token.expect("it works");
    let source = RedisContents::open(&url(&from), keys[0].clone()).await;
    let target = RedisContents::open(&url(&to), keys[1].clone()).await;
    let (source, target) = (source.expect("it opens"), target.expect("it opens"));
    let named = |contents, name| Named { contents, name };
    let copied = copy(named(&source, "old"), named(&target, "new"), &mut |_| {}).await;
    let copied = copied.expect("it works");
    assert_eq!(
        (copied.clients, copied.invitations, copied.signing_keys),
        (40, 1, 1)
    );
    let refused = store.look_up(&invited.id).await.expect_err("it was moved");
    assert!(refused.to_string().contains("moved to new"), "{refused}");
    let new = service(&url(&to), &keys[1]).await;
    let permission = twofapi_server::EnrolmentPermission::Token(token.expose());
    invited.enrol_by(&new, permission).await.expect("it may");
}

/// Somebody who has used a challenge, and has another one.
struct Person {
    alice: Alice,
    used: (ChallengeName, Proof),
    unused: (ChallengeName, Proof),
}

impl Person {
    async fn at(service: &Service, id: &str) -> Self {
        let alice = Alice::called(id).enrolled(service).await;
        let used = alice.proven(service).await;
        let unused = alice.proven(service).await;
        let let_in = log_in(service, &used.0, &used.1).await;
        let_in.expect("she is let in");
        Self {
            alice,
            used,
            unused,
        }
    }

    /// Where the client is.
    fn key(&self, cluster: &Cluster) -> String {
        let pattern = format!("*client:{}", self.alice.id);
        let found = cluster.masters().find_map(|node| {
            let keys: Vec<String> =
                redis::from_redis_value(say(node, &["KEYS", &pattern])).expect("keys");
            keys.into_iter().next()
        });
        found.expect("a key")
    }

    /// Neither is good any longer, and she is let in with a new one as soon as there is a master for her.
    async fn is_over_and_goes_on_at(&self, service: &Service) {
        let deadline = Instant::now() + Duration::from_secs(60);
        for (name, proof) in [&self.used, &self.unused, &self.used] {
            loop {
                match log_in(service, name, proof).await.map(drop) {
                    Err(Error::Denied) => break,
                    Err(error) => assert!(Instant::now() < deadline, "{error}"),
                    Ok(()) => panic!("it was accepted"),
                }
            }
        }
        let (name, proof) = self.alice.proven(service).await;
        let let_in = log_in(service, &name, &proof).await;
        assert!(let_in.is_ok(), "{let_in:?}");
    }
}

/// Two whose records are on different nodes of a cluster.
async fn two_apart(cluster: &Cluster, service: &Service) -> (Person, Person) {
    let one = Person::at(service, "alice").await;
    let home = cluster.home(&one.key(cluster));
    for number in 0.. {
        let other = Person::at(service, &format!("client-{number}")).await;
        if cluster.home(&other.key(cluster)) != home {
            return (one, other);
        }
    }
    unreachable!("there are several nodes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_node_stands_still_the_others_go_on() {
    let cluster = Cluster::start(0);
    let url = cluster.url("buckets=64");
    let keys = made(&url).await;
    let service = service(&url, &keys).await;
    let (one, other) = two_apart(&cluster, &service).await;
    let home = &cluster.nodes[cluster.home(&one.key(&cluster))];
    signal(home, "-STOP");
    let refused = log_in(&service, &one.unused.0, &one.unused.1).await;
    assert!(matches!(refused.map(drop), Err(Error::Unavailable { .. })));
    for _ in 0..3 {
        let (name, proof) = other.alice.proven(&service).await;
        let let_in = log_in(&service, &name, &proof).await;
        assert!(let_in.is_ok(), "{let_in:?}");
        service.check().await.expect("it works");
    }
    signal(home, "-CONT");
    // It has lost nothing, and what failed may not have been done.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (name, proof) = one.alice.proven(&service).await;
        match log_in(&service, &name, &proof).await {
            Ok(_) => break,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
    let again = log_in(&service, &one.used.0, &one.used.1).await;
    assert_eq!(again.map(drop), Err(Error::Denied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_started_again_ends_its_own_challenges_and_no_others() {
    let mut cluster = Cluster::start(0);
    let url = cluster.url("buckets=64");
    let keys = made(&url).await;
    let service = service(&url, &keys).await;
    let (one, other) = two_apart(&cluster, &service).await;
    let home = cluster.home(&one.key(&cluster));
    cluster.nodes[home].kill();
    // The others go on meanwhile, and the service with them.
    service.check().await.expect("it works");
    let again = log_in(&service, &other.used.0, &other.used.1).await;
    assert_eq!(again.map(drop), Err(Error::Denied));
    let let_in = log_in(&service, &other.unused.0, &other.unused.1).await;
    assert!(let_in.is_ok(), "{let_in:?}");
    cluster.nodes[home].launch();
    one.is_over_and_goes_on_at(&service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_what_was_acknowledged_is_there_and_no_challenge_of_before_is_good() {
    let mut cluster = Cluster::start(1);
    let url = cluster.url("buckets=64&replicas=1");
    let keys = made(&url).await;
    let service = service(&url, &keys).await;
    let (one, other) = two_apart(&cluster, &service).await;
    let home = cluster.home(&one.key(&cluster));
    cluster.nodes[home].kill();
    // Her record was acknowledged, and so the replica that is promoted has it.
    one.is_over_and_goes_on_at(&service).await;
    let again = log_in(&service, &other.used.0, &other.used.1).await;
    assert_eq!(again.map(drop), Err(Error::Denied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_to_another_node_ends_its_challenges() {
    let cluster = Cluster::start(0);
    let url = cluster.url("buckets=64");
    let keys = made(&url).await;
    let service = service(&url, &keys).await;
    let one = Person::at(&service, "alice").await;
    let key = one.key(&cluster);
    let from = cluster.home(&key);
    let to = (from + 1) % cluster.nodes.len();
    let (from, to) = (&cluster.nodes[from], &cluster.nodes[to]);
    let text = |value: Value| -> String { redis::from_redis_value(value).expect("text") };
    let slot = match say(from, &["CLUSTER", "KEYSLOT", &key]) {
        Value::Int(slot) => slot.to_string(),
        other => panic!("{other:?}"),
    };
    let (from_id, to_id) = (
        text(say(from, &["CLUSTER", "MYID"])),
        text(say(to, &["CLUSTER", "MYID"])),
    );
    say(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    say(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let keys: Vec<String> =
        redis::from_redis_value(say(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]))
            .expect("keys");
    assert!(keys.contains(&key));
    let port = to.port().to_string();
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    migrate.extend(keys.iter().map(String::as_str));
    say(from, &migrate);
    for node in [to, from] {
        say(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    assert_eq!(cluster.nodes[cluster.home(&key)].port(), to.port());
    one.is_over_and_goes_on_at(&service).await;
}
