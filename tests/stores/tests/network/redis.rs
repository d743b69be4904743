//! Redis with replicas, which sentinels or a cluster's own nodes watch.

use std::process::Command;

use redis::Value;
use twofapi_tests_redis::{Server, wait_until};
use twofapi_tests_stores::processes::Store;

use crate::{net::Machine, scene::cuts};

const DURABLE: &str = "appendonly yes\nappendfsync always\nrepl-timeout 5";

fn say(server: &Server, words: &[&str]) -> redis::RedisResult<Value> {
    redis::cmd(words[0])
        .arg(&words[1..])
        .query(&mut server.connect())
}

fn replicas_of(server: &Server) -> usize {
    match say(server, &["ROLE"]) {
        Ok(Value::Array(role)) => match &role[2] {
            Value::Array(replicas) => replicas.len(),
            _ => 0,
        },
        _ => 0,
    }
}

fn runner(machine: &Machine) -> Vec<String> {
    machine.host.prefix()
}

fn start(machine: &Machine, configuration: &str) -> Server {
    let runner = runner(machine);
    let runner: Vec<&str> = runner.iter().map(String::as_str).collect();
    Server::start_without_module_at(&machine.back, &runner, configuration)
}

#[test]
fn servers_behind_sentinels_go_on_by_themselves_when_the_network_is_mended() {
    let machines = [Machine::new(), Machine::new()];
    let master = start(&machines[0], DURABLE);
    let port = master.port().to_string();
    let of = format!("{DURABLE}\nreplicaof {} {port}", machines[0].back);
    let _replica = start(&machines[1], &of);
    wait_until("the replica is there", || replicas_of(&master) == 1);
    let watch = format!(
        "sentinel monitor main {} {port} 2\nsentinel down-after-milliseconds main 5000\n\
         sentinel failover-timeout main 10000",
        machines[0].back
    );
    let sentinels: Vec<_> = (0..3)
        .map(|_| {
            let machine = Machine::new();
            let runner = runner(&machine);
            let runner: Vec<&str> = runner.iter().map(String::as_str).collect();
            let sentinel = Server::start_sentinel_at(&machine.back, &runner, &watch);
            (format!("{}:{}", machine.back, sentinel.port()), sentinel)
        })
        .collect();
    for (_, sentinel) in &sentinels {
        wait_until("each sentinel knows the others and the replica", || {
            let knows = |what: &str| match say(sentinel, &["SENTINEL", what, "main"]) {
                Ok(Value::Array(known)) => known.len(),
                _ => 0,
            };
            knows("REPLICAS") == 1 && knows("SENTINELS") == 2
        });
    }
    let hosts: Vec<_> = sentinels.iter().map(|(at, _)| at.as_str()).collect();
    let hosts = hosts.join(",");
    let url = format!("redis+sentinel://{hosts}/main?replicas=1&tls=disable");
    let store = Store::at(url, &[]);
    cuts(&store, &machines[0], &machines[1..], &mut || {});
}

#[test]
fn servers_of_a_cluster_go_on_by_themselves_when_the_network_is_mended() {
    let configuration = format!(
        "{DURABLE}\ncluster-enabled yes\ncluster-node-timeout 5000\ncluster-require-full-coverage no"
    );
    let machines: Vec<_> = (0..6).map(|_| Machine::new()).collect();
    let nodes: Vec<_> = machines
        .iter()
        .map(|machine| start(machine, &configuration))
        .collect();
    let places: Vec<_> = machines
        .iter()
        .zip(&nodes)
        .map(|(machine, node)| format!("{}:{}", machine.back, node.port()))
        .collect();
    let created = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(&places)
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .output()
        .expect("redis-cli");
    let said = String::from_utf8_lossy(&created.stdout);
    assert!(created.status.success(), "{said}");
    wait_until("each master has a replica", || {
        nodes.iter().filter(|node| replicas_of(node) == 1).count() == 3
    });
    wait_until("the cluster is complete", || {
        nodes.iter().all(|node| {
            let info = redis::cmd("CLUSTER").arg("INFO").query(&mut node.connect());
            info.is_ok_and(|info: String| info.contains("cluster_state:ok"))
        })
    });
    let url = format!(
        "redis+cluster://{}?buckets=64&replicas=1&tls=disable",
        places.join(",")
    );
    let store = Store::at(url, &[]);
    // The first ones were made masters. A change waits for the replica of its client's.
    let replicas = &machines[3..];
    assert!(nodes[..3].iter().all(|node| replicas_of(node) == 1));
    cuts(&store, &machines[0], replicas, &mut || {});
}
