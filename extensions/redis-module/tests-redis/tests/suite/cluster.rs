//! In a cluster, each client is at home on the node of its id's slot.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use redis::{Value, cluster::ClusterClient, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{ask, prefix, whoami};

/// Three primaries with all slots between them.
fn cluster() -> Vec<Server> {
    let nodes: Vec<Server> = (0..3)
        .map(|_| Server::start("cluster-enabled yes\ncluster-node-timeout 5000"))
        .collect();
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]);
    for node in &nodes {
        create.arg(format!("127.0.0.1:{}", node.port()));
    }
    let output = create.arg("--cluster-yes").output().expect("redis-cli");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    for node in &nodes {
        wait_until("the cluster is complete", || {
            let info: String = cmd("CLUSTER")
                .arg("INFO")
                .query(&mut node.connect())
                .unwrap();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        });
    }
    nodes
}

fn aware(nodes: &[Server]) -> redis::cluster::ClusterConnection {
    ClusterClient::new(nodes.iter().map(Server::info))
        .and_then(|client| client.get_connection())
        .expect("a connection to the cluster")
}

/// The node where a client is at home.
fn home<'a>(nodes: &'a [Server], id: &str) -> &'a Server {
    nodes
        .iter()
        .find(|node| {
            let status: redis::RedisResult<Value> =
                cmd("2FAPI.STATUS").arg(id).query(&mut node.connect());
            status.is_ok()
        })
        .expect("a home")
}

#[test]
fn each_node_authenticates_its_own_clients_and_names_the_node_of_the_others() {
    let nodes = cluster();
    let mut anywhere = aware(&nodes);
    let mut seen = [0; 3];
    for number in 0..30 {
        let client = Client::enrolled(&format!("client-{number}"), &mut anywhere);
        // A cluster-aware client library finds the way by the client id alone.
        assert_eq!(client.log_in(&mut anywhere), Ok(Value::Okay));
        let at_home = home(&nodes, client.id.as_str());
        let mut connection = at_home.connect();
        assert_eq!(client.log_in(&mut connection), Ok(Value::Okay));
        assert_eq!(whoami(&mut connection).as_deref(), Some(client.id.as_str()));
        let key = format!("2fapi:{{{}}}", client.id);
        assert_eq!(ask(&mut connection, &["EXISTS", &key]), Ok(Value::Int(1)));
        for (place, node) in nodes.iter().enumerate() {
            if node.port() == at_home.port() {
                seen[place] += 1;
            } else {
                let elsewhere = ask(
                    &mut node.connect(),
                    &["2FAPI.CHALLENGE", client.id.as_str()],
                );
                let moved = elsewhere.unwrap_err().to_string();
                assert!(
                    moved.contains("MOVED") || moved.contains(&at_home.port().to_string()),
                    "{moved}"
                );
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn a_second_device_finds_the_node_where_its_client_is_at_home() {
    let nodes = cluster();
    let mut anywhere = aware(&nodes);
    let phone = Client::enrolled("alice", &mut anywhere);
    let mut at_home = home(&nodes, "alice").connect();
    assert_eq!(phone.log_in(&mut at_home), Ok(Value::Okay));
    let offer = phone.challenge(&mut anywhere).unwrap();
    assert!(ask(&mut at_home, &["2FAPI.OFFER", &offer.id]).is_ok());
    let laptop = phone.another();
    assert!(laptop.join(&mut anywhere, &offer, "laptop").is_ok());
    let challenge = phone.challenge(&mut anywhere).unwrap();
    let proof = phone.linking_proof(&challenge, &laptop);
    let linked = phone.link_by(&mut anywhere, &challenge, &proof, &laptop, &[]);
    assert_eq!(linked, Ok(Value::Okay));
    assert_eq!(laptop.log_in(&mut anywhere), Ok(Value::Okay));
    for words in [
        &["2FAPI.SHOW", "alice"][..],
        &["2FAPI.EXPIREAT", "alice", "4000000000"],
        &["2FAPI.ATTRIBUTES", "alice", "RATE", "1"],
        &["2FAPI.ENDSESSIONS", "alice"],
    ] {
        let (name, arguments) = words.split_first().unwrap();
        let answer: redis::RedisResult<Value> = cmd(name).arg(arguments).query(&mut anywhere);
        assert!(answer.is_ok(), "{words:?}: {answer:?}");
    }
    assert_eq!(whoami(&mut at_home), None);
    assert_eq!(laptop.unlink(&mut anywhere, &phone), Ok(Value::Okay));
}

#[test]
fn a_slot_moves_under_load_with_its_clients() {
    let nodes = cluster();
    let mut anywhere = aware(&nodes);
    // All of one slot, by a hash tag being no part of client ids: look for ids that share it.
    let slot_of = |id: &str| -> u16 {
        cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(id)
            .query(&mut nodes[0].connect())
            .unwrap()
    };
    let slot = slot_of("mover");
    let mut clients = vec![Client::enrolled("mover", &mut anywhere)];
    for number in 0.. {
        let id = format!("m{number}");
        if slot_of(&id) == slot {
            clients.push(Client::enrolled(&id, &mut anywhere));
            if clients.len() == 3 {
                break;
            }
        }
    }
    let from = home(&nodes, "mover");
    let to = nodes
        .iter()
        .find(|node| node.port() != from.port())
        .unwrap();
    let id_of = |node: &Server| -> String {
        cmd("CLUSTER")
            .arg("MYID")
            .query(&mut node.connect())
            .unwrap()
    };
    let (from_id, to_id) = (id_of(from), id_of(to));
    let slot_text = slot.to_string();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let loads: Vec<_> = clients
            .iter()
            .map(|client| {
                let mut anywhere = aware(&nodes);
                let stop = &stop;
                scope.spawn(move || {
                    let (mut done, mut moved_on) = (0, 0);
                    while !stop.load(Ordering::Relaxed) {
                        match client.log_in(&mut anywhere) {
                            Ok(_) => done += 1,
                            // A challenge from the node before the move, used on the one after it.
                            Err(error) if error.code() == Some("DENIED") => moved_on += 1,
                            Err(error) => panic!("{}: {error}", client.id),
                        }
                    }
                    (done, moved_on)
                })
            })
            .collect();
        let setslot = |node: &Server, words: &[&str]| {
            let mut all = vec!["CLUSTER", "SETSLOT", &slot_text];
            all.extend(words);
            assert_eq!(ask(&mut node.connect(), &all), Ok(Value::Okay));
        };
        let pause = || thread::sleep(std::time::Duration::from_millis(300));
        pause();
        setslot(to, &["IMPORTING", &from_id]);
        setslot(from, &["MIGRATING", &to_id]);
        pause();
        for client in &clients {
            let key = format!("2fapi:{{{}}}", client.id);
            let port = to.port().to_string();
            let migrated = ask(
                &mut from.connect(),
                &["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"],
            );
            assert_eq!(migrated, Ok(Value::Okay));
            // Some are here and some are there.
            pause();
        }
        setslot(to, &["NODE", &to_id]);
        setslot(from, &["NODE", &to_id]);
        pause();
        stop.store(true, Ordering::Relaxed);
        for load in loads {
            let (done, moved_on) = load.join().unwrap();
            assert!(done > 5 && moved_on <= 3, "{done} in, {moved_on} refused");
        }
    });
    for client in &clients {
        assert_eq!(client.log_in(&mut to.connect()), Ok(Value::Okay));
        let answer = client.log_in(&mut from.connect());
        assert!(prefix(&answer).contains("MOVED") || answer.is_err());
    }
}
