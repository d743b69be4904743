//! A client has several credentials: linked, unlinked and reset, each with sessions of its own.

use std::{collections::HashMap, thread};

use redis::{Connection, Value, cmd};
use twofapi_crypto_core::Enrolment;
use twofapi_tests_redis::{Client, Server, proof_of, wait_until};

use crate::{ask, figure, prefix, whoami};

/// A client with two devices, the second linked by the first.
pub(crate) fn two_devices(admin: &mut Connection) -> (Client, Client) {
    let phone = Client::enrolled("alice", admin);
    let laptop = phone.another();
    assert_eq!(phone.link(admin, &laptop, "laptop"), Ok(Value::Okay));
    (phone, laptop)
}

/// What `2FAPI.SHOW` says.
pub(crate) fn shown(admin: &mut Connection, id: &str) -> HashMap<String, Value> {
    cmd("2FAPI.SHOW").arg(id).query(admin).unwrap()
}

/// The names of a client's credentials, in their order.
pub(crate) fn names(admin: &mut Connection, id: &str) -> Vec<String> {
    let credentials = shown(admin, id).remove("credentials").unwrap();
    let credentials: Vec<HashMap<String, Value>> = redis::from_redis_value(credentials).unwrap();
    credentials
        .into_iter()
        .map(|mut one| redis::from_redis_value(one.remove("name").unwrap()).unwrap())
        .collect()
}

fn number(admin: &mut Connection, name: &str) -> Option<u64> {
    redis::from_redis_value(shown(admin, "alice").remove(name).unwrap()).unwrap()
}

#[test]
fn a_linked_credential_logs_in_and_one_that_is_unlinked_does_not() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    let mut at_phone = server.connect();
    let mut at_laptop = server.connect();
    assert_eq!(phone.log_in(&mut at_phone), Ok(Value::Okay));
    assert_eq!(laptop.log_in(&mut at_laptop), Ok(Value::Okay));
    assert_eq!(whoami(&mut at_laptop).as_deref(), Some("alice"));
    // Which one is meant where none is named is decided by place: the phone.
    let unnamed = Client {
        names_itself: false,
        ..laptop.another()
    };
    assert_eq!(prefix(&unnamed.log_in(&mut admin)), "DENIED");
    assert_eq!(number(&mut admin, "version"), Some(2));
    let listed: Vec<HashMap<String, Value>> =
        cmd("2FAPI.CREDENTIALS").query(&mut at_laptop).unwrap();
    let text = |value: &str| Value::BulkString(value.as_bytes().to_vec());
    for (place, device, name, since) in [(0, &phone, "first", 1), (1, &laptop, "laptop", 2)] {
        let one = &listed[place];
        assert_eq!(one["credential_id"], text(&device.credential_id()));
        assert_eq!(one["commitment"], text(&device.commitment()));
        assert_eq!(one["name"], text(name));
        assert_eq!(one["since"], Value::Int(since));
        assert!(matches!(one["created"], Value::Int(at) if at > 1_700_000_000));
        assert_eq!(one["expires_at"], Value::Nil);
    }
    // The laptop takes itself away: its session ends, the phone's does not.
    assert_eq!(laptop.unlink(&mut admin, &laptop), Ok(Value::Okay));
    assert_eq!(whoami(&mut at_laptop), None);
    assert_eq!(whoami(&mut at_phone).as_deref(), Some("alice"));
    assert_eq!(prefix(&laptop.log_in(&mut at_laptop)), "DENIED");
    assert_eq!(names(&mut admin, "alice"), ["first"]);
    assert_eq!(figure(&mut admin, "credentials_linked"), 1);
    assert_eq!(figure(&mut admin, "credentials_unlinked"), 1);
    let log = server.log();
    assert!(log.contains("is linked as \"laptop\""), "{log}");
    assert!(log.contains("a credential is unlinked"), "{log}");
}

#[test]
fn the_last_credential_is_safe_and_the_first_can_go() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    assert_eq!(laptop.unlink(&mut admin, &phone), Ok(Value::Okay));
    assert_eq!(prefix(&phone.log_in(&mut admin)), "DENIED");
    assert_eq!(prefix(&laptop.unlink(&mut admin, &laptop)), "DENIED");
    assert_eq!(prefix(&laptop.unlink(&mut admin, &phone)), "DENIED");
    // What is left is the first now, and need not name itself.
    let laptop = Client {
        names_itself: false,
        ..laptop
    };
    assert_eq!(laptop.log_in(&mut admin), Ok(Value::Okay));
}

#[test]
fn rotating_or_unlinking_ends_the_sessions_of_that_credential_on_every_connection_and_no_others() {
    for rotates in [true, false] {
        let server = Server::start("");
        let mut admin = server.connect();
        let (phone, mut laptop) = two_devices(&mut admin);
        let mut of_phone = [server.connect(), server.connect()];
        let mut of_laptop = [server.connect(), server.connect(), server.connect()];
        for connection in &mut of_phone {
            phone.log_in(connection).unwrap();
        }
        for connection in &mut of_laptop {
            laptop.log_in(connection).unwrap();
        }
        if rotates {
            assert_eq!(laptop.rotate(&mut admin), Ok(Value::Okay));
        } else {
            assert_eq!(phone.unlink(&mut admin, &laptop), Ok(Value::Okay));
        }
        for connection in &mut of_laptop {
            assert_eq!(whoami(connection), None, "{rotates}");
        }
        for connection in &mut of_phone {
            assert_eq!(whoami(connection).as_deref(), Some("alice"), "{rotates}");
        }
        assert_eq!(figure(&mut admin, "sessions"), 2);
        assert_eq!(laptop.log_in(&mut admin).is_ok(), rotates);
    }
}

#[test]
fn a_link_leaves_sessions_as_they_are() {
    let server = Server::start("");
    let mut admin = server.connect();
    let phone = Client::enrolled("alice", &mut admin);
    let mut at_phone = server.connect();
    phone.log_in(&mut at_phone).unwrap();
    phone.link(&mut admin, &phone.another(), "laptop").unwrap();
    assert_eq!(whoami(&mut at_phone).as_deref(), Some("alice"));
}

#[test]
fn an_unlinked_device_closes_with_the_acl_user_that_it_was() {
    let server = Server::start("2fapi.acl-mapping yes");
    let mut admin = server.connect();
    let user = [
        "ACL",
        "SETUSER",
        "client-alice",
        "on",
        "~alice:*",
        "+get",
        "+2fapi.whoami",
    ];
    ask(&mut admin, &user).unwrap();
    let phone = Client::new("alice");
    phone.enroll(&mut admin, &["USER", "client-alice"]).unwrap();
    let laptop = phone.another();
    phone.link(&mut admin, &laptop, "laptop").unwrap();
    let (mut at_phone, mut at_laptop) = (server.connect(), server.connect());
    phone.log_in(&mut at_phone).unwrap();
    laptop.log_in(&mut at_laptop).unwrap();
    phone.unlink(&mut admin, &laptop).unwrap();
    assert!(ask(&mut at_laptop, &["GET", "alice:k"]).is_err());
    assert_eq!(ask(&mut at_phone, &["GET", "alice:k"]), Ok(Value::Nil));
}

#[test]
fn a_link_takes_no_proof_that_was_made_for_something_else() {
    let server = Server::start("");
    let mut admin = server.connect();
    let phone = Client::enrolled("alice", &mut admin);
    let laptop = phone.another();
    let challenge = phone.challenge(&mut admin).unwrap();
    let mallory = Client::new("alice");
    let good = phone.linking_proof(&challenge, &laptop);
    let joining = laptop.joining_proof(&challenge);
    let other = phone.challenge(&mut admin).unwrap();
    let rotation = phone.rotation_proof(&challenge, laptop.credential.commitment());
    for (what, proof, joining) in [
        ("a rotation", &rotation, &joining),
        ("an authentication", &phone.proof(&challenge), &joining),
        ("an enrolment", &phone.possession(), &joining),
        (
            "an unlinking",
            &phone.unlinking_proof(&challenge, &laptop),
            &joining,
        ),
        ("a joining", &phone.joining_proof(&challenge), &joining),
        (
            "the link of another commitment",
            &phone.linking_proof(&challenge, &mallory),
            &joining,
        ),
        (
            "a link over another challenge",
            &phone.linking_proof(&other, &laptop),
            &joining,
        ),
        (
            "a stranger's link",
            &mallory.linking_proof(&challenge, &laptop),
            &joining,
        ),
        (
            "an enrolment in the place of joining",
            &good,
            &laptop.possession(),
        ),
        (
            "an authentication in its place",
            &good,
            &laptop.proof(&challenge),
        ),
        (
            "a joining over another challenge",
            &good,
            &laptop.joining_proof(&other),
        ),
        (
            "another's joining",
            &good,
            &mallory.joining_proof(&challenge),
        ),
    ] {
        let options = ["PROOF", joining, "NAME", "laptop"];
        let answer = phone.link_by(&mut admin, &challenge, proof, &laptop, &options);
        assert_eq!(prefix(&answer), "DENIED", "{what}");
    }
    // Nor does anything else take a link's.
    for proof in [&good, &joining] {
        let answer = phone.verify(&mut admin, &challenge, proof);
        assert_eq!(prefix(&answer), "DENIED");
        let answer = phone.unlink_by(&mut admin, &challenge, proof, &phone);
        assert_eq!(prefix(&answer), "DENIED");
    }
    let words = [
        "2FAPI.ROTATE",
        "alice",
        &challenge.id,
        &good,
        &laptop.commitment(),
        &laptop.possession(),
    ];
    assert_eq!(prefix(&ask(&mut admin, &words)), "DENIED");
    assert_eq!(names(&mut admin, "alice"), ["first"]);
    // Nothing was spent by all of that, and what is right is good once.
    let options = ["PROOF", &joining, "NAME", "laptop"];
    let mut link = || phone.link_by(&mut admin, &challenge, &good, &laptop, &options);
    assert_eq!(link(), Ok(Value::Okay));
    assert_eq!(prefix(&link()), "DENIED");
    assert_eq!(names(&mut admin, "alice"), ["first", "laptop"]);
}

#[test]
fn a_commitment_that_is_there_and_a_seventeenth_are_refused() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (mut phone, laptop) = two_devices(&mut admin);
    assert_eq!(prefix(&phone.link(&mut admin, &laptop, "again")), "DENIED");
    assert_eq!(prefix(&phone.link(&mut admin, &phone, "itself")), "DENIED");
    for place in 3..=16 {
        let device = phone.another();
        let linked = phone.link(&mut admin, &device, &format!("device {place}"));
        assert_eq!(linked, Ok(Value::Okay));
        assert_eq!(device.log_in(&mut admin), Ok(Value::Okay));
    }
    assert_eq!(
        prefix(&phone.link(&mut admin, &phone.another(), "x")),
        "DENIED"
    );
    assert_eq!(names(&mut admin, "alice").len(), 16);
    // A rotation to one of the others is refused as well, and one to a new one keeps its place.
    let challenge = phone.challenge(&mut admin).unwrap();
    let proof = phone.rotation_proof(&challenge, laptop.credential.commitment());
    let words = [
        "2FAPI.ROTATE",
        "alice",
        &challenge.id,
        &proof,
        &laptop.commitment(),
        &laptop.possession(),
    ];
    assert_eq!(prefix(&ask(&mut admin, &words)), "DENIED");
    assert_eq!(phone.rotate(&mut admin), Ok(Value::Okay));
    assert_eq!(names(&mut admin, "alice")[..2], ["first", "laptop"]);
}

#[test]
fn names_that_smuggle_are_refused() {
    let server = Server::start("");
    let mut admin = server.connect();
    let phone = Client::enrolled("alice", &mut admin);
    let long = "x".repeat(65);
    for name in [
        "",
        " x",
        "x ",
        "a\nb",
        "a\r\nb",
        "a\0b",
        "é",
        "\u{1b}[2J",
        "\u{202e}",
        &long,
    ] {
        let answer = phone.link(&mut admin, &phone.another(), name);
        assert_eq!(prefix(&answer), "ERR", "{name:?}");
    }
    for name in ["a \"quoted\" + $(name) %s", "-1", "*2", &long[1..]] {
        assert_eq!(
            phone.link(&mut admin, &phone.another(), name),
            Ok(Value::Okay)
        );
        assert_eq!(names(&mut admin, "alice").last().unwrap(), name);
    }
}

#[test]
fn a_credential_that_is_being_unlinked_links_nobody_and_a_suspended_client_nothing() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    let third = phone.another();
    let challenge = laptop.challenge(&mut admin).unwrap();
    let proof = laptop.linking_proof(&challenge, &third);
    let joining = third.joining_proof(&challenge);
    let options = ["PROOF", &joining, "NAME", "third"];
    phone.unlink(&mut admin, &laptop).unwrap();
    let answer = laptop.link_by(&mut admin, &challenge, &proof, &third, &options);
    assert_eq!(prefix(&answer), "DENIED");
    for answer in [
        laptop.log_in(&mut admin),
        laptop.unlink(&mut admin, &phone),
        laptop.another().unlink(&mut admin, &phone),
    ] {
        assert_eq!(prefix(&answer), "DENIED");
    }
    ask(&mut admin, &["2FAPI.SUSPEND", "alice"]).unwrap();
    assert_eq!(prefix(&phone.link(&mut admin, &third, "third")), "DENIED");
    ask(&mut admin, &["2FAPI.RESUME", "alice"]).unwrap();
    assert_eq!(phone.link(&mut admin, &third, "third"), Ok(Value::Okay));
}

#[test]
fn what_an_unlinked_device_had_sent_is_not_accepted_later() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    let challenge = laptop.challenge(&mut admin).unwrap();
    let proof = laptop.proof(&challenge);
    phone.unlink(&mut admin, &laptop).unwrap();
    let answer = laptop.verify(&mut admin, &challenge, &proof);
    assert_eq!(prefix(&answer), "DENIED");
    // Nor when the same credential is linked again, for what was accepted before.
    let challenge = laptop.challenge(&mut admin).unwrap();
    phone.link(&mut admin, &laptop, "laptop").unwrap();
    let proof = laptop.proof(&challenge);
    assert_eq!(
        laptop.verify(&mut admin, &challenge, &proof),
        Ok(Value::Okay)
    );
    assert_eq!(
        prefix(&laptop.verify(&mut admin, &challenge, &proof)),
        "DENIED"
    );
}

#[test]
fn of_links_unlinkings_and_rotations_at_once_the_record_stays_whole() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    let devices: Vec<Client> = (0..8).map(|_| phone.another()).collect();
    let mut lanes: Vec<Connection> = (0..12).map(|_| server.connect()).collect();
    let (linking, others) = lanes.split_at_mut(8);
    // Of those that are looked at together one wins; the others were told so, and try again.
    let keeps_on = |mut once: Box<dyn FnMut() -> bool + '_>| {
        assert!((0..1000).any(|_| once()), "a thousand times in vain");
    };
    thread::scope(|scope| {
        for (device, lane) in devices.iter().zip(linking) {
            scope.spawn(|| keeps_on(Box::new(|| phone.link(lane, device, "device").is_ok())));
        }
        for lane in others {
            scope.spawn(|| {
                let mut last = laptop.another();
                keeps_on(Box::new(|| {
                    phone.link(lane, &last, "comes and goes").is_ok()
                }));
                keeps_on(Box::new(|| last.rotate(lane).is_ok()));
                keeps_on(Box::new(|| phone.unlink(lane, &last).is_ok()));
            });
        }
    });
    for device in &devices {
        assert_eq!(device.log_in(&mut admin), Ok(Value::Okay));
    }
    assert_eq!(names(&mut admin, "alice").len(), 10);
    assert_eq!(phone.log_in(&mut admin), Ok(Value::Okay));
    assert_eq!(laptop.log_in(&mut admin), Ok(Value::Okay));
    let changes = figure(&mut admin, "credentials_linked")
        + figure(&mut admin, "credentials_unlinked")
        + figure(&mut admin, "commitments_rotated");
    assert_eq!(
        number(&mut admin, "version"),
        u64::try_from(1 + changes).ok()
    );
}

#[test]
fn a_reset_replaces_every_credential_and_keeps_the_status() {
    let server = Server::start("");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    let mut sessions = [server.connect(), server.connect()];
    phone.log_in(&mut sessions[0]).unwrap();
    laptop.log_in(&mut sessions[1]).unwrap();
    let new = Client::new("alice");
    let reset = |admin: &mut Connection, client: &Client, proof: &str| {
        let words = [
            "2FAPI.RESET",
            client.id.as_str(),
            &client.commitment(),
            "PROOF",
            proof,
        ];
        ask(admin, &words)
    };
    let challenge = new.challenge(&mut admin).unwrap();
    let bob = "bob".parse().unwrap();
    for wrong in [
        Client::new("alice").possession(),
        proof_of(&new.credential, &Enrolment { client_id: &bob }),
        new.proof(&challenge),
        new.joining_proof(&challenge),
    ] {
        assert_eq!(prefix(&reset(&mut admin, &new, &wrong)), "DENIED");
    }
    assert_eq!(
        prefix(&reset(&mut admin, &laptop, &laptop.possession())),
        "DENIED"
    );
    let nobody = Client::new("nobody");
    assert_eq!(
        prefix(&reset(&mut admin, &nobody, &nobody.possession())),
        "NOCLIENT"
    );
    assert_eq!(whoami(&mut sessions[0]).as_deref(), Some("alice"));

    ask(&mut admin, &["2FAPI.SUSPEND", "alice"]).unwrap();
    assert_eq!(reset(&mut admin, &new, &new.possession()), Ok(Value::Okay));
    for session in &mut sessions {
        assert_eq!(whoami(session), None);
    }
    assert_eq!(
        prefix(&new.log_in(&mut admin)),
        "DENIED",
        "it is suspended still"
    );
    ask(&mut admin, &["2FAPI.RESUME", "alice"]).unwrap();
    assert_eq!(new.log_in(&mut admin), Ok(Value::Okay));
    for old in [&phone, &laptop] {
        assert_eq!(prefix(&old.log_in(&mut admin)), "DENIED");
    }
    assert_eq!(number(&mut admin, "version"), Some(3));
    // One for the suspension, one for the reset.
    assert_eq!(number(&mut admin, "generation"), Some(2));
    assert_eq!(names(&mut admin, "alice"), ["first"]);

    ask(&mut admin, &["2FAPI.REVOKE", "alice"]).unwrap();
    let next = Client::new("alice");
    assert_eq!(
        prefix(&reset(&mut admin, &next, &next.possession())),
        "INACTIVE"
    );
}

#[test]
fn a_reset_and_what_is_said_of_a_client_are_for_operators() {
    let server = Server::start("");
    let mut admin = server.connect();
    let alice = Client::enrolled("alice", &mut admin);
    ask(
        &mut admin,
        &[
            "ACL",
            "SETUSER",
            "app",
            "on",
            "nopass",
            "~*",
            "+@all",
            "-@dangerous",
        ],
    )
    .unwrap();
    let mut app = server.connect();
    ask(&mut app, &["AUTH", "app", ""]).unwrap();
    let possession = alice.possession();
    for words in [
        &[
            "2FAPI.RESET",
            "alice",
            &alice.commitment(),
            "PROOF",
            &possession,
        ][..],
        &["2FAPI.SHOW", "alice"],
        &["2FAPI.ATTRIBUTES", "alice", "RATE", "1"],
        &["2FAPI.EXPIREAT", "alice", "1"],
        &["2FAPI.ENDSESSIONS", "alice"],
        &["2FAPI.OFFERFOR", "alice", "x"],
        &["2FAPI.PENDINGFOR", "alice"],
    ] {
        assert_eq!(prefix(&ask(&mut app, words)), "NOPERM", "{words:?}");
    }
}

#[test]
fn ending_sessions_ends_them_on_every_node_and_a_resume_revives_none() {
    let primary = Server::start("");
    let replica = Server::start(&format!("replicaof 127.0.0.1 {}", primary.port()));
    let mut admin = primary.connect();
    wait_until("the replica is up to date", || {
        let info: String = cmd("INFO")
            .arg("replication")
            .query(&mut replica.connect())
            .unwrap();
        info.contains("master_link_status:up")
    });
    let (phone, laptop) = two_devices(&mut admin);
    let sync = |admin: &mut Connection| {
        assert_eq!(ask(admin, &["WAIT", "1", "20000"]), Ok(Value::Int(1)));
    };
    sync(&mut admin);
    let (mut here, mut there) = (primary.connect(), replica.connect());
    for commands in [
        &["2FAPI.ENDSESSIONS"][..],
        &["2FAPI.SUSPEND", "2FAPI.RESUME"],
    ] {
        assert_eq!(phone.log_in(&mut here), Ok(Value::Okay));
        assert_eq!(laptop.log_in(&mut there), Ok(Value::Okay));
        for command in commands {
            assert_eq!(ask(&mut admin, &[command, "alice"]), Ok(Value::Okay));
        }
        sync(&mut admin);
        assert_eq!(whoami(&mut here), None, "{commands:?}");
        assert_eq!(whoami(&mut there), None, "{commands:?}");
    }
    // An unlinking reaches the replica's sessions of that credential, and of no other.
    assert_eq!(phone.log_in(&mut replica.connect()), Ok(Value::Okay));
    let mut phones = replica.connect();
    assert_eq!(phone.log_in(&mut phones), Ok(Value::Okay));
    assert_eq!(laptop.log_in(&mut there), Ok(Value::Okay));
    assert_eq!(phone.unlink(&mut admin, &laptop), Ok(Value::Okay));
    sync(&mut admin);
    assert_eq!(whoami(&mut there), None);
    assert_eq!(whoami(&mut phones).as_deref(), Some("alice"));
    assert_eq!(
        prefix(&ask(&mut there, &["2FAPI.ENDSESSIONS", "alice"])),
        "READONLY"
    );
}

#[test]
fn credentials_survive_restarts_dumps_and_copies() {
    let mut server = Server::start("appendonly yes\nappendfsync always\naof-use-rdb-preamble no");
    let mut admin = server.connect();
    let (phone, laptop) = two_devices(&mut admin);
    let dump: Vec<u8> = cmd("DUMP").arg("2fapi:{alice}").query(&mut admin).unwrap();
    let third = phone.another();
    phone.link(&mut admin, &third, "third").unwrap();
    ask(&mut admin, &["COPY", "2fapi:{alice}", "aside"]).unwrap();
    for restarts in 0..2 {
        server.kill();
        server.launch();
        admin = server.connect();
        for device in [&phone, &laptop, &third] {
            assert_eq!(device.log_in(&mut admin), Ok(Value::Okay), "{restarts}");
        }
        ask(&mut admin, &["BGREWRITEAOF"]).unwrap();
        wait_until("the rewrite is done", || {
            let info: String = cmd("INFO").arg("persistence").query(&mut admin).unwrap();
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        });
    }
    let _: Value = cmd("RESTORE")
        .arg("2fapi:{alice}")
        .arg(0)
        .arg(dump)
        .arg("REPLACE")
        .query(&mut admin)
        .unwrap();
    assert_eq!(names(&mut admin, "alice"), ["first", "laptop"]);
    ask(&mut admin, &["COPY", "aside", "2fapi:{alice}", "REPLACE"]).unwrap();
    assert_eq!(names(&mut admin, "alice"), ["first", "laptop", "third"]);
    assert_eq!(third.log_in(&mut admin), Ok(Value::Okay));
}
