//! A second device is linked: it joins what the first one offers, and the first one links what has joined.

use std::{collections::HashMap, thread};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Challenge, Client, Server, wait_until};

use crate::{ask, figure, links::names, prefix, whoami};

/// A server, an operator, and a client's first device with its connection.
struct Scene {
    server: Server,
    admin: Connection,
    phone: Client,
    connection: Connection,
}

impl Scene {
    fn new(more: &str) -> Self {
        let server = Server::start(more);
        let (mut admin, mut connection) = (server.connect(), server.connect());
        let phone = Client::enrolled("alice", &mut admin);
        assert_eq!(phone.log_in(&mut connection), Ok(Value::Okay));
        Self {
            server,
            admin,
            phone,
            connection,
        }
    }

    fn offer(&mut self) -> Challenge {
        let challenge = self.phone.challenge(&mut self.connection).unwrap();
        let until: u64 = cmd("2FAPI.OFFER")
            .arg(&challenge.id)
            .query(&mut self.connection)
            .unwrap();
        assert_eq!(
            until,
            u64::from_str_radix(&challenge.id[3..11], 16).unwrap()
        );
        challenge
    }

    fn pending(&mut self) -> HashMap<String, Value> {
        cmd("2FAPI.PENDING").query(&mut self.connection).unwrap()
    }

    fn state(&mut self) -> String {
        redis::from_redis_value(self.pending().remove("state").unwrap()).unwrap()
    }

    /// The first device links what has joined.
    fn link(&mut self, new: &Client) -> redis::RedisResult<Value> {
        let challenge = self.phone.challenge(&mut self.connection).unwrap();
        let proof = self.phone.linking_proof(&challenge, new);
        self.phone
            .link_by(&mut self.connection, &challenge, &proof, new, &[])
    }
}

fn text(value: &str) -> Value {
    Value::BulkString(value.as_bytes().to_vec())
}

#[test]
fn a_second_device_joins_and_is_linked() {
    let mut scene = Scene::new("notify-keyspace-events Kd");
    let mut listener = scene.server.connect();
    let mut heard = listener.as_pubsub();
    heard.psubscribe("*").unwrap();
    assert_eq!(scene.state(), "none");
    let offer = scene.offer();
    let pending = scene.pending();
    assert_eq!(pending["state"], text("open"));
    assert_eq!(pending["challenge_id"], text(&offer.id));
    let laptop = scene.phone.another();
    let mut at_laptop = scene.server.connect();
    let joined = laptop.join(&mut at_laptop, &offer, "laptop");
    let pending = scene.pending();
    assert_eq!(joined.unwrap(), pending["expires_at"]);
    assert_eq!(pending["state"], text("joined"));
    assert_eq!(pending["challenge_id"], text(&offer.id));
    assert_eq!(pending["commitment"], text(&laptop.commitment()));
    assert_eq!(pending["name"], text("laptop"));
    assert!(matches!(&pending["proof"], Value::BulkString(proof) if proof.len() == 192));
    assert_eq!(whoami(&mut at_laptop), None);
    // Whoever lost the answer asks again, and is told the same.
    let again = laptop.join(&mut at_laptop, &offer, "laptop");
    assert_eq!(again.unwrap(), pending["expires_at"]);
    assert_eq!(prefix(&laptop.log_in(&mut at_laptop)), "DENIED");

    assert_eq!(scene.link(&laptop), Ok(Value::Okay));
    assert_eq!(laptop.log_in(&mut at_laptop), Ok(Value::Okay));
    assert_eq!(names(&mut scene.admin, "alice"), ["first", "laptop"]);
    assert_eq!(scene.state(), "none");
    assert_eq!(figure(&mut scene.admin, "links_pending"), 0);
    // What has joined is used up.
    assert_eq!(laptop.unlink(&mut scene.admin, &laptop), Ok(Value::Okay));
    assert_eq!(prefix(&scene.link(&laptop)), "DENIED");
    let readme = include_str!("../../../README.md");
    for event in ["offer", "join", "join", "link", "unlink"] {
        let message = heard.get_message().unwrap();
        assert_eq!(message.get_channel_name(), "__keyspace@0__:2fapi:{alice}");
        let name: String = message.get_payload().unwrap();
        assert_eq!(name, format!("2fapi.{event}"));
        assert!(readme.contains(&name), "{name}");
    }
}

#[test]
fn a_second_device_that_joins_as_well_destroys_the_link_and_both_are_told() {
    let mut scene = Scene::new("");
    let offer = scene.offer();
    let (laptop, thief) = (scene.phone.another(), scene.phone.another());
    let mut stranger = scene.server.connect();
    assert!(laptop.join(&mut stranger, &offer, "laptop").is_ok());
    assert_eq!(
        prefix(&thief.join(&mut stranger, &offer, "laptop")),
        "DENIED"
    );
    assert_eq!(
        prefix(&laptop.join(&mut stranger, &offer, "laptop")),
        "DENIED"
    );
    assert_eq!(scene.state(), "clashed");
    assert!(!scene.pending().contains_key("commitment"));
    for device in [&laptop, &thief] {
        assert_eq!(prefix(&scene.link(device)), "DENIED");
    }
    assert_eq!(names(&mut scene.admin, "alice"), ["first"]);
    assert_eq!(scene.server.log().matches("neither is linked").count(), 1);
    // Another offer takes its place.
    let offer = scene.offer();
    assert!(laptop.join(&mut stranger, &offer, "laptop").is_ok());
    assert_eq!(scene.link(&laptop), Ok(Value::Okay));
}

#[test]
fn of_many_that_join_at_once_none_is_linked() {
    let mut scene = Scene::new("");
    let offer = scene.offer();
    let devices: Vec<Client> = (0..16).map(|_| scene.phone.another()).collect();
    let accepted = thread::scope(|scope| {
        let joins: Vec<_> = devices
            .iter()
            .map(|device| {
                let mut connection = scene.server.connect();
                let offer = &offer;
                scope.spawn(move || device.join(&mut connection, offer, "device").is_ok())
            })
            .collect();
        joins
            .into_iter()
            .filter_map(|join| join.join().unwrap().then_some(()))
            .count()
    });
    assert!(accepted <= 1, "{accepted}");
    // Those that were looked at before the first had joined were refused, and ask again as devices do.
    let again = devices[0].join(&mut scene.admin, &offer, "device").is_ok()
        && devices[1].join(&mut scene.admin, &offer, "device").is_ok();
    assert!(!again);
    assert_eq!(scene.state(), "clashed");
    for device in &devices {
        assert_eq!(prefix(&scene.link(device)), "DENIED");
    }
}

#[test]
fn joining_needs_an_open_offer_and_a_proof_about_it() {
    let mut scene = Scene::new("");
    let laptop = scene.phone.another();
    let mut stranger = scene.server.connect();
    let never_offered = scene.phone.challenge(&mut stranger).unwrap();
    assert_eq!(
        prefix(&laptop.join(&mut stranger, &never_offered, "x")),
        "DENIED"
    );
    let before = scene.offer();
    let offer = scene.offer();
    let nobody = Client::new("nobody");
    let nobodys = nobody.challenge(&mut stranger).unwrap();
    let made_up = Challenge {
        id: format!("ch-{}", "0".repeat(24)),
        ..offer.clone()
    };
    for (what, device, challenge) in [
        ("an offer that gave way", &laptop, &before),
        ("a challenge that was not offered", &laptop, &never_offered),
        ("a challenge that was never issued", &laptop, &made_up),
        ("a client that is not there", &nobody, &nobodys),
        ("another client's name", &nobody, &offer),
    ] {
        assert_eq!(
            prefix(&device.join(&mut stranger, challenge, "x")),
            "DENIED",
            "{what}"
        );
    }
    let other = Challenge {
        id: offer.id.clone(),
        ..never_offered
    };
    for (what, proof) in [
        ("a joining over another nonce", laptop.joining_proof(&other)),
        ("an enrolment", laptop.possession()),
        ("an authentication", laptop.proof(&offer)),
        ("another's joining", scene.phone.joining_proof(&offer)),
        ("a linking", laptop.linking_proof(&offer, &laptop)),
    ] {
        let words = [
            "2FAPI.JOIN",
            "alice",
            &offer.id,
            &laptop.commitment(),
            &proof,
            "x",
        ];
        assert_eq!(prefix(&ask(&mut stranger, &words)), "DENIED", "{what}");
    }
    for name in ["", " x", "x ", "a\nb", "é", &"x".repeat(65)] {
        assert_eq!(
            prefix(&laptop.join(&mut stranger, &offer, name)),
            "ERR",
            "{name:?}"
        );
    }
    assert_eq!(scene.state(), "open");
    // In a transaction it is decided at once.
    ask(&mut stranger, &["MULTI"]).unwrap();
    laptop.join(&mut stranger, &offer, "laptop").unwrap();
    assert!(ask(&mut stranger, &["EXEC"]).is_ok());
    assert_eq!(scene.state(), "joined");
}

#[test]
fn offering_needs_a_session_of_that_client() {
    let mut scene = Scene::new("");
    let challenge = scene.phone.challenge(&mut scene.admin).unwrap();
    let mut nobody = scene.server.connect();
    for words in [
        &["2FAPI.OFFER", &challenge.id][..],
        &["2FAPI.PENDING"],
        &["2FAPI.CREDENTIALS"],
    ] {
        assert_eq!(prefix(&ask(&mut nobody, words)), "DENIED", "{words:?}");
    }
    let bob = Client::enrolled("bob", &mut scene.admin);
    bob.log_in(&mut nobody).unwrap();
    let mut bobs = nobody;
    // Of a challenge that was alice's the nonce is another for him: it is no offer of hers.
    assert!(ask(&mut bobs, &["2FAPI.OFFER", &challenge.id]).is_ok());
    assert_eq!(scene.state(), "none");
    let laptop = scene.phone.another();
    let answer = laptop.join(&mut scene.admin, &challenge, "laptop");
    assert_eq!(prefix(&answer), "DENIED");
    assert_eq!(prefix(&ask(&mut bobs, &["2FAPI.OFFER", "x"])), "DENIED");
    scene.offer();
    let of_bob: HashMap<String, String> = cmd("2FAPI.PENDING").query(&mut bobs).unwrap();
    assert_eq!(of_bob["state"], "open");
    assert_eq!(figure(&mut scene.admin, "links_pending"), 2);
    let script = format!("return redis.call('2FAPI.OFFER', '{}')", challenge.id);
    assert!(ask(&mut scene.connection, &["EVAL", &script, "0"]).is_err());
}

#[test]
fn only_what_has_joined_is_linked() {
    let mut scene = Scene::new("");
    let (laptop, other) = (scene.phone.another(), scene.phone.another());
    assert_eq!(prefix(&scene.link(&laptop)), "DENIED", "nobody has offered");
    let offer = scene.offer();
    assert_eq!(prefix(&scene.link(&laptop)), "DENIED", "nobody has joined");
    laptop.join(&mut scene.admin, &offer, "laptop").unwrap();
    assert_eq!(prefix(&scene.link(&other)), "DENIED", "another has joined");
    // By one that is no credential of the client's, that being the one that has joined as well.
    let challenge = laptop.challenge(&mut scene.admin).unwrap();
    for thief in [&laptop, &other] {
        let proof = thief.linking_proof(&challenge, &laptop);
        let answer = thief.link_by(&mut scene.admin, &challenge, &proof, &laptop, &[]);
        assert_eq!(prefix(&answer), "DENIED");
    }
    assert_eq!(scene.state(), "joined");
    assert_eq!(scene.link(&laptop), Ok(Value::Okay));
}

#[test]
fn what_ends_all_sessions_of_a_client_withdraws_its_offer() {
    for words in [
        &["2FAPI.SUSPEND", "alice"][..],
        &["2FAPI.REVOKE", "alice"],
        &["2FAPI.ENDSESSIONS", "alice"],
        &["DEL", "2fapi:{alice}"],
        &["RENAME", "2fapi:{alice}", "x"],
        &["FLUSHALL"],
        &["REPLICAOF", "127.0.0.1", "1"],
    ] {
        let mut scene = Scene::new("");
        let offer = scene.offer();
        ask(&mut scene.admin, words).unwrap();
        assert_eq!(figure(&mut scene.admin, "links_pending"), 0, "{words:?}");
        ask(&mut scene.admin, &["REPLICAOF", "NO", "ONE"]).unwrap();
        let laptop = scene.phone.another();
        let answer = laptop.join(&mut scene.admin, &offer, "laptop");
        assert_eq!(prefix(&answer), "DENIED", "{words:?}");
    }
}

#[test]
fn an_offer_ends_with_its_challenge() {
    let mut scene = Scene::new("2fapi.challenge-ttl 1");
    let offer = scene.offer();
    wait_until("it is over", || scene.state() == "none");
    let laptop = scene.phone.another();
    assert_eq!(
        prefix(&laptop.join(&mut scene.admin, &offer, "laptop")),
        "DENIED"
    );
    wait_until("it is forgotten", || {
        figure(&mut scene.admin, "links_pending") == 0
    });
}

#[test]
fn nothing_of_an_offer_is_written_and_a_replica_takes_none() {
    let mut scene = Scene::new("");
    let changes = |admin: &mut Connection| -> String {
        let info: String = cmd("INFO").arg("persistence").query(admin).unwrap();
        let line = info
            .lines()
            .find(|line| line.starts_with("rdb_changes_since_last_save"));
        line.unwrap().to_owned()
    };
    let before = changes(&mut scene.admin);
    let offer = scene.offer();
    let laptop = scene.phone.another();
    laptop.join(&mut scene.admin, &offer, "laptop").unwrap();
    assert_eq!(changes(&mut scene.admin), before);
    let dump: Vec<u8> = cmd("DUMP")
        .arg("2fapi:{alice}")
        .query(&mut scene.admin)
        .unwrap();
    let commitment = hex::decode(laptop.commitment()).unwrap();
    assert!(
        !dump
            .windows(commitment.len())
            .any(|part| part == commitment)
    );

    let replica = Server::start(&format!("replicaof 127.0.0.1 {}", scene.server.port()));
    let mut at_replica = replica.connect();
    wait_until("the client is there", || {
        scene.phone.log_in(&mut at_replica).is_ok()
    });
    let challenge = scene.phone.challenge(&mut at_replica).unwrap();
    let offered = ask(&mut at_replica, &["2FAPI.OFFER", &challenge.id]);
    assert_eq!(prefix(&offered), "READONLY");
    assert_eq!(
        prefix(&laptop.join(&mut at_replica, &challenge, "x")),
        "READONLY"
    );
    for answer in [
        scene.phone.link(&mut at_replica, &laptop, "laptop"),
        scene.phone.unlink(&mut at_replica, &scene.phone),
    ] {
        assert_eq!(prefix(&answer), "READONLY");
    }
}

#[test]
fn a_service_in_between_offers_for_the_clients_that_it_knows() {
    let mut scene = Scene::new("");
    let mut service = scene.server.connect();
    let offer = scene.phone.challenge(&mut service).unwrap();
    let words = ["2FAPI.OFFERFOR", "alice", &offer.id];
    assert!(ask(&mut service, &words).is_ok());
    let laptop = scene.phone.another();
    laptop
        .join(&mut scene.server.connect(), &offer, "laptop")
        .unwrap();
    let pending: HashMap<String, Value> = cmd("2FAPI.PENDINGFOR")
        .arg("alice")
        .query(&mut service)
        .unwrap();
    assert_eq!(pending, scene.pending());
    assert_eq!(pending["state"], text("joined"));
    assert_eq!(scene.link(&laptop), Ok(Value::Okay));
    let of_nobody: HashMap<String, String> = cmd("2FAPI.PENDINGFOR")
        .arg("nobody")
        .query(&mut service)
        .unwrap();
    assert_eq!(of_nobody["state"], "none");
    let nobodys = Client::new("nobody").challenge(&mut service).unwrap();
    for (words, told) in [
        (["2FAPI.OFFERFOR", "nobody", &nobodys.id], "NOCLIENT"),
        (["2FAPI.OFFERFOR", "alice", "ch-0"], "DENIED"),
    ] {
        assert_eq!(prefix(&ask(&mut service, &words)), told);
    }
}
