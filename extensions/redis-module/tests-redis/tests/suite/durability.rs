//! What was acknowledged is there after restarts, rewrites and crashes; what was damaged is refused.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use redis::{Connection, Value, cmd};
use twofapi_tests_redis::{Client, Server, wait_until};

use crate::{ask, prefix};

/// Clients of every status and with everything that a record can hold.
fn population(connection: &mut Connection) -> Vec<(Client, &'static str)> {
    let mut all = Vec::new();
    for status in ["active", "suspended", "revoked", "rotated", "mapped"] {
        let mut client = Client::new(status);
        let options: &[&str] = if status == "mapped" {
            &["USER", "client-app"]
        } else {
            &[]
        };
        client.enroll(connection, options).unwrap();
        match status {
            "suspended" => drop(ask(connection, &["2FAPI.SUSPEND", status]).unwrap()),
            "revoked" => drop(ask(connection, &["2FAPI.REVOKE", status]).unwrap()),
            "rotated" => drop(client.rotate(connection).unwrap()),
            _ => {}
        }
        let shown = if matches!(status, "suspended" | "revoked") {
            status
        } else {
            "active"
        };
        all.push((client, shown));
    }
    all
}

fn all_as_they_were(all: &[(Client, &str)], connection: &mut Connection) {
    for (client, shown) in all {
        let status: String = cmd("2FAPI.STATUS")
            .arg(client.id.as_str())
            .query(connection)
            .unwrap();
        assert_eq!(status, *shown, "{}", client.id);
        assert_eq!(
            client.log_in(connection).is_ok(),
            *shown == "active",
            "{}",
            client.id
        );
    }
}

#[test]
fn clients_survive_a_snapshot_and_a_reload() {
    let mut server = Server::start("");
    let mut connection = server.connect();
    let all = population(&mut connection);
    let digest: String = cmd("DEBUG")
        .arg("DIGEST")
        .query(&mut connection)
        .unwrap_or_default();
    ask(&mut connection, &["CONFIG", "SET", "appendonly", "no"]).unwrap();
    ask(&mut connection, &["SAVE"]).unwrap();
    server.kill();
    server.configure("enable-debug-command yes");
    server.launch();
    let mut connection = server.connect();
    all_as_they_were(&all, &mut connection);
    assert_eq!(ask(&mut connection, &["DEBUG", "RELOAD"]), Ok(Value::Okay));
    all_as_they_were(&all, &mut connection);
    let before: String = cmd("DEBUG").arg("DIGEST").query(&mut connection).unwrap();
    ask(&mut connection, &["2FAPI.SUSPEND", "active"]).unwrap();
    let after: String = cmd("DEBUG").arg("DIGEST").query(&mut connection).unwrap();
    assert_ne!(before, after, "the digest is of what the clients are");
    drop(digest);
}

#[test]
fn clients_survive_the_append_only_file_with_and_without_a_rewrite() {
    for preamble in ["yes", "no"] {
        let configuration =
            format!("appendonly yes\nappendfsync always\naof-use-rdb-preamble {preamble}");
        let mut server = Server::start(&configuration);
        let mut connection = server.connect();
        let mut all = population(&mut connection);
        server.kill();
        server.launch();
        let mut connection = server.connect();
        all_as_they_were(&all, &mut connection);
        ask(&mut connection, &["BGREWRITEAOF"]).unwrap();
        wait_until("the rewrite is done", || {
            let info: String = cmd("INFO")
                .arg("persistence")
                .query(&mut connection)
                .unwrap();
            info.contains("aof_rewrite_in_progress:0")
                && info.contains("aof_last_bgrewrite_status:ok")
                && info.contains("aof_rewrite_scheduled:0")
        });
        all.push((Client::enrolled("later", &mut connection), "active"));
        server.kill();
        server.launch();
        all_as_they_were(&all, &mut server.connect());
    }
}

#[test]
fn after_a_kill_every_acknowledged_enrolment_is_there() {
    let mut server = Server::start("appendonly yes\nappendfsync always");
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<Client> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let mut connection = server.connect();
                let stop = &stop;
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        let client = Client::new(&format!("c{writer}-{number}"));
                        let possession = client.possession();
                        let options: &[&str] = if number % 2 == 0 {
                            &["PROOF", &possession]
                        } else {
                            &[]
                        };
                        match client.enroll(&mut connection, options) {
                            Ok(_) => done.push(client),
                            Err(_) => break,
                        }
                        if stop.load(Ordering::Relaxed) && number > 100_000 {
                            break;
                        }
                    }
                    done
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(800));
        let pid = server.pid().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-9", &pid])
                .status()
                .unwrap()
                .success()
        );
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    server.kill();
    server.launch();
    let mut connection = server.connect();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    for client in &acknowledged {
        let status: String = cmd("2FAPI.STATUS")
            .arg(client.id.as_str())
            .query(&mut connection)
            .unwrap();
        assert_eq!(status, "active", "{}", client.id);
    }
    assert_eq!(acknowledged[0].log_in(&mut connection), Ok(Value::Okay));
}

/// So that payloads show the record as it is.
const UNCOMPRESSED: &str = "rdbcompression no";

/// What DUMP gives, taken apart: the body before version and checksum.
fn dumped(connection: &mut Connection, key: &str) -> Vec<u8> {
    let dump: Vec<u8> = cmd("DUMP").arg(key).query(connection).unwrap();
    dump[..dump.len() - 8].to_vec()
}

/// Puts the right checksum behind a payload, however damaged.
fn sealed(body: &[u8]) -> Vec<u8> {
    let crc = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(body);
    [body, &crc.to_le_bytes()].concat()
}

fn restore(connection: &mut Connection, key: &str, payload: &[u8]) -> redis::RedisResult<Value> {
    cmd("RESTORE")
        .arg(key)
        .arg(0)
        .arg(payload)
        .arg("REPLACE")
        .query(connection)
}

#[test]
fn a_damaged_payload_is_refused_and_the_server_stays() {
    let mut server = Server::start(UNCOMPRESSED);
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let body = dumped(&mut connection, "2fapi:{alice}");
    assert_eq!(
        restore(&mut connection, "2fapi:{alice}", &sealed(&body)),
        Ok(Value::Okay)
    );
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    let mut refused = 0;
    for at in 1..body.len() - 2 {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = body.clone();
            damaged[at] ^= flip;
            refused += usize::from(restore(&mut connection, "damaged", &sealed(&damaged)).is_err());
        }
        let truncated = [&body[..at], &body[body.len() - 2..]].concat();
        assert!(
            restore(&mut connection, "damaged", &sealed(&truncated)).is_err(),
            "{at}"
        );
    }
    assert!(refused > body.len(), "{refused}");
    assert!(server.is_running());
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
}

/// A payload of this module's type: of the layout that `encoding` says, with this record. `like` is one that the
/// server gave.
fn payload(like: &[u8], encoding: u8, record: &[u8]) -> Vec<u8> {
    // 0x07, the type's 64-bit id with the layout in its lowest ten bits, then 0x05 and the record with its
    // length, then 0x00 and the version of RDB. Ids beyond 32 bits are written as 0x81 and eight bytes.
    assert_eq!((like[0], like[1], like[9]), (7, 0x81, 2), "{like:?}");
    let mut head = like[..11].to_vec();
    head[9] = encoding;
    let length = (record.len() as u16 | 0x4000).to_be_bytes();
    let end = &like[like.len() - 3..];
    assert_eq!(end[0], 0, "{like:?}");
    [&head, &length[..], record, end].concat()
}

/// What the module of before kept of an active client, in each of its layouts.
fn layouts_of_before(client: &Client) -> [Vec<u8>; 2] {
    let id = client.id.as_bytes();
    let first = [
        &[id.len() as u8][..],
        id,
        b"\0\0\0\0\x01",
        client.credential.commitment().as_bytes(),
    ]
    .concat();
    let second = [&first[..], b"\x0aclient-app"].concat();
    [first, second]
}

#[test]
fn a_record_of_an_older_layout_is_read_and_of_a_newer_one_refused() {
    let server = Server::start(UNCOMPRESSED);
    let mut connection = server.connect();
    let mut alice = Client::enrolled("alice", &mut connection);
    let like = dumped(&mut connection, "2fapi:{alice}");
    for (encoding, record) in (0..).zip(layouts_of_before(&alice)) {
        let older = payload(&like, encoding, &record);
        assert_eq!(
            restore(&mut connection, "2fapi:{alice}", &sealed(&older)),
            Ok(Value::Okay)
        );
        assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
        // It is saved in the newer layout, and lives on.
        assert_eq!(dumped(&mut connection, "2fapi:{alice}")[9], 2);
        let other = payload(&like, 1 - encoding, &record);
        assert!(restore(&mut connection, "other", &sealed(&other)).is_err());
    }
    assert_eq!(alice.rotate(&mut connection), Ok(Value::Okay));
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
    let mut newer = like;
    newer[9] = 3;
    assert!(restore(&mut connection, "2fapi:{alice}", &sealed(&newer)).is_err());
    assert!(server.log().contains("newer version"));
}

#[test]
fn an_append_only_file_of_before_is_read() {
    let mut server = Server::start("appendonly yes\nappendfsync always\naof-use-rdb-preamble no");
    let mut connection = server.connect();
    let bob = Client::enrolled("bob", &mut connection);
    server.kill();
    let alice = Client::new("alice");
    let [_, record] = layouts_of_before(&alice);
    let mut append = cmd("2FAPI.APPLY");
    append.arg("2fapi:{alice}").arg(record);
    let folder = server.dir().join("appendonlydir");
    let file = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().ends_with(".incr.aof"))
        .unwrap();
    let written = [std::fs::read(&file).unwrap(), append.get_packed_command()].concat();
    std::fs::write(&file, written).unwrap();
    server.launch();
    let mut connection = server.connect();
    for client in [&alice, &bob] {
        assert_eq!(client.log_in(&mut connection), Ok(Value::Okay));
    }
    let shown: (String, Vec<(String, String, Option<String>)>) =
        cmd("2FAPI.CLIENTS").arg(0).query(&mut connection).unwrap();
    let alice_as = ("alice".into(), "active".into(), Some("client-app".into()));
    assert!(shown.1.contains(&alice_as), "{shown:?}");
}

#[test]
fn whatever_bytes_are_restored_the_server_stays() {
    let mut server = Server::start(UNCOMPRESSED);
    let mut connection = server.connect();
    let alice = Client::enrolled("alice", &mut connection);
    let like = dumped(&mut connection, "2fapi:{alice}");
    let record = like[13..like.len() - 3].to_vec();
    assert_eq!(payload(&like, 2, &record), like);
    let huge = vec![0xff; 9000];
    let hostile: [&[u8]; 6] = [
        b"",
        b"\x82",
        b"\x82\xff",
        // Sixteen credentials are said to follow, or 255, or none.
        &[&record[..8], &[0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 16]].concat(),
        &[&record[..8], &[0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 255], &huge].concat(),
        &[
            &record[..8],
            &[0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0],
            &[0; 17],
        ]
        .concat(),
    ];
    for record in hostile {
        for encoding in [0, 1, 2, 3] {
            let payload = sealed(&payload(&like, encoding, record));
            assert!(restore(&mut connection, "hostile", &payload).is_err());
        }
    }
    assert!(server.is_running());
    assert_eq!(alice.log_in(&mut connection), Ok(Value::Okay));
}

#[test]
fn apply_is_refused_from_anybody_but_the_primary_and_the_append_only_file() {
    let server = Server::start(UNCOMPRESSED);
    let mut connection = server.connect();
    let _ = Client::enrolled("alice", &mut connection);
    let body = dumped(&mut connection, "2fapi:{alice}");
    let record = &body[13..body.len() - 3];
    let answer: redis::RedisResult<Value> = cmd("2FAPI.APPLY")
        .arg("2fapi:{bob}")
        .arg(record)
        .query(&mut connection);
    assert_eq!(prefix(&answer), "ERR");
    assert_eq!(
        ask(&mut connection, &["EXISTS", "2fapi:{bob}"]),
        Ok(Value::Int(0))
    );
}
