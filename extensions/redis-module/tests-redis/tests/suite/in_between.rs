//! Between a command with a proof and what follows from it, the server may stop to take writes: a pause,
//! a failover, no memory, no replicas. Then nothing follows, the client is told, and the server stays.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{ask, figure, prefix};

/// A command as it is on the wire.
pub(crate) fn line(words: &[&str]) -> Vec<u8> {
    let (name, arguments) = words.split_first().expect("a command");
    cmd(name).arg(arguments).get_packed_command()
}

/// What comes on a connection until it is closed, or until nothing has come for a while.
pub(crate) fn heard(stream: &mut TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_millis(2500)))
        .unwrap();
    let mut all = Vec::new();
    let mut bytes = [0; 65536];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&all).into_owned(),
            Ok(read) => all.extend_from_slice(&bytes[..read]),
        }
        if all.ends_with(b"\r\n") && all.len() < 512 {
            return String::from_utf8_lossy(&all).into_owned();
        }
    }
}

/// Has the server do several things in one go, in this order: while it sleeps, all of them arrive.
pub(crate) fn at_once(server: &Server, steps: &[(&TcpStream, Vec<u8>)]) {
    let mut sleeper = server.connect_raw();
    sleeper
        .write_all(&line(&["DEBUG", "SLEEP", "0.3"]))
        .unwrap();
    thread::sleep(Duration::from_millis(100));
    for &(mut stream, ref bytes) in steps {
        stream.write_all(bytes).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(heard(&mut sleeper), "+OK\r\n");
}

/// A server that sleeps when it is told to, with a client, and the client's rotation to another
/// commitment.
struct Scene {
    server: Server,
    admin: Connection,
    alice: Client,
    next: Client,
}

impl Scene {
    fn new(more: &str) -> Self {
        let server = Server::start(&format!(
            "enable-debug-command yes\n2fapi.verify-threads 1\n{more}"
        ));
        let mut admin = server.connect();
        wait_until("it takes writes", || ask(&mut admin, &["DEL", "x"]).is_ok());
        let alice = Client::enrolled("alice", &mut admin);
        let next = Client::new("alice");
        Self {
            server,
            admin,
            alice,
            next,
        }
    }

    fn rotation(&mut self) -> Vec<u8> {
        let challenge = self.alice.challenge(&mut self.admin).unwrap();
        let old = self
            .alice
            .rotation_proof(&challenge, self.next.credential.commitment());
        line(&[
            "2FAPI.ROTATE",
            "alice",
            &challenge.id,
            &old,
            &self.next.commitment(),
            &self.next.possession(),
        ])
    }
}

impl Scene {
    /// The link of another device.
    fn link(&mut self) -> (Vec<u8>, Client) {
        let laptop = self.alice.another();
        let challenge = self.alice.challenge(&mut self.admin).unwrap();
        let words = [
            "2FAPI.LINK",
            "alice",
            &challenge.id,
            &self.alice.linking_proof(&challenge, &laptop),
            &laptop.commitment(),
            "PROOF",
            &laptop.joining_proof(&challenge),
            "NAME",
            "laptop",
        ];
        (line(&words), laptop)
    }
}

fn enrolment(client: &Client) -> Vec<u8> {
    let possession = client.possession();
    let id = client.id.as_str();
    line(&[
        "2FAPI.ENROLL",
        id,
        &client.commitment(),
        "PROOF",
        &possession,
    ])
}

#[test]
fn what_a_proof_decides_is_not_done_when_writes_are_no_longer_taken() {
    // What happens in between, what the client is told, and how it is undone.
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("CLIENT PAUSE 1500 WRITE", &["writes are paused"], &[]),
        ("CLIENT PAUSE 1500 ALL", &["writes are paused"], &[]),
        (
            "CONFIG SET min-replicas-to-write 1",
            &["NOREPLICAS"],
            &["CONFIG SET min-replicas-to-write 0"],
        ),
        (
            "CONFIG SET maxmemory 1mb",
            &["OOM"],
            &["CONFIG SET maxmemory 0"],
        ),
        (
            "REPLICAOF 127.0.0.1 1",
            &["UNBLOCKED", "READONLY"],
            &["REPLICAOF NO ONE"],
        ),
    ];
    for (what, told, undo) in cases {
        let mut scene = Scene::new("");
        let bob = Client::new("bob");
        let rotation = scene.rotation();
        let (link, laptop) = scene.link();
        let (mut enrols, mut rotates) = (scene.server.connect_raw(), scene.server.connect_raw());
        let mut links = scene.server.connect_raw();
        let (changes, asks) = (scene.server.connect_raw(), scene.server.connect_raw());
        let change: Vec<_> = what.split(' ').collect();
        at_once(
            &scene.server,
            &[
                (&enrols, enrolment(&bob)),
                (&rotates, rotation),
                (&links, link),
                (&changes, line(&change)),
                // After it memory is looked at anew.
                (&asks, line(&["PING"])),
            ],
        );
        for stream in [&mut enrols, &mut rotates, &mut links] {
            let answer = heard(stream);
            assert!(
                told.iter()
                    .any(|told| answer.starts_with('-') && answer.contains(told)),
                "{what}: {answer:?}"
            );
        }
        assert!(scene.server.is_running(), "{what}");
        for undo in undo {
            let words: Vec<_> = undo.split(' ').collect();
            ask(&mut scene.admin, &words).unwrap();
        }
        assert_eq!(
            bob.enroll(&mut scene.admin, &["PROOF", &bob.possession()]),
            Ok(Value::Okay),
            "{what}: bob was not enrolled before"
        );
        for device in [&scene.next, &laptop] {
            assert_eq!(prefix(&device.log_in(&mut scene.admin)), "DENIED");
        }
        assert_eq!(scene.alice.log_in(&mut scene.admin), Ok(Value::Okay));
        assert_eq!(figure(&mut scene.admin, "commitments_rotated"), 0);
        assert_eq!(scene.alice.rotate(&mut scene.admin), Ok(Value::Okay));
    }
}

#[test]
fn in_a_cluster_nothing_is_written_to_a_slot_that_has_gone() {
    let mut scene = Scene::new_cluster();
    let bob = Client::new("bob");
    let slot: i64 = cmd("CLUSTER")
        .arg("KEYSLOT")
        .arg("2fapi:{bob}")
        .query(&mut scene.admin)
        .unwrap();
    let slot = slot.to_string();
    let mut enrols = scene.server.connect_raw();
    let changes = scene.server.connect_raw();
    at_once(
        &scene.server,
        &[
            (&enrols, enrolment(&bob)),
            (&changes, line(&["CLUSTER", "DELSLOTS", &slot])),
        ],
    );
    let answer = heard(&mut enrols);
    assert!(answer.starts_with('-'), "{answer:?}");
    let keys: i64 = cmd("DBSIZE").query(&mut scene.admin).unwrap();
    assert_eq!(keys, 1, "alice alone");
    assert!(scene.server.is_running());
}

impl Scene {
    fn new_cluster() -> Self {
        let server =
            Server::start("enable-debug-command yes\n2fapi.verify-threads 1\ncluster-enabled yes");
        let mut admin = server.connect();
        ask(&mut admin, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).unwrap();
        wait_until("the cluster is up", || {
            ask(&mut admin, &["DEL", "x"]).is_ok()
        });
        let alice = Client::enrolled("alice", &mut admin);
        let next = Client::new("alice");
        Self {
            server,
            admin,
            alice,
            next,
        }
    }
}

#[test]
fn a_rotation_beside_a_failover_ends_no_server_and_loses_no_credential() {
    let mut scene = Scene::new("");
    let mut replica = Server::start(&format!(
        "enable-debug-command yes\nreplicaof 127.0.0.1 {}",
        scene.server.port()
    ));
    let replication = |server: &Server| -> String {
        cmd("INFO")
            .arg("replication")
            .query(&mut server.connect())
            .unwrap_or_default()
    };
    wait_until("the replica is in step", || {
        replication(&scene.server).contains("state=online")
            && replication(&replica).contains("master_link_status:up")
    });
    let rotation = scene.rotation();
    let (mut rotates, fails_over) = (scene.server.connect_raw(), scene.server.connect_raw());
    // While the replica lags behind, the primary waits for it, paused.
    let (mut lags, writes) = (replica.connect_raw(), scene.server.connect_raw());
    lags.write_all(&line(&["DEBUG", "SLEEP", "1.5"])).unwrap();
    at_once(
        &scene.server,
        &[
            (&writes, line(&["SET", "x", "y"])),
            (&rotates, rotation),
            (&fails_over, line(&["FAILOVER"])),
        ],
    );
    let answer = heard(&mut rotates);
    assert!(answer.contains("writes are paused"), "{answer:?}");
    wait_until("the replica has taken over", || {
        replication(&replica).contains("role:master")
    });
    assert!(scene.server.is_running() && replica.is_running());
    let mut at_new = replica.connect();
    assert_eq!(scene.alice.log_in(&mut at_new), Ok(Value::Okay));
    assert_eq!(scene.alice.rotate(&mut at_new), Ok(Value::Okay));
}

#[test]
fn who_is_revoked_or_suspended_is_kept_out_at_once_when_the_disk_fails() {
    let server = Server::start("save 3600 1");
    let (mut admin, mut connection) = (server.connect(), server.connect());
    let clients = ["alice", "bob"].map(|id| Client::enrolled(id, &mut admin));
    // A folder in the place of the snapshot.
    std::fs::create_dir_all(server.dir().join("dump.rdb/x")).unwrap();
    ask(&mut admin, &["BGSAVE"]).unwrap();
    wait_until("the server refuses writes", || {
        ask(&mut admin, &["SET", "x", "y"]).is_err_and(|error| error.code() == Some("MISCONF"))
    });
    for (client, command, status) in [
        (&clients[0], "2FAPI.REVOKE", "revoked"),
        (&clients[1], "2FAPI.SUSPEND", "suspended"),
    ] {
        let id = client.id.as_str();
        assert_eq!(client.log_in(&mut connection), Ok(Value::Okay));
        let answer = ask(&mut admin, &[command, id]);
        assert_eq!(prefix(&answer), "MISCONF");
        assert!(answer.unwrap_err().to_string().contains("is kept out now"));
        assert_eq!(crate::whoami(&mut connection), None);
        assert_eq!(prefix(&client.log_in(&mut connection)), "DENIED");
        let shown: String = cmd("2FAPI.STATUS").arg(id).query(&mut admin).unwrap();
        assert_eq!(shown, status);
    }
    assert_eq!(
        prefix(&ask(&mut admin, &["2FAPI.RESUME", "bob"])),
        "MISCONF"
    );
    std::fs::remove_dir_all(server.dir().join("dump.rdb")).unwrap();
    ask(&mut admin, &["BGSAVE"]).unwrap();
    wait_until("the server takes writes", || {
        ask(&mut admin, &["SET", "x", "y"]).is_ok()
    });
    for command in ["2FAPI.REVOKE", "2FAPI.SUSPEND"] {
        assert_eq!(
            ask(&mut admin, &[command, "bob"]).is_ok(),
            command == "2FAPI.REVOKE"
        );
    }
    assert_eq!(ask(&mut admin, &["2FAPI.REVOKE", "alice"]), Ok(Value::Okay));
}
